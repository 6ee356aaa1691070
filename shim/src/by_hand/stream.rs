//! Streams: their ids are chosen here, so making and unmaking one is told.
#![allow(unsafe_code)]
// writes answers where the program wants them.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use super::copy::checked;
use crate::call::{in_context, in_context_hearing};
use crate::here::give;
use crate::output;
use farwarp_protocol::call::{SYNCHRONIZE_STREAM, op};
use farwarp_protocol::codec::encode;
use farwarp_protocol::error::{CUDA_ERROR_INVALID_HANDLE, CUDA_ERROR_INVALID_VALUE, Code};
use farwarp_protocol::handle::Id;

/// `CU_STREAM_NON_BLOCKING`.
const FLAGS_KNOWN: u32 = 1;

pub unsafe fn cuStreamCreateWithPriority(stream: *mut u64, flags: u32, priority: i32) -> Result<(), Code> {
    let (shim, context) = in_context_hearing()?;
    if stream.is_null() || flags & !FLAGS_KNOWN != 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let device = shim.contexts().get(context)?.device;
    let (least, greatest) = shim.device(device)?.priorities;
    // A priority out of range is brought into it, as the driver does. Greater means a lower number.
    let priority = priority.clamp(greatest, least);
    let id = shim.objects().new_stream(context, flags, priority)?;
    let told = shim.remote.tell(op("cuStreamCreateWithPriority"), &[&encode(&(id, flags, priority))]);
    if let Err(code) = told {
        shim.objects().streams.remove(id);
        return Err(code);
    }
    unsafe { give(stream, id.0) }
}

pub unsafe fn cuStreamCreate(stream: *mut u64, flags: u32) -> Result<(), Code> {
    unsafe { cuStreamCreateWithPriority(stream, flags, 0) }
}

pub unsafe fn cuStreamDestroy_v2(stream: u64) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    let id = Id(stream);
    shim.objects().streams.remove(id).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
    shim.remote.tell(op("cuStreamDestroy_v2"), &[&encode(&id)])
}

pub unsafe fn cuStreamDestroy(stream: u64) -> Result<(), Code> {
    unsafe { cuStreamDestroy_v2(stream) }
}

pub unsafe fn cuStreamSynchronize(stream: u64) -> Result<(), Code> {
    let (shim, _) = in_context()?;
    let stream = checked(shim, stream)?;
    let answer = shim.remote.ask(SYNCHRONIZE_STREAM, &[&encode(&stream)])?;
    output::print(&answer.body);
    answer.check()?;
    shim.remote.take_failure().map_or(Ok(()), Err)
}
