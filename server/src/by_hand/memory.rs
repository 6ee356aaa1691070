//! Device memory, from the arena.

use crate::executor::{Call, Executor, Reply};
use crate::refusal::Refusal;
use farwarp_protocol::call::{Allocate, Range};
use farwarp_protocol::codec::{decode, encode};

pub fn allocate(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let Allocate { bytes } = decode(call.body)?;
    if bytes == 0 {
        return Err(Refusal::OutOfRange { address: 0, bytes });
    }
    let context = call.asker.context;
    executor.enter(call)?;
    let device = executor.context(context)?.device;
    let given = executor.arena().allocate(bytes, context, device);
    Ok(given
        .map(|address| {
            executor.ranges.born(Range { address, bytes }, context);
            executor.count_memory();
            encode(&address)
        })
        .into())
}

/// What was queued before the free may still use the memory, so a waiter frees it.
pub fn free(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let address: u64 = decode(call.body)?;
    let context = executor.ranges.remove_allocation(address)?;
    executor.count_memory();
    match executor.mark_context(context)? {
        Ok(events) => {
            let (arena, outlet, asker) = (executor.arena.clone(), executor.outlet.clone(), call.asker);
            let then = move |code| {
                let freed = arena.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).free(address);
                let code = if code == 0 { freed.err().unwrap_or(0) } else { code };
                outlet.answer(asker, code, &[]);
            };
            executor.after(context, events, Box::new(then))?;
            Ok(Reply::Later)
        }
        Err(code) => {
            // A context that can no longer be waited for still says so; the memory goes with it.
            tracing::debug!(address, code, "a free that could not wait");
            Ok(Reply::Now(code, Vec::new()))
        }
    }
}
