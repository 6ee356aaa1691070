//! Sets. Those without a stream do not wait either, on device memory: each crosses as its asynchronous twin, on whichever default
//! stream its symbol means.
#![allow(unsafe_code)]
// exported functions are unsafe by their kind.
#![allow(non_snake_case, clippy::missing_safety_doc)]

use super::copy::checked;
use crate::call::in_context_hearing;
use crate::shared;
use crate::transfer::Pace;
use farwarp_protocol::boxes::{Block, Shape};
use farwarp_protocol::call::{FILL, Fill, SYNCHRONIZE_STREAM};
use farwarp_protocol::codec::encode;
use farwarp_protocol::error::{CUDA_ERROR_INVALID_VALUE, Code};
use farwarp_protocol::param::STREAM_NULL;

pub unsafe fn cuMemsetD8_v2(to: u64, value: u8, count: usize) -> Result<(), Code> {
    linear(to, value.into(), 1, count, STREAM_NULL, Pace::Synchronous)
}

pub unsafe fn cuMemsetD16_v2(to: u64, value: u16, count: usize) -> Result<(), Code> {
    linear(to, value.into(), 2, count, STREAM_NULL, Pace::Synchronous)
}

pub unsafe fn cuMemsetD32_v2(to: u64, value: u32, count: usize) -> Result<(), Code> {
    linear(to, value, 4, count, STREAM_NULL, Pace::Synchronous)
}

pub unsafe fn cuMemsetD8Async(to: u64, value: u8, count: usize, stream: u64) -> Result<(), Code> {
    linear(to, value.into(), 1, count, stream, Pace::Asynchronous)
}

pub unsafe fn cuMemsetD16Async(to: u64, value: u16, count: usize, stream: u64) -> Result<(), Code> {
    linear(to, value.into(), 2, count, stream, Pace::Asynchronous)
}

pub unsafe fn cuMemsetD32Async(to: u64, value: u32, count: usize, stream: u64) -> Result<(), Code> {
    linear(to, value, 4, count, stream, Pace::Asynchronous)
}

pub unsafe fn cuMemsetD2D8_v2(
    to: u64,
    pitch: usize,
    value: u8,
    count: usize,
    rows: usize,
) -> Result<(), Code> {
    fill(to, pitch, value.into(), 1, [count, rows], STREAM_NULL, Pace::Synchronous)
}

pub unsafe fn cuMemsetD2D16_v2(
    to: u64,
    pitch: usize,
    value: u16,
    count: usize,
    rows: usize,
) -> Result<(), Code> {
    fill(to, pitch, value.into(), 2, [count, rows], STREAM_NULL, Pace::Synchronous)
}

pub unsafe fn cuMemsetD2D32_v2(
    to: u64,
    pitch: usize,
    value: u32,
    count: usize,
    rows: usize,
) -> Result<(), Code> {
    fill(to, pitch, value, 4, [count, rows], STREAM_NULL, Pace::Synchronous)
}

pub unsafe fn cuMemsetD2D8Async(
    to: u64,
    pitch: usize,
    value: u8,
    count: usize,
    rows: usize,
    stream: u64,
) -> Result<(), Code> {
    fill(to, pitch, value.into(), 1, [count, rows], stream, Pace::Asynchronous)
}

pub unsafe fn cuMemsetD2D16Async(
    to: u64,
    pitch: usize,
    value: u16,
    count: usize,
    rows: usize,
    stream: u64,
) -> Result<(), Code> {
    fill(to, pitch, value.into(), 2, [count, rows], stream, Pace::Asynchronous)
}

pub unsafe fn cuMemsetD2D32Async(
    to: u64,
    pitch: usize,
    value: u32,
    count: usize,
    rows: usize,
    stream: u64,
) -> Result<(), Code> {
    fill(to, pitch, value, 4, [count, rows], stream, Pace::Asynchronous)
}

fn linear(to: u64, value: u32, value_bytes: u8, count: usize, stream: u64, pace: Pace) -> Result<(), Code> {
    fill(to, 0, value, value_bytes, [count, 1], stream, pace)
}

/// All that can be wrong is found here, because a told call has nobody to refuse to.
fn fill(
    to: u64,
    pitch: usize,
    value: u32,
    value_bytes: u8,
    [count, rows]: [usize; 2],
    stream: u64,
    pace: Pace,
) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    let stream = checked(shim, stream)?;
    let (pitch, count, rows, whole) = (pitch as u64, count as u64, rows as u64, u64::from(value_bytes));
    let width = count.checked_mul(whole).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    let shape = Shape { width, height: rows, depth: 1 };
    if shape.is_empty() {
        return Ok(());
    }
    let apart = rows == 1 || (pitch >= width && pitch.is_multiple_of(whole));
    if !to.is_multiple_of(whole) || !apart {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let bytes = Block { start: to, pitch, rows }.span(shape).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    shared::share_if_unseen(shim, to)?;
    let is_shared = shim.memory().device(to, bytes)?.shared;
    if is_shared {
        shared::send(shim)?;
    }
    let fill = Fill { destination: to, pitch, value, value_bytes, count, rows, stream };
    shim.remote.tell(FILL, &[&encode(&fill)])?;
    // The program itself may look there when this returns.
    if is_shared && pace == Pace::Synchronous {
        shim.remote.ask(SYNCHRONIZE_STREAM, &[&encode(&stream)])?.check()
    } else {
        Ok(())
    }
}
