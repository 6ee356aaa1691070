//! Allocations and frees as nodes, and what graphs hold of a device.
#![allow(unsafe_code)]
// follows the program's own pointers, as the driver would.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use super::add::edges;
use crate::graph::{Does, Edge, Owner};
use crate::host::Host;
use crate::mirror;
use crate::params::{give, list, read};
use crate::state::{State, state};
use farwarp_protocol::error::*;
use farwarp_protocol::handle::Id;

/// `CU_MEM_ALLOCATION_TYPE_PINNED`, `CU_MEM_LOCATION_TYPE_DEVICE` and `CU_MEM_ACCESS_FLAGS_PROT_READWRITE`.
const PINNED: u32 = 1;
const DEVICE: u32 = 1;
const READ_WRITE: u32 = 3;

pub unsafe fn cuGraphAddMemAllocNode(
    host: &dyn Host,
    node: *mut u64,
    graph: u64,
    dependencies: *const u64,
    count: usize,
    params: *mut mirror::Allocation,
) -> Result<(), Code> {
    host.ready()?;
    state().graph(graph)?;
    let mut wanted = unsafe { read(params) }?;
    if node.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let after = unsafe { edges(dependencies, std::ptr::null(), count) }?;
    let made = unsafe { add_allocation(host, graph, after, &mut wanted) }?;
    unsafe {
        give(params, wanted)?;
        give(node, made.0)
    }
}

/// Memory that no node names yet: its number and address.
pub(crate) fn allocated(host: &dyn Host, context: u64, bytes: u64, pool: u64) -> Result<(u64, u64), Code> {
    if bytes == 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let (address, device) = host.allocate(context, bytes, pool)?;
    Ok((state().memory().add(address, bytes, context, device), address))
}

pub(super) unsafe fn add_allocation(
    host: &dyn Host,
    graph: u64,
    after: Vec<Edge>,
    wanted: &mut mirror::Allocation,
) -> Result<Id, Code> {
    if wanted.kind != PINNED || wanted.location_kind != DEVICE || wanted.bytes == 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    host.check_device(wanted.location)?;
    let context = host.context()?;
    let access = std::ptr::with_exposed_provenance::<mirror::Access>(wanted.access as usize);
    let others = unsafe { list(access, wanted.access_count as usize) }?;
    let own = |access: &mirror::Access| {
        access.location_kind == DEVICE && access.location == wanted.location && access.flags == READ_WRITE
    };
    if wanted.handle_types != 0 || !others.iter().all(own) {
        return Err(CUDA_ERROR_NOT_SUPPORTED);
    }
    takes_memory_nodes(&state(), graph)?;
    state().check_edges(Id(graph), &after)?;
    let (number, address) = allocated(host, context, wanted.bytes, 0)?;
    wanted.address = address;
    let mut state = state();
    if state.memory().get(number).is_none_or(|made| made.device != wanted.location) {
        // The memory of another device than the current context's.
        let mut aftermath = Default::default();
        state.memory().named(number);
        state.memory().unnamed(number, &mut aftermath);
        drop(state);
        super::finish(host, aftermath);
        return Err(CUDA_ERROR_NOT_SUPPORTED);
    }
    state.add_node(Id(graph), Does::Allocate(number), after)
}

/// The body of a conditional node has none.
fn takes_memory_nodes(state: &State, graph: u64) -> Result<(), Code> {
    if state.graph(graph)?.owner == Owner::Program { Ok(()) } else { Err(CUDA_ERROR_NOT_SUPPORTED) }
}

pub unsafe fn cuGraphAddMemFreeNode(
    host: &dyn Host,
    node: *mut u64,
    graph: u64,
    dependencies: *const u64,
    count: usize,
    address: u64,
) -> Result<(), Code> {
    host.ready()?;
    state().graph(graph)?;
    if node.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let after = unsafe { edges(dependencies, std::ptr::null(), count) }?;
    let made = add_free(graph, after, address)?;
    unsafe { give(node, made.0) }
}

/// Only what a graph has allocated, and in one graph only once.
pub(super) fn add_free(graph: u64, after: Vec<Edge>, address: u64) -> Result<Id, Code> {
    let mut state = state();
    takes_memory_nodes(&state, graph)?;
    let number = state.memory().number_at(address).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    if state.contains(Id(graph), &|node| matches!(node.does, Does::Free(other) if other == number)) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    state.add_node(Id(graph), Does::Free(number), after)
}

/// The struct of an allocation node.
pub(super) fn shown(state: &mut State, number: u64) -> Result<mirror::Allocation, Code> {
    let made = *state.memory().get(number).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    Ok(mirror::Allocation {
        kind: PINNED,
        handle_types: 0,
        location_kind: DEVICE,
        location: made.device,
        win32: 0,
        max_bytes: 0,
        usage: 0,
        reserved: [0; 54],
        access: 0,
        access_count: 0,
        bytes: made.bytes,
        address: made.address,
    })
}

pub unsafe fn cuGraphMemAllocNodeGetParams(
    host: &dyn Host,
    node: u64,
    params: *mut mirror::Allocation,
) -> Result<(), Code> {
    host.ready()?;
    let found = {
        let mut state = state();
        let Does::Allocate(number) = state.node(node)?.does else { return Err(CUDA_ERROR_INVALID_VALUE) };
        shown(&mut state, number)?
    };
    unsafe { give(params, found) }
}

pub unsafe fn cuGraphMemFreeNodeGetParams(host: &dyn Host, node: u64, address: *mut u64) -> Result<(), Code> {
    host.ready()?;
    let found = {
        let mut state = state();
        let Does::Free(number) = state.node(node)?.does else { return Err(CUDA_ERROR_INVALID_VALUE) };
        state.memory().get(number).ok_or(CUDA_ERROR_INVALID_VALUE)?.address
    };
    unsafe { give(address, found) }
}

/// `CUgraphMem_attribute`: bytes in use and reserved, now and at most.
const USED: u32 = 0;
const USED_HIGH: u32 = 1;
const RESERVED: u32 = 2;
const RESERVED_HIGH: u32 = 3;

/// Graphs hold no more than they name, so there is nothing to give back.
pub unsafe fn cuDeviceGraphMemTrim(host: &dyn Host, device: i32) -> Result<(), Code> {
    host.ready()?;
    host.check_device(device)
}

pub unsafe fn cuDeviceGetGraphMemAttribute(
    host: &dyn Host,
    device: i32,
    attribute: u32,
    value: *mut u64,
) -> Result<(), Code> {
    host.ready()?;
    host.check_device(device)?;
    let sums = *state().memory().sums(device);
    let found = match attribute {
        USED => sums.used,
        USED_HIGH => sums.used_high,
        RESERVED => sums.reserved,
        RESERVED_HIGH => sums.reserved_high,
        _ => return Err(CUDA_ERROR_INVALID_VALUE),
    };
    unsafe { give(value, found) }
}

/// The figures "at most" can be reset; the others only be asked.
pub unsafe fn cuDeviceSetGraphMemAttribute(
    host: &dyn Host,
    device: i32,
    attribute: u32,
    value: *const u64,
) -> Result<(), Code> {
    host.ready()?;
    host.check_device(device)?;
    if unsafe { read(value) }? != 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let mut state = state();
    let sums = state.memory().sums(device);
    match attribute {
        USED_HIGH => sums.used_high = sums.used,
        RESERVED_HIGH => sums.reserved_high = sums.reserved,
        _ => return Err(CUDA_ERROR_INVALID_VALUE),
    }
    Ok(())
}
