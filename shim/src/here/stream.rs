//! What a stream is like, which the shim knows since it was made.
#![allow(unsafe_code)]
// writes answers where the program wants them.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use super::give;
use crate::call::in_context;
use crate::threads;
use farwarp_protocol::error::{CUDA_ERROR_INVALID_HANDLE, CUDA_ERROR_INVALID_VALUE, Code};
use farwarp_protocol::handle::Id;
use farwarp_protocol::param::{STREAM_LEGACY, STREAM_PER_THREAD};

/// The default streams' own numbers; those of created streams follow.
const NUMBER_OF_LEGACY: u64 = u64::MAX - 1;

pub struct About {
    context: Id,
    flags: u32,
    priority: i32,
    number: u64,
}

pub fn about(stream: u64) -> Result<About, Code> {
    let (shim, context) = in_context()?;
    let stream = threads::resolve(stream);
    if stream <= STREAM_PER_THREAD {
        let number = match stream {
            STREAM_LEGACY => NUMBER_OF_LEGACY,
            _ => NUMBER_OF_LEGACY - 1 - threads::slot() as u64,
        };
        return Ok(About { context, flags: 0, priority: 0, number });
    }
    let objects = shim.objects();
    let found = objects.streams.get(Id(stream)).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
    Ok(About { context: found.context, flags: found.flags, priority: found.priority, number: found.number })
}

pub unsafe fn cuStreamGetFlags(stream: u64, flags: *mut u32) -> Result<(), Code> {
    unsafe { give(flags, about(stream)?.flags) }
}

pub unsafe fn cuStreamGetPriority(stream: u64, priority: *mut i32) -> Result<(), Code> {
    unsafe { give(priority, about(stream)?.priority) }
}

pub unsafe fn cuStreamGetCtx(stream: u64, context: *mut u64) -> Result<(), Code> {
    unsafe { give(context, about(stream)?.context.0) }
}

pub unsafe fn cuStreamGetCtx_v2(stream: u64, context: *mut u64, green: *mut u64) -> Result<(), Code> {
    let about = about(stream)?;
    unsafe {
        give(context, about.context.0)?;
        if green.is_null() { Ok(()) } else { cuStreamGetGreenCtx(stream, green) }
    }
}

/// No stream is of a green context: none can be made.
pub unsafe fn cuStreamGetGreenCtx(stream: u64, green: *mut u64) -> Result<(), Code> {
    about(stream)?;
    unsafe { give(green, 0) }
}

pub unsafe fn cuStreamGetId(stream: u64, number: *mut u64) -> Result<(), Code> {
    unsafe { give(number, about(stream)?.number) }
}

pub unsafe fn cuStreamGetDevice(stream: u64, device: *mut i32) -> Result<(), Code> {
    let context = about(stream)?.context;
    let known = crate::state::shim()?.contexts().get(context)?.device;
    unsafe { give(device, known) }
}

/// Who may use managed memory when. All of it is coherent at each launch and wait whatever is said, so nothing changes.
pub unsafe fn cuStreamAttachMemAsync(
    stream: u64,
    address: u64,
    bytes: usize,
    flags: u32,
) -> Result<(), Code> {
    let (shim, _) = in_context()?;
    about(stream)?;
    let (is_start, whole) = {
        let memory = shim.memory();
        let found = memory.find(address).filter(|found| found.kind.is_managed());
        let range = found.ok_or(CUDA_ERROR_INVALID_VALUE)?.range;
        (range.address == address, range.bytes)
    };
    let attaches = matches!(flags, ATTACH_GLOBAL | ATTACH_HOST | ATTACH_SINGLE);
    if attaches && is_start && (bytes == 0 || bytes as u64 == whole) {
        Ok(())
    } else {
        Err(CUDA_ERROR_INVALID_VALUE)
    }
}

/// `CU_MEM_ATTACH_GLOBAL`, `_HOST` and `_SINGLE`.
pub const ATTACH_GLOBAL: u32 = 1;
pub const ATTACH_HOST: u32 = 2;
const ATTACH_SINGLE: u32 = 4;
