//! What a program, or a person's command, says to the per-user agent over its socket.
//!
//! Both sides begin with [`GREETING`]. Every message after it is one frame: its length as four little-endian bytes, then
//! the value. One connection carries one request; the connection of a [`Request::Lease`] stays open as long as its client
//! lives, and is the sign of that life.

use crate::admission::ServerStatus;
use crate::codec::{Decode, Encode};

/// The last byte is the version of these messages: whoever reads another one speaks with another build.
pub const GREETING: [u8; 8] = *b"farwarp\x03";

/// The socket in the runtime directory.
pub const SOCKET_NAME: &str = "agent.sock";

/// No message is larger: the status of [`LEASES_MAX`] leases fits.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// One agent keeps no more leases at once; each costs money and a thread.
pub const LEASES_MAX: usize = 16;

/// While a client waits, it hears something at least this often, or may call the agent dead.
pub const PROGRESS_EVERY_MS: u64 = 1_000;

/// A longer text in a wish is cut by the client and refused by the agent.
pub const WISH_BYTES_MAX: usize = 128;

/// The longest path that the kernel takes.
pub const PATH_BYTES_MAX: usize = 4096;

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Request {
    /// A ticket for the process at the other end.
    Lease {
        program: String,
        wish: Wish,
    },
    /// A server that is ready, with nobody on it yet.
    Up {
        wish: Wish,
    },
    /// The end of one lease, by its id, or of all.
    Down {
        lease: Option<String>,
    },
    Status,
}

/// What a client asks of its server; what it leaves open the configuration decides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Wish {
    pub provider: Option<String>,
    pub gpu: Option<String>,
    /// The newest wish that names a quiet period sets it for the whole lease.
    pub quiet_ms: Option<u64>,
    /// [`crate::call::fingerprint`] of the client's build: a server with another table would be of no use to it. The agent that runs
    /// may be of another build.
    pub table: u64,
    /// The `farwarp-server` of the client's build.
    pub server: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Reply {
    /// Something that people want to read while they wait.
    Progress(String),
    /// Nothing new, and nobody died.
    StillWaiting,
    Ready(Ready),
    /// The end of what [`Request::Down`] asked for: these leases are gone.
    Down {
        gone: Vec<String>,
    },
    Status(AgentStatus),
    /// Why there is nothing to be had, in one line.
    Failed(String),
    /// To a client that holds a lease: what it costs, or that it ends.
    Notice(String),
}

#[derive(Clone, PartialEq, Encode, Decode)]
pub struct Ready {
    pub lease: String,
    /// The ticket's line, secret included.
    pub ticket: String,
    pub provider: String,
    /// Whether this request started the server, rather than found it running.
    pub started: bool,
    /// From the decision to rent until the server answered.
    pub boot_ms: u64,
}

impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ready").field("lease", &self.lease).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub struct AgentStatus {
    pub version: String,
    pub pid: u32,
    pub uptime_ms: u64,
    pub leases: Vec<LeaseStatus>,
}

#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub struct LeaseStatus {
    pub id: String,
    pub provider: String,
    pub offer: String,
    /// The state's name: intent, creating, unsure, booting, ready, busy, quiet, draining, destroying, gone.
    pub state: String,
    /// What the provider calls the machine, once there is one.
    pub remote: Option<String>,
    /// Where the server listens.
    pub address: Option<String>,
    pub clients: Vec<ClientStatus>,
    pub quiet_ms: u64,
    /// Until the server is destroyed, if nothing happens.
    pub quiet_left_ms: Option<u64>,
    pub cost: Cost,
    pub log: Option<String>,
    /// What the server itself said last.
    pub server: Option<ServerStatus>,
}

#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub struct ClientStatus {
    pub pid: u32,
    pub program: String,
    pub attached_ms: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
pub struct Cost {
    pub micro_dollars: u64,
    pub micro_dollars_per_hour: u64,
    pub boot_ms: u64,
    pub busy_ms: u64,
    pub idle_ms: u64,
    /// To the machine, and from it.
    pub bytes_up: u64,
    pub bytes_down: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::SESSIONS_MAX;
    use crate::codec;

    #[test]
    fn a_ready_server_is_described_without_its_secret() {
        let ready = Ready {
            lease: "l1".into(),
            ticket: "farwarp://h:1?key=aa&secret=bb".into(),
            provider: "local".into(),
            started: true,
            boot_ms: 7,
        };
        assert!(!format!("{ready:?}").contains("secret"));
        assert_eq!(codec::decode::<Ready>(&codec::encode(&ready)), Ok(ready));
    }

    #[test]
    fn the_largest_status_keeps_its_limit() {
        let session = crate::admission::SessionStatus { program: "p".repeat(128), ..Default::default() };
        let server = ServerStatus {
            driver: "d".repeat(4096),
            sessions: vec![session; SESSIONS_MAX],
            ..Default::default()
        };
        let client = ClientStatus { program: "p".repeat(WISH_BYTES_MAX), ..Default::default() };
        let lease = LeaseStatus {
            clients: vec![client; 256],
            log: Some("l".repeat(4096)),
            server: Some(server),
            ..Default::default()
        };
        let status = AgentStatus { leases: vec![lease; LEASES_MAX], ..Default::default() };
        assert!(codec::encode(&Reply::Status(status)).len() <= MESSAGE_BYTES_MAX);
    }
}
