//! The one reservation that all allocated device memory lies in, and which parts of it are free. Every allocation has
//! a gap behind it, so that running over its end is always noticed.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Mutex;

use farwarp_face::*;
use once_cell::sync::OnceCell;

use crate::driver::edge::Result;
use crate::driver::machine::machine;
use crate::driver::ranges::lock;
use crate::driver::{pages, ranges, settings};

/// What `cuMemAlloc` promises to every type.
pub const ALIGNMENT: u64 = 512;
/// Belongs to no one: the next allocation begins only after it.
const GAP: u64 = 512;
/// Address space for each byte of device memory. Freed pieces leave holes of the wrong size, and address space costs nothing.
const ROOM: u64 = 4;
/// Below this, giving pages back costs more than they are worth.
const DISCARD_BYTES: u64 = 64 << 10;

/// Room for `bytes`, not yet in the book of ranges.
pub fn take(bytes: u64, alignment: u64) -> Result<u64> {
    let arena = &ARENA.get_or_try_init(reserve)?.free;
    let wanted = bytes.checked_next_multiple_of(ALIGNMENT).ok_or(CUDA_ERROR_OUT_OF_MEMORY)? + GAP;
    lock(arena).take(wanted, alignment.max(ALIGNMENT)).ok_or(CUDA_ERROR_OUT_OF_MEMORY)
}

/// Takes room back, once nothing that runs can touch it any more.
pub fn give_back(start: u64, bytes: u64) {
    ranges::bury(move || {
        let whole = bytes.next_multiple_of(ALIGNMENT) + GAP;
        let first = start.next_multiple_of(pages::PAGE_BYTES);
        let end = (start + bytes) / pages::PAGE_BYTES * pages::PAGE_BYTES;
        if end > first && end - first >= DISCARD_BYTES {
            pages::discard(first, end - first);
        }
        if let Some(arena) = ARENA.get() {
            lock(&arena.free).give_back(start, whole);
        }
    });
}

static ARENA: OnceCell<Arena> = OnceCell::new();

struct Arena {
    start: u64,
    /// What lies behind it, if other processes can be let in.
    file: Option<File>,
    free: Mutex<Free>,
}

/// The file that an address of the arena is in, and where.
pub fn file_of(address: u64) -> Option<(&'static File, u64)> {
    let arena = ARENA.get()?;
    Some((arena.file.as_ref()?, address.checked_sub(arena.start)?))
}

fn reserve() -> Result<Arena> {
    let memory_bytes: u64 = machine()?.devices.iter().map(|device| device.memory_bytes).sum();
    let memory_bytes = memory_bytes.next_multiple_of(pages::PAGE_BYTES);
    // Less room where the process may not have that much address space.
    let tries = [ROOM, 2, 1].map(|room| memory_bytes.saturating_mul(room));
    // A worker's memory is shown to others by its server, as physical memory; a program's own, by this driver.
    let shared = |bytes: u64| {
        let file = pages::shareable(bytes).ok().filter(|_| settings::meter().is_none())?;
        Some((pages::reserve_shared(&file, bytes).ok()?, bytes, Some(file)))
    };
    let own = |bytes| Some((pages::reserve(bytes, 0, true).ok()?, bytes, None));
    let found = tries.into_iter().filter(|bytes| pages::file_may_hold(*bytes)).find_map(shared);
    let (start, bytes, file) =
        found.or_else(|| tries.into_iter().find_map(own)).ok_or(CUDA_ERROR_OUT_OF_MEMORY)?;
    Ok(Arena { start, file, free: Mutex::new(Free { pieces: BTreeMap::from([(start, bytes)]) }) })
}

/// Free pieces by address; no two touch.
#[derive(Debug)]
pub struct Free {
    pieces: BTreeMap<u64, u64>,
}

impl Free {
    pub fn none() -> Free {
        Free { pieces: BTreeMap::new() }
    }

    /// Whether exactly this is one free piece.
    pub fn holds(&self, start: u64, bytes: u64) -> bool {
        self.pieces.get(&start) == Some(&bytes)
    }

    /// Forgets the piece that begins there.
    pub fn remove(&mut self, start: u64) {
        self.pieces.remove(&start);
    }

    /// The first piece that is large enough: low addresses are reused first, so memory stays together.
    pub fn take(&mut self, bytes: u64, alignment: u64) -> Option<u64> {
        let (piece, start) = self.pieces.iter().find_map(|(&piece, &length)| {
            let start = piece.next_multiple_of(alignment);
            (start + bytes <= piece + length).then_some((piece, start))
        })?;
        let length = self.pieces.remove(&piece)?;
        if start > piece {
            self.pieces.insert(piece, start - piece);
        }
        let end = start + bytes;
        if end < piece + length {
            self.pieces.insert(end, piece + length - end);
        }
        Some(start)
    }

    pub fn give_back(&mut self, mut start: u64, mut bytes: u64) {
        if let Some(after) = self.pieces.remove(&(start + bytes)) {
            bytes += after;
        }
        if let Some((&before, &length)) = self.pieces.range(..start).next_back()
            && before + length == start
        {
            start = before;
            bytes += length;
        }
        self.pieces.insert(start, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_grows_together_again() {
        let mut free = Free { pieces: BTreeMap::from([(4096, 8192)]) };
        let first = free.take(1024, 512).unwrap();
        let second = free.take(2048, 512).unwrap();
        let third = free.take(512, 1024).unwrap();
        for (start, bytes) in [(second, 2048), (first, 1024), (third, 512)] {
            free.give_back(start, bytes);
        }
        assert_eq!(free.pieces, BTreeMap::from([(4096, 8192)]));
    }

    #[test]
    fn alignment_is_kept_and_what_it_skips_is_not_lost() {
        let mut free = Free { pieces: BTreeMap::from([(512, 1 << 20)]) };
        assert_eq!(free.take(512, 4096), Some(4096));
        assert_eq!(free.take(512, 512), Some(512));
    }
}
