//! Events: their ids are chosen here, so making and unmaking one is told.
#![allow(unsafe_code)]
// writes answers where the program wants them.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use crate::call::in_context_hearing;
use crate::here::give;
use crate::objects::{Event, born};
use crate::output;
use farwarp_protocol::call::{SYNCHRONIZE_EVENT, op};
use farwarp_protocol::codec::encode;
use farwarp_protocol::error::{
    CUDA_ERROR_INVALID_HANDLE, CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_NOT_SUPPORTED, Code,
};
use farwarp_protocol::handle::Id;

/// Blocking sync, disabled timing, interprocess.
const FLAGS_KNOWN: u32 = 0b111;
const INTERPROCESS: u32 = 0b100;
const DISABLE_TIMING: u32 = 0b10;

pub unsafe fn cuEventCreate(event: *mut u64, flags: u32) -> Result<(), Code> {
    let (shim, context) = in_context_hearing()?;
    if event.is_null() || flags & !FLAGS_KNOWN != 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    if flags & INTERPROCESS != 0 && flags & DISABLE_TIMING == 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    if flags & INTERPROCESS != 0 {
        return Err(CUDA_ERROR_NOT_SUPPORTED);
    }
    let id = born(shim.objects().events.insert(Event { context }))?;
    if let Err(code) = shim.remote.tell(op("cuEventCreate"), &[&encode(&(id, flags))]) {
        shim.objects().events.remove(id);
        return Err(code);
    }
    unsafe { give(event, id.0) }
}

pub unsafe fn cuEventDestroy_v2(event: u64) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    let id = Id(event);
    shim.objects().events.remove(id).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
    shim.remote.tell(op("cuEventDestroy_v2"), &[&encode(&id)])
}

pub unsafe fn cuEventDestroy(event: u64) -> Result<(), Code> {
    unsafe { cuEventDestroy_v2(event) }
}

pub unsafe fn cuEventSynchronize(event: u64) -> Result<(), Code> {
    let (shim, _) = crate::call::in_context()?;
    shim.objects().events.get(Id(event)).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
    let answer = shim.remote.ask(SYNCHRONIZE_EVENT, &[&encode(&event)])?;
    output::print(&answer.body);
    answer.check()?;
    shim.remote.take_failure().map_or(Ok(()), Err)
}
