//! What one session may use, each limit by its name. The gate sets them, and enforces those that a worker could lie about.

use std::fs;
use std::time::Duration;

/// Memory of the host that one worker may hold: three quarters of the machine's, so that one session cannot take it down.
const HOST_SHARE_PERCENT: u64 = 75;
/// What a worker may write into the server's log at once …
pub const LOG_BURST_BYTES: u64 = 1 << 20;
/// … and how fast it may go on writing.
pub const LOG_BYTES_PER_SECOND: u64 = 64 << 10;
/// A longer line of a worker's is cut.
pub const LOG_LINE_BYTES_MAX: usize = 4 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Memory of the host, shared memory included.
    pub host_bytes: u64,
    /// Device memory; the driver's own limit counts too.
    pub device_bytes: u64,
    /// How long what a session waits for may make no progress; without it, for as long as the server lives.
    pub stall: Option<Duration>,
    /// Sessions of one ticket at once; the server's own limit counts too.
    pub sessions_of_a_ticket: usize,
}

impl Default for Quota {
    fn default() -> Self {
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let host_bytes = memory_of(&meminfo).map_or(u64::MAX, |bytes| bytes / 100 * HOST_SHARE_PERCENT);
        Self { host_bytes, device_bytes: u64::MAX, stall: None, sessions_of_a_ticket: usize::MAX }
    }
}

fn memory_of(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1 << 10)
}

/// `512M`, `2GiB`, or a number of bytes.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let refused = || format!("'{text}' is no size; write for example 512M or 2GiB");
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit {
        "" | "B" => 0,
        "K" | "KiB" => 10,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        "T" | "TiB" => 40,
        _ => return Err(refused()),
    };
    let number: u64 = number.parse().map_err(|_| refused())?;
    number.checked_mul(1 << shift).filter(|bytes| *bytes > 0).ok_or_else(refused)
}

/// Lets so many bytes through at once, and so many a second after that. It has no clock of its own.
#[derive(Debug)]
pub struct Tap {
    left: u64,
    filled_at_ms: u64,
}

impl Default for Tap {
    fn default() -> Self {
        Self { left: LOG_BURST_BYTES, filled_at_ms: 0 }
    }
}

impl Tap {
    pub fn lets(&mut self, bytes: u64, now_ms: u64) -> bool {
        let more = now_ms.saturating_sub(self.filled_at_ms).saturating_mul(LOG_BYTES_PER_SECOND) / 1000;
        if more > 0 {
            self.left = self.left.saturating_add(more).min(LOG_BURST_BYTES);
            self.filled_at_ms = now_ms;
        }
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_units_and_nothing_else_is() {
        assert_eq!(parse_bytes("2GiB"), Ok(2 << 30));
        assert_eq!(parse_bytes("512M"), Ok(512 << 20));
        assert_eq!(parse_bytes("77"), Ok(77));
        for wrong in ["", "M", "0", "1.5G", "-1", "1 G", "1GB", "99999999999T"] {
            assert!(parse_bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_default_is_a_share_of_the_memory_that_is_there() {
        assert_eq!(memory_of("MemFree: 1 kB\nMemTotal:       1000 kB\n"), Some(1_024_000));
        assert_eq!(memory_of("nothing"), None);
        let quota = Quota::default();
        assert!(quota.host_bytes > 0 && quota.host_bytes < 1 << 50, "{quota:?}");
    }

    #[test]
    fn a_tap_lets_a_burst_through_and_then_a_trickle() {
        let mut tap = Tap::default();
        assert!(tap.lets(LOG_BURST_BYTES, 0) && !tap.lets(1, 0));
        assert!(tap.lets(LOG_BYTES_PER_SECOND, 1000) && !tap.lets(1, 1000));
        assert!(!tap.lets(LOG_BURST_BYTES + 1, u64::MAX) && tap.lets(LOG_BURST_BYTES, u64::MAX));
    }
}
