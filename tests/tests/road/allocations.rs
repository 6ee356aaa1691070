//! Device memory: whose it is, when it may be another's, and what asking for it costs.

use std::time::Duration;
use std::{env, fs};

use farwarp_tests::{Product, Server, not_run, run};
use serde_json::Value;

use crate::{LIMIT, text, well, well_on_both_roads};

#[test]
fn allocations_have_their_own_sizes_and_running_out_is_said_by_the_call_that_allocates() {
    well_on_both_roads("allocations", &[]);
}

#[test]
fn under_eight_threads_no_allocation_overlaps_is_reused_early_or_leaks() {
    well(&Server::start(), "allocations", &["model", "6"]);
}

/// As long as the soak says; in the tests a few seconds stand for it.
#[test]
fn a_minute_of_allocating_and_freeing_by_eight_threads_keeps_every_range_to_itself() {
    let Ok(seconds) = env::var("FARWARP_ALLOCATING_SECONDS") else {
        return not_run(
            "a minute of allocations by eight threads",
            "scripts/soak --only allocations runs it",
        );
    };
    let limit = LIMIT + Duration::from_secs(seconds.parse().expect("seconds"));
    let server = Server::start();
    let program = Product::find().program("allocations.driver");
    let outcome = run(server.command(&program).args(["model", &seconds]), limit);
    assert!(outcome.status.success(), "{outcome}\n--- the server\n{}", server.log());
    let said = text(&outcome);
    println!(
        "{}",
        said.lines().find(|line| line.contains("allocations by")).expect("how many there were").trim()
    );
}

#[test]
fn a_thousand_allocations_and_frees_within_the_credit_cost_no_round_trip() {
    let server = Server::start();
    let program = Product::find().program("allocations.driver");
    let asked = |rounds: &str| {
        let bill = server.file("bill.json");
        let mut command = server.command(&program);
        let outcome = run(command.args(["rounds", rounds]).env("FARWARP_STATS", &bill), LIMIT);
        assert!(outcome.status.success(), "{outcome}");
        let bill: Value = serde_json::from_slice(&fs::read(&bill).expect("the bill")).expect("JSON");
        bill["asks"].as_u64().unwrap_or_else(|| panic!("{bill:#}"))
    };
    // The first allocation asks for credit.
    assert_eq!(asked("1000"), asked("1"));
}
