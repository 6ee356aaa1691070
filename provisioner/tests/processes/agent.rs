//! The agent as it really is: `farwarp`, `farwarp agent` and `farwarp-server` as processes. No server here computes anything, so its
//! libcuda is an empty file: the gate never loads it.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::Duration;

use crate::house::{House, eventually};
use farwarp_protocol::agent::Wish;
use farwarp_provisioner::process::Process;
use rustix::process::Signal;

#[test]
fn twenty_that_come_at_once_get_one_agent_and_one_server() {
    let house = House::new();
    let children: Vec<_> = (0..20)
        .map(|_| house.farwarp(&["up", "--json", "--quiet", "1m"]).stdout(Stdio::piped()).spawn().unwrap())
        .collect();
    let answers: Vec<serde_json::Value> = children
        .into_iter()
        .map(|child| {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success());
            serde_json::from_slice(&output.stdout).unwrap()
        })
        .collect();
    let of = |name: &str| answers.iter().map(|answer| answer[name].to_string()).collect::<BTreeSet<_>>();
    assert_eq!(of("lease").len(), 1, "{answers:?}");
    assert_eq!(of("ticket").len(), 1);
    assert_eq!(answers.iter().filter(|answer| answer["started"] == true).count(), 1);
    assert_eq!(house.agents().len(), 1);
    assert_eq!(house.servers().len(), 1);
}

#[test]
fn a_program_of_another_build_gets_a_server_of_its_own_build_from_the_same_agent() {
    let (house, newer) = (House::new(), House::new());
    let ours = house.lease_for(Wish { table: 1, ..Wish::default() });
    // The older build is gone from the disk, as after an update; its agent still runs.
    fs::remove_file(house.server()).unwrap();
    let server = newer.server().to_str().unwrap().to_owned();
    let theirs = house.lease_for(Wish { table: 2, server: Some(server), ..Wish::default() });
    let again = house.lease_for(Wish { table: 2, ..Wish::default() });
    assert_ne!(ours.ready.ticket, theirs.ready.ticket);
    assert_eq!(theirs.ready.ticket, again.ready.ticket);
    assert_eq!(house.agents().len(), 1);
    let programs: BTreeSet<_> = house
        .servers()
        .iter()
        .map(|server| fs::read_link(format!("/proc/{}/exe", server.pid)).unwrap())
        .collect();
    assert_eq!(programs.len(), 2);
    assert!(programs.contains(&newer.server()), "{programs:?}");
}

#[test]
fn the_agent_and_the_server_inherit_nothing_of_the_program_that_started_them() {
    let house = House::new();
    let script =
        format!("exec 9</dev/null; trap '' HUP; cd /usr; exec {} up --quiet 1m", house.command().display());
    let status = house
        .with_places(std::process::Command::new("sh").args(["-c", &script]))
        .env("CUDA_VISIBLE_DEVICES", "7")
        .env("LD_LIBRARY_PATH", "/nowhere")
        .env("FARWARP_SOFTGPU_CC", "70")
        .env("KEPT", "yes")
        .status()
        .unwrap();
    assert!(status.success());
    for process in [house.agents(), house.servers()].concat() {
        let proc = format!("/proc/{}", process.pid);
        let environment = fs::read_to_string(format!("{proc}/environ")).unwrap();
        let has = |name: &str| environment.split('\0').any(|entry| entry.starts_with(name));
        assert!(has("KEPT=yes"), "{environment:?}");
        assert!(!["CUDA_", "LD_", "FARWARP_SOFTGPU"].iter().any(|name| has(name)), "{environment:?}");
        let status = fs::read_to_string(format!("{proc}/status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            u64::from_str_radix(line.split_once(':').unwrap().1.trim(), 16).unwrap()
        };
        assert_eq!(field("SigBlk"), 0);
        let hup_and_usr1 = 1 << 0 | 1 << 9;
        assert_eq!(field("SigIgn") & hup_and_usr1, 0);
        assert_eq!(fs::read_link(format!("{proc}/cwd")).unwrap().to_str(), Some("/"));
        assert_eq!(fs::read_link(format!("{proc}/fd/0")).unwrap().to_str(), Some("/dev/null"));
        let inherited = fs::read_dir(format!("{proc}/fd")).unwrap().flatten().skip(1).filter(|fd| {
            let number: u32 = fd.file_name().to_str().unwrap().parse().unwrap();
            number > 0 && fs::read_link(fd.path()).is_ok_and(|path| path.as_os_str() == "/dev/null")
        });
        assert_eq!(inherited.count(), 0, "descriptor 9 went along");
        let stat = fs::read_to_string(format!("{proc}/stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        assert_eq!(fields[3].parse::<u32>().unwrap(), process.pid, "a session of its own");
    }
}

#[test]
fn a_server_is_gone_after_its_quiet_period_and_its_cost_is_written_down() {
    let house = House::new();
    let up = house.json(&["up", "--json", "--quiet", "1s"]);
    let [server] = house.servers()[..] else { panic!("one server") };
    eventually(Duration::from_secs(20), "the server ends", || !server.is_running());
    eventually(Duration::from_secs(5), "the lease is gone", || {
        house.json(&["ps", "--json"]) == serde_json::json!([])
    });
    let cost = house.json(&["cost", "--json"]);
    let lease = &cost["leases"][0];
    assert_eq!((&lease["id"], &lease["state"]), (&up["lease"], &serde_json::json!("gone")));
    assert!(lease["end"].as_str().unwrap().starts_with("quiet for 1."), "{lease}");
    assert!((1_000..5_000).contains(&lease["idle_ms"].as_u64().unwrap()), "{lease}");
    assert!(!house.state().join(format!("tickets/{}.ticket", up["lease"].as_str().unwrap())).exists());
}

#[test]
fn a_client_holds_its_place_until_its_connection_ends() {
    let house = House::new();
    let lease = house.lease();
    let clients = || house.json(&["ps", "--json"])[0]["clients"].clone();
    assert_eq!(clients()[0]["pid"], std::process::id());
    assert_eq!(clients()[0]["program"], "a-test");
    drop(lease);
    eventually(Duration::from_secs(5), "the client is gone", || clients() == serde_json::json!([]));
}

#[test]
fn a_client_that_comes_just_as_its_server_ends_gets_another() {
    let house = House::new();
    let mut leases = BTreeSet::new();
    for attempt in 0..30 {
        let up = house.json(&["up", "--json", "--quiet", "200ms"]);
        leases.insert(up["lease"].to_string());
        // Around the moment at which the period is over and the server is on its way out.
        std::thread::sleep(Duration::from_millis(180 + attempt * 8));
    }
    assert!((2..=30).contains(&leases.len()), "no server ended in between: {leases:?}");
}

#[test]
fn the_next_agent_goes_on_with_the_server_of_one_that_was_killed() {
    let house = House::new();
    let up = house.json(&["up", "--json", "--quiet", "1m"]);
    let ([agent], [server]) = (&house.agents()[..], &house.servers()[..]) else { panic!("one of each") };
    agent.signal(Signal::KILL).unwrap();
    eventually(Duration::from_secs(5), "the agent is dead", || !agent.is_running());
    assert!(server.is_running());
    let again = house.json(&["up", "--json"]);
    assert_eq!((&again["lease"], &again["ticket"]), (&up["lease"], &up["ticket"]));
    assert_eq!(again["started"], false);
    assert_eq!(house.servers(), [*server]);
    let down = house.json(&["down", "--json"]);
    assert_eq!(down["gone"][0], up["lease"]);
    assert!(!server.is_running());
}

#[test]
fn a_client_that_waits_while_its_agent_dies_is_served_by_the_next() {
    let house = House::new();
    // A server that never answers keeps the client waiting.
    house.replace_server("#!/bin/sh\nexec sleep 60\n");
    let mut waiting =
        house.farwarp(&["up", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually(Duration::from_secs(10), "the server is started", || house.servers().len() == 1);
    let [agent] = house.agents()[..] else { panic!("one agent") };
    agent.signal(Signal::KILL).unwrap();
    let output = waiting.wait().map(|_| waiting.wait_with_output().unwrap()).unwrap();
    // `up` asks once and says what happened; the shim asks again.
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("agent left"), "{output:?}");
    house.json(&["down", "--all", "--json"]);
    assert_eq!(house.servers(), []);
}

#[test]
fn a_server_that_dies_ends_its_lease_and_the_next_client_gets_another() {
    let house = House::new();
    let up = house.json(&["up", "--json", "--quiet", "2s"]);
    let [server] = house.servers()[..] else { panic!("one server") };
    server.signal(Signal::KILL).unwrap();
    eventually(Duration::from_secs(20), "the lease is gone", || {
        house.json(&["ps", "--json"]) == serde_json::json!([])
    });
    let again = house.json(&["up", "--json", "--quiet", "1m"]);
    assert_ne!(again["lease"], up["lease"]);
    assert_eq!(house.servers().len(), 1);
}

#[test]
fn a_machine_that_no_lease_accounts_for_is_destroyed_and_others_machines_are_not() {
    let (house, neighbour) = (House::new(), House::new());
    neighbour.json(&["up", "--json", "--quiet", "1m"]);
    let up = house.json(&["up", "--json", "--quiet", "1m"]);
    let ([agent], [server]) = (&house.agents()[..], &house.servers()[..]) else { panic!("one of each") };
    agent.signal(Signal::KILL).unwrap();
    eventually(Duration::from_secs(5), "the agent is dead", || !agent.is_running());
    fs::remove_file(house.state().join(format!("leases/{}.json", up["lease"].as_str().unwrap()))).unwrap();
    house.json(&["down", "--all", "--json"]);
    assert!(!server.is_running());
    assert_eq!(neighbour.servers().len(), 1);
}

#[test]
fn a_server_that_does_not_start_is_explained_in_its_own_words() {
    let house = House::new();
    house.replace_server("#!/bin/sh\necho 'the moon is full' >&2\nexit 1\n");
    let output = house.farwarp(&["up"]).output().unwrap();
    assert!(!output.status.success());
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("the moon is full") && words.lines().count() == 1, "{words}");
    assert_eq!(house.servers(), []);
}

#[test]
fn a_server_that_never_answers_is_given_up_and_destroyed() {
    let house = House::new();
    house.configure("[provider.local]\nboot_timeout = '1s'\n");
    house.replace_server("#!/bin/sh\nexec sleep 600\n");
    let output = house.farwarp(&["up"]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("did not answer within 1 s"), "{output:?}");
    eventually(Duration::from_secs(10), "nothing is left", || house.servers().is_empty());
}

#[test]
fn what_is_not_built_is_refused_plainly_and_nothing_is_started() {
    let house = House::new();
    for arguments in [&["up", "--provider", "runpod"][..], &["run", "--provider", "runpod", "--", "true"]] {
        let output = house.farwarp(arguments).output().unwrap();
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains("'runpod' is not built yet"), "{output:?}");
    }
    let output = house.farwarp(&["up", "--gpu", "H100"]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot be asked for 'H100'"), "{output:?}");
    house.configure("quite = 1\n");
    let output = house.farwarp(&["up"]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("quite"), "{output:?}");
    assert_eq!(house.servers(), []);
}

#[test]
fn whoever_talks_nonsense_to_the_agent_is_cut_off_and_others_are_served() {
    let house = House::new();
    house.json(&["up", "--json", "--quiet", "1m"]);
    let nonsense: [&[u8]; 3] =
        [b"GET / HTTP/1.1\r\n\r\n", b"farwarp\x01\xff\xff\xff\xff", b"farwarp\x01\x04\0\0\0\xff\xff\xff\xff"];
    for bytes in nonsense {
        let mut stream = UnixStream::connect(house.runtime().join("agent.sock")).unwrap();
        stream.write_all(bytes).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut answer = vec![];
        let _ = std::io::Read::read_to_end(&mut stream, &mut answer);
        assert!(answer.len() <= 8, "only a greeting: {answer:?}");
    }
    assert_eq!(house.json(&["ps", "--json"]).as_array().unwrap().len(), 1);
}

#[test]
fn an_agent_without_a_task_ends_and_the_next_client_starts_another() {
    let house = House::new();
    let mut agent = house.farwarp(&["agent", "--linger", "200ms"]).spawn().unwrap();
    let started = Process::of(agent.id());
    assert!(agent.wait().unwrap().success());
    assert!(started.is_none_or(|process| !process.is_running()));
    assert!(!house.runtime().join("agent.sock").exists());
    house.json(&["up", "--json", "--quiet", "1s"]);
    assert_eq!(house.agents().len(), 1);
}

#[test]
fn an_agent_that_cannot_be_started_is_explained_at_once() {
    let house = House::new();
    fs::write(house.runtime(), "a file stands where the directory should be").unwrap();
    let output = house.farwarp(&["up"]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("is not a directory"), "{output:?}");
}

#[test]
fn no_secret_is_in_any_log_or_in_the_ledger() {
    let house = House::new();
    let up = house.json(&["up", "--json", "--quiet", "1m"]);
    let ticket = up["ticket"].as_str().unwrap();
    let secret = ticket.split_once("secret=").unwrap().1;
    house.json(&["down", "--all", "--json"]);
    let mut searched = 0;
    for dir in ["", "leases", "logs"] {
        for entry in
            fs::read_dir(house.state().join(dir)).unwrap().flatten().filter(|entry| entry.path().is_file())
        {
            let text = fs::read_to_string(entry.path()).unwrap();
            assert!(!text.contains(secret), "{}", entry.path().display());
            searched += 1;
        }
    }
    assert!(searched >= 4, "only {searched} files were searched");
}
