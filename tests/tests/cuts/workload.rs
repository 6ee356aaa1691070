//! Cuts under a running workload.

use std::time::{Duration, Instant};

use farwarp_tests::Server;
use farwarp_tests::relay::Cut;
use farwarp_tests::relay::lane::Chance;

use crate::{Busy, LIMIT, SEED, soak_time, soaks};

/// Between two cuts something shall move again.
const PAUSE: Duration = Duration::from_millis(200);

#[test]
fn a_program_under_many_short_cuts_reads_no_wrong_byte() {
    let schedule: Vec<Duration> = spread(25, Duration::from_millis(10), Duration::from_secs(1));
    under_cuts(&schedule, LIMIT);
}

/// So many lengths between two, each direction of cut in turn; short ones are more frequent.
fn spread(count: u32, from: Duration, to: Duration) -> Vec<Duration> {
    let ratio = (to.as_secs_f64() / from.as_secs_f64()).powf(1.0 / f64::from(count - 1));
    let mut times: Vec<Duration> = (0..count).map(|index| from.mul_f64(ratio.powi(index as i32))).collect();
    let mut chance = Chance(SEED);
    for last in (1..times.len()).rev() {
        times.swap(last, chance.between(0, last as u64 + 1) as usize);
    }
    times
}

/// What the limit leaves no time for is left out, and not counted.
/// What the limit leaves no time for is left out, and not counted.
fn under_cuts(schedule: &[Duration], limit: Duration) {
    let server = Server::with_grace(Duration::from_secs(300));
    let relay = server.relay(SEED);
    let busy = Busy::start(&server, &relay);
    let (began, mut cuts) = (Instant::now(), 0);
    for (cut, time) in [Cut::Both, Cut::Up, Cut::Down].iter().cycle().zip(schedule) {
        if began.elapsed() + *time > limit {
            continue;
        }
        relay.cut(*cut, *time);
        std::thread::sleep(*time + PAUSE);
        cuts += 1;
    }
    let (rounds, stats) = busy.was_right(&server);
    println!("{cuts} cuts: {rounds} rounds, {} reconnects, {:?}", stats["reconnects"], relay.counts());
}

#[test]
fn a_program_under_a_hundred_cuts_of_up_to_a_minute_reads_no_wrong_byte() {
    if soaks("a hundred cuts of 10 ms to 60 s") {
        under_cuts(&spread(100, Duration::from_millis(10), Duration::from_secs(60)), soak_time());
    }
}
