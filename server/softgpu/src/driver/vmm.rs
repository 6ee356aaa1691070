//! Virtual memory management: addresses and memory apart. Memory is a file without a name, shown at any number of addresses,
//! also in other processes; addresses are reservations of the host's.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::IntoRawFd;
use std::sync::{Arc, Mutex};

use farwarp_face::*;

use crate::driver::device::Device;
use crate::driver::edge::Result;
use crate::driver::handles::{Handle, Handles};
use crate::driver::machine::device;
use crate::driver::ranges::{Access, Kind, Range, lock};
use crate::driver::{pages, pool, ranges};

/// Memory comes in pieces of this, as on hardware: programs round to what they are told.
pub const GRANULARITY_BYTES: u64 = 2 << 20;

pub static PHYSICAL: Handles<Physical> = Handles::new();

/// Memory without an address. It lives until it is neither named nor shown anywhere.
#[derive(Debug)]
pub struct Physical {
    pub handle: Handle,
    pub bytes: u64,
    pub device: &'static Device,
    /// Whether it may be shared by file descriptor, as its maker said.
    pub shareable: bool,
    file: File,
    /// On the device's account; what another process has made is on that one's.
    charged_bytes: u64,
    /// How often `cuMemRelease` must be called.
    names: Mutex<u32>,
}

impl Drop for Physical {
    fn drop(&mut self) {
        self.device.refund(self.charged_bytes);
    }
}

pub fn create(bytes: u64, device: &'static Device, shareable: bool) -> Result<Arc<Physical>> {
    if bytes == 0 || !bytes.is_multiple_of(GRANULARITY_BYTES) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    pool::charge(device, bytes)?;
    let file = pages::shareable(bytes).inspect_err(|_| device.refund(bytes))?;
    Ok(adopt(bytes, device, shareable, file, bytes))
}

/// Memory of another process, or of this one, by the descriptor that [`export`] made.
pub fn import(descriptor: i32, device: &'static Device) -> Result<Arc<Physical>> {
    let file = pages::duplicate(descriptor)?;
    let bytes = file.metadata().map_err(|_| CUDA_ERROR_INVALID_VALUE)?.len();
    if bytes == 0 || !bytes.is_multiple_of(GRANULARITY_BYTES) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    Ok(adopt(bytes, device, true, file, 0))
}

fn adopt(
    bytes: u64,
    device: &'static Device,
    shareable: bool,
    file: File,
    charged_bytes: u64,
) -> Arc<Physical> {
    let names = Mutex::new(1);
    PHYSICAL.add(|handle| Physical { handle, bytes, device, shareable, file, charged_bytes, names })
}

/// A descriptor for the same memory, which the program then owns.
pub fn export(physical: &Physical) -> Result<i32> {
    if !physical.shareable {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    Ok(physical.file.try_clone().map_err(|_| CUDA_ERROR_OUT_OF_MEMORY)?.into_raw_fd())
}

pub fn find(handle: Handle) -> Result<Arc<Physical>> {
    PHYSICAL.get(handle).ok_or(CUDA_ERROR_INVALID_VALUE)
}

/// `cuMemRelease`: one name less.
pub fn release(handle: Handle) -> Result {
    let physical = find(handle)?;
    let mut names = lock(&physical.names);
    *names -= 1;
    if *names == 0 {
        PHYSICAL.remove(handle);
    }
    Ok(())
}

/// `cuMemRetainAllocationHandle`: another name for what is shown at `address`.
pub fn retain_at(address: u64) -> Result<Handle> {
    let range = ranges::find(address).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    let Kind::Mapped { physical, .. } = &range.kind else { return Err(CUDA_ERROR_INVALID_VALUE) };
    let mut names = lock(&physical.names);
    if *names == 0 {
        PHYSICAL.restore(physical.handle, physical.clone());
    }
    *names += 1;
    Ok(physical.handle)
}

/// Reserved address ranges: start and length.
static RESERVED: Mutex<BTreeMap<u64, u64>> = Mutex::new(BTreeMap::new());

pub fn reserve(bytes: u64, alignment: u64, wanted: u64) -> Result<u64> {
    let aligned = alignment == 0 || alignment.is_power_of_two();
    let alignment = alignment.max(GRANULARITY_BYTES);
    if !aligned || bytes == 0 || !bytes.is_multiple_of(pages::PAGE_BYTES) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    // Room to cut an aligned piece out of.
    let more = bytes.checked_add(alignment).ok_or(CUDA_ERROR_OUT_OF_MEMORY)?;
    let exact = if wanted == 0 { None } else { at_exactly(bytes, alignment, wanted) };
    let start = match exact {
        Some(start) => start,
        None => {
            let all = pages::reserve(more, 0, false)?;
            let start = all.next_multiple_of(alignment);
            let (before, after) = (start - all, all + more - (start + bytes));
            cut(all, before);
            cut(start + bytes, after);
            start
        }
    };
    lock(&RESERVED).insert(start, bytes);
    Ok(start)
}

fn at_exactly(bytes: u64, alignment: u64, wanted: u64) -> Option<u64> {
    let start = pages::reserve(bytes, wanted, false).ok()?;
    if start == wanted && start.is_multiple_of(alignment) {
        return Some(start);
    }
    cut(start, bytes);
    None
}

fn cut(start: u64, bytes: u64) {
    if bytes > 0 {
        pages::release(start, bytes);
    }
}

/// `cuMemAddressFree`: a whole reservation, in which nothing is shown any more.
pub fn unreserve(start: u64, bytes: u64) -> Result {
    let mut reserved = lock(&RESERVED);
    if reserved.get(&start) != Some(&bytes) || !ranges::within(start, bytes).is_empty() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    reserved.remove(&start);
    ranges::bury(move || pages::release(start, bytes));
    Ok(())
}

/// Shows memory at reserved addresses. Nobody may touch it there before [`set_access`].
pub fn map(start: u64, bytes: u64, offset: u64, physical: Arc<Physical>) -> Result {
    let aligned = [start, bytes, offset].iter().all(|number| number.is_multiple_of(GRANULARITY_BYTES));
    let inside = bytes > 0 && offset == 0 && bytes <= physical.bytes;
    if !aligned || !inside || !is_reserved(start, bytes) || !ranges::within(start, bytes).is_empty() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let ordinal = physical.device.ordinal;
    pages::show(&physical.file, start, bytes)?;
    let kind = Kind::Mapped { physical, access: Mutex::default() };
    ranges::add(Range::new(start, bytes, kind, ordinal, 0))?;
    Ok(())
}

fn is_reserved(start: u64, bytes: u64) -> bool {
    let reserved = lock(&RESERVED);
    let before = reserved.range(..=start).next_back();
    before.is_some_and(|(&at, &length)| start.checked_add(bytes).is_some_and(|end| end <= at + length))
}

/// Takes whole mappings away. What runs may still touch the pages, so they are bared only when it has ended.
pub fn unmap(start: u64, bytes: u64) -> Result {
    for range in mappings(start, bytes)? {
        if ranges::remove_exactly(&range) {
            ranges::bury(move || bare(&range));
        }
    }
    Ok(())
}

/// Unless something else is shown there by now.
fn bare(range: &Range) {
    if ranges::within(range.start, range.bytes).is_empty() && is_reserved(range.start, range.bytes) {
        pages::hide(range.start, range.bytes);
    }
}

/// Lets devices in, or keeps them out.
pub fn set_access(start: u64, bytes: u64, rights: &[(i32, Option<Access>)]) -> Result {
    for (ordinal, _) in rights {
        device(*ordinal)?;
    }
    for range in mappings(start, bytes)? {
        let Kind::Mapped { access, .. } = &range.kind else { continue };
        let mut access = lock(access);
        for (ordinal, right) in rights {
            match right {
                Some(right) => access.insert(*ordinal, *right),
                None => access.remove(ordinal),
            };
        }
    }
    ranges::rights_changed();
    Ok(())
}

pub fn access_of(address: u64, ordinal: i32) -> Result<Option<Access>> {
    let range = ranges::find(address).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    match &range.kind {
        Kind::Mapped { access, .. } => Ok(lock(access).get(&ordinal).copied()),
        _ => Err(CUDA_ERROR_INVALID_VALUE),
    }
}

/// The mappings that make up exactly these addresses.
fn mappings(start: u64, bytes: u64) -> Result<Vec<Arc<Range>>> {
    let end = start.checked_add(bytes).filter(|_| bytes > 0).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    let ranges = ranges::within(start, bytes);
    let mut at = start;
    for range in &ranges {
        if range.start != at || !matches!(range.kind, Kind::Mapped { .. }) {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        at = range.end();
    }
    if at == end { Ok(ranges) } else { Err(CUDA_ERROR_INVALID_VALUE) }
}
