//! Free parts of a range of addresses: first fit, neighbours joined.

use crate::call::Range;
use std::collections::BTreeMap;

#[derive(Debug)]
pub struct Space {
    free: BTreeMap<u64, u64>,
}

impl Space {
    pub fn over(range: Range) -> Space {
        Space { free: BTreeMap::from([(range.address, range.bytes)]) }
    }

    pub fn take(&mut self, bytes: u64, alignment: u64) -> Option<u64> {
        let (start, room, address) = self.free.iter().find_map(|(start, room)| {
            let address = start.checked_next_multiple_of(alignment)?;
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

    /// Only what was taken.
    pub fn give(&mut self, range: Range) {
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

    pub fn is_whole(&self, range: Range) -> bool {
        self.free.get(&range.address) == Some(&range.bytes)
    }

    pub fn is_full(&self) -> bool {
        self.free.is_empty()
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
        assert!(space.is_full());
    }
}
