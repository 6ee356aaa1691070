//! What the port must know of a connection that the worker's loop drives, and of the calls that it makes.

use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use farwarp_link::quic::QuicLink;
use farwarp_link::{Link, LinkError, LinkStats};
use farwarp_protocol::handoff::{Activity, FromWorker};

use super::channel::{self, ChannelError};

/// A call that takes this long is told of while it lasts.
const STUCK: Duration = Duration::from_secs(1);

/// How the newest data connection stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum ConnectionState {
    #[default]
    Never,
    Connected {
        epoch: u32,
    },
    Lost {
        epoch: u32,
        since: Instant,
        error: LinkError,
    },
}

impl ConnectionState {
    fn message(&self) -> FromWorker {
        match self {
            Self::Never => FromWorker::Disconnected { why: "the client has not come yet".into() },
            Self::Connected { epoch } => FromWorker::Connected { epoch: *epoch },
            Self::Lost { error, .. } if error.is_orderly_end() => {
                FromWorker::Ended { why: "the client is done".into() }
            }
            Self::Lost { error, .. } => FromWorker::Disconnected { why: error.to_string() },
        }
    }
}

/// Shared by the port and the links that it gave out.
///
/// It tells the gate by itself, from whichever thread drives the link: the worker's loop may sit in a driver call that
/// never returns, and then only the gate can end the session.
pub struct Watch {
    known: Mutex<Known>,
    to_gate: OwnedFd,
    bytes_up: AtomicU64,
    bytes_down: AtomicU64,
}

#[derive(Default)]
struct Known {
    state: ConnectionState,
    untold: bool,
}

impl Watch {
    pub(super) fn new(to_gate: OwnedFd) -> Self {
        Self { known: Mutex::default(), to_gate, bytes_up: AtomicU64::new(0), bytes_down: AtomicU64::new(0) }
    }

    pub fn state(&self) -> ConnectionState {
        self.known().state.clone()
    }

    pub(super) fn connected(&self, epoch: u32) {
        self.change(&mut self.known(), ConnectionState::Connected { epoch });
    }

    /// Only the newest connection's end counts.
    fn lost(&self, epoch: u32, since: Instant, error: &LinkError) {
        let mut known = self.known();
        if known.state == (ConnectionState::Connected { epoch }) {
            // Before the end, after which nobody listens. A gate that cannot take it counts a little less.
            let _ = channel::send(self.to_gate.as_fd(), &self.moved(), None);
            self.change(&mut known, ConnectionState::Lost { epoch, since, error: error.clone() });
        }
    }

    pub(super) fn moved(&self) -> FromWorker {
        FromWorker::Moved {
            up: self.bytes_up.load(Ordering::Relaxed),
            down: self.bytes_down.load(Ordering::Relaxed),
        }
    }

    /// Whether the gate could not take the last change.
    pub(super) fn is_untold(&self) -> bool {
        self.known().untold
    }

    pub(super) fn tell_again(&self) {
        let mut known = self.known();
        if known.untold {
            known.untold = self.tell(&known.state).is_err();
        }
    }

    fn change(&self, known: &mut Known, state: ConnectionState) {
        known.untold = self.tell(&state).is_err();
        known.state = state;
    }

    fn tell(&self, state: &ConnectionState) -> Result<(), ChannelError> {
        channel::send(self.to_gate.as_fd(), &state.message(), None)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A link whose end the port hears of.
pub(super) struct Watched {
    link: QuicLink,
    epoch: u32,
    watch: Arc<Watch>,
}

impl Watched {
    pub(super) fn new(link: QuicLink, epoch: u32, watch: Arc<Watch>) -> Self {
        Self { link, epoch, watch }
    }

    fn noted<T>(&self, result: Result<T, LinkError>, now: Instant) -> Result<T, LinkError> {
        result.inspect_err(|error| self.watch.lost(self.epoch, now, error))
    }
}

impl Link for Watched {
    fn drive(&mut self, now: Instant) -> Result<(), LinkError> {
        let result = self.link.drive(now);
        self.noted(result, now)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, LinkError> {
        let written = self.link.write(bytes)?;
        self.watch.bytes_down.fetch_add(written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn write_block(&mut self, block: Bytes) -> Result<usize, LinkError> {
        self.link.write_block(block)
    }

    fn read(&mut self, into: &mut [u8]) -> Result<usize, LinkError> {
        let read = self.link.read(into)?;
        self.watch.bytes_up.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }

    fn poll_fds(&self, fds: &mut Vec<RawFd>) {
        self.link.poll_fds(fds);
    }

    fn timeout(&self) -> Option<Instant> {
        self.link.timeout()
    }

    fn close(&mut self, code: u32, reason: &str) {
        self.link.close(code, reason);
    }

    fn stats(&self) -> LinkStats {
        self.link.stats()
    }
}

/// Whoever drops a link no longer drives it: the session waits for the next one.
impl Drop for Watched {
    fn drop(&mut self) {
        self.watch.lost(self.epoch, Instant::now(), &LinkError::ClosedHere);
    }
}

/// What the worker has done; counted by any of its threads, told to the gate by the port.
pub struct Counters {
    born: Instant,
    calls: AtomicU64,
    last_call_ms: AtomicU64,
    device_bytes: AtomicU64,
    waits: AtomicU64,
    waits_ended: AtomicU64,
    /// The operation that the executor is in, or 0, and when it began.
    in_call: AtomicU32,
    call_began_ms: AtomicU64,
    changed: AtomicBool,
}

impl Counters {
    pub(crate) fn new(born: Instant) -> Self {
        Self {
            born,
            calls: AtomicU64::new(0),
            last_call_ms: AtomicU64::new(0),
            device_bytes: AtomicU64::new(0),
            waits: AtomicU64::new(0),
            waits_ended: AtomicU64::new(0),
            in_call: AtomicU32::new(0),
            call_began_ms: AtomicU64::new(0),
            changed: AtomicBool::new(true),
        }
    }

    /// So many CUDA calls were taken from the log by now.
    pub fn called(&self, count: u64, now: Instant) {
        self.calls.fetch_add(count, Ordering::Relaxed);
        self.last_call_ms.store(milliseconds(now.saturating_duration_since(self.born)), Ordering::Relaxed);
        self.changed.store(true, Ordering::Release);
    }

    /// A call goes to the driver.
    pub fn began(&self, op: u32, now: Instant) {
        self.called(1, now);
        self.call_began_ms.store(self.last_call_ms.load(Ordering::Relaxed), Ordering::Relaxed);
        self.in_call.store(op, Ordering::Release);
    }

    /// The driver has returned.
    pub fn returned(&self) {
        self.in_call.store(0, Ordering::Release);
    }

    /// So many waits for the GPU are under way, and so many have ended. Whoever waits is busy without a new call.
    pub fn waits(&self, under_way: u64, ended: u64, now: Instant) {
        let before = self.waits.swap(under_way, Ordering::Relaxed);
        if self.waits_ended.swap(ended, Ordering::Relaxed) != ended || under_way + before > 0 {
            self.called(0, now);
        }
    }

    fn in_call_for(&self, now: Instant) -> Option<(u32, u64)> {
        let op = self.in_call.load(Ordering::Acquire);
        let alive_ms = milliseconds(now.saturating_duration_since(self.born));
        (op != 0).then(|| (op, alive_ms.saturating_sub(self.call_began_ms.load(Ordering::Relaxed))))
    }

    /// So much device memory the session holds by now.
    pub fn holds(&self, device_bytes: u64) {
        self.device_bytes.store(device_bytes, Ordering::Relaxed);
        self.changed.store(true, Ordering::Release);
    }

    pub(super) fn changed(&self) -> bool {
        self.changed.load(Ordering::Acquire)
    }

    /// Whether a call does not return. Then the executor's thread is in it, and another looks after the port.
    pub(super) fn is_stuck(&self, now: Instant) -> bool {
        self.in_call_for(now).is_some_and(|(_, ms)| ms >= milliseconds(STUCK))
    }

    pub(super) fn mark_changed(&self) {
        self.changed.store(true, Ordering::Release);
    }

    pub(super) fn take(&self, now: Instant) -> Activity {
        self.changed.store(false, Ordering::Release);
        let alive_ms = milliseconds(now.saturating_duration_since(self.born));
        let idle_ms = alive_ms.saturating_sub(self.last_call_ms.load(Ordering::Relaxed));
        let in_call = self.in_call_for(now).map(|(op, _)| op);
        Activity {
            calls: self.calls.load(Ordering::Relaxed),
            // A call that has not returned is no idleness.
            idle_ms: if in_call.is_some() { 0 } else { idle_ms },
            device_bytes: self.device_bytes.load(Ordering::Relaxed),
            waits: self.waits.load(Ordering::Relaxed),
            waits_ended: self.waits_ended.load(Ordering::Relaxed),
            in_call: in_call.unwrap_or(0),
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
