//! The layer below the pipe: the real QUIC state machine with our settings, over datagrams that are lost, doubled, overtaken, damaged,
//! too long for the path, or come from another address than before. The clock is the test's; keys are fresh, so a seed repeats what the
//! network does to the how-manieth datagram, not the bytes in it.

use crate::random::Random;
use bytes::BytesMut;
use farwarp_link::keys::KeyPair;
use farwarp_link::quic::acknowledged::Acknowledged;
use farwarp_link::quic::settings;
use farwarp_link::{Link, LinkError, LinkStats, tls};
use quinn_proto::{
    ClientConfig, Connection, ConnectionHandle, DatagramEvent, Dir, Endpoint, Event, ReadError, ServerConfig,
    StreamId,
};
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub const SILENCE: Duration = Duration::from_secs(5);
pub const CLIENT: usize = 0;
pub const WORKER: usize = 1;

/// What the network does to datagrams, in a thousand of them.
#[derive(Clone, Copy)]
pub struct Weather {
    pub lost: u64,
    pub doubled: u64,
    pub damaged: u64,
    pub delay_us_max: u64,
    pub datagram_bytes_max: usize,
}

impl Weather {
    pub fn random(random: &mut Random) -> Weather {
        Weather {
            lost: random.pick(&[0, 10, 100, 300]),
            doubled: random.pick(&[0, 50, 300]),
            damaged: random.pick(&[0, 10, 100]),
            // A spread of delays is what lets datagrams overtake each other.
            delay_us_max: random.pick(&[1, 5_000, 60_000]),
            datagram_bytes_max: random.pick(&[1200, 1472, 9000]),
        }
    }
}

pub struct Network {
    pub weather: Weather,
    random: Random,
    addresses: [SocketAddr; 2],
    /// To each side: when it arrives, from where, what.
    on_the_way: [Vec<(Instant, SocketAddr, Vec<u8>)>; 2],
    /// By the side that sends.
    pub cut: [bool; 2],
    pub moves: u64,
    pub spoiled: u64,
}

impl Network {
    pub fn new(weather: Weather, random: Random) -> Arc<Mutex<Network>> {
        let address = |port| SocketAddr::from(([10, 0, 0, 1], port));
        let addresses = [address(1000), address(443)];
        let on_the_way = Default::default();
        Arc::new(Mutex::new(Network {
            weather,
            random,
            addresses,
            on_the_way,
            cut: [false; 2],
            moves: 0,
            spoiled: 0,
        }))
    }

    /// A router forgets the client and gives it another port.
    pub fn rebind(&mut self) {
        self.moves += 1;
        let port = self.addresses[CLIENT].port();
        self.addresses[CLIENT].set_port(port + 1);
    }

    fn send(&mut self, from: usize, to: SocketAddr, bytes: &[u8], now: Instant) {
        let Weather { lost, doubled, damaged, delay_us_max, datagram_bytes_max } = self.weather;
        // What is sent to an address that the client no longer has reaches nobody.
        let astray = to != self.addresses[1 - from] || bytes.len() > datagram_bytes_max;
        if self.cut[from] || astray || self.random.permille(lost) {
            self.spoiled += 1;
            return;
        }
        for _ in 0..=u64::from(self.random.permille(doubled)) {
            let mut bytes = bytes.to_vec();
            if self.random.permille(damaged) {
                self.spoiled += 1;
                let at = self.random.below(bytes.len() as u64) as usize;
                bytes[at] ^= 1 << self.random.below(8);
            }
            let arrives = now + Duration::from_micros(self.random.below(delay_us_max));
            self.on_the_way[1 - from].push((arrives, self.addresses[from], bytes));
        }
    }

    fn arrived(&mut self, at: usize, now: Instant) -> Vec<(SocketAddr, Vec<u8>)> {
        let queue = std::mem::take(&mut self.on_the_way[at]);
        let (mut due, later): (Vec<_>, Vec<_>) = queue.into_iter().partition(|(arrives, ..)| *arrives <= now);
        self.on_the_way[at] = later;
        due.sort_by_key(|(arrives, ..)| *arrives);
        due.into_iter().map(|(_, from, bytes)| (from, bytes)).collect()
    }
}

/// One side of a QUIC connection over it.
pub struct Quic {
    side: usize,
    network: Arc<Mutex<Network>>,
    endpoint: Endpoint,
    connection: Option<(ConnectionHandle, Connection)>,
    stream: Option<StreamId>,
    ended: Option<LinkError>,
    /// What the other side has acknowledged of it.
    acknowledged: Acknowledged,
}

/// A client that dials, and the worker that it will reach.
pub fn dial(network: &Arc<Mutex<Network>>, now: Instant, random: &mut Random) -> (Quic, Quic) {
    let pair = KeyPair::generate();
    let mut server = ServerConfig::with_crypto(tls::server(&pair));
    let (transport, worker_acknowledged) = settings::transport_counted(SILENCE, 1);
    server.transport_config(transport).migration(true);
    let mut endpoint = |server| {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&random.next().to_le_bytes());
        Endpoint::new(Arc::new(settings::endpoint(&seed)), server, true, Some(seed))
    };
    let (mut client, worker) = (endpoint(None), endpoint(Some(Arc::new(server))));
    let mut config = ClientConfig::new(tls::client(pair.pin()).0);
    let (transport, client_acknowledged) = settings::transport_counted(SILENCE, 0);
    config.transport_config(transport);
    let to = {
        let mut network = network.lock().unwrap();
        // What an earlier dial has still on its way is for another worker: this one would take its first datagram for its client's.
        network.on_the_way[WORKER].clear();
        network.addresses[WORKER]
    };
    let connection = client.connect(now, config, to, "farwarp").expect("a connection begins");
    let side = |side, endpoint, connection, acknowledged| {
        let network = network.clone();
        Quic { side, network, endpoint, connection, stream: None, ended: None, acknowledged }
    };
    (
        side(CLIENT, client, Some(connection), client_acknowledged),
        side(WORKER, worker, None, worker_acknowledged),
    )
}

impl Quic {
    pub fn acknowledged(&self) -> &Acknowledged {
        &self.acknowledged
    }

    /// How many ACK frames have come, whatever they say.
    pub fn ack_frames(&self) -> u64 {
        self.connection.as_ref().map_or(0, |(_, connection)| connection.stats().frame_rx.acks)
    }

    fn take(&mut self, from: SocketAddr, bytes: &[u8], now: Instant) {
        let mut response = Vec::new();
        match self.endpoint.handle(now, from, None, None, BytesMut::from(bytes), &mut response) {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                if let Some((ours, connection)) = self.connection.as_mut()
                    && *ours == handle
                {
                    connection.handle_event(event);
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) if self.connection.is_none() => {
                self.connection = self.endpoint.accept(incoming, now, &mut response, None).ok();
            }
            Some(DatagramEvent::NewConnection(incoming)) => self.endpoint.ignore(incoming),
            Some(DatagramEvent::Response(_)) | None => {}
        }
    }

    fn take_events(&mut self, now: Instant) {
        let Some((handle, connection)) = self.connection.as_mut() else { return };
        while connection.poll_timeout().is_some_and(|due| due <= now) {
            connection.handle_timeout(now);
        }
        while let Some(event) = connection.poll_endpoint_events() {
            if let Some(event) = self.endpoint.handle_event(*handle, event) {
                connection.handle_event(event);
            }
        }
        while let Some(event) = connection.poll() {
            match event {
                Event::Connected if self.side == CLIENT => self.stream = connection.streams().open(Dir::Bi),
                Event::ConnectionLost { reason } => {
                    self.ended.get_or_insert(LinkError::Transport(reason.to_string()));
                }
                _ => {}
            }
        }
        if self.side == WORKER && self.stream.is_none() {
            self.stream = connection.streams().accept(Dir::Bi);
        }
    }
}

impl Link for Quic {
    fn drive(&mut self, now: Instant) -> Result<(), LinkError> {
        let arrived = self.network.lock().unwrap().arrived(self.side, now);
        for (from, bytes) in arrived {
            self.take(from, &bytes, now);
        }
        self.take_events(now);
        let mut sending = Vec::new();
        if let Some((_, connection)) = self.connection.as_mut() {
            while let Some(transmit) = connection.poll_transmit(now, 1, &mut sending) {
                let mut network = self.network.lock().unwrap();
                network.send(self.side, transmit.destination, &sending[..transmit.size], now);
                sending.clear();
            }
        }
        self.ended.clone().map_or(Ok(()), Err)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, LinkError> {
        let (Some((_, connection)), Some(stream)) = (self.connection.as_mut(), self.stream) else {
            return Ok(0);
        };
        Ok(connection.send_stream(stream).write(bytes).unwrap_or(0))
    }

    fn read(&mut self, into: &mut [u8]) -> Result<usize, LinkError> {
        let mut filled = 0;
        if let (Some((_, connection)), Some(stream)) = (self.connection.as_mut(), self.stream)
            && let Ok(mut chunks) = connection.recv_stream(stream).read(true)
        {
            while filled < into.len() {
                match chunks.next(into.len() - filled) {
                    Ok(Some(chunk)) => {
                        into[filled..filled + chunk.bytes.len()].copy_from_slice(&chunk.bytes);
                        filled += chunk.bytes.len();
                    }
                    Ok(None) | Err(ReadError::Blocked | ReadError::Reset(_)) => break,
                }
            }
            let _ = chunks.finalize();
        }
        match (filled, &self.ended) {
            (0, Some(ended)) => Err(ended.clone()),
            _ => Ok(filled),
        }
    }

    fn poll_fds(&self, _fds: &mut Vec<RawFd>) {}

    fn timeout(&self) -> Option<Instant> {
        None
    }

    fn close(&mut self, _code: u32, _reason: &str) {}

    fn stats(&self) -> LinkStats {
        LinkStats::default()
    }
}
