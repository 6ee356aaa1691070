//! Entering and leaving a driver function.

use crate::counters::Counter;
use crate::state::{Shim, shim};
use farwarp_protocol::error::{
    CUDA_ERROR_INVALID_CONTEXT, CUDA_ERROR_NOT_PERMITTED, CUDA_ERROR_NOT_SUPPORTED, CUDA_ERROR_UNKNOWN,
    CUDA_SUCCESS, Code,
};
use farwarp_protocol::handle::Id;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the body of an exported function. One that another of ours calls is not counted: the program made one call. A panic
/// in it becomes CUDA_ERROR_UNKNOWN, never the program's end.
pub fn enter(counter: &'static Counter, body: impl FnOnce() -> Result<(), Code>) -> Code {
    let within = crate::threads::enter();
    if !within {
        counter.count();
    }
    let outcome = catch_unwind(AssertUnwindSafe(body));
    if !within && crate::threads::leave() {
        crate::counters::answered_here();
    }
    if !within && let Ok(shim) = shim() {
        crate::shared::settle(shim);
    }
    match outcome {
        Ok(Ok(())) => CUDA_SUCCESS,
        Ok(Err(code)) => code,
        Err(_) => {
            crate::state::complain(&format!(
                "{} panicked in the shim, which is a fault of farwarp's",
                counter.name
            ));
            CUDA_ERROR_UNKNOWN
        }
    }
}

/// A function that is exported but not built yet.
pub fn deny(counter: &'static Counter) -> Code {
    counter.count();
    crate::state::note(&format!("{} is not built yet", counter.name));
    CUDA_ERROR_NOT_SUPPORTED
}

/// The shim and the calling thread's current context, as a call needs them that works in a context. Errors that earlier calls
/// left behind come first, as they do in CUDA.
pub fn in_context() -> Result<(&'static Shim, Id), Code> {
    let shim = shim()?;
    if crate::threads::is_host_function() {
        return Err(CUDA_ERROR_NOT_PERMITTED);
    }
    let context = crate::threads::current();
    if context == Id(0) {
        return Err(CUDA_ERROR_INVALID_CONTEXT);
    }
    shim.contexts().active(context)?;
    if let Some(code) = shim.remote.pending_error(context) {
        return Err(code);
    }
    Ok((shim, context))
}

/// The same, and the failure of an earlier told call of this thread, which CUDA lets any call return.
pub fn in_context_hearing() -> Result<(&'static Shim, Id), Code> {
    let (shim, context) = in_context()?;
    match shim.remote.take_failure() {
        Some(code) => Err(code),
        None => Ok((shim, context)),
    }
}
