//! Roads that are slow, lossy or narrow all the time.

use std::time::Duration;

use farwarp_tests::Server;
use farwarp_tests::relay::Conditions;

use crate::{Busy, SEED};

#[test]
fn a_road_that_loses_doubles_and_overtakes_carries_every_byte_right() {
    let server = Server::start();
    let relay = server.relay(SEED);
    relay.behave(Conditions {
        round_trip: Duration::from_millis(4),
        lost_per_mille: 50,
        doubled_per_mille: 20,
        held_up_per_mille: 20,
        ..Conditions::default()
    });
    let busy = Busy::start(&server, &relay);
    std::thread::sleep(Duration::from_secs(1));
    let (rounds, stats) = busy.was_right(&server);
    println!("5 % loss: {rounds} rounds, {} reconnects, {:?}", stats["reconnects"], relay.counts());
}

#[test]
fn a_road_that_carries_no_more_than_quic_demands_is_enough() {
    let server = Server::start();
    let relay = server.relay(SEED);
    relay.behave(Conditions { mtu_bytes: 1200, lost_per_mille: 50, ..Conditions::default() });
    let busy = Busy::start(&server, &relay);
    std::thread::sleep(Duration::from_secs(1));
    let (rounds, _) = busy.was_right(&server);
    println!("1200 bytes: {rounds} rounds, {:?}", relay.counts());
}

#[test]
fn a_slow_and_distant_road_carries_every_byte_right() {
    let server = Server::start();
    let relay = server.relay(SEED);
    relay.behave(Conditions {
        round_trip: Duration::from_millis(40),
        bits_per_second: Some(50_000_000),
        lost_per_mille: 1,
        ..Conditions::default()
    });
    let busy = Busy::start(&server, &relay);
    std::thread::sleep(Duration::from_secs(1));
    let (rounds, _) = busy.was_right(&server);
    println!("40 ms, 50 Mbit/s: {rounds} rounds, {:?}", relay.counts());
}
