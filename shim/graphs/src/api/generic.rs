//! Nodes of any type through one struct, `CUgraphNodeParams`.
#![allow(unsafe_code)]
// follows the program's own pointers, as the driver would.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use super::add::{add_child, edges};
use super::executing::set_in_exec;
use crate::graph::{Does, Edge, EdgeData, Owner, node_type};
use crate::host::Host;
use crate::mirror::{self, NodeParams};
use crate::params::{self, give, read};
use crate::state::state;
use farwarp_protocol::error::*;
use farwarp_protocol::graph::{BODIES_MAX, Work};
use farwarp_protocol::handle::Id;

/// The member of the union, which begins where the union does.
fn member<T: Copy>(given: &NodeParams) -> T {
    const { assert!(size_of::<T>() <= size_of::<[u64; 29]>() && align_of::<T>() <= align_of::<u64>()) };
    // SAFETY: T is one of the mirrors, any bytes are one, and the union is larger and as aligned.
    unsafe { given.body.as_ptr().cast::<T>().read() }
}

fn as_params<T>(node_type: u32, member: T) -> NodeParams {
    const { assert!(size_of::<T>() <= size_of::<[u64; 29]>() && align_of::<T>() <= align_of::<u64>()) };
    let mut shown = NodeParams { node_type, reserved: [0; 3], body: [0; 29], reserved2: 0 };
    // SAFETY: as above; padding in a mirror is not read as anything.
    unsafe { shown.body.as_mut_ptr().cast::<T>().write(member) };
    shown
}

/// What a node shall do, of the types that are no graphs themselves.
unsafe fn work(host: &dyn Host, given: &NodeParams) -> Result<Work, Code> {
    use node_type::*;
    match given.node_type {
        KERNEL => Ok(Work::Kernel(unsafe { params::kernel(host, &member(given)) }?)),
        COPY => {
            let node: mirror::CopyNode = member(given);
            let context = params::context(host, node.context)?;
            Ok(Work::Copy(params::copy(host, &node.copy, context)?))
        }
        FILL => {
            let node: mirror::Fill = member(given);
            let context = params::context(host, node.context)?;
            Ok(Work::Fill(params::fill(host, &node.base, context)?))
        }
        HOST => params::host_call(&member(given)),
        EMPTY => Ok(Work::Empty),
        WAIT_EVENT | RECORD_EVENT => {
            let event = given.body[0];
            host.check_event(event)?;
            Ok(if given.node_type == WAIT_EVENT { Work::WaitEvent(event) } else { Work::RecordEvent(event) })
        }
        MEMORY_OPERATIONS => Ok(Work::MemoryOperations(unsafe { params::operations(host, &member(given)) }?)),
        GRAPH | CONDITIONAL => Err(CUDA_ERROR_INVALID_VALUE),
        // Semaphores of other APIs; and what allocation nodes do does not change.
        other if other <= CONDITIONAL => Err(CUDA_ERROR_NOT_SUPPORTED),
        _ => Err(CUDA_ERROR_INVALID_VALUE),
    }
}

pub unsafe fn cuGraphAddNode_v2(
    host: &dyn Host,
    node: *mut u64,
    graph: u64,
    dependencies: *const u64,
    data: *const EdgeData,
    count: usize,
    params: *mut NodeParams,
) -> Result<(), Code> {
    host.ready()?;
    state().graph(graph)?;
    let given = unsafe { read(params) }?;
    if node.is_null() || given.reserved != [0; 3] || given.reserved2 != 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let after = unsafe { edges(dependencies, data, count) }?;
    match given.node_type {
        node_type::GRAPH => unsafe { add_child(node, graph, after, given.body[0]) },
        node_type::CONDITIONAL => unsafe { add_conditional(host, node, graph, after, given, params) },
        node_type::ALLOCATE => {
            let mut wanted: mirror::Allocation = member(&given);
            let made = unsafe { super::memory::add_allocation(host, graph, after, &mut wanted) }?;
            unsafe {
                give(params, as_params(given.node_type, wanted))?;
                give(node, made.0)
            }
        }
        node_type::FREE => {
            let made = super::memory::add_free(graph, after, given.body[0])?;
            unsafe { give(node, made.0) }
        }
        _ => {
            let work = unsafe { work(host, &given) }?;
            let id = state().add_node(Id(graph), Does::Plain(work), after)?;
            unsafe { give(node, id.0) }
        }
    }
}

pub unsafe fn cuGraphAddNode_v3(
    host: &dyn Host,
    node: *mut u64,
    graph: u64,
    dependencies: *const u64,
    data: *const EdgeData,
    count: usize,
    params: *mut NodeParams,
) -> Result<(), Code> {
    unsafe { cuGraphAddNode_v2(host, node, graph, dependencies, data, count, params) }
}

pub unsafe fn cuGraphAddNode(
    host: &dyn Host,
    node: *mut u64,
    graph: u64,
    dependencies: *const u64,
    count: usize,
    params: *mut NodeParams,
) -> Result<(), Code> {
    unsafe { cuGraphAddNode_v2(host, node, graph, dependencies, std::ptr::null(), count, params) }
}

/// `CUgraphConditionalNodeType`.
const IF: u32 = 0;
const WHILE: u32 = 1;
const SWITCH: u32 = 2;

/// A conditional node makes its bodies, which the program fills.
unsafe fn add_conditional(
    host: &dyn Host,
    node: *mut u64,
    graph: u64,
    after: Vec<Edge>,
    given: NodeParams,
    params: *mut NodeParams,
) -> Result<(), Code> {
    let mut wanted: mirror::Conditional = member(&given);
    let size = wanted.size as usize;
    let fits = match wanted.kind {
        IF => (1..=2).contains(&size),
        WHILE => size == 1,
        SWITCH => (1..=BODIES_MAX).contains(&size),
        _ => false,
    };
    if !fits {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let context = params::context(host, wanted.context)?;
    let mut state = state();
    let known = state.graphs.iter().any(|(_, graph)| graph.conditionals.contains(&wanted.handle));
    let taken = |graph: &crate::graph::Graph| {
        let nodes = graph.nodes.iter().filter_map(|id| state.nodes.get(*id));
        nodes
            .into_iter()
            .any(|node| matches!(&node.does, Does::Conditional { handle, .. } if *handle == wanted.handle))
    };
    let taken = state.graphs.iter().any(|(_, graph)| graph.owner != Owner::Exec && taken(graph));
    if !known || taken {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    state.check_edges(Id(graph), &after)?;
    let mut bodies = Vec::with_capacity(size);
    for _ in 0..size {
        bodies.push(state.new_graph(Owner::Node(Id(0)))?);
    }
    let shown: Box<[u64]> = bodies.iter().map(|body| body.0).collect();
    let does = Does::Conditional { context, handle: wanted.handle, kind: wanted.kind, bodies };
    let id = state.add_node(Id(graph), does, after)?;
    let made = state.node_mut(id.0)?;
    made.shown.words = shown;
    wanted.graphs = made.shown.words.as_ptr().expose_provenance() as u64;
    unsafe {
        give(params, as_params(given.node_type, wanted))?;
        give(node, id.0)
    }
}

pub unsafe fn cuGraphNodeSetParams(
    host: &dyn Host,
    node: u64,
    params: *const NodeParams,
) -> Result<(), Code> {
    host.ready()?;
    super::nodes::set(node, unsafe { work(host, &read(params)?) }?)
}

pub unsafe fn cuGraphNodeSetParams_v2(
    host: &dyn Host,
    node: u64,
    params: *const NodeParams,
) -> Result<(), Code> {
    unsafe { cuGraphNodeSetParams(host, node, params) }
}

pub unsafe fn cuGraphNodeGetParams(host: &dyn Host, node: u64, params: *mut NodeParams) -> Result<(), Code> {
    host.ready()?;
    let shown = {
        let mut state = state();
        let node = state.node_mut(node)?;
        let node_type = node.does.node_type();
        match &node.does {
            Does::Plain(Work::Kernel(_)) => as_params(node_type, params::show_kernel(host, node)?),
            Does::Plain(Work::Copy(_)) => {
                let (copy, context) = params::show_copy(node)?;
                as_params(node_type, mirror::CopyNode { flags: 0, reserved: 0, context, copy })
            }
            Does::Plain(Work::Fill(_)) => as_params(node_type, params::show_fill(node)?),
            Does::Plain(Work::Host { .. }) => as_params(node_type, params::show_host_call(node)?),
            Does::Plain(Work::RecordEvent(event) | Work::WaitEvent(event)) => as_params(node_type, *event),
            Does::Plain(Work::MemoryOperations(_)) => as_params(node_type, params::show_operations(node)?),
            Does::Plain(Work::Empty | Work::Conditional(_)) => as_params(node_type, 0u64),
            Does::Child(graph) => as_params(node_type, graph.0),
            &Does::Allocate(number) => as_params(node_type, super::memory::shown(&mut state, number)?),
            &Does::Free(number) => {
                let address = state.memory().get(number).ok_or(CUDA_ERROR_INVALID_VALUE)?.address;
                as_params(node_type, address)
            }
            Does::Conditional { context, handle, kind, bodies } => {
                let (context, handle, kind, size) = (*context, *handle, *kind, bodies.len() as u32);
                let graphs = node.shown.words.as_ptr().expose_provenance() as u64;
                as_params(node_type, mirror::Conditional { handle, kind, size, graphs, context })
            }
        }
    };
    unsafe { give(params, shown) }
}

pub unsafe fn cuGraphExecNodeSetParams(
    host: &dyn Host,
    exec: u64,
    node: u64,
    params: *const NodeParams,
) -> Result<(), Code> {
    host.ready()?;
    let given = unsafe { read(params) }?;
    if given.node_type == node_type::GRAPH {
        return unsafe { super::cuGraphExecChildGraphNodeSetParams(host, exec, node, given.body[0]) };
    }
    set_in_exec(host, exec, node, unsafe { work(host, &given) }?)
}
