//! Random programs: whatever lawful program is drawn, its memory at the end is what CUDA's rules make of it: directly on the software
//! GPU, through the road, and when the road is slow. What is drawn, and what is lawful, stands in tests/src/bin/farwarp-random/.
//!
//! FARWARP_RANDOM_FIRST and FARWARP_RANDOM_COUNT choose other seeds, FARWARP_RANDOM_PROGRAM one program, as a failure prints it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use farwarp_tests::relay::Conditions;
use farwarp_tests::{Outcome, Server, run};

const COUNT: u64 = 200;
/// Of a program that is named: a fault may be a matter of time.
const TIMES: &str = "50";

/// Far beyond what so many programs need, each; reached only by one that hangs, which ends itself before.
const LIMIT_EACH: Duration = Duration::from_secs(2);
const LIMIT_LEAST: Duration = Duration::from_secs(120);
/// Shrinking ends itself after less.
const SHRINK_LIMIT: Duration = Duration::from_secs(300);

/// A road between continents, nearly: long enough that whatever is not waited for is late, short enough for so many programs.
const SLOW: Conditions = Conditions {
    round_trip: Duration::from_millis(4),
    bits_per_second: Some(400_000_000),
    lost_per_mille: 0,
    doubled_per_mille: 10,
    held_up_per_mille: 20,
    mtu_bytes: usize::MAX,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_farwarp-random");

#[test]
fn random_programs_end_with_the_memory_that_the_rules_decide_on_the_software_gpu() {
    let server = Server::start();
    all_end_well(&|| server.directly(Path::new(PROGRAM)), &String::new);
}

#[test]
fn random_programs_end_with_the_memory_that_the_rules_decide_through_the_road() {
    let server = Server::start();
    all_end_well(&|| server.command(Path::new(PROGRAM)), &|| server.log());
}

#[test]
fn random_programs_end_with_the_memory_that_the_rules_decide_through_a_slow_road() {
    let server = Server::start();
    let relay = server.relay(1);
    relay.behave(SLOW);
    all_end_well(&|| server.command_through(&relay, Path::new(PROGRAM)), &|| server.log());
}

fn all_end_well(command: &dyn Fn() -> Command, log: &dyn Fn() -> String) {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first: u64 = number("FARWARP_RANDOM_FIRST").unwrap_or(0);
    let count: u64 = number("FARWARP_RANDOM_COUNT").unwrap_or(COUNT);
    let arguments = match std::env::var("FARWARP_RANDOM_PROGRAM") {
        Ok(program) => ["run".into(), program, "--times".into(), TIMES.into()].to_vec(),
        Err(_) => vec!["seeds".into(), first.to_string(), count.to_string()],
    };
    let limit = LIMIT_LEAST.max(LIMIT_EACH * count as u32);
    let outcome = run(command().args(arguments), limit);
    if outcome.status.success() {
        return print!("{}", String::from_utf8_lossy(&outcome.stdout));
    }
    // What the shrinking shows; that the program did fail is known already.
    let shrunk = failed(&outcome).map(|program| run(command().args(["shrink", &program]), SHRINK_LIMIT));
    let shrunk = shrunk.map_or(String::new(), |shrunk| shrunk.to_string());
    panic!("{}\n--- shrunk\n{shrunk}\n--- the server\n{}", end_of(&outcome), log());
}

/// The program that it says has failed, or that was running when the process died.
fn failed(outcome: &Outcome) -> Option<String> {
    let (said, noted) = (String::from_utf8_lossy(&outcome.stdout), String::from_utf8_lossy(&outcome.stderr));
    let failed = said.lines().find_map(|line| line.strip_prefix("FAILED "));
    let running = || noted.lines().rev().find_map(|line| line.strip_prefix("running "));
    failed.or_else(running).map(str::to_owned)
}

/// Without the programs that ended well.
fn end_of(outcome: &Outcome) -> String {
    let text = outcome.to_string();
    let lines = text.lines().filter(|line| !line.starts_with("running "));
    lines.collect::<Vec<_>>().join("\n")
}
