//! The memset functions without a stream. On device memory they do not wait either, so each crosses as its asynchronous
//! twin, on whichever default stream its symbol means.
#![allow(unsafe_code)]
// calls exported functions, which are unsafe by their kind.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use crate::exports;
use farwarp_protocol::error::{CUDA_ERROR_INVALID_VALUE, CUDA_SUCCESS, Code};
use farwarp_protocol::param::STREAM_NULL;

fn as_result(code: Code) -> Result<(), Code> {
    if code == CUDA_SUCCESS { Ok(()) } else { Err(code) }
}

/// Refused here, because a told call has nobody to refuse to.
fn aligned<T>(to: u64, pitch: usize) -> Result<(), Code> {
    let whole = size_of::<T>();
    if to.is_multiple_of(whole as u64) && pitch.is_multiple_of(whole) {
        Ok(())
    } else {
        Err(CUDA_ERROR_INVALID_VALUE)
    }
}

pub unsafe fn cuMemsetD8_v2(to: u64, value: u8, count: usize) -> Result<(), Code> {
    as_result(unsafe { exports::cuMemsetD8Async(to, value, count, STREAM_NULL) })
}

pub unsafe fn cuMemsetD16_v2(to: u64, value: u16, count: usize) -> Result<(), Code> {
    aligned::<u16>(to, 0)?;
    as_result(unsafe { exports::cuMemsetD16Async(to, value, count, STREAM_NULL) })
}

pub unsafe fn cuMemsetD32_v2(to: u64, value: u32, count: usize) -> Result<(), Code> {
    aligned::<u32>(to, 0)?;
    as_result(unsafe { exports::cuMemsetD32Async(to, value, count, STREAM_NULL) })
}

pub unsafe fn cuMemsetD2D8_v2(
    to: u64,
    pitch: usize,
    value: u8,
    width: usize,
    height: usize,
) -> Result<(), Code> {
    as_result(unsafe { exports::cuMemsetD2D8Async(to, pitch, value, width, height, STREAM_NULL) })
}

pub unsafe fn cuMemsetD2D16_v2(
    to: u64,
    pitch: usize,
    value: u16,
    width: usize,
    height: usize,
) -> Result<(), Code> {
    aligned::<u16>(to, pitch)?;
    as_result(unsafe { exports::cuMemsetD2D16Async(to, pitch, value, width, height, STREAM_NULL) })
}

pub unsafe fn cuMemsetD2D32_v2(
    to: u64,
    pitch: usize,
    value: u32,
    width: usize,
    height: usize,
) -> Result<(), Code> {
    aligned::<u32>(to, pitch)?;
    as_result(unsafe { exports::cuMemsetD2D32Async(to, pitch, value, width, height, STREAM_NULL) })
}
