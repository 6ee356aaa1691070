//! Memory that this session shows to others of its ticket, or opens of theirs: descriptors, by way of the gate.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use farwarp_protocol::handoff::{FromWorker, OfferKey};

use super::channel::{self, ChannelError};

/// Shared by the port, where answers come in, and the executor.
pub struct Market {
    to_gate: OwnedFd,
    /// Answers to wants, of which there are never more than the executor has under way.
    arrived: Mutex<VecDeque<Arrived>>,
}

/// The answer to a want: what was offered, if it still is.
pub struct Arrived {
    pub number: u64,
    pub descriptor: Option<OwnedFd>,
}

impl Market {
    pub(super) fn new(to_gate: OwnedFd) -> Self {
        Self { to_gate, arrived: Mutex::default() }
    }

    pub fn offer(&self, key: OfferKey, descriptor: BorrowedFd<'_>) -> Result<(), ChannelError> {
        channel::send(self.to_gate.as_fd(), &FromWorker::Offer { key }, Some(descriptor))
    }

    pub fn withdraw(&self, key: OfferKey) {
        // A gate that does not hear of it keeps a descriptor until the session ends.
        let _ = channel::send(self.to_gate.as_fd(), &FromWorker::Withdraw { key }, None);
    }

    pub fn want(&self, number: u64, key: OfferKey) -> Result<(), ChannelError> {
        channel::send(self.to_gate.as_fd(), &FromWorker::Want { number, key }, None)
    }

    pub(super) fn arrive(&self, arrived: Arrived) {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner).push_back(arrived);
    }

    pub fn take(&self) -> Option<Arrived> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}
