//! The worker's door: what the gate says, the data connections that it hands over, and what the gate hears back.
//!
//! The worker's loop polls [`WorkerPort::poll_fds`], calls [`WorkerPort::poll`] whenever one is readable or
//! [`WorkerPort::timeout`] is due, and exits on the first error: the session is over then, for the reason that it names.
//! The port itself watches that a session does not outlive its connection by more than the resume grace.

pub mod channel;
mod market;
mod watch;

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use farwarp_link::Link;
use farwarp_link::keys::KeyPair;
use farwarp_link::quic::{Accepting, HandedOver, Inbox, SessionSecrets, Socket};
use farwarp_protocol::handoff::{Datagram, FromWorker, JailLayer, Start, ToWorker};
use farwarp_protocol::ticket::Secret;

pub use channel::{Channel, ChannelError};
pub use market::{Arrived, Market};
use watch::{ConnectionState, Watched};
pub use watch::{Counters, Watch};

/// Connections that have not yet proven the session; a newer one pushes the oldest out.
const UNPROVEN_MAX: usize = 4;
/// One `poll` takes at most so many messages, so that a flood cannot keep the worker from its calls.
const MESSAGES_PER_POLL: usize = 64;
/// The gate writes the first message before it starts the worker.
const START_TIMEOUT: Duration = Duration::from_secs(5);
/// How often at most the gate hears of calls and bytes.
const REPORT_INTERVAL: Duration = Duration::from_millis(200);
/// How soon to tell the gate again what it could not take, and the least between two such words.
const TELL_AGAIN: Duration = Duration::from_millis(10);
/// A client that was admitted connects at once; a session that it never reached is not kept.
pub const FIRST_CONNECTION_TIMEOUT: Duration = Duration::from_secs(15);

/// Why the worker must exit.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    #[error("the gate said nothing to begin with")]
    NoStart,
    #[error("the gate's first message is malformed")]
    Malformed,
    #[error("{why}")]
    End { code: u32, why: String },
    #[error("the client is done")]
    ClientDone,
    #[error("the client did not come back within {} s: {why}", grace.as_secs_f32())]
    GraceOver { grace: Duration, why: String },
    #[error("the gate is gone: {0}")]
    Gate(#[from] ChannelError),
}

/// A data connection that has proven its session and its epoch.
pub struct NewConnection {
    pub link: Box<dyn Link>,
    /// Higher than that of every connection before, all of which are closed by now.
    pub epoch: u32,
}

pub struct WorkerPort {
    channel: Channel,
    secrets: SessionSecrets,
    grace: Duration,
    unproven: Vec<Accepting>,
    /// Where datagrams for the connection in use are put.
    current: Option<Arc<Inbox>>,
    epoch: u32,
    watch: Arc<Watch>,
    counters: Arc<Counters>,
    meter: Option<OwnedFd>,
    market: Arc<Market>,
    told_at: Instant,
    reported: Instant,
    born: Instant,
}

impl WorkerPort {
    /// Takes the socketpair's end that the gate left for this process, and the gate's first message.
    pub fn from_fd(fd: OwnedFd) -> Result<(Self, Start), PortError> {
        let mut channel = Channel::over(fd);
        let (start, meter) = first_message(&mut channel)?;
        let pair = KeyPair::from_pkcs8(start.worker_key.clone()).map_err(|_| PortError::Malformed)?;
        let silence = Duration::from_millis(start.silence_ms);
        let secrets =
            SessionSecrets::new(start.session, start.tag, Secret(start.key), start.reset_key, silence, &pair);
        let to_gate = channel.as_fd().try_clone_to_owned().map_err(ChannelError::Io)?;
        let to_market = channel.as_fd().try_clone_to_owned().map_err(ChannelError::Io)?;
        let now = Instant::now();
        let port = Self {
            channel,
            secrets,
            grace: Duration::from_millis(start.resume_grace_ms),
            unproven: Vec::new(),
            current: None,
            epoch: 0,
            watch: Arc::new(Watch::new(to_gate)),
            counters: Arc::new(Counters::new(now)),
            meter,
            market: Arc::new(Market::new(to_market)),
            told_at: now,
            reported: now,
            born: now,
        };
        Ok((port, start))
    }

    /// Where the worker counts what it does; any thread may.
    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// Where the gate counts the device memory of a driver that does not count for all processes by itself.
    pub fn meter(&self) -> Option<RawFd> {
        self.meter.as_ref().map(AsRawFd::as_raw_fd)
    }

    pub fn market(&self) -> Arc<Market> {
        self.market.clone()
    }

    pub fn jailed(&self, layers: Vec<JailLayer>) -> Result<(), PortError> {
        Ok(self.channel.send(&FromWorker::Jailed { layers }, None)?)
    }

    pub fn driver_loaded(&self) -> Result<(), PortError> {
        Ok(self.channel.send(&FromWorker::DriverLoaded, None)?)
    }

    pub fn driver_failed(&self, why: &str) -> Result<(), PortError> {
        Ok(self.channel.send(&FromWorker::DriverFailed { why: why.to_owned() }, None)?)
    }

    /// Tells the gate that the session is over, so that it need not guess from the exit.
    pub fn ended(&self, why: &str) {
        // Where it cannot be said, the exit says it.
        let _ = self.channel.send(&FromWorker::Ended { why: why.to_owned() }, None);
    }

    /// Takes messages, drives unproven connections, reports. A connection, when one has just proven itself.
    pub fn poll(&mut self, now: Instant) -> Result<Option<NewConnection>, PortError> {
        self.take_messages(now)?;
        let proven = self.drive_unproven(now);
        self.report(now)?;
        self.check_client(now)?;
        Ok(proven)
    }

    pub fn poll_fds(&self, fds: &mut Vec<RawFd>) {
        fds.push(self.channel.as_fd().as_raw_fd());
        for accepting in &self.unproven {
            accepting.link().poll_fds(fds);
        }
    }

    /// When `poll` must be called at the latest.
    pub fn timeout(&self) -> Option<Instant> {
        let unproven = self.unproven.iter().filter_map(|accepting| accepting.link().timeout());
        let state = self.watch.is_untold().then_some(self.told_at + TELL_AGAIN);
        let report = self.counters.changed().then_some(self.reported + REPORT_INTERVAL);
        unproven.chain(state).chain(report).chain(self.client_deadline()).min()
    }

    fn take_messages(&mut self, now: Instant) -> Result<(), PortError> {
        for _ in 0..MESSAGES_PER_POLL {
            match self.channel.receive()? {
                Some((ToWorker::Datagram(datagram), socket)) => self.take_datagram(datagram, socket, now),
                Some((ToWorker::Offered { number, found }, descriptor)) => {
                    let descriptor = descriptor.filter(|_| found);
                    self.market.arrive(Arrived { number, descriptor });
                }
                Some((ToWorker::End { code, why }, _)) => return Err(PortError::End { code, why }),
                Some((ToWorker::Start(_), _)) => return Err(PortError::Malformed),
                None => break,
            }
        }
        Ok(())
    }

    fn take_datagram(&mut self, datagram: Datagram, socket: Option<OwnedFd>, now: Instant) {
        let Datagram { remote, ecn, bytes } = datagram;
        let begins = begins_connection(&bytes);
        let socket = match socket.map(|fd| Socket::adopt(fd.into())).transpose() {
            Ok(socket) => socket,
            Err(error) => return tracing::warn!(%remote, %error, "a socket of the gate cannot be used"),
        };
        let ecn = farwarp_link::quic::ecn_from_bits(ecn);
        let handed = HandedOver { socket, remote, ecn, datagram: bytes };
        if begins && handed.socket.is_some() {
            if let Some(accepting) = Accepting::begin(&self.secrets, handed, now) {
                if self.unproven.len() == UNPROVEN_MAX {
                    self.unproven.remove(0);
                }
                self.unproven.push(accepting);
            }
            return;
        }
        // A second datagram of a source that is known, or the first from where a client has moved.
        let unproven = self.unproven.iter().rev().find(|accepting| accepting.link().peer() == remote);
        if let Some(inbox) = unproven.map(Accepting::inbox).or_else(|| self.current.clone()) {
            inbox.put(handed);
        }
    }

    fn drive_unproven(&mut self, now: Instant) -> Option<NewConnection> {
        let mut index = 0;
        while index < self.unproven.len() {
            match self.unproven[index].poll(&self.secrets, self.epoch, now) {
                Ok(None) => index += 1,
                Ok(Some(epoch)) => {
                    let accepting = self.unproven.remove(index);
                    return Some(self.take_over(accepting, epoch));
                }
                Err(rejected) => {
                    let peer = self.unproven.remove(index).link().peer();
                    tracing::info!(%peer, %rejected, "a data connection was turned away");
                }
            }
        }
        None
    }

    fn take_over(&mut self, accepting: Accepting, epoch: u32) -> NewConnection {
        if let Some(older) = self.current.replace(accepting.inbox()) {
            older.supersede();
        }
        self.epoch = epoch;
        self.watch.connected(epoch);
        let link = Watched::new(accepting.into_link(), epoch, self.watch.clone());
        NewConnection { link: Box::new(link), epoch }
    }

    /// Tells the gate what it has not heard yet. A gate that does not keep up hears of it a little later.
    fn report(&mut self, now: Instant) -> Result<(), PortError> {
        if self.watch.is_untold() && now.saturating_duration_since(self.told_at) >= TELL_AGAIN {
            self.told_at = now;
            self.watch.tell_again();
        }
        let news = self.counters.changed() || self.counters.is_stuck(now);
        if news && now.saturating_duration_since(self.reported) >= REPORT_INTERVAL {
            let activity = self.counters.take(now);
            if !self.tell(&self.watch.moved())? || !self.tell(&FromWorker::Activity(activity))? {
                self.counters.mark_changed();
            }
            self.reported = now;
        }
        Ok(())
    }

    fn tell(&self, message: &FromWorker) -> Result<bool, PortError> {
        match self.channel.send(message, None) {
            Ok(()) => Ok(true),
            Err(ChannelError::Full) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether there is still somebody to work for.
    fn check_client(&self, now: Instant) -> Result<(), PortError> {
        let state = self.watch.state();
        if matches!(&state, ConnectionState::Lost { error, .. } if error.is_orderly_end()) {
            return Err(PortError::ClientDone);
        }
        if self.client_deadline().is_some_and(|deadline| deadline <= now) {
            let why = match state {
                ConnectionState::Lost { error, .. } => error.to_string(),
                _ => "it never connected".to_owned(),
            };
            return Err(PortError::GraceOver { grace: self.grace, why });
        }
        Ok(())
    }

    fn client_deadline(&self) -> Option<Instant> {
        match self.watch.state() {
            ConnectionState::Never => Some(self.born + FIRST_CONNECTION_TIMEOUT),
            ConnectionState::Connected { .. } => None,
            ConnectionState::Lost { since, error, .. } if error.is_orderly_end() => Some(since),
            ConnectionState::Lost { since, .. } => Some(since + self.grace),
        }
    }
}

fn first_message(channel: &mut Channel) -> Result<(Start, Option<OwnedFd>), PortError> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let timeout = Timespec { tv_sec: START_TIMEOUT.as_secs() as i64, tv_nsec: 0 };
    // An interrupted or timed-out wait ends in NoStart below.
    let _ = poll(&mut [PollFd::new(&channel.as_fd(), PollFlags::IN)], Some(&timeout));
    match channel.receive()? {
        Some((ToWorker::Start(start), meter)) => Ok((start, meter)),
        Some(_) => Err(PortError::Malformed),
        None => Err(PortError::NoStart),
    }
}

/// Whether a datagram's first packet is a QUIC version 1 Initial.
fn begins_connection(datagram: &[u8]) -> bool {
    const LONG_HEADER_INITIAL: u8 = 0b1100_0000;
    datagram.first().is_some_and(|first| first & 0b1111_0000 == LONG_HEADER_INITIAL)
}
