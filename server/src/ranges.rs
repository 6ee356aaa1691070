//! Device memory that the session may name. A device address is a number that programs add offsets to, so it has no id; it
//! must lie, with all its bytes, in one range that the driver gave this session.

use crate::refusal::Refusal;
use farwarp_protocol::call::Range;
use farwarp_protocol::handle::{Id, ObjectKind};
use std::collections::BTreeMap;

#[derive(Default)]
pub struct Ranges {
    live: BTreeMap<u64, (Range, Id)>,
    /// The sum of all but mappings.
    counted_bytes: u64,
}

impl Ranges {
    /// A range and what it dies with: a context, module or library.
    pub fn born(&mut self, range: Range, parent: Id) {
        let before = self.live.insert(range.address, (range, parent));
        self.counted_bytes += counted(range, parent);
        self.counted_bytes -= before.map_or(0, |(range, parent)| counted(range, parent));
    }

    fn remove(&mut self, address: u64) {
        if let Some((range, parent)) = self.live.remove(&address) {
            self.counted_bytes -= counted(range, parent);
        }
    }

    /// Forgets what was allocated at exactly this address; says in which context.
    pub fn remove_allocation(&mut self, address: u64) -> Result<Id, Refusal> {
        match self.live.get(&address) {
            Some((_, parent)) if parent.kind() == Some(ObjectKind::Context) => {
                let parent = *parent;
                self.remove(address);
                Ok(parent)
            }
            _ => Err(Refusal::OutOfRange { address, bytes: 0 }),
        }
    }

    /// Forgets what a pool gave at exactly this address.
    pub fn remove_pooled(&mut self, address: u64) -> Result<(), Refusal> {
        match self.live.get(&address) {
            Some((_, parent)) if parent.kind() == Some(ObjectKind::MemPool) => {
                self.remove(address);
                Ok(())
            }
            _ => Err(Refusal::OutOfRange { address, bytes: 0 }),
        }
    }

    /// Whether any live range touches this one.
    pub fn any_within(&self, range: Range) -> bool {
        let before = self.live.range(..range.end()).next_back();
        before.is_some_and(|(_, (found, _))| found.end() > range.address)
    }

    /// Where the mappings begin that make up exactly this range.
    pub fn mappings(&self, range: Range) -> Result<Vec<u64>, Refusal> {
        let refusal = Refusal::OutOfRange { address: range.address, bytes: range.bytes };
        // A range around the end of the address space would look empty.
        let end = range.address.checked_add(range.bytes).ok_or(refusal.clone())?;
        let mut at = range.address;
        let mut starts = Vec::new();
        while at < end {
            match self.live.get(&at) {
                Some((found, parent)) if is_mapping(*parent) => {
                    starts.push(at);
                    at = found.end();
                }
                _ => return Err(refusal),
            }
        }
        if at == end && range.bytes > 0 { Ok(starts) } else { Err(refusal) }
    }

    pub fn remove_mappings(&mut self, starts: &[u64]) {
        for start in starts {
            self.remove(*start);
        }
    }

    pub fn parent_gone(&mut self, parent: Id) {
        self.live.retain(|_, (_, of)| *of != parent);
        self.counted_bytes = self.live.values().map(|(range, parent)| counted(*range, *parent)).sum();
    }

    pub fn check(&self, address: u64, bytes: u64) -> Result<(), Refusal> {
        let refusal = Refusal::OutOfRange { address, bytes };
        let end = address.checked_add(bytes).ok_or(refusal.clone())?;
        let found = self.live.range(..=address).next_back();
        let Some((_, (range, parent))) = found.filter(|(_, (range, _))| address < range.end()) else {
            return Err(refusal);
        };
        let mut reached = range.end();
        // Mappings side by side are one range to whoever uses them.
        while reached < end && is_mapping(*parent) {
            match self.live.get(&reached) {
                Some((next, of)) if is_mapping(*of) => reached = next.end(),
                _ => return Err(refusal),
            }
        }
        if end <= reached { Ok(()) } else { Err(refusal) }
    }

    /// Of what is mapped the physical memory is counted, once.
    pub fn bytes(&self) -> u64 {
        self.counted_bytes
    }
}

fn counted(range: Range, parent: Id) -> u64 {
    if is_mapping(parent) { 0 } else { range.bytes }
}

fn is_mapping(parent: Id) -> bool {
    parent.kind() == Some(ObjectKind::AllocationHandle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_side_by_side_are_one_range_and_other_ranges_are_not() {
        let mut ranges = Ranges::default();
        let physical = Id::new(ObjectKind::AllocationHandle, 1, 0);
        ranges.born(Range { address: 4096, bytes: 4096 }, physical);
        ranges.born(Range { address: 8192, bytes: 4096 }, physical);
        ranges.born(Range { address: 12288, bytes: 4096 }, Id::new(ObjectKind::Context, 1, 0));
        assert!(ranges.check(5000, 7000).is_ok());
        assert!(ranges.check(5000, 8000).is_err());
        assert_eq!(ranges.mappings(Range { address: 4096, bytes: 8192 }), Ok(vec![4096, 8192]));
        assert!(ranges.mappings(Range { address: 4096, bytes: 12288 }).is_err());
        assert!(ranges.mappings(Range { address: 4096, bytes: 6000 }).is_err());
        assert!(ranges.mappings(Range { address: u64::MAX, bytes: 4096 }).is_err());
        assert!(ranges.any_within(Range { address: 0, bytes: 4097 }));
        assert!(!ranges.any_within(Range { address: 0, bytes: 4096 }));
    }

    #[test]
    fn all_bytes_must_lie_in_one_live_range() {
        let mut ranges = Ranges::default();
        ranges.born(Range { address: 4096, bytes: 100 }, Id(7));
        ranges.born(Range { address: 4196, bytes: 100 }, Id(7));
        assert!(ranges.check(4096, 100).is_ok());
        assert!(ranges.check(4150, 46).is_ok());
        for (address, bytes) in [(4095, 1), (4096, 101), (4296, 0), (4100, u64::MAX), (u64::MAX, 1), (0, 1)] {
            assert!(ranges.check(address, bytes).is_err(), "{address} {bytes}");
        }
        ranges.parent_gone(Id(7));
        assert!(ranges.check(4096, 1).is_err());
    }
}
