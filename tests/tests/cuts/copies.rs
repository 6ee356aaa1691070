//! Cuts in the middle of one large copy.

use std::time::Duration;

use farwarp_tests::{Product, Server, start};

use crate::{LIMIT, SEED, soaks};

const CUTS: u64 = 20;

/// Twenty cuts spread over the copy, some of them long enough to cost the connection.
fn overwritten(grace: Duration, mebibytes: u64, cut: impl Fn(u64) -> Duration, limit: Duration) {
    let server = Server::with_grace(grace);
    let relay = server.relay(SEED);
    let go = server.file("go");
    let mut command = server.command_through(&relay, &Product::find().program("overwritten.driver"));
    let stats = server.file("stats");
    let mut program = start(command.arg(mebibytes.to_string()).arg(&go).env("FARWARP_STATS", &stats));
    program.says("it is ready\n", LIMIT);
    for number in 0..CUTS {
        relay.cut_after((mebibytes << 20) * number / CUTS + 1, cut(number));
    }
    std::fs::write(&go, "").expect("a file in a folder of ours");
    let outcome = program.finish(limit);
    assert!(outcome.status.success(), "{outcome}\n{}", server.log());
    assert_eq!(relay.cuts_left(), 0);
    let said = String::from_utf8_lossy(&outcome.stdout);
    let stats = std::fs::read_to_string(stats).expect("the statistics");
    let stats: serde_json::Value = serde_json::from_str(&stats).expect("JSON");
    println!("{} {CUTS} cuts, {} reconnects, {:?}", said.trim(), stats["reconnects"], relay.counts());
}

#[test]
fn a_copy_cut_at_twenty_places_brings_the_bytes_from_before_they_were_overwritten() {
    // At this grace a connection is given up after 8 s: the tenth cut costs it.
    let cut = |number| {
        if number == 10 { Duration::from_millis(9500) } else { Duration::from_millis(5 + 5 * number) }
    };
    overwritten(Duration::from_secs(4), 32, cut, LIMIT);
}

#[test]
fn a_gibibyte_cut_at_twenty_places_brings_the_bytes_from_before_they_were_overwritten() {
    if soaks("a copy of 1 GiB, cut at twenty places") {
        // Given up after 30 s: every fifth cut costs the connection.
        let cut = |number| {
            if number % 5 == 4 { Duration::from_secs(33) } else { Duration::from_millis(50 * number) }
        };
        overwritten(Duration::from_secs(300), 1024, cut, Duration::from_secs(900));
    }
}
