//! The server: a gate that knows whether the session lives, and a worker made of the real session code around a model of a GPU.
//!
//! The worker's loop is told here as `server/src/worker.rs` has it: one executor, which never waits, and waiters beside it.

use crate::model::{Call, Model, Said};
use crate::random::{Random, mix};
use crate::wire::End;
use farwarp_link::{Link, carry};
use farwarp_protocol::call::{CONTEXT_GONE, HOST_CALL, HostCallDue, NOTICE_HOST_CALL, THREAD_GONE};
use farwarp_protocol::codec::encode;
use farwarp_protocol::error::{Code, Lasting, lasting};
use farwarp_protocol::handle::Id;
use farwarp_protocol::session::{Full, Limits};
use farwarp_protocol::worker::{Asker, WhenFull, Worker};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// What a call asks of the model GPU; the first bytes of its body.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    pub code: Code,
    pub answer_bytes: u16,
    /// How long the GPU takes for it; none is answered on the spot.
    pub takes_ms: u16,
    pub token: u64,
}

pub const WISH_BYTES: usize = 16;

impl Wish {
    pub fn encode(self) -> Vec<u8> {
        let mut bytes = self.code.to_le_bytes().to_vec();
        bytes.extend(self.answer_bytes.to_le_bytes());
        bytes.extend(self.takes_ms.to_le_bytes());
        bytes.extend(self.token.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Wish {
        Wish {
            code: i32::from_le_bytes(bytes[0..4].try_into().unwrap()),
            answer_bytes: u16::from_le_bytes(bytes[4..6].try_into().unwrap()),
            takes_ms: u16::from_le_bytes(bytes[6..8].try_into().unwrap()),
            token: u64::from_le_bytes(bytes[8..16].try_into().unwrap()),
        }
    }
}

/// Something to be said, by a thread of the worker's.
struct Words {
    due: Instant,
    what: What,
}

enum What {
    Answer { asker: Asker, code: Code, body: Vec<u8> },
    HostCall { token: u64 },
}

pub struct Server {
    /// The session's worker; `None` when it is gone, for good.
    worker: Option<Worker>,
    limits: Limits,
    link: Option<End>,
    epoch: u32,
    lost_since: Option<Instant>,
    grace: Duration,
    /// Until when nobody listens at the gate.
    gate_away_until: Option<Instant>,
    /// Changes with every call, so that nothing executed twice could answer the same.
    memory: u64,
    fatal: Option<Code>,
    fatal_contexts: BTreeMap<Id, Code>,
    waiters: VecDeque<Words>,
    body: Vec<u8>,
}

impl Server {
    pub fn new(limits: Limits, grace: Duration) -> Server {
        Server {
            worker: Some(Worker::new(limits)),
            limits,
            link: None,
            epoch: 0,
            lost_since: None,
            grace,
            gate_away_until: None,
            memory: 1,
            fatal: None,
            fatal_contexts: BTreeMap::new(),
            waiters: VecDeque::new(),
            body: Vec::new(),
        }
    }

    pub fn is_alive(&self) -> bool {
        self.worker.is_some()
    }

    pub fn gate_listens(&self, now: Instant) -> bool {
        self.gate_away_until.is_none_or(|until| now >= until)
    }

    pub fn die(&mut self) {
        (self.worker, self.link) = (None, None);
    }

    /// A gate takes its workers with it, and the next one knows none of them.
    pub fn restart_gate(&mut self, until: Instant) {
        self.die();
        self.gate_away_until = Some(until);
    }

    /// A data connection has proven its session. Whether it was taken.
    pub fn connect(&mut self, link: End, epoch: u32) -> bool {
        let Some(worker) = self.worker.as_mut() else { return false };
        if epoch <= self.epoch {
            return false;
        }
        self.epoch = epoch;
        worker.connected();
        self.link = Some(link);
        self.lost_since = None;
        true
    }

    /// Moves bytes, as executor and keeper do.
    pub fn drive(&mut self, now: Instant) {
        if self.lost_since.is_some_and(|since| now >= since + self.grace) {
            return self.die();
        }
        let (Some(worker), Some(link)) = (self.worker.as_mut(), self.link.as_mut()) else { return };
        if carry(worker, link as &mut dyn Link, now).is_err() {
            self.link = None;
            self.lost_since = Some(now);
        }
        let session = worker.session();
        assert!(session.kept_bytes() <= self.limits.resend_bytes_max, "answers beyond the limit");
        let unread_max = self.limits.unread_bytes_max + self.limits.resend_bytes_max + self.limits.read_bytes;
        assert!(session.unread_bytes() <= unread_max, "{} bytes unread", session.unread_bytes());
    }

    /// The executor's next call.
    pub fn execute(&mut self, model: &mut Model, now: Instant, random: &mut Random) {
        let Some(worker) = self.worker.as_mut() else { return };
        let header = match worker.next_call(&mut self.body) {
            Ok(Some(header)) => header,
            Ok(None) => return,
            Err(error) => panic!("the worker takes the client for a liar: {error}"),
        };
        let asker = Asker::of(&header);
        let call = Call {
            thread: 0,
            slot: asker.slot,
            context: asker.context,
            op: header.op,
            asked: asker.asked,
            body: self.body.clone(),
        };
        model.execute(header.number, &call);
        if call.op != THREAD_GONE {
            self.compute(model, asker, &call, now, random);
        }
    }

    /// The call as a driver would do it: what is lost stays lost.
    fn compute(&mut self, model: &mut Model, asker: Asker, call: &Call, now: Instant, random: &mut Random) {
        let wish = Wish::decode(&call.body);
        self.memory = mix(self.memory ^ mix(asker.number) ^ call.body.len() as u64);
        let lost = self.fatal.or(self.fatal_contexts.get(&call.context).copied());
        let code = if call.op == CONTEXT_GONE { 0 } else { lost.unwrap_or(wish.code) };
        if call.op == CONTEXT_GONE {
            self.fatal_contexts.remove(&call.context);
        }
        match lasting(code) {
            Lasting::Process => _ = self.fatal.get_or_insert(code),
            Lasting::Context => _ = self.fatal_contexts.entry(call.context).or_insert(code),
            Lasting::No => {}
        }
        if call.op == HOST_CALL && code == 0 {
            let due = now + Duration::from_millis(random.below(20));
            self.waiters.push_back(Words { due, what: What::HostCall { token: wish.token } });
        } else if call.op == HOST_CALL {
            model.refused_host_calls.insert(wish.token);
        }
        if !asker.hears_of(code) {
            return;
        }
        let bytes = if code == 0 { wish.answer_bytes } else { 0 };
        let body: Vec<u8> = (0..u64::from(bytes)).map(|at| mix(self.memory ^ at) as u8).collect();
        if asker.asked {
            model.answered(asker.number, code, body.clone());
        }
        let due = now + Duration::from_millis(wish.takes_ms.into());
        let words = Words { due, what: What::Answer { asker, code, body } };
        if wish.takes_ms > 0 && asker.asked {
            self.waiters.push_back(words);
        } else if let Some(worker) = self.worker.as_mut() {
            let left = say(worker, model, words, WhenFull::Keep);
            assert!(left.is_none(), "the executor never waits");
        }
    }

    /// Waiters whose time has come speak, in any order; those that find no room try again.
    pub fn finish(&mut self, model: &mut Model, now: Instant, random: &mut Random) {
        for _ in 0..self.waiters.len() {
            let Some(words) = self.waiters.pop_front() else { return };
            let left = match self.worker.as_mut() {
                Some(worker) if words.due <= now && !random.permille(200) => {
                    say(worker, model, words, WhenFull::Wait)
                }
                _ => Some(words),
            };
            self.waiters.extend(left);
        }
    }

    /// For whoever looks for the reason of a failure.
    pub fn state(&self) -> String {
        let session = self.worker.as_ref().map(Worker::session);
        let bytes = session.map(|session| (session.kept_bytes(), session.unread_bytes()));
        format!("worker: kept and unread bytes {bytes:?}, {} waiters", self.waiters.len())
    }

    /// Nothing is left to be said.
    pub fn is_quiet(&self) -> bool {
        self.waiters.is_empty()
    }
}

/// Puts the words into the log, or gives them back.
fn say(worker: &mut Worker, model: &mut Model, words: Words, when_full: WhenFull) -> Option<Words> {
    let said = match &words.what {
        What::Answer { asker, code, body } => {
            let number = asker.number;
            let said = match asker.asked {
                true => Said::Answer { to: number, code: *code },
                false => Said::Failed { call: number, code: *code },
            };
            worker.answer(*asker, *code, &[body], when_full).map(|()| said)
        }
        What::HostCall { token } => {
            let said = Said::HostCall { token: *token };
            let due = HostCallDue { token: *token, code: 0, refused: false };
            worker.notice(NOTICE_HOST_CALL, &encode(&due), when_full).map(|()| said)
        }
    };
    match said {
        Ok(said) => {
            model.say(said);
            None
        }
        Err(Full) => Some(words),
    }
}
