//! Whether what a session waits for comes any nearer. It has no clock of its own.

use std::time::{Duration, Instant};

use farwarp_protocol::call;
use farwarp_protocol::handoff::Activity;

/// A session without progress for so long is reported; long kernels exist, so it is not ended for that alone.
pub const STALL_REPORTED_AFTER: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Progress {
    /// Calls begun and waits ended: one of them grows as long as anything moves.
    seen: (u64, u64),
    since: Instant,
    waits: Option<Waits>,
}

#[derive(Debug, Clone, Copy)]
enum Waits {
    /// For work of the GPU, so many.
    Gpu(u64),
    /// For the driver to return from an operation.
    Driver(u32),
}

impl Progress {
    pub fn new(now: Instant) -> Self {
        Self { seen: (0, 0), since: now, waits: None }
    }

    pub fn note(&mut self, activity: &Activity, now: Instant) {
        let waits = match (activity.in_call, activity.waits) {
            (0, 0) => None,
            (0, waits) => Some(Waits::Gpu(waits)),
            (op, _) => Some(Waits::Driver(op)),
        };
        let seen = (activity.calls, activity.waits_ended);
        if seen != self.seen || self.waits.is_none() {
            (self.seen, self.since) = (seen, now);
        }
        self.waits = waits;
    }

    /// For how long it has waited in vain; nothing where it does not wait.
    pub fn stalled(&self, now: Instant) -> Option<Duration> {
        self.waits.map(|_| now.saturating_duration_since(self.since))
    }

    /// What it waits for, in words.
    pub fn waits_for(&self) -> Option<String> {
        Some(match self.waits? {
            Waits::Gpu(1) => "a kernel or copy has not ended".into(),
            Waits::Gpu(waits) => format!("kernels or copies that {waits} calls wait for have not ended"),
            Waits::Driver(op) => {
                format!("the driver has not returned from {}", call::name_of(op).unwrap_or("a call"))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn activity(calls: u64, waits: u64, waits_ended: u64, in_call: u32) -> Activity {
        Activity { calls, waits, waits_ended, in_call, ..Activity::default() }
    }

    #[test]
    fn only_waiting_in_vain_is_a_stall() {
        let start = Instant::now();
        let mut progress = Progress::new(start);
        progress.note(&activity(5, 0, 0, 0), start);
        assert_eq!(progress.stalled(start + 99 * SECOND), None, "a program that computes by itself");
        progress.note(&activity(6, 1, 0, 0), start + 100 * SECOND);
        progress.note(&activity(6, 1, 0, 0), start + 130 * SECOND);
        assert_eq!(progress.stalled(start + 140 * SECOND), Some(40 * SECOND));
        progress.note(&activity(6, 1, 1, 0), start + 141 * SECOND);
        assert_eq!(progress.stalled(start + 142 * SECOND), Some(SECOND), "one wait ended, the next began");
        progress.note(&activity(6, 0, 2, 0), start + 150 * SECOND);
        assert_eq!(progress.stalled(start + 151 * SECOND), None);
    }

    #[test]
    fn it_says_what_is_waited_for() {
        let start = Instant::now();
        let mut progress = Progress::new(start);
        progress.note(&activity(1, 0, 0, call::op("cuMemFree_v2")), start);
        assert_eq!(progress.waits_for().unwrap(), "the driver has not returned from cuMemFree_v2");
        progress.note(&activity(1, 3, 0, 0), start);
        assert!(progress.waits_for().unwrap().contains("3 calls"));
    }
}
