//! What a cloud does wrong, one fault after the other: what a person hears, and that nothing is left that costs money.

use std::collections::BTreeMap;
use std::time::Duration;

use farwarp_tests::fakecloud::{CreateFault, World};
use farwarp_tests::{Outcome, wait_until};

use crate::{LIMIT, Scene};

struct Fault {
    name: &'static str,
    begin: fn(&mut World),
    /// Whether a machine is had nevertheless, and how many creates that takes.
    creates: Option<usize>,
    /// Somewhere in what is said.
    words: &'static str,
}

fn nth(world: &mut World, faults: &[(usize, CreateFault)]) {
    world.faults.creates = BTreeMap::from_iter(faults.iter().copied());
}

const FAULTS: &[Fault] = &[
    Fault { name: "none", begin: |_| {}, creates: Some(1), words: "renting RTX 4090" },
    Fault {
        name: "stock-out on the first and second create",
        begin: |world| nth(world, &[(1, CreateFault::StockOut), (2, CreateFault::StockOut)]),
        creates: Some(3),
        words: "no capacity: the offer is not available any more; the next offer is tried",
    },
    Fault {
        name: "nothing in stock",
        begin: |world| nth(world, &[1, 2, 3, 4].map(|n| (n, CreateFault::StockOut))),
        creates: None,
        words: "vast has nothing that fits",
    },
    Fault {
        name: "the answer is lost after a create",
        begin: |world| nth(world, &[(1, CreateFault::AnswerLost)]),
        creates: Some(1),
        words: "the answer was lost, looking for the machine",
    },
    Fault {
        name: "the answer is lost and lists lag",
        begin: |world| {
            nth(world, &[(1, CreateFault::AnswerLost)]);
            world.faults.list_lag_ms = 150;
        },
        creates: Some(1),
        words: "the answer was lost, looking for the machine",
    },
    Fault {
        name: "an error that made a machine and bills it",
        begin: |world| nth(world, &[(1, CreateFault::FailsAndBills)]),
        creates: Some(2),
        words: "created stopped; the next offer is tried",
    },
    Fault {
        name: "an error that leaves open whether a machine was made",
        begin: |world| nth(world, &[(1, CreateFault::Unclear)]),
        creates: Some(2),
        words: "nothing was rented; the next offer is tried",
    },
    Fault {
        name: "429 without Retry-After",
        begin: |world| world.faults.limited = 2,
        creates: Some(1),
        words: "renting RTX 4090",
    },
    Fault {
        name: "429 with Retry-After",
        begin: |world| (world.faults.limited, world.faults.retry_after_s) = (1, Some(1)),
        creates: Some(1),
        words: "renting RTX 4090",
    },
    Fault {
        name: "stuck while loading",
        begin: |world| nth(world, &[(1, CreateFault::Stuck)]),
        creates: Some(2),
        words: "it did not answer within 6 s; the next offer is tried",
    },
    Fault {
        name: "boots and then exits",
        begin: |world| nth(world, &[(1, CreateFault::Exits)]),
        creates: Some(2),
        words: "its container is exited; the next offer is tried",
    },
    Fault {
        name: "destroying fails twice",
        begin: |world| world.faults.destroy_failures = 2,
        creates: Some(1),
        words: "renting RTX 4090",
    },
    Fault {
        name: "lists that lag",
        begin: |world| world.faults.list_lag_ms = 150,
        creates: Some(1),
        words: "renting RTX 4090",
    },
    Fault {
        name: "no money",
        begin: |world| world.credit_dollars = 0.0,
        creates: None,
        words: "vast: balance: the account has no credit left",
    },
    Fault {
        name: "a key that is not accepted",
        begin: |world| world.account_key = "another".into(),
        creates: None,
        words: "vast: not authorised: Invalid user key",
    },
    Fault {
        name: "a page for people in place of JSON",
        begin: |world| world.faults.html = true,
        creates: None,
        words: "answers text/html where JSON is due: <html><body>Maintenance",
    },
    Fault {
        name: "a huge answer",
        begin: |world| world.faults.huge = true,
        creates: None,
        words: "an answer of more than",
    },
    Fault {
        name: "prices that have risen",
        begin: |world| world.offers.iter_mut().for_each(|offer| offer.micro_dollars_per_hour *= 100),
        creates: None,
        words: "vast has 'RTX 4090', but none that fits",
    },
];

/// A lease from its beginning to its end under one fault; what is left billing must be nothing.
fn runs(fault: &Fault) -> (Outcome, usize) {
    let scene = Scene::new("quiet = '10m'\ngpu = 'RTX 4090'\nmax_price = '$1'");
    let config = scene.cloud.config("quiet = '10m'\ngpu = 'RTX 4090'\nmax_price = '$1'");
    scene.household.configure(&config.replace("boot_timeout = '60s'", "boot_timeout = '6s'"));
    (fault.begin)(&mut scene.cloud.world());
    let outcome = scene.said(&["up"]);
    let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert_eq!(outcome.status.success(), fault.creates.is_some(), "{}: {outcome}", fault.name);
    let expected = if fault.name == "nothing in stock" { "" } else { fault.words };
    assert!(said.contains(expected), "{}: {outcome}", fault.name);
    if let Some(creates) = fault.creates {
        assert_eq!(scene.cloud.world().creates, creates, "{}", fault.name);
    }
    // Those that failed end by themselves, beside the one that serves.
    let kept = usize::from(fault.creates.is_some());
    assert!(
        wait_until(LIMIT, || scene.cloud.world().billing() == kept),
        "{}: a failed one is left",
        fault.name
    );
    if kept == 1 {
        scene.is_clean();
    }
    let left = scene.cloud.world().billing();
    (outcome, left)
}

#[test]
fn whatever_goes_wrong_nothing_is_left_that_costs_money_and_people_hear_why() {
    println!("{:<55} {:>7} {:>12}", "fault (vast)", "creates", "left billing");
    for fault in FAULTS {
        let (_, left) = runs(fault);
        let creates = fault.creates.map_or("-".into(), |creates| creates.to_string());
        println!("{:<55} {creates:>7} {left:>12}", fault.name);
        assert_eq!(left, 0, "{}", fault.name);
    }
}

#[test]
fn an_unknown_gpu_is_answered_with_the_nearest_and_nothing_is_rented() {
    let scene = Scene::new("gpu = 'RTX 4099'");
    let outcome = scene.said(&["up"]);
    let said = String::from_utf8_lossy(&outcome.stderr);
    assert!(!outcome.status.success());
    assert!(said.contains("vast has no 'RTX 4099'; the nearest: RTX 4090 at $0.34/h"), "{outcome}");
    assert_eq!(scene.cloud.world().creates, 0);
}

#[test]
fn without_an_image_nothing_is_rented_and_one_line_says_why() {
    let scene = Scene::new("");
    scene.household.configure(&scene.cloud.config("").replace("image = 'a-test'\n", ""));
    let outcome = scene.said(&["up"]);
    let said = String::from_utf8_lossy(&outcome.stderr);
    assert!(!outcome.status.success());
    assert_eq!(said.matches("provider.vast names no image").count(), 1, "{outcome}");
    assert_eq!(scene.cloud.world().creates, 0);
}

#[test]
fn a_budget_stops_what_would_exceed_it_before_and_during() {
    let scene = Scene::new("quiet = '10h'\nhold = 'never'\nbudget = '$0.05'");
    let clock = scene.cloud.world().clock.clone();
    clock.stop_at(1_000_000);
    scene.json(&["up", "--json"]);
    // 0.34 dollars an hour: five cents are 8 minutes and 49 seconds.
    for _ in 0..8 {
        clock.advance(60_000);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(scene.cloud.world().billing(), 1, "it was ended before its time");
    clock.advance(30_000);
    assert!(wait_until(LIMIT, || scene.cloud.world().billing() == 0), "the budget did not end it");
    assert!(wait_until(LIMIT, || scene.json(&["ps", "--json"]).as_array().is_some_and(Vec::is_empty)));
    let cost = scene.json(&["cost", "--json"]);
    assert!(cost["micro_dollars"].as_u64().is_some_and(|sum| (45_000..=50_000).contains(&sum)), "{cost}");
    assert_eq!(cost["leases"][0]["end"], "the budget of $0.05 for a session is used up");

    let profile = "budget = { session = '$1', day = '$0.05' }";
    scene.household.configure(&scene.cloud.config(profile));
    let outcome = scene.said(&["up"]);
    assert!(!outcome.status.success());
    assert!(
        String::from_utf8_lossy(&outcome.stderr).contains("the budget of $0.05 for a day has"),
        "{outcome}"
    );
    assert_eq!(scene.cloud.world().creates, 1);
}

#[test]
fn a_job_of_ten_hours_is_stopped_by_nothing_but_its_budget() {
    let scene = Scene::new("quiet = '11h'\nbudget = { session = '$10', day = '$10' }");
    let clock = scene.cloud.world().clock.clone();
    clock.stop_at(1_000_000);
    scene.json(&["up", "--json"]);
    for _ in 0..20 {
        clock.advance(30 * 60_000);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(scene.cloud.world().billing(), 1);
    scene.is_clean();
    let cost = scene.json(&["cost", "--json"]);
    assert_eq!(cost["micro_dollars"], 3_400_000, "{cost}");
    assert_eq!(scene.cloud.world().billed(), 3_400_000);
}
