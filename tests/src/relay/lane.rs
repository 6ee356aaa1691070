//! One direction of a road: which datagrams get through, how often, and when. Sans-IO; the same seed gives the same fate.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use super::conditions::{Conditions, Counts};

/// How long a datagram is held up that others shall overtake.
pub const HELD_UP: Duration = Duration::from_millis(3);
/// The queue before a slow line: as long as a usual router's, in time.
const QUEUE_TIME_MAX: Duration = Duration::from_millis(20);
/// Datagrams under way at one time, whatever the conditions.
const UNDER_WAY_MAX: usize = 65_536;
/// IP and UDP headers, which a line carries too.
const HEADER_BYTES: u64 = 28;

/// A datagram that will leave, and for whom.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnderWay<P: Ord> {
    due: Instant,
    /// Those that are due at once leave as they came.
    number: u64,
    pub flow: P,
    pub bytes: Vec<u8>,
}

pub struct Lane<P: Ord> {
    chance: Chance,
    under_way: BinaryHeap<Reverse<UnderWay<P>>>,
    line_free: Option<Instant>,
    number: u64,
}

impl<P: Ord + Clone> Lane<P> {
    pub fn new(seed: u64) -> Self {
        Self { chance: Chance(seed), under_way: BinaryHeap::new(), line_free: None, number: 0 }
    }

    /// A datagram has come in.
    pub fn put(&mut self, flow: &P, bytes: &[u8], road: &Conditions, counts: &mut Counts, now: Instant) {
        if bytes.len() > road.mtu_bytes {
            counts.too_long += 1;
            return;
        }
        // Asked in any case, so that one condition does not change what another hits.
        let [lost, doubled, held_up] = [road.lost_per_mille, road.doubled_per_mille, road.held_up_per_mille]
            .map(|often| self.chance.per_mille(often));
        if lost {
            counts.lost += 1;
            return;
        }
        let Some(sent) = self.through_the_line(bytes.len(), road, now) else {
            counts.overflowed += 1;
            return;
        };
        let mut due = sent + road.round_trip / 2;
        if held_up {
            counts.held_up += 1;
            due += HELD_UP;
        }
        counts.doubled += u64::from(doubled);
        for _ in 0..=u8::from(doubled) {
            if self.under_way.len() == UNDER_WAY_MAX {
                counts.overflowed += 1;
                return;
            }
            self.number += 1;
            let (flow, bytes) = (flow.clone(), bytes.to_vec());
            self.under_way.push(Reverse(UnderWay { due, number: self.number, flow, bytes }));
        }
    }

    /// The next datagram that has arrived by now.
    pub fn take(&mut self, now: Instant) -> Option<UnderWay<P>> {
        if self.next_due()? > now {
            return None;
        }
        self.under_way.pop().map(|Reverse(arrived)| arrived)
    }

    pub fn next_due(&self) -> Option<Instant> {
        self.under_way.peek().map(|Reverse(next)| next.due)
    }

    /// When the line has sent so many bytes; `None` if the queue before it is full.
    fn through_the_line(&mut self, bytes: usize, road: &Conditions, now: Instant) -> Option<Instant> {
        let Some(rate) = road.bits_per_second else { return Some(now) };
        let begins = self.line_free.unwrap_or(now).max(now);
        if begins - now > QUEUE_TIME_MAX {
            return None;
        }
        let nanoseconds = (bytes as u64 + HEADER_BYTES) * 8 * 1_000_000_000 / rate.max(1);
        let sent = begins + Duration::from_nanos(nanoseconds);
        self.line_free = Some(sent);
        Some(sent)
    }
}

/// Chance that a seed determines: SplitMix64.
pub struct Chance(pub u64);

impl Chance {
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Evenly from `low` to below `high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.draw() % (high - low).max(1)
    }

    pub fn per_mille(&mut self, often: u32) -> bool {
        self.between(0, 1000) < u64::from(often)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn sent(road: &Conditions, seed: u64, count: u64) -> (Vec<(u64, Duration)>, Counts) {
        let (mut lane, mut counts, began) = (Lane::new(seed), Counts::default(), Instant::now());
        for number in 0..count {
            lane.put(&0, &number.to_le_bytes(), road, &mut counts, began);
        }
        let mut arrived = Vec::new();
        while let Some(next) = lane.take(began + 60 * SECOND) {
            let number = u64::from_le_bytes(next.bytes.try_into().expect("what was put"));
            arrived.push((number, next.due - began));
        }
        (arrived, counts)
    }

    #[test]
    fn a_perfect_road_carries_everything_at_once_and_in_order() {
        let (arrived, _) = sent(&Conditions::default(), 1, 100);
        assert_eq!(arrived, (0..100).map(|number| (number, Duration::ZERO)).collect::<Vec<_>>());
    }

    #[test]
    fn one_seed_gives_one_fate() {
        let bad = Conditions {
            lost_per_mille: 100,
            doubled_per_mille: 50,
            held_up_per_mille: 50,
            ..Conditions::default()
        };
        assert_eq!(sent(&bad, 7, 5000), sent(&bad, 7, 5000));
        assert_ne!(sent(&bad, 7, 5000), sent(&bad, 8, 5000));
    }

    #[test]
    fn loss_doubling_and_overtaking_are_as_frequent_as_said() {
        let bad = Conditions {
            lost_per_mille: 100,
            doubled_per_mille: 50,
            held_up_per_mille: 50,
            ..Conditions::default()
        };
        let (arrived, counts) = sent(&bad, 3, 10_000);
        assert!((800..1200).contains(&counts.lost), "{counts:?}");
        assert!((350..550).contains(&counts.doubled), "{counts:?}");
        assert!(arrived.windows(2).any(|pair| pair[0].0 > pair[1].0), "nothing was overtaken");
        assert_eq!(arrived.len() as u64, 10_000 - counts.lost + counts.doubled);
    }

    #[test]
    fn a_slow_line_takes_its_time_and_drops_what_its_queue_cannot_hold() {
        // 36 bytes with their headers are 288 bits: a hundred a second.
        let slow = Conditions { bits_per_second: Some(28_800), round_trip: SECOND, ..Conditions::default() };
        let (arrived, counts) = sent(&slow, 1, 10);
        let times: Vec<u128> = arrived.iter().map(|(_, after)| after.as_millis()).collect();
        assert_eq!(times, [510, 520, 530]);
        assert_eq!(counts.overflowed, 7);
    }

    #[test]
    fn what_is_too_long_does_not_get_through() {
        let narrow = Conditions { mtu_bytes: 7, ..Conditions::default() };
        assert_eq!(sent(&narrow, 1, 3).1.too_long, 3);
    }
}
