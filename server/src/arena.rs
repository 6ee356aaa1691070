//! Device memory at addresses that are free in the client too: one reservation, made at hello, in which every allocation lies.
//!
//! The client asks for a chunk of it at a time, which is backed with physical memory, and cuts the program's allocations from that. A
//! driver that cannot map memory at a chosen address gives addresses itself, and the client holds each as it learns of it.
#![allow(unsafe_code)] // calls the driver.

use crate::driver::{Access, AllocationProperties, Driver, LOCATION_DEVICE};
use crate::port::Market;
use farwarp_link::keys;
use farwarp_protocol::call::Range;
use farwarp_protocol::error::{
    CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_NOT_SUPPORTED, CUDA_ERROR_OPERATING_SYSTEM,
    CUDA_ERROR_OUT_OF_MEMORY, Code,
};
use farwarp_protocol::handle::Id;
use farwarp_protocol::handoff::OfferKey;
use farwarp_protocol::space::Space;
use std::collections::HashMap;
use std::ffi::c_int;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;

/// `CU_MEM_ACCESS_FLAGS_PROT_NONE` and `_READWRITE`.
const NONE: u32 = 0;
const READ_WRITE: u32 = 3;
/// `CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR`.
const FILE_DESCRIPTOR: u32 = 1;

pub struct Arena {
    driver: &'static Driver,
    /// Free address space; `None` where the driver chooses addresses.
    space: Option<Space>,
    /// Granularity by device.
    granules: Vec<u64>,
    /// The part of it in which device memory lies; the client takes addresses from the other one.
    pub device_part: Option<Range>,
    pub shared_part: Option<Range>,
    /// What was given out, by its address.
    given: HashMap<u64, Given>,
    /// Whether its memory is made so that other processes can be let in.
    exportable: bool,
    /// Through which they are.
    market: Option<Arc<Market>>,
}

struct Given {
    range: Range,
    context: Id,
    device: i32,
    /// Its physical memory; `None` if the driver's own allocator gave it.
    handle: Option<u64>,
    /// Others may open it by this key.
    offered: Option<OfferKey>,
    /// It is another session's, and so many of its ranges are open here.
    opened: Option<(OfferKey, usize)>,
}

/// Memory that others can open.
pub struct Shown {
    pub key: OfferKey,
    pub chunk: Range,
    pub device: i32,
}

impl Arena {
    /// Reserves one of the ranges that are free on the client's side.
    pub fn reserve(
        driver: &'static Driver,
        candidates: &[Range],
        granules: Vec<u64>,
        exportable: bool,
    ) -> (Arena, Option<Range>) {
        let possible = !granules.is_empty() && granules.iter().all(|granule| *granule > 0);
        let reserved =
            candidates.iter().filter(|_| possible).find(|range| reserve_at(driver, **range)).copied();
        let (device_part, shared_part) = reserved.map(Range::parts_of_arena).unzip();
        let space = device_part.map(Space::over);
        let given = HashMap::new();
        (
            Arena { driver, space, granules, device_part, shared_part, given, exportable, market: None },
            reserved,
        )
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
                let made = make_at(self.driver, range, device, viewers, self.exportable);
                let handle = made.inspect_err(|_| space.give(range))?;
                Given { range, context, device, handle: Some(handle), offered: None, opened: None }
            }
            None => {
                let mut address = 0;
                // SAFETY: `address` is writable.
                unsafe { self.driver.cuMemAlloc_v2(&mut address, bytes as usize)? };
                let range = Range { address, bytes };
                Given { range, context, device, handle: None, offered: None, opened: None }
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
            // SAFETY: mapped by `make_at` or `map_at`, in one piece; the struct lives until the call returns.
            unsafe { self.driver.cuMemSetAccess(address, bytes as usize, &access, 1)? };
        }
        Ok(())
    }

    pub fn show_through(&mut self, market: Arc<Market>) {
        self.market = Some(market);
    }

    /// Offers the chunk that an address lies in to other sessions of the ticket.
    pub fn show(&mut self, address: u64) -> Result<Shown, Code> {
        let market = self.market.clone().filter(|_| self.exportable).ok_or(CUDA_ERROR_NOT_SUPPORTED)?;
        let driver = self.driver;
        let given = self.given.values_mut().find(|given| given.range.contains(address));
        let given = given.filter(|given| given.opened.is_none()).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        let handle = given.handle.ok_or(CUDA_ERROR_NOT_SUPPORTED)?;
        let key = match given.offered {
            Some(key) => key,
            None => {
                let (key, descriptor) = (keys::random(), export(driver, handle)?);
                market.offer(key, descriptor.as_fd()).map_err(|_| CUDA_ERROR_OPERATING_SYSTEM)?;
                given.offered = Some(key);
                key
            }
        };
        Ok(Shown { key, chunk: given.range, device: given.device })
    }

    /// Whether this session itself offers it.
    pub fn offers(&self, key: &OfferKey) -> bool {
        self.given.values().any(|given| given.offered.as_ref() == Some(key))
    }

    /// Where a chunk of another session's is shown already, in that context; one range more of it is open then.
    pub fn open_again(&mut self, key: &OfferKey, context: Id) -> Option<Range> {
        let given = self.given.values_mut().find(|given| {
            given.context == context && given.opened.as_ref().is_some_and(|(opened, _)| opened == key)
        })?;
        given.opened.as_mut()?.1 += 1;
        Some(given.range)
    }

    /// Shows a chunk of another session's.
    pub fn open(
        &mut self,
        descriptor: OwnedFd,
        (key, bytes): (OfferKey, u64),
        (context, device): (Id, i32),
        viewers: &[i32],
    ) -> Result<Range, Code> {
        let space = self.space.as_mut().ok_or(CUDA_ERROR_NOT_SUPPORTED)?;
        let granule = self.granules[device as usize];
        if bytes == 0 || !bytes.is_multiple_of(granule) {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let address = space.take(bytes, granule).ok_or(CUDA_ERROR_OUT_OF_MEMORY)?;
        let range = Range { address, bytes };
        let shown = import(self.driver, descriptor)
            .and_then(|handle| map_at(self.driver, range, device, viewers, handle).map(|()| handle));
        let handle = shown.inspect_err(|_| space.give(range))?;
        let given =
            Given { range, context, device, handle: Some(handle), offered: None, opened: Some((key, 1)) };
        self.given.insert(address, given);
        Ok(range)
    }

    /// Whether an address lies in a chunk of another session's.
    pub fn is_opened(&self, address: u64) -> bool {
        self.given.values().any(|given| given.opened.is_some() && given.range.contains(address))
    }

    /// One range less is open of the chunk that an address lies in; with the last the chunk goes.
    pub fn close(&mut self, address: u64) -> Result<(), Code> {
        let given = self.given.values_mut().find(|given| given.range.contains(address));
        let given = given.ok_or(CUDA_ERROR_INVALID_VALUE)?;
        let chunk = given.range.address;
        let (_, ranges) = given.opened.as_mut().ok_or(CUDA_ERROR_INVALID_VALUE)?;
        *ranges -= 1;
        if *ranges == 0 { self.free(chunk) } else { Ok(()) }
    }

    pub fn granules(&self) -> &[u64] {
        &self.granules
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
        let Given { range, handle, offered, .. } = given;
        if let (Some(key), Some(market)) = (offered, &self.market) {
            market.withdraw(key);
        }
        let Some(handle) = handle else {
            // SAFETY: the driver gave this address and it was not freed since.
            return unsafe { self.driver.cuMemFree_v2(range.address) };
        };
        // SAFETY: the range was mapped by `make_at` or `map_at` in one piece, from this handle.
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

pub fn reserve_at(driver: &Driver, range: Range) -> bool {
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

/// Makes memory and shows it there.
pub fn make_at(
    driver: &Driver,
    range: Range,
    device: i32,
    viewers: &[i32],
    exportable: bool,
) -> Result<u64, Code> {
    let mut properties = AllocationProperties::on(device);
    properties.requested_handle_types = if exportable { FILE_DESCRIPTOR } else { 0 };
    let mut handle = 0;
    // SAFETY: a place to write, a struct that lives until the call returns.
    unsafe { driver.cuMemCreate(&mut handle, range.bytes as usize, &properties, 0)? };
    map_at(driver, range, device, viewers, handle)?;
    Ok(handle)
}

/// A descriptor of physical memory, for another process.
fn export(driver: &Driver, handle: u64) -> Result<OwnedFd, Code> {
    let mut descriptor: c_int = -1;
    // SAFETY: the driver writes a descriptor that is ours from then on.
    unsafe {
        driver.cuMemExportToShareableHandle((&raw mut descriptor).cast(), handle, FILE_DESCRIPTOR, 0)?;
        Ok(OwnedFd::from_raw_fd(descriptor))
    }
}

/// The driver keeps what it needs; the descriptor is closed.
fn import(driver: &Driver, descriptor: OwnedFd) -> Result<u64, Code> {
    let mut handle = 0;
    let number = descriptor.as_raw_fd() as usize;
    // SAFETY: a place to write; the descriptor, which the function takes for a pointer, is open.
    unsafe {
        driver.cuMemImportFromShareableHandle(
            &mut handle,
            std::ptr::without_provenance_mut(number),
            FILE_DESCRIPTOR,
        )?;
    }
    Ok(handle)
}

/// Shows memory there, to a device and to others; where that fails the memory is released.
fn map_at(driver: &Driver, range: Range, device: i32, viewers: &[i32], handle: u64) -> Result<(), Code> {
    let bytes = range.bytes as usize;
    let devices = std::iter::once(device).chain(viewers.iter().copied());
    let access: Vec<Access> = devices.map(|device| access_of(device, true)).collect();
    // SAFETY: the range lies in the reservation and nothing is mapped in it; the structs live until the calls return.
    unsafe {
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
    Ok(())
}
