//! What the port must know of a connection that the worker's loop drives, and of the calls that it makes.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use farwarp_link::quic::QuicLink;
use farwarp_link::{Link, LinkError, LinkStats};
use farwarp_protocol::handoff::{Activity, FromWorker};

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
    pub(super) fn message(&self) -> FromWorker {
        match self {
            Self::Never => FromWorker::Disconnected { why: "the client has not come yet".into() },
            Self::Connected { epoch } => FromWorker::Connected { epoch: *epoch },
            Self::Lost { error, .. } => FromWorker::Disconnected { why: error.to_string() },
        }
    }
}

/// Shared by the port and the links that it gave out.
#[derive(Default)]
pub struct Watch(Mutex<ConnectionState>);

impl Watch {
    pub fn state(&self) -> ConnectionState {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn connected(&self, epoch: u32) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = ConnectionState::Connected { epoch };
    }

    /// Only the newest connection's end counts.
    fn lost(&self, epoch: u32, since: Instant, error: &LinkError) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *state == (ConnectionState::Connected { epoch }) {
            *state = ConnectionState::Lost { epoch, since, error: error.clone() };
        }
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
        self.link.write(bytes)
    }

    fn read(&mut self, into: &mut [u8]) -> Result<usize, LinkError> {
        self.link.read(into)
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
    changed: AtomicBool,
}

impl Counters {
    pub(super) fn new(born: Instant) -> Self {
        Self {
            born,
            calls: AtomicU64::new(0),
            last_call_ms: AtomicU64::new(0),
            device_bytes: AtomicU64::new(0),
            changed: AtomicBool::new(true),
        }
    }

    /// So many CUDA calls were taken from the log by now.
    pub fn called(&self, count: u64, now: Instant) {
        self.calls.fetch_add(count, Ordering::Relaxed);
        self.last_call_ms.store(milliseconds(now.saturating_duration_since(self.born)), Ordering::Relaxed);
        self.changed.store(true, Ordering::Release);
    }

    /// So much device memory the session holds by now.
    pub fn holds(&self, device_bytes: u64) {
        self.device_bytes.store(device_bytes, Ordering::Relaxed);
        self.changed.store(true, Ordering::Release);
    }

    pub(super) fn changed(&self) -> bool {
        self.changed.load(Ordering::Acquire)
    }

    pub(super) fn mark_changed(&self) {
        self.changed.store(true, Ordering::Release);
    }

    pub(super) fn take(&self, now: Instant) -> Activity {
        self.changed.store(false, Ordering::Release);
        let alive_ms = milliseconds(now.saturating_duration_since(self.born));
        Activity {
            calls: self.calls.load(Ordering::Relaxed),
            idle_ms: alive_ms.saturating_sub(self.last_call_ms.load(Ordering::Relaxed)),
            device_bytes: self.device_bytes.load(Ordering::Relaxed),
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
