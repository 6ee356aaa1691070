//! Graphs and captures: what is built, what is captured, what is refused, and what a launch costs.

use std::fs;

use farwarp_tests::{Product, Server, run};
use serde_json::Value;

use crate::{LIMIT, well_on_both_roads};

#[test]
fn graphs_of_every_kind_of_node_do_what_they_say_and_end_in_any_order() {
    well_on_both_roads("graphs", &[]);
}

#[test]
fn captures_in_each_mode_beside_another_thread_give_the_same_codes_and_graphs() {
    well_on_both_roads("captures", &[]);
}

#[test]
fn copies_and_functions_of_the_host_in_a_graph_see_the_bytes_of_each_launch() {
    well_on_both_roads("graph_host", &[]);
}

#[test]
fn bodies_of_conditional_nodes_run_as_kernels_say() {
    well_on_both_roads("graph_conditional", &[]);
}

#[test]
fn a_thousand_launches_of_a_graph_wait_for_no_answer() {
    let server = Server::start();
    let program = Product::find().program("graph_launches.driver");
    let round_trips = |launches: &str| {
        let bill = server.file("bill.json");
        let outcome = run(server.command(&program).arg(launches).env("FARWARP_STATS", &bill), LIMIT);
        assert!(outcome.status.success(), "{outcome}\n--- the server\n{}", server.log());
        let bill: Value = serde_json::from_slice(&fs::read(&bill).expect("the bill")).expect("JSON");
        let number = |name: &str| bill[name].as_u64().unwrap_or_else(|| panic!("{name} in {bill:#}"));
        (number("asks"), number("tells"))
    };
    let (asks, tells) = round_trips("1");
    let (asks_of_many, tells_of_many) = round_trips("1001");
    assert_eq!((asks_of_many, tells_of_many), (asks, tells + 1000));
}

#[test]
fn memory_that_graphs_allocate_is_theirs_the_programs_or_nobodys_as_launches_and_frees_say() {
    well_on_both_roads("graph_memory", &[]);
}
