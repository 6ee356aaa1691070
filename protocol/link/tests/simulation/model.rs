//! What must come out, by a model so plain that one sees that it is right: lists of what was put in, and the rules of the
//! design's section 4.5 told a second time.

use farwarp_protocol::client::Answer;
use farwarp_protocol::error::{Code, Lasting, lasting};
use farwarp_protocol::handle::Id;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// One thread of the program, never to return; its slot may.
pub type Thread = u32;

/// A call as the program made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub thread: Thread,
    pub slot: u16,
    pub context: Id,
    pub op: u32,
    pub asked: bool,
    pub body: Vec<u8>,
}

/// What the worker put into its log.
#[derive(Debug, Clone)]
pub enum Said {
    Answer { to: u64, code: Code },
    Failed { call: u64, code: Code },
    HostCall { token: u64 },
}

#[derive(Default)]
pub struct Model {
    /// By number.
    pub calls: BTreeMap<u64, Call>,
    /// Slots given back, in order; their records may come a little later.
    gone: VecDeque<u16>,
    /// The last call that was executed.
    pub executed: u64,
    /// What each executed call answered.
    answers: HashMap<u64, Answer>,
    said: Vec<Said>,
    /// How many of those the client has taken.
    heard: usize,
    ended_threads: BTreeSet<Thread>,
    failed: BTreeMap<Thread, Code>,
    pub dead: Option<Code>,
    dead_contexts: BTreeMap<Id, Code>,
    /// Answers that came, by the call.
    came: BTreeSet<u64>,
    pub host_calls: VecDeque<u64>,
    /// Functions that the driver would not queue: they never run.
    pub refused_host_calls: BTreeSet<u64>,
}

impl Model {
    pub fn put(&mut self, number: u64, call: Call) {
        let before = self.calls.last_key_value().map_or(0, |(last, _)| *last);
        assert!(number > before, "call {number} was put after {before}");
        self.calls.insert(number, call);
    }

    pub fn thread_gone(&mut self, thread: Thread, slot: u16) {
        self.ended_threads.insert(thread);
        self.failed.remove(&thread);
        self.gone.push_back(slot);
    }

    /// The worker executes this call: it must be the next one, as it was put.
    pub fn execute(&mut self, number: u64, found: &Call) {
        assert_eq!(number, self.executed + 1, "executed out of turn");
        self.executed = number;
        if let Some(call) = self.calls.get(&number) {
            let same = (call.slot, call.context, call.op, call.asked, &call.body);
            assert_eq!(
                same,
                (found.slot, found.context, found.op, found.asked, &found.body),
                "call {number} is not what was put"
            );
        } else {
            assert_eq!(found.op, farwarp_protocol::call::THREAD_GONE, "call {number} was never made");
            assert_eq!(Some(found.slot), self.gone.pop_front(), "of another thread than has ended");
        }
    }

    pub fn answered(&mut self, number: u64, code: Code, body: Vec<u8>) {
        assert!(self.answers.insert(number, Answer { code, body }).is_none(), "call {number} answered twice");
    }

    /// The worker put a record into its log.
    pub fn say(&mut self, said: Said) {
        self.said.push(said);
    }

    /// The client has taken the first `count` records of the worker's log: now it must know what they say.
    pub fn hear(&mut self, count: u64) {
        assert!(count as usize >= self.heard && count as usize <= self.said.len(), "records out of nothing");
        while self.heard < count as usize {
            let said = self.said[self.heard].clone();
            self.heard += 1;
            match said {
                Said::Answer { to, code } => {
                    if self.dead.is_none() {
                        self.came.insert(to);
                    }
                    self.mourn(code, to);
                }
                Said::Failed { call, code } => {
                    let thread = self.calls[&call].thread;
                    if !self.mourn(code, call) && !self.ended_threads.contains(&thread) {
                        self.failed.entry(thread).or_insert(code);
                    }
                }
                Said::HostCall { token } => self.host_calls.push_back(token),
            }
        }
    }

    fn mourn(&mut self, code: Code, call: u64) -> bool {
        let context = self.calls.get(&call).map_or(Id(0), |call| call.context);
        match lasting(code) {
            Lasting::Process => {
                self.dead.get_or_insert(code);
                true
            }
            Lasting::Context if context != Id(0) => {
                self.dead_contexts.entry(context).or_insert(code);
                true
            }
            _ => false,
        }
    }

    pub fn pending_error(&self, context: Id) -> Option<Code> {
        self.dead.or(self.dead_contexts.get(&context).copied())
    }

    pub fn take_failure(&mut self, thread: Thread) -> Option<Code> {
        self.failed.remove(&thread)
    }

    pub fn context_gone(&mut self, context: Id) {
        self.dead_contexts.remove(&context);
    }

    /// What a caller must get by now; `None` while it has to wait.
    pub fn expected_answer(&mut self, number: u64) -> Option<Result<Answer, Code>> {
        match self.came.remove(&number) {
            true => Some(Ok(self.answers[&number].clone())),
            false => self.dead.map(Err),
        }
    }

    pub fn state(&self) -> String {
        let (put, executed) = (self.calls.keys().last(), self.executed);
        let (said, heard, gone) = (self.said.len(), self.heard, &self.gone);
        format!(
            "{put:?} put, {executed} executed, {said} said, {heard} heard, slots to be given back {gone:?}"
        )
    }

    /// Everything that was put was executed, and everything that was said was heard.
    pub fn is_carried(&self) -> bool {
        let last = self.calls.last_key_value().map_or(0, |(last, _)| *last);
        self.executed >= last && self.gone.is_empty() && self.heard == self.said.len()
    }
}
