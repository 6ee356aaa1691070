//! Contexts and the calling thread's stack of them, which the shim keeps itself.
#![allow(unsafe_code)]
// writes answers where the program wants them.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use super::{attribute, give};
use crate::call::in_context;
use crate::state::shim;
use crate::threads;
use cudarc::driver::sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT;
use cudarc::driver::sys::CUexecAffinityParam;
use farwarp_protocol::error::{
    CUDA_ERROR_INVALID_CONTEXT, CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY, Code,
};
use farwarp_protocol::handle::Id;

pub unsafe fn cuDevicePrimaryCtxGetState(device: i32, flags: *mut u32, active: *mut i32) -> Result<(), Code> {
    let shim = shim()?;
    let mut contexts = shim.contexts();
    let primary = contexts.primary(device)?;
    let (known_flags, context) = (primary.flags, primary.context);
    let known_active = contexts.get(context)?.active;
    unsafe {
        give(flags, known_flags)?;
        give(active, known_active as i32)
    }
}

pub unsafe fn cuCtxGetCurrent(context: *mut u64) -> Result<(), Code> {
    shim()?;
    unsafe { give(context, threads::current().0) }
}

pub unsafe fn cuCtxSetCurrent(context: u64) -> Result<(), Code> {
    let shim = shim()?;
    if context != 0 {
        shim.contexts().get(Id(context))?;
    }
    threads::set_current(Id(context));
    Ok(())
}

pub unsafe fn cuCtxPushCurrent_v2(context: u64) -> Result<(), Code> {
    shim()?.contexts().get(Id(context))?;
    threads::push(Id(context))
}

pub unsafe fn cuCtxPushCurrent(context: u64) -> Result<(), Code> {
    unsafe { cuCtxPushCurrent_v2(context) }
}

pub unsafe fn cuCtxPopCurrent_v2(context: *mut u64) -> Result<(), Code> {
    shim()?;
    let popped = threads::pop().ok_or(CUDA_ERROR_INVALID_CONTEXT)?;
    // A program that does not want to know passes NULL.
    if context.is_null() { Ok(()) } else { unsafe { give(context, popped.0) } }
}

pub unsafe fn cuCtxPopCurrent(context: *mut u64) -> Result<(), Code> {
    unsafe { cuCtxPopCurrent_v2(context) }
}

pub unsafe fn cuCtxGetDevice(device: *mut i32) -> Result<(), Code> {
    let (shim, current) = current()?;
    let known = shim.contexts().get(current)?.device;
    unsafe { give(device, known) }
}

pub unsafe fn cuCtxGetDevice_v2(device: *mut i32, context: u64) -> Result<(), Code> {
    let (shim, context) = this_or_current(context)?;
    let known = shim.contexts().get(context)?.device;
    unsafe { give(device, known) }
}

pub unsafe fn cuCtxGetFlags(flags: *mut u32) -> Result<(), Code> {
    let (shim, current) = current()?;
    let known = shim.contexts().get(current)?.flags;
    unsafe { give(flags, known) }
}

/// They say how the host waits and what is allocated, of which nothing happens here.
pub unsafe fn cuCtxSetFlags(flags: u32) -> Result<(), Code> {
    let (shim, current) = in_context()?;
    check_flags(flags)?;
    shim.contexts().get_mut(current)?.flags = flags;
    Ok(())
}

/// Unknown bits, and more than one wish about how the host waits, are refused.
pub fn check_flags(flags: u32) -> Result<(), Code> {
    const KNOWN: u32 = 0xff;
    const SCHEDULING: u32 = 0x07;
    let one_wish = matches!(flags & SCHEDULING, 0 | 1 | 2 | 4);
    if flags & !KNOWN == 0 && one_wish { Ok(()) } else { Err(CUDA_ERROR_INVALID_VALUE) }
}

/// A session has the device to itself: all its multiprocessors, where that can be said at all.
pub unsafe fn cuCtxGetExecAffinity(to: *mut CUexecAffinityParam, which: u32) -> Result<(), Code> {
    let (shim, current) = in_context()?;
    if to.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let device = shim.device(shim.contexts().get(current)?.device)?;
    match device.affinity.get(which as usize) {
        Some(true) => {
            let count = attribute(device, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT as u32)?;
            unsafe { give(to.cast(), [which, count as u32]) }
        }
        Some(false) => Err(CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY),
        None => Err(CUDA_ERROR_INVALID_VALUE),
    }
}

const _: () = assert!(size_of::<CUexecAffinityParam>() == size_of::<[u32; 2]>());

pub unsafe fn cuCtxAttach(context: *mut u64, flags: u32) -> Result<(), Code> {
    let (shim, current) = in_context()?;
    if context.is_null() || flags != 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    shim.contexts().get_mut(current)?.attached += 1;
    unsafe { give(context, current.0) }
}

pub unsafe fn cuCtxGetId(context: u64, number: *mut u64) -> Result<(), Code> {
    let (shim, context) = this_or_current(context)?;
    let known = shim.contexts().get(context)?.number;
    unsafe { give(number, known) }
}

pub unsafe fn cuCtxGetApiVersion(context: u64, version: *mut u32) -> Result<(), Code> {
    let (shim, context) = this_or_current(context)?;
    let known = shim.contexts().get(context)?.api_version;
    unsafe { give(version, known) }
}

pub unsafe fn cuCtxGetStreamPriorityRange(least: *mut i32, greatest: *mut i32) -> Result<(), Code> {
    let (shim, current) = in_context()?;
    let device = shim.contexts().get(current)?.device;
    let (low, high) = shim.device(device)?.priorities;
    for (to, value) in [(least, low), (greatest, high)] {
        if !to.is_null() {
            unsafe { give(to, value)? };
        }
    }
    Ok(())
}

pub unsafe fn cuModuleGetLoadingMode(mode: *mut u32) -> Result<(), Code> {
    unsafe { give(mode, shim()?.snapshot.loading_mode) }
}

fn current() -> Result<(&'static crate::state::Shim, Id), Code> {
    this_or_current(0)
}

fn this_or_current(context: u64) -> Result<(&'static crate::state::Shim, Id), Code> {
    let shim = shim()?;
    match (context, threads::current()) {
        (0, Id(0)) => Err(CUDA_ERROR_INVALID_CONTEXT),
        (0, current) => {
            // A thread's current context may have gone meanwhile, which has a code of its own.
            shim.contexts().active(current)?;
            Ok((shim, current))
        }
        (named, _) => Ok((shim, Id(named))),
    }
}
