//! Stream memory operations: a stream that waits until a word of memory has a value. Waiting costs no thread of its own: one
//! thread looks at all words that are waited for.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use farwarp_face::*;
use once_cell::sync::Lazy;

use crate::driver::edge::Result;
use crate::driver::job::Job;
use crate::driver::ranges::{Running, lock};
use crate::driver::{threads, transfer};

/// A word and what it must become: `CUstreamWaitValue_flags`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    pub address: u64,
    pub value: u64,
    pub width: Width,
    pub comparison: Comparison,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    Four,
    Eight,
}

impl Width {
    pub fn bytes(self) -> u64 {
        match self {
            Width::Four => 4,
            Width::Eight => 8,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Not behind the value, cyclically.
    Geq,
    Eq,
    And,
    Nor,
}

/// CU_STREAM_WAIT_VALUE_FLUSH: remote writes are always visible here, so it asks for what is so anyway.
const FLUSH: u32 = 1 << 30;

impl Comparison {
    pub fn from_flags(flags: u32) -> Result<Comparison> {
        match flags & !FLUSH {
            0 => Ok(Comparison::Geq),
            1 => Ok(Comparison::Eq),
            2 => Ok(Comparison::And),
            3 => Ok(Comparison::Nor),
            _ => Err(CUDA_ERROR_INVALID_VALUE),
        }
    }
}

impl Condition {
    fn holds_for(&self, word: u64) -> bool {
        let (word, value) = match self.width {
            Width::Four => (word & 0xFFFF_FFFF, self.value & 0xFFFF_FFFF),
            Width::Eight => (word, self.value),
        };
        match (self.comparison, self.width) {
            (Comparison::Geq, Width::Four) => (word as i32).wrapping_sub(value as i32) >= 0,
            (Comparison::Geq, Width::Eight) => (word as i64).wrapping_sub(value as i64) >= 0,
            (Comparison::Eq, _) => word == value,
            (Comparison::And, _) => word & value != 0,
            (Comparison::Nor, Width::Four) => !(word | value) & 0xFFFF_FFFF != 0,
            (Comparison::Nor, Width::Eight) => !(word | value) != 0,
        }
    }

    fn holds(&self) -> bool {
        self.holds_for(transfer::load(self.address, self.width))
    }

    /// Ends `job` once the condition holds.
    pub fn watch(self, job: Arc<Job>) {
        let watched = Watched { condition: self, job, running: Running::begin() };
        Lazy::force(&WATCH);
        lock(&WATCHED).push(watched);
        CHANGED.notify_one();
    }
}

struct Watched {
    condition: Condition,
    job: Arc<Job>,
    /// The word stays mapped as long as it is looked at.
    running: Running,
}

static WATCHED: Mutex<Vec<Watched>> = Mutex::new(Vec::new());
static CHANGED: Condvar = Condvar::new();
static WATCH: Lazy<()> = Lazy::new(|| threads::spawn("softgpu-wait", watch));

/// Between two looks while something just changed, and when nothing has for a while: a wait is noticed within the first, and an idle
/// one costs next to nothing.
const EAGER: Duration = Duration::from_micros(20);
const LAZY: Duration = Duration::from_micros(500);
const EAGER_FOR: Duration = Duration::from_millis(5);

fn watch() {
    let mut last_change = Instant::now();
    let mut waits = 0;
    loop {
        let mut watched = lock(&WATCHED);
        while watched.is_empty() {
            watched = CHANGED.wait(watched).unwrap_or_else(PoisonError::into_inner);
        }
        if watched.len() > waits {
            last_change = Instant::now();
        }
        let over = |one: &mut Watched| one.condition.holds() || one.job.context.standing().is_err();
        let ended: Vec<Watched> = watched.extract_if(.., over).collect();
        waits = watched.len();
        drop(watched);
        if ended.is_empty() {
            let eager = last_change.elapsed() < EAGER_FOR;
            std::thread::sleep(if eager { EAGER } else { LAZY });
        } else {
            last_change = Instant::now();
        }
        for one in ended {
            drop(one.running);
            one.job.end(Ok(()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(comparison: Comparison, width: Width, value: u64, word: u64) -> bool {
        Condition { address: 0, value, width, comparison }.holds_for(word)
    }

    #[test]
    fn a_wait_for_at_least_is_cyclic() {
        assert!(holds(Comparison::Geq, Width::Four, 5, 5));
        assert!(!holds(Comparison::Geq, Width::Four, 5, 4));
        assert!(holds(Comparison::Geq, Width::Four, 0xFFFF_FFFF, 3));
        assert!(!holds(Comparison::Geq, Width::Eight, 3, u64::MAX));
    }

    #[test]
    fn the_upper_half_of_a_word_of_four_bytes_does_not_count() {
        assert!(holds(Comparison::Eq, Width::Four, 0xAAAA_AAAA_0000_0001, 1));
        assert!(!holds(Comparison::Nor, Width::Four, 0xFFFF_0000, 0x0000_FFFF));
        assert!(holds(Comparison::Nor, Width::Eight, 0xFFFF_0000, 0x0000_FFFF));
    }
}
