//! Contexts, and waiting for all that was issued in one.
#![allow(unsafe_code)] // calls the driver.

use crate::executor::{Call, Executor, Reply};
use crate::param::Reader;
use crate::refusal::Refusal;
use crate::shared::Place;
use farwarp_protocol::call::{ContextGone, ContextNew};
use farwarp_protocol::codec::decode;
use farwarp_protocol::error::Code;
use farwarp_protocol::handle::{Id, ObjectKind};

pub fn context_new(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let ContextNew { context, device, flags, primary } = decode(call.body)?;
    executor.objects.check_new(context, ObjectKind::Context)?;
    let device = executor.device(device)?;
    let made = make(executor, device, flags, primary);
    executor.forget_current();
    Ok(made
        .map(|raw| {
            executor.objects.born(context, raw, Id(0));
            executor.add_context(context, raw, device, primary);
        })
        .into())
}

fn make(executor: &Executor, device: i32, flags: u32, primary: bool) -> Result<u64, Code> {
    let mut raw = 0;
    // SAFETY: `raw` is writable. The driver's stack of this thread is set anew before each call, so what a create pushes is harmless.
    unsafe {
        if primary {
            if flags != 0 {
                executor.driver.cuDevicePrimaryCtxSetFlags_v2(device, flags)?;
            }
            executor.driver.cuDevicePrimaryCtxRetain(&mut raw, device)?;
        } else {
            executor.driver.cuCtxCreate_v2(&mut raw, flags, device)?;
        }
    }
    Ok(raw)
}

/// Waits for what was issued, as the driver's own functions do, then lets everything go.
pub fn context_gone(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let ContextGone { context } = decode(call.body)?;
    let driver = executor.driver;
    if let Ok(events) = executor.mark_context(context)? {
        let raw = executor.context(context)?.raw;
        crate::waiters::wait_for(driver, raw, &events);
    }
    executor.objects.remove(context, ObjectKind::Context)?;
    executor.ranges.parent_gone(context);
    executor.latches().context_gone(context);
    executor.links.context_gone(context);
    super::graphs_of_context_gone(executor);
    super::peers_of_context_gone(executor, context);
    let Some(gone) = executor.contexts.remove(&context) else {
        return Err(Refusal::NoContext { id: context });
    };
    executor.awaited.context_gone(context);
    executor.nothing_settles_in(gone.raw);
    {
        let (mut shared, objects) = (executor.shared.lock(), &executor.objects);
        shared.gone(Some(gone.raw), |parent| objects.is_live(parent));
    }
    executor.arena().context_gone(context);
    executor.count_memory();
    // SAFETY: a context that this session made and that nothing refers to any more. A reset also frees what another
    // holder of the primary context, of which there is none in this process, would keep alive.
    let outcome = unsafe {
        if gone.primary {
            driver.cuDevicePrimaryCtxRelease_v2(gone.device)
        } else {
            driver.cuCtxDestroy_v2(gone.raw)
        }
    };
    executor.forget_current();
    Ok(Reply::Now(outcome.err().unwrap_or(0), executor.printed.take()))
}

pub fn synchronize_context(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let context: Id = decode(call.body)?;
    match executor.mark_context(context)? {
        Ok(events) => {
            let raw = executor.context(context)?.raw;
            let ticket = executor.shared.ticket(Place::Context(raw));
            executor.answer_after_in(context, call, events, ticket)
        }
        Err(code) => Ok(Reply::Now(code, executor.printed.take())),
    }
}

pub fn thread_gone(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    Reader::new(call.body).finish()?;
    executor.thread_gone(call.asker.slot)?;
    Ok(Reply::DONE)
}
