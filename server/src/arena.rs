//! Device memory at addresses that are free in the client too: one reservation, made at hello, in which every allocation lies.
//!
//! The client asks for a chunk of it at a time, which is backed with physical memory, and cuts the program's allocations from that. A
//! driver that cannot map memory at a chosen address gives addresses itself, and the client holds each as it learns of it.
#![allow(unsafe_code)] // calls the driver.

use crate::driver::{Access, AllocationProperties, Driver, LOCATION_DEVICE};
use farwarp_protocol::call::Range;
use farwarp_protocol::error::{CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_OUT_OF_MEMORY, Code};
use farwarp_protocol::handle::Id;
use farwarp_protocol::space::Space;
use std::collections::HashMap;

/// `CU_MEM_ACCESS_FLAGS_PROT_NONE` and `_READWRITE`.
const NONE: u32 = 0;
const READ_WRITE: u32 = 3;

pub struct Arena {
    driver: &'static Driver,
    /// Free address space; `None` where the driver chooses addresses.
    space: Option<Space>,
    /// Granularity by device.
    granules: Vec<u64>,
    /// What was given out, by its address.
    given: HashMap<u64, Given>,
}

struct Given {
    range: Range,
    context: Id,
    device: i32,
    /// Its physical memory; `None` if the driver's own allocator gave it.
    handle: Option<u64>,
}

impl Arena {
    /// Reserves one of the ranges that are free on the client's side.
    pub fn reserve(
        driver: &'static Driver,
        candidates: &[Range],
        granules: Vec<u64>,
    ) -> (Arena, Option<Range>) {
        let possible = !granules.is_empty() && granules.iter().all(|granule| *granule > 0);
        let reserved =
            candidates.iter().filter(|_| possible).find(|range| reserve_at(driver, **range)).copied();
        let space = reserved.map(Space::over);
        (Arena { driver, space, granules, given: HashMap::new() }, reserved)
    }

    /// Memory for a context, which is current at the driver: at least so much. Its device's kernels may touch it, and those of
    /// `viewers`.
    pub fn allocate(&mut self, bytes: u64, context: Id, device: i32, viewers: &[i32]) -> Result<Range, Code> {
        let given = match &mut self.space {
            Some(space) => {
                let granule = self.granules[device as usize];
                let bytes = bytes.checked_next_multiple_of(granule).ok_or(CUDA_ERROR_OUT_OF_MEMORY)?;
                let address = space.take(bytes, granule).ok_or(CUDA_ERROR_OUT_OF_MEMORY)?;
                let range = Range { address, bytes };
                let handle =
                    map_at(self.driver, range, device, viewers).inspect_err(|_| space.give(range))?;
                Given { range, context, device, handle: Some(handle) }
            }
            None => {
                let mut address = 0;
                // SAFETY: `address` is writable.
                unsafe { self.driver.cuMemAlloc_v2(&mut address, bytes as usize)? };
                Given { range: Range { address, bytes }, context, device, handle: None }
            }
        };
        let range = given.range;
        self.given.insert(range.address, given);
        Ok(range)
    }

    /// Lets a device's kernels into what a context has, or keeps them out.
    pub fn set_access(&self, context: Id, device: i32, may: bool) -> Result<(), Code> {
        let access = access_of(device, may);
        let chunks = self.given.values().filter(|given| given.context == context && given.handle.is_some());
        for Range { address, bytes } in chunks.map(|given| given.range) {
            // SAFETY: mapped by `map_at`, in one piece; the struct lives until the call returns.
            unsafe { self.driver.cuMemSetAccess(address, bytes as usize, &access, 1)? };
        }
        Ok(())
    }

    /// Whether the client cuts its allocations from chunks, and says of a chunk itself that nothing uses it any more.
    pub fn has_chunks(&self) -> bool {
        self.space.is_some()
    }

    pub fn free(&mut self, address: u64) -> Result<(), Code> {
        let given = self.given.remove(&address).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        self.release(given)
    }

    fn release(&mut self, given: Given) -> Result<(), Code> {
        let Given { range, handle, .. } = given;
        let Some(handle) = handle else {
            // SAFETY: the driver gave this address and it was not freed since.
            return unsafe { self.driver.cuMemFree_v2(range.address) };
        };
        // SAFETY: the range was mapped by `map_at` in one piece, from this handle.
        unsafe {
            self.driver.cuMemUnmap(range.address, range.bytes as usize)?;
            self.driver.cuMemRelease(handle)?;
        }
        if let Some(space) = &mut self.space {
            space.give(range);
        }
        Ok(())
    }

    /// Memory dies with its context, whether the driver would have seen to that or not.
    pub fn context_gone(&mut self, context: Id) {
        let of_context = |given: &&Given| given.context == context;
        let gone: Vec<u64> =
            self.given.values().filter(of_context).map(|given| given.range.address).collect();
        for address in gone {
            let Some(given) = self.given.remove(&address) else { continue };
            // What the driver's own allocator gave went with the context.
            if given.handle.is_none() {
                continue;
            }
            let device = given.device;
            if let Err(code) = self.release(given) {
                tracing::warn!(
                    address,
                    device,
                    code,
                    "memory of a context that is gone could not be unmapped"
                );
            }
        }
    }
}

fn reserve_at(driver: &Driver, range: Range) -> bool {
    let mut got = 0;
    // SAFETY: `got` is writable; a reservation that is not where it was wanted is given back at once.
    unsafe {
        if driver.cuMemAddressReserve(&mut got, range.bytes as usize, 0, range.address, 0).is_err() {
            return false;
        }
        if got != range.address {
            let _ = driver.cuMemAddressFree(got, range.bytes as usize);
        }
    }
    got == range.address
}

fn access_of(device: i32, may: bool) -> Access {
    Access { location_kind: LOCATION_DEVICE, location: device, flags: if may { READ_WRITE } else { NONE } }
}

fn map_at(driver: &Driver, range: Range, device: i32, viewers: &[i32]) -> Result<u64, Code> {
    let bytes = range.bytes as usize;
    let properties = AllocationProperties::on(device);
    let devices = std::iter::once(device).chain(viewers.iter().copied());
    let access: Vec<Access> = devices.map(|device| access_of(device, true)).collect();
    let mut handle = 0;
    // SAFETY: the range lies in the reservation and nothing is mapped in it; the structs live until the calls return.
    unsafe {
        driver.cuMemCreate(&mut handle, bytes, &properties, 0)?;
        if let Err(code) = driver.cuMemMap(range.address, bytes, 0, handle, 0) {
            let _ = driver.cuMemRelease(handle);
            return Err(code);
        }
        if let Err(code) = driver.cuMemSetAccess(range.address, bytes, access.as_ptr(), access.len()) {
            let _ = driver.cuMemUnmap(range.address, bytes);
            let _ = driver.cuMemRelease(handle);
            return Err(code);
        }
    }
    Ok(handle)
}
