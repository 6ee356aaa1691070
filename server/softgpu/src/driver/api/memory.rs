//! Memory management: allocation.

use farwarp_face::*;

use crate::driver::current::current;
use crate::driver::edge::{Out, Result, api};
use crate::driver::ranges::{self, Kind};
use crate::driver::{arena, memory};

api! {
    fn cuMemGetInfo_v2(free: Out<usize>, total: Out<usize>) {
        let device = current()?.device;
        free.put(device.free_bytes() as usize)?;
        total.put(device.memory_bytes as usize)
    }

    fn cuMemAlloc_v2(address: Out<u64>, bytes: usize) {
        let context = current()?;
        address.require()?;
        address.put(memory::allocate(&context, bytes as u64, arena::ALIGNMENT, Kind::Device)?.start)
    }

    fn cuMemAllocPitch_v2(address: Out<u64>, pitch: Out<usize>, width: usize, height: usize, element: u32) {
        address.require()?;
        pitch.require()?;
        if !matches!(element, 4 | 8 | 16) {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let (start, row) = memory::allocate_pitch(&*current()?, width as u64, height as u64)?;
        pitch.put(row as usize)?;
        address.put(start)
    }

    fn cuMemFree_v2(address: u64) {
        current()?;
        match crate::driver::graph::free(address) {
            Some(freed) => freed,
            None if address == 0 => Ok(()),
            None => memory::free(address),
        }
    }

    fn cuMemGetAddressRange_v2(base: Out<u64>, size: Out<usize>, address: u64) {
        current()?;
        // CUDA's word for an address that is in no allocation.
        let range = ranges::find(address).filter(|range| !range.is_host()).ok_or(CUDA_ERROR_NOT_FOUND)?;
        base.put_if_wanted(range.start);
        size.put_if_wanted(range.bytes as usize);
        Ok(())
    }

    fn cuMemAllocHost_v2(address: Out<u64>, bytes: usize) {
        allocate_host(address, bytes, 0)
    }

    fn cuMemHostAlloc(address: Out<u64>, bytes: usize, flags: u32) {
        if flags & !HOST_ALLOC_FLAGS != 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        allocate_host(address, bytes, flags)
    }

    fn cuMemFreeHost(address: u64) {
        current()?;
        if address == 0 { Ok(()) } else { memory::free_host(address) }
    }

    fn cuMemHostGetDevicePointer_v2(device: Out<u64>, host: u64, flags: u32) {
        current()?;
        if flags != 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        memory::host_range(host)?;
        device.put(host)
    }

    fn cuMemHostGetFlags(flags: Out<u32>, host: u64) {
        current()?;
        match memory::host_range(host)?.kind {
            // All host memory is mapped: there is but one address space.
            Kind::Host { flags: set } => flags.put(set | DEVICEMAP),
            Kind::Registered { flags: set } => flags.put(set | DEVICEMAP),
            _ => Err(CUDA_ERROR_INVALID_VALUE),
        }
    }

    fn cuMemAllocManaged(address: Out<u64>, bytes: usize, flags: u32) {
        address.require()?;
        if !matches!(flags, ATTACH_GLOBAL | ATTACH_HOST) {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let kind = Kind::Managed;
        address.put(memory::allocate(&*current()?, bytes as u64, arena::ALIGNMENT, kind)?.start)
    }

    fn cuMemHostRegister_v2(address: u64, bytes: usize, flags: u32) {
        memory::register_host(&*current()?, address, bytes as u64, flags)
    }

    fn cuMemHostUnregister(address: u64) {
        current()?;
        if address == 0 { Err(CUDA_ERROR_INVALID_VALUE) } else { memory::unregister_host(address) }
    }
}

/// Portable, mapped, write-combined.
const HOST_ALLOC_FLAGS: u32 = 0x07;
const DEVICEMAP: u32 = 0x02;
const ATTACH_GLOBAL: u32 = 1;
const ATTACH_HOST: u32 = 2;

fn allocate_host(address: Out<u64>, bytes: usize, flags: u32) -> Result {
    address.require()?;
    address.put(memory::allocate_host(&*current()?, bytes as u64, flags)?)
}
