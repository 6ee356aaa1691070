//! What time it is: two clocks, because a laptop sleeps and a calendar jumps.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// Since the machine started, sleep included (CLOCK_BOOTTIME): what is rented costs money while the lid is shut.
pub type Millis = u64;

pub trait Clock: Send + Sync {
    fn now(&self) -> Millis;

    /// Since 1970, for people and for what outlives a reboot.
    fn wall(&self) -> u64;
}

/// The machine's own.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        let now = clock_gettime(ClockId::Boottime);
        now.tv_sec as u64 * 1_000 + now.tv_nsec as u64 / 1_000_000
    }

    fn wall(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
    }
}

/// Names this start of the machine: readings of `now` compare only within it.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// A moment that can be compared with later ones, also after a reboot.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Moment {
    pub boot_id: String,
    pub now_ms: Millis,
    pub wall_ms: u64,
}

impl Moment {
    pub fn of(clock: &dyn Clock, boot_id: &str) -> Self {
        Self { boot_id: boot_id.to_owned(), now_ms: clock.now(), wall_ms: clock.wall() }
    }

    /// By the steady clock within one start of the machine, by the calendar across starts. Never negative.
    pub fn ms_until(&self, later: &Moment) -> u64 {
        if self.boot_id == later.boot_id {
            later.now_ms.saturating_sub(self.now_ms)
        } else {
            later.wall_ms.saturating_sub(self.wall_ms)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calendar_that_jumps_changes_nothing_within_one_start() {
        let at = |boot: &str, now_ms, wall_ms| Moment { boot_id: boot.into(), now_ms, wall_ms };
        assert_eq!(at("a", 10, 5_000).ms_until(&at("a", 25, 0)), 15);
        assert_eq!(at("a", 9_999, 5_000).ms_until(&at("b", 3, 5_700)), 700);
        assert_eq!(at("a", 9_999, 5_000).ms_until(&at("b", 3, 4_000)), 0);
    }

    #[test]
    fn the_machines_clock_moves_forward() {
        let first = SystemClock.now();
        std::thread::sleep(std::time::Duration::from_millis(3));
        assert!(SystemClock.now() > first && SystemClock.wall() > 1_600_000_000_000);
    }
}
