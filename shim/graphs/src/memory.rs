//! Memory that graphs allocate and free. An allocation has its address, and its memory, from the moment that its node is made until no
//! graph names it any more and nobody has it; what allocation and free nodes do at a launch is only to change whether somebody has it.

use crate::exec::{AUTO_FREE, Exec};
use crate::graph::{Aftermath, Does};
use crate::host::Host;
use crate::state::{State, state};
use farwarp_protocol::error::{CUDA_ERROR_INVALID_VALUE, Code};
use farwarp_protocol::handle::Id;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};

/// What all graphs of the process have allocated, by numbers that are never used again.
#[derive(Default)]
pub struct GraphMemory {
    allocations: BTreeMap<u64, Allocation>,
    next: u64,
    sums: HashMap<i32, Sums>,
}

#[derive(Debug, Clone, Copy)]
pub struct Allocation {
    pub address: u64,
    pub bytes: u64,
    pub context: u64,
    pub device: i32,
    /// Nodes, in graphs and executable graphs, that allocate or free it.
    nodes: usize,
    /// Allocated by a launch and not freed since.
    is_live: bool,
}

/// `CUgraphMem_attribute`s of a device: bytes that somebody has, and bytes that graphs hold, now and at most.
#[derive(Debug, Default, Clone, Copy)]
pub struct Sums {
    pub used: u64,
    pub used_high: u64,
    pub reserved: u64,
    pub reserved_high: u64,
}

/// Whether there ever was any: programs without pay nothing.
static ANY: AtomicBool = AtomicBool::new(false);

/// The program frees memory by itself. `None` if no graph has allocated it: then it is somebody else's to free.
pub fn free(host: &dyn Host, address: u64) -> Option<Result<(), Code>> {
    if !ANY.load(Ordering::Acquire) {
        return None;
    }
    let mut aftermath = Aftermath::default();
    let was_live = {
        let mut state = state();
        let number = state.memory().number_at(address)?;
        state.memory().set_live(number, false, &mut aftermath)
    };
    crate::api::finish(host, aftermath);
    Some(if was_live { Ok(()) } else { Err(CUDA_ERROR_INVALID_VALUE) })
}

impl GraphMemory {
    pub fn number_at(&self, address: u64) -> Option<u64> {
        let found = self.allocations.iter().find(|(_, allocation)| allocation.address == address);
        found.map(|(number, _)| *number)
    }

    pub fn get(&self, number: u64) -> Option<&Allocation> {
        self.allocations.get(&number)
    }

    pub fn add(&mut self, address: u64, bytes: u64, context: u64, device: i32) -> u64 {
        ANY.store(true, Ordering::Release);
        self.next += 1;
        let allocation = Allocation { address, bytes, context, device, nodes: 0, is_live: false };
        self.allocations.insert(self.next, allocation);
        let sums = self.sums.entry(device).or_default();
        sums.reserved += bytes;
        sums.reserved_high = sums.reserved_high.max(sums.reserved);
        self.next
    }

    pub fn named(&mut self, number: u64) {
        if let Some(allocation) = self.allocations.get_mut(&number) {
            allocation.nodes += 1;
        }
    }

    pub fn unnamed(&mut self, number: u64, aftermath: &mut Aftermath) {
        if let Some(allocation) = self.allocations.get_mut(&number) {
            allocation.nodes -= 1;
            self.release_unused(number, aftermath);
        }
    }

    /// Whether somebody had it before.
    fn set_live(&mut self, number: u64, live: bool, aftermath: &mut Aftermath) -> bool {
        let Some(allocation) = self.allocations.get_mut(&number) else { return false };
        let before = std::mem::replace(&mut allocation.is_live, live);
        let sums = self.sums.entry(allocation.device).or_default();
        match (before, live) {
            (false, true) => sums.used += allocation.bytes,
            (true, false) => sums.used -= allocation.bytes,
            _ => {}
        }
        sums.used_high = sums.used_high.max(sums.used);
        self.release_unused(number, aftermath);
        before
    }

    fn release_unused(&mut self, number: u64, aftermath: &mut Aftermath) {
        let unused = |allocation: &Allocation| allocation.nodes == 0 && !allocation.is_live;
        if self.get(number).is_some_and(unused)
            && let Some(gone) = self.forget(number)
        {
            aftermath.memory.push((gone.context, gone.address));
        }
    }

    fn forget(&mut self, number: u64) -> Option<Allocation> {
        let gone = self.allocations.remove(&number)?;
        let sums = self.sums.entry(gone.device).or_default();
        sums.reserved -= gone.bytes;
        sums.used -= if gone.is_live { gone.bytes } else { 0 };
        Some(gone)
    }

    /// Its memory is gone with it, whatever graphs still name it.
    pub fn context_gone(&mut self, context: u64) {
        let of_context = self.allocations.iter().filter(|(_, allocation)| allocation.context == context);
        let gone: Vec<u64> = of_context.map(|(number, _)| *number).collect();
        for number in gone {
            self.forget(number);
        }
    }

    pub fn sums(&mut self, device: i32) -> &mut Sums {
        self.sums.entry(device).or_default()
    }
}

/// What a launch changes: the allocations that it makes and frees, as they follow each other.
struct Changes {
    made: Vec<u64>,
    freed: Vec<u64>,
}

impl State {
    /// Whether a graph, or one below it, allocates or frees: then it is there once, and nothing is taken out of it.
    pub fn has_memory_nodes(&self, graph: Id) -> bool {
        self.contains(graph, &|node| matches!(node.does, Does::Allocate(_) | Does::Free(_)))
    }

    fn memory_changes(&self, exec: &Exec) -> Changes {
        let mut changes = Changes { made: Vec::new(), freed: Vec::new() };
        let nodes = self.graphs.get(exec.graph).map_or(&[][..], |graph| &graph.nodes);
        for node in nodes.iter().filter_map(|id| self.nodes.get(*id)) {
            match node.does {
                Does::Allocate(number) => changes.made.push(number),
                Does::Free(number) => changes.freed.push(number),
                _ => {}
            }
        }
        changes
    }

    /// Changes whose memory is whose, as a launch does; or says that it may not be launched, and changes nothing.
    pub fn launch_memory(&mut self, exec: Id, aftermath: &mut Aftermath) -> Result<(), Code> {
        if !ANY.load(Ordering::Acquire) {
            return Ok(());
        }
        let known = self.execs.get(exec).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        let (changes, frees_itself) = (self.memory_changes(known), known.flags & AUTO_FREE != 0);
        let is_live = |number: &u64| {
            self.memory.as_ref().and_then(|memory| memory.get(*number)).map(|found| found.is_live)
        };
        // What was allocated by the last launch must have been freed, unless this launch frees it by itself.
        let made = changes.made.iter().all(|number| match is_live(number) {
            Some(live) => !live || frees_itself,
            None => false,
        });
        // Somebody else's memory must be somebody's.
        let freed =
            changes.freed.iter().all(|number| changes.made.contains(number) || is_live(number) == Some(true));
        if !made || !freed {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let memory = self.memory();
        for number in &changes.made {
            memory.set_live(*number, true, aftermath);
        }
        for number in &changes.freed {
            memory.set_live(*number, false, aftermath);
        }
        Ok(())
    }
}
