//! What gate and worker say to each other over their socketpair. It is a SOCK_SEQPACKET: a message is one packet.
//!
//! The worker learns of one session only: no ticket's secret, no key of the gate.

use std::fmt;
use std::net::SocketAddr;

use crate::admission::TAG_BYTES;
use crate::codec::{Decode, Encode};

/// A whole UDP datagram and the few words beside it.
pub const MESSAGE_BYTES_MAX: usize = (64 << 10) + 512;

/// Names memory that a session offers. Nobody guesses it.
pub type OfferKey = [u8; 16];

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum ToWorker {
    /// The first message.
    Start(Start),
    /// A datagram for this session. If its source is new, a socket connected to it travels with the message.
    Datagram(Datagram),
    /// What a want found; where it found something, its descriptor travels with the message.
    Offered { number: u64, found: bool },
    /// Close the connection with this code and reason, then exit.
    End { code: u32, why: String },
}

#[derive(Clone, PartialEq, Encode, Decode)]
pub struct Start {
    pub session: u64,
    pub tag: [u8; TAG_BYTES],
    /// Proves the session on each data connection.
    pub key: [u8; 32],
    /// Makes the stateless resets with which the gate speaks for a worker that died.
    pub reset_key: [u8; 32],
    /// The worker's own private key, PKCS #8.
    pub worker_key: Vec<u8>,
    pub resume_grace_ms: u64,
    pub silence_ms: u64,
    /// Absolute path of the libcuda to load.
    pub driver: String,
    /// It is NVIDIA's, whose system calls differ by version.
    pub nvidia: bool,
    /// Whether to close the jail; always, but where somebody looks for a fault.
    pub jailed: bool,
    /// Device memory that the session may hold.
    pub device_bytes_max: u64,
}

impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start")
            .field("session", &self.session)
            .field("driver", &self.driver)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Datagram {
    pub remote: SocketAddr,
    /// The two bits of the IP header.
    pub ecn: u8,
    pub bytes: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum FromWorker {
    /// How each layer of its jail stands, in the order in which they were taken.
    Jailed {
        layers: Vec<JailLayer>,
    },
    /// Memory that other sessions of the ticket may open by this key; its descriptor travels with the message.
    Offer {
        key: OfferKey,
    },
    /// Nobody shall open it any more.
    Withdraw {
        key: OfferKey,
    },
    /// What a session of the ticket offers under a key; answered once, by the number.
    Want {
        number: u64,
        key: OfferKey,
    },
    DriverLoaded,
    DriverFailed {
        why: String,
    },
    Activity(Activity),
    /// Bytes of the log and its answers that the session has received and sent since its beginning.
    Moved {
        up: u64,
        down: u64,
    },
    /// A data connection stands; of several, the one with the highest epoch counts.
    Connected {
        epoch: u32,
    },
    /// The data connection was lost; the resume grace runs.
    Disconnected {
        why: String,
    },
    /// The session is over and the worker exits.
    Ended {
        why: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct JailLayer {
    pub name: String,
    pub holds: bool,
    /// What exactly holds, or why it does not.
    pub words: String,
}

/// What a session has done, for those who look after money.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub struct Activity {
    pub calls: u64,
    /// Since the last call when this was sent.
    pub idle_ms: u64,
    pub device_bytes: u64,
    /// Waits for the GPU that are under way, and how many have ended.
    pub waits: u64,
    pub waits_ended: u64,
    /// The operation whose call of the driver has not returned, or 0.
    pub in_call: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    #[test]
    fn the_largest_datagram_fits_into_a_message() {
        let remote = "[2001:db8::1]:65535".parse().unwrap();
        let datagram = Datagram { remote, ecn: 3, bytes: vec![7; 65_535] };
        assert!(codec::encode(&ToWorker::Datagram(datagram)).len() <= MESSAGE_BYTES_MAX);
    }
}
