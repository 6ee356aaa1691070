//! Stream memory operations.

use farwarp_face::*;

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

fn wait(place: &Place, address: u64, value: u64, width: Width, flags: u32) -> Result {
    let comparison = Comparison::from_flags(flags)?;
    check(place, address, width, false)?;
    place.add(Vec::new(), Action::Wait(Condition { address, value, width, comparison }));
    Ok(())
}

fn write(place: &Place, address: u64, value: u64, width: Width, flags: u32) -> Result {
    if flags & !NO_MEMORY_BARRIER != 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    check(place, address, width, true)?;
    let context = place.context.clone();
    let store = move || {
        if !context.viewer.reaches(address, width.bytes(), true) {
            return Err(CUDA_ERROR_ILLEGAL_ADDRESS);
        }
        transfer::store(address, value, width);
        Ok(())
    };
    place.add(Vec::new(), Action::Copy(Box::new(store)));
    Ok(())
}

fn check(place: &Place, address: u64, width: Width, write: bool) -> Result {
    let lawful =
        address.is_multiple_of(width.bytes()) && place.context.viewer.reaches(address, width.bytes(), write);
    if lawful { Ok(()) } else { Err(CUDA_ERROR_INVALID_VALUE) }
}
