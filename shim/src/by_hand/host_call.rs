//! Functions of the program's in stream order. They run here, on the helper thread; on the server the stream waits.
#![allow(unsafe_code)]
// calls functions of the program's.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use super::copy::checked;
use crate::call::in_context_hearing;
use crate::state::{Shim, shim};
use farwarp_protocol::call::{HOST_CALL, HOST_CALL_DONE, HostCall};
use farwarp_protocol::codec::encode;
use farwarp_protocol::error::{CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_OUT_OF_MEMORY, CUDA_SUCCESS, Code};
use farwarp_protocol::limits::HOST_CALLS_MAX;
use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::Mutex;

enum Function {
    /// cuLaunchHostFunc.
    Plain(unsafe extern "C" fn(*mut c_void)),
    /// cuStreamAddCallback, which also hears of the stream and its state.
    WithStatus(unsafe extern "C" fn(u64, u32, *mut c_void), u64),
    /// Our own.
    Ours(Box<dyn FnOnce() + Send>),
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

fn enqueue(shim: &Shim, stream: u64, queued: Queued) -> Result<(), Code> {
    let stream = checked(shim, stream)?;
    let token = {
        let mut queue = QUEUE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (next, waiting) = queue.get_or_insert_with(Default::default);
        if waiting.len() >= HOST_CALLS_MAX {
            return Err(CUDA_ERROR_OUT_OF_MEMORY);
        }
        *next += 1;
        waiting.insert(*next, queued);
        *next
    };
    shim.remote.tell(HOST_CALL, &[&encode(&HostCall { stream, token })]).inspect_err(|_| {
        take(token);
    })
}

fn take(token: u64) -> Option<Queued> {
    let mut queue = QUEUE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    queue.as_mut()?.1.remove(&token)
}

/// It is the turn of the function that `token` stands for; a token that is not ours runs nothing.
pub fn run(token: u64) {
    let Some(queued) = take(token) else { return };
    // SAFETY: the program gave function and data for exactly this call, which happens once.
    unsafe {
        match queued.function {
            Function::Plain(function) => function(queued.data),
            Function::WithStatus(function, stream) => function(stream, CUDA_SUCCESS as u32, queued.data),
            Function::Ours(function) => function(),
        }
    }
    if let Ok(shim) = shim() {
        let _ = shim.remote.tell(HOST_CALL_DONE, &[&encode(&token)]);
    }
}
