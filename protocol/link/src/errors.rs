//! What can go wrong with a connection, and with getting one: one variant a rule, each one clear line.

use std::time::Duration;

use farwarp_protocol::admission::{Refusal, close};

/// Why a pipe no longer carries anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    #[error("the peer closed the connection: {reason} (code {code})")]
    ClosedByPeer { code: u32, reason: String },
    #[error("the connection was closed here")]
    ClosedHere,
    #[error("a newer connection of the same session took over")]
    Superseded,
    #[error("nothing was heard from the peer for {} s", silence.as_secs_f32())]
    Silent { silence: Duration },
    #[error("nothing that was sent for {} s was acknowledged", time.as_secs_f32())]
    Unanswered { time: Duration },
    #[error("this machine slept for {} s, and nobody waits so long for a silent peer", slept.as_secs())]
    Slept { slept: Duration },
    #[error("the peer no longer knows the connection")]
    Reset,
    #[error("nobody listens there")]
    NobodyListens,
    #[error("the server refuses new connections for now")]
    Refused,
    #[error("the peer speaks another protocol")]
    OtherProtocol,
    #[error("QUIC: {0}")]
    Transport(String),
    #[error("the socket: {error}")]
    Socket { error: String },
}

impl LinkError {
    /// Whether another connection for the same session may still succeed.
    pub fn may_resume(&self) -> bool {
        match self {
            Self::ClosedByPeer { .. } | Self::ClosedHere | Self::Superseded | Self::OtherProtocol => false,
            Self::Silent { .. }
            | Self::Unanswered { .. }
            | Self::Slept { .. }
            | Self::Reset
            | Self::NobodyListens
            | Self::Refused
            | Self::Transport(_)
            | Self::Socket { .. } => true,
        }
    }

    /// Whether the peer said that it is done, rather than vanished.
    pub fn is_orderly_end(&self) -> bool {
        matches!(self, Self::ClosedByPeer { code: close::DONE, .. })
    }
}

/// Why there is no connection. Each is one line for stderr.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    #[error("the server at {address} does not accept this ticket's secret")]
    WrongSecret { address: String },
    #[error("the ticket for the server at {address} was withdrawn")]
    Revoked { address: String },
    #[error("this ticket has as many sessions at {address} as it may have ({sessions})")]
    TicketFull { address: String, sessions: u32 },
    #[error("the server at {address} does not do that: {why}")]
    NotDone { address: String, why: String },
    #[error("the server at {address} is not the one that this ticket names: its key is another")]
    WrongServerKey { address: String },
    #[error(
        "client and server were built from different tables of driver functions ({ours:016x} here, {theirs:016x} at \
         {address}): install the same version on both"
    )]
    OtherTable { address: String, ours: u64, theirs: u64 },
    #[error("the server at {address} speaks another version of the protocol")]
    OtherVersion { address: String },
    #[error("the server at {address} has as many sessions as it allows ({sessions})")]
    Full { address: String, sessions: u32 },
    #[error("the server at {address} is too busy with new connections")]
    Busy { address: String },
    #[error("the server at {address} is shutting down")]
    ShuttingDown { address: String },
    #[error("session {session} is gone: {why}")]
    SessionGone { session: u64, why: String },
    #[error("the server at {address} could not start a worker: {why}")]
    WorkerFailed { address: String, why: String },
    #[error("'{address}' is not a host that can be found: {error}")]
    Unresolved { address: String, error: String },
    #[error("no server at {address}: nobody listens there")]
    NobodyListens { address: String },
    #[error("no server at {address}: {error}")]
    Unreachable { address: String, error: String },
    #[error("no answer from {address} within {:.1} s", timeout.as_secs_f32())]
    TimedOut { address: String, timeout: Duration },
    #[error("the server at {address} broke the protocol: {what}")]
    Malformed { address: String, what: String },
    #[error("the connection to {address} failed: {error}")]
    Failed { address: String, error: LinkError },
}

impl DialError {
    pub(crate) fn refused(address: String, table: u64, refusal: Refusal) -> Self {
        match refusal {
            Refusal::WrongSecret => Self::WrongSecret { address },
            Refusal::Revoked => Self::Revoked { address },
            Refusal::TicketFull { sessions } => Self::TicketFull { address, sessions },
            Refusal::OtherTable { gate } => Self::OtherTable { address, ours: table, theirs: gate },
            Refusal::Full { sessions } => Self::Full { address, sessions },
            Refusal::SessionGone { session, why } => Self::SessionGone { session, why },
            Refusal::WorkerFailed { why } => Self::WorkerFailed { address, why },
            Refusal::Malformed => Self::Malformed { address, what: "it calls our request malformed".into() },
            Refusal::ShuttingDown => Self::ShuttingDown { address },
        }
    }
}
