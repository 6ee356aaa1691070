//! Events by the ids that the client chose.
#![allow(unsafe_code)] // calls the driver.

use crate::executor::{Call, Executor, Reply};
use crate::refusal::Refusal;
use crate::shared::Place;
use farwarp_protocol::codec::decode;
use farwarp_protocol::handle::{Id, ObjectKind};

pub fn event_create(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let (id, flags): (Id, u32) = decode(call.body)?;
    executor.objects.check_new(id, ObjectKind::Event)?;
    executor.enter(call)?;
    let mut raw = 0;
    // SAFETY: `raw` is writable.
    let outcome = unsafe { executor.driver.cuEventCreate(&mut raw, flags) };
    Ok(outcome.map(|()| executor.objects.born(id, raw, call.asker.context)).into())
}

pub fn event_destroy(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let id = decode(call.body)?;
    executor.enter(call)?;
    let raw = executor.objects.remove(id, ObjectKind::Event)?;
    // SAFETY: an event that this session made and nobody names any more.
    Ok(unsafe { executor.driver.cuEventDestroy_v2(raw) }.into())
}

/// What the event stands for now is what is waited for, even if it is recorded anew meanwhile: so a stream that waits for it is marked.
pub fn synchronize_event(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let raw = executor.objects.get(decode(call.body)?, ObjectKind::Event)?;
    executor.enter(call)?;
    let (outlet, printed, asker) = (executor.outlet.clone(), executor.printed.clone(), call.asker);
    let (driver, lines, shared) = (executor.driver, executor.lines.clone(), executor.shared.clone());
    let ticket = shared.ticket(Place::Nowhere);
    // SAFETY: a live event of this session's.
    match unsafe { driver.cuEventQuery(raw) } {
        Ok(()) => Ok(Reply::Now(0, printed.take())),
        Err(farwarp_protocol::error::CUDA_ERROR_NOT_READY) => {
            let then = move |_| {
                // SAFETY: as above. The client may destroy it meanwhile, which the driver allows.
                let code = unsafe { driver.cuEventSynchronize(raw) }.err().unwrap_or(0);
                lines.settle();
                shared.bring(ticket);
                outlet.answer(asker, code, &printed.take());
            };
            executor.after_nothing(call.asker.context, Box::new(then))?;
            Ok(Reply::Later)
        }
        Err(code) => Ok(Reply::Now(code, printed.take())),
    }
}
