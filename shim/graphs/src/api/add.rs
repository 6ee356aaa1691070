//! Graphs made and unmade, and nodes added to them.
#![allow(unsafe_code)]
// follows the program's own pointers, as the driver would.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use super::finish;
use crate::graph::{Does, Edge, EdgeData, Owner};
use crate::host::Host;
use crate::mirror;
use crate::params::{self, give, list, read};
use crate::state::{State, state};
use farwarp_protocol::error::*;
use farwarp_protocol::graph::Work;
use farwarp_protocol::handle::Id;

pub unsafe fn cuGraphCreate(host: &dyn Host, graph: *mut u64, flags: u32) -> Result<(), Code> {
    host.ready()?;
    if graph.is_null() || flags != 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let id = state().new_graph(Owner::Program)?;
    unsafe { give(graph, id.0) }
}

pub unsafe fn cuGraphDestroy(host: &dyn Host, graph: u64) -> Result<(), Code> {
    host.ready()?;
    let aftermath = state().destroy_graph(graph)?;
    finish(host, aftermath);
    Ok(())
}

pub unsafe fn cuGraphDestroyNode(host: &dyn Host, node: u64) -> Result<(), Code> {
    host.ready()?;
    let aftermath = state().destroy_node(Id(node))?;
    finish(host, aftermath);
    Ok(())
}

pub unsafe fn cuGraphClone(host: &dyn Host, clone: *mut u64, original: u64) -> Result<(), Code> {
    host.ready()?;
    if clone.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let mut state = state();
    state.graph(original)?;
    cloneable(&state, original)?;
    let id = state.copy_graph(Id(original), Owner::Program)?;
    unsafe { give(clone, id.0) }
}

/// A graph with conditional or memory nodes is there once.
fn cloneable(state: &State, graph: u64) -> Result<(), Code> {
    if state.has_memory_nodes(Id(graph))
        || state.contains(Id(graph), &|node| matches!(node.does, Does::Conditional { .. }))
    {
        return Err(CUDA_ERROR_NOT_SUPPORTED);
    }
    Ok(())
}

/// What the new node waits for.
pub(super) unsafe fn edges(
    dependencies: *const u64,
    data: *const EdgeData,
    count: usize,
) -> Result<Vec<Edge>, Code> {
    let nodes = unsafe { list(dependencies, count) }?;
    let data = if data.is_null() { vec![[0; 8]; count] } else { unsafe { list(data, count) }? };
    Ok(nodes.into_iter().zip(data).map(|(from, data)| Edge { from: Id(from), data }).collect())
}

unsafe fn add(
    node: *mut u64,
    graph: u64,
    dependencies: *const u64,
    count: usize,
    work: impl FnOnce() -> Result<Work, Code>,
) -> Result<(), Code> {
    state().graph(graph)?;
    if node.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let after = unsafe { edges(dependencies, std::ptr::null(), count) }?;
    let work = work()?;
    let id = state().add_node(Id(graph), Does::Plain(work), after)?;
    unsafe { give(node, id.0) }
}

pub unsafe fn cuGraphAddKernelNode_v2(
    host: &dyn Host,
    node: *mut u64,
    graph: u64,
    dependencies: *const u64,
    count: usize,
    params: *const mirror::Kernel,
) -> Result<(), Code> {
    host.ready()?;
    let work = || Ok(Work::Kernel(unsafe { params::kernel(host, &read(params)?) }?));
    unsafe { add(node, graph, dependencies, count, work) }
}

pub unsafe fn cuGraphAddKernelNode(
    host: &dyn Host,
    node: *mut u64,
    graph: u64,
    dependencies: *const u64,
    count: usize,
    params: *const mirror::KernelV1,
) -> Result<(), Code> {
    host.ready()?;
    let work = || {
        let params = mirror::Kernel { base: unsafe { read(params) }?, kernel: 0, context: 0 };
        Ok(Work::Kernel(unsafe { params::kernel(host, &params) }?))
    };
    unsafe { add(node, graph, dependencies, count, work) }
}

pub unsafe fn cuGraphAddMemcpyNode(
    host: &dyn Host,
    node: *mut u64,
    graph: u64,
    dependencies: *const u64,
    count: usize,
    params: *const mirror::Copy,
    context: u64,
) -> Result<(), Code> {
    host.ready()?;
    let work = || {
        let context = params::context(host, context)?;
        Ok(Work::Copy(params::copy(host, &unsafe { read(params) }?, context)?))
    };
    unsafe { add(node, graph, dependencies, count, work) }
}

pub unsafe fn cuGraphAddMemsetNode(
    host: &dyn Host,
    node: *mut u64,
    graph: u64,
    dependencies: *const u64,
    count: usize,
    params: *const mirror::FillV1,
    context: u64,
) -> Result<(), Code> {
    host.ready()?;
    let work = || {
        let context = params::context(host, context)?;
        Ok(Work::Fill(params::fill(host, &unsafe { read(params) }?, context)?))
    };
    unsafe { add(node, graph, dependencies, count, work) }
}

pub unsafe fn cuGraphAddHostNode(
    host: &dyn Host,
    node: *mut u64,
    graph: u64,
    dependencies: *const u64,
    count: usize,
    params: *const mirror::HostCall,
) -> Result<(), Code> {
    host.ready()?;
    unsafe { add(node, graph, dependencies, count, || params::host_call(&read(params)?)) }
}

pub unsafe fn cuGraphAddEmptyNode(
    host: &dyn Host,
    node: *mut u64,
    graph: u64,
    dependencies: *const u64,
    count: usize,
) -> Result<(), Code> {
    host.ready()?;
    unsafe { add(node, graph, dependencies, count, || Ok(Work::Empty)) }
}

pub unsafe fn cuGraphAddEventRecordNode(
    host: &dyn Host,
    node: *mut u64,
    graph: u64,
    dependencies: *const u64,
    count: usize,
    event: u64,
) -> Result<(), Code> {
    host.ready()?;
    let work = || host.check_event(event).map(|()| Work::RecordEvent(event));
    unsafe { add(node, graph, dependencies, count, work) }
}

pub unsafe fn cuGraphAddEventWaitNode(
    host: &dyn Host,
    node: *mut u64,
    graph: u64,
    dependencies: *const u64,
    count: usize,
    event: u64,
) -> Result<(), Code> {
    host.ready()?;
    let work = || host.check_event(event).map(|()| Work::WaitEvent(event));
    unsafe { add(node, graph, dependencies, count, work) }
}

pub unsafe fn cuGraphAddBatchMemOpNode(
    host: &dyn Host,
    node: *mut u64,
    graph: u64,
    dependencies: *const u64,
    count: usize,
    params: *const mirror::MemoryOperations,
) -> Result<(), Code> {
    host.ready()?;
    let work = || Ok(Work::MemoryOperations(unsafe { params::operations(host, &read(params)?) }?));
    unsafe { add(node, graph, dependencies, count, work) }
}

pub unsafe fn cuGraphAddChildGraphNode(
    host: &dyn Host,
    node: *mut u64,
    graph: u64,
    dependencies: *const u64,
    count: usize,
    child: u64,
) -> Result<(), Code> {
    host.ready()?;
    let after = unsafe { edges(dependencies, std::ptr::null(), count) }?;
    unsafe { add_child(node, graph, after, child) }
}

/// The child is a copy: what the program does to its own graph later is not seen in it.
pub(super) unsafe fn add_child(node: *mut u64, graph: u64, after: Vec<Edge>, child: u64) -> Result<(), Code> {
    let mut state = state();
    state.graph(graph)?;
    state.graph(child)?;
    if node.is_null() || graph == child {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    cloneable(&state, child)?;
    state.check_edges(Id(graph), &after)?;
    let copy = state.copy_graph(Id(child), Owner::Node(Id(0)))?;
    let id = state.add_node(Id(graph), Does::Child(copy), after)?;
    unsafe { give(node, id.0) }
}

pub unsafe fn cuGraphConditionalHandleCreate(
    host: &dyn Host,
    handle: *mut u64,
    graph: u64,
    context: u64,
    default: u32,
    flags: u32,
) -> Result<(), Code> {
    /// `CU_GRAPH_COND_ASSIGN_DEFAULT`.
    const ASSIGN_DEFAULT: u32 = 1;
    host.ready()?;
    if handle.is_null() || flags & !ASSIGN_DEFAULT != 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let context = params::context(host, context)?;
    if state().graph(graph)?.owner != Owner::Program {
        // The handle of a node inside a body belongs to the whole graph's.
        return Err(CUDA_ERROR_NOT_SUPPORTED);
    }
    let made = host.new_conditional(Id(graph), context, default, flags)?;
    state().graph_mut(Id(graph))?.conditionals.push(made);
    unsafe { give(handle, made) }
}
