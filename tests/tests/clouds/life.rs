//! A machine's whole life, from a program's first call to the last line of the ledger.

use std::time::Duration;

use farwarp_provisioner::clock::Clock;
use farwarp_tests::{Product, Road, run, start, wait_until};

use crate::{LIMIT, Scene};

#[test]
fn a_programs_first_call_rents_a_machine_which_is_gone_when_quiet_and_costs_what_the_ledger_says() {
    let scene = Scene::new("quiet = '2m'\ngpu = 'RTX 4090'");
    let clock = scene.cloud.world().clock.clone();
    clock.stop_at(1_000_000);
    let product = Product::find();
    let program = product.program("vector_add.cudart12-static");
    let expected = run(&mut product.on(Road::Direct, &scene.household, &program), LIMIT);
    let mut command = scene.command(&program);
    let outcome = run(command.env("LD_PRELOAD", product.shim()), LIMIT);
    assert!(outcome.status.success() && outcome.stdout == expected.stdout, "{outcome}");
    let stderr = String::from_utf8_lossy(&outcome.stderr);
    assert!(stderr.contains("renting RTX 4090, 24 GB, Sweden, SE at $0.34/h (vast)"), "{outcome}");
    println!("a program that rents its machine took {:.1} s in all", outcome.took.as_secs_f32());

    // Nothing was boot: the clock stood still. Half an hour it is held, and then it is quiet for longer than two minutes.
    assert_eq!(scene.cloud.world().billing(), 1);
    // The agent has looked since the last call; a look after the clock has moved would place that call there.
    let sessions = || scene.json(&["status", "--json"])["leases"][0]["server"]["sessions"].clone();
    assert!(wait_until(LIMIT, || sessions() == serde_json::json!([])), "its session does not end");
    clock.advance(119_000);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(scene.cloud.world().billing(), 1, "it was ended before its time");
    clock.advance(2_000);
    assert!(wait_until(LIMIT, || scene.cloud.world().billing() == 0), "it is not ended");
    assert!(wait_until(LIMIT, || scene.json(&["ps", "--json"]).as_array().is_some_and(Vec::is_empty)));

    let cost = scene.json(&["cost", "--json"]);
    let lease = &cost["leases"][0];
    assert_eq!(lease["state"], "gone");
    // 121 s at 0.34 dollars an hour, rounded up as bills are.
    assert_eq!(lease["micro_dollars"], 11_428, "{cost}");
    assert_eq!(scene.cloud.world().billed(), 11_428);
    assert_eq!(clock.now(), 1_121_000);
    assert!(lease["bytes_up"].as_u64().is_some_and(|bytes| bytes > 1_000), "{cost}");
    assert_eq!(scene.cloud.world().creates, 1);
}

#[test]
fn a_machine_that_is_taken_away_ends_its_program_with_an_error_and_the_next_gets_another() {
    let scene = Scene::new("quiet = '2m'");
    let product = Product::find();
    let steps = product.program("steps.driver");
    let go = scene.household.state().join("go");
    let mut command = scene.command(&steps);
    let mut running = start(command.env("LD_PRELOAD", product.shim()).arg("55").arg(&go));
    running.says("before call 55\n", LIMIT);
    {
        let mut world = scene.cloud.world();
        let machine = world.only();
        machine.halt();
        machine.taken_away = true;
    }
    std::fs::write(&go, "").expect("a file of our own");
    let outcome = running.finish(LIMIT);
    assert_eq!(outcome.status.code(), Some(3), "{outcome}");
    assert!(String::from_utf8_lossy(&outcome.stdout).contains("CUDA_ERROR_LAUNCH_FAILED"), "{outcome}");
    println!("a program whose machine was taken away heard so within {:.1} s", outcome.took.as_secs_f32());
    let vector_add = product.program("vector_add.cudart12-static");
    let outcome = run(scene.command(&vector_add).env("LD_PRELOAD", product.shim()), LIMIT);
    assert!(outcome.status.success(), "{outcome}");
    assert_eq!(scene.cloud.world().creates, 2);
    scene.is_clean();
}

#[test]
fn the_reaper_of_one_provider_leaves_the_machines_of_another_alone() {
    let scene = Scene::new("quiet = '10m'");
    scene.json(&["up", "--json"]);
    // All providers are asked for what nobody owns, this machine's processes among them, as soon as another agent begins.
    let agent = scene.household.agent().expect("an agent runs");
    run(std::process::Command::new("kill").args(["-KILL", &agent.to_string()]), LIMIT);
    let again = scene.json(&["up", "--json"]);
    assert_eq!(again["started"], false, "{again}");
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert!(scene.cloud.world().only().runs());
    scene.is_clean();
}
