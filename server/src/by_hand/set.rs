//! Sets of device memory.
#![allow(unsafe_code)] // calls the driver.

use crate::executor::{Call, Executor, Reply};
use crate::refusal::Refusal;
use farwarp_protocol::boxes::{Block, Shape};
use farwarp_protocol::call::Fill;
use farwarp_protocol::codec::decode;
use farwarp_protocol::error::CUDA_ERROR_INVALID_VALUE;

pub fn fill(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let Fill { destination, pitch, value, value_bytes, count, rows, stream } = decode(call.body)?;
    let width = count.saturating_mul(value_bytes.into());
    let shape = Shape { width, height: rows, depth: 1 };
    let bytes = Block { start: destination, pitch, rows }.span(shape).ok_or(Refusal::BadBox { shape })?;
    executor.ranges.check(destination, bytes)?;
    let stream = executor.stream(call, stream)?;
    executor.enter(call)?;
    executor.writes(destination, stream);
    let (driver, pitch, count, height) = (executor.driver, pitch as usize, count as usize, rows as usize);
    // SAFETY: the whole extent was checked.
    let outcome = unsafe {
        match (value_bytes, rows) {
            (1, 1) => driver.cuMemsetD8Async(destination, value as u8, count, stream),
            (2, 1) => driver.cuMemsetD16Async(destination, value as u16, count, stream),
            (4, 1) => driver.cuMemsetD32Async(destination, value, count, stream),
            (1, _) => driver.cuMemsetD2D8Async(destination, pitch, value as u8, count, height, stream),
            (2, _) => driver.cuMemsetD2D16Async(destination, pitch, value as u16, count, height, stream),
            (4, _) => driver.cuMemsetD2D32Async(destination, pitch, value, count, height, stream),
            _ => Err(CUDA_ERROR_INVALID_VALUE),
        }
    };
    Ok(outcome.into())
}
