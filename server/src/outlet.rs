//! Where calls come from and answers go: the worker's half of the session, shared by its threads. Any thread may answer; one
//! thread takes the calls.
//!
//! A cut connection changes nothing here but that nothing moves; the next one carries on where it stopped.

use farwarp_link::{Link, LinkError, carry};
use farwarp_protocol::error::Code;
use farwarp_protocol::frame::Header;
use farwarp_protocol::limits::BODY_BYTES_MAX;
use farwarp_protocol::session::{Full, Limits, SessionError};
pub use farwarp_protocol::worker::Asker;
use farwarp_protocol::worker::{WhenFull, Worker};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread::ThreadId;
use std::time::Instant;

pub struct Outlet {
    state: Mutex<State>,
    /// The thread that takes the calls: that which made this.
    taker: ThreadId,
    room: Condvar,
    /// Wakes whoever polls: there is something to send, or the timers have changed.
    wake: OwnedFd,
}

struct State {
    worker: Worker,
    link: Option<Box<dyn Link>>,
}

impl Outlet {
    pub fn new() -> std::io::Result<Outlet> {
        let state = State { worker: Worker::new(Limits::default()), link: None };
        let wake = rustix::event::eventfd(
            0,
            rustix::event::EventfdFlags::NONBLOCK | rustix::event::EventfdFlags::CLOEXEC,
        )?;
        Ok(Outlet {
            state: Mutex::new(state),
            taker: std::thread::current().id(),
            room: Condvar::new(),
            wake,
        })
    }

    /// Carries on over a new connection.
    pub fn connect(&self, link: Box<dyn Link>) {
        let mut state = self.lock();
        state.worker.connected();
        if let Some(mut older) = state.link.replace(link) {
            // It knows that it was superseded, and says so to whoever still listens there.
            let _ = older.drive(Instant::now());
        }
        self.room.notify_all();
    }

    /// For the rig: the log begins anew, as nothing goes on over one that was broken.
    pub fn renew(&self) {
        self.lock().worker = Worker::new(Limits::default());
    }

    /// Moves what can be moved; an error means that the connection is gone.
    pub fn drive(&self) -> Result<(), LinkError> {
        let mut state = self.lock();
        let result = state.drive(Instant::now());
        self.room.notify_all();
        result
    }

    /// The next call, its body put into `body`.
    pub fn next_call(&self, body: &mut Vec<u8>) -> Result<Option<Header>, SessionError> {
        self.lock().worker.next_call(body)
    }

    pub fn answer(&self, to: Asker, code: Code, body: &[u8]) {
        self.answer_parts(to, code, &[body]);
    }

    pub fn answer_parts(&self, to: Asker, code: Code, body: &[&[u8]]) {
        debug_assert!(body.iter().map(|part| part.len()).sum::<usize>() <= BODY_BYTES_MAX);
        if !to.hears_of(code) {
            return;
        }
        if !to.asked {
            tracing::debug!(call = to.number, code, "a told call failed");
        }
        self.push(|worker, when_full| worker.answer(to, code, body, when_full));
    }

    /// Tells the client something that it did not ask for.
    pub fn notice(&self, op: u32, body: &[u8]) {
        self.push(|worker, when_full| worker.notice(op, body, when_full));
    }

    /// Waits for room if the client does not acknowledge; but who takes the calls never waits.
    fn push(&self, mut write: impl FnMut(&mut Worker, WhenFull) -> Result<(), Full>) {
        let is_taker = std::thread::current().id() == self.taker;
        let when_full = if is_taker { WhenFull::Keep } else { WhenFull::Wait };
        let mut state = self.lock();
        while write(&mut state.worker, when_full).is_err() {
            state = self.room.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        // Of a lost connection the port hears from the link itself.
        let _ = state.drive(Instant::now());
        drop(state);
        self.wake();
    }

    pub fn wake(&self) {
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    /// After a poll.
    pub fn woken(&self) {
        let _ = rustix::io::read(&self.wake, &mut [0u8; 8]);
    }

    pub fn poll_fds(&self, fds: &mut Vec<RawFd>) -> Option<Instant> {
        fds.push(self.wake.as_raw_fd());
        let state = self.lock();
        let link = state.link.as_ref()?;
        link.poll_fds(fds);
        link.timeout()
    }

    /// Ends the connection in order.
    pub fn close(&self, code: u32, reason: &str) {
        let mut state = self.lock();
        if let Some(link) = state.link.as_mut() {
            link.close(code, reason);
        }
        state.link = None;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl State {
    fn drive(&mut self, now: Instant) -> Result<(), LinkError> {
        let Some(link) = self.link.as_mut() else { return Ok(()) };
        let carried = carry(&mut self.worker, link.as_mut(), now);
        if carried.is_err() {
            self.link = None;
        }
        carried
    }
}
