//! The program's memory as CUDA sees it: which addresses are whose.
//!
//! No number means two different memories: every range in which a device address may lie is held in the client's own address
//! space (reserved, without access), from the moment that it is known until it is gone.
#![allow(unsafe_code)] // mmap and munmap of ranges that belong to this module alone.

use crate::credit::Credit;
use farwarp_protocol::call::Range;
use farwarp_protocol::error::{CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_MAP_FAILED, Code};
use farwarp_protocol::handle::Id;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};

/// Drivers' pools grow by multiples of this, at multiples of it.
const CHUNK_BYTES: u64 = 2 << 20;

/// Live memory, by where it begins.
pub struct Memory {
    live: BTreeMap<u64, Allocation>,
    /// Where the server puts allocations; held as long as the session lives.
    arena: Option<Held>,
    /// Pages outside the arena in which ranges begin or end: variables of a module share them.
    pages: HashMap<u64, Weak<Held>>,
    /// Reserved address space, by where it begins.
    pub reservations: BTreeMap<u64, Reservation>,
    /// What the driver's pools have given out of, by where it begins.
    chunks: HashMap<u64, Held>,
    /// CUDA gives each allocation of a process its own number.
    next_number: u64,
    /// What other processes' memory is open here, by its handle: in which context, where, and how often.
    opened: HashMap<([u8; 64], Id), (u64, u32)>,
    /// Device memory that is backed and not the program's yet.
    pub credit: Credit,
}

#[derive(Debug)]
pub struct Allocation {
    pub range: Range,
    pub kind: MemoryKind,
    pub context: Id,
    /// The program's ordinal.
    pub device: i32,
    pub number: u64,
    /// Of a mapping: what each device may do, as the server counts devices.
    pub rights: Vec<(i32, u32)>,
    /// Keeps the range out of the hands of malloc; within the arena nothing more is needed.
    _held: Vec<Arc<Held>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryKind {
    /// cuMemAlloc.
    Device,
    /// cuMemMap: part of a reservation, for those that have a right to it.
    Mapped { physical: Id },
    /// cuMemAllocAsync and its kin: the driver chose the address.
    Pooled { pool: Id },
    /// cuIpcOpenMemHandle: another process's.
    Opened,
    /// A variable of a module, which goes with it.
    Variable { module: Id },
    /// Page-locked host memory, with its flags: ours to free, or registered by the program.
    Host { flags: u32, registered: bool },
}

/// Reserved address space, in which mappings lie.
pub struct Reservation {
    pub range: Range,
    pub _held: Held,
}

impl Allocation {
    /// A mapping that somebody was let into; before that it is only addresses.
    fn is_usable_mapping(&self) -> bool {
        matches!(self.kind, MemoryKind::Mapped { .. }) && !self.rights.is_empty()
    }
}

impl MemoryKind {
    pub fn is_device(self) -> bool {
        matches!(
            self,
            MemoryKind::Device
                | MemoryKind::Mapped { .. }
                | MemoryKind::Pooled { .. }
                | MemoryKind::Opened
                | MemoryKind::Variable { .. }
        )
    }
}

impl Memory {
    pub fn new(arena: Option<Held>) -> Memory {
        Memory {
            live: BTreeMap::new(),
            arena,
            pages: HashMap::new(),
            chunks: HashMap::new(),
            reservations: BTreeMap::new(),
            next_number: 1,
            opened: HashMap::new(),
            credit: Credit::default(),
        }
    }

    /// Takes a range that the server gave into the books, and holds it if it lies outside the arena.
    pub fn add(&mut self, range: Range, kind: MemoryKind, context: Id, device: i32) -> Result<(), Code> {
        let inside = self.arena.as_ref().is_some_and(|arena| arena.encloses(range));
        let held = match kind {
            // A reservation is held whole.
            MemoryKind::Host { .. } | MemoryKind::Mapped { .. } => Vec::new(),
            _ if inside => Vec::new(),
            MemoryKind::Pooled { .. } if self.hold_chunks(range) => Vec::new(),
            _ => self.hold(range).ok_or(CUDA_ERROR_MAP_FAILED)?,
        };
        let number = self.next_number;
        self.next_number += 1;
        self.live.insert(
            range.address,
            Allocation { range, kind, context, device, number, rights: Vec::new(), _held: held },
        );
        Ok(())
    }

    /// Holds the chunks of a pool that a range lies in, for the life of the session: the pool will give them out again. False
    /// where one cannot be held whole.
    fn hold_chunks(&mut self, range: Range) -> bool {
        let mut at = range.address / CHUNK_BYTES * CHUNK_BYTES;
        while at < range.end() {
            if let Entry::Vacant(place) = self.chunks.entry(at) {
                let Some(held) = Held::at(Range { address: at, bytes: CHUNK_BYTES }) else { return false };
                place.insert(held);
            }
            at += CHUNK_BYTES;
        }
        true
    }

    /// Holds every page of a range. What lies between its first and its last page is the range's alone.
    fn hold(&mut self, range: Range) -> Option<Vec<Arc<Held>>> {
        let page = page_bytes();
        let first = range.address / page * page;
        let last = range.end().saturating_sub(1).max(range.address) / page * page;
        let mut held = vec![self.hold_page(first)?];
        if last > first {
            held.push(self.hold_page(last)?);
        }
        let between = Range { address: first + page, bytes: last.saturating_sub(first + page) };
        if between.bytes > 0 {
            held.push(Arc::new(Held::at(between)?));
        }
        Some(held)
    }

    fn hold_page(&mut self, address: u64) -> Option<Arc<Held>> {
        if let Some(held) = self.pages.get(&address).and_then(Weak::upgrade) {
            return Some(held);
        }
        let held = Arc::new(Held::at(Range { address, bytes: page_bytes() })?);
        self.pages.retain(|_, page| page.strong_count() > 0);
        self.pages.insert(address, Arc::downgrade(&held));
        Some(held)
    }

    /// Forgets what begins at this address, if it is of the kind that the caller frees.
    pub fn remove(&mut self, address: u64, is: impl Fn(MemoryKind) -> bool) -> Result<Allocation, Code> {
        match self.live.get(&address) {
            Some(allocation) if is(allocation.kind) => {
                Ok(self.live.remove(&address).expect("it was just found"))
            }
            _ => Err(CUDA_ERROR_INVALID_VALUE),
        }
    }

    /// The live memory in which an address lies.
    pub fn find(&self, address: u64) -> Option<&Allocation> {
        let (_, allocation) = self.live.range(..=address).next_back()?;
        allocation.range.contains(address).then_some(allocation)
    }

    /// Device memory that holds all of `bytes` from `address` on.
    pub fn device(&self, address: u64, bytes: u64) -> Result<&Allocation, Code> {
        let found =
            self.find(address).filter(|found| found.kind.is_device()).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        let end = address.checked_add(bytes).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        let mut last = found;
        // Mappings side by side are one range to whoever uses them.
        while last.range.end() < end && last.is_usable_mapping() {
            last = self.live.get(&last.range.end()).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        }
        let mapped = matches!(last.kind, MemoryKind::Mapped { .. });
        let usable = !mapped || last.is_usable_mapping();
        let alike = matches!(found.kind, MemoryKind::Mapped { .. }) == mapped;
        if end <= last.range.end() && usable && alike { Ok(found) } else { Err(CUDA_ERROR_INVALID_VALUE) }
    }

    /// All memory dies with its context.
    pub fn context_gone(&mut self, context: Id) {
        self.remove_where(|allocation| allocation.context == context);
        self.opened.retain(|(_, of), _| *of != context);
        self.credit.context_gone(context);
    }

    /// Where another process's memory is open already; it is open once more then.
    pub fn open_again(&mut self, handle: &[u8; 64], context: Id) -> Option<u64> {
        let (address, count) = self.opened.get_mut(&(*handle, context))?;
        *count += 1;
        Some(*address)
    }

    /// Another process's memory is open; whether for the first time.
    pub fn opened(&mut self, range: Range, handle: [u8; 64], context: Id, device: i32) -> Result<bool, Code> {
        if self.open_again(&handle, context).is_some() {
            return Ok(false);
        }
        self.add(range, MemoryKind::Opened, context, device)?;
        self.opened.insert((handle, context), (range.address, 1));
        Ok(true)
    }

    /// Closed once; what it was, when that was the last time.
    pub fn close(&mut self, address: u64) -> Result<Option<Allocation>, Code> {
        let found = self.opened.iter_mut().find(|(_, (at, _))| *at == address);
        let (key, (_, count)) = found.ok_or(CUDA_ERROR_INVALID_VALUE)?;
        *count -= 1;
        if *count > 0 {
            return Ok(None);
        }
        let key = *key;
        self.opened.remove(&key);
        self.remove(address, |kind| kind == MemoryKind::Opened).map(Some)
    }

    /// Whether any live memory touches a range.
    pub fn any_within(&self, range: Range) -> bool {
        let before = self.live.range(..range.end()).next_back();
        before.is_some_and(|(_, found)| found.range.end() > range.address)
    }

    pub fn is_reserved(&self, range: Range) -> bool {
        let before = self.reservations.range(..=range.address).next_back();
        before.is_some_and(|(_, found)| {
            range.address.checked_add(range.bytes).is_some_and(|end| end <= found.range.end())
        })
    }

    /// The mappings that make up exactly this range: where each begins, and what it shows.
    pub fn mappings(&self, range: Range) -> Result<Vec<(u64, Id)>, Code> {
        let mut at = range.address;
        let mut found = Vec::new();
        while at < range.end() {
            let mapping = self.live.get(&at).ok_or(CUDA_ERROR_INVALID_VALUE)?;
            let MemoryKind::Mapped { physical } = mapping.kind else { return Err(CUDA_ERROR_INVALID_VALUE) };
            found.push((at, physical));
            at = mapping.range.end();
        }
        if at == range.end() && range.bytes > 0 { Ok(found) } else { Err(CUDA_ERROR_INVALID_VALUE) }
    }

    pub fn set_rights(&mut self, mappings: &[(u64, Id)], rights: &[(i32, u32)]) {
        for (start, _) in mappings {
            let Some(mapping) = self.live.get_mut(start) else { continue };
            for (device, right) in rights {
                mapping.rights.retain(|(of, _)| of != device);
                if *right != 0 {
                    mapping.rights.push((*device, *right));
                }
            }
        }
    }

    pub fn remove_where(&mut self, dies: impl Fn(&Allocation) -> bool) {
        self.live.retain(|_, allocation| !dies(allocation));
    }

    pub fn iter(&self) -> impl Iterator<Item = &Allocation> {
        self.live.values()
    }
}

/// A range of our own address space that nobody else gets.
#[derive(Debug)]
pub struct Held(Range);

impl Held {
    /// Holds exactly this range, if it is free.
    pub fn at(range: Range) -> Option<Held> {
        let page = page_bytes();
        let address = range.address / page * page;
        let bytes = range.end().next_multiple_of(page) - address;
        // SAFETY: MAP_FIXED_NOREPLACE never touches an existing mapping, and the new one has no access.
        let got = unsafe {
            libc::mmap(
                address as *mut _,
                bytes as usize,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED_NOREPLACE,
                -1,
                0,
            )
        };
        let held = Held(Range { address: got as u64, bytes });
        // Kernels before 4.17 take the flag for a hint; what they gave instead is given back by the drop.
        match got {
            libc::MAP_FAILED => {
                std::mem::forget(held);
                None
            }
            _ => (held.0.address == address).then_some(held),
        }
    }

    pub fn range(&self) -> Range {
        self.0
    }

    fn encloses(&self, range: Range) -> bool {
        self.0.address <= range.address && range.end() <= self.0.end()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `at`, has no access, and nothing else refers to it.
        unsafe { libc::munmap(self.0.address as *mut _, self.0.bytes as usize) };
    }
}

/// Page-locked memory of the program's: ordinary pages here, as no GPU of this machine will read them.
pub fn map_host(bytes: usize) -> Option<u64> {
    // SAFETY: a fresh anonymous mapping, whose address nobody had before.
    let got = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    (got != libc::MAP_FAILED).then_some(got as u64)
}

pub fn unmap_host(range: Range) {
    // SAFETY: the range was made by `map_host` and has left the books; its bytes are the program's, which said that it is done.
    unsafe { libc::munmap(range.address as *mut _, range.bytes as usize) };
}

pub fn page_bytes() -> u64 {
    // SAFETY: asks for a number.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as u64 }
}

/// Whether the process has all of this memory, of whatever kind.
pub fn is_mapped(range: Range) -> bool {
    const PAGES_AT_A_TIME: u64 = 4096;
    let (page, mut seen) = (page_bytes(), [0u8; PAGES_AT_A_TIME as usize]);
    let Some(end) = range.address.checked_add(range.bytes) else { return false };
    let mut at = range.address / page * page;
    while at < end {
        let bytes = (end - at).min(page * PAGES_AT_A_TIME);
        // SAFETY: looks at no memory but `seen`, which has a byte for each page.
        if unsafe { libc::mincore(at as *mut libc::c_void, bytes as usize, seen.as_mut_ptr()) } != 0 {
            return false;
        }
        at += bytes;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory_with(ranges: &[(u64, u64, MemoryKind)]) -> Memory {
        let mut memory = Memory::new(None);
        for (address, bytes, kind) in ranges {
            let range = Range { address: *address, bytes: *bytes };
            let allocation = Allocation {
                range,
                kind: *kind,
                context: Id(0),
                device: 0,
                number: 1,
                rights: Vec::new(),
                _held: Vec::new(),
            };
            memory.live.insert(*address, allocation);
        }
        memory
    }

    #[test]
    fn an_address_belongs_to_the_allocation_that_it_lies_in() {
        let memory = memory_with(&[(1000, 10, MemoryKind::Device), (1010, 5, MemoryKind::Device)]);
        assert!(memory.find(999).is_none());
        assert_eq!(memory.find(1009).unwrap().range.address, 1000);
        assert_eq!(memory.find(1010).unwrap().range.address, 1010);
        assert!(memory.find(1015).is_none());
    }

    #[test]
    fn a_copy_may_not_run_over_the_end_nor_around_the_world() {
        let memory = memory_with(&[(1000, 10, MemoryKind::Device), (1010, 5, MemoryKind::Device)]);
        assert!(memory.device(1000, 10).is_ok());
        assert_eq!(memory.device(1000, 11).unwrap_err(), CUDA_ERROR_INVALID_VALUE);
        assert_eq!(memory.device(1005, u64::MAX).unwrap_err(), CUDA_ERROR_INVALID_VALUE);
    }

    #[test]
    fn variables_that_share_a_page_hold_it_together() {
        let (page, variable) = (page_bytes(), MemoryKind::Variable { module: Id(7) });
        let spare = map_host(8 * page as usize).unwrap();
        unmap_host(Range { address: spare, bytes: 8 * page });
        let mut memory = Memory::new(None);
        // One in the first page, one that begins there and ends four pages on, one beside its end.
        let at = |offset, bytes| Range { address: spare + offset, bytes };
        for range in [at(0, 4), at(8, 4 * page), at(4 * page + 8, 4)] {
            memory.add(range, variable, Id(1), 0).unwrap();
        }
        let is_held = |page_number| Held::at(at(page_number * page, page)).is_none();
        assert_eq!([0, 1, 3, 4, 5].map(is_held), [true, true, true, true, false]);
        memory.remove(spare + 8, |_| true).unwrap();
        assert_eq!([0, 1, 3, 4, 5].map(is_held), [true, false, false, true, false]);
    }

    #[test]
    fn a_held_range_is_given_to_nobody_else_until_it_is_dropped() {
        let free = Held::at(Range { address: map_host(1 << 20).unwrap(), bytes: 1 << 20 });
        assert!(free.is_none(), "memory in use cannot be held");
        let spare = map_host(1 << 20).unwrap();
        unmap_host(Range { address: spare, bytes: 1 << 20 });
        let range = Range { address: spare, bytes: 1 << 20 };
        let held = Held::at(range).unwrap();
        assert!(Held::at(range).is_none());
        drop(held);
    }
}
