//! Where managed memory should be, and how it will be used. All of it is coherent at each launch and wait, wherever it is said to be,
//! so a hint that can be one is taken and changes nothing.
#![allow(unsafe_code)]
// exported functions are unsafe by their kind.
#![allow(non_snake_case, clippy::missing_safety_doc)]

use super::stream::about;
use crate::call::in_context;
use farwarp_protocol::error::{CUDA_ERROR_INVALID_VALUE, Code};

/// `CUmem_advise` has the values 1 to 6.
const ADVICE: std::ops::RangeInclusive<u32> = 1..=6;

pub unsafe fn cuMemAdvise_v2(address: u64, bytes: usize, advice: u32, _location: u64) -> Result<(), Code> {
    check_managed(address, bytes)?;
    if ADVICE.contains(&advice) { Ok(()) } else { Err(CUDA_ERROR_INVALID_VALUE) }
}

pub unsafe fn cuMemAdvise(address: u64, bytes: usize, advice: u32, _device: i32) -> Result<(), Code> {
    // SAFETY: takes numbers.
    unsafe { cuMemAdvise_v2(address, bytes, advice, 0) }
}

pub unsafe fn cuMemPrefetchAsync_v2(
    address: u64,
    bytes: usize,
    _location: u64,
    flags: u32,
    stream: u64,
) -> Result<(), Code> {
    about(stream)?;
    if flags != 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    check_managed(address, bytes)
}

pub unsafe fn cuMemPrefetchAsync(address: u64, bytes: usize, _device: i32, stream: u64) -> Result<(), Code> {
    // SAFETY: takes numbers.
    unsafe { cuMemPrefetchAsync_v2(address, bytes, 0, 0, stream) }
}

/// Hints are for managed memory.
fn check_managed(address: u64, bytes: usize) -> Result<(), Code> {
    let (shim, _) = in_context()?;
    let memory = shim.memory();
    let found = memory.find(address).filter(|found| found.kind.is_managed());
    let end = address.checked_add(bytes as u64).filter(|_| bytes > 0);
    let inside = found.zip(end).is_some_and(|(found, end)| end <= found.range.end());
    if inside { Ok(()) } else { Err(CUDA_ERROR_INVALID_VALUE) }
}
