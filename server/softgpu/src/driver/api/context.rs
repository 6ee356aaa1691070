//! Context management.

use std::sync::atomic::Ordering;

use farwarp_face::*;

use crate::driver::context::{self, Context, HEAP_BYTES_DEFAULT, MALLOC_HEAP_SIZE};
use crate::driver::current::{self, current, current_in_any_state};
use crate::driver::edge::{In, Out, Result, api};
use crate::driver::event::Event;
use crate::driver::job::{Action, Job};
use crate::driver::machine::{alive, device, machine};
use crate::driver::mirror::ContextParams;
use crate::driver::ranges::lock;
use crate::driver::{console, stream};

api! {
    fn cuCtxCreate_v2(out: Out<u64>, flags: u32, dev: i32) {
        create(out, flags, dev)
    }

    fn cuCtxCreate_v3(out: Out<u64>, _affinities: u64, affinity_count: i32, flags: u32, dev: i32) {
        if affinity_count != 0 {
            return Err(CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY);
        }
        create(out, flags, dev)
    }

    fn cuCtxCreate_v4(out: Out<u64>, params: In<ContextParams>, flags: u32, dev: i32) {
        if let Ok(params) = params.get() {
            if params.affinity_count != 0 {
                return Err(CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY);
            }
            if params.graphics != 0 {
                return Err(CUDA_ERROR_NOT_SUPPORTED);
            }
        }
        create(out, flags, dev)
    }

    fn cuCtxDestroy_v2(ctx: u64) {
        destroy(ctx)
    }

    fn cuCtxDestroy(ctx: u64) {
        destroy(ctx)
    }

    fn cuCtxPushCurrent_v2(ctx: u64) {
        push(ctx)
    }

    fn cuCtxPushCurrent(ctx: u64) {
        push(ctx)
    }

    fn cuCtxPopCurrent_v2(out: Out<u64>) {
        pop(out)
    }

    fn cuCtxPopCurrent(out: Out<u64>) {
        pop(out)
    }

    fn cuCtxSetCurrent(ctx: u64) {
        machine()?;
        if ctx != 0 {
            context::nameable(ctx)?;
        }
        current::set(ctx)
    }

    fn cuCtxGetCurrent(out: Out<u64>) {
        machine()?;
        out.put(current::top())
    }

    fn cuCtxGetDevice(out: Out<i32>) {
        out.put(current_in_any_state()?.device.ordinal)
    }

    fn cuCtxGetDevice_v2(out: Out<i32>, ctx: u64) {
        machine()?;
        let context = if ctx == 0 { current_in_any_state()? } else { context::find(ctx)? };
        out.put(context.device.ordinal)
    }

    fn cuCtxGetFlags(flags: Out<u32>) {
        flags.put(current_in_any_state()?.flags.load(Ordering::Relaxed))
    }

    fn cuCtxSetFlags(flags: u32) {
        check_flags(flags)?;
        current()?.flags.store(flags, Ordering::Relaxed);
        Ok(())
    }

    fn cuCtxGetId(ctx: u64, id: Out<u64>) {
        machine()?;
        let context = if ctx == 0 { current_in_any_state()? } else { context::find(ctx)? };
        id.put(context.id)
    }

    fn cuCtxSynchronize() {
        stream::synchronize_all(&*current()?)
    }

    fn cuCtxSynchronize_v2(ctx: u64) {
        machine()?;
        let context = if ctx == 0 { current()? } else { context::find(ctx)? };
        context.standing()?;
        stream::synchronize_all(&context)
    }

    fn cuCtxSetLimit(limit: u32, value: usize) {
        let context = current()?;
        let kept = settled_limit(limit, value)?;
        if limit == PRINTF_FIFO_SIZE {
            context.console.set_limit(kept);
        }
        if limit == MALLOC_HEAP_SIZE && context.has_heap() {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        lock(&context.limits).insert(limit, kept);
        Ok(())
    }

    fn cuCtxGetLimit(value: Out<usize>, limit: u32) {
        let context = current()?;
        let set = lock(&context.limits).get(&limit).copied();
        value.put(set.map_or_else(|| default_limit(limit), Ok)?)
    }

    fn cuCtxGetCacheConfig(config: Out<u32>) {
        config.put(current()?.cache_config.load(Ordering::Relaxed))
    }

    fn cuCtxSetCacheConfig(config: u32) {
        set_config(&current()?.cache_config, config, CACHE_CONFIGS)
    }

    fn cuCtxGetSharedMemConfig(config: Out<u32>) {
        config.put(current()?.shared_config.load(Ordering::Relaxed))
    }

    fn cuCtxSetSharedMemConfig(config: u32) {
        set_config(&current()?.shared_config, config, SHARED_CONFIGS)
    }

    fn cuCtxGetApiVersion(ctx: u64, version: Out<u32>) {
        machine()?;
        let context = if ctx == 0 { current_in_any_state()? } else { context::find(ctx)? };
        version.put(context.api_version)
    }

    fn cuCtxGetStreamPriorityRange(least: Out<i32>, greatest: Out<i32>) {
        current()?;
        least.put_if_wanted(0);
        greatest.put_if_wanted(0);
        Ok(())
    }

    fn cuCtxResetPersistingL2Cache() {
        current().map(drop)
    }

    // One process has a device to itself, and it cannot be divided.
    fn cuCtxGetExecAffinity(out: Out<[u32; 2]>, kind: u32) {
        current()?;
        out.require()?;
        Err(if kind == 0 { CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY } else { CUDA_ERROR_INVALID_VALUE })
    }

    fn cuCtxAttach(out: Out<u64>, flags: u32) {
        out.require()?;
        let context = current()?;
        if flags != 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        context.attached.fetch_add(1, Ordering::Relaxed);
        out.put(context.handle)
    }

    fn cuCtxDetach(ctx: u64) {
        let context = current()?;
        if context.handle != ctx || context.device.primary.handle == ctx {
            return Err(CUDA_ERROR_INVALID_CONTEXT);
        }
        let last = context.attached.fetch_sub(1, Ordering::AcqRel) == 1;
        if last { destroy(ctx) } else { Ok(()) }
    }

    fn cuCtxRecordEvent(ctx: u64, event: u64) {
        machine()?;
        let context = context::find(ctx)?;
        context.standing()?;
        Event::find(event)?.record_context(&context)
    }

    fn cuCtxWaitEvent(ctx: u64, event: u64) {
        machine()?;
        let context = context::find(ctx)?;
        context.standing()?;
        let mark = Event::find(event)?.mark();
        let mut order = lock(&context.order);
        let behind: Vec<_> = order.all().into_iter().chain(mark).collect();
        order.hold_all(Job::place(&context, &behind, Action::Nothing));
        Ok(())
    }
}

/// CU_CTX_FLAGS_MASK.
const FLAGS: u32 = 0xFF;
/// CU_CTX_SCHED_MASK: three wishes, of which at most one.
const SCHEDULING: u32 = 0x07;

pub(super) fn check_flags(flags: u32) -> Result {
    let one_wish = matches!(flags & SCHEDULING, 0 | 1 | 2 | 4);
    if flags & !FLAGS != 0 || !one_wish { Err(CUDA_ERROR_INVALID_VALUE) } else { Ok(()) }
}

fn create(out: Out<u64>, flags: u32, dev: i32) -> Result {
    out.require()?;
    let device = device(dev)?;
    check_flags(flags)?;
    let context = Context::create(device, flags)?;
    current::push(context.handle).inspect_err(|_| context.destroy())?;
    out.put(context.handle)
}

fn destroy(handle: u64) -> Result {
    machine()?;
    alive()?;
    let context = context::find(handle)?;
    if context.device.primary.handle == handle {
        return Err(CUDA_ERROR_INVALID_CONTEXT);
    }
    if current::top() == handle {
        current::pop()?;
    }
    context.destroy();
    Ok(())
}

fn push(handle: u64) -> Result {
    context::nameable(handle)?;
    current::push(handle)
}

fn pop(out: Out<u64>) -> Result {
    machine()?;
    out.put_if_wanted(current::pop()?);
    Ok(())
}

fn set_config(place: &std::sync::atomic::AtomicU32, config: u32, count: u32) -> Result {
    if config >= count {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    place.store(config, Ordering::Relaxed);
    Ok(())
}

/// `CUfunc_cache` and `CUsharedconfig` have so many values. Both are wishes about hardware.
pub(super) const CACHE_CONFIGS: u32 = 4;
pub(super) const SHARED_CONFIGS: u32 = 3;

const STACK_SIZE: u32 = 0;
const PRINTF_FIFO_SIZE: u32 = 1;
const MAX_L2_FETCH_GRANULARITY: u32 = 5;
const PERSISTING_L2_CACHE_SIZE: u32 = 6;

/// What a context begins with. The limits of calls that are not built are not there.
fn default_limit(limit: u32) -> Result<usize> {
    match limit {
        STACK_SIZE => Ok(1024),
        PRINTF_FIFO_SIZE => Ok(console::DEFAULT_BYTES),
        MALLOC_HEAP_SIZE => Ok(HEAP_BYTES_DEFAULT),
        MAX_L2_FETCH_GRANULARITY => Ok(64),
        PERSISTING_L2_CACHE_SIZE => Ok(0),
        3 | 4 | 7..=10 => Err(CUDA_ERROR_UNSUPPORTED_LIMIT),
        _ => Err(CUDA_ERROR_INVALID_VALUE),
    }
}

fn settled_limit(limit: u32, value: usize) -> Result<usize> {
    default_limit(limit)?;
    match limit {
        STACK_SIZE if value > STACK_LIMIT_BYTES => Err(CUDA_ERROR_INVALID_VALUE),
        STACK_SIZE => Ok(value.next_multiple_of(16)),
        MAX_L2_FETCH_GRANULARITY if value > 128 => Err(CUDA_ERROR_INVALID_VALUE),
        PERSISTING_L2_CACHE_SIZE => Ok(0),
        _ => Ok(value),
    }
}

/// Local memory of one thread, at most.
const STACK_LIMIT_BYTES: usize = 512 << 10;
