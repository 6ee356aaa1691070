//! Each thread's stack of contexts. Its storage needs no destructor, so calls out of `atexit` handlers and destructors of other
//! thread-local objects still find it.

use std::cell::Cell;
use std::sync::Arc;

use farwarp_face::*;

use crate::driver::context::{CONTEXTS, Context};
use crate::driver::crew;
use crate::driver::edge::Result;
use crate::driver::handles::Handle;
use crate::driver::machine::{Machine, alive, machine};

/// Programs push one or two; beyond this one forgets to pop.
const DEPTH_LIMIT: usize = 64;

thread_local! {
    static STACK: [Cell<Handle>; DEPTH_LIMIT] = const { [const { Cell::new(0) }; DEPTH_LIMIT] };
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// The handle on top, or 0. It may name a context that is no more.
pub fn top() -> Handle {
    match DEPTH.get() {
        0 => 0,
        depth => STACK.with(|stack| stack[depth - 1].get()),
    }
}

/// The calling thread's context, fit for work. What makes it unfit is the error.
pub fn current() -> Result<Arc<Context>> {
    let context = current_in_any_state()?;
    context.standing()?;
    Ok(context)
}

/// The calling thread's context, which may have failed: for questions that cost no work.
pub fn current_in_any_state() -> Result<Arc<Context>> {
    machine()?;
    if crew::is_host_function() {
        return Err(CUDA_ERROR_NOT_PERMITTED);
    }
    match top() {
        0 => Err(CUDA_ERROR_INVALID_CONTEXT),
        handle => CONTEXTS.get(handle).ok_or(CUDA_ERROR_CONTEXT_IS_DESTROYED),
    }
}

/// The machine, for calls that make, change or let go what need not belong to the current context: none of them does so after a fault
/// that ended the process or that context.
pub fn working() -> Result<&'static Machine> {
    let machine = machine()?;
    alive()?;
    CONTEXTS.get(top()).map_or(Ok(()), |context| context.unhurt())?;
    Ok(machine)
}

pub fn push(handle: Handle) -> Result {
    let depth = DEPTH.get();
    if depth == DEPTH_LIMIT {
        return Err(CUDA_ERROR_OUT_OF_MEMORY);
    }
    STACK.with(|stack| stack[depth].set(handle));
    DEPTH.set(depth + 1);
    Ok(())
}

pub fn pop() -> Result<Handle> {
    let handle = top();
    let depth = DEPTH.get().checked_sub(1).ok_or(CUDA_ERROR_INVALID_CONTEXT)?;
    DEPTH.set(depth);
    Ok(handle)
}

/// Replaces the top; 0 only takes it away.
pub fn set(handle: Handle) -> Result {
    if DEPTH.get() > 0 {
        pop()?;
    }
    if handle == 0 { Ok(()) } else { push(handle) }
}
