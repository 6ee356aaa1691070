//! A hostile client, made from the table: whatever it says wrong, no driver hears of it, at most its own session ends, and by one
//! rule with one name.

mod case;
mod client;
mod field;
mod in_process;
mod ledger;
mod plans;
mod scene;
mod server;
mod shape;
mod stories;

use std::collections::BTreeSet;

use farwarp_tests::Judge;
use ledger::Ledger;

#[test]
fn no_lie_reaches_the_driver_and_every_rule_stops_one() {
    let judge = Judge::new();
    let mut ledger = Ledger::default();
    let undescribed = in_process::run(&judge, &mut ledger);
    assert_eq!(undescribed, Vec::<String>::new(), "calls of which nobody says how they lie: see shape.rs");
    stories::run(&judge, &mut ledger);
    let faults = ledger.faults();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    // A driver of its own: what a server's workers call is not mixed with what was called here.
    server::run(&Judge::new(), &mut ledger);
    println!("{ledger}");
    assert_eq!(ledger.unmet(), BTreeSet::new(), "rules that no case has met");
}
