//! Our log: the unacknowledged tail of it, as the bytes that go on the wire. Positions count bytes of the whole log.
//!
//! What is written goes into blocks. A full block is never changed or moved again, so the connection can hold it without a copy of its own;
//! when both it and the log have let go of it, its memory serves the next block.

use super::{Full, Limits, SessionError};
use crate::frame::Header;
use crate::limits::{BLOCKS_KEPT_MAX, HEADER_BYTES};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

#[derive(Debug)]
pub struct Outbox {
    limits: Limits,
    /// Number of the last record.
    last: u64,
    /// Number of the last acknowledged record, and where it ends.
    acked: u64,
    acked_end: u64,
    /// The wire bytes of the log: full blocks, and the one that is being filled, which begins at `base`.
    full: VecDeque<Block>,
    filling: Vec<u8>,
    base: u64,
    spare: Arc<Spare>,
    /// Where each unacknowledged record ends.
    ends: VecDeque<u64>,
    /// How much of the log the connection took, and how many unacknowledged records that is in full.
    sent: u64,
    sent_records: usize,
    /// Nothing of the log leaves before the peer has said what it has.
    held: bool,
}

#[derive(Debug)]
struct Block {
    begin: u64,
    bytes: Bytes,
}

impl Block {
    fn end(&self) -> u64 {
        self.begin + self.bytes.len() as u64
    }
}

impl Outbox {
    pub fn new(limits: Limits) -> Outbox {
        Outbox {
            limits,
            last: 0,
            acked: 0,
            acked_end: 0,
            full: VecDeque::new(),
            filling: Vec::new(),
            base: 0,
            spare: Arc::default(),
            ends: VecDeque::new(),
            sent: 0,
            sent_records: 0,
            held: false,
        }
    }

    /// Bytes that are not acknowledged.
    pub fn kept_bytes(&self) -> usize {
        (self.end() - self.acked_end) as usize
    }

    /// Records that are not acknowledged.
    pub fn kept_records(&self) -> usize {
        self.ends.len()
    }

    fn end(&self) -> u64 {
        self.base + self.filling.len() as u64
    }

    pub fn has_room(&self, body_bytes: usize) -> bool {
        self.kept_bytes() + HEADER_BYTES + body_bytes <= self.limits.resend_bytes_max
    }

    pub fn push(&mut self, mut header: Header, body: &[&[u8]], body_bytes: usize) -> Result<u64, Full> {
        if !self.has_room(body_bytes) {
            return Err(Full);
        }
        self.last += 1;
        header.number = self.last;
        self.write(&header.encode());
        for part in body {
            self.write(part);
        }
        self.ends.push_back(self.end());
        Ok(self.last)
    }

    /// A record may lie in several blocks.
    fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(self.limits.block_bytes - self.filling.len()));
            self.filling.extend_from_slice(now);
            bytes = later;
            if self.filling.len() == self.limits.block_bytes {
                self.seal();
            }
        }
    }

    fn seal(&mut self) {
        let filled = std::mem::replace(&mut self.filling, self.spare.take(self.limits.block_bytes));
        let bytes = Bytes::from_owner(Filled { bytes: filled, spare: self.spare.clone() });
        self.full.push_back(Block { begin: self.base, bytes });
        self.base += self.limits.block_bytes as u64;
    }

    pub fn reconnect(&mut self) {
        // A peer that was never sent anything has nothing to say about it.
        self.held = self.sent > 0;
    }

    pub fn greeted(&mut self, number: u64) -> Result<(), SessionError> {
        self.acknowledged(number)?;
        if self.held {
            self.sent = self.acked_end;
            self.sent_records = 0;
            self.held = false;
        }
        Ok(())
    }

    pub fn acknowledged(&mut self, number: u64) -> Result<(), SessionError> {
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
            self.let_go();
        }
        Ok(())
    }

    /// Of what is acknowledged.
    fn let_go(&mut self) {
        while self.full.front().is_some_and(|block| block.end() <= self.acked_end) {
            self.full.pop_front();
        }
        if self.acked_end == self.end() {
            self.filling.clear();
            self.base = self.acked_end;
        }
    }

    /// What is to be sent next, as far as it lies together.
    pub fn pending(&self) -> &[u8] {
        match self.block_to_send() {
            _ if self.held => &[],
            Some(block) => &block.bytes[(self.sent - block.begin) as usize..],
            None => &self.filling[(self.sent - self.base) as usize..],
        }
    }

    /// The same, where it will not change any more.
    pub fn pending_block(&self) -> Option<Bytes> {
        let block = self.block_to_send().filter(|_| !self.held)?;
        Some(block.bytes.slice((self.sent - block.begin) as usize..))
    }

    fn block_to_send(&self) -> Option<&Block> {
        let index = self.full.partition_point(|block| block.end() <= self.sent);
        self.full.get(index)
    }

    pub fn taken(&mut self, bytes: usize) {
        self.sent += bytes as u64;
        while self.ends.get(self.sent_records).is_some_and(|end| *end <= self.sent) {
            self.sent_records += 1;
        }
    }

    /// Whether the connection took a part of a record and waits for the rest of it.
    pub fn inside_a_record(&self) -> bool {
        let begin = match self.sent_records {
            0 => self.acked_end,
            records => self.ends[records - 1],
        };
        !self.held && self.sent > begin
    }
}

/// Memory of blocks that nobody holds any more: memory that was written before costs no page faults.
#[derive(Debug, Default)]
struct Spare(Mutex<Vec<Vec<u8>>>);

impl Spare {
    fn take(&self, block_bytes: usize) -> Vec<u8> {
        let spare = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop();
        spare.unwrap_or_else(|| Vec::with_capacity(block_bytes))
    }

    fn put(&self, mut bytes: Vec<u8>) {
        bytes.clear();
        let mut kept = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if kept.len() < BLOCKS_KEPT_MAX {
            kept.push(bytes);
        }
    }
}

/// A full block, which goes back to the spare ones when its last reader drops it.
struct Filled {
    bytes: Vec<u8>,
    spare: Arc<Spare>,
}

impl AsRef<[u8]> for Filled {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        self.spare.put(std::mem::take(&mut self.bytes));
    }
}
