//! Device memory at addresses that are free in the client too: one reservation, made at hello, in which every allocation lies.
//!
//! A large allocation gets physical memory of its own; small ones share a slab of their context. A driver that cannot map memory
//! at a chosen address gives addresses itself, and the client holds each as it learns of it.
#![allow(unsafe_code)] // calls the driver.

use crate::driver::{Access, AllocationProperties, Driver, LOCATION_DEVICE};
use farwarp_protocol::call::Range;
use farwarp_protocol::error::{CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_OUT_OF_MEMORY, Code};
use farwarp_protocol::handle::Id;
use std::collections::{BTreeMap, HashMap};

/// CUDA promises at least 256; cudart's own sub-allocations assume 512.
const ALIGNMENT_BYTES: u64 = 512;
/// From here on an allocation has physical memory of its own.
const OWN_MEMORY_BYTES: u64 = 1 << 20;
/// What small allocations share, in multiples of the driver's granularity.
const SLAB_GRANULES: u64 = 4;
/// `CU_MEM_ACCESS_FLAGS_PROT_READWRITE`.
const READ_WRITE: u32 = 3;

pub struct Arena {
    driver: &'static Driver,
    /// Free address space; `None` where the driver chooses addresses.
    space: Option<Space>,
    /// Granularity by device.
    granules: Vec<u64>,
    /// Physical memory, by the address at which it is mapped.
    mapped: BTreeMap<u64, Mapped>,
    /// Which physical memory each allocation lies in.
    allocations: HashMap<u64, Allocation>,
}

struct Mapped {
    range: Range,
    handle: u64,
    context: Id,
    device: i32,
    /// Free parts of a slab; `None` when one allocation has it all.
    slab: Option<Space>,
}

struct Allocation {
    bytes: u64,
    /// Where its physical memory begins; `None` if the driver's own allocator gave it.
    within: Option<u64>,
    context: Id,
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
        (Arena { driver, space, granules, mapped: BTreeMap::new(), allocations: HashMap::new() }, reserved)
    }

    /// Memory for a context, which is current at the driver.
    pub fn allocate(&mut self, bytes: u64, context: Id, device: i32) -> Result<u64, Code> {
        let address = if self.space.is_none() {
            let mut address = 0;
            // SAFETY: `address` is writable.
            unsafe { self.driver.cuMemAlloc_v2(&mut address, bytes as usize)? };
            self.allocations.insert(address, Allocation { bytes, within: None, context });
            return Ok(address);
        } else if bytes >= OWN_MEMORY_BYTES {
            let granule = self.granules[device as usize];
            self.map(
                bytes.checked_next_multiple_of(granule).ok_or(CUDA_ERROR_OUT_OF_MEMORY)?,
                context,
                device,
            )?
        } else {
            return self.allocate_in_slab(bytes, context, device);
        };
        self.allocations.insert(address, Allocation { bytes, within: Some(address), context });
        Ok(address)
    }

    fn allocate_in_slab(&mut self, bytes: u64, context: Id, device: i32) -> Result<u64, Code> {
        let wanted = bytes.next_multiple_of(ALIGNMENT_BYTES);
        let found = self.mapped.values_mut().filter(|mapped| mapped.context == context).find_map(|mapped| {
            let address = mapped.slab.as_mut()?.take(wanted, ALIGNMENT_BYTES)?;
            Some((mapped.range.address, address))
        });
        let (within, address) = match found {
            Some(found) => found,
            None => {
                let within = self.map(self.granules[device as usize] * SLAB_GRANULES, context, device)?;
                let mapped = self.mapped.get_mut(&within).ok_or(CUDA_ERROR_OUT_OF_MEMORY)?;
                let slab = mapped.slab.insert(Space::over(mapped.range));
                (within, slab.take(wanted, ALIGNMENT_BYTES).ok_or(CUDA_ERROR_OUT_OF_MEMORY)?)
            }
        };
        self.allocations.insert(address, Allocation { bytes, within: Some(within), context });
        Ok(address)
    }

    /// Physical memory, mapped where there is room.
    fn map(&mut self, bytes: u64, context: Id, device: i32) -> Result<u64, Code> {
        let granule = self.granules[device as usize];
        let space = self.space.as_mut().ok_or(CUDA_ERROR_OUT_OF_MEMORY)?;
        let address = space.take(bytes, granule).ok_or(CUDA_ERROR_OUT_OF_MEMORY)?;
        let range = Range { address, bytes };
        match map_at(self.driver, range, device) {
            Ok(handle) => {
                self.mapped.insert(address, Mapped { range, handle, context, device, slab: None });
                Ok(address)
            }
            Err(code) => {
                space.give(range);
                Err(code)
            }
        }
    }

    /// Only when nothing that was queued before uses the memory any more.
    pub fn free(&mut self, address: u64) -> Result<(), Code> {
        let allocation = self.allocations.remove(&address).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        let Some(within) = allocation.within else {
            // SAFETY: the driver gave this address and it was not freed since.
            return unsafe { self.driver.cuMemFree_v2(address) };
        };
        let mapped = self.mapped.get_mut(&within).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        let empty = match &mut mapped.slab {
            Some(slab) => {
                slab.give(Range { address, bytes: allocation.bytes.next_multiple_of(ALIGNMENT_BYTES) });
                slab.is_whole(mapped.range)
            }
            None => true,
        };
        if empty { self.unmap(within) } else { Ok(()) }
    }

    fn unmap(&mut self, address: u64) -> Result<(), Code> {
        let Some(mapped) = self.mapped.remove(&address) else { return Ok(()) };
        if let Some(space) = &mut self.space {
            space.give(mapped.range);
        }
        // SAFETY: the range was mapped by `map_at` in one piece, from this handle.
        unsafe {
            self.driver.cuMemUnmap(mapped.range.address, mapped.range.bytes as usize)?;
            self.driver.cuMemRelease(mapped.handle)
        }
    }

    /// Memory dies with its context, whether the driver would have seen to that or not.
    pub fn context_gone(&mut self, context: Id) {
        self.allocations.retain(|_, allocation| allocation.context != context);
        let gone: Vec<u64> = self
            .mapped
            .values()
            .filter(|mapped| mapped.context == context)
            .map(|mapped| mapped.range.address)
            .collect();
        for address in gone {
            let device = self.mapped[&address].device;
            if let Err(code) = self.unmap(address) {
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

fn map_at(driver: &Driver, range: Range, device: i32) -> Result<u64, Code> {
    let bytes = range.bytes as usize;
    let properties = AllocationProperties::on(device);
    let access = Access { location_kind: LOCATION_DEVICE, location: device, flags: READ_WRITE };
    let mut handle = 0;
    // SAFETY: the range lies in the reservation and nothing is mapped in it; the structs live until the calls return.
    unsafe {
        driver.cuMemCreate(&mut handle, bytes, &properties, 0)?;
        if let Err(code) = driver.cuMemMap(range.address, bytes, 0, handle, 0) {
            let _ = driver.cuMemRelease(handle);
            return Err(code);
        }
        if let Err(code) = driver.cuMemSetAccess(range.address, bytes, &access, 1) {
            let _ = driver.cuMemUnmap(range.address, bytes);
            let _ = driver.cuMemRelease(handle);
            return Err(code);
        }
    }
    Ok(handle)
}

/// Free address space: first fit, neighbours joined.
struct Space {
    free: BTreeMap<u64, u64>,
}

impl Space {
    fn over(range: Range) -> Space {
        Space { free: BTreeMap::from([(range.address, range.bytes)]) }
    }

    fn take(&mut self, bytes: u64, alignment: u64) -> Option<u64> {
        let (start, room, address) = self.free.iter().find_map(|(start, room)| {
            let address = start.next_multiple_of(alignment);
            let needed = (address - start).checked_add(bytes)?;
            (needed <= *room).then_some((*start, *room, address))
        })?;
        self.free.remove(&start);
        if address > start {
            self.free.insert(start, address - start);
        }
        if start + room > address + bytes {
            self.free.insert(address + bytes, start + room - address - bytes);
        }
        Some(address)
    }

    fn give(&mut self, range: Range) {
        let Range { mut address, mut bytes } = range;
        if let Some(after) = self.free.remove(&(address + bytes)) {
            bytes += after;
        }
        let before = self.free.range(..address).next_back().map(|(start, room)| (*start, *room));
        if let Some((start, room)) = before.filter(|(start, room)| start + room == address) {
            address = start;
            bytes += room;
        }
        self.free.insert(address, bytes);
    }

    fn is_whole(&self, range: Range) -> bool {
        self.free.get(&range.address) == Some(&range.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freed_space_joins_its_neighbours_in_any_order() {
        let whole = Range { address: 1 << 20, bytes: 1 << 20 };
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut space = Space::over(whole);
            let taken: Vec<u64> = (0..3).map(|_| space.take(4096, 512).unwrap()).collect();
            assert_eq!(taken, [1 << 20, (1 << 20) + 4096, (1 << 20) + 8192]);
            for index in order {
                space.give(Range { address: taken[index], bytes: 4096 });
            }
            assert!(space.is_whole(whole), "{order:?}");
        }
    }

    #[test]
    fn alignment_is_kept_and_what_does_not_fit_is_not_given() {
        let mut space = Space::over(Range { address: 100, bytes: 1000 });
        assert_eq!(space.take(589, 512), None);
        assert_eq!(space.take(588, 512), Some(512));
        assert_eq!(space.take(413, 4), None);
        assert_eq!(space.take(412, 4), Some(100));
    }
}
