//! The heap that kernels allocate from, `malloc` and `free` of device code: which parts of one range of device memory are taken.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What CUDA promises of an address that `malloc` gives.
const ALIGNMENT: u64 = 16;

#[derive(Debug)]
pub struct Heap {
    parts: Mutex<Parts>,
}

/// Start and length of what is free and of what is taken; parts that are free never touch each other.
#[derive(Debug, Default)]
struct Parts {
    free: BTreeMap<u64, u64>,
    taken: BTreeMap<u64, u64>,
}

impl Heap {
    /// Over `bytes` of device memory at `start`.
    pub fn new(start: u64, bytes: u64) -> Heap {
        let mut parts = Parts::default();
        let first = start.next_multiple_of(ALIGNMENT);
        parts.free.insert(first, bytes.saturating_sub(first - start) & !(ALIGNMENT - 1));
        Heap { parts: Mutex::new(parts) }
    }

    /// The first part that is large enough, or 0 as C has it.
    pub fn allocate(&self, bytes: u64) -> u64 {
        let Some(bytes) = bytes.max(1).checked_next_multiple_of(ALIGNMENT) else { return 0 };
        let mut parts = self.lock();
        let Some((start, room)) = parts.free.iter().find(|(_, room)| **room >= bytes) else { return 0 };
        let (start, room) = (*start, *room);
        parts.free.remove(&start);
        if room > bytes {
            parts.free.insert(start + bytes, room - bytes);
        }
        parts.taken.insert(start, bytes);
        start
    }

    /// False if nothing that was allocated begins there. Freeing nothing is lawful.
    pub fn free(&self, start: u64) -> bool {
        if start == 0 {
            return true;
        }
        let mut parts = self.lock();
        let Some(mut bytes) = parts.taken.remove(&start) else { return false };
        let mut first = start;
        if let Some(behind) = parts.free.remove(&(start + bytes)) {
            bytes += behind;
        }
        let before = parts.free.range(..start).next_back().map(|(at, room)| (*at, *room));
        if let Some((at, room)) = before.filter(|(at, room)| at + room == start) {
            parts.free.remove(&at);
            (first, bytes) = (at, bytes + room);
        }
        parts.free.insert(first, bytes);
        true
    }

    fn lock(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_freed_joins_its_neighbours_and_nothing_is_given_twice() {
        let heap = Heap::new(0x1004, 0x1000);
        let parts: Vec<u64> = (0..4).map(|_| heap.allocate(1000)).collect();
        assert_eq!(parts, [0x1010, 0x1400, 0x17f0, 0x1be0]);
        assert_eq!(heap.allocate(1000), 0, "four are all that fit");
        assert!(heap.free(parts[1]) && heap.free(parts[3]) && heap.free(parts[2]) && heap.free(0));
        assert!(!heap.free(parts[1]) && !heap.free(0x1011), "freed twice, or never given");
        assert_eq!(heap.allocate(3000), parts[1], "three in a row are one again");
        assert!(heap.free(parts[0]) && heap.free(parts[1]));
        assert_eq!(heap.allocate(0xff0), 0x1010, "all of it is one part");
        assert_eq!((heap.allocate(1), heap.allocate(u64::MAX)), (0, 0));
    }
}
