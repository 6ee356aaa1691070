//! How a road behaves: what a network may do to a datagram, and how much of it this one does.

use std::time::Duration;

/// Of a road in both directions. The default is a perfect one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conditions {
    pub round_trip: Duration,
    /// Each direction's; what the queue has no room for is lost.
    pub bits_per_second: Option<u64>,
    /// Of a thousand datagrams, on average.
    pub lost_per_mille: u32,
    pub doubled_per_mille: u32,
    /// Held up for [`super::lane::HELD_UP`], so that later ones overtake them.
    pub held_up_per_mille: u32,
    /// Longer payloads are lost without a word.
    pub mtu_bytes: usize,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            round_trip: Duration::ZERO,
            bits_per_second: None,
            lost_per_mille: 0,
            doubled_per_mille: 0,
            held_up_per_mille: 0,
            mtu_bytes: usize::MAX,
        }
    }
}

/// Which way a cut road no longer carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// From the client to the server.
    Up,
    Down,
    Both,
}

/// What became of the datagrams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub carried: u64,
    pub lost: u64,
    pub doubled: u64,
    pub held_up: u64,
    pub too_long: u64,
    /// The queue before the slow line was full.
    pub overflowed: u64,
    /// Came while the road was cut.
    pub cut_off: u64,
}
