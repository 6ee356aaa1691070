//! Executable graphs: what each was made of, and how it may be changed. Each keeps a copy of its graph, in which a node of the
//! program's is found by the node that it was copied from.

use crate::graph::{Aftermath, Does, Edge, Owner};
use crate::host::Host;
use crate::plan::Fault;
use crate::state::{State, state};
use farwarp_protocol::error::{
    CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_NOT_SUPPORTED, CUDA_ERROR_OUT_OF_MEMORY, Code,
};
use farwarp_protocol::graph::{Plan, Work};
use farwarp_protocol::handle::Id;
use std::collections::HashMap;
use std::sync::Arc;

pub struct Exec {
    pub number: u32,
    pub flags: u64,
    pub graph: Id,
    /// The program's graph that it came from; conditional handles are its.
    pub source: Id,
    pub context: u64,
}

/// `CUgraphExecUpdateResult`.
pub mod update {
    pub const SUCCESS: u32 = 0;
    pub const TOPOLOGY_CHANGED: u32 = 2;
    pub const NODE_TYPE_CHANGED: u32 = 3;
    pub const FUNCTION_CHANGED: u32 = 4;
    pub const PARAMETERS_CHANGED: u32 = 5;
    pub const NOT_SUPPORTED: u32 = 6;
    pub const ATTRIBUTES_CHANGED: u32 = 8;
}

/// Why an update is refused: the result, the node, and the other end of its edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch {
    pub result: u32,
    pub node: Id,
    pub from: Id,
}

pub const AUTO_FREE: u64 = 1;
pub const UPLOAD: u64 = 2;
pub const DEVICE_LAUNCH: u64 = 4;
const USE_PRIORITY: u64 = 8;

/// Makes a graph executable.
pub fn instantiate(host: &dyn Host, graph: u64, flags: u64) -> Result<Id, (Code, Option<Fault>)> {
    let plainly = |code| (code, None);
    let context = host.context().map_err(plainly)?;
    if flags & !(AUTO_FREE | UPLOAD | DEVICE_LAUNCH | USE_PRIORITY) != 0 {
        return Err(plainly(CUDA_ERROR_INVALID_VALUE));
    }
    if flags & DEVICE_LAUNCH != 0 {
        return Err(plainly(CUDA_ERROR_NOT_SUPPORTED));
    }
    let (id, plan) = {
        let mut state = state();
        state.graph(graph).map_err(plainly)?;
        let source = Id(graph);
        // Only one at a time may be made of a graph with conditional or memory nodes.
        let conditional = state.graph(graph).is_ok_and(|graph| !graph.conditionals.is_empty());
        let once = conditional || state.has_memory_nodes(source);
        if once && state.execs.iter().any(|(_, exec)| exec.source == source) {
            return Err(plainly(CUDA_ERROR_NOT_SUPPORTED));
        }
        let plan = state.plan(source).map_err(|fault| (fault.into(), Some(fault)))?;
        let graph = state.copy_graph(source, Owner::Exec).map_err(plainly)?;
        let number = state.next_exec_number();
        let exec = Exec { number, flags: flags & !UPLOAD, graph, source, context };
        (state.execs.insert(exec).ok_or(plainly(CUDA_ERROR_OUT_OF_MEMORY))?, plan)
    };
    host.instantiate(id, Id(graph), context, Arc::new(plan)).map_err(|code| {
        let mut aftermath = Aftermath::default();
        let mut state = state();
        if let Some(exec) = state.execs.remove(id) {
            state.remove_graph(exec.graph, &mut aftermath);
        }
        drop(state);
        crate::api::finish(host, aftermath);
        (code, None)
    })?;
    Ok(id)
}

/// Changes an executable graph: first in the books, where the change may be refused, then for whoever executes it.
pub fn change(
    host: &dyn Host,
    exec: u64,
    change: impl FnOnce(&mut State, Id) -> Result<(), Code>,
) -> Result<(), Code> {
    let (source, context, plan) = {
        let mut state = state();
        let (graph, source, context) = {
            let exec = state.exec(exec)?;
            (exec.graph, exec.source, exec.context)
        };
        change(&mut state, graph)?;
        (source, context, planned(&state, graph)?)
    };
    host.instantiate(Id(exec), source, context, plan)
}

fn planned(state: &State, graph: Id) -> Result<Arc<Plan>, Code> {
    Ok(Arc::new(state.plan(graph)?))
}

impl State {
    /// What a node of the program's became in an executable graph.
    pub fn within_exec(&self, graph: Id, node: u64) -> Result<Id, Code> {
        let copies = &self.graphs.get(graph).ok_or(CUDA_ERROR_INVALID_VALUE)?.copies;
        let copy = copies.get(&Id(node)).copied().ok_or(CUDA_ERROR_INVALID_VALUE)?;
        self.node(copy.0)?;
        Ok(copy)
    }

    /// Sets what one node of an executable graph does.
    pub fn set_in_exec(&mut self, graph: Id, node: u64, work: Work) -> Result<(), Code> {
        let copy = self.within_exec(graph, node)?;
        let node = self.node_mut(copy.0)?;
        match &node.does {
            Does::Plain(old) if difference(old, &work) == update::SUCCESS => {
                node.does = Does::Plain(work);
                Ok(())
            }
            _ => Err(CUDA_ERROR_INVALID_VALUE),
        }
    }

    /// Compares two graphs, node by node in the order in which they were made.
    pub fn compare(&self, old: Id, new: Id) -> Result<(), Mismatch> {
        let generic = |result| Mismatch { result, node: Id(0), from: Id(0) };
        let (Some(old), Some(new)) = (self.graphs.get(old), self.graphs.get(new)) else {
            return Err(generic(update::TOPOLOGY_CHANGED));
        };
        if old.nodes.len() != new.nodes.len() {
            let extra = new.nodes.get(old.nodes.len()).copied().unwrap_or(Id(0));
            return Err(Mismatch { result: update::TOPOLOGY_CHANGED, node: extra, from: Id(0) });
        }
        let places = |nodes: &[Id]| nodes.iter().copied().zip(0..).collect::<HashMap<Id, usize>>();
        let (old_places, new_places) = (places(&old.nodes), places(&new.nodes));
        for (old_id, new_id) in old.nodes.iter().zip(&new.nodes) {
            let (Some(before), Some(after)) = (self.nodes.get(*old_id), self.nodes.get(*new_id)) else {
                return Err(generic(update::TOPOLOGY_CHANGED));
            };
            let mismatch = |result, from| Mismatch { result, node: *new_id, from };
            if before.does.node_type() != after.does.node_type() {
                return Err(mismatch(update::NODE_TYPE_CHANGED, Id(0)));
            }
            let edges = |places: &HashMap<Id, usize>, edges: &[Edge]| {
                let mut edges: Vec<_> =
                    edges.iter().map(|edge| (places.get(&edge.from).copied(), edge.data)).collect();
                edges.sort_unstable();
                edges
            };
            if edges(&old_places, &before.after) != edges(&new_places, &after.after) {
                let from = after.after.first().map_or(Id(0), |edge| edge.from);
                return Err(mismatch(update::TOPOLOGY_CHANGED, from));
            }
            match (&before.does, &after.does) {
                (Does::Plain(old), Does::Plain(new)) => match difference(old, new) {
                    update::SUCCESS => {}
                    result => return Err(mismatch(result, Id(0))),
                },
                (Does::Allocate(old) | Does::Free(old), Does::Allocate(new) | Does::Free(new)) => {
                    if old != new {
                        return Err(mismatch(update::PARAMETERS_CHANGED, Id(0)));
                    }
                }
                (old, new) => {
                    if old.graphs().len() != new.graphs().len() {
                        return Err(mismatch(update::PARAMETERS_CHANGED, Id(0)));
                    }
                    for (old, new) in old.graphs().iter().zip(new.graphs()) {
                        self.compare(*old, *new)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes over what the nodes of a like graph do.
    pub fn take_over(&mut self, old: Id, new: Id) -> Result<(), Code> {
        let nodes = |graph| self.graphs.get(graph).map(|graph| graph.nodes.clone()).unwrap_or_default();
        let pairs: Vec<(Id, Id)> = nodes(old).into_iter().zip(nodes(new)).collect();
        for (old, new) in pairs {
            let theirs = self.node(new.0)?.does.clone();
            let ours = self.node(old.0)?.does.clone();
            match theirs {
                Does::Plain(work) => self.node_mut(old.0)?.does = Does::Plain(work),
                theirs => {
                    for (ours, theirs) in ours.graphs().iter().zip(theirs.graphs()) {
                        self.take_over(*ours, *theirs)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// What CUDA would not change about a node of an executable graph.
fn difference(old: &Work, new: &Work) -> u32 {
    match (old, new) {
        (Work::Kernel(old), Work::Kernel(new)) if old.context != new.context => update::FUNCTION_CHANGED,
        (Work::Kernel(old), Work::Kernel(new)) => {
            let cooperative = |kernel: &farwarp_protocol::graph::Kernel| {
                kernel.attributes.iter().any(|(id, value)| *id == crate::params::COOPERATIVE && value[0] != 0)
            };
            if cooperative(old) == cooperative(new) { update::SUCCESS } else { update::ATTRIBUTES_CHANGED }
        }
        (Work::Copy(old), Work::Copy(new)) => {
            let kinds = |copy: &farwarp_protocol::graph::Copy| (copy.to.host, copy.from.host, copy.context);
            let linear = |copy: &farwarp_protocol::graph::Copy| copy.shape[1] == 1 && copy.shape[2] == 1;
            match () {
                _ if kinds(old) != kinds(new) => update::PARAMETERS_CHANGED,
                _ if linear(old) != linear(new) => update::PARAMETERS_CHANGED,
                _ => update::SUCCESS,
            }
        }
        (Work::Fill(old), Work::Fill(new)) if old.context != new.context => update::PARAMETERS_CHANGED,
        (Work::Fill(old), Work::Fill(new)) if (old.height == 1) != (new.height == 1) => {
            update::PARAMETERS_CHANGED
        }
        (Work::MemoryOperations(old), Work::MemoryOperations(new)) => {
            let kinds = |batch: &farwarp_protocol::graph::MemoryOperations| {
                batch.operations.iter().map(|operation| operation.operation).collect::<Vec<_>>()
            };
            if kinds(old) == kinds(new) { update::SUCCESS } else { update::PARAMETERS_CHANGED }
        }
        (Work::Conditional(_), Work::Conditional(_)) => update::NOT_SUPPORTED,
        (old, new) if std::mem::discriminant(old) == std::mem::discriminant(new) => update::SUCCESS,
        _ => update::NODE_TYPE_CHANGED,
    }
}
