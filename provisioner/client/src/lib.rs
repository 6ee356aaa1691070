//! The way to the per-user agent, for the shim and for the `farwarp` command: no runtime, no thread, nothing that hangs.
//!
//! - [`Paths`]: where the agent's files are, also without XDG_RUNTIME_DIR or a writable HOME
//! - [`Wire`]: the agent's messages over its socket, each with a deadline
//! - [`detach`]: starts a program so that this process cannot notice it
//! - [`client`]: finds the agent or starts it, and asks
//! - [`milliseconds`]: a length of time as people write it
//!
//! What an agent does is none of its business.

pub mod client;
pub mod detach;
mod paths;
mod time;
mod wire;

pub use client::{Client, ClientError, Lease, Starter};
pub use paths::{Paths, PathsError, private_directory};
pub use time::milliseconds;
pub use wire::{Wire, WireError};
