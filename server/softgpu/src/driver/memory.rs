//! Allocation: device, managed and host memory, made and given back.

use std::sync::Arc;

use farwarp_face::*;

use crate::driver::context::{self, Context};
use crate::driver::current::current;
use crate::driver::device::Device;
use crate::driver::edge::Result;
use crate::driver::handles::Handle;
use crate::driver::machine::device;
use crate::driver::ranges::{Kind, Range};
use crate::driver::{arena, pages, pool, ranges, stream};

/// Rows of a pitched allocation begin at a multiple of this.
const PITCH_BYTES: u64 = 512;

/// Device memory of a context.
pub fn allocate(context: &Context, bytes: u64, alignment: u64, kind: Kind) -> Result<Arc<Range>> {
    allocate_on(context.device, context.handle, bytes, alignment, kind)
}

/// Device memory that dies with the context of that handle; 0 for what outlives contexts.
pub fn allocate_on(
    device: &Device,
    context: Handle,
    bytes: u64,
    alignment: u64,
    kind: Kind,
) -> Result<Arc<Range>> {
    if bytes == 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    pool::charge(device, account(bytes))?;
    let taken = arena::take(bytes, alignment)
        .and_then(|start| ranges::add(Range::new(start, bytes, kind, device.ordinal, context)));
    if taken.is_err() {
        device.refund(account(bytes));
    }
    taken
}

/// Device memory for rows of at least `width` bytes: (address, pitch).
pub fn allocate_pitch(context: &Context, width: u64, height: u64) -> Result<(u64, u64)> {
    let pitch = width.checked_next_multiple_of(PITCH_BYTES).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    let bytes = pitch.checked_mul(height).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    let range = allocate(context, bytes, arena::ALIGNMENT, Kind::Device)?;
    Ok((range.start, pitch))
}

/// `cuMemFree`: waits for what the owner's device has to do, as every driver does.
pub fn free(address: u64) -> Result {
    let range = ranges::starting(address).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    if let Kind::Pooled { pool } = &range.kind {
        stream::synchronize_all(&*current()?)?;
        return pool.free_now(address);
    }
    if !matches!(range.kind, Kind::Device | Kind::Managed) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let owner = context::find(range.context)?;
    stream::synchronize_all(&owner)?;
    strike(&range);
    Ok(())
}

/// Takes an allocation of the arena out of the book and gives its room back.
pub fn strike(range: &Range) {
    if ranges::remove_exactly(range) {
        give_back(range);
    }
}

/// Page-locked memory, seen by all at one address.
pub fn allocate_host(context: &Context, bytes: u64, flags: u32) -> Result<u64> {
    if bytes == 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let pages_bytes = bytes.checked_next_multiple_of(pages::PAGE_BYTES).ok_or(CUDA_ERROR_OUT_OF_MEMORY)?;
    if pages_bytes > pages::host_memory_bytes() {
        return Err(CUDA_ERROR_OUT_OF_MEMORY);
    }
    let start = pages::reserve(pages_bytes, 0, true)?;
    ranges::add(Range::new(start, bytes, Kind::Host { flags }, context.device.ordinal, context.handle))?;
    Ok(start)
}

/// `cuMemFreeHost`.
pub fn free_host(address: u64) -> Result {
    let range = ranges::starting(address).filter(|range| matches!(range.kind, Kind::Host { .. }));
    let range = range.ok_or(CUDA_ERROR_INVALID_VALUE)?;
    // Copies that are under way read or write it.
    stream::synchronize_all(&*context::find(range.context)?)?;
    strike(&range);
    Ok(())
}

const REGISTER_FLAGS: u32 = 0x0F;
const IO_MEMORY: u32 = 0x04;

/// Makes the program's own memory known.
pub fn register_host(context: &Context, address: u64, bytes: u64, flags: u32) -> Result {
    if address == 0 || bytes == 0 || flags & !REGISTER_FLAGS != 0 || !pages::exist(address, bytes) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    if flags & IO_MEMORY != 0 {
        return Err(CUDA_ERROR_NOT_SUPPORTED);
    }
    let kind = Kind::Registered { flags };
    ranges::add(Range::new(address, bytes, kind, context.device.ordinal, context.handle))
        .map_err(|_| CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED)?;
    Ok(())
}

pub fn unregister_host(address: u64) -> Result {
    let range = ranges::starting(address).filter(|range| matches!(range.kind, Kind::Registered { .. }));
    let range = range.ok_or(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED)?;
    stream::synchronize_all(&*context::find(range.context)?)?;
    ranges::remove_exactly(&range);
    Ok(())
}

/// Page-locked or registered memory at `address`.
pub fn host_range(address: u64) -> Result<Arc<Range>> {
    ranges::find(address).filter(|range| range.is_host()).ok_or(CUDA_ERROR_INVALID_VALUE)
}

/// All memory of a context goes with it.
pub fn forget_context(context: Handle) {
    ranges::remove_of_context(context).iter().for_each(|range| give_back(range));
}

/// Returns what a struck range had: to the arena and the device's account, or to the host.
fn give_back(range: &Range) {
    let (start, bytes) = (range.start, range.bytes);
    match range.kind {
        Kind::Device | Kind::OfGraph | Kind::Array | Kind::Variable { .. } | Kind::Managed => {
            arena::give_back(start, bytes);
            if let Ok(device) = device(range.device) {
                device.refund(account(bytes));
            }
        }
        Kind::Host { .. } => {
            ranges::bury(move || pages::release(start, bytes.next_multiple_of(pages::PAGE_BYTES)));
        }
        Kind::Opened { pages, pages_bytes } => ranges::bury(move || pages::release(pages, pages_bytes)),
        Kind::Registered { .. } | Kind::Mapped { .. } | Kind::Pooled { .. } => {}
    }
}

/// What an allocation costs its device.
fn account(bytes: u64) -> u64 {
    bytes.checked_next_multiple_of(arena::ALIGNMENT).unwrap_or(u64::MAX)
}
