//! Functions of the program's in stream order. They run here, on the helper thread; on the server the stream waits.
#![allow(unsafe_code)]
// calls functions of the program's.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use super::copy::checked;
use crate::call::in_context_hearing;
use crate::shared;
use crate::state::{Shim, shim, start_thread};
use crate::threads;
use crate::transfer::Deferred;
use farwarp_protocol::call::{HOST_CALL, HOST_CALL_DONE, HostCall, HostCallDue, Range};
use farwarp_protocol::codec::encode;
use farwarp_protocol::error::{CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_OUT_OF_MEMORY, Code};
use farwarp_protocol::limits::HOST_CALLS_MAX;
use std::collections::{HashMap, VecDeque};
use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};

enum Function {
    /// cuLaunchHostFunc.
    Plain(unsafe extern "C" fn(*mut c_void)),
    /// cuStreamAddCallback, which also hears of the stream and its state.
    WithStatus(unsafe extern "C" fn(u64, u32, *mut c_void), u64),
    /// Our own.
    Ours(Box<dyn FnOnce() + Send>),
    /// None of the program's: a copy whose bytes are wanted now.
    Copy(Deferred),
}

struct Queued {
    function: Function,
    data: *mut c_void,
}

// SAFETY: the program's pointer is only handed back to the program's function, on whichever thread CUDA chooses.
unsafe impl Send for Queued {}

static QUEUE: Mutex<Option<(u64, HashMap<u64, Queued>)>> = Mutex::new(None);

pub unsafe fn cuLaunchHostFunc(stream: u64, function: *const c_void, data: *mut c_void) -> Result<(), Code> {
    if function.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    // SAFETY: the program vouches for a function of this type.
    let function =
        unsafe { std::mem::transmute::<*const c_void, unsafe extern "C" fn(*mut c_void)>(function) };
    let (shim, _) = in_context_hearing()?;
    enqueue(shim, stream, Queued { function: Function::Plain(function), data })
}

/// The mode says how a waiting host thread waits, of which there is none.
pub unsafe fn cuLaunchHostFunc_v2(
    stream: u64,
    function: *const c_void,
    data: *mut c_void,
    _mode: u32,
) -> Result<(), Code> {
    unsafe { cuLaunchHostFunc(stream, function, data) }
}

pub unsafe fn cuStreamAddCallback(
    stream: u64,
    function: *const c_void,
    data: *mut c_void,
    flags: u32,
) -> Result<(), Code> {
    if function.is_null() || flags != 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    // SAFETY: the program vouches for a function of this type.
    let function = unsafe {
        std::mem::transmute::<*const c_void, unsafe extern "C" fn(u64, u32, *mut c_void)>(function)
    };
    let (shim, _) = in_context_hearing()?;
    enqueue(shim, stream, Queued { function: Function::WithStatus(function, stream), data })
}

/// Has a function of ours called when the stream gets there; at once where that cannot be.
pub fn finally(shim: &Shim, stream: u64, function: Box<dyn FnOnce() + Send>) {
    let shared = std::sync::Arc::new(Mutex::new(Some(function)));
    let queued = shared.clone();
    let run = move |place: &Mutex<Option<Box<dyn FnOnce() + Send>>>| {
        let function = place.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        function.into_iter().for_each(|function| function());
    };
    let ours = Function::Ours(Box::new(move || run(&queued)));
    if enqueue(shim, stream, Queued { function: ours, data: std::ptr::null_mut() }).is_err() {
        run(&shared);
    }
}

/// Held while the bytes of a deferred copy are taken: between its leaving the queue and their being in the log.
static SENDING: Mutex<()> = Mutex::new(());
/// Functions of the host that are queued or running.
static UNFINISHED: AtomicUsize = AtomicUsize::new(0);

/// Whether a function of the host may still change what a copy would read.
pub fn are_unfinished() -> bool {
    UNFINISHED.load(Ordering::Acquire) > 0
}

fn enqueue(shim: &Shim, stream: u64, queued: Queued) -> Result<(), Code> {
    let stream = checked(shim, stream)?;
    UNFINISHED.fetch_add(1, Ordering::AcqRel);
    let told = queue(queued).and_then(|token| {
        let told = shim.remote.tell(HOST_CALL, &[&encode(&HostCall { stream, token })]);
        told.inspect_err(|_| drop(take(token)))
    });
    told.inspect_err(|_| {
        UNFINISHED.fetch_sub(1, Ordering::AcqRel);
    })
}

/// Whether no stream waits for anything from here.
pub fn is_idle() -> bool {
    let queue = QUEUE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    !are_unfinished() && queue.as_ref().is_none_or(|(_, waiting)| waiting.is_empty())
}

/// Has a copy's bytes taken when its stream gets there. `issue` puts the copy into the log, under this token.
pub fn defer(copy: Deferred, issue: impl FnOnce(u64) -> Result<(), Code>) -> Result<(), Code> {
    let token = queue(Queued { function: Function::Copy(copy), data: std::ptr::null_mut() })?;
    issue(token).inspect_err(|_| drop(take(token)))
}

/// Whether a copy that is under way has yet to read there.
pub fn reads_later(range: Range) -> bool {
    let _sending = SENDING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let queue = QUEUE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    queue.as_ref().is_some_and(|(_, waiting)| {
        waiting.values().any(|queued| matches!(&queued.function, Function::Copy(copy) if copy.reads(range)))
    })
}

fn queue(queued: Queued) -> Result<u64, Code> {
    let mut queue = QUEUE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let (next, waiting) = queue.get_or_insert_with(Default::default);
    if waiting.len() >= HOST_CALLS_MAX {
        return Err(CUDA_ERROR_OUT_OF_MEMORY);
    }
    *next += 1;
    waiting.insert(*next, queued);
    Ok(*next)
}

fn take(token: u64) -> Option<Queued> {
    let mut queue = QUEUE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    queue.as_mut()?.1.remove(&token)
}

/// Threads that run the program's functions, started when all others are busy: one that never returns stalls its stream only.
struct Crew {
    waiting: VecDeque<(HostCallDue, Queued)>,
    idle: usize,
    threads: usize,
}

/// Functions that may run at one time, those that never return among them.
const THREADS_MAX: usize = 64;

static CREW: Mutex<Crew> = Mutex::new(Crew { waiting: VecDeque::new(), idle: 0, threads: 0 });
static WORK: Condvar = Condvar::new();

/// It is the turn of a function of ours; a token that is not ours runs nothing. What is ours returns soon.
pub fn run(due: HostCallDue) {
    let Ok(shim) = shim() else { return };
    let sending = SENDING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let Some(Queued { function, data }) = take(due.token) else { return };
    let queued = match function {
        Function::Copy(copy) if !due.refused => return copy.send(shim, due.token),
        Function::Copy(_) => return,
        Function::Ours(function) => {
            drop(sending);
            function();
            return done(due);
        }
        // The call that brought it has failed.
        Function::Plain(_) | Function::WithStatus(..) if due.refused => return done(due),
        function => Queued { function, data },
    };
    drop(sending);
    let mut crew = CREW.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    crew.waiting.push_back((due, queued));
    if crew.waiting.len() > crew.idle && crew.threads < THREADS_MAX {
        crew.threads += 1;
        start_thread(labour);
    }
    WORK.notify_one();
}

fn labour() {
    loop {
        let mut crew = CREW.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (due, queued) = loop {
            if let Some(work) = crew.waiting.pop_front() {
                break work;
            }
            crew.idle += 1;
            crew = WORK.wait(crew).unwrap_or_else(|poisoned| poisoned.into_inner());
            crew.idle -= 1;
        };
        drop(crew);
        if let Ok(shim) = shim() {
            shared::settle(shim);
        }
        threads::within_host_function(|| call(queued, due.code));
        done(due);
    }
}

/// Behind an error that ended the context a callback hears of it, and a function is not called.
fn call(queued: Queued, code: Code) {
    // SAFETY: the program gave function and data for exactly this call, which happens once.
    unsafe {
        match queued.function {
            Function::Plain(function) if code == 0 => function(queued.data),
            Function::WithStatus(function, stream) => function(stream, code as u32, queued.data),
            Function::Ours(function) => function(),
            Function::Plain(_) | Function::Copy(_) => {}
        }
    }
}

fn done(due: HostCallDue) {
    if !due.refused
        && let Ok(shim) = shim()
    {
        let _ = shared::send(shim);
        let _ = shim.remote.tell(HOST_CALL_DONE, &[&encode(&due.token)]);
    }
    UNFINISHED.fetch_sub(1, Ordering::AcqRel);
}
