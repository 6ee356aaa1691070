//! Device memory that the session may name. A device address is a number that programs add offsets to, so it has no id; it
//! must lie, with all its bytes, in one range that the driver gave this session.

use crate::refusal::Refusal;
use farwarp_protocol::call::Range;
use farwarp_protocol::handle::{Id, ObjectKind};
use std::collections::BTreeMap;

#[derive(Default)]
pub struct Ranges {
    live: BTreeMap<u64, (Range, Id)>,
}

impl Ranges {
    /// A range and what it dies with: a context, module or library.
    pub fn born(&mut self, range: Range, parent: Id) {
        self.live.insert(range.address, (range, parent));
    }

    /// Forgets what was allocated at exactly this address; says in which context.
    pub fn remove_allocation(&mut self, address: u64) -> Result<Id, Refusal> {
        match self.live.get(&address) {
            Some((_, parent)) if parent.kind() == Some(ObjectKind::Context) => {
                let parent = *parent;
                self.live.remove(&address);
                Ok(parent)
            }
            _ => Err(Refusal::OutOfRange { address, bytes: 0 }),
        }
    }

    /// Forgets what a pool gave at exactly this address.
    pub fn remove_pooled(&mut self, address: u64) -> Result<(), Refusal> {
        match self.live.get(&address) {
            Some((_, parent)) if parent.kind() == Some(ObjectKind::MemPool) => {
                self.live.remove(&address);
                Ok(())
            }
            _ => Err(Refusal::OutOfRange { address, bytes: 0 }),
        }
    }

    pub fn parent_gone(&mut self, parent: Id) {
        self.live.retain(|_, (_, of)| *of != parent);
    }

    pub fn check(&self, address: u64, bytes: u64) -> Result<(), Refusal> {
        let refusal = Refusal::OutOfRange { address, bytes };
        let end = address.checked_add(bytes).ok_or(refusal.clone())?;
        match self.live.range(..=address).next_back() {
            Some((_, (range, _))) if address < range.end() && end <= range.end() => Ok(()),
            _ => Err(refusal),
        }
    }

    pub fn bytes(&self) -> u64 {
        self.live.values().map(|(range, _)| range.bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
