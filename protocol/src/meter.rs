//! What the software GPU of a worker and the gate say to each other about device memory. NVIDIA's driver shares a GPU's memory
//! among processes by itself; a GPU that each process plays for itself needs somebody who counts for all of them.
//!
//! A message is one packet of a socketpair of its own. The driver asks, the gate answers at once.

use crate::codec::{Decode, Encode};

/// Tells a driver the number of the descriptor on which its gate counts; set by the worker, never by a client.
pub const VARIABLE: &str = "FARWARP_SOFTGPU_METER";
/// Each message, in both directions, is shorter.
pub const MESSAGE_BYTES_MAX: usize = 64;

/// Takes or gives back memory of one device; with neither, only asks how much is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Ask {
    pub device: u32,
    /// What the device has. Sessions whose environment says otherwise each go by their own.
    pub memory_bytes: u64,
    pub take_bytes: u64,
    pub give_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Answer {
    /// Whether what was to be taken is the asker's now.
    pub granted: bool,
    /// What no session has, after this.
    pub free_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::encode;

    #[test]
    fn every_message_fits_into_its_packet() {
        let ask =
            Ask { device: u32::MAX, memory_bytes: u64::MAX, take_bytes: u64::MAX, give_bytes: u64::MAX };
        let answer = Answer { granted: true, free_bytes: u64::MAX };
        assert!(encode(&ask).len() < MESSAGE_BYTES_MAX && encode(&answer).len() < MESSAGE_BYTES_MAX);
    }
}
