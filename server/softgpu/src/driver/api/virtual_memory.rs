//! Virtual memory management.

use std::ffi::c_void;

use farwarp_face::*;

use crate::driver::current::working;
use crate::driver::device::Device;
use crate::driver::edge::{In, Out, Result, api};
use crate::driver::machine::{device, machine};
use crate::driver::mirror::{AccessDesc, AllocationProp, Location};
use crate::driver::ranges::Access;
use crate::driver::vmm;

api! {
    fn cuMemAddressReserve(address: Out<u64>, bytes: usize, alignment: usize, wanted: u64, flags: u64) {
        working()?;
        address.require()?;
        if flags != 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        address.put(vmm::reserve(bytes as u64, alignment as u64, wanted)?)
    }

    fn cuMemAddressFree(address: u64, bytes: usize) {
        working()?;
        vmm::unreserve(address, bytes as u64)
    }

    fn cuMemCreate(handle: Out<u64>, bytes: usize, prop: In<AllocationProp>, flags: u64) {
        working()?;
        handle.require()?;
        if flags != 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let prop = prop.get()?;
        let device = device_of(&prop)?;
        handle.put(vmm::create(bytes as u64, device, prop.handle_types == POSIX_FILE_DESCRIPTOR)?.handle)
    }

    fn cuMemRelease(handle: u64) {
        working()?;
        vmm::release(handle)
    }

    fn cuMemMap(address: u64, bytes: usize, offset: usize, handle: u64, flags: u64) {
        working()?;
        if flags != 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        vmm::map(address, bytes as u64, offset as u64, vmm::find(handle)?)
    }

    fn cuMemUnmap(address: u64, bytes: usize) {
        working()?;
        vmm::unmap(address, bytes as u64)
    }

    fn cuMemSetAccess(address: u64, bytes: usize, descriptions: In<AccessDesc>, count: usize) {
        working()?;
        let descriptions = descriptions.list(count)?;
        let rights = descriptions.iter().map(right).collect::<Result<Vec<_>>>()?;
        vmm::set_access(address, bytes as u64, &rights)
    }

    fn cuMemGetAccess(flags: Out<u64>, location: In<Location>, address: u64) {
        machine()?;
        let location = location.get()?;
        if location.kind != DEVICE {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        device(location.id)?;
        flags.put(match vmm::access_of(address, location.id)? {
            None => NONE,
            Some(Access::Read) => READ,
            Some(Access::ReadWrite) => READ_WRITE,
        }.into())
    }

    fn cuMemExportToShareableHandle(out: Out<c_void>, handle: u64, kind: u32, flags: u64) {
        machine()?;
        out.require()?;
        if kind != POSIX_FILE_DESCRIPTOR || flags != 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        out.put_as(vmm::export(&*vmm::find(handle)?)?)
    }

    fn cuMemImportFromShareableHandle(handle: Out<u64>, descriptor: u64, kind: u32) {
        let machine = machine()?;
        handle.require()?;
        if kind != POSIX_FILE_DESCRIPTOR {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        // A descriptor does not say which device it was made on; one memory is behind all.
        handle.put(vmm::import(descriptor as i32, &machine.devices[0])?.handle)
    }

    fn cuMemGetAllocationGranularity(granularity: Out<usize>, prop: In<AllocationProp>, option: u32) {
        machine()?;
        device_of(&prop.get()?)?;
        if option > RECOMMENDED {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        granularity.put(vmm::GRANULARITY_BYTES as usize)
    }

    fn cuMemGetAllocationPropertiesFromHandle(prop: Out<AllocationProp>, handle: u64) {
        machine()?;
        let physical = vmm::find(handle)?;
        prop.put(AllocationProp {
            kind: PINNED,
            handle_types: if physical.shareable { POSIX_FILE_DESCRIPTOR } else { 0 },
            location: Location { kind: DEVICE, id: physical.device.ordinal },
            win32: 0,
            compression: 0,
            rdma_capable: 0,
            usage: 0,
            reserved: [0; 4],
        })
    }

    fn cuMemRetainAllocationHandle(handle: Out<u64>, address: u64) {
        machine()?;
        handle.require()?;
        handle.put(vmm::retain_at(address)?)
    }
}

/// CU_MEM_ALLOCATION_TYPE_PINNED, CU_MEM_LOCATION_TYPE_DEVICE, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR.
const PINNED: u32 = 1;
const DEVICE: u32 = 1;
const POSIX_FILE_DESCRIPTOR: u32 = 1;
/// CU_MEM_LOCATION_TYPE_HOST and what follows it: places where this driver makes no memory.
const OTHER_LOCATIONS: std::ops::RangeInclusive<u32> = 2..=6;
/// CU_MEM_ALLOC_GRANULARITY_RECOMMENDED.
const RECOMMENDED: u32 = 1;
/// `CUmemAccess_flags`.
const NONE: u32 = 0;
const READ: u32 = 1;
const READ_WRITE: u32 = 3;

/// Where memory is to be made, if it can be made so.
fn device_of(prop: &AllocationProp) -> Result<&'static Device> {
    if prop.kind != PINNED || prop.win32 != 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    if OTHER_LOCATIONS.contains(&prop.location.kind)
        || !matches!(prop.handle_types, 0 | POSIX_FILE_DESCRIPTOR)
    {
        return Err(CUDA_ERROR_NOT_SUPPORTED);
    }
    if prop.location.kind != DEVICE {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    device(prop.location.id)
}

fn right(description: &AccessDesc) -> Result<(i32, Option<Access>)> {
    if description.location.kind != DEVICE {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let access = match description.flags {
        NONE => None,
        READ => Some(Access::Read),
        READ_WRITE => Some(Access::ReadWrite),
        _ => return Err(CUDA_ERROR_INVALID_VALUE),
    };
    Ok((description.location.id, access))
}
