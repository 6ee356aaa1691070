//! The stream-ordered memory allocator, and which pool a device allocates from.

use std::ffi::c_void;
use std::sync::Arc;

use farwarp_face::*;

use crate::driver::current::working;
use crate::driver::device::Device;
use crate::driver::edge::{In, Out, Result, api};
use crate::driver::machine::{device, machine};
use crate::driver::mirror::{AccessDesc, Location, PoolProps};
use crate::driver::pool::{self, Pool};
use crate::driver::ranges::{self, Access, lock};
use crate::driver::stream::resolve;

api! {
    fn cuMemAllocAsync | cuMemAllocAsync_ptsz(address: Out<u64>, bytes: usize, stream: u64) {
        address.require()?;
        let place = resolve(stream)?;
        place.context.standing()?;
        address.put(pool::current_of(place.context.device).allocate(&place, bytes as u64)?)
    }

    fn cuMemAllocFromPoolAsync | cuMemAllocFromPoolAsync_ptsz(address: Out<u64>, bytes: usize, pool: u64, stream: u64) {
        address.require()?;
        let place = resolve(stream)?;
        place.context.standing()?;
        address.put(Pool::find(pool)?.allocate(&place, bytes as u64)?)
    }

    fn cuMemFreeAsync | cuMemFreeAsync_ptsz(address: u64, stream: u64) {
        let place = resolve(stream)?;
        place.context.standing()?;
        match crate::driver::graph::free(address) {
            Some(freed) => freed,
            None => pool::free_in_order(&place, address),
        }
    }

    fn cuMemPoolCreate(out: Out<u64>, props: In<PoolProps>) {
        working()?;
        out.require()?;
        let props = props.get()?;
        if props.kind != PINNED || props.location.kind != DEVICE {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        if props.handle_types != 0 {
            return Err(CUDA_ERROR_NOT_SUPPORTED);
        }
        out.put(Pool::create(device(props.location.id)?, props.max_bytes).handle)
    }

    fn cuMemPoolDestroy(pool: u64) {
        working()?;
        pool::destroy(pool)
    }

    fn cuMemPoolTrimTo(pool: u64, keep: usize) {
        working()?;
        Pool::find(pool)?.trim(keep as u64);
        Ok(())
    }

    fn cuMemPoolSetAttribute(pool: u64, attribute: u32, value: Out<c_void>) {
        machine()?;
        set_attribute(&*Pool::find(pool)?, attribute, value)
    }

    fn cuMemPoolGetAttribute(pool: u64, attribute: u32, value: Out<c_void>) {
        machine()?;
        get_attribute(&*Pool::find(pool)?, attribute, value)
    }

    fn cuMemPoolSetAccess(pool: u64, map: In<AccessDesc>, count: usize) {
        machine()?;
        let pool = Pool::find(pool)?;
        let rights = map.list(count)?.iter().map(|wish| right(&pool, wish)).collect::<Result<Vec<_>>>()?;
        let mut access = lock(&pool.access);
        for (ordinal, right) in rights {
            match right {
                Some(right) => access.insert(ordinal, right),
                None => access.remove(&ordinal),
            };
        }
        drop(access);
        ranges::rights_changed();
        Ok(())
    }

    fn cuMemPoolGetAccess(flags: Out<u32>, pool: u64, location: In<Location>) {
        machine()?;
        let pool = Pool::find(pool)?;
        let location = location.get()?;
        if location.kind != DEVICE {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let ordinal = device(location.id)?.ordinal;
        let right = lock(&pool.access).get(&ordinal).copied();
        flags.put(match right {
            None => NONE,
            Some(Access::Read) => READ,
            Some(Access::ReadWrite) => READ_WRITE,
        })
    }

    fn cuDeviceGetDefaultMemPool(out: Out<u64>, dev: i32) {
        out.require()?;
        out.put(pool::default_of(device(dev)?).handle)
    }

    fn cuDeviceGetMemPool(out: Out<u64>, dev: i32) {
        out.require()?;
        out.put(pool::current_of(device(dev)?).handle)
    }

    fn cuDeviceSetMemPool(dev: i32, pool: u64) {
        pool::set_current(device(dev)?, Pool::find(pool)?)
    }

    fn cuMemGetDefaultMemPool(out: Out<u64>, location: In<Location>, kind: u32) {
        out.require()?;
        out.put(pool::default_of(device_at(location, kind)?).handle)
    }

    fn cuMemGetMemPool(out: Out<u64>, location: In<Location>, kind: u32) {
        out.require()?;
        out.put(pool::current_of(device_at(location, kind)?).handle)
    }

    fn cuMemSetMemPool(location: In<Location>, kind: u32, pool: u64) {
        pool::set_current(device_at(location, kind)?, Pool::find(pool)?)
    }
}

/// CU_MEM_ALLOCATION_TYPE_PINNED and CU_MEM_LOCATION_TYPE_DEVICE.
const PINNED: u32 = 1;
const DEVICE: u32 = 1;
/// `CUmemAccess_flags`.
const NONE: u32 = 0;
const READ: u32 = 1;
const READ_WRITE: u32 = 3;

/// `CUmemPool_attribute`: three ways of reuse from 1 on, then the threshold, two sums with their highs, and what a pool was made as.
const REUSE: std::ops::RangeInclusive<u32> = 1..=3;
const RELEASE_THRESHOLD: u32 = 4;
const RESERVED: u32 = 5;
const RESERVED_HIGH: u32 = 6;
const USED: u32 = 7;
const USED_HIGH: u32 = 8;

fn device_at(location: In<Location>, kind: u32) -> Result<&'static Device> {
    machine()?;
    let location = location.get()?;
    if location.kind != DEVICE || kind != PINNED {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    device(location.id)
}

/// The device whose memory it is can always use it.
fn right(pool: &Arc<Pool>, wish: &AccessDesc) -> Result<(i32, Option<Access>)> {
    if wish.location.kind != DEVICE {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let ordinal = device(wish.location.id)?.ordinal;
    let right = match wish.flags {
        NONE => None,
        READ => Some(Access::Read),
        READ_WRITE => Some(Access::ReadWrite),
        _ => return Err(CUDA_ERROR_INVALID_VALUE),
    };
    if ordinal == pool.device.ordinal && right != Some(Access::ReadWrite) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    Ok((ordinal, right))
}

fn set_attribute(pool: &Pool, attribute: u32, value: Out<c_void>) -> Result {
    value.require()?;
    let number = In::<u64>::at(value.address());
    match attribute {
        way if REUSE.contains(&way) => {
            let on = In::<i32>::at(value.address()).get()?;
            pool.set(|settings| settings.reuse[way as usize - 1] = (on != 0).into());
        }
        RELEASE_THRESHOLD => {
            let bytes = number.get()?;
            pool.set(|settings| settings.release_threshold = bytes);
        }
        // A high mark can only be taken back to where the sum is.
        RESERVED_HIGH | USED_HIGH if number.get()? == 0 => pool.reset_high(attribute == RESERVED_HIGH),
        _ => return Err(CUDA_ERROR_INVALID_VALUE),
    }
    Ok(())
}

fn get_attribute(pool: &Pool, attribute: u32, value: Out<c_void>) -> Result {
    value.require()?;
    let (reserved, used) = pool.sums();
    match attribute {
        way if REUSE.contains(&way) => value.put_as(pool.settings().reuse[way as usize - 1]),
        RELEASE_THRESHOLD => value.put_as(pool.settings().release_threshold),
        RESERVED => value.put_as(reserved.now),
        RESERVED_HIGH => value.put_as(reserved.high),
        USED => value.put_as(used.now),
        USED_HIGH => value.put_as(used.high),
        // What it was made as: pinned, not for other processes, on a device, with a limit or none.
        9 => value.put_as(PINNED),
        10 => value.put_as(0u32),
        11 => value.put_as(pool.device.ordinal),
        12 => value.put_as(DEVICE),
        13 => value.put_as(pool.max_bytes),
        14 => value.put_as(0i32),
        _ => Err(CUDA_ERROR_INVALID_VALUE),
    }
}
