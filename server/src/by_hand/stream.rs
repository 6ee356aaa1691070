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
    let raw = executor.objects.remove(decode(call.body)?, ObjectKind::Stream)?;
    executor.enter(call)?;
    // SAFETY: a stream that this session made and nobody names any more; the driver finishes its work first.
    Ok(unsafe { executor.driver.cuStreamDestroy_v2(raw) }.into())
}

pub fn synchronize_stream(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let stream = executor.stream(call, decode(call.body)?)?;
    executor.enter(call)?;
    match executor.mark(stream) {
        Ok(event) => executor.answer_after(call, vec![event]),
        Err(code) => Ok(Reply::Now(code, executor.printed.take())),
    }
}
