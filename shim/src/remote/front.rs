//! What was told and has no place in the log yet.
//!
//! Whoever tells lays the call down here and goes on: that takes nanoseconds, whatever the thread is doing that drives the connection. That
//! thread takes all of it at once, and numbers it. Not for calls that are asked: these enter the log themselves, behind what lies here.

use crate::wait;
use farwarp_protocol::frame::Header;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard};

/// Bytes of bodies that may lie here, and how many calls: some milliseconds of work for whoever takes them. Then the teller waits.
const BODY_BYTES_MAX: usize = 1 << 20;
const CALLS_MAX: usize = 16 << 10;
/// A call with a longer body enters the log itself: to write it twice would cost more than to wait for the lock.
pub const TOLD_BYTES_MAX: usize = 16 << 10;

/// Calls in the order in which they were told, each with so much of `bodies` as its header says.
#[derive(Default)]
pub struct Batch {
    headers: Vec<Header>,
    bodies: Vec<u8>,
    /// How many were taken out, and their bytes.
    used: usize,
    used_bytes: usize,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.used == self.headers.len()
    }

    /// The first call that is left.
    pub fn first(&self) -> Option<(Header, &[u8])> {
        let header = *self.headers.get(self.used)?;
        Some((header, &self.bodies[self.used_bytes..][..header.body_bytes as usize]))
    }

    /// The first call has its place in the log.
    pub fn pass(&mut self) {
        self.used_bytes += self.headers[self.used].body_bytes as usize;
        self.used += 1;
    }

    fn clear(&mut self) {
        self.headers.clear();
        self.bodies.clear();
        (self.used, self.used_bytes) = (0, 0);
    }
}

/// There is no room before some of it is taken.
pub struct Full;

pub struct Front {
    told: Mutex<Batch>,
    pub attention: Attention,
}

impl Front {
    pub fn new() -> std::io::Result<Front> {
        Ok(Front { told: Mutex::new(Batch::default()), attention: Attention::new()? })
    }

    /// Lays a call down behind the others.
    pub fn lay(&self, header: Header, body: &[&[u8]]) -> Result<(), Full> {
        let mut told = self.lock();
        if !has_room(&told) {
            return Err(Full);
        }
        let before = told.bodies.len();
        for part in body {
            told.bodies.extend_from_slice(part);
        }
        let body_bytes = (told.bodies.len() - before) as u32;
        told.headers.push(Header { body_bytes, ..header });
        drop(told);
        self.attention.call();
        Ok(())
    }

    /// Lays down that a thread has ended. There is always room for that: it comes once for each thread that told something.
    pub fn lay_end(&self, header: Header) {
        self.lock().headers.push(header);
        self.attention.call();
    }

    pub fn has_room(&self) -> bool {
        has_room(&self.lock())
    }

    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Takes everything; whether that was something. `batch` was used up, and its room serves again.
    pub fn take(&self, batch: &mut Batch) -> bool {
        batch.clear();
        std::mem::swap(batch, &mut *self.lock());
        !batch.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Batch> {
        // A header is pushed after its body, so a panic between them would leave bytes that no header names; nothing there panics.
        self.told.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

fn has_room(told: &Batch) -> bool {
    told.bodies.len() < BODY_BYTES_MAX && told.headers.len() < CALLS_MAX
}

/// Who is to be woken when something was told: nobody, while somebody is awake and will look here before sleeping.
pub struct Attention {
    who: AtomicU8,
    /// Readable when it is to wake: the helper, and the thread that drives the connection while it waits for its answer.
    pub helper: RawFd,
    pub leader: RawFd,
}

#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Nobody = 0,
    Helper = 1,
    Leader = 2,
}

impl Attention {
    fn new() -> std::io::Result<Attention> {
        let (helper, leader) = (wait::event_fd()?, wait::event_fd()?);
        Ok(Attention { who: AtomicU8::new(Who::Nobody as u8), helper, leader })
    }

    /// To be said before looking for the last time; what is told from here on wakes.
    pub fn wake(&self, who: Who) {
        self.who.store(who as u8, Ordering::SeqCst);
    }

    /// Something was told.
    pub fn call(&self) {
        if self.who.load(Ordering::SeqCst) == Who::Nobody as u8 {
            return;
        }
        match self.who.swap(Who::Nobody as u8, Ordering::SeqCst) {
            who if who == Who::Helper as u8 => wait::signal(self.helper),
            who if who == Who::Leader as u8 => wait::signal(self.leader),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use farwarp_protocol::frame::RecordKind;

    fn header(about: u64) -> Header {
        Header { kind: RecordKind::Call, op: 1, number: 0, about, slot: 1, flags: 0, code: 0, body_bytes: 0 }
    }

    #[test]
    fn what_was_told_is_taken_once_in_order_and_bounded() {
        let front = Front::new().unwrap();
        let mut laid = 0;
        while front.lay(header(laid), &[&laid.to_le_bytes(), b"!"]).is_ok() {
            laid += 1;
        }
        assert!(laid as usize == CALLS_MAX && !front.has_room());
        let mut batch = Batch::default();
        assert!(front.take(&mut batch) && front.is_empty());
        for expected in 0..laid {
            let (found, body) = batch.first().unwrap();
            assert_eq!(
                (found.about, body),
                (expected, [&expected.to_le_bytes()[..], b"!"].concat().as_slice())
            );
            batch.pass();
        }
        assert!(batch.is_empty() && batch.first().is_none());
        assert!(!front.take(&mut batch));
    }

    #[test]
    fn who_sleeps_is_woken_once_and_who_is_awake_never() {
        let attention = Attention::new().unwrap();
        let woken = wait::drain;
        attention.call();
        assert!(!woken(attention.helper) && !woken(attention.leader));
        attention.wake(Who::Leader);
        attention.call();
        attention.call();
        assert!(woken(attention.leader) && !woken(attention.leader) && !woken(attention.helper));
    }
}
