//! The program's memory as CUDA sees it: which addresses are whose.
//!
//! No number means two different memories: every range in which a device address may lie is held in the client's own address
//! space (reserved, without access), from the moment that it is known until it is gone.
#![allow(unsafe_code)] // mmap and munmap of ranges that belong to this module alone.

use crate::credit::Credit;
use farwarp_protocol::call::Range;
use farwarp_protocol::error::{CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_MAP_FAILED, Code};
use farwarp_protocol::handle::Id;
use farwarp_protocol::space::Space;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, Weak};

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
    /// Addresses for memory that program and device may both see.
    space: Option<Arc<Mutex<Space>>>,
    /// Page-locked memory that no kernel has seen lies in here.
    unseen: Option<Range>,
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
    /// The server has memory for it at the same address, so that it is the device's too.
    pub shared: bool,
    /// Keeps the range out of the hands of malloc; within the arena nothing more is needed.
    _held: Vec<Arc<Held>>,
    /// What lies there of the program's, if it is ours to give.
    _pages: Option<Pages>,
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
    /// cuMemAllocManaged.
    Managed,
    /// A managed variable of a module or library.
    ManagedVariable { module: Id },
}

/// Reserved address space, in which mappings lie.
pub struct Reservation {
    pub range: Range,
    pub _held: Held,
}

impl Allocation {
    /// Registered so that the device may only read it.
    pub fn is_read_only(&self) -> bool {
        /// `CU_MEMHOSTREGISTER_READ_ONLY`.
        const READ_ONLY: u32 = 8;
        matches!(self.kind, MemoryKind::Host { flags, registered: true } if flags & READ_ONLY != 0)
    }

    /// Whether the GPU can be told to use it.
    pub fn is_on_device(&self) -> bool {
        self.kind.is_device() || self.shared
    }

    /// A mapping that somebody was let into; before that it is only addresses.
    fn is_usable_mapping(&self) -> bool {
        matches!(self.kind, MemoryKind::Mapped { .. }) && !self.rights.is_empty()
    }
}

impl MemoryKind {
    pub fn is_managed(self) -> bool {
        matches!(self, MemoryKind::Managed | MemoryKind::ManagedVariable { .. })
    }

    pub fn is_device(self) -> bool {
        matches!(
            self,
            MemoryKind::Device
                | MemoryKind::Mapped { .. }
                | MemoryKind::Pooled { .. }
                | MemoryKind::Opened
                | MemoryKind::Variable { .. }
                | MemoryKind::Managed
                | MemoryKind::ManagedVariable { .. }
        )
    }
}

impl Memory {
    pub fn new(arena: Option<Held>) -> Memory {
        let shared_part = arena.as_ref().map(|arena| arena.range().parts_of_arena().1);
        Memory {
            space: shared_part.map(|part| Arc::new(Mutex::new(Space::over(part)))),
            unseen: None,
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

    /// Pages for the program, where the server can have some too.
    pub fn pages(&self, bytes: u64) -> Option<Pages> {
        let bytes = bytes.checked_next_multiple_of(page_bytes())?;
        match &self.space {
            Some(space) => Pages::within(space, bytes),
            None => Pages::anywhere(bytes),
        }
    }

    /// Takes pages of the program's into the books.
    pub fn add_pages(&mut self, pages: Pages, bytes: u64, kind: MemoryKind, context: Id, device: i32) -> u64 {
        let address = pages.range.address;
        self.add_unheld(Range { address, bytes }, kind, context, device, Vec::new(), Some(pages));
        address
    }

    /// Takes a range that the server gave into the books, and holds it if it lies outside the arena.
    pub fn add(&mut self, range: Range, kind: MemoryKind, context: Id, device: i32) -> Result<(), Code> {
        let inside = self.arena.as_ref().is_some_and(|arena| arena.encloses(range));
        let held = match kind {
            // A reservation is held whole.
            MemoryKind::Host { .. } | MemoryKind::Managed | MemoryKind::Mapped { .. } => Vec::new(),
            _ if inside => Vec::new(),
            MemoryKind::Pooled { .. } if self.hold_chunks(range) => Vec::new(),
            MemoryKind::ManagedVariable { .. } => {
                let held = self.hold(range).ok_or(CUDA_ERROR_MAP_FAILED)?;
                open_held(range);
                held
            }
            _ => self.hold(range).ok_or(CUDA_ERROR_MAP_FAILED)?,
        };
        self.add_unheld(range, kind, context, device, held, None);
        Ok(())
    }

    fn add_unheld(
        &mut self,
        range: Range,
        kind: MemoryKind,
        context: Id,
        device: i32,
        _held: Vec<Arc<Held>>,
        _pages: Option<Pages>,
    ) {
        let number = self.next_number;
        self.next_number += 1;
        let shared = matches!(kind, MemoryKind::ManagedVariable { .. });
        if matches!(kind, MemoryKind::Host { .. }) {
            let span = self.unseen.unwrap_or(range);
            let address = span.address.min(range.address);
            self.unseen = Some(Range { address, bytes: span.end().max(range.end()) - address });
        }
        self.live.insert(
            range.address,
            Allocation { range, kind, context, device, number, rights: Vec::new(), shared, _held, _pages },
        );
    }

    /// Page-locked memory that no kernel has seen lies in here; nothing if there is none.
    pub fn unseen(&self) -> Option<Range> {
        self.unseen
    }

    /// Whether an address is that of page-locked memory which no kernel has seen.
    pub fn is_unseen(&self, address: u64) -> bool {
        let host = |found: &&Allocation| matches!(found.kind, MemoryKind::Host { .. });
        self.find(address).filter(host).is_some_and(|found| !found.shared)
    }

    pub fn set_shared(&mut self, address: u64) {
        self.live.get_mut(&address).into_iter().for_each(|found| found.shared = true);
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
            self.find(address).filter(|found| found.is_on_device()).ok_or(CUDA_ERROR_INVALID_VALUE)?;
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

/// Page-locked and managed memory of the program's: ordinary pages here, as no GPU of this machine will read them. They go when
/// the program has said that it is done with them.
#[derive(Debug)]
pub struct Pages {
    range: Range,
    /// Where the addresses go back to.
    space: Option<Arc<Mutex<Space>>>,
}

/// So that a large range and its neighbours share no granule of the server's.
const LARGE_BYTES: u64 = 2 << 20;

impl Pages {
    /// In a part of the arena, which is held.
    fn within(space: &Arc<Mutex<Space>>, bytes: u64) -> Option<Pages> {
        let alignment = if bytes >= LARGE_BYTES { LARGE_BYTES } else { page_bytes() };
        let address = lock(space).take(bytes, alignment)?;
        let pages = Pages { range: Range { address, bytes }, space: Some(space.clone()) };
        map_fixed(pages.range, libc::PROT_READ | libc::PROT_WRITE).then_some(pages)
    }

    fn anywhere(bytes: u64) -> Option<Pages> {
        // SAFETY: a fresh anonymous mapping, whose address nobody had before.
        let got = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes as usize,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        (got != libc::MAP_FAILED)
            .then_some(Pages { range: Range { address: got as u64, bytes }, space: None })
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        match &self.space {
            Some(space) => {
                // The addresses stay held; where that fails they are given to nobody again.
                if map_fixed(self.range, libc::PROT_NONE) {
                    lock(space).give(self.range);
                }
            }
            // SAFETY: made by `anywhere`, and the program said that it is done.
            None => drop(unsafe { libc::munmap(self.range.address as *mut _, self.range.bytes as usize) }),
        }
    }
}

fn lock(space: &Mutex<Space>) -> std::sync::MutexGuard<'_, Space> {
    space.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Fresh pages in a range that is held, in place of what was there.
fn map_fixed(range: Range, access: i32) -> bool {
    // SAFETY: the range lies in the arena, which is ours, in a part of it that nobody has; or its owner is done with it.
    let got = unsafe {
        libc::mmap(
            range.address as *mut _,
            range.bytes as usize,
            access,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED,
            -1,
            0,
        )
    };
    got != libc::MAP_FAILED
}

/// Lets the program read and write pages that are held for a variable of its own; what lies beside it there is the device's alone.
fn open_held(range: Range) {
    let page = page_bytes();
    let address = range.address / page * page;
    let bytes = range.end().next_multiple_of(page) - address;
    // SAFETY: pages of ours without access, which nothing else refers to.
    unsafe { libc::mprotect(address as *mut _, bytes as usize, libc::PROT_READ | libc::PROT_WRITE) };
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
                shared: false,
                _held: Vec::new(),
                _pages: None,
            };
            memory.live.insert(*address, allocation);
        }
        memory
    }

    /// Addresses that nobody has just now.
    fn spare(bytes: u64) -> u64 {
        Pages::anywhere(bytes).unwrap().range.address
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
        let spare = spare(8 * page);
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
        let used = Pages::anywhere(1 << 20).unwrap();
        assert!(Held::at(used.range).is_none(), "memory in use cannot be held");
        let range = Range { address: spare(1 << 20), bytes: 1 << 20 };
        let held = Held::at(range).unwrap();
        assert!(Held::at(range).is_none());
        drop(held);
    }
}
