//! Stream-ordered memory, from the driver's own pools.
#![allow(unsafe_code)] // calls the driver.

use crate::driver::{Access, AllocationProperties, LOCATION_DEVICE, PoolProperties};
use crate::executor::{Call, Executor, Reply};
use crate::refusal::Refusal;
use farwarp_protocol::call::{PoolNew, Range};
use farwarp_protocol::codec::{decode, encode};
use farwarp_protocol::error::{CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_OUT_OF_MEMORY};
use farwarp_protocol::handle::{Id, ObjectKind};

/// Attributes of pools that are plain numbers, as far as the header knows them.
const ATTRIBUTES_KNOWN: std::ops::RangeInclusive<u32> = 1..=14;

pub fn pool_create(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let PoolNew { pool, device, max_bytes, usage } = decode(call.body)?;
    executor.objects.check_new(pool, ObjectKind::MemPool)?;
    let device = executor.device(device)?;
    let AllocationProperties { kind, location_kind, location, .. } = AllocationProperties::on(device);
    let properties = PoolProperties {
        kind,
        handle_types: 0,
        location_kind,
        location,
        win32_security: std::ptr::null_mut(),
        max_bytes,
        usage,
        reserved: [0; 54],
    };
    let mut raw = 0;
    // SAFETY: the struct is read, the handle written.
    let outcome = unsafe { executor.driver.cuMemPoolCreate(&mut raw, &properties) };
    Ok(outcome.map(|()| executor.objects.born(pool, raw, Id(0))).into())
}

/// The pool that a device began with gets an id.
pub fn default_pool(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let (pool, device): (Id, i32) = decode(call.body)?;
    executor.objects.check_new(pool, ObjectKind::MemPool)?;
    let device = executor.device(device)?;
    let mut raw = 0;
    // SAFETY: the handle is written.
    let outcome = unsafe { executor.driver.cuDeviceGetDefaultMemPool(&mut raw, device) };
    Ok(outcome.map(|()| executor.objects.born(pool, raw, Id(0))).into())
}

pub fn pool_destroy(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let raw = executor.objects.remove(decode(call.body)?, ObjectKind::MemPool)?;
    // SAFETY: a pool that nobody names any more; what is allocated of it lives on.
    Ok(unsafe { executor.driver.cuMemPoolDestroy(raw) }.into())
}

pub fn allocate_in_order(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let (pool, bytes, stream): (Id, u64, u64) = decode(call.body)?;
    let raw = executor.objects.get(pool, ObjectKind::MemPool)?;
    let stream = executor.stream(call, stream)?;
    executor.enter(call)?;
    if !executor.within_quota(bytes) {
        return Ok(Reply::Now(CUDA_ERROR_OUT_OF_MEMORY, Vec::new()));
    }
    let mut address = 0;
    // SAFETY: a live pool, a live stream, a place to write.
    let outcome =
        unsafe { executor.driver.cuMemAllocFromPoolAsync(&mut address, bytes as usize, raw, stream) };
    Ok(outcome
        .map(|()| {
            executor.ranges.born(Range { address, bytes }, pool);
            executor.count_memory();
            encode(&address)
        })
        .into())
}

pub fn free_in_order(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let (address, stream): (u64, u64) = decode(call.body)?;
    let stream = executor.stream(call, stream)?;
    executor.enter(call)?;
    executor.ranges.remove_pooled(address)?;
    executor.count_memory();
    // SAFETY: memory of a pool of this session's, which was not freed before.
    Ok(unsafe { executor.driver.cuMemFreeAsync(address, stream) }.into())
}

pub fn pool_set_attribute(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let (pool, which, value): (Id, u32, u64) = decode(call.body)?;
    let raw = executor.objects.get(pool, ObjectKind::MemPool)?;
    if !ATTRIBUTES_KNOWN.contains(&which) {
        return Ok(Err::<(), _>(CUDA_ERROR_INVALID_VALUE).into());
    }
    // SAFETY: no attribute is wider than the number.
    Ok(unsafe { executor.driver.cuMemPoolSetAttribute(raw, which, &value) }.into())
}

pub fn pool_get_attribute(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let (pool, which): (Id, u32) = decode(call.body)?;
    let raw = executor.objects.get(pool, ObjectKind::MemPool)?;
    if !ATTRIBUTES_KNOWN.contains(&which) {
        return Ok(Err::<(), _>(CUDA_ERROR_INVALID_VALUE).into());
    }
    let mut value = 0u64;
    // SAFETY: as above.
    let outcome = unsafe { executor.driver.cuMemPoolGetAttribute(raw, which, &mut value) };
    Ok(outcome.map(|()| encode(&value)).into())
}

pub fn pool_set_access(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let (pool, map): (Id, Vec<(i32, u32)>) = decode(call.body)?;
    let raw = executor.objects.get(pool, ObjectKind::MemPool)?;
    let map = access_map(executor, map)?;
    // SAFETY: a list of ours.
    Ok(unsafe { executor.driver.cuMemPoolSetAccess(raw, map.as_ptr(), map.len()) }.into())
}

pub fn pool_get_access(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let (pool, device): (Id, i32) = decode(call.body)?;
    let raw = executor.objects.get(pool, ObjectKind::MemPool)?;
    let location = [LOCATION_DEVICE, executor.device(device)? as u32];
    let mut flags = 0u32;
    // SAFETY: a location of ours, a place to write.
    let outcome = unsafe { executor.driver.cuMemPoolGetAccess(&mut flags, raw, &location) };
    Ok(outcome.map(|()| encode(&flags)).into())
}

/// What devices may do with memory, of devices that exist.
pub fn access_map(executor: &Executor, map: Vec<(i32, u32)>) -> Result<Vec<Access>, Refusal> {
    let access = |(device, flags)| {
        let location = executor.device(device)?;
        Ok(Access { location_kind: LOCATION_DEVICE, location, flags })
    };
    map.into_iter().map(access).collect()
}
