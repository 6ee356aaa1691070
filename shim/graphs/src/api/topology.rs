//! What is in a graph: nodes, edges, numbers.
#![allow(unsafe_code)]
// follows the program's own pointers, as the driver would.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use super::add::edges;
use crate::graph::{Edge, EdgeData};
use crate::host::Host;
use crate::params::{LIST_MAX, give, give_if_wanted, list, read};
use crate::state::{State, state};
use farwarp_protocol::error::*;
use farwarp_protocol::handle::Id;
use std::ffi::{CStr, c_char};

/// Answers with an array: its length where no place is given, else as much as fits, zeros behind it, and how many there were.
unsafe fn give_list(rows: &[(&[u64], *mut u64)], count: *mut usize) -> Result<(), Code> {
    let room = unsafe { read(count) }?;
    let length = rows[0].0.len();
    if rows.iter().all(|(_, to)| to.is_null()) {
        return unsafe { give(count, length) };
    }
    if room > LIST_MAX {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    for (values, to) in rows.iter().filter(|(_, to)| !to.is_null()) {
        for index in 0..room {
            unsafe { to.add(index).write_unaligned(values.get(index).copied().unwrap_or(0)) };
        }
    }
    unsafe { give(count, length.min(room)) }
}

fn numbers(ids: &[Id]) -> Vec<u64> {
    ids.iter().map(|id| id.0).collect()
}

fn words(data: &[EdgeData]) -> Vec<u64> {
    data.iter().map(|data| u64::from_ne_bytes(*data)).collect()
}

pub unsafe fn cuGraphGetNodes(
    host: &dyn Host,
    graph: u64,
    nodes: *mut u64,
    count: *mut usize,
) -> Result<(), Code> {
    host.ready()?;
    let all = numbers(&state().graph(graph)?.nodes);
    unsafe { give_list(&[(&all, nodes)], count) }
}

pub unsafe fn cuGraphGetRootNodes(
    host: &dyn Host,
    graph: u64,
    nodes: *mut u64,
    count: *mut usize,
) -> Result<(), Code> {
    host.ready()?;
    let roots: Vec<u64> = {
        let state = state();
        let all = state.graph(graph)?.nodes.iter();
        all.filter(|id| state.nodes.get(**id).is_some_and(|node| node.after.is_empty()))
            .map(|id| id.0)
            .collect()
    };
    unsafe { give_list(&[(&roots, nodes)], count) }
}

pub unsafe fn cuGraphGetEdges_v2(
    host: &dyn Host,
    graph: u64,
    from: *mut u64,
    to: *mut u64,
    data: *mut EdgeData,
    count: *mut usize,
) -> Result<(), Code> {
    host.ready()?;
    let edges = {
        let state = state();
        state.edges(state.graph(graph)?)
    };
    let column = |of: fn(&(Id, Id, EdgeData)) -> u64| edges.iter().map(of).collect::<Vec<u64>>();
    let (starts, ends) = (column(|edge| edge.0.0), column(|edge| edge.1.0));
    let kinds = column(|edge| u64::from_ne_bytes(edge.2));
    lossless(&kinds, data, from.is_null() && to.is_null())?;
    unsafe { give_list(&[(&starts, from), (&ends, to), (&kinds, data.cast())], count) }
}

pub unsafe fn cuGraphGetEdges(
    host: &dyn Host,
    graph: u64,
    from: *mut u64,
    to: *mut u64,
    count: *mut usize,
) -> Result<(), Code> {
    unsafe { cuGraphGetEdges_v2(host, graph, from, to, std::ptr::null_mut(), count) }
}

/// Who does not ask for edge data must not miss any.
fn lossless(kinds: &[u64], data: *const EdgeData, only_counts: bool) -> Result<(), Code> {
    let missed = data.is_null() && !only_counts && kinds.iter().any(|kind| *kind != 0);
    if missed { Err(CUDA_ERROR_LOSSY_QUERY) } else { Ok(()) }
}

pub unsafe fn cuGraphNodeGetDependencies_v2(
    host: &dyn Host,
    node: u64,
    nodes: *mut u64,
    data: *mut EdgeData,
    count: *mut usize,
) -> Result<(), Code> {
    host.ready()?;
    let after = state().node(node)?.after.clone();
    let (from, kinds): (Vec<Id>, Vec<EdgeData>) = after.iter().map(|edge| (edge.from, edge.data)).unzip();
    unsafe { give_neighbours(&from, &kinds, nodes, data, count) }
}

pub unsafe fn cuGraphNodeGetDependencies(
    host: &dyn Host,
    node: u64,
    nodes: *mut u64,
    count: *mut usize,
) -> Result<(), Code> {
    unsafe { cuGraphNodeGetDependencies_v2(host, node, nodes, std::ptr::null_mut(), count) }
}

pub unsafe fn cuGraphNodeGetDependentNodes_v2(
    host: &dyn Host,
    node: u64,
    nodes: *mut u64,
    data: *mut EdgeData,
    count: *mut usize,
) -> Result<(), Code> {
    host.ready()?;
    let (to, kinds): (Vec<Id>, Vec<EdgeData>) = state().dependents(Id(node))?.into_iter().unzip();
    unsafe { give_neighbours(&to, &kinds, nodes, data, count) }
}

pub unsafe fn cuGraphNodeGetDependentNodes(
    host: &dyn Host,
    node: u64,
    nodes: *mut u64,
    count: *mut usize,
) -> Result<(), Code> {
    unsafe { cuGraphNodeGetDependentNodes_v2(host, node, nodes, std::ptr::null_mut(), count) }
}

unsafe fn give_neighbours(
    ids: &[Id],
    kinds: &[EdgeData],
    nodes: *mut u64,
    data: *mut EdgeData,
    count: *mut usize,
) -> Result<(), Code> {
    let kinds = words(kinds);
    lossless(&kinds, data, nodes.is_null())?;
    unsafe { give_list(&[(&numbers(ids), nodes), (&kinds, data.cast())], count) }
}

pub unsafe fn cuGraphAddDependencies_v2(
    host: &dyn Host,
    graph: u64,
    from: *const u64,
    to: *const u64,
    data: *const EdgeData,
    count: usize,
) -> Result<(), Code> {
    host.ready()?;
    let pairs = unsafe { pairs(graph, from, to, data, count) }?;
    let mut state = state();
    for (at, (edge, to)) in pairs.iter().enumerate() {
        let known = state.node(to.0)?.after.iter().any(|other| other.from == edge.from);
        let twice = pairs[..at].iter().any(|(other, target)| other.from == edge.from && target == to);
        if known || twice {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
    }
    for (edge, to) in pairs {
        state.node_mut(to.0)?.after.push(edge);
    }
    Ok(())
}

pub unsafe fn cuGraphAddDependencies(
    host: &dyn Host,
    graph: u64,
    from: *const u64,
    to: *const u64,
    count: usize,
) -> Result<(), Code> {
    unsafe { cuGraphAddDependencies_v2(host, graph, from, to, std::ptr::null(), count) }
}

pub unsafe fn cuGraphRemoveDependencies_v2(
    host: &dyn Host,
    graph: u64,
    from: *const u64,
    to: *const u64,
    data: *const EdgeData,
    count: usize,
) -> Result<(), Code> {
    host.ready()?;
    let pairs = unsafe { pairs(graph, from, to, data, count) }?;
    let mut state = state();
    if state.has_memory_nodes(Id(graph)) {
        return Err(CUDA_ERROR_NOT_SUPPORTED);
    }
    let there = |state: &State, (edge, to): &(Edge, Id)| {
        state.nodes.get(*to).is_some_and(|node| node.after.contains(edge))
    };
    if !pairs.iter().all(|pair| there(&state, pair)) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    for (edge, to) in pairs {
        state.node_mut(to.0)?.after.retain(|other| *other != edge);
    }
    Ok(())
}

pub unsafe fn cuGraphRemoveDependencies(
    host: &dyn Host,
    graph: u64,
    from: *const u64,
    to: *const u64,
    count: usize,
) -> Result<(), Code> {
    unsafe { cuGraphRemoveDependencies_v2(host, graph, from, to, std::ptr::null(), count) }
}

/// Edges between nodes of one graph.
unsafe fn pairs(
    graph: u64,
    from: *const u64,
    to: *const u64,
    data: *const EdgeData,
    count: usize,
) -> Result<Vec<(Edge, Id)>, Code> {
    let state = state();
    state.graph(graph)?;
    let edges = unsafe { edges(from, data, count) }?;
    let to = unsafe { list(to, count) }?;
    let within = |node: u64| state.node(node).is_ok_and(|node| node.graph == Id(graph));
    let pairs: Vec<(Edge, Id)> = edges.into_iter().zip(to).map(|(edge, to)| (edge, Id(to))).collect();
    let lawful = |(edge, to): &(Edge, Id)| edge.from != *to && within(edge.from.0) && within(to.0);
    if pairs.iter().all(lawful) { Ok(pairs) } else { Err(CUDA_ERROR_INVALID_VALUE) }
}

pub unsafe fn cuGraphNodeFindInClone(
    host: &dyn Host,
    found: *mut u64,
    original: u64,
    clone: u64,
) -> Result<(), Code> {
    host.ready()?;
    let copy = {
        let state = state();
        let copy = state.graph(clone)?.copies.get(&Id(original)).copied().ok_or(CUDA_ERROR_INVALID_VALUE)?;
        state.node(copy.0)?;
        copy
    };
    unsafe { give(found, copy.0) }
}

pub unsafe fn cuGraphNodeGetType(host: &dyn Host, node: u64, node_type: *mut u32) -> Result<(), Code> {
    host.ready()?;
    let found = state().node(node)?.does.node_type();
    unsafe { give(node_type, found) }
}

pub unsafe fn cuGraphNodeGetContainingGraph(host: &dyn Host, node: u64, graph: *mut u64) -> Result<(), Code> {
    host.ready()?;
    let found = state().node(node)?.graph;
    unsafe { give(graph, found.0) }
}

pub unsafe fn cuGraphNodeGetLocalId(host: &dyn Host, node: u64, number: *mut u32) -> Result<(), Code> {
    host.ready()?;
    let found = state().node(node)?.local;
    unsafe { give(number, found) }
}

/// Its graph's number and its own.
pub unsafe fn cuGraphNodeGetToolsId(host: &dyn Host, node: u64, number: *mut u64) -> Result<(), Code> {
    host.ready()?;
    let found = {
        let state = state();
        let node = state.node(node)?;
        let graph = state.graphs.get(node.graph).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        u64::from(graph.number) << 32 | u64::from(node.local)
    };
    unsafe { give(number, found) }
}

pub unsafe fn cuGraphGetId(host: &dyn Host, graph: u64, number: *mut u32) -> Result<(), Code> {
    host.ready()?;
    let found = state().graph(graph)?.number;
    unsafe { give(number, found) }
}

/// The file is the client's.
pub unsafe fn cuGraphDebugDotPrint(
    host: &dyn Host,
    graph: u64,
    path: *const c_char,
    flags: u32,
) -> Result<(), Code> {
    host.ready()?;
    if path.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let text = {
        let state = state();
        state.graph(graph)?;
        state.dot(Id(graph), flags)
    };
    // SAFETY: not NULL, hence a NUL-terminated string by the program's promise.
    let path = unsafe { CStr::from_ptr(path) }.to_str().map_err(|_| CUDA_ERROR_INVALID_VALUE)?;
    std::fs::write(path, text).map_err(|_| CUDA_ERROR_OPERATING_SYSTEM)
}

pub unsafe fn cuGraphChildGraphNodeGetGraph(host: &dyn Host, node: u64, graph: *mut u64) -> Result<(), Code> {
    host.ready()?;
    let child = match state().node(node)?.does {
        crate::graph::Does::Child(child) => child,
        _ => return Err(CUDA_ERROR_INVALID_VALUE),
    };
    unsafe { give_if_wanted(graph, child.0) };
    Ok(())
}
