//! The client's half of a session: who waits for which answer, who has still to hear of which failure, and what is lost for good.
//!
//! Sans-IO: the clock comes in, and whoever drives the connection moves the bytes by [`Half`]. Not for what a call means.

use crate::call::{
    CONTEXT_GONE, CONTEXT_NEW, HostCallDue, NOTICE_FAILED, NOTICE_FATAL, NOTICE_FENCE, NOTICE_HOST_CALL,
    NOTICE_PATCH, NOTICE_PIECE, THREAD_GONE,
};
use crate::codec;
use crate::error::{CUDA_ERROR_LAUNCH_FAILED, CUDA_ERROR_UNKNOWN, Code, Lasting, lasting};
use crate::frame::{FLAG_ASKED, Header, RecordKind};
use crate::handle::Id;
use crate::limits::{DEAD_CONTEXTS_MAX, HOST_CALLS_MAX, PATCHES_BYTES_MAX};
use crate::session::{Full, Half, Limits, Session, SessionError};
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// The code when the session itself is lost: of the kind after which the process must end, as the GPU's memory is gone.
pub const SESSION_LOST: Code = CUDA_ERROR_LAUNCH_FAILED;

/// What the server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub code: Code,
    pub body: Vec<u8>,
}

impl Answer {
    /// The body, if the call succeeded.
    pub fn value<T: codec::Decode<()>>(&self) -> Result<T, Code> {
        self.check()?;
        codec::decode(&self.body).map_err(|_| CUDA_ERROR_UNKNOWN)
    }

    pub fn check(&self) -> Result<(), Code> {
        if self.code == 0 { Ok(()) } else { Err(self.code) }
    }
}

/// Why a call did not get into the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotPut {
    /// There is no room until the server acknowledges; the caller drives the connection and tries again.
    Full,
    /// It would fail, with this code, as everything does by now.
    Dead(Code),
}

/// Which rule the server broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error("it is the turn of more than {HOST_CALLS_MAX} functions of the program at once")]
    HostCalls,
    #[error("more than {PATCHES_BYTES_MAX} bytes of changes at once")]
    Patches,
    #[error("more than {DEAD_CONTEXTS_MAX} contexts are lost")]
    DeadContexts,
    #[error("a notice with a body of {got} bytes, which is none that it may have")]
    Notice { got: usize },
    #[error("a notice of something unknown, {op:#x}")]
    UnknownNotice { op: u32 },
    #[error("an answer to call {about}, which waits for none")]
    Unasked { about: u64 },
    #[error("a call, which only a client makes")]
    Called,
}

/// What came of a copy whose bytes land by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Landed {
    /// The bytes of its next part.
    Bytes { call: u64, bytes: Vec<u8> },
    /// All have come, or it failed with this code.
    End { call: u64, code: Code },
}

#[derive(Debug)]
pub struct Client {
    session: Session,
    /// Calls whose caller waits, and the answers that came before the caller looked.
    asked: HashMap<u64, Asked>,
    /// The first failure of a told call that its thread has not heard of.
    failed: HashMap<u16, Code>,
    /// For a slot that was given back: the record that said so. What failed before it is nobody's any more.
    departed: HashMap<u16, u64>,
    /// Slots given back while the log had no room to say so.
    departing: VecDeque<u16>,
    /// Nothing more will be executed, for this reason.
    dead: Option<Code>,
    /// Contexts that met an error which only their destruction ends.
    dead_contexts: HashMap<Id, Code>,
    host_calls: VecDeque<HostCallDue>,
    fence_passed: u64,
    /// Asked calls that nobody waits for, with their contexts, and what came of them.
    landing: HashMap<u64, Id>,
    landed: VecDeque<Landed>,
    /// What the GPU has changed of memory that it shares with the program.
    patches: VecDeque<Vec<u8>>,
    patches_bytes: usize,
    breach: Option<Breach>,
    /// An error that outlasts its call and was not told of yet.
    loss: Option<Code>,
    resume_grace: Duration,
    /// Without a connection, until when it may come back.
    resume_until: Option<Instant>,
    heard_bytes: u64,
}

#[derive(Debug)]
struct Asked {
    context: Id,
    answer: Option<Answer>,
}

impl Client {
    /// Before its first connection, for which [`Client::connected`] is called too.
    pub fn new(limits: Limits, resume_grace: Duration) -> Client {
        Client {
            session: Session::with_limits(limits),
            asked: HashMap::new(),
            failed: HashMap::new(),
            departed: HashMap::new(),
            departing: VecDeque::new(),
            dead: None,
            dead_contexts: HashMap::new(),
            host_calls: VecDeque::new(),
            fence_passed: 0,
            landing: HashMap::new(),
            landed: VecDeque::new(),
            patches: VecDeque::new(),
            patches_bytes: 0,
            breach: None,
            loss: None,
            resume_grace,
            resume_until: None,
            heard_bytes: 0,
        }
    }

    /// A new connection carries the session on.
    pub fn connected(&mut self) {
        self.session.reconnect();
        self.resume_until = None;
    }

    /// The connection is gone. What waits goes on waiting, until `resume_grace` is over.
    pub fn connection_lost(&mut self, now: Instant) {
        self.resume_until.get_or_insert(now + self.resume_grace);
    }

    /// How much longer the connection may stay away.
    pub fn may_resume_for(&self, now: Instant) -> Duration {
        self.resume_until.map_or(self.resume_grace, |until| until.saturating_duration_since(now))
    }

    /// Another connection could not be had, now or ever. Whether the session is lost with that.
    pub fn dial_failed(&mut self, for_ever: bool, now: Instant) -> bool {
        let over = for_ever || self.resume_until.is_some_and(|until| now >= until);
        if over {
            self.end(SESSION_LOST);
        }
        over
    }

    /// Every call from here on fails with this code, unless one was there before.
    pub fn end(&mut self, code: Code) {
        self.dead.get_or_insert(code);
    }

    pub fn dead(&self) -> Option<Code> {
        self.dead
    }

    /// Puts a call into the log and returns its number. `call` says whose it is, and whether an answer is waited for.
    pub fn put(&mut self, call: Header, body: &[&[u8]]) -> Result<u64, NotPut> {
        if let Some(code) = self.refusal(&call) {
            return Err(NotPut::Dead(code));
        }
        let context = Id(call.about);
        // The next owner of a slot comes after the end of the one before.
        if !self.departing.is_empty() && !self.all_depart() {
            return Err(NotPut::Full);
        }
        let number = self.session.push(call, body).map_err(|Full| NotPut::Full)?;
        if call.flags & FLAG_ASKED != 0 {
            self.asked.insert(number, Asked { context, answer: None });
        }
        Ok(number)
    }

    /// The error with which this call fails without being made, if there is one.
    pub fn refusal(&self, call: &Header) -> Option<Code> {
        let context = if needs_its_context(call.op) { Id(call.about) } else { Id(0) };
        self.pending_error(context)
    }

    /// What comes of this asked call is not waited for, but taken by [`Client::take_landed`] in the order in which it came.
    pub fn lands(&mut self, number: u64) {
        if let Some(asked) = self.asked.remove(&number) {
            self.landing.insert(number, asked.context);
        }
    }

    /// To be seen to before any answer that came behind it is looked at.
    pub fn take_landed(&mut self) -> Option<Landed> {
        self.landed.pop_front()
    }

    /// The next changes to memory that is shared. The same holds for them.
    pub fn take_patch(&mut self) -> Option<Vec<u8>> {
        let patch = self.patches.pop_front()?;
        self.patches_bytes -= patch.len();
        Some(patch)
    }

    pub fn has_patches(&self) -> bool {
        !self.patches.is_empty()
    }

    /// A call that was not waited for has failed: this thread hears of it.
    pub fn has_failed(&mut self, slot: u16, code: Code) {
        self.failed.entry(slot).or_insert(code);
    }

    /// Whether a call with so many bytes of body need not wait: there is room, or no hope.
    pub fn may_put(&self, body_bytes: usize) -> bool {
        let departing = self.departing.len() * crate::limits::HEADER_BYTES;
        self.dead.is_some() || self.session.has_room(body_bytes + departing)
    }

    /// The answer to an asked call, once; `None` while it may still come.
    pub fn take_answer(&mut self, number: u64) -> Option<Result<Answer, Code>> {
        match self.asked.get(&number) {
            Some(Asked { answer: None, .. }) if self.dead.is_none() => None,
            _ => {
                let answer = self.asked.remove(&number).and_then(|asked| asked.answer);
                Some(answer.ok_or(self.dead.unwrap_or(CUDA_ERROR_UNKNOWN)))
            }
        }
    }

    /// Whether [`Client::take_answer`] would give something.
    pub fn is_answered(&self, number: u64) -> bool {
        self.dead.is_some() || self.asked.get(&number).is_none_or(|asked| asked.answer.is_some())
    }

    /// The error that a call in this context must return before it does anything, if there is one.
    pub fn pending_error(&self, context: Id) -> Option<Code> {
        self.dead.or_else(|| self.dead_contexts.get(&context).copied())
    }

    /// Whether any call may have an error to hear of. While it is not so, [`Client::pending_error`] and [`Client::take_failure`] find none.
    pub fn is_troubled(&self) -> bool {
        self.dead.is_some() || !self.dead_contexts.is_empty() || !self.failed.is_empty()
    }

    /// A told call's failure that the thread in this slot has not heard of; it is forgotten with this.
    pub fn take_failure(&mut self, slot: u16) -> Option<Code> {
        if self.failed.is_empty() { None } else { self.failed.remove(&slot) }
    }

    pub fn context_gone(&mut self, context: Id) {
        self.dead_contexts.remove(&context);
    }

    /// The thread in this slot has ended; another may get the slot.
    pub fn thread_gone(&mut self, slot: u16) {
        self.failed.remove(&slot);
        if self.dead.is_none() && (!self.departing.is_empty() || !self.depart(slot)) {
            self.departing.push_back(slot);
        }
    }

    /// Says of every thread that has ended that it has; whether there was room for all.
    fn all_depart(&mut self) -> bool {
        while let Some(slot) = self.departing.pop_front() {
            if !self.depart(slot) {
                self.departing.push_front(slot);
                return false;
            }
        }
        true
    }

    fn depart(&mut self, slot: u16) -> bool {
        let gone = Header {
            kind: RecordKind::Call,
            op: THREAD_GONE,
            number: 0,
            about: 0,
            slot,
            flags: 0,
            code: 0,
            body_bytes: 0,
        };
        let told = self.session.push(gone, &[]);
        if let Ok(number) = told {
            self.departed.insert(slot, number);
        }
        told.is_ok()
    }

    /// The last fence of which the server said that everything before it is done.
    pub fn fence_passed(&self) -> u64 {
        self.fence_passed
    }

    /// A function of the program whose turn it is, or never will be.
    pub fn next_host_call(&mut self) -> Option<HostCallDue> {
        self.host_calls.pop_front()
    }

    /// A server that broke the protocol, once. It is not spoken with again: the session is lost already.
    pub fn take_breach(&mut self) -> Option<Breach> {
        self.breach.take()
    }

    /// The error that the server has just answered and that ends the process or a context, once.
    pub fn take_loss(&mut self) -> Option<Code> {
        self.loss.take()
    }

    /// Bytes of the bodies that came down, for the statistics.
    pub fn heard_bytes(&self) -> u64 {
        self.heard_bytes
    }

    /// The log below, for whoever looks at its limits.
    pub fn session(&self) -> &Session {
        &self.session
    }

    fn take_records(&mut self) -> Result<(), Breach> {
        while let Some(header) = self.session.next_record()? {
            let body = self.session.body();
            self.heard_bytes += body.len() as u64;
            match (header.kind, header.op) {
                (RecordKind::Reply, _) => self.take_reply(header)?,
                (RecordKind::Notice, NOTICE_FAILED) => {
                    let context = notice(body)?;
                    self.take_failed(header, context)?;
                }
                (RecordKind::Notice, NOTICE_FATAL) => {
                    let context = notice(body)?;
                    self.mourn(header.code, context)?;
                }
                (RecordKind::Notice, NOTICE_FENCE) => {
                    self.fence_passed = self.fence_passed.max(notice(body)?)
                }
                (RecordKind::Notice, NOTICE_PIECE) => {
                    let (call, prefix) =
                        codec::decode_prefix::<u64>(body).map_err(|_| Breach::Notice { got: body.len() })?;
                    if self.landing.contains_key(&call) {
                        self.landed.push_back(Landed::Bytes { call, bytes: body[prefix..].to_vec() });
                    }
                }
                (RecordKind::Notice, NOTICE_PATCH) => {
                    self.patches_bytes += body.len();
                    if self.patches_bytes > PATCHES_BYTES_MAX {
                        return Err(Breach::Patches);
                    }
                    self.patches.push_back(body.to_vec());
                }
                (RecordKind::Notice, NOTICE_HOST_CALL) => {
                    let due = notice(body)?;
                    if self.host_calls.len() >= HOST_CALLS_MAX {
                        return Err(Breach::HostCalls);
                    }
                    self.host_calls.push_back(due);
                }
                (RecordKind::Notice, op) => return Err(Breach::UnknownNotice { op }),
                (RecordKind::Call, _) => return Err(Breach::Called),
                // The log keeps these to itself.
                (RecordKind::Ack | RecordKind::Greeting, _) => {}
            }
        }
        Ok(())
    }

    /// An answer to a call that was not asked, or was answered before, is for nobody: whoever should have had it would wait for ever.
    fn take_reply(&mut self, header: Header) -> Result<(), Breach> {
        if let Some(context) = self.landing.remove(&header.about) {
            self.landed.push_back(Landed::End { call: header.about, code: header.code });
            // As below.
            let _ = self.mourn(header.code, context);
            return Ok(());
        }
        if self.dead.is_some() {
            // Whoever waited has been told.
            return Ok(());
        }
        let unasked = Breach::Unasked { about: header.about };
        let asked = self.asked.get_mut(&header.about).ok_or(unasked.clone())?;
        if asked.answer.is_some() {
            return Err(unasked);
        }
        asked.answer = Some(Answer { code: header.code, body: self.session.body().to_vec() });
        let context = asked.context;
        // Only contexts of the program's own calls can come here, so there cannot be too many.
        let _ = self.mourn(header.code, context);
        Ok(())
    }

    fn take_failed(&mut self, header: Header, context: Id) -> Result<(), Breach> {
        if self.mourn(header.code, context)? || header.code == 0 {
            return Ok(());
        }
        let slot = header.slot;
        let is_nobodys = self.departed.get(&slot).is_some_and(|departed| header.about < *departed)
            || self.departing.contains(&slot);
        if !is_nobodys {
            self.failed.entry(slot).or_insert(header.code);
        }
        Ok(())
    }

    /// Remembers an error that outlasts its call; whether it is one.
    fn mourn(&mut self, code: Code, context: Id) -> Result<bool, Breach> {
        match lasting(code) {
            Lasting::Process if self.dead.is_none() => {
                self.loss = Some(code);
                self.end(code);
            }
            Lasting::Process => {}
            Lasting::Context if self.dead_contexts.contains_key(&context) => {}
            Lasting::Context if context != Id(0) => {
                if self.dead_contexts.len() >= DEAD_CONTEXTS_MAX {
                    return Err(Breach::DeadContexts);
                }
                self.loss = Some(code);
                self.dead_contexts.insert(context, code);
            }
            Lasting::Context | Lasting::No => return Ok(false),
        }
        Ok(true)
    }
}

impl Half for Client {
    fn pending(&mut self) -> &[u8] {
        self.session.pending()
    }

    fn pending_block(&mut self) -> Option<Bytes> {
        self.session.pending_block()
    }

    fn taken(&mut self, bytes: usize) {
        self.session.taken(bytes);
    }

    /// Everything is taken at once: it is answers to what was asked.
    fn wants_bytes(&self) -> bool {
        self.breach.is_none()
    }

    fn room(&mut self) -> &mut [u8] {
        self.session.room()
    }

    fn received(&mut self, bytes: usize) {
        self.session.received(bytes);
        if let Err(breach) = self.take_records() {
            self.breach = Some(breach);
            self.end(SESSION_LOST);
        }
        // What arrived may have made room.
        self.all_depart();
    }
}

/// What the body of a notice says.
fn notice<T: codec::Decode<()>>(body: &[u8]) -> Result<T, Breach> {
    codec::decode(body).map_err(|_| Breach::Notice { got: body.len() })
}

/// Contexts come and go whatever the calling thread's own one has met.
fn needs_its_context(op: u32) -> bool {
    !matches!(op, CONTEXT_NEW | CONTEXT_GONE)
}

#[cfg(test)]
mod tests;
