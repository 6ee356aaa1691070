//! Many copies in one call: each goes its way for itself, in stream order. Of their attributes, hints are for drivers that share a machine.
#![allow(unsafe_code)]
// reads the lists that say what to copy.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc, clippy::too_many_arguments)]

use crate::transfer::Pace::Asynchronous;
use crate::transfer::Transfer;
use cudarc::driver::sys::{CUDA_MEMCPY3D_BATCH_OP, CUmemcpyAttributes};
use farwarp_face::copies::Side::Unified;
use farwarp_face::copies::{BatchOp3D, BoxCopy};
use farwarp_protocol::error::{CUDA_ERROR_INVALID_VALUE, Code};
use farwarp_protocol::param::STREAM_NULL;

/// Copies of one call: a count beyond it is garbage, and following it would crash the program.
const COPIES_MAX: usize = 1 << 20;
/// The number of no copy: the batch itself is wrong.
const NONE: usize = usize::MAX;

pub unsafe fn cuMemcpyBatchAsync_v2(
    to: *const u64,
    from: *const u64,
    sizes: *const usize,
    count: usize,
    _attributes: *const CUmemcpyAttributes,
    _indices: *const usize,
    _attribute_count: usize,
    stream: u64,
) -> Result<(), Code> {
    unsafe { lines(to, from, sizes, count, stream) }.map_err(|(_, code)| code)
}

pub unsafe fn cuMemcpyBatchAsync(
    to: *const u64,
    from: *const u64,
    sizes: *const usize,
    count: usize,
    _attributes: *const CUmemcpyAttributes,
    _indices: *const usize,
    _attribute_count: usize,
    failed: *mut usize,
    stream: u64,
) -> Result<(), Code> {
    let outcome = unsafe { lines(to, from, sizes, count, stream) };
    outcome.map_err(|failure| unsafe { name(failure, failed) })
}

pub unsafe fn cuMemcpy3DBatchAsync_v2(
    count: usize,
    operations: *const CUDA_MEMCPY3D_BATCH_OP,
    flags: u64,
    stream: u64,
) -> Result<(), Code> {
    unsafe { boxes(count, operations, flags, stream) }.map_err(|(_, code)| code)
}

pub unsafe fn cuMemcpy3DBatchAsync(
    count: usize,
    operations: *const CUDA_MEMCPY3D_BATCH_OP,
    failed: *mut usize,
    flags: u64,
    stream: u64,
) -> Result<(), Code> {
    let outcome = unsafe { boxes(count, operations, flags, stream) };
    outcome.map_err(|failure| unsafe { name(failure, failed) })
}

/// Tells the program which copy it was.
unsafe fn name((index, code): (usize, Code), failed: *mut usize) -> Code {
    if !failed.is_null() {
        unsafe { failed.write(index) };
    }
    code
}

unsafe fn lines(
    to: *const u64,
    from: *const u64,
    sizes: *const usize,
    count: usize,
    stream: u64,
) -> Result<(), (usize, Code)> {
    check(count, stream, to.is_null() || from.is_null() || sizes.is_null())?;
    for index in 0..count {
        let (to, from, bytes) =
            unsafe { (to.add(index).read(), from.add(index).read(), sizes.add(index).read()) };
        let copy = BoxCopy::linear(to, Unified, from, Unified, bytes as u64);
        Transfer::new(copy, stream, Asynchronous).and_then(Transfer::issue).map_err(|code| (index, code))?;
    }
    Ok(())
}

unsafe fn boxes(
    count: usize,
    operations: *const CUDA_MEMCPY3D_BATCH_OP,
    flags: u64,
    stream: u64,
) -> Result<(), (usize, Code)> {
    const { assert!(size_of::<BatchOp3D>() == size_of::<CUDA_MEMCPY3D_BATCH_OP>()) };
    check(count, stream, operations.is_null() || flags != 0)?;
    for index in 0..count {
        let operation = unsafe { operations.cast::<BatchOp3D>().add(index).read_unaligned() };
        operation
            .read()
            .ok_or(CUDA_ERROR_INVALID_VALUE)
            .and_then(|copy| Transfer::new(copy, stream, Asynchronous)?.issue())
            .map_err(|code| (index, code))?;
    }
    Ok(())
}

/// The default stream is not for batches.
fn check(count: usize, stream: u64, otherwise_wrong: bool) -> Result<(), (usize, Code)> {
    if otherwise_wrong || count == 0 || count > COPIES_MAX || stream == STREAM_NULL {
        Err((NONE, CUDA_ERROR_INVALID_VALUE))
    } else {
        Ok(())
    }
}
