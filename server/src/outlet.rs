//! The worker's half of the session: where calls come from and answers go. Any thread may answer; one thread takes the calls.
//!
//! A cut connection changes nothing here but that nothing moves; the next one carries on where it stopped.

use farwarp_link::{Link, LinkError};
use farwarp_protocol::call::{NOTICE_FAILED, NOTICE_HOST_CALL};
use farwarp_protocol::codec::encode;
use farwarp_protocol::error::Code;
use farwarp_protocol::frame::{FLAG_ASKED, Header, RecordKind};
use farwarp_protocol::handle::Id;
use farwarp_protocol::limits::BODY_BYTES_MAX;
use farwarp_protocol::session::{Session, SessionError};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Instant;

/// Received and not yet executed; beyond it nothing more is read, and the connection's flow control holds the client back.
const UNREAD_BYTES_MAX: usize = 8 << 20;
const READ_BYTES: usize = 256 << 10;

/// Which call an answer is for.
#[derive(Debug, Clone, Copy)]
pub struct Asker {
    pub number: u64,
    pub slot: u16,
    pub context: Id,
    pub asked: bool,
}

pub struct Outlet {
    state: Mutex<State>,
    room: Condvar,
    /// Wakes whoever polls: there is something to send, or the timers have changed.
    wake: OwnedFd,
}

struct State {
    session: Session,
    link: Option<Box<dyn Link>>,
    buffer: Vec<u8>,
    /// Why the session must end.
    broken: Option<SessionError>,
}

impl Outlet {
    pub fn new() -> std::io::Result<Outlet> {
        let state = State { session: Session::new(), link: None, buffer: vec![0; READ_BYTES], broken: None };
        let wake = rustix::event::eventfd(
            0,
            rustix::event::EventfdFlags::NONBLOCK | rustix::event::EventfdFlags::CLOEXEC,
        )?;
        Ok(Outlet { state: Mutex::new(state), room: Condvar::new(), wake })
    }

    /// Carries on over a new connection.
    pub fn connect(&self, link: Box<dyn Link>) {
        let mut state = self.lock();
        state.session.reconnect();
        state.link = Some(link);
        self.room.notify_all();
    }

    /// Moves what can be moved; an error means that the connection is gone.
    pub fn drive(&self) -> Result<(), LinkError> {
        let mut state = self.lock();
        let result = state.drive(Instant::now());
        if result.is_err() {
            state.link = None;
        }
        self.room.notify_all();
        result
    }

    /// The next call, its body put into `body`.
    pub fn next_call(&self, body: &mut Vec<u8>) -> Result<Option<Header>, SessionError> {
        let mut state = self.lock();
        if let Some(broken) = &state.broken {
            return Err(broken.clone());
        }
        let header = state.session.next_record()?;
        if header.is_some() {
            body.clear();
            body.extend_from_slice(state.session.body());
        }
        Ok(header)
    }

    pub fn answer(&self, to: Asker, code: Code, body: &[u8]) {
        self.answer_parts(to, code, &[body]);
    }

    pub fn answer_parts(&self, to: Asker, code: Code, body: &[&[u8]]) {
        let header = match (to.asked, code) {
            (true, _) => Header {
                kind: RecordKind::Reply,
                about: to.number,
                flags: FLAG_ASKED,
                ..blank(to.slot, code)
            },
            (false, 0) => return,
            (false, _) => {
                tracing::debug!(call = to.number, code, "a told call failed");
                Header {
                    kind: RecordKind::Notice,
                    op: NOTICE_FAILED,
                    about: to.context.0,
                    ..blank(to.slot, code)
                }
            }
        };
        self.push(header, body);
    }

    /// Tells the client something that it did not ask for.
    pub fn notice(&self, op: u32, body: &[u8]) {
        self.push(Header { kind: RecordKind::Notice, op, ..blank(0, 0) }, &[body]);
    }

    /// It is the turn of a function of the client's.
    pub fn host_call(&self, token: u64) {
        let header = Header { kind: RecordKind::Notice, op: NOTICE_HOST_CALL, ..blank(0, 0) };
        self.push(header, &[&encode(&token)]);
    }

    /// Waits for room if the client does not acknowledge: answers are kept until it has them.
    fn push(&self, header: Header, body: &[&[u8]]) {
        let body_bytes: usize = body.iter().map(|part| part.len()).sum();
        debug_assert!(body_bytes <= BODY_BYTES_MAX);
        let mut state = self.lock();
        while !state.session.has_room(body_bytes) {
            state = self.room.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        // There is room: the lock was kept since it was seen.
        let _ = state.session.push(header, body);
        if state.drive(Instant::now()).is_err() {
            state.link = None;
        }
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
        loop {
            let sent = write_pending(&mut self.session, link.as_mut())?;
            link.drive(now)?;
            if self.session.unread_bytes() >= UNREAD_BYTES_MAX {
                return Ok(());
            }
            let bytes = link.read(&mut self.buffer)?;
            self.session.receive(&self.buffer[..bytes]);
            if bytes == 0 && sent == 0 {
                return Ok(());
            }
        }
    }
}

fn write_pending(session: &mut Session, link: &mut dyn Link) -> Result<usize, LinkError> {
    let mut total = 0;
    loop {
        let pending = session.pending();
        let taken = if pending.is_empty() { 0 } else { link.write(pending)? };
        if taken == 0 {
            return Ok(total);
        }
        session.taken(taken);
        total += taken;
    }
}

fn blank(slot: u16, code: Code) -> Header {
    Header { kind: RecordKind::Reply, op: 0, number: 0, about: 0, slot, flags: 0, code, body_bytes: 0 }
}
