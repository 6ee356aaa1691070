//! The program: threads that make calls through the real client core, as the shim does it for them, and compare what they get.

use crate::model::{Call, Model, Thread};
use crate::random::Random;
use crate::server::{WISH_BYTES, Wish};
use farwarp_protocol::call::{CONTEXT_GONE, HOST_CALL, HOST_CALL_DONE, HostCallDue, op};
use farwarp_protocol::client::{Client, NotPut};
use farwarp_protocol::error::{
    CUDA_ERROR_ASSERT, CUDA_ERROR_ILLEGAL_ADDRESS, CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_OUT_OF_MEMORY, Code,
};
use farwarp_protocol::frame::{FLAG_ASKED, Header, RecordKind};
use farwarp_protocol::handle::Id;
use std::collections::{BTreeSet, VecDeque};

const TELL: u32 = op("cuMemsetD8Async");
const ASK: u32 = op("cuMemGetInfo_v2");
const SYNCHRONIZE: u32 = op("cuCtxSynchronize");
const COPY_OUT: u32 = op("cuMemcpyDtoH_v2");

/// How often what happens, in a thousand calls.
#[derive(Clone, Copy)]
pub struct Habits {
    pub fails: u64,
    pub fails_for_ever: u64,
    pub loses_context: u64,
    pub body_bytes: u64,
    pub answer_bytes: u64,
    pub asks: u64,
    pub copies_out: u64,
    pub synchronizes: u64,
    pub ends_thread: u64,
    pub host_calls: u64,
    pub leaves_context: u64,
}

/// What a thread is in the middle of.
enum Doing {
    Nothing,
    /// A call that waits for room, and how many answers are asked ahead of the first wait.
    Putting {
        call: Call,
        more: Vec<Call>,
    },
    Waiting,
}

struct Worker {
    id: Thread,
    slot: u16,
    context: Id,
    doing: Doing,
    /// Asked and not answered, in order.
    awaited: VecDeque<(u64, u32)>,
    calls_left: u64,
}

pub struct Program {
    threads: Vec<Worker>,
    habits: Habits,
    next_thread: Thread,
    next_context: u64,
    next_token: u64,
    tokens: BTreeSet<u64>,
    /// The helper's own calls that wait for room.
    helper: VecDeque<Call>,
    pub done_host_calls: u64,
    pub calls: u64,
    pub waited_for_room: u64,
}

impl Program {
    pub fn new(threads: u64, calls: u64, habits: Habits) -> Program {
        let mut program = Program {
            threads: Vec::new(),
            habits,
            next_thread: 1,
            next_context: 3,
            next_token: 1,
            tokens: BTreeSet::new(),
            helper: VecDeque::new(),
            done_host_calls: 0,
            calls: 0,
            waited_for_room: 0,
        };
        for slot in 1..=threads {
            // Two contexts to begin with: some threads share one.
            let context = Id(1 + slot % 2);
            program.start_thread(slot as u16, context, calls);
        }
        program
    }

    fn start_thread(&mut self, slot: u16, context: Id, calls_left: u64) {
        let id = self.next_thread;
        self.next_thread += 1;
        let (doing, awaited) = (Doing::Nothing, VecDeque::new());
        self.threads.push(Worker { id, slot, context, doing, awaited, calls_left });
    }

    pub fn threads(&self) -> usize {
        self.threads.len()
    }

    /// Whether every thread has made its calls and has its answers, and every function its turn.
    pub fn is_done(&self, client: &Client, model: &Model) -> bool {
        let idle = |thread: &Worker| matches!(thread.doing, Doing::Nothing) && thread.calls_left == 0;
        self.threads.iter().all(idle)
            && (client.dead().is_some()
                || (self.helper.is_empty() && self.tokens.is_subset(&model.refused_host_calls)))
    }

    pub fn state(&self) -> String {
        let threads: Vec<String> = self
            .threads
            .iter()
            .map(|thread| {
                let doing = match thread.doing {
                    Doing::Nothing => "nothing",
                    Doing::Putting { .. } => "a call",
                    Doing::Waiting => "a wait",
                };
                format!(
                    "{} does {doing}, awaits {:?}, has {} to go",
                    thread.id, thread.awaited, thread.calls_left
                )
            })
            .collect();
        format!("threads: {threads:?}; functions to come {:?}, done {}", self.tokens, self.helper.len())
    }

    /// One turn of one thread.
    pub fn step(&mut self, which: usize, client: &mut Client, model: &mut Model, random: &mut Random) {
        let thread = &mut self.threads[which];
        match std::mem::replace(&mut thread.doing, Doing::Nothing) {
            Doing::Nothing if thread.calls_left > 0 => {
                thread.calls_left -= 1;
                self.calls += 1;
                self.begin(which, client, model, random);
            }
            Doing::Nothing => {}
            Doing::Putting { call, more } => self.put(which, call, more, client, model),
            Doing::Waiting => self.look(which, client, model),
        }
    }

    /// What the helper does: functions whose turn it is run, and the server hears that they have.
    pub fn help(&mut self, client: &mut Client, model: &mut Model) {
        while let Some(HostCallDue { token, .. }) = client.next_host_call() {
            assert_eq!(model.host_calls.pop_front(), Some(token), "a function out of turn");
            assert!(self.tokens.remove(&token), "function {token} has run already");
            self.done_host_calls += 1;
            let wish = Wish { code: 0, answer_bytes: 0, takes_ms: 0, token };
            let call = Call {
                thread: 0,
                slot: 0,
                context: Id(0),
                op: HOST_CALL_DONE,
                asked: false,
                body: wish.encode(),
            };
            self.helper.push_back(call);
        }
        while let Some(call) = self.helper.pop_front() {
            match client.put(header(&call), &[&call.body]) {
                Ok(number) => model.put(number, call),
                Err(NotPut::Dead(code)) => assert_eq!(Some(code), model.dead),
                Err(NotPut::Full) => return self.helper.push_front(call),
            }
        }
    }

    fn begin(&mut self, which: usize, client: &mut Client, model: &mut Model, random: &mut Random) {
        let habits = self.habits;
        let (slot, context) = (self.threads[which].slot, self.threads[which].context);
        if random.permille(habits.ends_thread) {
            return self.end_thread(which, client, model);
        }
        if random.permille(habits.leaves_context) {
            let call = self.call(which, CONTEXT_GONE, true, 0, random);
            return self.put(which, call, Vec::new(), client, model);
        }
        // As `in_context` and `in_context_hearing` of the shim do it.
        let pending = client.pending_error(context);
        assert_eq!(pending, model.pending_error(context), "what every call must return");
        if pending.is_some() {
            return;
        }
        let synchronizes = random.permille(habits.synchronizes);
        if !synchronizes {
            let failure = client.take_failure(slot);
            assert_eq!(
                failure,
                model.take_failure(self.threads[which].id),
                "thread {}",
                self.threads[which].id
            );
            if failure.is_some() {
                return;
            }
        }
        let mut more = Vec::new();
        let call = if synchronizes {
            self.call(which, SYNCHRONIZE, true, 0, random)
        } else if random.permille(habits.copies_out) {
            let pieces = random.between(1, 6);
            more =
                (1..pieces).map(|_| self.call(which, COPY_OUT, true, habits.answer_bytes, random)).collect();
            self.call(which, COPY_OUT, true, habits.answer_bytes, random)
        } else if random.permille(habits.host_calls) {
            let mut call = self.call(which, HOST_CALL, false, 0, random);
            let wish = Wish { code: 0, answer_bytes: 0, takes_ms: 0, token: self.next_token };
            (call.body, self.next_token) = (wish.encode(), self.next_token + 1);
            call
        } else {
            let asked = random.permille(habits.asks);
            self.call(which, if asked { ASK } else { TELL }, asked, 100, random)
        };
        self.put(which, call, more, client, model);
    }

    fn call(&self, which: usize, op: u32, asked: bool, answer_bytes: u64, random: &mut Random) -> Call {
        let (thread, habits) = (&self.threads[which], self.habits);
        let code = if op == CONTEXT_GONE { 0 } else { code(habits, random) };
        let wish = Wish {
            code,
            answer_bytes: random.below(answer_bytes + 1) as u16,
            takes_ms: if random.permille(300) { random.below(30) as u16 } else { 0 },
            token: 0,
        };
        let mut body = wish.encode();
        body.resize(WISH_BYTES + random.below(habits.body_bytes + 1) as usize, random.next() as u8);
        Call { thread: thread.id, slot: thread.slot, context: thread.context, op, asked, body }
    }

    fn put(&mut self, which: usize, call: Call, mut more: Vec<Call>, client: &mut Client, model: &mut Model) {
        let thread = &mut self.threads[which];
        // The body goes in two parts, as a copy's does.
        let (front, back) = call.body.split_at(WISH_BYTES);
        match client.put(header(&call), &[front, back]) {
            Err(NotPut::Full) => {
                self.waited_for_room += 1;
                let whole = call.body.len();
                assert!(!client.may_put(whole), "a call waits for room that is there");
                thread.doing = Doing::Putting { call, more };
            }
            Err(NotPut::Dead(code)) => {
                assert_eq!(Some(code), model.pending_error(thread.context), "why a call is refused");
                // What was asked before it is not waited for: the shim's copy returns at once.
                thread.awaited.clear();
                if call.op == CONTEXT_GONE {
                    assert_eq!(client.dead(), Some(code), "a context that is lost can always be destroyed");
                }
            }
            Ok(number) => {
                assert_eq!(model.dead, None, "a call was taken after everything was lost");
                if call.op == HOST_CALL {
                    let token = u64::from_le_bytes(call.body[8..16].try_into().unwrap());
                    self.tokens.insert(token);
                }
                let (op, asked) = (call.op, call.asked);
                model.put(number, call);
                if asked {
                    thread.awaited.push_back((number, op));
                    thread.doing = Doing::Waiting;
                }
                if let Some(next) = more.pop() {
                    thread.doing = Doing::Putting { call: next, more };
                }
            }
        }
    }

    /// Looks for the answer that the thread waits for.
    fn look(&mut self, which: usize, client: &mut Client, model: &mut Model) {
        let thread = &mut self.threads[which];
        thread.doing = Doing::Waiting;
        let Some(&(number, op)) = thread.awaited.front() else {
            thread.doing = Doing::Nothing;
            return;
        };
        let ready = client.is_answered(number);
        let answer = client.take_answer(number);
        assert_eq!(ready, answer.is_some());
        assert_eq!(answer, model.expected_answer(number), "the answer to call {number}");
        let Some(answer) = answer else { return };
        thread.awaited.pop_front();
        let Ok(answer) = answer else {
            thread.awaited.clear();
            thread.doing = Doing::Nothing;
            return;
        };
        match op {
            SYNCHRONIZE if answer.code == 0 => {
                // The failure of a told call is returned here too, but the waiting was done first.
                let failure = client.take_failure(thread.slot);
                assert_eq!(failure, model.take_failure(thread.id), "after a synchronise");
            }
            CONTEXT_GONE => {
                client.context_gone(thread.context);
                model.context_gone(thread.context);
                thread.context = Id(self.next_context);
                self.next_context += 1;
            }
            _ => {}
        }
        if thread.awaited.is_empty() {
            thread.doing = Doing::Nothing;
        }
    }

    /// The slot goes to the next thread at once.
    fn end_thread(&mut self, which: usize, client: &mut Client, model: &mut Model) {
        let Worker { id, slot, context, calls_left, .. } = self.threads.remove(which);
        client.thread_gone(slot);
        if client.dead().is_none() {
            model.thread_gone(id, slot);
        }
        self.start_thread(slot, context, calls_left);
    }
}

fn code(habits: Habits, random: &mut Random) -> Code {
    if random.permille(habits.fails_for_ever) {
        CUDA_ERROR_ILLEGAL_ADDRESS
    } else if random.permille(habits.loses_context) {
        CUDA_ERROR_ASSERT
    } else if random.permille(habits.fails) {
        random.pick(&[CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_OUT_OF_MEMORY])
    } else {
        0
    }
}

fn header(call: &Call) -> Header {
    Header {
        kind: RecordKind::Call,
        op: call.op,
        number: 0,
        about: call.context.0,
        slot: call.slot,
        flags: if call.asked { FLAG_ASKED } else { 0 },
        code: 0,
        body_bytes: 0,
    }
}
