//! Captures begun, asked about, changed and ended.
#![allow(unsafe_code)]
// follows the program's own pointers, as the driver would.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc, clippy::too_many_arguments)]

use super::add::edges;
use super::finish;
use crate::capture::{self, CAPTURING, Ended, Line, MODE_GLOBAL, MODE_RELAXED, NOT_CAPTURING, Place, merge};
use crate::graph::{Aftermath, Edge, EdgeData, Owner};
use crate::host::Host;
use crate::params::{give, give_if_wanted, read};
use crate::state::state;
use farwarp_protocol::error::*;
use farwarp_protocol::handle::Id;

pub unsafe fn cuThreadExchangeStreamCaptureMode(host: &dyn Host, mode: *mut u32) -> Result<(), Code> {
    host.ready()?;
    let wanted = unsafe { read(mode) }?;
    if wanted > MODE_RELAXED {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    unsafe { give(mode, capture::exchange_mode(wanted)) }
}

/// A stream in which a capture may begin.
fn beginning(host: &dyn Host, stream: u64, mode: u32) -> Result<Place, Code> {
    let place = host.stream(stream)?;
    if mode > MODE_RELAXED {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    if place.line == Line::Legacy {
        return Err(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    }
    Ok(place)
}

pub unsafe fn cuStreamBeginCapture_v2(host: &dyn Host, stream: u64, mode: u32) -> Result<(), Code> {
    let place = beginning(host, stream, mode)?;
    let mut state = state();
    if state.captures.is_capturing(place.key) {
        return Err(CUDA_ERROR_ILLEGAL_STATE);
    }
    let graph = state.new_graph(Owner::Program)?;
    state.captures.begin(place, mode, graph, false, Vec::new());
    Ok(())
}

pub unsafe fn cuStreamBeginCapture(host: &dyn Host, stream: u64) -> Result<(), Code> {
    unsafe { cuStreamBeginCapture_v2(host, stream, MODE_GLOBAL) }
}

pub unsafe fn cuStreamBeginCaptureToGraph(
    host: &dyn Host,
    stream: u64,
    graph: u64,
    dependencies: *const u64,
    data: *const EdgeData,
    count: usize,
    mode: u32,
) -> Result<(), Code> {
    let place = beginning(host, stream, mode)?;
    let after = unsafe { edges(dependencies, data, count) }?;
    let mut state = state();
    state.graph(graph)?;
    state.check_edges(Id(graph), &after)?;
    if state.captures.is_capturing(place.key) {
        return Err(CUDA_ERROR_ILLEGAL_STATE);
    }
    state.captures.begin(place, mode, Id(graph), true, after);
    Ok(())
}

pub unsafe fn cuStreamEndCapture(host: &dyn Host, stream: u64, graph: *mut u64) -> Result<(), Code> {
    let place = host.stream(stream)?;
    if graph.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let mut aftermath = Aftermath::default();
    let outcome = {
        let mut state = state();
        let Ended { outcome, unwanted } = state.end_capture(place)?;
        if let Some(unwanted) = unwanted {
            state.remove_graph(unwanted, &mut aftermath);
        }
        outcome
    };
    finish(host, aftermath);
    unsafe { give(graph, outcome.map_or(0, |id| id.0)) }?;
    outcome.map(drop)
}

pub unsafe fn cuStreamIsCapturing(host: &dyn Host, stream: u64, status: *mut u32) -> Result<(), Code> {
    let place = host.stream(stream)?;
    let found = asked(&place)?.map_or(NOT_CAPTURING, |info| info.status);
    unsafe { give(status, found) }
}

/// Asking the legacy stream while a blocking one captures is refused, and spoils nothing.
fn asked(place: &Place) -> Result<Option<capture::Info>, Code> {
    let mut state = state();
    if place.line == Line::Legacy && state.captures.legacy_would_join(place.context) {
        return Err(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
    }
    Ok(state.captures.info(place.key))
}

pub unsafe fn cuStreamGetCaptureInfo(
    host: &dyn Host,
    stream: u64,
    status: *mut u32,
    number: *mut u64,
) -> Result<(), Code> {
    let place = host.stream(stream)?;
    let info = asked(&place)?;
    unsafe { give(status, info.as_ref().map_or(NOT_CAPTURING, |info| info.status)) }?;
    if let Some(info) = info.filter(|info| info.status == CAPTURING) {
        unsafe { give_if_wanted(number, info.number) };
    }
    Ok(())
}

pub unsafe fn cuStreamGetCaptureInfo_v3(
    host: &dyn Host,
    stream: u64,
    status: *mut u32,
    number: *mut u64,
    graph: *mut u64,
    dependencies: *mut *const u64,
    data: *mut *const EdgeData,
    count: *mut usize,
) -> Result<(), Code> {
    let place = host.stream(stream)?;
    let info = asked(&place)?;
    unsafe { give(status, info.as_ref().map_or(NOT_CAPTURING, |info| info.status)) }?;
    let Some(info) = info.filter(|info| info.status == CAPTURING) else { return Ok(()) };
    if data.is_null() && !dependencies.is_null() && info.has_data {
        return Err(CUDA_ERROR_LOSSY_QUERY);
    }
    unsafe {
        give_if_wanted(number, info.number);
        give_if_wanted(graph, info.graph);
        give_if_wanted(dependencies, std::ptr::with_exposed_provenance(info.nodes as usize));
        give_if_wanted(data, std::ptr::with_exposed_provenance(info.data as usize));
        give_if_wanted(count, info.count);
    }
    Ok(())
}

pub unsafe fn cuStreamGetCaptureInfo_v2(
    host: &dyn Host,
    stream: u64,
    status: *mut u32,
    number: *mut u64,
    graph: *mut u64,
    dependencies: *mut *const u64,
    count: *mut usize,
) -> Result<(), Code> {
    let data = std::ptr::null_mut();
    unsafe { cuStreamGetCaptureInfo_v3(host, stream, status, number, graph, dependencies, data, count) }
}

/// `CU_STREAM_ADD_CAPTURE_DEPENDENCIES` and `CU_STREAM_SET_CAPTURE_DEPENDENCIES`.
const ADD: u32 = 0;
const SET: u32 = 1;

pub unsafe fn cuStreamUpdateCaptureDependencies_v2(
    host: &dyn Host,
    stream: u64,
    dependencies: *const u64,
    data: *const EdgeData,
    count: usize,
    flags: u32,
) -> Result<(), Code> {
    let place = host.stream(stream)?;
    let given = unsafe { edges(dependencies, data, count) }?;
    let mut state = state();
    let (graph, mut after): (Id, Vec<Edge>) =
        state.captures.recording(place.key).ok_or(CUDA_ERROR_ILLEGAL_STATE)??;
    state.check_edges(graph, &given)?;
    match flags {
        ADD => merge(&mut after, given),
        SET => after = given,
        _ => return Err(CUDA_ERROR_INVALID_VALUE),
    }
    state.captures.set_after(place.key, after);
    Ok(())
}

pub unsafe fn cuStreamUpdateCaptureDependencies(
    host: &dyn Host,
    stream: u64,
    dependencies: *const u64,
    count: usize,
    flags: u32,
) -> Result<(), Code> {
    let data = std::ptr::null();
    unsafe { cuStreamUpdateCaptureDependencies_v2(host, stream, dependencies, data, count, flags) }
}
