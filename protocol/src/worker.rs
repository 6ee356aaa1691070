//! The worker's half of a session: calls come out of it once and in order, answers are kept in it until the client has them.
//!
//! Sans-IO. Not for executing calls.

use crate::call::NOTICE_FAILED;
use crate::codec::encode;
use crate::error::Code;
use crate::frame::{FLAG_ASKED, Header, RecordKind};
use crate::handle::Id;
use crate::session::{Full, Half, Limits, Session, SessionError};
use bytes::Bytes;
use std::collections::VecDeque;

/// Which call an answer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    pub number: u64,
    pub slot: u16,
    pub context: Id,
    pub asked: bool,
}

impl Asker {
    pub fn of(call: &Header) -> Asker {
        Asker {
            number: call.number,
            slot: call.slot,
            context: Id(call.about),
            asked: call.flags & FLAG_ASKED != 0,
        }
    }

    /// Whether the client is to hear of this outcome: of what was asked always, of what was told when it failed.
    pub fn hears_of(&self, code: Code) -> bool {
        self.asked || code != 0
    }
}

/// What to do with a record for which there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// Whoever brought it waits and brings it again.
    Wait,
    /// It is kept, and no call is taken before it has gone. For who takes the calls: nobody else lets the next connection in.
    Keep,
}

#[derive(Debug)]
pub struct Worker {
    session: Session,
    limits: Limits,
    /// What one call has left to say; see [`WhenFull::Keep`].
    kept: VecDeque<(Header, Vec<u8>)>,
    /// Somebody waits for room.
    stuck: bool,
    /// Why the session must end.
    broken: Option<SessionError>,
}

impl Worker {
    /// Before its first connection, for which [`Worker::connected`] is called too.
    pub fn new(limits: Limits) -> Worker {
        Worker {
            session: Session::with_limits(limits),
            limits,
            kept: VecDeque::new(),
            stuck: false,
            broken: None,
        }
    }

    /// A new connection carries the session on.
    pub fn connected(&mut self) {
        self.session.reconnect();
    }

    /// The next call, its body put into `body`. There is none while something is kept, and none any more after an error.
    pub fn next_call(&mut self, body: &mut Vec<u8>) -> Result<Option<Header>, SessionError> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        if !self.kept.is_empty() {
            return Ok(None);
        }
        let header = self.session.next_record().inspect_err(|error| self.broken = Some(error.clone()))?;
        if header.is_some() {
            body.clear();
            body.extend_from_slice(self.session.body());
        }
        Ok(header)
    }

    /// What became of a call. `Full` asks to try again once something has arrived: nothing is dropped.
    pub fn answer(&mut self, to: Asker, code: Code, body: &[&[u8]], when_full: WhenFull) -> Result<(), Full> {
        if to.asked {
            let kind = RecordKind::Reply;
            let header = Header { kind, about: to.number, flags: FLAG_ASKED, ..blank(to.slot, code) };
            self.push(header, body, when_full)
        } else if code != 0 {
            let (kind, op) = (RecordKind::Notice, NOTICE_FAILED);
            let header = Header { kind, op, about: to.number, ..blank(to.slot, code) };
            self.push(header, &[&encode(&to.context)], when_full)
        } else {
            Ok(())
        }
    }

    /// Tells the client something that it did not ask for.
    pub fn notice(&mut self, op: u32, body: &[u8], when_full: WhenFull) -> Result<(), Full> {
        self.push(Header { kind: RecordKind::Notice, op, ..blank(0, 0) }, &[body], when_full)
    }

    /// The log below, for whoever looks at its limits.
    pub fn session(&self) -> &Session {
        &self.session
    }

    fn push(&mut self, header: Header, body: &[&[u8]], when_full: WhenFull) -> Result<(), Full> {
        let mut pushed = self.try_push(header, body);
        if pushed.is_err() {
            // The acknowledgement that makes room must not wait for its turn behind calls: nobody may take these.
            self.push_kept();
            pushed = self.try_push(header, body);
        }
        if self.broken.is_some() {
            // Nobody will hear of it; whoever takes the calls learns why.
            return Ok(());
        }
        match (pushed, when_full) {
            (Ok(()), _) => self.stuck = false,
            (Err(Full), WhenFull::Keep) => self.kept.push_back((header, body.concat())),
            (Err(Full), WhenFull::Wait) => {
                self.stuck = true;
                return Err(Full);
            }
        }
        Ok(())
    }

    /// Nothing overtakes what is kept.
    fn try_push(&mut self, header: Header, body: &[&[u8]]) -> Result<(), Full> {
        if self.kept.is_empty() { self.session.push(header, body).map(drop) } else { Err(Full) }
    }

    /// What was kept goes once there is room.
    fn push_kept(&mut self) {
        self.hear_acks();
        while let Some((header, body)) = self.kept.pop_front() {
            if self.session.push(header, &[&body]).is_err() {
                return self.kept.push_front((header, body));
            }
        }
    }

    fn hear_acks(&mut self) {
        if let Err(error) = self.session.hear_acks() {
            self.broken.get_or_insert(error);
        }
    }
}

impl Half for Worker {
    fn pending(&mut self) -> &[u8] {
        self.session.pending()
    }

    fn pending_block(&mut self) -> Option<Bytes> {
        self.session.pending_block()
    }

    fn taken(&mut self, bytes: usize) {
        self.session.taken(bytes);
    }

    fn wants_bytes(&self) -> bool {
        let bytes_max = match self.stuck || !self.kept.is_empty() {
            false => self.limits.unread_bytes_max,
            true => self.limits.unread_bytes_max + self.limits.resend_bytes_max,
        };
        self.session.unread_bytes() < bytes_max
    }

    fn room(&mut self) -> &mut [u8] {
        self.session.room()
    }

    fn received(&mut self, bytes: usize) {
        self.session.received(bytes);
        if !self.kept.is_empty() {
            self.push_kept();
        }
    }
}

fn blank(slot: u16, code: Code) -> Header {
    Header { kind: RecordKind::Reply, op: 0, number: 0, about: 0, slot, flags: 0, code, body_bytes: 0 }
}

#[cfg(test)]
mod tests;
