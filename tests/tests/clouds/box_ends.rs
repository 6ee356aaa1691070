//! A machine that nobody looks after any more ends itself, by the key that it was given for that and no other.

use std::process::Command;
use std::time::Duration;

use farwarp_tests::fakecloud::CreateFault;
use farwarp_tests::{run, start, wait_until};
use rustix::process::Signal;

use crate::{LIMIT, Scene};

/// Short times, so that a machine's last hour is seconds.
fn scene() -> Scene {
    let scene = Scene::new("quiet = '10m'");
    let config = scene.cloud.config("quiet = '10m'");
    scene
        .household
        .configure(&config.replace("ttl = '1m'", "ttl = '4s'").replace("grace = '20s'", "grace = '2s'"));
    scene
}

fn kill_agent(scene: &Scene) {
    let agent = scene.household.agent().expect("an agent runs");
    run(Command::new("kill").args(["-KILL", &agent.to_string()]), LIMIT);
}

fn ends_itself(scene: &Scene, why: &str) {
    assert!(wait_until(LIMIT, || scene.cloud.world().billing() == 0), "it did not end itself");
    let log = scene.cloud.world().last_log();
    assert!(log.contains("box: ends itself") && log.contains(why), "{log}");
}

#[test]
fn when_the_agent_stops_renewing_the_box_ends_itself() {
    let scene = scene();
    scene.json(&["up", "--json"]);
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(scene.cloud.world().billing(), 1, "a machine that was renewed is gone");
    kill_agent(&scene);
    ends_itself(&scene, "the server has ended");
}

#[test]
fn when_the_server_hangs_the_watchdog_ends_the_box() {
    let scene = scene();
    scene.json(&["up", "--json"]);
    kill_agent(&scene);
    let server = scene.cloud.world().only().process_named("farwarp-server").expect("its server runs");
    rustix::process::kill_process(server, Signal::STOP).expect("a process of our own");
    ends_itself(&scene, "nobody has renewed it for");
}

#[test]
fn when_nobody_ever_connects_the_box_ends_itself() {
    let scene = scene();
    {
        // It is made, and nobody ever hears where.
        let mut world = scene.cloud.world();
        world.faults.creates.insert(1, CreateFault::AnswerLost);
        world.faults.list_lag_ms = 60_000;
    }
    let mut up = start(&mut scene.farwarp(&["up"]));
    assert!(wait_until(LIMIT, || scene.cloud.world().creates == 1), "nothing is created");
    kill_agent(&scene);
    up.kill();
    ends_itself(&scene, "ended");
}

#[test]
fn a_server_with_another_hash_is_not_run_and_the_box_ends_itself() {
    let scene = scene();
    let right = scene.cloud.sha256().to_owned();
    let config = scene.cloud.config("").replace(&right, &"0".repeat(64));
    scene.household.configure(&config.replace("boot_timeout = '60s'", "boot_timeout = '5s'"));
    let outcome = scene.said(&["up"]);
    assert!(!outcome.status.success(), "{outcome}");
    assert!(wait_until(LIMIT, || scene.cloud.world().billing() == 0), "a machine is left");
    let log = scene.cloud.world().last_log();
    assert!(log.contains("there is no server with SHA-256 0000"), "{log}");
}
