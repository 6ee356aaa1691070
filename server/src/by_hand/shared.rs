//! Memory that the client and the GPU see at one address: made, changed by the client, and the client's alone again.
#![allow(unsafe_code)] // calls the driver.

use super::copy::staging;
use crate::executor::{Call, Executor, Reply};
use crate::outlet::Asker;
use crate::refusal::Refusal;
use crate::shared::Place;
use farwarp_protocol::call::Range;
use farwarp_protocol::codec::decode;
use farwarp_protocol::error::{CUDA_ERROR_OUT_OF_MEMORY, Code};
use farwarp_protocol::handle::Id;
use farwarp_protocol::limits::{ADDRESSES_END, PIECE_BYTES};
use std::collections::BTreeMap;

/// Up to here the driver takes the bytes before it returns, whatever the stream is doing.
const TAKEN_AT_ONCE_BYTES: u64 = 64 << 10;

pub fn share(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let range: Range = decode(call.body)?;
    let Range { address, bytes } = range;
    let end = address.checked_add(bytes).filter(|end| *end <= ADDRESSES_END);
    if bytes == 0 || address == 0 || end.is_none() {
        return Err(Refusal::OutOfRange { address, bytes });
    }
    executor.shared.lock().check_room(range)?;
    let of_the_device = executor.arena().device_part;
    let taken = of_the_device.is_some_and(|part| part.address < range.end() && address < part.end());
    if taken || executor.ranges.any_within(range) {
        return Err(Refusal::Taken { address, bytes });
    }
    executor.enter(call)?;
    let context = call.asker.context;
    if executor.ranges.bytes().saturating_add(bytes) > executor.device_bytes_max {
        return Ok(Reply::Now(CUDA_ERROR_OUT_OF_MEMORY, Vec::new()));
    }
    let (raw, device) = (executor.context(context)?.raw, executor.context(context)?.device);
    let shared = executor.shared.lock().share(range, context, raw, device);
    match shared {
        Ok(lane) => {
            executor.ranges.born(range, context);
            executor.shared.used();
            executor.count_memory();
            executor.settles(lane.stream);
            Ok(Reply::DONE)
        }
        Err(code) => Ok(Reply::Now(code, Vec::new())),
    }
}

/// What the GPU has done until now goes to the client first: memory that was only registered lives on.
pub fn unshare(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let address: u64 = decode(call.body)?;
    let known = executor.shared.lock().find(address).is_some_and(|range| range.address == address);
    if !known {
        return Err(Refusal::OutOfRange { address, bytes: 0 });
    }
    let context = executor.ranges.remove_allocation(address)?;
    executor.count_memory();
    let raw = executor.context(context)?.raw;
    // One that can no longer be waited for changes nothing more.
    let mut events = executor.mark_context(context)?.unwrap_or_default();
    events.extend(changes_under_way(executor)?);
    let ticket = executor.shared.ticket(Place::Context(raw));
    let (shared, outlet, asker) = (executor.shared.clone(), executor.outlet.clone(), call.asker);
    let then = move |code| {
        shared.bring(ticket);
        shared.lock().unshare(address);
        outlet.answer(asker, code, &[]);
    };
    executor.after(context, events, Box::new(then))?;
    Ok(Reply::Later)
}

pub fn adopt(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    executor.shared.adopt(decode(call.body)?)?;
    Ok(Reply::DONE)
}

/// What the client has changed. Whatever is issued from now on sees it.
pub fn patch(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    // A function of the program's changes memory too, on a thread without a context.
    let raw = match call.asker.context {
        Id(0) => executor.contexts.values().next().map_or(0, |context| context.raw),
        context => executor.context(context)?.raw,
    };
    let shared = executor.shared.clone();
    // Held until the copies are issued: who looks for what the GPU has changed sees twin and device alike.
    let mut state = shared.lock();
    let mut by_context: BTreeMap<u64, Vec<Range>> = BTreeMap::new();
    for (context, run) in state.take(call.body, raw)? {
        by_context.entry(context).or_default().push(run);
    }
    let mut outcome = Ok(());
    for (raw, runs) in by_context {
        let Some(context) = executor.context_of(raw) else { continue };
        executor.enter_context(context)?;
        match state.lane(raw) {
            Ok(lane) => {
                let call = Call { asker: Asker { context, ..call.asker }, body: call.body };
                outcome = outcome.and(copy_runs(executor, &call, &state, &runs, lane.stream)?);
                executor.settles(lane.stream);
            }
            Err(code) => outcome = Err(code),
        }
    }
    Ok(outcome.into())
}

fn copy_runs(
    executor: &mut Executor,
    call: &Call,
    state: &crate::shared::State,
    runs: &[Range],
    stream: u64,
) -> Result<Result<(), Code>, Refusal> {
    for run in runs {
        let mut at = run.address;
        while at < run.end() {
            let part = Range { address: at, bytes: (run.end() - at).min(PIECE_BYTES as u64) };
            at = part.end();
            let bytes = state.twin(part);
            if part.bytes <= TAKEN_AT_ONCE_BYTES {
                // SAFETY: the part lies in a live range; pageable bytes of this size are taken before the call returns.
                let outcome = unsafe {
                    executor.driver.cuMemcpyHtoDAsync_v2(
                        part.address,
                        bytes.as_ptr().cast(),
                        bytes.len(),
                        stream,
                    )
                };
                if outcome.is_err() {
                    return Ok(outcome);
                }
                continue;
            }
            let mut piece = match staging(executor, call, stream)? {
                Ok(piece) => piece,
                Err(code) => return Ok(Err(code)),
            };
            piece.bytes()[..bytes.len()].copy_from_slice(bytes);
            // SAFETY: as above; the piece is kept until the copy is over.
            let outcome = unsafe {
                executor.driver.cuMemcpyHtoDAsync_v2(part.address, piece.address(), bytes.len(), stream)
            };
            match outcome.and_then(|()| executor.mark(stream)) {
                Ok(event) => {
                    executor.after(call.asker.context, vec![event], Box::new(move |_| drop(piece)))?
                }
                Err(code) => return Ok(Err(code)),
            }
        }
    }
    Ok(Ok(()))
}

/// Events behind all changes of the client's that are on their way to the device.
pub fn changes_under_way(executor: &mut Executor) -> Result<Vec<u64>, Refusal> {
    if !executor.shared.is_used() {
        return Ok(Vec::new());
    }
    let contexts: Vec<(Id, u64)> = executor.contexts.iter().map(|(id, context)| (*id, context.raw)).collect();
    let mut events = Vec::new();
    for (context, raw) in contexts {
        let Some(stream) = executor.shared.lock().lane_of(raw) else { continue };
        executor.enter_context(context)?;
        events.extend(executor.mark(stream));
    }
    Ok(events)
}

/// Whether the driver says that memory is managed.
pub fn is_managed(executor: &Executor, address: u64) -> bool {
    /// `CU_POINTER_ATTRIBUTE_IS_MANAGED`: a byte.
    const IS_MANAGED: u32 = 8;
    let mut managed = 0u32;
    // SAFETY: more room than the attribute takes.
    let known =
        unsafe { executor.driver.cuPointerGetAttribute((&raw mut managed).cast(), IS_MANAGED, address) };
    known == Ok(()) && managed & 0xff != 0
}
