//! Connections that are lost, and sessions that are found again, or not.

use std::fs;
use std::time::Duration;

use farwarp_tests::relay::Cut;
use farwarp_tests::{Product, RESUME_GRACE, Server, run, start};

use crate::deaths::{heard, held, signal};
use crate::{Busy, LIMIT, SEED, soaks};

/// With it a connection is given up after 12 s of silence, and its session after 6 more. Of these, five are left once the road is
/// back: an attempt that began while it was cut may send its next datagram two seconds later, and the machine is busy.
const GRACE: Duration = Duration::from_secs(6);
const LONGER_THAN_SILENCE: Duration = Duration::from_secs(13);
/// A server that has just spoken when its client stops counts the silence anew from its next sign of life, three seconds later.
const LONGER_THAN_SILENCE_AND_A_SIGN: Duration = Duration::from_secs(16);
/// When a session that nobody came back to is gone: silence of 4 s, the grace, the gate's second of slack, and a busy machine.
const OVER_LIMIT: Duration = Duration::from_secs(4 + RESUME_GRACE.as_secs() + 1 + 15);

/// Whoever notices it first: where only the way up is cut, the client goes on hearing its server.
#[test]
fn a_program_whose_connection_was_lost_goes_on_where_it_was() {
    std::thread::scope(|scope| {
        for cut in [Cut::Both, Cut::Down, Cut::Up] {
            scope.spawn(move || lost_and_found("busy", GRACE, cut, LONGER_THAN_SILENCE));
        }
        scope.spawn(stopped_and_found);
        scope.spawn(forked_afterwards);
    });
}

/// The worker must take the new connection although it has no room for another answer.
#[test]
fn a_program_that_reads_more_than_the_worker_may_keep_goes_on_where_it_was() {
    lost_and_found("torrent", GRACE, Cut::Both, LONGER_THAN_SILENCE);
}

fn lost_and_found(program: &str, grace: Duration, cut: Cut, time: Duration) {
    let server = Server::with_grace(grace);
    let relay = server.relay(SEED);
    let busy = Busy::of(program, &server, &relay);
    relay.cut(cut, time);
    std::thread::sleep(time + Duration::from_millis(500));
    let (rounds, stats) = busy.was_right(&server);
    println!("{program}, {cut:?} cut for {time:?}: {rounds} rounds, {} reconnects", stats["reconnects"]);
    assert!(stats["reconnects"].as_u64() >= Some(1), "{}", server.log());
}

/// A process that did not run for longer than its server waits, as in a laptop that slept.
fn stopped_and_found() {
    let server = Server::with_grace(GRACE);
    let relay = server.relay(SEED);
    let busy = Busy::start(&server, &relay);
    signal(busy.id(), "-STOP");
    std::thread::sleep(LONGER_THAN_SILENCE_AND_A_SIGN);
    signal(busy.id(), "-CONT");
    let (rounds, stats) = busy.was_right(&server);
    println!(
        "stopped for {LONGER_THAN_SILENCE_AND_A_SIGN:?}: {rounds} rounds, {} reconnects",
        stats["reconnects"]
    );
    assert!(stats["reconnects"].as_u64() >= Some(1), "{}", server.log());
}

/// What a forked child closes is the connection, not the files that the program has opened under its former numbers.
fn forked_afterwards() {
    let server = Server::with_grace(GRACE);
    let relay = server.relay(SEED);
    let found = server.file("found");
    let program = Product::find().program("forks_later.driver");
    let mut program = start(server.command_through(&relay, &program).arg(&found));
    program.says("it runs", LIMIT);
    relay.cut(Cut::Both, LONGER_THAN_SILENCE);
    std::thread::sleep(LONGER_THAN_SILENCE);
    fs::write(&found, "").expect("a file in a folder of ours");
    let outcome = program.finish(LIMIT);
    assert!(outcome.status.success(), "{outcome}\n{}", server.log());
}

#[test]
fn a_program_whose_road_is_cut_for_minutes_goes_on_where_it_was() {
    if soaks("a cut of four minutes") {
        lost_and_found("busy", Duration::from_secs(600), Cut::Both, Duration::from_secs(240));
    }
}

#[test]
fn when_the_grace_is_over_the_program_hears_why_and_nothing_is_left_of_its_session() {
    let server = Server::start();
    let before = held(&server);
    let relay = server.relay(SEED);
    let go = server.file("go");
    let program = Product::find().program("steps.driver");
    let mut victim = start(server.command_through(&relay, &program).arg("150").arg(&go).arg("linger"));
    victim.says("before call 150\n", LIMIT);
    relay.cut(Cut::Both, LIMIT);
    fs::write(&go, "").expect("a file in a folder of ours");
    victim.says("\ncall 15", OVER_LIMIT);
    // It still runs, so that its end is not why the worker goes.
    server.until("its worker is gone", OVER_LIMIT, || server.workers().is_empty());
    server.until("the gate holds what it held", OVER_LIMIT, || held(&server) == before);
    let log = server.log();
    assert!(
        log.contains("the client did not come back within 2 s: nothing was heard from the peer"),
        "{log}"
    );
    heard(&victim.finish(LIMIT));
    // Through the healed road the next one works.
    relay.heal();
    let next = run(server.command_through(&relay, &program).arg("0").arg(&go), LIMIT);
    assert!(next.status.success(), "{next}");
}
