//! Memory in stream order. The pools are the driver's, and so are the addresses, which are held here from the moment that they
//! are known; which pools there are, and which of them a device allocates from, stands in the books.
#![allow(unsafe_code)]
// reads the program's structs and writes answers where it wants them.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use super::copy::checked;
use crate::call::in_context_hearing;
use crate::here::give;
use crate::memory::MemoryKind;
use crate::objects::{Pool, born};
use crate::state::{Shim, shim};
use cudarc::driver::sys::{CUmemAccessDesc, CUmemLocation, CUmemPoolProps};
use farwarp_protocol::call::{PoolNew, Range, SYNCHRONIZE_CONTEXT, op};
use farwarp_protocol::codec::encode;
use farwarp_protocol::error::{
    CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_MAP_FAILED, CUDA_ERROR_NOT_SUPPORTED, Code,
};
use farwarp_protocol::handle::Id;
use farwarp_protocol::param::{STREAM_LEGACY, STREAM_PER_THREAD};
use std::ffi::c_void;

/// Allocations tried when what the driver gives lies where this process has something else.
const PLACES_TRIED: usize = 8;
/// Entries of one access map: more than there are devices is no map.
const ACCESS_MAP_MAX: usize = 1024;
/// `CU_MEM_ALLOCATION_TYPE_PINNED` and `CU_MEM_LOCATION_TYPE_DEVICE`.
const PINNED: u32 = 1;
const LOCATION_DEVICE: u32 = 1;
/// Attributes whose value is an `int` or an enum; all others are 64 bits wide.
const NARROW_ATTRIBUTES: &[u32] = &[1, 2, 3, 9, 10, 11, 12, 14];
/// `CU_MEMPOOL_ATTR_LOCATION_ID`.
const LOCATION_ID: u32 = 11;

pub unsafe fn cuMemAllocAsync(address: *mut u64, bytes: usize, stream: u64) -> Result<(), Code> {
    let (shim, context) = in_context_hearing()?;
    let stream = checked(shim, stream)?;
    let of_stream = match stream <= STREAM_PER_THREAD {
        true => context,
        false => shim.objects().streams.get(Id(stream)).map_or(context, |stream| stream.context),
    };
    let device = shim.contexts().get(of_stream)?.device;
    let pool = current_pool(shim, device)?;
    unsafe { allocate(shim, address, bytes, pool, stream) }
}

pub unsafe fn cuMemAllocFromPoolAsync(
    address: *mut u64,
    bytes: usize,
    pool: u64,
    stream: u64,
) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    let stream = checked(shim, stream)?;
    unsafe { allocate(shim, address, bytes, known(shim, pool)?, stream) }
}

unsafe fn allocate(shim: &Shim, address: *mut u64, bytes: usize, pool: Id, stream: u64) -> Result<(), Code> {
    if address.is_null() || bytes == 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let device = shim.objects().pools.get(pool).ok_or(CUDA_ERROR_INVALID_VALUE)?.device;
    let mut elsewhere = Vec::new();
    let found = loop {
        let body = encode(&(pool, bytes as u64, stream));
        let at: u64 = match shim.remote.ask(op("cuMemAllocAsync"), &[&body]).and_then(|answer| answer.value())
        {
            Ok(at) => at,
            Err(code) => break Err(code),
        };
        let range = Range { address: at, bytes: bytes as u64 };
        if shim.memory().add(range, MemoryKind::Pooled { pool }, Id(0), device).is_ok() {
            break Ok(at);
        }
        elsewhere.push(at);
        if elsewhere.len() == PLACES_TRIED {
            crate::state::complain(&format!(
                "the driver's pool lies at {at:#x}, where this process has something else"
            ));
            break Err(CUDA_ERROR_MAP_FAILED);
        }
    };
    for at in elsewhere {
        shim.remote.tell(op("cuMemFreeAsync"), &[&encode(&(at, stream))])?;
    }
    unsafe { give(address, found?) }
}

pub unsafe fn cuMemFreeAsync(address: u64, stream: u64) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    let stream = checked(shim, stream)?;
    if let Some(freed) = farwarp_graphs::free(&super::graph::Graphs, address) {
        return freed;
    }
    shim.memory().remove(address, |kind| matches!(kind, MemoryKind::Pooled { .. }))?;
    shim.remote.tell(op("cuMemFreeAsync"), &[&encode(&(address, stream))])
}

/// cuMemFree of a pool's memory: waits, as it does for any other, and then frees it.
pub fn free_now(shim: &Shim, context: Id, address: u64) -> Result<(), Code> {
    shim.memory().remove(address, |kind| matches!(kind, MemoryKind::Pooled { .. }))?;
    let answer = shim.remote.ask(SYNCHRONIZE_CONTEXT, &[&encode(&context)])?;
    crate::output::print(&answer.body);
    answer.check()?;
    shim.remote.tell(op("cuMemFreeAsync"), &[&encode(&(address, STREAM_LEGACY))])
}

pub unsafe fn cuMemPoolCreate(pool: *mut u64, props: *const CUmemPoolProps) -> Result<(), Code> {
    let shim = shim()?;
    if pool.is_null() || props.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let props = unsafe { props.cast::<Props>().read_unaligned() };
    if props.kind != PINNED || props.location.kind != LOCATION_DEVICE {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    if props.handle_types != 0 {
        // Other processes cannot open it: MEMPOOL_SUPPORTED_HANDLE_TYPES is 0.
        return Err(CUDA_ERROR_NOT_SUPPORTED);
    }
    let device = shim.server_ordinal(props.location.id)?;
    let made = Pool { device: props.location.id };
    let id = born(shim.objects().pools.insert(made))?;
    let new = PoolNew { pool: id, device, max_bytes: props.max_bytes, usage: props.usage };
    let answer = shim.remote.ask(op("cuMemPoolCreate"), &[&encode(&new)]);
    if let Err(code) = answer.and_then(|answer| answer.check()) {
        shim.objects().pools.remove(id);
        return Err(code);
    }
    unsafe { give(pool, id.0) }
}

/// A device cannot lose the pool that it began with, and falls back to it when it loses another.
pub unsafe fn cuMemPoolDestroy(pool: u64) -> Result<(), Code> {
    let shim = shim()?;
    let id = known(shim, pool)?;
    let mut objects = shim.objects();
    if objects.pools_of_devices.values().any(|of| of.default == id) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    objects.pools.remove(id);
    for of in objects.pools_of_devices.values_mut().filter(|of| of.current == id) {
        of.current = of.default;
    }
    drop(objects);
    shim.remote.tell(op("cuMemPoolDestroy"), &[&encode(&id)])
}

pub unsafe fn cuMemPoolSetAttribute(pool: u64, which: u32, value: *const c_void) -> Result<(), Code> {
    let shim = shim()?;
    let id = known(shim, pool)?;
    if value.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let number = match NARROW_ATTRIBUTES.contains(&which) {
        true => unsafe { value.cast::<u32>().read_unaligned() }.into(),
        false => unsafe { value.cast::<u64>().read_unaligned() },
    };
    shim.remote.ask(op("cuMemPoolSetAttribute"), &[&encode(&(id, which, number))])?.check()
}

pub unsafe fn cuMemPoolGetAttribute(pool: u64, which: u32, value: *mut c_void) -> Result<(), Code> {
    let shim = shim()?;
    let id = known(shim, pool)?;
    if value.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let body = encode(&(id, which));
    let mut number: u64 = shim.remote.ask(op("cuMemPoolGetAttribute"), &[&body])?.value()?;
    if which == LOCATION_ID {
        // As the program counts devices.
        number = shim.objects().pools.get(id).ok_or(CUDA_ERROR_INVALID_VALUE)?.device as u64;
    }
    match NARROW_ATTRIBUTES.contains(&which) {
        true => unsafe { give(value.cast(), number as u32) },
        false => unsafe { give(value.cast(), number) },
    }
}

pub unsafe fn cuMemPoolSetAccess(pool: u64, map: *const CUmemAccessDesc, count: usize) -> Result<(), Code> {
    let shim = shim()?;
    let id = known(shim, pool)?;
    let map = unsafe { access_map(shim, map, count)? };
    shim.remote.ask(op("cuMemPoolSetAccess"), &[&encode(&(id, map))])?.check()
}

pub unsafe fn cuMemPoolGetAccess(flags: *mut u32, pool: u64, at: *const CUmemLocation) -> Result<(), Code> {
    let shim = shim()?;
    let id = known(shim, pool)?;
    if flags.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let device = shim.server_ordinal(unsafe { device_at(at)? })?;
    let known: u32 = shim.remote.ask(op("cuMemPoolGetAccess"), &[&encode(&(id, device))])?.value()?;
    unsafe { give(flags, known) }
}

pub unsafe fn cuDeviceGetDefaultMemPool(pool: *mut u64, device: i32) -> Result<(), Code> {
    let shim = shim()?;
    if pool.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    unsafe { give(pool, pools_of(shim, device)?.default.0) }
}

pub unsafe fn cuDeviceGetMemPool(pool: *mut u64, device: i32) -> Result<(), Code> {
    let shim = shim()?;
    if pool.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    unsafe { give(pool, current_pool(shim, device)?.0) }
}

pub unsafe fn cuDeviceSetMemPool(device: i32, pool: u64) -> Result<(), Code> {
    let shim = shim()?;
    pools_of(shim, device)?;
    let id = known(shim, pool)?;
    let mut objects = shim.objects();
    if objects.pools.get(id).is_none_or(|pool| pool.device != device) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    if let Some(of) = objects.pools_of_devices.get_mut(&device) {
        of.current = id;
    }
    Ok(())
}

pub unsafe fn cuMemGetDefaultMemPool(
    pool: *mut u64,
    at: *const CUmemLocation,
    kind: u32,
) -> Result<(), Code> {
    unsafe { cuDeviceGetDefaultMemPool(pool, device_of(at, kind)?) }
}

pub unsafe fn cuMemGetMemPool(pool: *mut u64, at: *const CUmemLocation, kind: u32) -> Result<(), Code> {
    unsafe { cuDeviceGetMemPool(pool, device_of(at, kind)?) }
}

pub unsafe fn cuMemSetMemPool(at: *const CUmemLocation, kind: u32, pool: u64) -> Result<(), Code> {
    unsafe { cuDeviceSetMemPool(device_of(at, kind)?, pool) }
}

/// `CUmemPoolProps` and `CUmemLocation`, their enums as integers.
#[repr(C)]
struct Props {
    kind: u32,
    handle_types: u32,
    location: Location,
    win32: *const c_void,
    max_bytes: u64,
    usage: u16,
    reserved: [u8; 54],
}

#[derive(Clone, Copy)]
#[repr(C)]
pub struct Location {
    pub kind: u32,
    pub id: i32,
}

/// `CUmemAccessDesc`.
#[repr(C)]
struct Access {
    location: Location,
    flags: u32,
}

const _: () = {
    assert!(size_of::<Props>() == size_of::<CUmemPoolProps>());
    assert!(size_of::<Location>() == size_of::<CUmemLocation>());
    assert!(size_of::<Access>() == size_of::<CUmemAccessDesc>());
};

/// Who may use memory, devices as the server counts them. Only devices can be let in.
pub unsafe fn access_map(
    shim: &Shim,
    map: *const CUmemAccessDesc,
    count: usize,
) -> Result<Vec<(i32, u32)>, Code> {
    if count > ACCESS_MAP_MAX || (count > 0 && map.is_null()) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let one = |index| {
        let Access { location, flags } = unsafe { map.cast::<Access>().add(index).read_unaligned() };
        match location.kind {
            LOCATION_DEVICE => Ok((shim.server_ordinal(location.id)?, flags)),
            _ => Err(CUDA_ERROR_INVALID_VALUE),
        }
    };
    (0..count).map(one).collect()
}

/// The device that a location names; only a device has memory here.
pub unsafe fn device_at(at: *const CUmemLocation) -> Result<i32, Code> {
    if at.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    match unsafe { at.cast::<Location>().read_unaligned() } {
        Location { kind: LOCATION_DEVICE, id } => Ok(id),
        _ => Err(CUDA_ERROR_INVALID_VALUE),
    }
}

unsafe fn device_of(at: *const CUmemLocation, kind: u32) -> Result<i32, Code> {
    let device = unsafe { device_at(at)? };
    if kind == PINNED { Ok(device) } else { Err(CUDA_ERROR_INVALID_VALUE) }
}

pub fn device_of_pool(shim: &Shim, pool: u64) -> Result<i32, Code> {
    let device = shim.objects().pools.get(Id(pool)).map(|pool| pool.device);
    device.ok_or(CUDA_ERROR_INVALID_VALUE)
}

fn known(shim: &Shim, pool: u64) -> Result<Id, Code> {
    let id = Id(pool);
    shim.objects().pools.get(id).map(|_| id).ok_or(CUDA_ERROR_INVALID_VALUE)
}

fn current_pool(shim: &Shim, device: i32) -> Result<Id, Code> {
    Ok(pools_of(shim, device)?.current)
}

/// A device's pools. That which it began with gets its id when it is first asked for.
fn pools_of(shim: &Shim, device: i32) -> Result<crate::objects::PoolsOfDevice, Code> {
    let ordinal = shim.server_ordinal(device)?;
    let mut objects = shim.objects();
    if let Some(of) = objects.pools_of_devices.get(&device) {
        return Ok(*of);
    }
    let id = born(objects.pools.insert(Pool { device }))?;
    // Told under the lock: nobody shall name it before the server knows it.
    shim.remote.tell(op("cuDeviceGetDefaultMemPool"), &[&encode(&(id, ordinal))])?;
    let of = crate::objects::PoolsOfDevice { default: id, current: id };
    objects.pools_of_devices.insert(device, of);
    Ok(of)
}
