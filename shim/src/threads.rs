//! What belongs to one thread of the program: its place in the session, its stack of contexts, and which default stream
//! NULL means in the call that it is making.
//!
//! Programs call CUDA from atexit handlers and destructors, when Rust's thread-locals with a destructor are gone already.
//! So nothing here that a call needs has one; only the slot's return does.

use farwarp_protocol::error::{CUDA_ERROR_INVALID_VALUE, Code};
use farwarp_protocol::handle::Id;
use farwarp_protocol::limits::CLIENT_THREADS_MAX;
use farwarp_protocol::param::{STREAM_LEGACY, STREAM_NULL, STREAM_PER_THREAD};
use std::cell::{Cell, RefCell};
use std::sync::Mutex;

/// Contexts that one thread may push upon each other.
pub const CONTEXT_STACK_DEPTH_MAX: usize = 64;

struct ContextStack {
    contexts: [Id; CONTEXT_STACK_DEPTH_MAX],
    depth: usize,
}

thread_local! {
    static STACK: RefCell<ContextStack> =
        const { RefCell::new(ContextStack { contexts: [Id(0); CONTEXT_STACK_DEPTH_MAX], depth: 0 }) };
    static SLOT: Cell<u16> = const { Cell::new(0) };
    static PER_THREAD: Cell<bool> = const { Cell::new(false) };
    static IN_HOST_FUNCTION: Cell<bool> = const { Cell::new(false) };
    static IN_CALL: Cell<bool> = const { Cell::new(false) };
    static CROSSED: Cell<bool> = const { Cell::new(false) };
    static RETURN: SlotReturn = const { SlotReturn };
}

/// Gives the thread's slot back when it ends.
struct SlotReturn;

impl Drop for SlotReturn {
    fn drop(&mut self) {
        let slot = SLOT.replace(0);
        if slot != 0 {
            // A forked child has no shim, and a lock that another thread held at the fork is never free there.
            if let Ok(shim) = crate::state::shim() {
                shim.remote.thread_gone(slot);
            }
        }
    }
}

struct Slots {
    given: u16,
    free: Vec<u16>,
}

static SLOTS: Mutex<Slots> = Mutex::new(Slots { given: 0, free: Vec::new() });

fn slots() -> std::sync::MutexGuard<'static, Slots> {
    SLOTS.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The calling thread's place in the session. Threads beyond the limit share the last one, and with it its default stream.
pub fn slot() -> u16 {
    let mine = SLOT.get();
    if mine != 0 {
        return mine;
    }
    let mut slots = slots();
    let slot = slots.free.pop().unwrap_or_else(|| {
        slots.given = (slots.given + 1).min(CLIENT_THREADS_MAX as u16);
        slots.given
    });
    SLOT.set(slot);
    // During thread exit the guard is gone already and the slot is simply not given back.
    let _ = RETURN.try_with(|_| ());
    slot
}

/// Another thread may have this slot.
pub fn give_back(slot: u16) {
    slots().free.push(slot);
}

/// The calling thread's current context; zero when it has none.
pub fn current() -> Id {
    STACK.with_borrow(|stack| match stack.depth {
        0 => Id(0),
        depth => stack.contexts[depth - 1],
    })
}

/// Replaces the top of the stack; zero takes it away, as cuCtxSetCurrent(NULL) does.
pub fn set_current(context: Id) {
    STACK.with_borrow_mut(|stack| {
        match (context, stack.depth) {
            (Id(0), 0) => return,
            (Id(0), _) => stack.depth -= 1,
            (_, 0) => stack.depth = 1,
            _ => {}
        }
        if context != Id(0) {
            stack.contexts[stack.depth - 1] = context;
        }
    })
}

pub fn push(context: Id) -> Result<(), Code> {
    STACK.with_borrow_mut(|stack| {
        if stack.depth == CONTEXT_STACK_DEPTH_MAX {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        stack.contexts[stack.depth] = context;
        stack.depth += 1;
        Ok(())
    })
}

pub fn pop() -> Option<Id> {
    STACK.with_borrow_mut(|stack| {
        stack.depth = stack.depth.checked_sub(1)?;
        Some(stack.contexts[stack.depth])
    })
}

/// Runs a function of the program's in stream order, in which CUDA's calls are not permitted.
pub fn within_host_function(run: impl FnOnce()) {
    IN_HOST_FUNCTION.set(true);
    run();
    IN_HOST_FUNCTION.set(false);
}

pub fn is_host_function() -> bool {
    IN_HOST_FUNCTION.get()
}

/// The thread enters a driver function; whether it was within one already.
pub fn enter() -> bool {
    let within = IN_CALL.replace(true);
    if !within {
        CROSSED.set(false);
    }
    within
}

/// The thread leaves its outermost driver function; whether that put nothing into the log.
pub fn leave() -> bool {
    IN_CALL.set(false);
    !CROSSED.get()
}

/// The call that the thread is making goes to the server.
pub fn crosses() {
    CROSSED.set(true);
}

/// Runs a call under a symbol whose NULL stream is the per-thread default one.
pub fn with_per_thread_stream<T>(call: impl FnOnce() -> T) -> T {
    let before = PER_THREAD.replace(true);
    let result = call();
    PER_THREAD.set(before);
    result
}

/// The stream that a stream argument means in the call being made.
pub fn resolve(stream: u64) -> u64 {
    match stream {
        STREAM_NULL if PER_THREAD.get() => STREAM_PER_THREAD,
        STREAM_NULL => STREAM_LEGACY,
        other => other,
    }
}
