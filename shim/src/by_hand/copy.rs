//! Copies, as the program calls for them. What becomes of one: [`crate::transfer`].
#![allow(unsafe_code)]
// reads the structs that say what to copy.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use crate::state::Shim;
use crate::threads;
use crate::transfer::Pace::{self, Asynchronous, Synchronous};
use crate::transfer::Transfer;
use cudarc::driver::sys::{CUDA_MEMCPY2D, CUDA_MEMCPY3D, CUDA_MEMCPY3D_PEER};
use farwarp_face::copies::Side::{self, Device, Host, Unified};
use farwarp_face::copies::{BoxCopy, Memcpy2D, Memcpy3D};
use farwarp_protocol::error::{CUDA_ERROR_INVALID_HANDLE, CUDA_ERROR_INVALID_VALUE, Code};
use farwarp_protocol::handle::Id;
use farwarp_protocol::param::{STREAM_NULL, STREAM_PER_THREAD};
use std::ffi::c_void;

pub unsafe fn cuMemcpyHtoD_v2(to: u64, from: *const c_void, bytes: usize) -> Result<(), Code> {
    linear((to, Device), (from as u64, Host), bytes, STREAM_NULL, Synchronous)
}

pub unsafe fn cuMemcpyHtoDAsync_v2(
    to: u64,
    from: *const c_void,
    bytes: usize,
    stream: u64,
) -> Result<(), Code> {
    linear((to, Device), (from as u64, Host), bytes, stream, Asynchronous)
}

pub unsafe fn cuMemcpyDtoH_v2(to: *mut c_void, from: u64, bytes: usize) -> Result<(), Code> {
    linear((to as u64, Host), (from, Device), bytes, STREAM_NULL, Synchronous)
}

pub unsafe fn cuMemcpyDtoHAsync_v2(
    to: *mut c_void,
    from: u64,
    bytes: usize,
    stream: u64,
) -> Result<(), Code> {
    linear((to as u64, Host), (from, Device), bytes, stream, Asynchronous)
}

pub unsafe fn cuMemcpyDtoD_v2(to: u64, from: u64, bytes: usize) -> Result<(), Code> {
    linear((to, Device), (from, Device), bytes, STREAM_NULL, Synchronous)
}

pub unsafe fn cuMemcpyDtoDAsync_v2(to: u64, from: u64, bytes: usize, stream: u64) -> Result<(), Code> {
    linear((to, Device), (from, Device), bytes, stream, Asynchronous)
}

pub unsafe fn cuMemcpy(to: u64, from: u64, bytes: usize) -> Result<(), Code> {
    linear((to, Unified), (from, Unified), bytes, STREAM_NULL, Synchronous)
}

pub unsafe fn cuMemcpyAsync(to: u64, from: u64, bytes: usize, stream: u64) -> Result<(), Code> {
    linear((to, Unified), (from, Unified), bytes, stream, Asynchronous)
}

pub unsafe fn cuMemcpyPeer(
    to: u64,
    to_context: u64,
    from: u64,
    from_context: u64,
    bytes: usize,
) -> Result<(), Code> {
    let copy = BoxCopy::linear(to, Device, from, Device, bytes as u64);
    Transfer::between([to_context, from_context], copy, STREAM_NULL, Synchronous)?.issue()
}

pub unsafe fn cuMemcpyPeerAsync(
    to: u64,
    to_context: u64,
    from: u64,
    from_context: u64,
    bytes: usize,
    stream: u64,
) -> Result<(), Code> {
    let copy = BoxCopy::linear(to, Device, from, Device, bytes as u64);
    Transfer::between([to_context, from_context], copy, stream, Asynchronous)?.issue()
}

fn linear(to: (u64, Side), from: (u64, Side), bytes: usize, stream: u64, pace: Pace) -> Result<(), Code> {
    Transfer::new(BoxCopy::linear(to.0, to.1, from.0, from.1, bytes as u64), stream, pace)?.issue()
}

pub unsafe fn cuMemcpy2D_v2(copy: *const CUDA_MEMCPY2D) -> Result<(), Code> {
    unsafe { rectangle(copy, STREAM_NULL, Synchronous) }
}

pub unsafe fn cuMemcpy2DUnaligned_v2(copy: *const CUDA_MEMCPY2D) -> Result<(), Code> {
    unsafe { rectangle(copy, STREAM_NULL, Synchronous) }
}

pub unsafe fn cuMemcpy2DAsync_v2(copy: *const CUDA_MEMCPY2D, stream: u64) -> Result<(), Code> {
    unsafe { rectangle(copy, stream, Asynchronous) }
}

unsafe fn rectangle(copy: *const CUDA_MEMCPY2D, stream: u64, pace: Pace) -> Result<(), Code> {
    let copy: Memcpy2D = unsafe { mirrored(copy)? };
    Transfer::new(copy.read().ok_or(CUDA_ERROR_INVALID_VALUE)?, stream, pace)?.issue()
}

pub unsafe fn cuMemcpy3D_v2(copy: *const CUDA_MEMCPY3D) -> Result<(), Code> {
    unsafe { solid(copy, STREAM_NULL, Synchronous) }
}

pub unsafe fn cuMemcpy3DAsync_v2(copy: *const CUDA_MEMCPY3D, stream: u64) -> Result<(), Code> {
    unsafe { solid(copy, stream, Asynchronous) }
}

unsafe fn solid(copy: *const CUDA_MEMCPY3D, stream: u64, pace: Pace) -> Result<(), Code> {
    let copy: Memcpy3D = unsafe { mirrored(copy)? };
    Transfer::new(copy.read().ok_or(CUDA_ERROR_INVALID_VALUE)?, stream, pace)?.issue()
}

pub unsafe fn cuMemcpy3DPeer(copy: *const CUDA_MEMCPY3D_PEER) -> Result<(), Code> {
    unsafe { solid_between(copy, STREAM_NULL, Synchronous) }
}

pub unsafe fn cuMemcpy3DPeerAsync(copy: *const CUDA_MEMCPY3D_PEER, stream: u64) -> Result<(), Code> {
    unsafe { solid_between(copy, stream, Asynchronous) }
}

unsafe fn solid_between(copy: *const CUDA_MEMCPY3D_PEER, stream: u64, pace: Pace) -> Result<(), Code> {
    let copy: Memcpy3D = unsafe { mirrored(copy)? };
    let contexts = [copy.to.context, copy.from.context];
    Transfer::between(contexts, copy.read().ok_or(CUDA_ERROR_INVALID_VALUE)?, stream, pace)?.issue()
}

/// The stream that is meant, if it exists.
pub fn checked(shim: &Shim, stream: u64) -> Result<u64, Code> {
    let stream = threads::resolve(stream);
    if stream > STREAM_PER_THREAD {
        shim.objects().streams.get(Id(stream)).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
    }
    Ok(stream)
}

/// The program's struct as one whose every field may hold any number.
unsafe fn mirrored<C, M: Copy>(copy: *const C) -> Result<M, Code> {
    const { assert!(size_of::<C>() == size_of::<M>()) };
    if copy.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    Ok(unsafe { copy.cast::<M>().read_unaligned() })
}
