//! Functions of the client's in stream order. The stream waits at a latch, a word that only this process writes; no thread of the
//! driver's is held up, so a function that never returns stalls its own stream only.
#![allow(unsafe_code)] // owns words that the GPU looks at.

use crate::driver::Driver;
use crate::executor::{Call, Executor, Reply};
use crate::refusal::Refusal;
use crate::shared::Place;
use farwarp_protocol::call::{HostCall, HostCallDue, NOTICE_HOST_CALL};
use farwarp_protocol::codec::{decode, encode};
use farwarp_protocol::error::{CUDA_ERROR_OUT_OF_MEMORY, Code};
use farwarp_protocol::handle::Id;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// Functions of one context that may be waited for at one time.
const LATCHES_OF_A_CONTEXT: usize = 4096;
/// `CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP`.
const SEEN_BY_THE_GPU: u32 = 0b11;
/// `CU_STREAM_WAIT_VALUE_GEQ`.
const REACHES: u32 = 0;

/// The latches of a session.
#[derive(Default)]
pub struct Latches {
    of_context: HashMap<Id, Words>,
    /// By token: whose, and which word.
    closed: HashMap<u64, (Id, usize)>,
}

/// A word counts the times that it was opened. A stream waits for it to reach the next count, so a word may be closed again
/// before the stream of the time before has looked.
struct Words {
    words: *mut AtomicU32,
    free: Vec<usize>,
}

// SAFETY: the words are atomics in memory of the driver's that lives as long as its context.
unsafe impl Send for Words {}

impl Latches {
    /// A second latch by the same name would leave the first one closed for ever.
    pub fn check_new(&self, token: u64) -> Result<(), Refusal> {
        if self.closed.contains_key(&token) { Err(Refusal::HostCallTwice { token }) } else { Ok(()) }
    }

    /// A closed latch in a context, which is current: its address for the GPU, and the count at which it is open.
    fn close(&mut self, driver: &Driver, context: Id, token: u64) -> Result<(u64, u32), Code> {
        let words = match self.of_context.entry(context) {
            std::collections::hash_map::Entry::Occupied(found) => found.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => place.insert(Words::new(driver)?),
        };
        let index = words.free.pop().ok_or(CUDA_ERROR_OUT_OF_MEMORY)?;
        self.closed.insert(token, (context, index));
        let word = words.word(index);
        Ok((std::ptr::from_ref(word) as u64, word.load(Ordering::Relaxed).wrapping_add(1)))
    }

    /// A latch that no stream waits at is closed for nobody.
    fn give_back(&mut self, token: u64) {
        let _ = self.open(token);
    }

    pub fn open(&mut self, token: u64) -> Option<()> {
        let (context, index) = self.closed.remove(&token)?;
        let words = self.of_context.get_mut(&context)?;
        words.word(index).fetch_add(1, Ordering::Release);
        words.free.push(index);
        Some(())
    }

    pub fn context_gone(&mut self, context: Id) {
        self.of_context.remove(&context);
        self.closed.retain(|_, (of, _)| *of != context);
    }
}

impl Words {
    fn new(driver: &Driver) -> Result<Words, Code> {
        let mut memory = std::ptr::null_mut();
        // SAFETY: `memory` is writable.
        unsafe {
            driver.cuMemHostAlloc(
                &mut memory,
                LATCHES_OF_A_CONTEXT * size_of::<AtomicU32>(),
                SEEN_BY_THE_GPU,
            )?
        };
        // SAFETY: so many bytes were just allocated, and the GPU knows of none of them yet.
        unsafe { memory.cast::<u8>().write_bytes(0, LATCHES_OF_A_CONTEXT * size_of::<AtomicU32>()) };
        Ok(Words { words: memory.cast(), free: (0..LATCHES_OF_A_CONTEXT).collect() })
    }

    fn word(&self, index: usize) -> &AtomicU32 {
        debug_assert!(index < LATCHES_OF_A_CONTEXT);
        // SAFETY: one of the words allocated above.
        unsafe { &*self.words.add(index) }
    }
}

pub fn host_call(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let HostCall { stream, token } = decode(call.body)?;
    executor.latches().check_new(token)?;
    let stream = executor.stream(call, stream)?;
    executor.enter(call)?;
    Ok(latch(executor, call, stream, token)?.into())
}

/// Stops a stream until the token's latch is opened, and tells the client when the stream has come there, or that it never will.
/// The context is current.
pub fn latch(
    executor: &mut Executor,
    call: &Call,
    stream: u64,
    token: u64,
) -> Result<Result<(), Code>, Refusal> {
    let outcome = stop(executor, call, stream, token)?;
    if let Err(code) = outcome {
        executor.outlet.notice(NOTICE_HOST_CALL, &encode(&HostCallDue { token, code, refused: true }));
    }
    Ok(outcome)
}

fn stop(executor: &mut Executor, call: &Call, stream: u64, token: u64) -> Result<Result<(), Code>, Refusal> {
    let context = call.asker.context;
    let driver = executor.driver;
    let reached = match executor.mark(stream) {
        Ok(event) => event,
        Err(code) => return Ok(Err(code)),
    };
    let closed = executor.latches().close(driver, context, token);
    // SAFETY: the word lives as long as the context.
    let outcome =
        closed.and_then(|(word, open)| unsafe { driver.cuStreamWaitValue32_v2(stream, word, open, REACHES) });
    if outcome.is_err() {
        executor.latches().give_back(token);
        executor.after(context, vec![reached], Box::new(drop))?;
    } else {
        let (outlet, lines) = (executor.outlet.clone(), executor.lines.clone());
        let shared = executor.shared.clone();
        // The function sees what kernels before it have changed.
        let ticket = shared.ticket(Place::Nowhere);
        let then = move |code| {
            lines.settle();
            shared.bring(ticket);
            outlet.notice(NOTICE_HOST_CALL, &encode(&HostCallDue { token, code, refused: false }));
        };
        executor.in_line(context, stream, reached, false, Box::new(then))?;
    }
    Ok(outcome)
}

pub fn host_call_done(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let token: u64 = decode(call.body)?;
    let open = move |latches: &Mutex<Latches>| {
        latches.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).open(token)
    };
    let closed = executor.latches().closed.get(&token).copied();
    let (context, _) = closed.ok_or(Refusal::NoSuchHostCall { token })?;
    // What the function has changed of what is shared comes before what waits for the function.
    let changes = super::changes_under_way(executor)?;
    if changes.is_empty() {
        open(&executor.latches);
        return Ok(Reply::DONE);
    }
    let latches = executor.latches.clone();
    executor.after(
        context,
        changes,
        Box::new(move |_| {
            let _ = open(&latches);
        }),
    )?;
    Ok(Reply::DONE)
}
