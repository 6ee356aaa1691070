//! The agent is killed at every point of a lease's life, as a process; the next one leaves nothing and makes nothing twice.

use std::path::PathBuf;

use farwarp_provisioner::ledger;
use farwarp_tests::fakecloud::CreateFault;
use farwarp_tests::{run, wait_until};

use crate::{LIMIT, Scene, deeply};

/// In the default run only so many points of each kind of life are tried, evenly spread.
const POINTS_SAMPLED: usize = 3;

fn scene(fault: Option<CreateFault>, destroy_failures: u32) -> Scene {
    let scene = Scene::new("quiet = '300ms'");
    scene.cloud.fast_boxes();
    let mut world = scene.cloud.world();
    world.faults.creates.extend(fault.map(|fault| (1, fault)));
    world.faults.destroy_failures = destroy_failures;
    drop(world);
    scene
}

/// A whole life: rented, served, quiet, destroyed, written down. Whatever becomes of the agent meanwhile.
fn live(scene: &Scene, dies_at: usize, count: &PathBuf) {
    let mut up = scene.farwarp(&["up"]);
    up.env("TEST_AGENT_DIES_AT", dies_at.to_string()).env("TEST_AGENT_POINTS", count);
    run(&mut up, LIMIT);
    let gone = || scene.household.agent_process().is_none();
    assert!(wait_until(LIMIT, gone), "the agent of point {dies_at} does not end");
}

fn passed(count: &PathBuf) -> usize {
    std::fs::read_to_string(count).unwrap_or_default().parse().unwrap_or(0)
}

#[test]
fn an_agent_that_is_killed_at_any_point_leaves_nothing_and_makes_nothing_twice() {
    let lives: [(&str, Option<CreateFault>, u32); 4] = [
        ("a plain life", None, 0),
        ("the answer to the create is lost", Some(CreateFault::AnswerLost), 0),
        ("an error that bills", Some(CreateFault::FailsAndBills), 0),
        ("destroying fails twice", None, 2),
    ];
    let (mut tried, mut orphans, mut doubles) = (0, 0, 0);
    for (name, fault, destroy_failures) in lives {
        let whole = scene(fault, destroy_failures);
        let count = whole.household.state().with_extension("points");
        live(&whole, 0, &count);
        let points = passed(&count);
        assert!(points > 20, "{name} has only {points} points");
        let every = if deeply("every point of death") { 1 } else { points.div_ceil(POINTS_SAMPLED) };
        for point in (1..=points).step_by(every) {
            let one = scene(fault, destroy_failures);
            live(&one, point, &count);
            // The next agent opens no lease of its own: all that it does is the dead one's business.
            one.said(&["down", "--all"]);
            assert!(
                wait_until(LIMIT, || one.cloud.world().billing() == 0),
                "{name}, point {point}: an orphan"
            );
            let creates = one.cloud.world().creates;
            let history = ledger::history(&one.household.state()).expect("a ledger");
            let leases = history.len();
            tried += 1;
            orphans += one.cloud.world().billing();
            // Where an offer fails the next one is a lease of its own; no lease creates twice.
            doubles += creates.saturating_sub(leases);
            assert!(creates <= leases, "{name}, point {point}: {creates} creates of {leases} leases");
        }
        println!("{name}: {points} points");
    }
    println!("killed at {tried} points: {orphans} orphans, {doubles} double creates");
}
