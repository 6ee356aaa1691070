//! The connection under the session: an authenticated, encrypted, ordered byte pipe, driven by whoever waits.
//!
//! - [`Link`]: the pipe, as the shim and the worker see it
//! - [`dial`]: the client's way to it, by way of the gate
//! - [`carry`]: between the pipe and a half of a session
//! - [`Control`]: an agent's or a person's word with the gate
//! - [`quic`]: a [`Link`] over QUIC, either side of it; no thread, no runtime, nothing that a `fork` would break
//! - [`keys`]: key pairs, pins, and the proofs that go over them
//! - [`identity`]: the key and secret that a rented server is given
//!
//! What travels through the pipe is none of its business.

mod carry;
mod client;
mod control;
mod errors;
pub mod identity;
pub mod keys;
mod link;
pub mod quic;
mod socket;
pub mod tls;

pub use carry::carry;
pub use client::{Dialled, FIRST_EPOCH, Purpose, client_info, dial, dial_within, start_ticks};
pub use control::Control;
pub use errors::{DialError, LinkError};
pub use farwarp_protocol::admission::{ClientInfo, ServerStatus, SessionStatus};
pub use link::{Link, LinkStats};
