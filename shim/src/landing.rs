//! Copies to the program's pinned memory that are under way: where their bytes go when they come.
#![allow(unsafe_code)] // writes into buffers that the program named.

use crate::transfer::scatter;
use farwarp_protocol::boxes::{Block, Parts, Shape};
use farwarp_protocol::call::Range;
use farwarp_protocol::error::{CUDA_ERROR_UNKNOWN, Code};
use farwarp_protocol::limits::PIECE_BYTES;
use std::collections::HashMap;

pub struct Landing {
    to: Block,
    shape: Shape,
    parts: Parts,
    /// The thread that hears of a failure.
    slot: u16,
    failure: Option<Code>,
}

impl Landing {
    /// The box can be written until the copy has landed: the program has pinned it, and it is not unpinned before.
    pub fn new(to: Block, shape: Shape, slot: u16) -> Landing {
        Landing { to, shape, parts: shape.parts(PIECE_BYTES as u64), slot, failure: None }
    }

    fn bytes(&self) -> u64 {
        self.shape.bytes().unwrap_or(0)
    }

    /// The bytes of the next part.
    fn land(&mut self, bytes: &[u8]) {
        let said = |part: &farwarp_protocol::boxes::Part| part.shape.bytes() == Some(bytes.len() as u64);
        match self.parts.next().filter(said) {
            // SAFETY: the part lies in the box, and there are as many bytes as it holds.
            Some(part) => unsafe { scatter(bytes, self.to.at(&part), part.shape) },
            // A server that sends something else does not get to write any.
            None => self.failure = Some(CUDA_ERROR_UNKNOWN),
        }
    }

    /// The code with which the copy ended.
    fn end(mut self, code: Code) -> Code {
        let missing = self.parts.next().is_some().then_some(CUDA_ERROR_UNKNOWN);
        if code != 0 { code } else { self.failure.or(missing).unwrap_or(0) }
    }
}

/// By the number of the call.
#[derive(Default)]
pub struct Landings {
    under_way: HashMap<u64, Landing>,
    bytes: u64,
}

impl Landings {
    pub fn begin(&mut self, call: u64, landing: Landing) {
        self.bytes += landing.bytes();
        self.under_way.insert(call, landing);
    }

    pub fn land(&mut self, call: u64, bytes: &[u8]) {
        if let Some(landing) = self.under_way.get_mut(&call) {
            landing.land(bytes);
        }
    }

    /// The thread that issued it and the code with which it ended, if this call is one of these.
    pub fn end(&mut self, call: u64, code: Code) -> Option<(u16, Code)> {
        let landing = self.under_way.remove(&call)?;
        self.bytes -= landing.bytes();
        Some((landing.slot, landing.end(code)))
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether something still lands there.
    pub fn touch(&self, range: Range) -> bool {
        self.under_way.values().any(|landing| {
            let bytes = landing.to.span(landing.shape).unwrap_or(u64::MAX);
            landing.to.start < range.end() && range.address < landing.to.start.saturating_add(bytes)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(bytes: &mut [u8]) -> Block {
        Block { start: bytes.as_mut_ptr() as u64, pitch: 4, rows: 3 }
    }

    #[test]
    fn bytes_land_where_they_belong_and_the_landing_is_known_until_it_ends() {
        let mut bytes = [0u8; 12];
        let to = memory(&mut bytes);
        let mut landings = Landings::default();
        landings.begin(5, Landing::new(to, Shape { width: 2, height: 3, depth: 1 }, 9));
        assert!(landings.touch(Range { address: to.start + 9, bytes: 1 }));
        assert!(!landings.touch(Range { address: to.start + 10, bytes: 1 }));
        landings.land(5, &[1, 2, 3, 4, 5, 6]);
        assert_eq!(landings.end(5, 0), Some((9, 0)));
        assert_eq!((landings.bytes(), landings.end(5, 0)), (0, None));
        assert_eq!(bytes, [1, 2, 0, 0, 3, 4, 0, 0, 5, 6, 0, 0]);
    }

    #[test]
    fn a_server_that_sends_too_few_or_too_many_bytes_writes_none() {
        for sent in [&[1u8, 2][..], &[1, 2, 3, 4, 5, 6, 7]] {
            let mut bytes = [0u8; 12];
            let mut landings = Landings::default();
            landings.begin(1, Landing::new(memory(&mut bytes), Shape { width: 2, height: 3, depth: 1 }, 0));
            landings.land(1, sent);
            landings.land(2, sent);
            assert_eq!(landings.end(1, 0), Some((0, CUDA_ERROR_UNKNOWN)));
            assert_eq!(bytes, [0; 12]);
        }
    }
}
