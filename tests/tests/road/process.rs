//! The library as a guest in the program's process: forks, signals, threads, the end of a process, other programs in it.

use std::process::Command;
use std::time::Duration;

use farwarp_tests::{Product, RESUME_GRACE, Server, start};

use crate::{LIMIT, text, well, well_on_both_roads};

/// From the moment that a client's process is gone until nothing of its session is left: the promise is seconds.
const CLEAN_LIMIT: Duration = Duration::from_secs(5);

/// A silent client is noticed by its connection's silence (4 s at this resume grace), its session ends after the grace, and the
/// gate gives a worker one second to see that itself.
const SILENT_LIMIT: Duration = Duration::from_secs(4 + RESUME_GRACE.as_secs() + 1 + CLEAN_LIMIT.as_secs());

/// A program that must not hang when it ends; its own work takes far less.
const END_LIMIT: Duration = Duration::from_secs(15);

#[test]
fn a_forked_child_is_refused_everything_and_the_parent_goes_on() {
    let server = Server::start();
    well(&server, "forks", &[]);
    server.is_clean_within(CLEAN_LIMIT);
}

#[test]
fn calls_when_most_of_the_process_is_gone_neither_crash_nor_hang() {
    let server = Server::start();
    let said = text(&well(&server, "late_calls", &[]));
    assert_eq!(said.matches("odd codes=0").count(), 9, "{said}");
    server.is_clean_within(CLEAN_LIMIT);
}

#[test]
fn a_process_that_ends_while_its_threads_call_ends() {
    let server = Server::start();
    for _ in 0..5 {
        let took = well(&server, "late_calls", &["amid"]).took;
        assert!(took < END_LIMIT, "{took:?}");
    }
    server.is_clean_within(CLEAN_LIMIT);
}

#[test]
fn the_programs_signals_never_reach_a_thread_of_ours() {
    well(&Server::start(), "signals", &[]);
}

#[test]
fn closing_the_library_closes_nothing() {
    well_on_both_roads("reopened", &[]);
}

#[test]
fn a_program_that_becomes_another_leaves_its_session_behind() {
    let server = Server::start();
    let said = text(&well(&server, "becomes", &[]));
    assert_eq!(said, "the first program: wrong=0\nthe second program: wrong=0\n");
    server.is_clean_within(SILENT_LIMIT);
}

#[test]
fn a_program_killed_in_mid_kernel_leaves_nothing_within_seconds() {
    for waiting in [None, Some("sleep")] {
        let server = Server::start();
        let mut program = start(server.command(&Product::find().program("endless.driver")).args(waiting));
        program.says("the kernel runs", LIMIT);
        assert_eq!(server.workers().len(), 1, "{}", server.log());
        program.kill();
        server.is_clean_within(CLEAN_LIMIT);
        well(&server, "becomes", &["again"]);
    }
}

#[test]
fn a_program_that_falls_silent_in_mid_kernel_leaves_nothing_after_the_grace() {
    let server = Server::start();
    let mut program = start(&mut server.command(&Product::find().program("endless.driver")));
    program.says("the kernel runs", LIMIT);
    signal(program.id(), "-STOP");
    server.is_clean_within(SILENT_LIMIT);
    // It wakes up, and hears of it as an error of the fatal kind rather than never.
    signal(program.id(), "-CONT");
    let outcome = program.finish(LIMIT);
    assert!(!outcome.status.success(), "{outcome}");
    assert!(String::from_utf8_lossy(&outcome.stderr).contains("farwarp: the session is lost"), "{outcome}");
}

#[test]
fn a_program_that_sleeps_keeps_its_session() {
    let server = Server::start();
    let mut program = start(server.command(&Product::find().program("endless.driver")).arg("sleep"));
    program.says("the kernel runs", LIMIT);
    let worker = server.workers();
    std::thread::sleep(SILENT_LIMIT);
    assert_eq!(server.workers(), worker, "{}", server.log());
}

pub fn signal(process: u32, signal: &str) {
    let sent = Command::new("kill").args([signal, &process.to_string()]).status().expect("kill can be run");
    assert!(sent.success(), "{signal} to {process}");
}
