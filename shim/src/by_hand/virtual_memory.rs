//! Virtual memory: addresses and memory apart. Reserved addresses are held here as well, what is mapped where stands in the
//! books, and so does physical memory, which goes when nobody names it and nothing shows it any more.
#![allow(unsafe_code)]
// reads the program's structs and writes answers where it wants them.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use super::pool::{Location, access_map, device_at};
use crate::here::give;
use crate::memory::{Held, MemoryKind, Reservation, page_bytes};
use crate::objects::{Physical, born};
use crate::state::{Shim, shim};
use cudarc::driver::sys::{CUmemAccessDesc, CUmemAllocationProp, CUmemLocation};
use farwarp_protocol::call::{PhysicalNew, Range, op};
use farwarp_protocol::codec::encode;
use farwarp_protocol::error::{
    CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_NOT_SUPPORTED, CUDA_ERROR_OUT_OF_MEMORY, Code,
};
use farwarp_protocol::handle::Id;
use std::ffi::c_void;

/// Places offered to the server before a reservation fails: each was free here, and another process has other things elsewhere.
const PLACES_TRIED: usize = 16;
/// `CU_MEM_ALLOCATION_TYPE_PINNED`, `CU_MEM_LOCATION_TYPE_DEVICE`, and the locations after it, where there is no memory here.
const PINNED: u32 = 1;
const LOCATION_DEVICE: u32 = 1;
const OTHER_LOCATIONS: std::ops::RangeInclusive<u32> = 2..=6;
/// `CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR`: PyTorch asks for it always, and exports only when told to.
const FILE_DESCRIPTOR: u32 = 1;
/// `CU_MEM_ALLOC_GRANULARITY_RECOMMENDED`, the last of two.
const RECOMMENDED: u32 = 1;

pub unsafe fn cuMemAddressReserve(
    address: *mut u64,
    bytes: usize,
    alignment: usize,
    wanted: u64,
    flags: u64,
) -> Result<(), Code> {
    let shim = shim()?;
    let whole = bytes > 0 && (bytes as u64).is_multiple_of(page_bytes());
    if address.is_null() || flags != 0 || !whole || !(alignment == 0 || alignment.is_power_of_two()) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let bytes = bytes as u64;
    let places = std::iter::once(wanted).filter(|place| *place != 0).chain(crate::connect::random_places());
    for place in places.take(PLACES_TRIED) {
        let mut held = Held::at(Range { address: place, bytes });
        let body = encode(&(bytes, alignment as u64, if held.is_some() { place } else { 0 }));
        let at: u64 = shim.remote.ask(op("cuMemAddressReserve"), &[&body])?.value()?;
        let range = Range { address: at, bytes };
        if held.as_ref().map(Held::range) != Some(range) {
            // The server had something there; perhaps this process has nothing where the server put it.
            drop(held.take());
            held = Held::at(range);
        }
        if let Some(held) = held {
            shim.memory().reservations.insert(at, Reservation { range, _held: held });
            return unsafe { give(address, at) };
        }
        shim.remote.ask(op("cuMemAddressFree"), &[&encode(&(at, bytes))])?.check()?;
    }
    crate::state::complain(&format!("{bytes} bytes of address space are free nowhere on both sides"));
    Err(CUDA_ERROR_OUT_OF_MEMORY)
}

pub unsafe fn cuMemAddressFree(address: u64, bytes: usize) -> Result<(), Code> {
    let shim = shim()?;
    let mut memory = shim.memory();
    let exactly = memory.reservations.get(&address).is_some_and(|found| found.range.bytes == bytes as u64);
    if !exactly || memory.any_within(Range { address, bytes: bytes as u64 }) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    // Held until the server has let go of it.
    let gone = memory.reservations.remove(&address);
    drop(memory);
    let answer = shim.remote.ask(op("cuMemAddressFree"), &[&encode(&(address, bytes as u64))])?;
    drop(gone);
    answer.check()
}

pub unsafe fn cuMemCreate(
    handle: *mut u64,
    bytes: usize,
    prop: *const CUmemAllocationProp,
    flags: u64,
) -> Result<(), Code> {
    let shim = shim()?;
    if handle.is_null() || flags != 0 || bytes == 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let prop = unsafe { properties(prop)? };
    let device = shim.server_ordinal(prop.location.id)?;
    let made = Physical {
        device: prop.location.id,
        bytes: bytes as u64,
        handle_types: prop.handle_types,
        compression: prop.compression,
        usage: prop.usage,
        names: 1,
        shown: 0,
    };
    let id = born(shim.objects().physicals.insert(made))?;
    let new = PhysicalNew {
        physical: id,
        device,
        bytes: bytes as u64,
        compression: prop.compression,
        usage: prop.usage,
    };
    let answer = shim.remote.ask(op("cuMemCreate"), &[&encode(&new)]);
    if let Err(code) = answer.and_then(|answer| answer.check()) {
        shim.objects().physicals.remove(id);
        return Err(code);
    }
    unsafe { give(handle, id.0) }
}

pub unsafe fn cuMemRelease(handle: u64) -> Result<(), Code> {
    let shim = shim()?;
    {
        let mut objects = shim.objects();
        let physical = named(&mut objects.physicals, handle)?;
        physical.names -= 1;
    }
    let_go(shim, Id(handle))
}

/// Tells the server when nobody names the memory and nothing shows it any more.
fn let_go(shim: &Shim, id: Id) -> Result<(), Code> {
    let mut objects = shim.objects();
    let unused = objects.physicals.get(id).is_some_and(|physical| physical.names == 0 && physical.shown == 0);
    if !unused {
        return Ok(());
    }
    objects.physicals.remove(id);
    drop(objects);
    shim.remote.tell(op("cuMemRelease"), &[&encode(&id)])
}

pub unsafe fn cuMemMap(
    address: u64,
    bytes: usize,
    offset: usize,
    handle: u64,
    flags: u64,
) -> Result<(), Code> {
    let shim = shim()?;
    let range = Range { address, bytes: bytes as u64 };
    let (id, device) = {
        let mut objects = shim.objects();
        let physical = named(&mut objects.physicals, handle)?;
        let end = (offset as u64).checked_add(range.bytes);
        if flags != 0 || bytes == 0 || end.is_none_or(|end| end > physical.bytes) {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        (Id(handle), physical.device)
    };
    let mut memory = shim.memory();
    if !memory.is_reserved(range) || memory.any_within(range) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    // The books stay closed until the server has answered: another thread may want the same addresses.
    let body = encode(&(address, range.bytes, offset as u64, id));
    shim.remote.ask(op("cuMemMap"), &[&body])?.check()?;
    memory.add(range, MemoryKind::Mapped { physical: id }, Id(0), device)?;
    drop(memory);
    if let Some(physical) = shim.objects().physicals.get_mut(id) {
        physical.shown += 1;
    }
    Ok(())
}

pub unsafe fn cuMemUnmap(address: u64, bytes: usize) -> Result<(), Code> {
    let shim = shim()?;
    let range = Range { address, bytes: bytes as u64 };
    let mut memory = shim.memory();
    let shown = memory.mappings(range)?;
    shim.remote.ask(op("cuMemUnmap"), &[&encode(&(address, range.bytes))])?.check()?;
    for (start, _) in &shown {
        memory.remove(*start, |kind| matches!(kind, MemoryKind::Mapped { .. }))?;
    }
    drop(memory);
    for (_, id) in shown {
        if let Some(physical) = shim.objects().physicals.get_mut(id) {
            physical.shown -= 1;
        }
        let_go(shim, id)?;
    }
    Ok(())
}

pub unsafe fn cuMemSetAccess(
    address: u64,
    bytes: usize,
    map: *const CUmemAccessDesc,
    count: usize,
) -> Result<(), Code> {
    let shim = shim()?;
    let range = Range { address, bytes: bytes as u64 };
    let map = unsafe { access_map(shim, map, count)? };
    let mut memory = shim.memory();
    let shown = memory.mappings(range)?;
    let body = encode(&(address, range.bytes, map.clone()));
    shim.remote.ask(op("cuMemSetAccess"), &[&body])?.check()?;
    memory.set_rights(&shown, &map);
    Ok(())
}

pub unsafe fn cuMemGetAccess(flags: *mut u64, at: *const CUmemLocation, address: u64) -> Result<(), Code> {
    let shim = shim()?;
    if flags.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let device = shim.server_ordinal(unsafe { device_at(at)? })?;
    let memory = shim.memory();
    let found = memory.find(address).filter(|found| matches!(found.kind, MemoryKind::Mapped { .. }));
    let found = found.ok_or(CUDA_ERROR_INVALID_VALUE)?;
    let known = found.rights.iter().find(|(of, _)| *of == device).map_or(0, |(_, right)| *right);
    unsafe { give(flags, known.into()) }
}

pub unsafe fn cuMemGetAllocationGranularity(
    granularity: *mut usize,
    prop: *const CUmemAllocationProp,
    option: u32,
) -> Result<(), Code> {
    let shim = shim()?;
    let prop = unsafe { properties(prop)? };
    let known = shim.device(prop.location.id)?.granularity;
    if granularity.is_null() || option > RECOMMENDED {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    match known[option as usize] {
        0 => Err(CUDA_ERROR_NOT_SUPPORTED),
        bytes => unsafe { give(granularity, bytes as usize) },
    }
}

pub unsafe fn cuMemGetAllocationPropertiesFromHandle(
    prop: *mut CUmemAllocationProp,
    handle: u64,
) -> Result<(), Code> {
    let shim = shim()?;
    let mut objects = shim.objects();
    let known = named(&mut objects.physicals, handle)?;
    let properties = Properties {
        kind: PINNED,
        handle_types: known.handle_types,
        location: Location { kind: LOCATION_DEVICE, id: known.device },
        win32: std::ptr::null(),
        compression: known.compression,
        rdma_capable: 0,
        usage: known.usage,
        reserved: [0; 4],
    };
    unsafe { give(prop.cast(), properties) }
}

/// Another name for what is shown at an address, which is the same number.
pub unsafe fn cuMemRetainAllocationHandle(handle: *mut u64, address: *mut c_void) -> Result<(), Code> {
    let shim = shim()?;
    if handle.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let kind = shim.memory().find(address as u64).map(|found| found.kind);
    let Some(MemoryKind::Mapped { physical: id }) = kind else { return Err(CUDA_ERROR_INVALID_VALUE) };
    shim.objects().physicals.get_mut(id).ok_or(CUDA_ERROR_INVALID_VALUE)?.names += 1;
    unsafe { give(handle, id.0) }
}

/// `CUmemAllocationProp`, its enums as integers.
#[repr(C)]
struct Properties {
    kind: u32,
    handle_types: u32,
    location: Location,
    win32: *const c_void,
    compression: u8,
    rdma_capable: u8,
    usage: u16,
    reserved: [u8; 4],
}

const _: () = assert!(size_of::<Properties>() == size_of::<CUmemAllocationProp>());

/// What is asked of memory, if it can be had: on a device, and in other processes only as far as it need not be exported.
unsafe fn properties(prop: *const CUmemAllocationProp) -> Result<Properties, Code> {
    if prop.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let prop = unsafe { prop.cast::<Properties>().read_unaligned() };
    if prop.kind != PINNED || !prop.win32.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let elsewhere = OTHER_LOCATIONS.contains(&prop.location.kind);
    if elsewhere || prop.handle_types & !FILE_DESCRIPTOR != 0 || prop.rdma_capable != 0 {
        return Err(CUDA_ERROR_NOT_SUPPORTED);
    }
    if prop.location.kind == LOCATION_DEVICE { Ok(prop) } else { Err(CUDA_ERROR_INVALID_VALUE) }
}

/// Memory that the program still names; what is only shown has no name until it is given one again.
fn named(
    physicals: &mut farwarp_protocol::handle::Slab<Physical>,
    handle: u64,
) -> Result<&mut Physical, Code> {
    physicals.get_mut(Id(handle)).filter(|physical| physical.names > 0).ok_or(CUDA_ERROR_INVALID_VALUE)
}
