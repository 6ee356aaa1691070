//! The command as people type it, where it needs no server or says why there is none.

use std::fs;

use crate::house::House;
use serde_json::json;

#[test]
fn run_puts_our_libcuda_in_front_and_becomes_the_program() {
    let house = House::new();
    let output = house
        .farwarp(&[
            "run",
            "--quiet",
            "5s",
            "--",
            "sh",
            "-c",
            "echo $LD_PRELOAD; echo $LD_LIBRARY_PATH; echo $FARWARP_QUIET_AFTER; exit 7",
        ])
        .env("LD_LIBRARY_PATH", "/other")
        .output()
        .unwrap();
    let libraries = house.command().parent().unwrap().with_file_name("lib").join("farwarp");
    let expected = format!("{0}/libcuda.so.1\n{0}:/other\n5000ms\n", libraries.display());
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    assert_eq!(output.status.code(), Some(7), "the program's own exit status");
    assert!(house.agents().is_empty(), "nothing is started before the first CUDA call");
}

#[test]
fn env_prints_what_a_shell_takes_as_it_is() {
    let house = House::new();
    let command = house.command();
    let script =
        format!("eval \"$({} env --quiet 5s)\"; echo $LD_PRELOAD $FARWARP_QUIET_AFTER", command.display());
    let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.ends_with("/lib/farwarp/libcuda.so.1 5000ms\n"), "{said}");
    let variables = house.json(&["env", "--json", "--quiet", "5s"]);
    assert_eq!(variables["FARWARP_QUIET_AFTER"], "5000ms");
}

#[test]
fn looking_starts_nothing() {
    let house = House::new();
    assert_eq!(house.json(&["ps", "--json"]), json!([]));
    assert_eq!(house.json(&["status", "--json"]), json!({ "agent": null, "leases": [] }));
    assert_eq!(house.json(&["cost", "--json"]), json!({ "leases": [], "micro_dollars": 0 }));
    assert_eq!(house.json(&["down", "--json"]), json!({ "gone": [] }));
    assert!(house.agents().is_empty());
}

#[test]
fn doctor_finds_a_library_that_programs_would_not_take_and_explains_it() {
    let house = House::new();
    house.configure("profile = 'absent'\n");
    let output = house.farwarp(&["doctor", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let check = |name: &str| {
        let checks = report["checks"].as_array().unwrap();
        let check =
            checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no check '{name}'"));
        (check["verdict"].as_str().unwrap().to_owned(), check["words"].as_str().unwrap().to_owned())
    };
    let (verdict, words) = check("libcuda");
    assert!(verdict == "fail" && words.contains("has SONAME none"), "{words}");
    let (verdict, words) = check("libnvidia-ml");
    assert!(verdict == "fail" && words.contains("No such file"), "{words}");
    let (verdict, words) = check("configuration");
    assert!(verdict == "fail" && words.contains("no profile 'absent'"), "{words}");
    for good in ["server", "runtime", "state", "agent", "UDP", "clock"] {
        assert_eq!(check(good).0, "ok", "{good}: {}", check(good).1);
    }
}

#[test]
fn a_home_that_cannot_be_written_is_worked_around_and_said() {
    let house = House::new();
    let mut up = house.farwarp(&["up", "--json", "--quiet", "1m"]);
    // Nobody can make a directory there, not even root.
    let output =
        up.env_remove("FARWARP_STATE").env_remove("XDG_STATE_HOME").env("HOME", "/proc").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let stand_in = house.runtime().join("state");
    assert_eq!(fs::read_dir(stand_in.join("leases")).unwrap().count(), 1);
    assert!(fs::read_to_string(stand_in.join("agent.log")).unwrap().contains("which a reboot empties"));
}

#[test]
fn logs_shows_what_the_newest_server_wrote_and_what_the_agent_did() {
    let house = House::new();
    let none = house.farwarp(&["logs"]).output().unwrap();
    assert!(String::from_utf8_lossy(&none.stderr).contains("there was no lease yet"), "{none:?}");
    house.replace_server("#!/bin/sh\necho 'here I am' >&2\nexit 1\n");
    assert!(!house.farwarp(&["up"]).output().unwrap().status.success());
    let server = house.farwarp(&["logs"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&server.stdout), "here I am\n");
    let agent = house.farwarp(&["logs", "--agent"]).output().unwrap();
    assert!(String::from_utf8_lossy(&agent.stdout).contains("intent -> creating"), "{agent:?}");
}

#[test]
fn a_lease_is_ended_by_its_name_and_no_other_name_will_do() {
    let house = House::new();
    let first = house.json(&["up", "--json", "--quiet", "1m"]);
    let unknown = house.farwarp(&["down", "nosuchlease"]).output().unwrap();
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no lease 'nosuchlease'"), "{unknown:?}");
    let named = house.json(&["down", first["lease"].as_str().unwrap(), "--json"]);
    assert_eq!(named["gone"], json!([first["lease"]]));
}
