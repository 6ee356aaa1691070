//! Occupancy where more than numbers is asked: with a function of the program's, and with a launch's configuration.
#![allow(unsafe_code)]
// calls a function of the program's and writes answers where it wants them.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc, clippy::too_many_arguments)]

use super::launch::configured;
use crate::call::in_context_hearing;
use crate::here::{attribute, give};
use cudarc::driver::sys::CUdevice_attribute::*;
use cudarc::driver::sys::CUlaunchConfig;
use farwarp_protocol::call::{PotentialBlockSize, op};
use farwarp_protocol::codec::encode;
use farwarp_protocol::error::{CUDA_ERROR_INVALID_VALUE, Code};
use farwarp_protocol::handle::Id;
use std::ffi::c_void;

type SharedBytesOf = unsafe extern "C" fn(i32) -> usize;

/// The program's function is called here, once for each size of block that the driver can ask about; the answers travel.
pub unsafe fn cuOccupancyMaxPotentialBlockSizeWithFlags(
    grid: *mut i32,
    block: *mut i32,
    function: u64,
    shared_bytes_of: *const c_void,
    shared_bytes: usize,
    limit: i32,
    flags: u32,
) -> Result<(), Code> {
    let (shim, context) = in_context_hearing()?;
    if grid.is_null() || block.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    shim.objects().layout(function)?;
    let device = shim.device(shim.contexts().get(context)?.device)?;
    let number = |which| attribute(device, which as u32).unwrap_or(1).max(1);
    let warp = number(CU_DEVICE_ATTRIBUTE_WARP_SIZE);
    let most = number(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
    let mut shared_bytes_by_block = Vec::new();
    if !shared_bytes_of.is_null() {
        // SAFETY: the program vouches for a function of this type.
        let of = unsafe { std::mem::transmute::<*const c_void, SharedBytesOf>(shared_bytes_of) };
        for threads in (warp..=most).step_by(warp as usize) {
            shared_bytes_by_block.push((threads, unsafe { of(threads) } as u64));
        }
        if limit > 0 && limit < most && limit % warp != 0 {
            shared_bytes_by_block.push((limit, unsafe { of(limit) } as u64));
        }
    }
    let question = PotentialBlockSize {
        function: Id(function),
        shared_bytes_by_block,
        shared_bytes: shared_bytes as u64,
        limit,
        flags,
    };
    let answer = shim.remote.ask(op("cuOccupancyMaxPotentialBlockSizeWithFlags"), &[&encode(&question)])?;
    let (blocks, threads): (i32, i32) = answer.value()?;
    unsafe {
        give(grid, blocks)?;
        give(block, threads)
    }
}

pub unsafe fn cuOccupancyMaxPotentialBlockSize(
    grid: *mut i32,
    block: *mut i32,
    function: u64,
    shared_bytes_of: *const c_void,
    shared_bytes: usize,
    limit: i32,
) -> Result<(), Code> {
    unsafe {
        cuOccupancyMaxPotentialBlockSizeWithFlags(
            grid,
            block,
            function,
            shared_bytes_of,
            shared_bytes,
            limit,
            0,
        )
    }
}

pub unsafe fn cuOccupancyMaxPotentialClusterSize(
    size: *mut i32,
    function: u64,
    config: *const CUlaunchConfig,
) -> Result<(), Code> {
    unsafe { about_clusters(op("cuOccupancyMaxPotentialClusterSize"), size, function, config) }
}

pub unsafe fn cuOccupancyMaxActiveClusters(
    count: *mut i32,
    function: u64,
    config: *const CUlaunchConfig,
) -> Result<(), Code> {
    unsafe { about_clusters(op("cuOccupancyMaxActiveClusters"), count, function, config) }
}

unsafe fn about_clusters(
    op: u32,
    to: *mut i32,
    function: u64,
    config: *const CUlaunchConfig,
) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    if to.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    shim.objects().layout(function)?;
    let mut launch = unsafe { configured(config, function)? };
    launch.stream = super::copy::checked(shim, launch.stream)?;
    let number: i32 = shim.remote.ask(op, &[&encode(&launch)])?.value()?;
    unsafe { give(to, number) }
}
