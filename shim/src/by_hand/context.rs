//! Contexts come and go: the shim keeps the books, the server the things themselves.
#![allow(unsafe_code)]
// writes answers where the program wants them.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use super::host_call;
use crate::call::in_context;
use crate::here::{check_flags, give};
use crate::output;
use crate::state::{Shim, shim};
use crate::threads;
use cudarc::driver::sys::{CUctxCreateParams, CUexecAffinityParam};
use farwarp_protocol::call::{CONTEXT_GONE, CONTEXT_NEW, ContextGone, ContextNew, SYNCHRONIZE_CONTEXT};
use farwarp_protocol::codec::encode;
use farwarp_protocol::error::{
    CUDA_ERROR_INVALID_CONTEXT, CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_NOT_SUPPORTED,
    CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE, Code,
};
use farwarp_protocol::handle::Id;

pub unsafe fn cuDevicePrimaryCtxRetain(context: *mut u64, device: i32) -> Result<(), Code> {
    let shim = shim()?;
    if context.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let ordinal = shim.server_ordinal(device)?;
    // The lock is kept while the server answers: a second thread that retains must find the context made.
    let mut contexts = shim.contexts();
    let primary = contexts.primary(device)?;
    let (id, flags, first) = (primary.context, primary.flags, primary.retained == 0);
    if first && contexts.active(id).is_err() {
        make(shim, ContextNew { context: id, device: ordinal, flags, primary: true })?;
        contexts.activate(id, flags);
    }
    contexts.primary(device)?.retained += 1;
    unsafe { give(context, id.0) }
}

pub unsafe fn cuDevicePrimaryCtxRelease_v2(device: i32) -> Result<(), Code> {
    let shim = shim()?;
    let mut contexts = shim.contexts();
    let primary = contexts.primary(device)?;
    primary.retained = primary.retained.checked_sub(1).ok_or(CUDA_ERROR_INVALID_CONTEXT)?;
    let (id, last) = (primary.context, primary.retained == 0);
    drop(contexts);
    if last { unmake(shim, id) } else { Ok(()) }
}

pub unsafe fn cuDevicePrimaryCtxRelease(device: i32) -> Result<(), Code> {
    unsafe { cuDevicePrimaryCtxRelease_v2(device) }
}

pub unsafe fn cuDevicePrimaryCtxReset_v2(device: i32) -> Result<(), Code> {
    let shim = shim()?;
    // After a fault that ended the process there is nothing to go back to.
    shim.remote.pending_error(Id(0)).map_or(Ok(()), Err)?;
    let mut contexts = shim.contexts();
    let primary = contexts.primary(device)?;
    // Whoever has retained it: the next retain makes a new one.
    primary.retained = 0;
    let id = primary.context;
    let active = contexts.active(id).is_ok();
    drop(contexts);
    if active { unmake(shim, id) } else { Ok(()) }
}

pub unsafe fn cuDevicePrimaryCtxReset(device: i32) -> Result<(), Code> {
    unsafe { cuDevicePrimaryCtxReset_v2(device) }
}

pub unsafe fn cuDevicePrimaryCtxSetFlags_v2(device: i32, flags: u32) -> Result<(), Code> {
    let shim = shim()?;
    check_flags(flags)?;
    let mut contexts = shim.contexts();
    let primary = contexts.primary(device)?;
    primary.flags = flags;
    let id = primary.context;
    if contexts.active(id).is_ok() {
        contexts.activate(id, flags);
    }
    Ok(())
}

pub unsafe fn cuDevicePrimaryCtxSetFlags(device: i32, flags: u32) -> Result<(), Code> {
    let shim = shim()?;
    let mut contexts = shim.contexts();
    let id = contexts.primary(device)?.context;
    let active = contexts.active(id).is_ok();
    drop(contexts);
    // The first version refuses what the second one takes since CUDA 11.
    if active {
        Err(CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE)
    } else {
        unsafe { cuDevicePrimaryCtxSetFlags_v2(device, flags) }
    }
}

pub unsafe fn cuCtxCreate_v2(context: *mut u64, flags: u32, device: i32) -> Result<(), Code> {
    let shim = shim()?;
    if context.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    check_flags(flags)?;
    let ordinal = shim.server_ordinal(device)?;
    let id = shim.contexts().create(device, flags)?;
    if let Err(code) = make(shim, ContextNew { context: id, device: ordinal, flags, primary: false }) {
        shim.contexts().destroy(id);
        return Err(code);
    }
    threads::push(id)?;
    unsafe { give(context, id.0) }
}

/// Execution affinity is MPS's, which a session never shares.
pub unsafe fn cuCtxCreate_v3(
    context: *mut u64,
    affinity: *const CUexecAffinityParam,
    _count: i32,
    flags: u32,
    device: i32,
) -> Result<(), Code> {
    if affinity.is_null() {
        unsafe { cuCtxCreate_v2(context, flags, device) }
    } else {
        Err(CUDA_ERROR_NOT_SUPPORTED)
    }
}

pub unsafe fn cuCtxCreate_v4(
    context: *mut u64,
    params: *const CUctxCreateParams,
    flags: u32,
    device: i32,
) -> Result<(), Code> {
    if params.is_null() {
        unsafe { cuCtxCreate_v2(context, flags, device) }
    } else {
        Err(CUDA_ERROR_NOT_SUPPORTED)
    }
}

pub unsafe fn cuCtxCreate(context: *mut u64, flags: u32, device: i32) -> Result<(), Code> {
    unsafe { cuCtxCreate_v2(context, flags, device) }
}

pub unsafe fn cuCtxDestroy_v2(context: u64) -> Result<(), Code> {
    let shim = shim()?;
    let id = Id(context);
    if shim.contexts().get(id)?.primary {
        return Err(CUDA_ERROR_INVALID_CONTEXT);
    }
    let result = unmake(shim, id);
    shim.contexts().destroy(id);
    if threads::current() == id {
        threads::pop();
    }
    result
}

pub unsafe fn cuCtxDestroy(context: u64) -> Result<(), Code> {
    unsafe { cuCtxDestroy_v2(context) }
}

/// Only the current context can be detached; when nothing is attached to it any more it goes.
pub unsafe fn cuCtxDetach(context: u64) -> Result<(), Code> {
    let (shim, current) = in_context()?;
    if current != Id(context) {
        return Err(CUDA_ERROR_INVALID_CONTEXT);
    }
    let mut contexts = shim.contexts();
    let known = contexts.get_mut(current)?;
    if known.primary {
        return Err(CUDA_ERROR_INVALID_CONTEXT);
    }
    known.attached -= 1;
    let last = known.attached == 0;
    drop(contexts);
    if last { unsafe { cuCtxDestroy_v2(context) } } else { Ok(()) }
}

pub unsafe fn cuCtxSynchronize() -> Result<(), Code> {
    let (shim, context) = in_context()?;
    synchronize(shim, context)
}

pub unsafe fn cuCtxSynchronize_v2(context: u64) -> Result<(), Code> {
    let (shim, current) = match context {
        0 => in_context()?,
        _ => (shim()?, Id(context)),
    };
    shim.contexts().active(current)?;
    synchronize(shim, current)
}

/// The failure of a told call is returned here too, but the waiting is done first.
fn synchronize(shim: &Shim, context: Id) -> Result<(), Code> {
    let answer = shim.remote.ask(SYNCHRONIZE_CONTEXT, &[&encode(&context)])?;
    output::print(&answer.body);
    answer.check()?;
    shim.remote.take_failure().map_or(Ok(()), Err)
}

fn make(shim: &Shim, new: ContextNew) -> Result<(), Code> {
    shim.remote.ask(CONTEXT_NEW, &[&encode(&new)])?.check()
}

/// Everything in the context dies with it, on both sides. The face hears of it last: its destructors may call CUDA, and must
/// find the context gone.
fn unmake(shim: &Shim, context: Id) -> Result<(), Code> {
    if !host_call::is_idle() || shim.remote.twins().are_used() {
        // The server destroys it between two calls, so what streams still wait for from here has to come before.
        let _ = shim.remote.ask(SYNCHRONIZE_CONTEXT, &[&encode(&context)]);
    }
    let answer = shim.remote.ask(CONTEXT_GONE, &[&encode(&ContextGone { context })]);
    shim.contexts().deactivate(context);
    super::graph::context_gone(context);
    shim.objects().context_gone(context);
    crate::shared::gone(shim, context);
    shim.memory().context_gone(context);
    shim.remote.context_gone(context);
    farwarp_face::context_gone(context.0 as *mut _);
    let answer = answer?;
    output::print(&answer.body);
    answer.check()
}
