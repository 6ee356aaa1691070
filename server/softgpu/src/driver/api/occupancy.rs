//! Occupancy.

use farwarp_face::*;

use crate::driver::current::current;
use crate::driver::edge::{BlockSizeToSharedBytes, In, Out, Result, api, shared_bytes_for};
use crate::driver::function::launchable;
use crate::driver::mirror::LaunchConfig;
use crate::driver::occupancy;

use super::execution::wishes;

api! {
    fn cuOccupancyMaxActiveBlocksPerMultiprocessor(count: Out<i32>, function: u64, threads: i32, shared_bytes: usize) {
        blocks(count, function, threads, shared_bytes, 0)
    }

    fn cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
        count: Out<i32>,
        function: u64,
        threads: i32,
        shared_bytes: usize,
        flags: u32,
    ) {
        blocks(count, function, threads, shared_bytes, flags)
    }

    fn cuOccupancyMaxPotentialBlockSize(
        grid: Out<i32>,
        block: Out<i32>,
        function: u64,
        shared_bytes_of: BlockSizeToSharedBytes,
        shared_bytes: usize,
        most: i32,
    ) {
        best(grid, block, function, shared_bytes_of, shared_bytes, most, 0)
    }

    fn cuOccupancyMaxPotentialBlockSizeWithFlags(
        grid: Out<i32>,
        block: Out<i32>,
        function: u64,
        shared_bytes_of: BlockSizeToSharedBytes,
        shared_bytes: usize,
        most: i32,
        flags: u32,
    ) {
        best(grid, block, function, shared_bytes_of, shared_bytes, most, flags)
    }

    fn cuOccupancyAvailableDynamicSMemPerBlock(bytes: Out<usize>, function: u64, count: i32, threads: i32) {
        let function = launchable(function, &*current()?)?;
        bytes.put(occupancy::available_shared_bytes(&function, count, threads)?)
    }

    // A device without clusters: the largest has one block.
    fn cuOccupancyMaxPotentialClusterSize(size: Out<i32>, function: u64, config: In<LaunchConfig>) {
        config.get()?;
        launchable(function, &*current()?)?;
        size.put(1)
    }

    fn cuOccupancyMaxActiveClusters(count: Out<i32>, function: u64, config: In<LaunchConfig>) {
        let context = current()?;
        let function = launchable(function, &context)?;
        let config = config.get()?;
        wishes(&config).map_err(|_| CUDA_ERROR_INVALID_CLUSTER_SIZE)?;
        let threads = config.block.iter().try_fold(1i32, |all, side| all.checked_mul(i32::try_from(*side).ok()?));
        let threads = threads.ok_or(CUDA_ERROR_INVALID_VALUE)?;
        let each = occupancy::blocks_per_multiprocessor(&function, threads, config.shared_bytes as usize)?;
        count.put(each * context.device.multiprocessors())
    }
}

/// CU_OCCUPANCY_DISABLE_CACHING_OVERRIDE: about a cache that is not here.
const FLAGS: u32 = 1;

fn blocks(count: Out<i32>, function: u64, threads: i32, shared_bytes: usize, flags: u32) -> Result {
    if flags & !FLAGS != 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let function = launchable(function, &*current()?)?;
    count.put(occupancy::blocks_per_multiprocessor(&function, threads, shared_bytes)?)
}

fn best(
    grid: Out<i32>,
    block: Out<i32>,
    function: u64,
    shared_bytes_of: BlockSizeToSharedBytes,
    shared_bytes: usize,
    most: i32,
    flags: u32,
) -> Result {
    if flags & !FLAGS != 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let context = current()?;
    let function = launchable(function, &context)?;
    let shared = |threads| shared_bytes_for(shared_bytes_of, threads, shared_bytes);
    let (blocks, threads) = occupancy::best_block(&function, context.device.multiprocessors(), most, shared)?;
    grid.put(blocks)?;
    block.put(threads)
}
