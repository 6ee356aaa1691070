//! What is said before the log begins: client and gate, then the first words of the data connection.
//!
//! Every message is one frame on the first bidirectional stream: its length as four little-endian bytes, then the value.
//! A proof is HMAC-SHA-256, keyed by the secret that it proves, over the bytes that this very TLS connection exports under
//! [`EXPORTER_LABEL`]; so nothing that was overheard or relayed can be used elsewhere.

use crate::codec::{Decode, Encode};

/// Both TLS sides must name it; another version of the protocol names another.
pub const ALPN: &[u8] = b"farwarp/1";

/// The exporter's label; the context is one of the two below, so that a proof for one purpose is none for the other.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-farwarp";
pub const GATE_CONTEXT: &[u8] = b"gate";
pub const DATA_CONTEXT: &[u8] = b"data";

/// A client that has proven nothing may make the gate hold this much.
pub const OPENING_BYTES_MAX: usize = 4 << 10;
/// An answer of the gate is not larger: the status of `SESSIONS_MAX` sessions fits.
pub const ANSWER_BYTES_MAX: usize = 64 << 10;
/// One gate serves no more sessions at once; each is a process.
pub const SESSIONS_MAX: usize = 64;
/// One gate knows no more tickets at once; each proof is tried against all of them.
pub const TICKETS_MAX: usize = 64;
pub const TICKET_NAME_BYTES_MAX: usize = 32;
/// Words about what a session waits for.
pub const STALLED_BY_BYTES_MAX: usize = 128;
/// A longer program name is cut.
pub const PROGRAM_BYTES_MAX: usize = 128;

/// The first eight bytes of every connection ID that leads to a worker.
pub const TAG_BYTES: usize = 8;
/// Length of those connection IDs: the tag, and as many random bytes.
pub const DATA_CID_BYTES: usize = 16;

/// Codes of CONNECTION_CLOSE, with which either side ends a connection; the reason follows as text.
pub mod close {
    /// The client is done; its session ends.
    pub const DONE: u32 = 0;
    /// The session's key, or the ticket's secret, was not proven.
    pub const NOT_PROVEN: u32 = 1;
    /// The epoch is not higher than one already seen.
    pub const OLD_EPOCH: u32 = 2;
    /// A connection of a higher epoch took over.
    pub const SUPERSEDED: u32 = 3;
    /// The server ends, or ends this session.
    pub const ENDED: u32 = 4;
    /// What was sent breaks the protocol.
    pub const MALFORMED: u32 = 5;
}

/// The client's first frame to the gate.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Opening {
    /// Of the ticket's secret.
    pub proof: [u8; 32],
    pub wish: Wish,
}

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Wish {
    Session(ClientInfo),
    Resume { session: u64 },
    Control,
}

/// Who the client is, so that a gate on the same host can see when it has ended, and people can see whose session it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct ClientInfo {
    pub pid: u32,
    /// Field 22 of /proc/self/stat: with the pid it names one process for as long as the host runs.
    pub start_ticks: u64,
    /// /proc/sys/kernel/random/boot_id: the same text means the same running kernel.
    pub boot_id: String,
    /// Inode of /proc/self/ns/pid: a pid means something only within it.
    pub pid_namespace: u64,
    pub program: String,
    /// Fingerprint of the table of driver functions that the client was built with.
    pub table: u64,
}

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Answer {
    Admitted(Admission),
    /// The control connection stands; [`ControlRequest`]s may follow.
    Control,
    Refused(Refusal),
}

/// Where the data connection goes and how it is proven.
#[derive(Clone, PartialEq, Encode, Decode)]
pub struct Admission {
    pub session: u64,
    /// Proves the session on each data connection. All zero in the answer to a resume: the client has it already.
    pub key: [u8; 32],
    /// SHA-256 of the worker's public key.
    pub worker_key: [u8; 32],
    /// The destination connection ID that the data connection must begin with.
    pub first_cid: [u8; DATA_CID_BYTES],
    pub resume_grace_ms: u64,
    /// Nothing was heard for so long: the connection is dead. Both sides use it.
    pub silence_ms: u64,
    /// Version of the server, for people.
    pub server: String,
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admission").field("session", &self.session).finish_non_exhaustive()
    }
}

/// Why the gate does not do what was wished; one variant a rule.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Refusal {
    WrongSecret,
    /// The ticket was good until its server's owner withdrew it.
    Revoked,
    OtherTable {
        gate: u64,
    },
    Full {
        sessions: u32,
    },
    /// There is room, but not for more sessions of this ticket.
    TicketFull {
        sessions: u32,
    },
    SessionGone {
        session: u64,
        why: String,
    },
    WorkerFailed {
        why: String,
    },
    Malformed,
    ShuttingDown,
}

/// The first frame on a data connection, from the client to the worker.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct DataOpening {
    /// Of the session's key, over exported bytes, session and epoch.
    pub proof: [u8; 32],
    pub session: u64,
    /// Counts the data connections of the session; only a higher one is accepted.
    pub epoch: u32,
}

/// A data opening has one size, so the bytes after it are already the log.
pub const DATA_OPENING_BYTES: usize = 32 + 8 + 4;

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum ControlRequest {
    Status,
    /// The server ends itself after this long, unless renewed again.
    Renew {
        ttl_ms: u64,
    },
    Shutdown,
    /// A ticket for one more user.
    AddTicket(NewTicket),
    /// Nobody is let in with it any more, and its sessions end.
    RevokeTicket {
        name: String,
    },
    Tickets,
}

#[derive(Clone, PartialEq, Encode, Decode)]
pub struct NewTicket {
    pub name: String,
    pub secret: [u8; 32],
}

impl std::fmt::Debug for NewTicket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewTicket").field("name", &self.name).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum ControlAnswer {
    Status(ServerStatus),
    Done,
    Tickets {
        tickets: Vec<TicketStatus>,
    },
    /// It is not done, in words.
    Refused {
        why: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct TicketStatus {
    pub name: String,
    pub sessions: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub struct ServerStatus {
    pub version: String,
    /// Absolute path of the libcuda that workers load.
    pub driver: String,
    /// "nvidia" or "software GPU".
    pub driver_kind: String,
    pub uptime_ms: u64,
    pub ttl_left_ms: Option<u64>,
    /// For how long no session has made a call; since the start if none ever did.
    pub quiet_ms: u64,
    /// Bytes of all sessions, ended ones included, from and to their clients.
    pub bytes_up: u64,
    pub bytes_down: u64,
    pub sessions: Vec<SessionStatus>,
}

#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub struct SessionStatus {
    pub id: u64,
    pub pid: u32,
    pub program: String,
    /// Whether a data connection stands right now.
    pub connected: bool,
    /// Since the last CUDA call; heartbeats are no activity.
    pub idle_ms: u64,
    pub device_bytes: u64,
    pub calls: u64,
    /// With whose ticket it came.
    pub ticket: String,
    /// For how long what it waits for has made no progress, and what that is; nothing where it does.
    pub stalled_ms: u64,
    pub stalled_by: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    #[test]
    fn a_data_opening_has_one_size() {
        let opening = DataOpening { proof: [9; 32], session: u64::MAX, epoch: 7 };
        let bytes = codec::encode(&opening);
        assert_eq!(bytes.len(), DATA_OPENING_BYTES);
        assert_eq!(codec::decode::<DataOpening>(&bytes), Ok(opening));
    }

    #[test]
    fn the_largest_messages_keep_their_limits() {
        let long = "é".repeat(PROGRAM_BYTES_MAX / 2);
        let client = ClientInfo { boot_id: "f".repeat(36), program: long.clone(), ..Default::default() };
        let opening = Opening { proof: [0; 32], wish: Wish::Session(client) };
        assert!(codec::encode(&opening).len() <= OPENING_BYTES_MAX);
        let session = SessionStatus {
            program: long,
            ticket: "t".repeat(TICKET_NAME_BYTES_MAX),
            stalled_by: "s".repeat(STALLED_BY_BYTES_MAX),
            ..Default::default()
        };
        let status = ServerStatus {
            driver: "d".repeat(4096),
            sessions: vec![session; SESSIONS_MAX],
            ..Default::default()
        };
        assert!(codec::encode(&ControlAnswer::Status(status)).len() <= ANSWER_BYTES_MAX);
    }
}
