//! Device memory that the server has backed for this process and that the program has not asked for yet: allocations are cut from it
//! without a word to anyone.
//!
//! What the program frees *rests* first: kernels and copies that were queued before may still use it. Now and then a fence is put into
//! the log; when the server says that everything before the fence is done, what rested behind it can be given out again.

use farwarp_protocol::call::Range;
use farwarp_protocol::handle::Id;
use farwarp_protocol::space::Space;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// CUDA promises at least 256; cudart's own sub-allocations assume 512.
const ALIGNMENT_BYTES: u64 = 512;
/// The smallest credit that is asked for at a time, and the largest that is asked for ahead of need.
pub const CHUNK_BYTES_MIN: u64 = 16 << 20;
pub const CHUNK_BYTES_MAX: u64 = 64 << 20;
/// A fence costs an event a stream, so one is put behind so many freed ranges or bytes.
const RANGES_A_FENCE: usize = 64;
const BYTES_A_FENCE: u64 = 1 << 20;
/// Chunks that nothing lies in are kept for the next allocations up to this; beyond it they go back to the GPU.
const IDLE_BYTES_MAX: u64 = 32 << 20;

#[derive(Default)]
pub struct Credit {
    chunks: BTreeMap<u64, Chunk>,
    /// Chunks with room, by context.
    roomy: HashMap<Id, BTreeSet<u64>>,
    /// Freed since the last fence.
    freed: Vec<Range>,
    freed_bytes: u64,
    /// Freed before the fence with this number.
    resting: VecDeque<(u64, Vec<Range>)>,
    fences: u64,
}

struct Chunk {
    range: Range,
    context: Id,
    device: i32,
    space: Space,
    /// What the program has of it.
    used_bytes: u64,
}

impl Credit {
    /// Memory for a context, if its credit has room.
    pub fn take(&mut self, context: Id, bytes: u64) -> Option<u64> {
        let bytes = rounded(bytes)?;
        let roomy = self.roomy.get_mut(&context)?;
        let (chunk, address) = roomy.iter().find_map(|chunk| {
            let address = self.chunks.get_mut(chunk)?.space.take(bytes, ALIGNMENT_BYTES)?;
            Some((*chunk, address))
        })?;
        let found = self.chunks.get_mut(&chunk)?;
        found.used_bytes += bytes;
        if found.space.is_full() {
            roomy.remove(&chunk);
        }
        Some(address)
    }

    /// How much to ask the server for when `bytes` are needed.
    pub fn wish(&self, context: Id, bytes: u64) -> u64 {
        let has: u64 = self
            .chunks
            .values()
            .filter(|chunk| chunk.context == context)
            .map(|chunk| chunk.range.bytes)
            .sum();
        let ahead = (has / 4 / CHUNK_BYTES_MIN * CHUNK_BYTES_MIN).clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX);
        // A large allocation gets a chunk of its own, which goes back with it.
        if bytes > CHUNK_BYTES_MIN / 2 { bytes } else { ahead }
    }

    /// The server has backed this range for a context.
    pub fn grant(&mut self, range: Range, context: Id, device: i32) {
        let chunk = Chunk { range, context, device, space: Space::over(range), used_bytes: 0 };
        self.chunks.insert(range.address, chunk);
        self.roomy.entry(context).or_default().insert(range.address);
    }

    /// The program has freed what it took here. The number of a fence, when it is time for one.
    #[must_use]
    pub fn free(&mut self, range: Range) -> Option<u64> {
        let bytes = rounded(range.bytes)?;
        if let Some(chunk) = self.chunk_mut(range.address) {
            chunk.used_bytes -= bytes;
        }
        self.freed.push(Range { bytes, ..range });
        self.freed_bytes += bytes;
        let due = self.freed.len() >= RANGES_A_FENCE || self.freed_bytes >= BYTES_A_FENCE;
        due.then(|| self.fence()).flatten()
    }

    /// A fence behind all that was freed until now, if anything was since the last one.
    pub fn fence(&mut self) -> Option<u64> {
        if self.freed.is_empty() {
            return None;
        }
        self.fences += 1;
        self.freed_bytes = 0;
        self.resting.push_back((self.fences, std::mem::take(&mut self.freed)));
        Some(self.fences)
    }

    /// The last fence, where something rests behind it: who waits for this one waits for all.
    pub fn last_fence(&self) -> Option<u64> {
        self.resting.back().map(|(fence, _)| *fence)
    }

    /// Everything before this fence is done.
    pub fn passed(&mut self, fence: u64) {
        while self.resting.front().is_some_and(|(number, _)| *number <= fence) {
            let Some((_, ranges)) = self.resting.pop_front() else { return };
            for range in ranges {
                let Some(chunk) = self.chunk_mut(range.address) else { continue };
                chunk.space.give(range);
                let (context, address) = (chunk.context, chunk.range.address);
                self.roomy.entry(context).or_default().insert(address);
            }
        }
    }

    /// Takes chunks that nothing lies in out of the books, until no more than `keep` bytes of them are left.
    pub fn give_back(&mut self, keep: u64) -> Vec<u64> {
        let idle: Vec<Range> =
            self.chunks.values().filter(|chunk| chunk.is_idle()).map(|chunk| chunk.range).collect();
        let mut left: u64 = idle.iter().map(|range| range.bytes).sum();
        let mut gone = Vec::new();
        // The large ones first: they are the least likely to fit again.
        for range in sorted(idle) {
            if left <= keep {
                break;
            }
            left -= range.bytes;
            gone.push(range.address);
            if let Some(chunk) = self.chunks.remove(&range.address) {
                self.roomy.entry(chunk.context).or_default().remove(&range.address);
            }
        }
        gone
    }

    /// The same, beyond what is worth keeping.
    pub fn give_back_excess(&mut self) -> Vec<u64> {
        self.give_back(IDLE_BYTES_MAX)
    }

    /// Whether waiting for a fence may make room for so many bytes in a context.
    pub fn may_free(&self, context: Id, bytes: u64) -> bool {
        let ranges = self.resting.iter().flat_map(|(_, ranges)| ranges).chain(&self.freed);
        let of_context =
            ranges.filter(|range| self.chunk(range.address).is_some_and(|chunk| chunk.context == context));
        of_context.map(|range| range.bytes).sum::<u64>() >= bytes
    }

    /// Backed for a device and not the program's.
    pub fn unused_bytes(&self, device: i32) -> u64 {
        let of_device = self.chunks.values().filter(|chunk| chunk.device == device);
        of_device.map(|chunk| chunk.range.bytes - chunk.used_bytes).sum()
    }

    /// All chunks of a context are gone with it.
    pub fn context_gone(&mut self, context: Id) {
        self.chunks.retain(|_, chunk| chunk.context != context);
        self.roomy.remove(&context);
        // What rested in them finds no chunk to go back to; an address is not another's before the chunk that it lay in is.
        let chunks = &self.chunks;
        let lives = |range: &Range| {
            chunks
                .range(..=range.address)
                .next_back()
                .is_some_and(|(_, chunk)| chunk.range.contains(range.address))
        };
        self.freed.retain(lives);
        self.resting.iter_mut().for_each(|(_, ranges)| ranges.retain(lives));
    }

    fn chunk(&self, address: u64) -> Option<&Chunk> {
        let (_, chunk) = self.chunks.range(..=address).next_back()?;
        chunk.range.contains(address).then_some(chunk)
    }

    fn chunk_mut(&mut self, address: u64) -> Option<&mut Chunk> {
        let (_, chunk) = self.chunks.range_mut(..=address).next_back()?;
        chunk.range.contains(address).then_some(chunk)
    }
}

impl Chunk {
    /// Nothing of the program's lies in it, and nothing rests there.
    fn is_idle(&self) -> bool {
        self.space.is_whole(self.range)
    }
}

fn sorted(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_by_key(|range| std::cmp::Reverse(range.bytes));
    ranges
}

fn rounded(bytes: u64) -> Option<u64> {
    bytes.checked_next_multiple_of(ALIGNMENT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: Id = Id(7);
    const MIB: u64 = 1 << 20;

    fn credit(chunks: &[(u64, u64)]) -> Credit {
        let mut credit = Credit::default();
        for (address, bytes) in chunks {
            credit.grant(Range { address: *address, bytes: *bytes }, CONTEXT, 0);
        }
        credit
    }

    #[test]
    fn what_was_freed_is_not_given_out_before_its_fence_has_passed() {
        let mut credit = credit(&[(MIB, 4096)]);
        let address = credit.take(CONTEXT, 4096).unwrap();
        assert_eq!(credit.free(Range { address, bytes: 4096 }), None);
        assert_eq!(credit.take(CONTEXT, 1), None);
        let fence = credit.fence().unwrap();
        credit.passed(fence - 1);
        assert_eq!(credit.take(CONTEXT, 1), None);
        credit.passed(fence);
        assert_eq!(credit.take(CONTEXT, 4096), Some(address));
    }

    #[test]
    fn a_fence_is_due_after_so_many_ranges_or_bytes() {
        let mut credit = credit(&[(MIB, 64 * MIB)]);
        let large = credit.take(CONTEXT, BYTES_A_FENCE).unwrap();
        let small: Vec<u64> = (0..RANGES_A_FENCE).map(|_| credit.take(CONTEXT, 1).unwrap()).collect();
        assert!(credit.free(Range { address: large, bytes: BYTES_A_FENCE }).is_some());
        for (index, address) in small.into_iter().enumerate() {
            let due = credit.free(Range { address, bytes: 1 }).is_some();
            assert_eq!(due, index + 1 == RANGES_A_FENCE, "{index}");
        }
    }

    #[test]
    fn chunks_that_nothing_lies_in_go_back_and_others_stay() {
        let mut credit = credit(&[(64 * MIB, 16 * MIB), (128 * MIB, 32 * MIB), (256 * MIB, 8 * MIB)]);
        let in_first = credit.take(CONTEXT, MIB).unwrap();
        assert_eq!(credit.unused_bytes(0), 55 * MIB);
        assert_eq!(credit.give_back(8 * MIB), [128 * MIB]);
        assert_eq!(credit.free(Range { address: in_first, bytes: MIB }), Some(1));
        assert_eq!(credit.unused_bytes(0), 24 * MIB);
        assert_eq!(credit.give_back(0), [256 * MIB], "what rests is still used");
        credit.passed(1);
        assert_eq!(credit.give_back(0), [64 * MIB]);
        assert_eq!(credit.unused_bytes(0), 0);
    }

    #[test]
    fn a_contexts_credit_is_its_own_and_goes_with_it() {
        let mut credit = credit(&[(64 * MIB, MIB)]);
        assert_eq!(credit.take(Id(8), 1), None);
        let address = credit.take(CONTEXT, 1).unwrap();
        assert_eq!(credit.free(Range { address, bytes: 1 }), None);
        credit.context_gone(CONTEXT);
        assert_eq!(credit.take(CONTEXT, 1), None);
        credit.grant(Range { address: 64 * MIB, bytes: MIB }, Id(8), 0);
        let fence = credit.fence();
        credit.passed(fence.unwrap_or(0));
        assert_eq!(credit.take(Id(8), MIB), Some(64 * MIB));
    }

    /// Every step against a model that knows each live and each resting range.
    #[test]
    fn random_allocations_never_overlap_and_nothing_is_lost() {
        let mut credit = credit(&[(64 * MIB, MIB), (128 * MIB, 2 * MIB)]);
        let (mut live, mut resting): (Vec<Range>, Vec<(u64, Range)>) = Default::default();
        let mut state = 5u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        for _ in 0..20_000 {
            match random(10) {
                0..5 => {
                    let bytes = 1 + random(20_000);
                    let Some(address) = credit.take(CONTEXT, bytes) else { continue };
                    let new = Range { address, bytes };
                    let held = live.iter().chain(resting.iter().map(|(_, range)| range));
                    for other in held {
                        assert!(
                            other.end() <= new.address || new.end() <= other.address,
                            "{other:?} {new:?}"
                        );
                    }
                    live.push(new);
                }
                5..9 if !live.is_empty() => {
                    let range = live.swap_remove(random(live.len() as u64) as usize);
                    resting.push((credit.fences + 1, range));
                    let _ = credit.free(range);
                }
                _ => {
                    let fence = random(credit.fences + 1);
                    credit.passed(fence);
                    resting.retain(|(of, _)| *of > fence);
                }
            }
        }
        for range in live {
            let _ = credit.free(range);
        }
        credit.fence();
        credit.passed(u64::MAX);
        assert_eq!(credit.give_back(0).len(), 2);
    }
}
