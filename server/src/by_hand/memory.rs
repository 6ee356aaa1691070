//! Device memory, from the arena.
#![allow(unsafe_code)] // calls the driver.

use crate::executor::{Call, Executor, Reply};
use crate::param::Reader;
use crate::refusal::Refusal;
use farwarp_protocol::call::{Allocate, NOTICE_FENCE};
use farwarp_protocol::codec::{decode, encode};
use farwarp_protocol::error::CUDA_ERROR_OUT_OF_MEMORY;

pub fn allocate(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let Allocate { bytes } = decode(call.body)?;
    if bytes == 0 {
        return Err(Refusal::OutOfRange { address: 0, bytes });
    }
    let context = call.asker.context;
    executor.enter(call)?;
    if !executor.within_quota(bytes) {
        return Ok(Reply::Now(CUDA_ERROR_OUT_OF_MEMORY, Vec::new()));
    }
    let device = executor.context(context)?.device;
    let viewers = executor.devices_that_look_into(context);
    let given = executor.arena().allocate(bytes, context, device, &viewers);
    Ok(given
        .map(|range| {
            executor.ranges.born(range, context);
            executor.count_memory();
            encode(&range)
        })
        .into())
}

pub fn free(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let address: u64 = decode(call.body)?;
    let context = executor.ranges.remove_allocation(address)?;
    executor.count_memory();
    if executor.arena().has_chunks() {
        // The client has waited for a fence. One that has not can only hurt kernels of its own.
        executor.enter_context(context)?;
        let freed = executor.arena().free(address);
        return Ok(freed.into());
    }
    // The driver's own free waits for the GPU, so a waiter calls it.
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

/// Says when everything that was queued before, in whatever context, is done. One that can no longer be waited for uses nothing.
pub fn fence(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let number: u64 = decode(call.body)?;
    if !executor.contexts.is_empty() {
        executor.enter(call)?;
    }
    let contexts: Vec<_> = executor.contexts.keys().copied().collect();
    let mut events = Vec::new();
    for context in contexts {
        events.extend(executor.mark_context(context)?.unwrap_or_default());
    }
    let (outlet, asker) = (executor.outlet.clone(), call.asker);
    let passed = move |_| {
        outlet.notice(NOTICE_FENCE, &encode(&number));
        outlet.answer(asker, 0, &[]);
    };
    if events.is_empty() {
        passed(0);
    } else {
        executor.after(call.asker.context, events, Box::new(passed))?;
    }
    Ok(Reply::Later)
}

/// Free and total memory of the current context's device. What a quota forbids is not free.
pub fn memory_info(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    Reader::new(call.body).finish()?;
    executor.enter(call)?;
    let (mut free, mut total) = (0usize, 0usize);
    // SAFETY: both numbers are writable.
    let outcome = unsafe { executor.driver.cuMemGetInfo_v2(&mut free, &mut total) };
    let left = executor.device_bytes_max.saturating_sub(executor.held_bytes());
    Ok(outcome.map(|()| encode(&((free as u64).min(left), total as u64))).into())
}
