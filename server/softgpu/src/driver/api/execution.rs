//! Execution control: functions, launches, host functions.

use std::ffi::c_char;

use farwarp_face::*;

use crate::driver::current::current;
use crate::driver::edge::{HostFunction, In, Out, Result, UserData, api, call_host_function};
use crate::driver::function::launchable;
use crate::driver::job::Action;
use crate::driver::launch::{Request, launch};
use crate::driver::mirror::{LaunchAttribute, LaunchConfig};
use crate::driver::stream::resolve;
use crate::ptx::EntryInfo;

api! {
    fn cuFuncGetAttribute(value: Out<i32>, attribute: u32, function: u64) {
        let context = current()?;
        let capability = context.device.capability;
        let function = launchable(function, &context)?;
        value.put(function.attribute(attribute, capability.major * 10 + capability.minor)?)
    }

    fn cuFuncSetAttribute(function: u64, attribute: u32, value: i32) {
        launchable(function, &*current()?)?.set_attribute(attribute, value)
    }

    fn cuFuncSetCacheConfig(function: u64, config: u32) {
        launchable(function, &*current()?)?;
        if config < super::context::CACHE_CONFIGS { Ok(()) } else { Err(CUDA_ERROR_INVALID_VALUE) }
    }

    fn cuFuncSetSharedMemConfig(function: u64, config: u32) {
        launchable(function, &*current()?)?;
        if config < super::context::SHARED_CONFIGS { Ok(()) } else { Err(CUDA_ERROR_INVALID_VALUE) }
    }

    fn cuFuncGetModule(module: Out<u64>, function: u64) {
        module.put(launchable(function, &*current()?)?.module)
    }

    fn cuFuncGetName(name: Out<*const c_char>, function: u64) {
        name.put(launchable(function, &*current()?)?.name.as_ptr())
    }

    fn cuFuncGetParamInfo(function: u64, index: usize, offset: Out<usize>, size: Out<usize>) {
        put_parameter(&launchable(function, &*current()?)?.entry, index, offset, size)
    }

    fn cuFuncGetParamCount(function: u64, count: Out<usize>) {
        count.put(launchable(function, &*current()?)?.entry.params.len())
    }

    fn cuFuncIsLoaded(state: Out<u32>, function: u64) {
        state.put(launchable(function, &*current()?)?.is_loaded().into())
    }

    fn cuFuncLoad(function: u64) {
        launchable(function, &*current()?)?.compiled().map(drop)
    }

    fn cuLaunchKernel | cuLaunchKernel_ptsz(
        function: u64,
        grid_x: u32,
        grid_y: u32,
        grid_z: u32,
        block_x: u32,
        block_y: u32,
        block_z: u32,
        shared_bytes: u32,
        stream: u64,
        params: u64,
        extra: u64,
    ) {
        let (grid, block) = ([grid_x, grid_y, grid_z], [block_x, block_y, block_z]);
        launch(&Request { function, grid, block, shared_bytes, stream, cooperative: false, params, extra })
    }

    fn cuLaunchCooperativeKernel | cuLaunchCooperativeKernel_ptsz(
        function: u64,
        grid_x: u32,
        grid_y: u32,
        grid_z: u32,
        block_x: u32,
        block_y: u32,
        block_z: u32,
        shared_bytes: u32,
        stream: u64,
        params: u64,
    ) {
        let (grid, block) = ([grid_x, grid_y, grid_z], [block_x, block_y, block_z]);
        launch(&Request { function, grid, block, shared_bytes, stream, cooperative: true, params, extra: 0 })
    }

    fn cuLaunchKernelEx | cuLaunchKernelEx_ptsz(config: In<LaunchConfig>, function: u64, params: u64, extra: u64) {
        let config = config.get()?;
        let cooperative = wishes(&config)?;
        let LaunchConfig { grid, block, shared_bytes, stream, .. } = config;
        launch(&Request { function, grid, block, shared_bytes, stream, cooperative, params, extra })
    }

    fn cuLaunchHostFunc | cuLaunchHostFunc_ptsz(stream: u64, function: HostFunction, data: UserData) {
        host_function(stream, function, data)
    }

    fn cuLaunchHostFunc_v2 | cuLaunchHostFunc_v2_ptsz(
        stream: u64,
        function: HostFunction,
        data: UserData,
        _sync_mode: u32,
    ) {
        host_function(stream, function, data)
    }
}

/// Past the last parameter is an invalid value: it ends a program's loop.
pub(super) fn put_parameter(entry: &EntryInfo, index: usize, offset: Out<usize>, size: Out<usize>) -> Result {
    let parameter = entry.params.get(index).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    offset.put(parameter.offset as usize)?;
    size.put_if_wanted(parameter.size as usize);
    Ok(())
}

fn host_function(stream: u64, function: HostFunction, data: UserData) -> Result {
    if function.is_none() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let run = move |status| {
        // After a fault a host function is not called, unlike a stream callback.
        if status == CUDA_SUCCESS {
            call_host_function(function, data);
        }
    };
    resolve(stream)?.add(Vec::new(), Action::Callback(Box::new(run)));
    Ok(())
}

const COOPERATIVE: u32 = 2;
const CLUSTER_DIMENSION: u32 = 4;
const PREFERRED_CLUSTER_DIMENSION: u32 = 11;
const LAUNCH_ATTRIBUTES_LIMIT: u32 = 64;

/// Whether a launch is cooperative. Other attributes are hints, or not built, or unknown.
pub(super) fn wishes(config: &LaunchConfig) -> Result<bool> {
    if config.attribute_count > LAUNCH_ATTRIBUTES_LIMIT {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let mut cooperative = false;
    for attribute in In::<LaunchAttribute>::at(config.attributes).list(config.attribute_count as usize)? {
        match attribute.id {
            COOPERATIVE => cooperative = attribute.value[0] != 0,
            // Nothing (0); caches and their windows (1, 14), synchronization policy (3), scheduling of clusters (5), overlap with
            // the kernel before (6), priority (8), memory domains (9, 10), links (16), cluster sizes (17), shared memory mode (18).
            0 | 1 | 3 | 5 | 6 | 8 | 9 | 10 | 14 | 16 | 17 | 18 => {}
            // A cluster of one block is no cluster.
            CLUSTER_DIMENSION | PREFERRED_CLUSTER_DIMENSION if attribute.value[..3] == [1, 1, 1] => {}
            // Clusters (4, 11), events out of a kernel (7, 12), graphs updated by devices (13).
            CLUSTER_DIMENSION | PREFERRED_CLUSTER_DIMENSION | 7 | 12 | 13 => {
                return Err(CUDA_ERROR_NOT_SUPPORTED);
            }
            _ => return Err(CUDA_ERROR_INVALID_VALUE),
        }
    }
    Ok(cooperative)
}
