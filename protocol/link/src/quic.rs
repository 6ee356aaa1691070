//! A [`Link`] over QUIC: quinn's sans-IO core, a socket, and whoever calls `drive`.
//!
//! One bidirectional stream, opened by the client, carries everything. There is no thread and no runtime here. A client
//! has one socket; a worker gets one with each hand-off by the gate, because a client may move.

mod accept;
pub mod acknowledged;
pub mod roaming;
pub mod settings;

pub use crate::socket::{Socket, probe_offload};
pub use accept::{Accepting, HandedOver, Inbox, Rejected, SessionSecrets, Tagged};

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use farwarp_protocol::admission::{DATA_CID_BYTES, close};
use farwarp_protocol::ticket::KeyPin;
use quinn_proto::{
    ClientConfig, Connection, ConnectionError, ConnectionHandle, ConnectionId, DatagramEvent, Dir, Endpoint,
    Event, ReadError, ReadableError, SendStream, StreamId, Transmit, TransportErrorCode, VarInt, WriteError,
};
use quinn_udp::{EcnCodepoint, RecvMeta};

use crate::socket::{BATCH, TRAIN_BYTES};
use crate::{Link, LinkError, LinkStats, keys, tls};
use acknowledged::Acknowledged;
use roaming::{Action, Roaming, Signs};

/// One `drive` takes at most so many batches from a socket before it transmits, so that a fast sender cannot hold it.
const BATCHES_PER_DRIVE: usize = 16;
/// One `drive` transmits at most so many trains; what is left goes at the next, which is then due at once.
const TRAINS_PER_DRIVE: usize = 64;
/// Sockets of one connection: that of the path in use, and newer ones that a client's move has brought.
const SOCKETS_MAX: usize = 4;
/// An established connection outlives an ICMP message, which anybody can send. That nothing listens there for so long, and
/// nothing else is heard, is believed.
const REFUSED_MAX: Duration = Duration::from_secs(2);
/// How soon to try again when the kernel's send buffer was full.
const SEND_AGAIN: Duration = Duration::from_millis(1);

/// The TLS alert of a server that speaks TLS, but not our protocol or not our version of it.
const NO_APPLICATION_PROTOCOL: u8 = 120;

pub struct QuicLink {
    endpoint: Endpoint,
    handle: ConnectionHandle,
    connection: Connection,
    /// The newest last.
    sockets: Vec<Socket>,
    stream: Option<StreamId>,
    silence: Duration,
    connected: bool,
    ended: Option<LinkError>,
    deadline: Option<Instant>,
    /// Since when nobody listens at the peer's address, by its host's word.
    refused_since: Option<Instant>,
    /// What the kernel would not take yet.
    unsent: Option<Transmit>,
    sending: Vec<u8>,
    receiving: Box<[[u8; TRAIN_BYTES]]>,
    /// A client's: whether the server showed another key than the pinned one.
    other_key: Arc<AtomicBool>,
    /// A worker's: what the gate hands over for this connection.
    inbox: Option<Arc<Inbox>>,
    /// A client's.
    roaming: Option<(Roaming, Acknowledged)>,
    /// Whether bytes of the stream were written, or moved either way, since the last drive.
    wrote: bool,
    moves: bool,
}

impl QuicLink {
    /// Begins a handshake with `peer`, who must hold the pinned key. `first_cid` leads it to a worker.
    pub fn connect(
        peer: SocketAddr,
        pin: KeyPin,
        first_cid: Option<[u8; DATA_CID_BYTES]>,
        silence: Duration,
        now: Instant,
    ) -> io::Result<Self> {
        let socket = Socket::connected(peer)?;
        let (crypto, other_key) = tls::client(pin);
        let mut config = ClientConfig::new(crypto);
        let (transport, acknowledged) = settings::transport_counted(silence, 0);
        config.transport_config(transport);
        if let Some(cid) = first_cid {
            config.initial_dst_cid_provider(Arc::new(move || ConnectionId::new(&cid)));
        }
        let endpoint_config = Arc::new(settings::endpoint(&keys::random()));
        let mut endpoint = Endpoint::new(endpoint_config, None, !socket.may_fragment(), None);
        // The name is sent nowhere: SNI is off, and the key alone says who the server is.
        let (handle, connection) = endpoint
            .connect(now, config, peer, "farwarp")
            .map_err(|error| io::Error::other(error.to_string()))?;
        let link = Self::over(endpoint, handle, connection, socket, silence, other_key, None);
        Ok(Self { roaming: Some((Roaming::new(silence, now), acknowledged)), ..link })
    }

    fn over(
        endpoint: Endpoint,
        handle: ConnectionHandle,
        connection: Connection,
        socket: Socket,
        silence: Duration,
        other_key: Arc<AtomicBool>,
        inbox: Option<Arc<Inbox>>,
    ) -> Self {
        Self {
            endpoint,
            handle,
            connection,
            sockets: vec![socket],
            stream: None,
            silence,
            connected: false,
            ended: None,
            deadline: Some(Instant::now()),
            refused_since: None,
            unsent: None,
            sending: Vec::with_capacity(TRAIN_BYTES),
            receiving: vec![[0; TRAIN_BYTES]; BATCH].into_boxed_slice(),
            other_key,
            inbox,
            roaming: None,
            wrote: false,
            moves: false,
        }
    }

    /// Whether the handshake is complete. A client may open its stream then.
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    pub fn showed_other_key(&self) -> bool {
        self.other_key.load(Ordering::Relaxed)
    }

    /// Opens the one stream; the peer hears of it with the first bytes written.
    pub fn open_stream(&mut self) -> bool {
        self.stream = self.stream.or_else(|| self.connection.streams().open(Dir::Bi));
        self.stream.is_some()
    }

    /// Takes the stream that the peer has opened, if it has.
    fn accept_stream(&mut self) -> bool {
        self.stream = self.stream.or_else(|| self.connection.streams().accept(Dir::Bi));
        self.stream.is_some()
    }

    /// The bytes that only this connection exports. `None` before the handshake is complete.
    pub fn exported(&self, context: &[u8]) -> Option<keys::Exported> {
        self.connected.then(|| keys::export(self.connection.crypto_session(), context)).flatten()
    }

    pub fn peer(&self) -> SocketAddr {
        self.connection.remote_address()
    }

    pub fn sockets(&self) -> &[Socket] {
        &self.sockets
    }

    /// Tells the peer that the connection ends; called once.
    fn say_close(&mut self, code: u32, reason: &str, why: LinkError) {
        if self.ended.is_none() {
            self.ended = Some(why);
            let now = Instant::now();
            self.connection.close(now, VarInt::from_u32(code), Bytes::copy_from_slice(reason.as_bytes()));
            let _told_if_the_kernel_takes_it = self.transmit(now);
        }
    }

    fn take_handed_over(&mut self, now: Instant) {
        let Some(inbox) = self.inbox.clone() else { return };
        for handed in inbox.take() {
            if let Some(socket) = handed.socket {
                if self.sockets.len() == SOCKETS_MAX {
                    self.drop_oldest_idle_socket();
                }
                self.sockets.push(socket);
            }
            self.take_datagram(now, handed.remote, handed.ecn, BytesMut::from(handed.datagram.as_slice()));
        }
        if inbox.is_superseded() {
            self.say_close(
                close::SUPERSEDED,
                "a newer connection of this session took over",
                LinkError::Superseded,
            );
        }
    }

    /// Never that of the path in use: who can send datagrams under this tag could else cut the connection.
    fn drop_oldest_idle_socket(&mut self) {
        let in_use = self.connection.remote_address();
        if let Some(idle) = self.sockets.iter().position(|socket| socket.peer() != in_use) {
            self.sockets.remove(idle);
        } else {
            self.sockets.remove(0);
        }
    }

    fn receive(&mut self, now: Instant) -> Result<(), LinkError> {
        let mut receiving = std::mem::take(&mut self.receiving);
        let result =
            (0..self.sockets.len()).try_for_each(|index| self.receive_from(index, &mut receiving, now));
        self.receiving = receiving;
        result
    }

    fn receive_from(
        &mut self,
        index: usize,
        receiving: &mut [[u8; TRAIN_BYTES]],
        now: Instant,
    ) -> Result<(), LinkError> {
        for _ in 0..BATCHES_PER_DRIVE {
            let mut meta = [RecvMeta::default(); BATCH];
            let count = {
                let mut buffers = receiving.iter_mut().map(|buffer| IoSliceMut::new(buffer));
                let mut buffers: [_; BATCH] =
                    std::array::from_fn(|_| buffers.next().expect("there are BATCH buffers"));
                match self.sockets[index].receive(&mut buffers, &mut meta) {
                    Ok(count) => count,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                    Err(error) => return self.bear(&error, now),
                }
            };
            self.refused_since = None;
            if let Some((roaming, _)) = &mut self.roaming {
                roaming.heard(now);
            }
            for (meta, buffer) in meta.iter().zip(receiving.iter()).take(count) {
                let ecn = meta.ecn.and_then(|ecn| quinn_proto::EcnCodepoint::from_bits(ecn as u8));
                for datagram in buffer[..meta.len].chunks(meta.stride.max(1)) {
                    self.take_datagram(now, meta.addr, ecn, BytesMut::from(datagram));
                }
            }
            // Less than was asked for: the queue is empty, and asking again would cost a system call to hear so.
            if count < BATCH {
                return Ok(());
            }
        }
        Ok(())
    }

    /// An established connection outlives what the socket says, which may be of a network that was left or is down for now: a
    /// client looks for another. A handshake ends with it.
    fn bear(&mut self, error: &io::Error, now: Instant) -> Result<(), LinkError> {
        if error.kind() == io::ErrorKind::ConnectionRefused {
            let since = *self.refused_since.get_or_insert(now);
            let passing = self.connected && now.saturating_duration_since(since) < REFUSED_MAX;
            return if passing { Ok(()) } else { Err(LinkError::NobodyListens) };
        }
        if let Some((roaming, _)) = &mut self.roaming {
            roaming.unsendable(now);
        }
        if self.connected { Ok(()) } else { Err(LinkError::Socket { error: error.to_string() }) }
    }

    /// A client's look at whether the road is still there.
    fn roam(&mut self, now: Instant) -> Result<(), LinkError> {
        let (wrote, moves) = (std::mem::take(&mut self.wrote), std::mem::take(&mut self.moves));
        let Some((roaming, acknowledged)) = self.roaming.as_mut().filter(|_| self.connected) else {
            return Ok(());
        };
        if moves {
            roaming.moved(now);
        }
        if wrote {
            roaming.asked(now);
        }
        match roaming.look(now, acknowledged) {
            None => Ok(()),
            Some(Action::Slept { slept }) => Err(LinkError::Slept { slept }),
            Some(Action::Unanswered { time }) => Err(LinkError::Unanswered { time }),
            Some(Action::Probe) => {
                self.connection.ping();
                Ok(())
            }
            Some(Action::Rebind) => {
                self.rebind();
                Ok(())
            }
        }
    }

    /// Another socket for a client. Without a network there is none; the old one is as good until there is.
    fn rebind(&mut self) {
        if self.sockets.iter_mut().all(|socket| socket.renew().is_ok()) {
            self.connection.local_address_changed();
        }
    }

    fn take_datagram(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        ecn: Option<quinn_proto::EcnCodepoint>,
        datagram: BytesMut,
    ) {
        let mut response = Vec::new();
        match self.endpoint.handle(now, remote, None, ecn, datagram, &mut response) {
            Some(DatagramEvent::ConnectionEvent(handle, event)) if handle == self.handle => {
                self.connection.handle_event(event);
                // The peer's last word is heard at once: a reset that follows in the same batch would take its place.
                if self.connection.is_closed() {
                    self.take_events();
                }
            }
            // A second connection on this one's socket is not ours to have: the gate admits, one hand-off each.
            Some(DatagramEvent::NewConnection(incoming)) => self.endpoint.ignore(incoming),
            Some(DatagramEvent::ConnectionEvent(..) | DatagramEvent::Response(_)) | None => {}
        }
    }

    fn run_timers(&mut self, now: Instant) {
        while self.connection.poll_timeout().is_some_and(|due| due <= now) {
            self.connection.handle_timeout(now);
        }
    }

    fn take_events(&mut self) {
        while let Some(event) = self.connection.poll_endpoint_events() {
            if let Some(event) = self.endpoint.handle_event(self.handle, event) {
                self.connection.handle_event(event);
            }
        }
        while let Some(event) = self.connection.poll() {
            match event {
                Event::Connected => self.connected = true,
                Event::ConnectionLost { reason } => {
                    let why = self.lost(reason);
                    self.ended.get_or_insert(why);
                }
                // Streams are read and written whenever the session asks, so their events say nothing new.
                Event::HandshakeDataReady
                | Event::Stream(_)
                | Event::DatagramReceived
                | Event::DatagramsUnblocked => {}
            }
        }
    }

    fn lost(&self, reason: ConnectionError) -> LinkError {
        let no_application_protocol = TransportErrorCode::crypto(NO_APPLICATION_PROTOCOL);
        match reason {
            ConnectionError::ApplicationClosed(closed) => LinkError::ClosedByPeer {
                code: u32::try_from(closed.error_code.into_inner()).unwrap_or(u32::MAX),
                reason: String::from_utf8_lossy(&closed.reason).into_owned(),
            },
            ConnectionError::TimedOut => LinkError::Silent { silence: self.silence },
            ConnectionError::Reset => LinkError::Reset,
            ConnectionError::LocallyClosed => LinkError::ClosedHere,
            ConnectionError::VersionMismatch => LinkError::OtherProtocol,
            ConnectionError::ConnectionClosed(closed)
                if closed.error_code == TransportErrorCode::CONNECTION_REFUSED =>
            {
                LinkError::Refused
            }
            ConnectionError::ConnectionClosed(closed) if closed.error_code == no_application_protocol => {
                LinkError::OtherProtocol
            }
            other => LinkError::Transport(other.to_string()),
        }
    }

    /// Sends what QUIC has to send. True if something is left for which the kernel or this drive had no room.
    fn transmit(&mut self, now: Instant) -> Result<bool, LinkError> {
        for _ in 0..TRAINS_PER_DRIVE {
            let transmit = match self.unsent.take() {
                Some(transmit) => transmit,
                None => {
                    self.sending.clear();
                    let segments = self.newest().segments_max(self.connection.current_mtu());
                    match self.connection.poll_transmit(now, segments, &mut self.sending) {
                        Some(transmit) => transmit,
                        None => return Ok(false),
                    }
                }
            };
            match self.send(&transmit) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.unsent = Some(transmit);
                    return Ok(true);
                }
                Err(error) => self.bear(&error, now)?,
            }
        }
        Ok(true)
    }

    fn send(&self, transmit: &Transmit) -> io::Result<()> {
        // A worker's path may change: each of its sockets speaks with one address.
        let socket = self.sockets.iter().rev().find(|socket| socket.peer() == transmit.destination);
        socket.unwrap_or(self.newest()).send(&quinn_udp::Transmit {
            destination: transmit.destination,
            ecn: transmit.ecn.and_then(|ecn| EcnCodepoint::from_bits(ecn as u8)),
            contents: &self.sending[..transmit.size],
            segment_size: transmit.segment_size,
            src_ip: transmit.src_ip,
        })
    }

    fn write_with(
        &mut self,
        write: impl FnOnce(&mut SendStream) -> Result<usize, WriteError>,
    ) -> Result<usize, LinkError> {
        if let Some(ended) = &self.ended {
            return Err(ended.clone());
        }
        let Some(stream) = self.stream else { return Ok(0) };
        match write(&mut self.connection.send_stream(stream)) {
            Ok(count) => {
                (self.wrote, self.moves) = (true, true);
                Ok(count)
            }
            Err(WriteError::Blocked) => Ok(0),
            Err(error) => Err(LinkError::Transport(error.to_string())),
        }
    }

    fn newest(&self) -> &Socket {
        self.sockets.last().expect("a link has a socket from its first day")
    }
}

impl Link for QuicLink {
    fn drive(&mut self, now: Instant) -> Result<(), LinkError> {
        if self.ended.is_none() {
            self.take_handed_over(now);
        }
        let io = self.receive(now).and_then(|()| self.roam(now)).and_then(|()| {
            self.run_timers(now);
            self.take_events();
            self.transmit(now)
        });
        match io {
            Ok(more) => {
                let due = self.connection.poll_timeout();
                let again = more.then_some(now + SEND_AGAIN);
                let roaming =
                    self.roaming.as_ref().filter(|_| self.connected).map(|(roaming, _)| roaming.due());
                self.deadline = [due, again, roaming].into_iter().flatten().min();
            }
            Err(error) => {
                self.ended.get_or_insert(error);
            }
        }
        self.ended.clone().map_or(Ok(()), Err)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, LinkError> {
        self.write_with(|stream| stream.write(bytes))
    }

    fn write_block(&mut self, block: Bytes) -> Result<usize, LinkError> {
        self.write_with(|stream| stream.write_chunks(&mut [block]).map(|written| written.bytes))
    }

    fn read(&mut self, into: &mut [u8]) -> Result<usize, LinkError> {
        let Some(stream) = self.stream else { return self.ended.clone().map_or(Ok(0), Err) };
        let read = read_stream(&mut self.connection, stream, into);
        self.moves |= matches!(read, Ok(1..));
        match (read, &self.ended) {
            (Ok(0) | Err(_), Some(ended)) => Err(ended.clone()),
            (read, _) => read,
        }
    }

    fn poll_fds(&self, fds: &mut Vec<RawFd>) {
        fds.extend(self.sockets.iter().map(Socket::as_raw_fd));
    }

    fn timeout(&self) -> Option<Instant> {
        self.deadline
    }

    fn close(&mut self, code: u32, reason: &str) {
        self.say_close(code, reason, LinkError::ClosedHere);
    }

    fn stats(&self) -> LinkStats {
        let stats = self.connection.stats();
        LinkStats {
            name: "quic",
            bytes_up: stats.udp_tx.bytes,
            bytes_down: stats.udp_rx.bytes,
            rtt: stats.path.rtt,
            lost: stats.path.lost_packets,
            mtu_bytes: stats.path.current_mtu,
            receive_buffer_bytes: self.newest().receive_buffer_bytes(),
        }
    }
}

fn read_stream(connection: &mut Connection, stream: StreamId, into: &mut [u8]) -> Result<usize, LinkError> {
    let mut stream = connection.recv_stream(stream);
    let mut chunks = match stream.read(true) {
        Ok(chunks) => chunks,
        Err(ReadableError::ClosedStream) => {
            return Err(LinkError::Transport("the peer ended the stream".into()));
        }
        Err(ReadableError::IllegalOrderedRead) => unreachable!("every read of this stream is in order"),
    };
    let mut filled = 0;
    let result = loop {
        if filled == into.len() {
            break Ok(filled);
        }
        match chunks.next(into.len() - filled) {
            Ok(Some(chunk)) => {
                into[filled..filled + chunk.bytes.len()].copy_from_slice(&chunk.bytes);
                filled += chunk.bytes.len();
            }
            Err(ReadError::Blocked) => break Ok(filled),
            Ok(None) | Err(ReadError::Reset(_)) if filled > 0 => break Ok(filled),
            Ok(None) | Err(ReadError::Reset(_)) => {
                break Err(LinkError::Transport("the peer ended the stream".into()));
            }
        }
    };
    // Its answer, whether the peer may now send more, is in what the next drive transmits.
    let _ = chunks.finalize();
    result
}

impl Signs for Acknowledged {
    fn boot(&self) -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
    }

    fn acks(&self) -> u64 {
        self.get()
    }
}

/// The two ECN bits of an IP header, as QUIC counts them.
pub fn ecn_from_bits(bits: u8) -> Option<quinn_proto::EcnCodepoint> {
    quinn_proto::EcnCodepoint::from_bits(bits)
}
