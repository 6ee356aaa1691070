//! Waiting, within tokio, until a descriptor of ours can be read.
#![allow(unsafe_code)] // tokio asks for a promise that no trait expresses: the descriptor stays open and the same.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::port::Channel;

/// What owns one descriptor from its making to its drop.
pub trait Owner: AsRawFd {}

impl Owner for OwnedFd {}
impl Owner for Channel {}

pub fn watch<T: Owner>(owner: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: every `Owner` holds a private OwnedFd which nothing replaces or closes before the owner is dropped, and
    // the supervisor that keeps the AsyncFd never puts another owner in its place.
    let registered = unsafe { AsyncFd::register_with_interest(owner, Interest::READABLE) };
    registered.map_err(|error| error.into_parts().1)
}
