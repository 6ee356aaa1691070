//! The gate's socket: what is for a worker is handed over, what is the gate's is passed to quinn.
//!
//! For a new source the gate makes a socket on its own port, connects it to that source, and gives it away with the
//! datagram. From then on the kernel brings that source's datagrams to the worker, and the worker never makes a socket.
//! Between bind and connect such a socket also catches datagrams of others. They stay in its queue, so it is drained
//! first, and what is found is looked at as if it had come to the gate's own socket.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use farwarp_link::quic::settings::MTU_BYTES_MAX;
use farwarp_protocol::handoff::Datagram;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, Runtime, TokioRuntime, UdpPoller};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};

use super::routes::{Direction, Need, Routes};

/// Whoever sends as fast as we drain is not waited for: what is left goes to the worker, whose TLS refuses it.
const DRAINED_MAX: usize = 4096;
/// Datagrams caught by a fresh socket that still wait for the gate; beyond it they are lost, as on a network.
const STRAYS_MAX: usize = 1024;
const DATAGRAM_BYTES_MAX: usize = 64 << 10;
/// A train of segments must stay below 64 KiB, or the kernel refuses it whole and QUIC takes that for loss.
const SEGMENTS_MAX: usize = 65_000 / MTU_BYTES_MAX as usize;

pub struct HandOffSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    address: SocketAddr,
    routes: Arc<Routes>,
    strays: Mutex<VecDeque<Arrived>>,
}

/// One datagram, as it came in.
struct Arrived {
    bytes: Vec<u8>,
    remote: SocketAddr,
    local_ip: Option<IpAddr>,
    ecn: u8,
}

impl HandOffSocket {
    /// Listens. Must be called within a tokio runtime.
    pub fn bind(listen: SocketAddr, routes: Arc<Routes>) -> io::Result<Self> {
        let socket = on_own_port(listen)?;
        let address = socket.local_addr()?;
        let inner = TokioRuntime.wrap_udp_socket(socket)?;
        Ok(Self { inner, address, routes, strays: Mutex::default() })
    }

    /// Gives away what is not the gate's. True if it was.
    fn give_away(&self, arrived: &Arrived) -> bool {
        match self.routes.direction(&arrived.bytes) {
            Direction::Gate => false,
            Direction::Ended { reset } => {
                if let Some(reset) = reset {
                    self.answer(arrived, &reset);
                }
                true
            }
            Direction::Worker { tag } => {
                let datagram =
                    Datagram { remote: arrived.remote, ecn: arrived.ecn, bytes: arrived.bytes.clone() };
                match self.routes.need(tag, arrived.remote, Instant::now()) {
                    Some(Need::Nothing) => self.routes.hand_over(tag, datagram, None),
                    Some(Need::NewSocket) => match self.connected(arrived) {
                        Ok(socket) => self.routes.hand_over(tag, datagram, Some(socket.as_fd())),
                        Err(error) => {
                            tracing::warn!(remote = %arrived.remote, %error, "no socket for a data connection");
                        }
                    },
                    None => tracing::debug!(remote = %arrived.remote, "too many sources for one session"),
                }
                true
            }
        }
    }

    /// A socket on the gate's port that speaks with this source only, emptied of what others sent meanwhile.
    fn connected(&self, arrived: &Arrived) -> io::Result<UdpSocket> {
        // Answers must come from the address that was asked, which a wildcard socket would leave to the routing table.
        let ip = arrived.local_ip.unwrap_or(self.address.ip());
        let socket = on_shared_port(SocketAddr::new(ip, self.address.port()))?;
        socket.connect(arrived.remote)?;
        self.empty(&socket, arrived.local_ip)?;
        Ok(socket)
    }

    fn empty(&self, socket: &UdpSocket, local_ip: Option<IpAddr>) -> io::Result<()> {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        for _ in 0..DRAINED_MAX {
            match socket.recv_from(&mut buffer) {
                Ok((length, remote)) => {
                    let bytes = buffer[..length].to_vec();
                    self.keep_stray(Arrived { bytes, remote, local_ip, ecn: 0 });
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn keep_stray(&self, stray: Arrived) {
        let mut strays = self.strays.lock().unwrap_or_else(PoisonError::into_inner);
        if strays.len() < STRAYS_MAX {
            strays.push_back(stray);
        }
    }

    fn answer(&self, arrived: &Arrived, contents: &[u8]) {
        let answer = Transmit {
            destination: arrived.remote,
            ecn: None,
            contents,
            segment_size: None,
            src_ip: arrived.local_ip,
        };
        // Lost where the kernel has no room; the client's next datagram asks again.
        let _ = self.inner.try_send(&answer);
    }

    /// Strays that are the gate's, put into quinn's buffers.
    fn pass_strays(&self, buffers: &mut [IoSliceMut<'_>], meta: &mut [RecvMeta]) -> usize {
        let mut passed = 0;
        while passed < buffers.len().min(meta.len()) {
            let next = self.strays.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(stray) = next else { break };
            if self.give_away(&stray) || stray.bytes.len() > buffers[passed].len() {
                continue;
            }
            let length = stray.bytes.len();
            buffers[passed][..length].copy_from_slice(&stray.bytes);
            meta[passed] = RecvMeta {
                addr: stray.remote,
                len: length,
                stride: length.max(1),
                ecn: None,
                dst_ip: stray.local_ip,
            };
            passed += 1;
        }
        passed
    }

    /// Leaves in a buffer only those of its datagrams that are the gate's.
    fn filter(&self, buffer: &mut [u8], meta: &mut RecvMeta) {
        let (mut kept, mut start, stride) = (0, 0, meta.stride.max(1));
        while start < meta.len {
            let end = (start + stride).min(meta.len);
            let arrived = Arrived {
                bytes: buffer[start..end].to_vec(),
                remote: meta.addr,
                local_ip: meta.dst_ip,
                ecn: meta.ecn.map_or(0, |ecn| ecn as u8),
            };
            if !self.give_away(&arrived) {
                buffer.copy_within(start..end, kept);
                kept += end - start;
            }
            start = end;
        }
        meta.len = kept;
    }
}

impl AsyncUdpSocket for HandOffSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.inner.clone().create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit) -> io::Result<()> {
        self.inner.try_send(transmit)
    }

    fn poll_recv(
        &self,
        context: &mut Context,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            let passed = self.pass_strays(buffers, meta);
            if passed > 0 {
                return Poll::Ready(Ok(passed));
            }
            let count = ready!(self.inner.poll_recv(context, buffers, meta))?;
            for (buffer, meta) in buffers.iter_mut().zip(meta.iter_mut()).take(count) {
                self.filter(buffer, meta);
            }
            if meta[..count].iter().any(|meta| meta.len > 0) {
                return Poll::Ready(Ok(count));
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    fn max_transmit_segments(&self) -> usize {
        self.inner.max_transmit_segments().min(SEGMENTS_MAX)
    }

    fn max_receive_segments(&self) -> usize {
        self.inner.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}

impl fmt::Debug for HandOffSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandOffSocket").field("address", &self.address).finish_non_exhaustive()
    }
}

/// A socket whose port nobody else has yet, and which ours may share from now on. Asked to share from the start, the kernel would
/// give one port to two gates of one user, and each some of the other's clients.
fn on_own_port(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = datagram_socket(address)?;
    bind(&socket, &address)?;
    sockopt::set_socket_reuseport(&socket, true)?;
    Ok(UdpSocket::from(socket))
}

/// Another socket on a port of ours.
fn on_shared_port(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = datagram_socket(address)?;
    sockopt::set_socket_reuseport(&socket, true)?;
    bind(&socket, &address)?;
    Ok(UdpSocket::from(socket))
}

fn datagram_socket(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    Ok(socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::Channel;
    use farwarp_protocol::handoff::ToWorker;
    use std::collections::BTreeSet;
    use std::future::poll_fn;
    use std::time::Duration;

    const TAG: [u8; 8] = *b"tagtagta";
    const SOURCES: u8 = 64;

    async fn receive(socket: &HandOffSocket) -> Vec<u8> {
        let (mut buffer, mut meta) = (vec![0; 2048], [RecvMeta::default()]);
        let count =
            poll_fn(|context| socket.poll_recv(context, &mut [IoSliceMut::new(&mut buffer)], &mut meta));
        assert_eq!(count.await.unwrap(), 1);
        buffer.truncate(meta[0].len);
        buffer
    }

    #[tokio::test(flavor = "current_thread")]
    async fn two_gates_never_have_one_port() {
        let first = HandOffSocket::bind("127.0.0.1:0".parse().unwrap(), Arc::default()).unwrap();
        let second = HandOffSocket::bind(first.address, Arc::default());
        assert_eq!(second.err().map(|error| error.kind()), Some(io::ErrorKind::AddrInUse));
    }

    /// Between its bind and its connect a second socket on the port gets a share of everybody's datagrams.
    #[tokio::test(flavor = "current_thread")]
    async fn what_a_fresh_socket_catches_still_reaches_whom_it_is_for() {
        let (routes, (mut worker, gate_end)) = (Arc::new(Routes::default()), Channel::pair().unwrap());
        routes.open(TAG, gate_end, [0; 32], Instant::now());
        let socket = HandOffSocket::bind("127.0.0.1:0".parse().unwrap(), routes).unwrap();
        let sources: Vec<UdpSocket> = (0..SOURCES).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();

        let fresh = on_shared_port(socket.address).unwrap();
        for (number, source) in (0..).zip(&sources) {
            let mut datagram = vec![number; 40];
            if number % 2 == 0 {
                datagram = [&[0x43][..], &TAG, &[number; 40]].concat();
            }
            source.send_to(&datagram, socket.address).unwrap();
        }
        fresh.connect(sources[0].local_addr().unwrap()).unwrap();
        socket.empty(&fresh, None).unwrap();
        let caught = socket.strays.lock().unwrap().len();
        assert!(caught > 0 && caught < usize::from(SOURCES), "the kernel shares them out: {caught}");

        let mut for_gate = BTreeSet::new();
        while for_gate.len() < usize::from(SOURCES / 2) {
            let datagram = tokio::time::timeout(Duration::from_secs(5), receive(&socket)).await.unwrap();
            if let Some(number) = datagram.last() {
                assert!(number % 2 == 1, "a worker's datagram reached the gate");
                for_gate.insert(*number);
            }
        }
        let mut for_worker = 0;
        while let Some((ToWorker::Datagram(datagram), _)) = worker.receive().unwrap() {
            assert_eq!(datagram.bytes.last().unwrap() % 2, 0);
            for_worker += 1;
        }
        // Sockets are made for so many sources a second only; here each source is another.
        assert!(for_worker > 0 && for_worker <= SOURCES / 2, "{for_worker}");
    }
}
