//! Streams by the ids that the client chose.
#![allow(unsafe_code)] // calls the driver.

use crate::driver::MemOp;
use crate::executor::{Call, Executor, Reply};
use crate::refusal::Refusal;
use crate::shared::Place;
use farwarp_protocol::call::{
    BATCH_MAX, MemoryOperation, STREAM_ATTRIBUTES, STREAM_WINDOW, StreamAttribute, window_of,
};
use farwarp_protocol::codec::{decode, encode};
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

pub fn stream_get_attribute(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let (stream, attribute): (u64, u32) = decode(call.body)?;
    let stream = executor.stream(call, stream)?;
    known_attribute(attribute)?;
    executor.enter(call)?;
    let mut value = [0u8; 64];
    // SAFETY: the value is as large as the header's.
    Ok(unsafe { executor.driver.cuStreamGetAttribute(stream, attribute, &mut value) }
        .map(|()| encode(&value))
        .into())
}

pub fn stream_set_attribute(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let StreamAttribute { stream, attribute, value } = decode(call.body)?;
    let stream = executor.stream(call, stream)?;
    known_attribute(attribute)?;
    if attribute == STREAM_WINDOW {
        let (address, bytes) = window_of(&value);
        if bytes > 0 {
            executor.ranges.check(address, bytes)?;
        }
    }
    executor.enter(call)?;
    // SAFETY: a plain value; where it holds an address, that was checked.
    Ok(unsafe { executor.driver.cuStreamSetAttribute(stream, attribute, &value) }.into())
}

pub fn stream_copy_attributes(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let (to, from): (u64, u64) = decode(call.body)?;
    let (to, from) = (executor.stream(call, to)?, executor.stream(call, from)?);
    executor.enter(call)?;
    // SAFETY: two live streams.
    Ok(unsafe { executor.driver.cuStreamCopyAttributes(to, from) }.into())
}

fn known_attribute(attribute: u32) -> Result<(), Refusal> {
    if STREAM_ATTRIBUTES.contains(&attribute) {
        return Ok(());
    }
    Err(Refusal::StreamAttribute { attribute })
}

/// Every operation is built anew: its word must be the session's.
pub fn batch_memory_operations(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let (stream, operations, flags): (u64, Vec<MemoryOperation>, u32) = decode(call.body)?;
    let stream = executor.stream(call, stream)?;
    let got = operations.len() as u64;
    if got > BATCH_MAX as u64 {
        return Err(Refusal::TooMuch { what: "operations of a batch", got, max: BATCH_MAX as u64 });
    }
    let mut list = Vec::with_capacity(operations.len());
    for operation in operations {
        let unknown = Refusal::MemoryOperation { operation: operation.operation };
        let width = operation.width().ok_or(unknown)?;
        if width > 0 {
            executor.ranges.check(operation.address, width)?;
            executor.shared.writes(operation.address, Place::Anywhere);
        }
        list.push(MemOp::new(&operation, width == 0));
    }
    executor.enter(call)?;
    // SAFETY: a list of ours, which the call copies.
    let outcome =
        unsafe { executor.driver.cuStreamBatchMemOp_v2(stream, list.len() as u32, list.as_ptr(), flags) };
    Ok(outcome.into())
}

pub fn synchronize_stream(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let stream = executor.stream(call, decode(call.body)?)?;
    executor.enter(call)?;
    match executor.mark(stream) {
        Ok(event) => {
            let ticket = executor.shared.ticket(executor.place_of(stream));
            executor.answer_after(call, vec![event], ticket)
        }
        Err(code) => Ok(Reply::Now(code, executor.printed.take())),
    }
}
