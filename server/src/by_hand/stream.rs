//! Streams by the ids that the client chose.
#![allow(unsafe_code)] // calls the driver.

use crate::executor::{Call, Executor, Reply};
use crate::refusal::Refusal;
use farwarp_protocol::codec::decode;
use farwarp_protocol::handle::{Id, ObjectKind};

pub fn stream_create(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let (id, flags, priority): (Id, u32, i32) = decode(call.body)?;
    executor.objects.check_new(id, ObjectKind::Stream)?;
    executor.enter(call)?;
    let mut raw = 0;
    // SAFETY: `raw` is writable.
    let outcome = unsafe { executor.driver.cuStreamCreateWithPriority(&mut raw, flags, priority) };
    Ok(outcome.map(|()| executor.objects.born(id, raw, call.asker.context)).into())
}

pub fn stream_destroy(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let id = decode(call.body)?;
    // The caller's context may be another than the stream's.
    let context = executor.objects.parent(id).unwrap_or(call.asker.context);
    let raw = executor.objects.remove(id, ObjectKind::Stream)?;
    Ok(executor.stream_departs(context, raw)?.into())
}

pub fn synchronize_stream(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let stream = executor.stream(call, decode(call.body)?)?;
    executor.enter(call)?;
    match executor.mark(stream) {
        Ok(event) => executor.answer_after(call, vec![event]),
        Err(code) => Ok(Reply::Now(code, executor.printed.take())),
    }
}
