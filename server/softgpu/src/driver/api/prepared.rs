//! Launches in pieces, as before CUDA 4.0.

use farwarp_face::*;

use crate::driver::current::current;
use crate::driver::edge::{Result, api, bytes_at};
use crate::driver::function::{Prepared, launchable};
use crate::driver::launch::{Request, launch};
use crate::driver::limits;
use crate::driver::ranges::lock;

api! {
    fn cuFuncSetBlockShape(function: u64, x: i32, y: i32, z: i32) {
        prepare(function, |prepared| {
            if [x, y, z].iter().any(|side| *side <= 0) {
                return Err(CUDA_ERROR_INVALID_VALUE);
            }
            prepared.block = [x, y, z].map(|side| side as u32);
            Ok(())
        })
    }

    fn cuFuncSetSharedSize(function: u64, bytes: u32) {
        prepare(function, |prepared| {
            prepared.shared_bytes = bytes;
            Ok(())
        })
    }

    fn cuParamSetSize(function: u64, bytes: u32) {
        prepare(function, |prepared| prepared.resize(bytes as usize))
    }

    fn cuParamSeti(function: u64, offset: i32, value: u32) {
        prepare(function, |prepared| prepared.write(offset, &value.to_ne_bytes()))
    }

    fn cuParamSetf(function: u64, offset: i32, value: f32) {
        prepare(function, |prepared| prepared.write(offset, &value.to_ne_bytes()))
    }

    fn cuParamSetv(function: u64, offset: i32, from: u64, bytes: u32) {
        prepare(function, |prepared| {
            if from == 0 || bytes as usize > limits::KERNEL_PARAM_BYTES {
                return Err(CUDA_ERROR_INVALID_VALUE);
            }
            prepared.write(offset, &bytes_at(from, bytes as usize))
        })
    }

    fn cuLaunch(function: u64) {
        launch_prepared(function, 1, 1, 0)
    }

    fn cuLaunchGrid(function: u64, width: i32, height: i32) {
        launch_prepared(function, width, height, 0)
    }

    fn cuLaunchGridAsync(function: u64, width: i32, height: i32, stream: u64) {
        launch_prepared(function, width, height, stream)
    }
}

/// CU_LAUNCH_PARAM_BUFFER_POINTER, _BUFFER_SIZE and _END.
const EXTRA_BUFFER: u64 = 1;
const EXTRA_SIZE: u64 = 2;
const EXTRA_END: u64 = 0;

fn prepare(function: u64, change: impl FnOnce(&mut Prepared) -> Result) -> Result {
    change(&mut lock(&launchable(function, &*current()?)?.prepared))
}

fn launch_prepared(function: u64, width: i32, height: i32, stream: u64) -> Result {
    let prepared = lock(&launchable(function, &*current()?)?.prepared).clone();
    let side = |side: i32| u32::try_from(side).map_err(|_| CUDA_ERROR_INVALID_VALUE);
    let bytes = prepared.params.len();
    let address = |of: *const u8| of.expose_provenance() as u64;
    let size = address(std::ptr::from_ref(&bytes).cast());
    let extra = [EXTRA_BUFFER, address(prepared.params.as_ptr()), EXTRA_SIZE, size, EXTRA_END];
    launch(&Request {
        function,
        grid: [side(width)?, side(height)?, 1],
        block: prepared.block,
        shared_bytes: prepared.shared_bytes,
        stream,
        cooperative: false,
        params: 0,
        extra: address(extra.as_ptr().cast()),
    })
}
