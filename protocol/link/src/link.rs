//! The pipe, as those see it who use it.

use std::os::fd::RawFd;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::LinkError;

/// One authenticated, encrypted, ordered byte pipe in both directions.
///
/// Owned by whoever drives it (it sits behind a mutex). No method blocks, spawns a thread or calls back.
/// After the first error every method returns that error again.
pub trait Link: Send {
    /// Receives datagrams, runs timers, transmits what was written.
    fn drive(&mut self, now: Instant) -> Result<(), LinkError>;

    /// Copies in as many bytes as fit into the bounded send buffer, 0 when it is full. They leave at the next `drive`.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, LinkError>;

    /// The same with bytes that it may hold on to.
    fn write_block(&mut self, block: Bytes) -> Result<usize, LinkError> {
        self.write(&block)
    }

    /// Copies out received bytes in order, 0 when there are none. What came before the peer's end is still read after it.
    fn read(&mut self, into: &mut [u8]) -> Result<usize, LinkError>;

    /// The descriptors to poll for readability while waiting. They may change with each `drive`.
    fn poll_fds(&self, fds: &mut Vec<RawFd>);

    /// When `drive` must be called at the latest.
    fn timeout(&self) -> Option<Instant>;

    /// Ends the connection in order: the peer is told at once, and reads `code` and `reason`.
    fn close(&mut self, code: u32, reason: &str);

    fn stats(&self) -> LinkStats;
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkStats {
    pub name: &'static str,
    /// Bytes on the wire, headers of QUIC included, of UDP and IP not.
    pub bytes_up: u64,
    pub bytes_down: u64,
    pub rtt: Duration,
    /// Packets that were declared lost.
    pub lost: u64,
    /// The largest datagram that this path is known to carry.
    pub mtu_bytes: u16,
    /// What the kernel granted the socket; below 4 MiB it drops datagrams of a fast sender.
    pub receive_buffer_bytes: usize,
}
