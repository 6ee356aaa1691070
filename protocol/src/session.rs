//! A session: two numbered logs, one in each direction, that outlive the connections which carry them.
//!
//! Sans-IO. What arrives goes in by [`Session::receive`] and [`Session::next_record`], what is to leave is read from
//! [`Session::pending`]. After a cut, [`Session::reconnect`] starts the next connection: each side greets with the last
//! number it saw, and only what is missing is sent again. A record is thus handed out at most once, in order.

mod inbox;
mod outbox;

use crate::frame::{FrameError, Header, RecordKind};
use crate::limits::{
    ACK_EVERY_BYTES, ACK_EVERY_RECORDS, BLOCK_BYTES, HEADER_BYTES, READ_BYTES, RESEND_BYTES_MAX,
    UNREAD_BYTES_MAX,
};
use bytes::Bytes;
use inbox::Inbox;
use outbox::Outbox;
use std::collections::VecDeque;

/// Which rule the peer broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("record {got} where {expected} was next")]
    Gap { expected: u64, got: u64 },
    #[error("{got} acknowledged, but only {sent} was ever sent")]
    AckedUnsent { sent: u64, got: u64 },
    #[error("the acknowledgement went back from {had} to {got}")]
    AckedBackwards { had: u64, got: u64 },
    #[error("a connection that did not begin with a greeting")]
    NoGreeting,
    #[error("a second greeting on one connection")]
    GreetedTwice,
}

/// How much a session keeps, and how often it acknowledges: the same at both ends. Tests choose them smaller, to reach them sooner.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub resend_bytes_max: usize,
    pub ack_every_bytes: usize,
    pub ack_every_records: u64,
    pub unread_bytes_max: usize,
    pub block_bytes: usize,
    pub read_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            resend_bytes_max: RESEND_BYTES_MAX,
            ack_every_bytes: ACK_EVERY_BYTES,
            ack_every_records: ACK_EVERY_RECORDS,
            unread_bytes_max: UNREAD_BYTES_MAX,
            block_bytes: BLOCK_BYTES,
            read_bytes: READ_BYTES,
        }
    }
}

/// One end of a session, as whoever moves its bytes sees it.
pub trait Half {
    /// Bytes that the connection should take next; empty when there are none.
    fn pending(&mut self) -> &[u8];

    /// The same bytes, where the connection may hold on to them without a copy of its own.
    fn pending_block(&mut self) -> Option<Bytes>;

    /// The connection took the first `bytes` of [`Half::pending`].
    fn taken(&mut self, bytes: usize);

    /// Whether more bytes are wanted now; if not, the connection's flow control holds the peer back.
    fn wants_bytes(&self) -> bool;

    /// Where the next bytes that arrive on the connection, in order, are to be put.
    fn room(&mut self) -> &mut [u8];

    /// So many bytes were put there.
    fn received(&mut self, bytes: usize);

    /// Bytes that arrived and lie elsewhere.
    fn receive(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.room();
            let (now, later) = bytes.split_at(bytes.len().min(room.len()));
            room[..now.len()].copy_from_slice(now);
            self.received(now.len());
            bytes = later;
        }
    }
}

/// No room in the resend buffer until the peer acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

#[derive(Debug)]
pub struct Session {
    out: Outbox,
    into: Inbox,
    /// Greeting and acknowledgements of this connection, sent in front of the log.
    control: VecDeque<u8>,
}

impl Default for Session {
    fn default() -> Session {
        Session::new()
    }
}

impl Session {
    /// Before its first connection; [`Session::reconnect`] starts that one too.
    pub fn new() -> Session {
        Session::with_limits(Limits::default())
    }

    pub fn with_limits(limits: Limits) -> Session {
        Session { out: Outbox::new(limits), into: Inbox::new(limits), control: VecDeque::new() }
    }

    /// Appends a record to the log and returns its number. `body` is written in parts to spare a copy.
    pub fn push(&mut self, mut header: Header, body: &[&[u8]]) -> Result<u64, Full> {
        let body_bytes: usize = body.iter().map(|part| part.len()).sum();
        header.body_bytes = body_bytes as u32;
        self.out.push(header, body, body_bytes)
    }

    /// Whether a record with so many bytes of body would be taken.
    pub fn has_room(&self, body_bytes: usize) -> bool {
        self.out.has_room(body_bytes)
    }

    /// A new connection begins: whatever was half-way on the old one is forgotten.
    pub fn reconnect(&mut self) {
        self.into.reconnect();
        self.out.reconnect();
        self.control.clear();
        let greeting = control_record(RecordKind::Greeting, self.into.received());
        self.control.extend(greeting);
    }

    /// The next numbered record that has fully arrived and was not handed out before. Its body is read by [`Session::body`].
    pub fn next_record(&mut self) -> Result<Option<Header>, SessionError> {
        while let Some(header) = self.into.next_header()? {
            match header.kind {
                RecordKind::Ack | RecordKind::Greeting if self.into.was_heard() => {}
                RecordKind::Ack => self.out.acknowledged(header.number)?,
                RecordKind::Greeting => self.out.greeted(header.number)?,
                RecordKind::Call | RecordKind::Reply | RecordKind::Notice => {
                    if self.into.is_new(header.number)? {
                        if self.into.owes_an_ack() {
                            let ack = control_record(RecordKind::Ack, self.into.received());
                            self.control.extend(ack);
                        }
                        return Ok(Some(header));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Takes the acknowledgements that have arrived behind records not yet handed out. A reader that waits for room before it
    /// goes on reading would otherwise wait for ever.
    pub fn hear_acks(&mut self) -> Result<(), SessionError> {
        while let Some(header) = self.into.next_unheard()? {
            match header.kind {
                RecordKind::Ack => self.out.acknowledged(header.number)?,
                RecordKind::Greeting => self.out.greeted(header.number)?,
                RecordKind::Call | RecordKind::Reply | RecordKind::Notice => {}
            }
        }
        Ok(())
    }

    /// The body of the record that [`Session::next_record`] last handed out.
    pub fn body(&self) -> &[u8] {
        self.into.body()
    }

    /// Bytes that arrived and belong to records not yet handed out.
    pub fn unread_bytes(&self) -> usize {
        self.into.unread_bytes()
    }

    /// Number of the record that was last handed out.
    pub fn last_received(&self) -> u64 {
        self.into.received()
    }

    /// Nothing breaks into a record.
    fn control_is_next(&self) -> bool {
        !self.control.is_empty() && !self.out.inside_a_record()
    }

    /// Bytes of the log that are kept for a resume.
    pub fn kept_bytes(&self) -> usize {
        self.out.kept_bytes()
    }

    /// Sent records that the peer has not acknowledged.
    pub fn unacknowledged(&self) -> usize {
        self.out.kept_records()
    }
}

impl Half for Session {
    fn pending(&mut self) -> &[u8] {
        if self.control_is_next() { self.control.make_contiguous() } else { self.out.pending() }
    }

    fn pending_block(&mut self) -> Option<Bytes> {
        if self.control_is_next() { None } else { self.out.pending_block() }
    }

    fn taken(&mut self, bytes: usize) {
        if self.control_is_next() {
            self.control.drain(..bytes);
        } else {
            self.out.taken(bytes);
        }
    }

    fn wants_bytes(&self) -> bool {
        true
    }

    /// The body of the record last handed out cannot be read any more.
    fn room(&mut self) -> &mut [u8] {
        self.into.room()
    }

    fn received(&mut self, bytes: usize) {
        self.into.put(bytes);
    }
}

fn control_record(kind: RecordKind, number: u64) -> [u8; HEADER_BYTES] {
    Header { kind, op: 0, number, about: 0, slot: 0, flags: 0, code: 0, body_bytes: 0 }.encode()
}

#[cfg(test)]
mod tests;
