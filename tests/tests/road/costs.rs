//! What the road costs: the questions for which a program has to wait, counted, each with its reason in the documents.

use std::collections::BTreeMap;

use farwarp_tests::{Product, Server, root, run};

use crate::LIMIT;

#[test]
fn each_question_of_vector_add_stands_in_the_documents_with_its_reason() {
    let server = Server::start();
    let stats = server.file("stats.json");
    let program = Product::find().program("vector_add.cudart13-static");
    let outcome = run(server.command(&program).env("FARWARP_STATS", &stats), LIMIT);
    assert!(outcome.status.success(), "{outcome}");
    let stats: serde_json::Value =
        serde_json::from_slice(&std::fs::read(stats).expect("the shim writes what the run cost"))
            .expect("JSON");
    let asked: BTreeMap<String, u64> =
        serde_json::from_value(stats["asked"].clone()).expect("a count for each operation");
    let (documented, round_trips) = documented();
    assert_eq!(documented, asked, "left: docs/round-trips.md, right: what was asked");
    assert_eq!(stats["round_trips"], round_trips, "{stats}");
}

/// The rows of the page's table: how often each operation is asked, and in how many round trips all of them are.
fn documented() -> (BTreeMap<String, u64>, u64) {
    let page = std::fs::read_to_string(root().join("docs/round-trips.md")).expect("the page");
    let mut round_trips = 0;
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let &[operation, count, trips, reason] = cells.as_slice() else { return None };
        let count = count.parse().ok()?;
        round_trips += trips.parse::<u64>().expect("a number of round trips");
        assert!(reason.len() > 20, "{operation} has no reason");
        Some((operation.trim_matches('`').to_owned(), count))
    };
    let asked = page.lines().filter_map(row).collect();
    (asked, round_trips)
}
