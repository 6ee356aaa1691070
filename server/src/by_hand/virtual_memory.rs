//! Virtual memory: only what this session reserved is mapped, and only what it made is shown there.
#![allow(unsafe_code)] // calls the driver.

use super::pool::access_map;
use crate::driver::AllocationProperties;
use crate::executor::{Call, Executor, Reply};
use crate::refusal::Refusal;
use farwarp_protocol::call::{PhysicalNew, Range};
use farwarp_protocol::codec::{decode, encode};
use farwarp_protocol::error::CUDA_ERROR_OUT_OF_MEMORY;
use farwarp_protocol::handle::{Id, ObjectKind};
use std::collections::{BTreeMap, HashMap};

/// What a session has of addresses without memory, and of memory without addresses.
#[derive(Default)]
pub struct VirtualMemory {
    /// Length by address.
    reserved: BTreeMap<u64, u64>,
    physical_bytes: HashMap<Id, u64>,
}

impl VirtualMemory {
    pub fn physical_bytes(&self) -> u64 {
        self.physical_bytes.values().sum()
    }

    fn check_reserved(&self, range: Range) -> Result<(), Refusal> {
        let inside = self.reserved.range(..=range.address).next_back().is_some_and(|(start, bytes)| {
            range.address.checked_add(range.bytes).is_some_and(|end| end <= start + bytes)
        });
        let refusal = Refusal::OutOfRange { address: range.address, bytes: range.bytes };
        if inside && range.bytes > 0 { Ok(()) } else { Err(refusal) }
    }
}

pub fn address_reserve(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let (bytes, alignment, wanted): (u64, u64, u64) = decode(call.body)?;
    let mut address = 0;
    // SAFETY: a place to write. Where the driver finds no room at the wanted address it chooses another.
    let outcome = unsafe {
        executor.driver.cuMemAddressReserve(&mut address, bytes as usize, alignment as usize, wanted, 0)
    };
    Ok(outcome
        .map(|()| {
            executor.virtual_memory.reserved.insert(address, bytes);
            encode(&address)
        })
        .into())
}

pub fn address_free(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let (address, bytes): (u64, u64) = decode(call.body)?;
    let range = Range { address, bytes };
    let exactly = executor.virtual_memory.reserved.get(&address) == Some(&bytes);
    if !exactly || executor.ranges.any_within(range) {
        return Err(Refusal::OutOfRange { address, bytes });
    }
    executor.virtual_memory.reserved.remove(&address);
    // SAFETY: a reservation of this session's, in which nothing is mapped.
    Ok(unsafe { executor.driver.cuMemAddressFree(address, bytes as usize) }.into())
}

pub fn physical_create(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let PhysicalNew { physical, device, bytes, compression, usage } = decode(call.body)?;
    executor.objects.check_new(physical, ObjectKind::AllocationHandle)?;
    let mut properties = AllocationProperties::on(executor.device(device)?);
    properties.flags[0] = compression;
    properties.flags[2..4].copy_from_slice(&usage.to_ne_bytes());
    if !executor.within_quota(bytes) {
        return Ok(Reply::Now(CUDA_ERROR_OUT_OF_MEMORY, Vec::new()));
    }
    let mut raw = 0;
    // SAFETY: the struct is read, the handle written.
    let outcome = unsafe { executor.driver.cuMemCreate(&mut raw, bytes as usize, &properties, 0) };
    if outcome.is_ok() {
        executor.objects.born(physical, raw, Id(0));
        executor.virtual_memory.physical_bytes.insert(physical, bytes);
        executor.count_memory();
    }
    Ok(outcome.into())
}

pub fn physical_release(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let physical: Id = decode(call.body)?;
    let raw = executor.objects.remove(physical, ObjectKind::AllocationHandle)?;
    executor.virtual_memory.physical_bytes.remove(&physical);
    executor.count_memory();
    // SAFETY: memory of this session's that nobody names any more; what shows it keeps it.
    Ok(unsafe { executor.driver.cuMemRelease(raw) }.into())
}

pub fn map(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let (address, bytes, offset, physical): (u64, u64, u64, Id) = decode(call.body)?;
    let range = Range { address, bytes };
    let raw = executor.objects.get(physical, ObjectKind::AllocationHandle)?;
    executor.virtual_memory.check_reserved(range)?;
    if executor.ranges.any_within(range) {
        return Err(Refusal::OutOfRange { address, bytes });
    }
    // SAFETY: within a reservation of this session's, where nothing is mapped.
    let outcome = unsafe { executor.driver.cuMemMap(address, bytes as usize, offset as usize, raw, 0) };
    if outcome.is_ok() {
        executor.ranges.born(range, physical);
    }
    Ok(outcome.into())
}

pub fn unmap(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let (address, bytes): (u64, u64) = decode(call.body)?;
    let starts = executor.ranges.mappings(Range { address, bytes })?;
    // SAFETY: whole mappings of this session's.
    let outcome = unsafe { executor.driver.cuMemUnmap(address, bytes as usize) };
    if outcome.is_ok() {
        executor.ranges.remove_mappings(&starts);
    }
    Ok(outcome.into())
}

pub fn set_access(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let (address, bytes, map): (u64, u64, Vec<(i32, u32)>) = decode(call.body)?;
    executor.ranges.mappings(Range { address, bytes })?;
    let map = access_map(executor, map)?;
    // SAFETY: whole mappings of this session's, a list of ours.
    Ok(unsafe { executor.driver.cuMemSetAccess(address, bytes as usize, map.as_ptr(), map.len()) }.into())
}
