//! All graphs of the process, behind one lock.

use crate::capture::Captures;
use crate::exec::Exec;
use crate::graph::{Graph, Node};
use crate::memory::GraphMemory;
use crate::user_object::UserObject;
use farwarp_protocol::handle::{ObjectKind, Slab};
use std::sync::{Mutex, MutexGuard};

pub struct State {
    pub graphs: Slab<Graph>,
    pub nodes: Slab<Node>,
    pub execs: Slab<Exec>,
    pub objects: Slab<UserObject>,
    pub captures: Captures,
    /// Made with the first allocation.
    pub memory: Option<GraphMemory>,
    next_graph: u32,
    next_exec: u32,
}

static STATE: Mutex<State> = Mutex::new(State {
    graphs: Slab::new(ObjectKind::Graph),
    nodes: Slab::new(ObjectKind::GraphNode),
    execs: Slab::new(ObjectKind::GraphExec),
    objects: Slab::new(ObjectKind::UserObject),
    captures: Captures::new(),
    memory: None,
    next_graph: 1,
    next_exec: 1,
});

pub fn state() -> MutexGuard<'static, State> {
    // Each change is whole between its own steps; a panic in one call must not end all others.
    STATE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl State {
    /// A number that no other graph of the process has.
    pub fn next_graph_number(&mut self) -> u32 {
        self.next_graph = self.next_graph.wrapping_add(1);
        self.next_graph - 1
    }

    pub fn memory(&mut self) -> &mut GraphMemory {
        self.memory.get_or_insert_default()
    }

    pub fn next_exec_number(&mut self) -> u32 {
        self.next_exec = self.next_exec.wrapping_add(1);
        self.next_exec - 1
    }
}

/// A context is destroyed: captures in it end with it, and memory of graphs is gone.
pub fn context_gone(context: u64) {
    let mut state = state();
    state.captures.context_gone(context);
    if let Some(memory) = &mut state.memory {
        memory.context_gone(context);
    }
}
