//! The session's simulation: the real code of client and worker, a network and a program that a seed decides, and a plain model of
//! what must come out. Each call executed at most once and in order, each answer to its caller, each failure to its thread, once.
//!
//! `FARWARP_SEED=N` runs one seed; `FARWARP_SEEDS=N` and `FARWARP_QUIC_SEEDS=N` so many, from `FARWARP_SEED_FIRST` on.

mod below;
mod datagrams;
mod half_open;
mod model;
mod program;
mod random;
mod server;
mod wire;
mod world;

use farwarp_protocol::session::Limits;
use program::Habits;
use random::Random;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use wire::Nature;
use world::{Plan, Tally, World};

/// In the default tests.
const SEEDS: u64 = 1000;
/// Real handshakes cost more than simulated ones.
const QUIC_SEEDS: u64 = 100;

#[test]
fn calls_happen_once_and_in_order_and_answers_and_failures_find_their_caller() {
    let (first, count) = seeds("FARWARP_SEEDS", SEEDS);
    let mut sum = Tally::default();
    for seed in first..first + count {
        let tally = replayable(seed, || {
            let mut random = Random::new(seed);
            let plan = Plan::random(&mut random);
            World::new(plan, random).run()
        });
        sum.add(tally);
    }
    println!("{count} seeds: {sum}");
    if count >= SEEDS {
        assert!(sum.covers_everything(), "the seeds do not reach everything: {sum}");
    }
}

/// The connection ends at every byte of a program's traffic, in either direction.
#[test]
fn a_cut_at_any_byte_changes_nothing() {
    let mut cuts = 0;
    for direction in [wire::CLIENT, wire::WORKER] {
        for byte in 0.. {
            let nature = Nature { cut_after: Some((direction, byte)), ..Nature::ideal() };
            let tally = replayable(byte, || World::new(short(nature), Random::new(7)).run());
            assert_eq!((tally.lost, tally.fatal), (0, 0));
            if tally.connections == 1 {
                break;
            }
            cuts += 1;
        }
    }
    println!("{cuts} cuts");
    assert!(cuts > 1000, "{cuts}");
}

/// The second layer, with seeds of its own: what the pipe promises is made from datagrams that keep no promise.
#[test]
fn a_session_over_quic_survives_what_a_network_does_to_datagrams() {
    let (first, count) = seeds("FARWARP_QUIC_SEEDS", QUIC_SEEDS);
    let mut sum = below::Met::default();
    for seed in first..first + count {
        let met = replayable(seed, || below::run(seed));
        sum.spoiled += met.spoiled;
        sum.moves += met.moves;
        sum.connections += met.connections;
    }
    let below::Met { spoiled, moves, connections } = sum;
    println!(
        "{count} seeds: {connections} connections, {spoiled} datagrams spoiled, {moves} address changes"
    );
    assert!(count == 1 || (spoiled > count && moves > 0 && connections > count));
}

/// A program of a few calls of each kind over one connection.
fn short(nature: Nature) -> Plan {
    let habits = Habits {
        fails: 100,
        fails_for_ever: 0,
        loses_context: 0,
        body_bytes: 20,
        answer_bytes: 60,
        asks: 300,
        copies_out: 200,
        synchronizes: 100,
        ends_thread: 50,
        host_calls: 100,
        leaves_context: 0,
    };
    Plan {
        limits: Limits { ack_every_records: 4, ..Limits::default() },
        grace: Duration::from_secs(20),
        habits,
        threads: 2,
        calls: 12,
        steps: 0,
        fate: 0,
        kills: false,
        tick_us_max: 0,
        nature: Some(nature),
    }
}

/// The first seed, and how many.
fn seeds(many: &str, by_default: u64) -> (u64, u64) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    match number("FARWARP_SEED") {
        Some(seed) => (seed, 1),
        None => (number("FARWARP_SEED_FIRST").unwrap_or(0), number(many).unwrap_or(by_default)),
    }
}

/// Says which seed it was that failed, and how to see it again.
fn replayable<T>(seed: u64, run: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        println!(
            "seed {seed} failed; again: FARWARP_SEED={seed} cargo test -p farwarp-link --test simulation"
        );
        std::panic::resume_unwind(panic)
    })
}
