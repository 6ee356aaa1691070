//! A UDP socket as this crate uses it: non-blocking, closed on exec, large buffers, segmentation offload both ways.

use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::{Arc, OnceLock};

use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use rustix::io::DupFlags;

/// Asked of the kernel, which may give less (net.core.rmem_max). The default of 208 KiB overflows within 2 ms at 1 Gbit/s,
/// and each datagram dropped there looks like loss on the path.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;

/// One receive fills at most so many buffers, each of one datagram or one train of them.
pub(crate) const BATCH: usize = 4;
/// The largest train that the kernel joins.
pub(crate) const TRAIN_BYTES: usize = 64 << 10;
/// The largest train that we send; beside its headers it must stay below 64 KiB, or the kernel refuses it whole.
const SENT_TRAIN_BYTES: usize = 65_000;

/// What the kernel was found to offload while this process could still make sockets.
static PROBED: OnceLock<Arc<UdpSocketState>> = OnceLock::new();

/// quinn-udp makes a socket of its own to find out what the kernel offloads. A process that will not be able to make one
/// asks before; its later sockets use the answer.
pub fn probe_offload() -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let state = UdpSocketState::new((&socket).into())?;
    PROBED.get_or_init(|| Arc::new(state));
    Ok(())
}

pub struct Socket {
    socket: OwnedFd,
    state: Arc<UdpSocketState>,
    peer: SocketAddr,
}

impl Socket {
    /// A new socket that speaks only with `peer`.
    pub(crate) fn connected(peer: SocketAddr) -> io::Result<Self> {
        let any: SocketAddr = match peer {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any)?;
        socket.connect(peer)?;
        Self::adopt(socket)
    }

    /// A socket that was connected by somebody else.
    pub fn adopt(socket: UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let peer = socket.peer_addr()?;
        // Sets the socket's options, too.
        let own = UdpSocketState::new((&socket).into())?;
        let state = PROBED.get().cloned().unwrap_or_else(|| Arc::new(own));
        enlarge(&socket, &state);
        Ok(Self { socket: socket.into(), state, peer })
    }

    /// Another port, and the address that leads to the peer from the network where this machine is now. The descriptor keeps its
    /// number: others poll it, and a forked child knows it as one to close.
    pub(crate) fn renew(&mut self) -> io::Result<()> {
        let fresh = Self::connected(self.peer)?;
        rustix::io::dup3(&fresh.socket, &mut self.socket, DupFlags::CLOEXEC)?;
        self.state = fresh.state;
        Ok(())
    }

    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// What the kernel granted, by its own count (it doubles what was asked).
    pub(crate) fn receive_buffer_bytes(&self) -> usize {
        self.state.recv_buffer_size(UdpSockRef::from(&self.socket)).unwrap_or(0)
    }

    pub(crate) fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }

    /// How many datagrams of this size one system call may send.
    pub(crate) fn segments_max(&self, mtu: u16) -> usize {
        self.state.max_gso_segments().min(SENT_TRAIN_BYTES / usize::from(mtu.max(1))).max(1)
    }

    pub(crate) fn send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.state.try_send(UdpSockRef::from(&self.socket), transmit)
    }

    pub(crate) fn receive(&self, into: &mut [IoSliceMut<'_>], meta: &mut [RecvMeta]) -> io::Result<usize> {
        loop {
            match self.state.recv(UdpSockRef::from(&self.socket), into, meta) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => return other,
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// Failure to enlarge is no error: a smaller buffer works, only slower, and `receive_buffer_bytes` shows it.
fn enlarge(socket: &UdpSocket, state: &UdpSocketState) {
    if state.recv_buffer_size(socket.into()).is_ok_and(|bytes| bytes < SOCKET_BUFFER_BYTES) {
        let _ = state.set_recv_buffer_size(socket.into(), SOCKET_BUFFER_BYTES);
    }
    if state.send_buffer_size(socket.into()).is_ok_and(|bytes| bytes < SOCKET_BUFFER_BYTES) {
        let _ = state.set_send_buffer_size(socket.into(), SOCKET_BUFFER_BYTES);
    }
}
