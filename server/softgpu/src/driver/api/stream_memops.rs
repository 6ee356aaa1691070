//! Stream memory operations.

use std::sync::Arc;

use farwarp_face::*;
use farwarp_protocol::graph::MemoryOperation;

use crate::driver::context::Context;
use crate::driver::edge::{In, Result, api};
use crate::driver::job::Action;
use crate::driver::memops::{Comparison, Condition, Width};
use crate::driver::mirror::MemOp;
use crate::driver::stream::{Place, resolve};
use crate::driver::transfer;

api! {
    fn cuStreamWaitValue32_v2 | cuStreamWaitValue32_v2_ptsz(stream: u64, address: u64, value: u32, flags: u32) {
        wait(&resolve(stream)?, address, value.into(), Width::Four, flags)
    }

    fn cuStreamWaitValue32 | cuStreamWaitValue32_ptsz(stream: u64, address: u64, value: u32, flags: u32) {
        wait(&resolve(stream)?, address, value.into(), Width::Four, flags)
    }

    fn cuStreamWaitValue64_v2 | cuStreamWaitValue64_v2_ptsz(stream: u64, address: u64, value: u64, flags: u32) {
        wait(&resolve(stream)?, address, value, Width::Eight, flags)
    }

    fn cuStreamWaitValue64 | cuStreamWaitValue64_ptsz(stream: u64, address: u64, value: u64, flags: u32) {
        wait(&resolve(stream)?, address, value, Width::Eight, flags)
    }

    fn cuStreamWriteValue32_v2 | cuStreamWriteValue32_v2_ptsz(stream: u64, address: u64, value: u32, flags: u32) {
        write(&resolve(stream)?, address, value.into(), Width::Four, flags)
    }

    fn cuStreamWriteValue32 | cuStreamWriteValue32_ptsz(stream: u64, address: u64, value: u32, flags: u32) {
        write(&resolve(stream)?, address, value.into(), Width::Four, flags)
    }

    fn cuStreamWriteValue64_v2 | cuStreamWriteValue64_v2_ptsz(stream: u64, address: u64, value: u64, flags: u32) {
        write(&resolve(stream)?, address, value, Width::Eight, flags)
    }

    fn cuStreamWriteValue64 | cuStreamWriteValue64_ptsz(stream: u64, address: u64, value: u64, flags: u32) {
        write(&resolve(stream)?, address, value, Width::Eight, flags)
    }

    fn cuStreamBatchMemOp_v2 | cuStreamBatchMemOp_v2_ptsz(stream: u64, count: u32, list: In<MemOp>, flags: u32) {
        batch(stream, count, list, flags)
    }

    fn cuStreamBatchMemOp | cuStreamBatchMemOp_ptsz(stream: u64, count: u32, list: In<MemOp>, flags: u32) {
        batch(stream, count, list, flags)
    }
}

const WAIT_32: u32 = 1;
const WRITE_32: u32 = 2;
const FLUSH_REMOTE_WRITES: u32 = 3;
const WAIT_64: u32 = 4;
const WRITE_64: u32 = 5;
const BARRIER: u32 = 6;
const ATOMIC_REDUCTION: u32 = 8;
/// CUDA takes no longer batch.
const BATCH_LIMIT: u32 = 256;
/// CU_STREAM_WRITE_VALUE_NO_MEMORY_BARRIER: a barrier costs nothing here.
const NO_MEMORY_BARRIER: u32 = 1;

fn batch(stream: u64, count: u32, list: In<MemOp>, flags: u32) -> Result {
    let place = resolve(stream)?;
    if flags != 0 || count > BATCH_LIMIT {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    for op in list.list(count as usize)? {
        match op.operation {
            WAIT_32 => wait(&place, op.address, op.value, Width::Four, op.flags)?,
            WAIT_64 => wait(&place, op.address, op.value, Width::Eight, op.flags)?,
            WRITE_32 => write(&place, op.address, op.value, Width::Four, op.flags)?,
            WRITE_64 => write(&place, op.address, op.value, Width::Eight, op.flags)?,
            // Memory is coherent at every step of a stream.
            FLUSH_REMOTE_WRITES | BARRIER => {}
            ATOMIC_REDUCTION => return Err(CUDA_ERROR_NOT_SUPPORTED),
            _ => return Err(CUDA_ERROR_INVALID_VALUE),
        }
    }
    Ok(())
}

/// An operation of a graph's, as a job's action.
pub(in crate::driver) fn memory_operation(context: &Arc<Context>, op: &MemoryOperation) -> Result<Action> {
    match op.operation {
        WAIT_32 => waiting(context, op.address, op.value, Width::Four, op.flags),
        WAIT_64 => waiting(context, op.address, op.value, Width::Eight, op.flags),
        WRITE_32 => writing(context, op.address, op.value, Width::Four, op.flags),
        WRITE_64 => writing(context, op.address, op.value, Width::Eight, op.flags),
        FLUSH_REMOTE_WRITES | BARRIER => Ok(Action::Nothing),
        _ => Err(CUDA_ERROR_NOT_SUPPORTED),
    }
}

fn wait(place: &Place, address: u64, value: u64, width: Width, flags: u32) -> Result {
    place.add(Vec::new(), waiting(&place.context, address, value, width, flags)?);
    Ok(())
}

fn waiting(context: &Context, address: u64, value: u64, width: Width, flags: u32) -> Result<Action> {
    let comparison = Comparison::from_flags(flags)?;
    check(context, address, width, false)?;
    Ok(Action::Wait(Condition { address, value, width, comparison }))
}

fn write(place: &Place, address: u64, value: u64, width: Width, flags: u32) -> Result {
    place.add(Vec::new(), writing(&place.context, address, value, width, flags)?);
    Ok(())
}

fn writing(context: &Arc<Context>, address: u64, value: u64, width: Width, flags: u32) -> Result<Action> {
    if flags & !NO_MEMORY_BARRIER != 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    check(context, address, width, true)?;
    let context = context.clone();
    let store = move || {
        if !context.viewer.reaches(address, width.bytes(), true) {
            return Err(CUDA_ERROR_ILLEGAL_ADDRESS);
        }
        transfer::store(address, value, width);
        Ok(())
    };
    Ok(Action::Copy(Box::new(store)))
}

fn check(context: &Context, address: u64, width: Width, write: bool) -> Result {
    let lawful =
        address.is_multiple_of(width.bytes()) && context.viewer.reaches(address, width.bytes(), write);
    if lawful { Ok(()) } else { Err(CUDA_ERROR_INVALID_VALUE) }
}
