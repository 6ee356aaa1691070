//! Device memory is cut from the credit that the server grants; page-locked host memory is ordinary memory here.
#![allow(unsafe_code)]
// writes answers where the program wants them.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use crate::call::in_context_hearing;
use crate::here::{ATTACH_GLOBAL, ATTACH_HOST, give};
use crate::memory::{MemoryKind, is_mapped};
use crate::shared;
use crate::state::Shim;
use farwarp_protocol::call::{ALLOCATE, Allocate, FENCE, FREE, Range, SYNCHRONIZE_CONTEXT, op};
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

pub fn allocate(shim: &Shim, context: Id, bytes: usize) -> Result<u64, Code> {
    let bytes = bytes as u64;
    let device = shim.contexts().get(context)?.device;
    if shim.snapshot.arena.is_none() {
        return allocate_by_driver(shim, context, device, bytes);
    }
    if let Some(address) = cut(shim, context, device, bytes) {
        return Ok(address);
    }
    // Where enough was freed the GPU is waited for, as cuMemFree would have.
    let waits = shim.memory().credit.may_free(context, bytes);
    if waits {
        wait_for_freed(shim)?;
        if let Some(address) = cut(shim, context, device, bytes) {
            return Ok(address);
        }
    }
    let wish = shim.memory().credit.wish(context, bytes);
    match ask_for(shim, context, device, wish, bytes) {
        Err(CUDA_ERROR_OUT_OF_MEMORY) => allocate_last(shim, context, device, bytes),
        other => other,
    }
}

/// Takes memory from the credit, if there is enough: nobody is asked.
fn cut(shim: &Shim, context: Id, device: i32, bytes: u64) -> Option<u64> {
    let passed = shim.remote.fence_passed();
    let mut memory = shim.memory();
    memory.credit.passed(passed);
    let address = memory.credit.take(context, bytes)?;
    let range = Range { address, bytes };
    // In the arena, which is held, this cannot fail.
    memory.add(range, MemoryKind::Device, context, device).ok().map(|()| address)
}

/// Asks for more credit and takes what is needed of it at once, before another thread does.
fn ask_for(shim: &Shim, context: Id, device: i32, wish: u64, bytes: u64) -> Result<u64, Code> {
    let chunk: Range = shim.remote.ask(ALLOCATE, &[&encode(&Allocate { bytes: wish })])?.value()?;
    let mut memory = shim.memory();
    memory.credit.grant(chunk, context, device);
    let address = memory.credit.take(context, bytes).ok_or(CUDA_ERROR_OUT_OF_MEMORY)?;
    memory.add(Range { address, bytes }, MemoryKind::Device, context, device)?;
    Ok(address)
}

/// Before the program hears that there is no memory, nothing is kept that it does not use, and nothing more is asked for than it needs.
fn allocate_last(shim: &Shim, context: Id, device: i32, bytes: u64) -> Result<u64, Code> {
    wait_for_freed(shim)?;
    if let Some(address) = cut(shim, context, device, bytes) {
        return Ok(address);
    }
    let idle = shim.memory().credit.give_back(0);
    for chunk in idle {
        shim.remote.ask(FREE, &[&encode(&chunk)])?.check()?;
    }
    ask_for(shim, context, device, bytes, bytes)
}

/// Waits until everything that was queued before the last free is done.
fn wait_for_freed(shim: &Shim) -> Result<(), Code> {
    let (new, last) = {
        let mut memory = shim.memory();
        (memory.credit.fence(), memory.credit.last_fence())
    };
    match new.or(last) {
        Some(number) => shim.remote.ask(FENCE, &[&encode(&number)])?.check(),
        None => Ok(()),
    }
}

/// Where memory cannot be mapped at chosen addresses, the driver chooses, and each allocation is held as it is learnt of.
fn allocate_by_driver(shim: &Shim, context: Id, device: i32, bytes: u64) -> Result<u64, Code> {
    let given: Range = shim.remote.ask(ALLOCATE, &[&encode(&Allocate { bytes })])?.value()?;
    let address = given.address;
    if let Err(code) = shim.memory().add(Range { address, bytes }, MemoryKind::Device, context, device) {
        shim.remote.ask(FREE, &[&encode(&address)])?;
        crate::state::complain(&format!(
            "the server put memory at {address:#x}, where this process has something else"
        ));
        return Err(code);
    }
    Ok(address)
}

pub unsafe fn cuMemFree_v2(address: u64) -> Result<(), Code> {
    let (shim, context) = in_context_hearing()?;
    // Freeing nothing is lawful.
    if address == 0 {
        return Ok(());
    }
    if shim.memory().find(address).is_some_and(|found| matches!(found.kind, MemoryKind::Pooled { .. })) {
        return super::pool::free_now(shim, context, address);
    }
    let is_managed = |kind| matches!(kind, MemoryKind::Managed);
    if shim.memory().find(address).is_some_and(|found| is_managed(found.kind)) {
        end_sharing(shim, address, is_managed)?;
        return shim.memory().remove(address, is_managed).map(drop);
    }
    if let Some(freed) = farwarp_graphs::free(&super::graph::Graphs, address) {
        return freed;
    }
    release(shim, address)
}

pub fn release(shim: &Shim, address: u64) -> Result<(), Code> {
    // The books are settled first: from now on the address is nobody's, whatever other threads do with it.
    let passed = shim.remote.fence_passed();
    let (fence, excess) = {
        let mut memory = shim.memory();
        let freed = memory.remove(address, |kind| kind == MemoryKind::Device)?;
        if shim.snapshot.arena.is_none() {
            drop(memory);
            let answer = shim.remote.ask(FREE, &[&encode(&address)])?;
            drop(freed);
            return answer.check();
        }
        memory.credit.passed(passed);
        (memory.credit.free(freed.range), memory.credit.give_back_excess())
    };
    if let Some(number) = fence {
        shim.remote.tell(FENCE, &[&encode(&number)])?;
    }
    for chunk in excess {
        shim.remote.tell(FREE, &[&encode(&chunk)])?;
    }
    Ok(())
}

/// What is backed for this process and not in use is free to it.
pub unsafe fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) -> Result<(), Code> {
    let (shim, context) = in_context_hearing()?;
    if free.is_null() || total.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let device = shim.contexts().get(context)?.device;
    let answer = shim.remote.ask(op("cuMemGetInfo_v2"), &[])?;
    let (known, all): (u64, u64) = answer.value()?;
    let unused = shim.memory().credit.unused_bytes(device);
    unsafe {
        give(free, (known + unused).min(all) as usize)?;
        give(total, all as usize)
    }
}

pub unsafe fn cuMemHostAlloc(address: *mut *mut c_void, bytes: usize, flags: u32) -> Result<(), Code> {
    let (shim, context) = in_context_hearing()?;
    if address.is_null() || bytes == 0 || flags & !HOST_ALLOC_FLAGS_KNOWN != 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let kind = MemoryKind::Host { flags, registered: false };
    let at = allocate_pages(shim, context, bytes, kind, flags & DEVICE_MAP != 0)?;
    unsafe { give(address, at as *mut c_void) }
}

/// Memory of the program's, at an address that the GPU may see too; from now on, if it is `shared`.
fn allocate_pages(
    shim: &Shim,
    context: Id,
    bytes: usize,
    kind: MemoryKind,
    shared: bool,
) -> Result<u64, Code> {
    let device = shim.contexts().get(context)?.device;
    let address = {
        let mut memory = shim.memory();
        let pages = memory.pages(bytes as u64).ok_or(CUDA_ERROR_OUT_OF_MEMORY)?;
        memory.add_pages(pages, bytes as u64, kind, context, device)
    };
    if shared && let Err(code) = shared::share(shim, address) {
        shim.memory().remove(address, |found| found == kind)?;
        return Err(code);
    }
    Ok(address)
}

pub unsafe fn cuMemAllocManaged(address: *mut u64, bytes: usize, flags: u32) -> Result<(), Code> {
    let (shim, context) = in_context_hearing()?;
    if address.is_null() || bytes == 0 || !matches!(flags, ATTACH_GLOBAL | ATTACH_HOST) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let at = allocate_pages(shim, context, bytes, MemoryKind::Managed, true)?;
    unsafe { give(address, at) }
}

/// The GPU sees page-locked memory at the program's own address, from now on.
pub unsafe fn cuMemHostGetDevicePointer_v2(
    device: *mut u64,
    host: *mut c_void,
    flags: u32,
) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    if device.is_null() || flags != 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let address = host as u64;
    let is_host = |kind| matches!(kind, MemoryKind::Host { .. });
    if !shim.memory().find(address).is_some_and(|found| is_host(found.kind)) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    shared::share(shim, address)?;
    unsafe { give(device, address) }
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
    let is_ours = |kind| matches!(kind, MemoryKind::Host { registered: false, .. });
    end_sharing(shim, address as u64, is_ours)?;
    shim.memory().remove(address as u64, is_ours).map(drop)
}

/// Before page-locked memory goes: what copies and kernels still do there is waited for.
fn end_sharing(shim: &Shim, address: u64, is: impl Fn(MemoryKind) -> bool) -> Result<(), Code> {
    finish_copies(shim, address);
    let found =
        shim.memory().find(address).map(|found| (found.range, found.context, found.shared, found.kind));
    match found {
        Some((range, context, true, kind)) if range.address == address && is(kind) => {
            shared::unshare(shim, range, context)
        }
        _ => Ok(()),
    }
}

/// Copies that are under way still read or write page-locked memory that is about to go: the GPU is waited for, as the driver does.
fn finish_copies(shim: &Shim, address: u64) {
    let found = shim.memory().find(address).map(|found| (found.range, found.context));
    let Some((range, context)) = found else { return };
    if shim.remote.lands_in(range) || super::host_call::reads_later(range) {
        // A context that cannot be waited for copies nothing more; the next call hears why.
        let _ = shim.remote.ask(SYNCHRONIZE_CONTEXT, &[&encode(&context)]);
    }
}

pub unsafe fn cuMemHostRegister_v2(address: *mut c_void, bytes: usize, flags: u32) -> Result<(), Code> {
    let (shim, context) = in_context_hearing()?;
    if address.is_null() || bytes == 0 || flags & !HOST_REGISTER_FLAGS_KNOWN != 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    if flags & IO_MEMORY != 0 {
        return Err(CUDA_ERROR_NOT_SUPPORTED);
    }
    let device = shim.contexts().get(context)?.device;
    let range = Range { address: address as u64, bytes: bytes as u64 };
    if !is_mapped(range) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let mut memory = shim.memory();
    let taken =
        memory.iter().any(|other| other.range.address < range.end() && range.address < other.range.end());
    if taken {
        return Err(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED);
    }
    let kind = MemoryKind::Host { flags, registered: true };
    memory.add(range, kind, context, device)?;
    drop(memory);
    if flags & DEVICE_MAP != 0
        && let Err(code) = shared::share(shim, range.address)
    {
        shim.memory().remove(range.address, |found| found == kind)?;
        return Err(code);
    }
    Ok(())
}

pub unsafe fn cuMemHostRegister(address: *mut c_void, bytes: usize, flags: u32) -> Result<(), Code> {
    unsafe { cuMemHostRegister_v2(address, bytes, flags) }
}

pub unsafe fn cuMemHostUnregister(address: *mut c_void) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    if address.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let is_registered = |kind| matches!(kind, MemoryKind::Host { registered: true, .. });
    end_sharing(shim, address as u64, is_registered)?;
    let removed = shim.memory().remove(address as u64, is_registered);
    removed.map(drop).map_err(|_| CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED)
}
