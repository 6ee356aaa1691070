//! What goes wrong on the device or in the server's process: said to the one whom it concerns, harmless to the others.

use std::fs;

use farwarp_tests::{Product, Running, Server, run, start};

use crate::process::signal;
use crate::{LIMIT, text, well_on_both_roads};

#[test]
fn an_address_out_of_bounds_is_the_error_of_every_later_call() {
    beside_another_session("out_of_bounds");
}

#[test]
fn a_trap_is_the_error_of_every_later_call() {
    beside_another_session("trap");
}

#[test]
fn stream_callbacks_behind_a_fault_hear_of_it_and_functions_of_the_host_are_not_called() {
    well_on_both_roads("faults", &["callbacks"]);
}

#[test]
fn whoever_looks_for_a_fault_is_shown_the_calls_that_led_to_it() {
    let server = Server::start();
    let program = Product::find().program("faults.driver");
    let outcome = run(server.command(&program).arg("out_of_bounds").env("FARWARP_LOG", "debug"), LIMIT);
    assert!(outcome.status.success(), "{outcome}");
    let stderr = String::from_utf8_lossy(&outcome.stderr);
    let calls: Vec<&str> = stderr.lines().filter(|line| line.starts_with("farwarp:   call ")).collect();
    let launches = calls.iter().filter(|line| line.contains("LAUNCH Launch { function: ")).count();
    // The one that computes and the one that pokes; what came after the error is no part of it.
    assert_eq!(launches, 2, "{stderr}");
    assert!(calls.last().is_some_and(|last| last.contains("SYNCHRONIZE_STREAM ")), "{stderr}");
}

/// On both roads, and another session on the same server computes on.
fn beside_another_session(kind: &str) {
    well_on_both_roads("faults", &[kind]);
    let server = Server::start();
    let (other, stop) = another(&server);
    crate::well(&server, "faults", &[kind]);
    computed_right(&server, other, &stop);
}

#[test]
fn what_only_the_server_can_refuse_is_said_once_and_forgotten() {
    crate::well(&Server::start(), "faults", &["refused"]);
}

#[test]
fn a_killed_worker_ends_its_own_session_with_one_line_and_no_other() {
    let server = Server::start();
    let (other, stop) = another(&server);
    let before = server.workers();
    let killed = server.file("killed");
    let program = Product::find().program("faults.driver");
    let mut victim = start(server.command(&program).arg("gone").arg(&killed));
    victim.says("it runs", LIMIT);
    let workers = server.workers();
    let of_victim: Vec<&u32> = workers.iter().filter(|worker| !before.contains(worker)).collect();
    assert_eq!(of_victim.len(), 1, "{workers:?}, {before:?} before");
    signal(*of_victim[0], "-KILL");
    fs::write(&killed, "").expect("a file in a folder of ours");
    let outcome = victim.finish(LIMIT);
    assert!(outcome.status.success(), "{outcome}\n{}", server.log());
    let stderr = String::from_utf8_lossy(&outcome.stderr);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("farwarp: the session is lost"), "{stderr}");
    computed_right(&server, other, &stop);
}

/// A session that computes until a file exists.
fn another(server: &Server) -> (Running, std::path::PathBuf) {
    let stop = server.file("stop");
    let mut other = start(server.command(&Product::find().program("steady.driver")).arg(&stop));
    other.says("it runs", LIMIT);
    (other, stop)
}

fn computed_right(server: &Server, other: Running, stop: &std::path::Path) {
    fs::write(stop, "").expect("a file in a folder of ours");
    let outcome = other.finish(LIMIT);
    assert!(outcome.status.success(), "{outcome}\n{}", server.log());
    assert!(text(&outcome).ends_with("steady: more than one round=1, wrong=0\n"), "{outcome}");
}
