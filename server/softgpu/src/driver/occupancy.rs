//! How many blocks of a kernel fit on a multiprocessor: the arithmetic of threads, registers and shared memory that CUDA describes.
//! The engine itself is bound by none of it; programs size their grids by the answers.

use farwarp_face::*;

use crate::driver::edge::Result;
use crate::driver::function::Function;
use crate::driver::limits;

/// Registers are given out to whole warps in pieces of this.
const REGISTERS_PIECE: i32 = 256;

pub fn blocks_per_multiprocessor(
    function: &Function,
    threads: i32,
    dynamic_shared_bytes: usize,
) -> Result<i32> {
    if threads <= 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let info = function.info()?;
    if threads > info.max_threads_per_block as i32 {
        return Ok(0);
    }
    let shared = info.static_shared_bytes as u64 + dynamic_shared_bytes as u64;
    if shared > limits::SHARED_PER_BLOCK_OPTIN_BYTES as u64 {
        return Ok(0);
    }
    let warps = (threads + limits::WARP - 1) / limits::WARP;
    let warp_registers = (info.registers as i32 * limits::WARP).max(1);
    let registers = (warp_registers + REGISTERS_PIECE - 1) / REGISTERS_PIECE * REGISTERS_PIECE * warps;
    let by_threads = limits::THREADS_PER_MULTIPROCESSOR / (warps * limits::WARP);
    let by_registers = limits::REGISTERS / registers;
    let by_shared = match shared {
        0 => i32::MAX,
        shared => (limits::SHARED_PER_MULTIPROCESSOR_BYTES as u64 / shared) as i32,
    };
    Ok(limits::BLOCKS_PER_MULTIPROCESSOR.min(by_threads).min(by_registers).min(by_shared))
}

/// The block size with which most threads run at once: (smallest grid that fills the device, block size).
pub fn best_block(
    function: &Function,
    multiprocessors: i32,
    most: i32,
    shared_bytes: impl Fn(i32) -> usize,
) -> Result<(i32, i32)> {
    let largest = function.info()?.max_threads_per_block as i32;
    let largest = if most > 0 { largest.min(most) } else { largest };
    let (mut best, mut best_threads) = ((0, 0), 0);
    let mut size = largest;
    while size > 0 {
        let blocks = blocks_per_multiprocessor(function, size, shared_bytes(size))?;
        if blocks * size > best_threads {
            best_threads = blocks * size;
            best = (blocks * multiprocessors, size);
        }
        // Whole warps only; the first step goes down to one.
        size = (size - 1) / limits::WARP * limits::WARP;
    }
    if best_threads == 0 { Err(CUDA_ERROR_INVALID_VALUE) } else { Ok(best) }
}

/// Dynamic shared memory that still lets `blocks` blocks run on a multiprocessor.
pub fn available_shared_bytes(function: &Function, blocks: i32, threads: i32) -> Result<usize> {
    if blocks <= 0 || threads <= 0 || blocks_per_multiprocessor(function, threads, 0)? < blocks {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let each = (limits::SHARED_PER_MULTIPROCESSOR_BYTES / blocks).min(limits::SHARED_PER_BLOCK_OPTIN_BYTES);
    Ok((each - function.info()?.static_shared_bytes as i32).max(0) as usize)
}
