//! Device memory is asked of the server, which places it in the arena; page-locked host memory is ordinary memory here.
#![allow(unsafe_code)]
// writes answers where the program wants them.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use crate::call::in_context_hearing;
use crate::here::give;
use crate::memory::{MemoryKind, map_host, page_bytes, unmap_host};
use crate::state::Shim;
use farwarp_protocol::call::{ALLOCATE, Allocate, FREE, Range};
use farwarp_protocol::codec::encode;
use farwarp_protocol::error::{
    CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED,
    CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_NOT_SUPPORTED, CUDA_ERROR_OUT_OF_MEMORY, Code,
};
use farwarp_protocol::handle::Id;
use std::ffi::c_void;

/// Rows of cuMemAllocPitch begin at multiples of this, which suits every element size.
const PITCH_ALIGNMENT_BYTES: usize = 512;
/// `CU_MEMHOSTALLOC_PORTABLE`, `_DEVICEMAP` and `_WRITECOMBINED`.
const HOST_ALLOC_FLAGS_KNOWN: u32 = 0b111;
const DEVICE_MAP: u32 = 0b10;
/// `CU_MEMHOSTREGISTER_PORTABLE`, `_DEVICEMAP`, `_IOMEMORY` and `_READ_ONLY`.
const HOST_REGISTER_FLAGS_KNOWN: u32 = 0b1111;
const IO_MEMORY: u32 = 0b100;

pub unsafe fn cuMemAlloc_v2(address: *mut u64, bytes: usize) -> Result<(), Code> {
    let (shim, context) = in_context_hearing()?;
    if address.is_null() || bytes == 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let at = allocate(shim, context, bytes)?;
    unsafe { give(address, at) }
}

pub unsafe fn cuMemAllocPitch_v2(
    address: *mut u64,
    pitch: *mut usize,
    width_bytes: usize,
    height: usize,
    element_bytes: u32,
) -> Result<(), Code> {
    let (shim, context) = in_context_hearing()?;
    let valid = !address.is_null() && !pitch.is_null() && width_bytes > 0 && height > 0;
    if !valid || !matches!(element_bytes, 4 | 8 | 16) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let row = width_bytes.checked_next_multiple_of(PITCH_ALIGNMENT_BYTES).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    let at = allocate(shim, context, row.checked_mul(height).ok_or(CUDA_ERROR_OUT_OF_MEMORY)?)?;
    unsafe {
        give(pitch, row)?;
        give(address, at)
    }
}

fn allocate(shim: &Shim, context: Id, bytes: usize) -> Result<u64, Code> {
    let device = shim.contexts().get(context)?.device;
    let address: u64 = shim.remote.ask(ALLOCATE, &[&encode(&Allocate { bytes: bytes as u64 })])?.value()?;
    let range = Range { address, bytes: bytes as u64 };
    if let Err(code) = shim.memory().add(range, MemoryKind::Device, context, device) {
        shim.remote.ask(FREE, &[&encode(&address)])?;
        crate::state::complain(&format!(
            "the server put memory at {address:#x}, where this process has something else"
        ));
        return Err(code);
    }
    Ok(address)
}

pub unsafe fn cuMemFree_v2(address: u64) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    // Freeing nothing is lawful.
    if address == 0 {
        return Ok(());
    }
    // The books are settled first: from now on the address is nobody's, whatever other threads do with it.
    let freed = shim.memory().remove(address, |kind| kind == MemoryKind::Device)?;
    let answer = shim.remote.ask(FREE, &[&encode(&address)])?;
    drop(freed);
    answer.check()
}

pub unsafe fn cuMemHostAlloc(address: *mut *mut c_void, bytes: usize, flags: u32) -> Result<(), Code> {
    let (shim, context) = in_context_hearing()?;
    if address.is_null() || bytes == 0 || flags & !HOST_ALLOC_FLAGS_KNOWN != 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    if flags & DEVICE_MAP != 0 {
        // CAN_MAP_HOST_MEMORY is 0 until kernels can reach it.
        return Err(CUDA_ERROR_NOT_SUPPORTED);
    }
    let device = shim.contexts().get(context)?.device;
    let whole = bytes.checked_next_multiple_of(page_bytes() as usize).ok_or(CUDA_ERROR_OUT_OF_MEMORY)?;
    let at = map_host(whole).ok_or(CUDA_ERROR_OUT_OF_MEMORY)?;
    let range = Range { address: at, bytes: bytes as u64 };
    shim.memory().add(range, MemoryKind::Host { flags, registered: false }, context, device)?;
    unsafe { give(address, at as *mut c_void) }
}

pub unsafe fn cuMemAllocHost_v2(address: *mut *mut c_void, bytes: usize) -> Result<(), Code> {
    unsafe { cuMemHostAlloc(address, bytes, 0) }
}

/// The 32-bit form.
pub unsafe fn cuMemAllocHost(address: *mut *mut c_void, bytes: u32) -> Result<(), Code> {
    unsafe { cuMemHostAlloc(address, bytes as usize, 0) }
}

pub unsafe fn cuMemFreeHost(address: *mut c_void) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    if address.is_null() {
        return Ok(());
    }
    let freed = shim
        .memory()
        .remove(address as u64, |kind| matches!(kind, MemoryKind::Host { registered: false, .. }))?;
    unmap_host(freed.range);
    Ok(())
}

pub unsafe fn cuMemHostRegister_v2(address: *mut c_void, bytes: usize, flags: u32) -> Result<(), Code> {
    let (shim, context) = in_context_hearing()?;
    if address.is_null() || bytes == 0 || flags & !HOST_REGISTER_FLAGS_KNOWN != 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    if flags & (DEVICE_MAP | IO_MEMORY) != 0 {
        return Err(CUDA_ERROR_NOT_SUPPORTED);
    }
    let device = shim.contexts().get(context)?.device;
    let range = Range { address: address as u64, bytes: bytes as u64 };
    let mut memory = shim.memory();
    let taken =
        memory.iter().any(|other| other.range.address < range.end() && range.address < other.range.end());
    if taken {
        return Err(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED);
    }
    memory.add(range, MemoryKind::Host { flags, registered: true }, context, device)
}

pub unsafe fn cuMemHostRegister(address: *mut c_void, bytes: usize, flags: u32) -> Result<(), Code> {
    unsafe { cuMemHostRegister_v2(address, bytes, flags) }
}

pub unsafe fn cuMemHostUnregister(address: *mut c_void) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    let is_registered = |kind| matches!(kind, MemoryKind::Host { registered: true, .. });
    let removed = shim.memory().remove(address as u64, is_registered);
    removed.map(drop).map_err(|_| CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED)
}
