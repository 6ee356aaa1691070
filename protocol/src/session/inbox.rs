//! The peer's log as far as it has arrived.

use super::{Limits, SessionError};
use crate::frame::{Header, RecordKind};
use crate::limits::{HEADER_BYTES, INBOX_BYTES_KEPT};
use std::ops::Range;

#[derive(Debug)]
pub struct Inbox {
    limits: Limits,
    /// Number of the last record handed out.
    received: u64,
    /// Room for what arrives. Up to `filled` it holds what this connection brought and was not yet handed out, behind `consumed` bytes
    /// that were.
    buffer: Vec<u8>,
    consumed: usize,
    filled: usize,
    /// Where the body of the record last handed out lies.
    body: Range<usize>,
    greeted: bool,
    /// Up to here acknowledgements were taken, ahead of the records between them.
    heard: usize,
    /// Numbered records and bytes since the last acknowledgement.
    unacked_records: u64,
    unacked_bytes: usize,
}

impl Inbox {
    pub fn new(limits: Limits) -> Inbox {
        Inbox {
            limits,
            received: 0,
            buffer: Vec::new(),
            consumed: 0,
            filled: 0,
            body: 0..0,
            greeted: false,
            heard: 0,
            unacked_records: 0,
            unacked_bytes: 0,
        }
    }

    pub fn received(&self) -> u64 {
        self.received
    }

    pub fn reconnect(&mut self) {
        self.filled = 0;
        self.consumed = 0;
        self.heard = 0;
        self.body = 0..0;
        self.greeted = false;
    }

    /// Where the next bytes are to be put: `read_bytes` of them.
    pub fn room(&mut self) -> &mut [u8] {
        if self.buffer.len() - self.filled < self.limits.read_bytes {
            self.forget_consumed();
            let needed = self.filled + self.limits.read_bytes;
            if self.buffer.len() < needed {
                self.buffer.resize(needed.next_power_of_two(), 0);
            }
        }
        &mut self.buffer[self.filled..][..self.limits.read_bytes]
    }

    /// So many bytes were put there.
    pub fn put(&mut self, bytes: usize) {
        self.filled += bytes;
    }

    pub fn body(&self) -> &[u8] {
        &self.buffer[self.body.clone()]
    }

    /// Bytes that arrived and belong to records not yet handed out.
    pub fn unread_bytes(&self) -> usize {
        self.filled - self.consumed
    }

    pub fn next_header(&mut self) -> Result<Option<Header>, SessionError> {
        let rest = &self.buffer[self.consumed..self.filled];
        let Some(bytes) = rest.first_chunk::<HEADER_BYTES>() else {
            self.begin_anew_when_empty();
            return Ok(None);
        };
        let header = Header::decode(bytes)?;
        let whole = HEADER_BYTES + header.body_bytes as usize;
        if rest.len() < whole {
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

    /// What is left is moved to the front only when room is short, so each byte moves seldom; nothing need be moved when nothing is left.
    fn begin_anew_when_empty(&mut self) {
        if self.consumed == self.filled {
            self.forget_consumed();
            if self.buffer.len() > INBOX_BYTES_KEPT {
                self.buffer = Vec::new();
            }
        }
    }

    fn forget_consumed(&mut self) {
        self.buffer.copy_within(self.consumed..self.filled, 0);
        self.filled -= self.consumed;
        self.heard = self.heard.saturating_sub(self.consumed);
        self.consumed = 0;
        self.body = 0..0;
    }

    /// The next header beyond what was heard ahead. Whether it may stand there is asked when its turn comes.
    pub fn next_unheard(&mut self) -> Result<Option<Header>, SessionError> {
        let at = self.heard.max(self.consumed);
        let rest = &self.buffer[at..self.filled];
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
    pub fn was_heard(&self) -> bool {
        self.consumed <= self.heard
    }

    /// Whether a numbered record was not handed out before; one that was is passed over.
    pub fn is_new(&mut self, number: u64) -> Result<bool, SessionError> {
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
    pub fn owes_an_ack(&mut self) -> bool {
        let due = self.unacked_records >= self.limits.ack_every_records
            || self.unacked_bytes >= self.limits.ack_every_bytes;
        if due {
            self.unacked_records = 0;
            self.unacked_bytes = 0;
        }
        due
    }
}
