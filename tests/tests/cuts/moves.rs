//! Clients whose address changes while calls flow.

use std::time::Duration;

use farwarp_tests::Server;
use farwarp_tests::relay::Conditions;

use crate::{Busy, SEED};

#[test]
fn a_program_that_changes_its_address_twenty_times_reads_no_wrong_byte() {
    let server = Server::with_grace(Duration::from_secs(300));
    let relay = server.relay(SEED);
    let busy = Busy::start(&server, &relay);
    for number in 0..20 {
        if number % 4 == 3 {
            relay.rebind_ports()
        } else {
            relay.move_client()
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    let (rounds, stats) = busy.was_right(&server);
    println!("20 moves: {rounds} rounds, {} reconnects, {:?}", stats["reconnects"], relay.counts());
    assert_eq!(stats["reconnects"].as_u64(), Some(0), "the connection itself moves");
}

#[test]
fn a_program_that_moves_to_a_narrower_network_goes_on() {
    let server = Server::with_grace(Duration::from_secs(300));
    let relay = server.relay(SEED);
    let busy = Busy::start(&server, &relay);
    std::thread::sleep(Duration::from_millis(500));
    relay.behave(Conditions { mtu_bytes: 1280, ..Conditions::default() });
    relay.move_client();
    std::thread::sleep(Duration::from_secs(3));
    let (rounds, stats) = busy.was_right(&server);
    println!("narrower: {rounds} rounds, {} reconnects, {:?}", stats["reconnects"], relay.counts());
    assert!(relay.counts().too_long > 0, "nothing was too long for it");
}
