//! A session: two numbered logs, one in each direction, that outlive the connections which carry them.
//!
//! Sans-IO. What arrives goes in by [`Session::receive`] and [`Session::next_record`], what is to leave is read from
//! [`Session::pending`]. After a cut, [`Session::reconnect`] starts the next connection: each side greets with the last
//! number it saw, and only what is missing is sent again. A record is thus handed out at most once, in order.

use crate::frame::{FrameError, Header, RecordKind};
use crate::limits::{ACK_EVERY_BYTES, ACK_EVERY_RECORDS, HEADER_BYTES, RESEND_BYTES_MAX, UNREAD_BYTES_MAX};
use std::collections::VecDeque;
use std::ops::Range;

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
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            resend_bytes_max: RESEND_BYTES_MAX,
            ack_every_bytes: ACK_EVERY_BYTES,
            ack_every_records: ACK_EVERY_RECORDS,
            unread_bytes_max: UNREAD_BYTES_MAX,
        }
    }
}

/// One end of a session, as whoever moves its bytes sees it.
pub trait Half {
    /// Bytes that the connection should take next; empty when there are none.
    fn pending(&mut self) -> &[u8];

    /// The connection took the first `bytes` of [`Half::pending`].
    fn taken(&mut self, bytes: usize);

    /// Whether more bytes are wanted now; if not, the connection's flow control holds the peer back.
    fn wants_bytes(&self) -> bool;

    /// Bytes that arrived on the connection, in order.
    fn receive(&mut self, bytes: &[u8]);
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
        Session {
            out: Outbox { bytes_max: limits.resend_bytes_max, ..Outbox::default() },
            into: Inbox {
                ack_every_bytes: limits.ack_every_bytes,
                ack_every_records: limits.ack_every_records,
                ..Inbox::default()
            },
            control: VecDeque::new(),
        }
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
        let greeting = control_record(RecordKind::Greeting, self.into.received);
        self.control.extend(greeting);
    }

    /// Bytes that the connection should take next; empty when there are none.
    pub fn pending(&mut self) -> &[u8] {
        if self.control.is_empty() || self.out.inside_a_record() {
            return self.out.pending();
        }
        self.control.make_contiguous()
    }

    /// The connection took the first `bytes` of [`Session::pending`].
    pub fn taken(&mut self, bytes: usize) {
        if self.control.is_empty() || self.out.inside_a_record() {
            self.out.taken(bytes);
        } else {
            self.control.drain(..bytes);
        }
    }

    /// Bytes that arrived on the connection, in order.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.into.buffer.extend_from_slice(bytes);
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
                            let ack = control_record(RecordKind::Ack, self.into.received);
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
        &self.into.buffer[self.into.body.clone()]
    }

    /// Bytes that arrived and belong to records not yet handed out.
    pub fn unread_bytes(&self) -> usize {
        self.into.buffer.len() - self.into.consumed
    }

    /// Number of the record that was last handed out.
    pub fn received(&self) -> u64 {
        self.into.received
    }

    /// Bytes of the log that are kept for a resume.
    pub fn kept_bytes(&self) -> usize {
        (self.out.end() - self.out.acked_end) as usize
    }

    /// Sent records that the peer has not acknowledged.
    pub fn unacknowledged(&self) -> usize {
        self.out.ends.len()
    }
}

fn control_record(kind: RecordKind, number: u64) -> [u8; HEADER_BYTES] {
    Header { kind, op: 0, number, about: 0, slot: 0, flags: 0, code: 0, body_bytes: 0 }.encode()
}

/// Our log: the unacknowledged tail of it, as the bytes that go on the wire. Positions count bytes of the whole log.
#[derive(Debug, Default)]
struct Outbox {
    /// Number of the last record.
    last: u64,
    /// Number of the last acknowledged record, and where it ends.
    acked: u64,
    acked_end: u64,
    /// The wire bytes of the log from `base` on. What is acknowledged stays in front until it pays to move the rest.
    bytes: Vec<u8>,
    base: u64,
    /// Where each unacknowledged record ends.
    ends: VecDeque<u64>,
    /// How much of the log the connection took, and how many unacknowledged records that is in full.
    sent: u64,
    sent_records: usize,
    /// Nothing of the log leaves before the peer has said what it has.
    held: bool,
    /// Unacknowledged bytes that are kept at most.
    bytes_max: usize,
}

impl Outbox {
    fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    fn has_room(&self, body_bytes: usize) -> bool {
        (self.end() - self.acked_end) as usize + HEADER_BYTES + body_bytes <= self.bytes_max
    }

    fn push(&mut self, mut header: Header, body: &[&[u8]], body_bytes: usize) -> Result<u64, Full> {
        if !self.has_room(body_bytes) {
            return Err(Full);
        }
        self.last += 1;
        header.number = self.last;
        self.bytes.extend_from_slice(&header.encode());
        for part in body {
            self.bytes.extend_from_slice(part);
        }
        self.ends.push_back(self.end());
        Ok(self.last)
    }

    fn reconnect(&mut self) {
        // A peer that was never sent anything has nothing to say about it.
        self.held = self.sent > 0;
    }

    fn greeted(&mut self, number: u64) -> Result<(), SessionError> {
        self.acknowledged(number)?;
        if self.held {
            self.sent = self.acked_end;
            self.sent_records = 0;
            self.held = false;
        }
        Ok(())
    }

    fn acknowledged(&mut self, number: u64) -> Result<(), SessionError> {
        let sent = self.acked + self.sent_records as u64;
        if number > sent {
            return Err(SessionError::AckedUnsent { sent, got: number });
        }
        let Some(news) = number.checked_sub(self.acked) else {
            return Err(SessionError::AckedBackwards { had: self.acked, got: number });
        };
        if news > 0 {
            self.acked_end = self.ends[news as usize - 1];
            self.ends.drain(..news as usize);
            self.sent_records -= news as usize;
            self.acked = number;
            self.compact();
        }
        Ok(())
    }

    /// Moves the unacknowledged bytes to the front once they are the smaller part: each byte moves at most once on average.
    fn compact(&mut self) {
        let dead = (self.acked_end - self.base) as usize;
        if dead * 2 >= self.bytes.len() {
            self.bytes.drain(..dead);
            self.base = self.acked_end;
        }
    }

    fn pending(&self) -> &[u8] {
        if self.held { &[] } else { &self.bytes[(self.sent - self.base) as usize..] }
    }

    fn taken(&mut self, bytes: usize) {
        self.sent += bytes as u64;
        while self.ends.get(self.sent_records).is_some_and(|end| *end <= self.sent) {
            self.sent_records += 1;
        }
    }

    /// Whether the connection took a part of a record and waits for the rest of it.
    fn inside_a_record(&self) -> bool {
        let begin = match self.sent_records {
            0 => self.acked_end,
            records => self.ends[records - 1],
        };
        !self.held && self.sent > begin
    }
}

/// The peer's log as far as it has arrived.
#[derive(Debug, Default)]
struct Inbox {
    /// Number of the last record handed out.
    received: u64,
    /// What this connection brought and was not yet handed out, behind `consumed` bytes that were.
    buffer: Vec<u8>,
    consumed: usize,
    /// Where the body of the record last handed out lies.
    body: Range<usize>,
    greeted: bool,
    /// Up to here acknowledgements were taken, ahead of the records between them.
    heard: usize,
    /// Numbered records and bytes since the last acknowledgement, and how many make one due.
    unacked_records: u64,
    unacked_bytes: usize,
    ack_every_records: u64,
    ack_every_bytes: usize,
}

impl Inbox {
    fn reconnect(&mut self) {
        self.buffer.clear();
        self.consumed = 0;
        self.heard = 0;
        self.body = 0..0;
        self.greeted = false;
    }

    fn next_header(&mut self) -> Result<Option<Header>, SessionError> {
        let rest = &self.buffer[self.consumed..];
        let Some(bytes) = rest.first_chunk::<HEADER_BYTES>() else {
            self.forget_consumed();
            return Ok(None);
        };
        let header = Header::decode(bytes)?;
        let whole = HEADER_BYTES + header.body_bytes as usize;
        if rest.len() < whole {
            self.forget_consumed();
            return Ok(None);
        }
        match (header.kind, self.greeted) {
            (RecordKind::Greeting, false) => self.greeted = true,
            (RecordKind::Greeting, true) => return Err(SessionError::GreetedTwice),
            (_, false) => return Err(SessionError::NoGreeting),
            (_, true) => {}
        }
        self.body = self.consumed + HEADER_BYTES..self.consumed + whole;
        self.consumed += whole;
        Ok(Some(header))
    }

    fn forget_consumed(&mut self) {
        self.buffer.drain(..self.consumed);
        self.heard = self.heard.saturating_sub(self.consumed);
        self.consumed = 0;
        self.body = 0..0;
    }

    /// The next header beyond what was heard ahead. Whether it may stand there is asked when its turn comes.
    fn next_unheard(&mut self) -> Result<Option<Header>, SessionError> {
        let at = self.heard.max(self.consumed);
        let rest = &self.buffer[at..];
        let Some(bytes) = rest.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let header = Header::decode(bytes)?;
        let whole = HEADER_BYTES + header.body_bytes as usize;
        if rest.len() < whole {
            return Ok(None);
        }
        self.heard = at + whole;
        Ok(Some(header))
    }

    /// Whether the record of the last header was heard ahead of its turn.
    fn was_heard(&self) -> bool {
        self.consumed <= self.heard
    }

    /// Whether a numbered record was not handed out before; one that was is passed over.
    fn is_new(&mut self, number: u64) -> Result<bool, SessionError> {
        let expected = self.received + 1;
        if number < expected {
            return Ok(false);
        }
        if number > expected {
            return Err(SessionError::Gap { expected, got: number });
        }
        self.received = number;
        self.unacked_records += 1;
        self.unacked_bytes += self.body.len() + HEADER_BYTES;
        Ok(true)
    }

    /// Whether an acknowledgement is due; it is taken as sent.
    fn owes_an_ack(&mut self) -> bool {
        let due =
            self.unacked_records >= self.ack_every_records || self.unacked_bytes >= self.ack_every_bytes;
        if due {
            self.unacked_records = 0;
            self.unacked_bytes = 0;
        }
        due
    }
}

#[cfg(test)]
mod tests;
