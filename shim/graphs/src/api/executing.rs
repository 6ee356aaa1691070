//! Executable graphs: made, changed, launched, destroyed.
#![allow(unsafe_code)]
// follows the program's own pointers, as the driver would.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use super::finish;
use crate::exec::{self, Mismatch, UPLOAD, update};
use crate::graph::{Aftermath, Does};
use crate::host::Host;
use crate::mirror;
use crate::params::{self, give, give_if_wanted, read};
use crate::plan::Fault;
use crate::state::{State, state};
use farwarp_protocol::error::*;
use farwarp_protocol::graph::Work;
use farwarp_protocol::handle::Id;
use std::ffi::c_char;

pub unsafe fn cuGraphInstantiateWithFlags(
    host: &dyn Host,
    exec: *mut u64,
    graph: u64,
    flags: u64,
) -> Result<(), Code> {
    if exec.is_null() || flags & UPLOAD != 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let id = exec::instantiate(host, graph, flags).map_err(|(code, _)| code)?;
    unsafe { give(exec, id.0) }
}

pub unsafe fn cuGraphInstantiate_v2(
    host: &dyn Host,
    exec: *mut u64,
    graph: u64,
    error_node: *mut u64,
    log: *mut c_char,
    log_bytes: usize,
) -> Result<(), Code> {
    if exec.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    if !log.is_null() && log_bytes > 0 {
        unsafe { give(log, 0) }?;
    }
    match exec::instantiate(host, graph, 0) {
        Ok(id) => unsafe { give(exec, id.0) },
        Err((code, fault)) => {
            if let Some(Fault::Circle(node)) = fault {
                unsafe { give_if_wanted(error_node, node.0) };
            }
            Err(code)
        }
    }
}

pub unsafe fn cuGraphInstantiate(
    host: &dyn Host,
    exec: *mut u64,
    graph: u64,
    error_node: *mut u64,
    log: *mut c_char,
    log_bytes: usize,
) -> Result<(), Code> {
    unsafe { cuGraphInstantiate_v2(host, exec, graph, error_node, log, log_bytes) }
}

/// `CUgraphInstantiateResult`.
const RESULT_ERROR: u32 = 1;
const RESULT_INVALID_STRUCTURE: u32 = 2;
const RESULT_HANDLE_UNUSED: u32 = 5;

pub unsafe fn cuGraphInstantiateWithParams(
    host: &dyn Host,
    exec: *mut u64,
    graph: u64,
    params: *mut mirror::InstantiateParams,
) -> Result<(), Code> {
    let mut given = unsafe { read(params) }?;
    if exec.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    (given.error_node, given.result) = (0, 0);
    let made = exec::instantiate(host, graph, given.flags);
    if let Err((_, fault)) = &made {
        given.result = match fault {
            Some(Fault::Circle(node)) => {
                given.error_node = node.0;
                RESULT_INVALID_STRUCTURE
            }
            Some(Fault::UnusedHandle) => RESULT_HANDLE_UNUSED,
            Some(Fault::TooLarge) | None => RESULT_ERROR,
        };
    }
    unsafe { give(params, given) }?;
    let id = made.map_err(|(code, _)| code)?;
    unsafe { give(exec, id.0) }?;
    if given.flags & UPLOAD != 0 { host.upload(id, given.upload_stream) } else { Ok(()) }
}

pub unsafe fn cuGraphUpload(host: &dyn Host, exec: u64, stream: u64) -> Result<(), Code> {
    host.ready()?;
    state().exec(exec)?;
    host.upload(Id(exec), stream)
}

pub unsafe fn cuGraphLaunch(host: &dyn Host, exec: u64, stream: u64) -> Result<(), Code> {
    host.ready()?;
    let mut aftermath = Aftermath::default();
    {
        let mut state = state();
        state.exec(exec)?;
        state.launch_memory(Id(exec), &mut aftermath)?;
    }
    let launched = host.launch(Id(exec), stream);
    finish(host, aftermath);
    launched
}

pub unsafe fn cuGraphExecDestroy(host: &dyn Host, exec: u64) -> Result<(), Code> {
    host.ready()?;
    let mut aftermath = Aftermath::default();
    {
        let mut state = state();
        let gone = state.execs.remove(Id(exec)).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        state.remove_graph(gone.graph, &mut aftermath);
    }
    let destructors = std::mem::take(&mut aftermath.destructors);
    finish(host, aftermath);
    let then = (!destructors.is_empty())
        .then(|| Box::new(move || super::objects::destroy(&destructors)) as crate::host::Finally);
    host.destroy(Id(exec), then);
    Ok(())
}

pub unsafe fn cuGraphExecGetFlags(host: &dyn Host, exec: u64, flags: *mut u64) -> Result<(), Code> {
    host.ready()?;
    let found = state().exec(exec)?.flags;
    unsafe { give(flags, found) }
}

pub unsafe fn cuGraphExecGetId(host: &dyn Host, exec: u64, number: *mut u32) -> Result<(), Code> {
    host.ready()?;
    let found = state().exec(exec)?.number;
    unsafe { give(number, found) }
}

/// Brings an executable graph to what a like graph says; the mismatch where it is none.
fn bring_up(host: &dyn Host, exec: u64, graph: u64) -> Result<(), (Code, Option<Mismatch>)> {
    host.ready().map_err(|code| (code, None))?;
    let mut mismatch = None;
    let changed = exec::change(host, exec, |state, within| {
        state.graph(graph)?;
        if let Err(found) = state.compare(within, Id(graph)) {
            mismatch = Some(found);
            return Err(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE);
        }
        state.take_over(within, Id(graph))
    });
    changed.map_err(|code| (code, mismatch))
}

pub unsafe fn cuGraphExecUpdate_v2(
    host: &dyn Host,
    exec: u64,
    graph: u64,
    result: *mut mirror::UpdateResult,
) -> Result<(), Code> {
    if result.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let (outcome, mismatch) = match bring_up(host, exec, graph) {
        Ok(()) => (Ok(()), None),
        Err((code, mismatch)) => (Err(code), mismatch),
    };
    let told = match (&outcome, mismatch) {
        (Ok(()), _) => mirror::UpdateResult { result: update::SUCCESS, error_node: 0, error_from: 0 },
        (Err(_), Some(Mismatch { result, node, from })) => {
            mirror::UpdateResult { result, error_node: node.0, error_from: from.0 }
        }
        (Err(_), None) => mirror::UpdateResult { result: RESULT_ERROR, error_node: 0, error_from: 0 },
    };
    unsafe { give(result, told) }?;
    outcome
}

pub unsafe fn cuGraphExecUpdate(
    host: &dyn Host,
    exec: u64,
    graph: u64,
    error_node: *mut u64,
    result: *mut u32,
) -> Result<(), Code> {
    let mut told = mirror::UpdateResult { result: 0, error_node: 0, error_from: 0 };
    let outcome = unsafe { cuGraphExecUpdate_v2(host, exec, graph, &mut told) };
    unsafe {
        give_if_wanted(error_node, told.error_node);
        give_if_wanted(result, told.result);
    }
    outcome
}

/// Sets what one node of an executable graph does.
pub(super) fn set_in_exec(host: &dyn Host, exec: u64, node: u64, work: Work) -> Result<(), Code> {
    exec::change(host, exec, |state, graph| {
        let mut work = work;
        if let (Work::Kernel(new), Does::Plain(Work::Kernel(old))) =
            (&mut work, &state.node(state.within_exec(graph, node)?.0)?.does)
        {
            new.attributes = old.attributes.clone();
        }
        state.set_in_exec(graph, node, work)
    })
}

/// The context of a node in an executable graph.
pub(super) fn context_in_exec(exec: u64, node: u64) -> Result<u64, Code> {
    let inside = {
        let state = state();
        let graph = state.exec(exec)?.graph;
        state.within_exec(graph, node)?
    };
    super::nodes::context_of(inside.0)
}

pub unsafe fn cuGraphExecKernelNodeSetParams_v2(
    host: &dyn Host,
    exec: u64,
    node: u64,
    params: *const mirror::Kernel,
) -> Result<(), Code> {
    host.ready()?;
    let mut params = unsafe { read(params) }?;
    if params.context == 0 {
        params.context = context_in_exec(exec, node)?;
    }
    set_in_exec(host, exec, node, Work::Kernel(unsafe { params::kernel(host, &params) }?))
}

pub unsafe fn cuGraphExecKernelNodeSetParams(
    host: &dyn Host,
    exec: u64,
    node: u64,
    params: *const mirror::KernelV1,
) -> Result<(), Code> {
    let params = mirror::Kernel { base: unsafe { read(params) }?, kernel: 0, context: 0 };
    unsafe { cuGraphExecKernelNodeSetParams_v2(host, exec, node, &params) }
}

pub unsafe fn cuGraphExecMemcpyNodeSetParams(
    host: &dyn Host,
    exec: u64,
    node: u64,
    params: *const mirror::Copy,
    context: u64,
) -> Result<(), Code> {
    host.ready()?;
    let context = params::context(host, context)?;
    set_in_exec(host, exec, node, Work::Copy(params::copy(host, &unsafe { read(params) }?, context)?))
}

pub unsafe fn cuGraphExecMemsetNodeSetParams(
    host: &dyn Host,
    exec: u64,
    node: u64,
    params: *const mirror::FillV1,
    context: u64,
) -> Result<(), Code> {
    host.ready()?;
    let context = params::context(host, context)?;
    set_in_exec(host, exec, node, Work::Fill(params::fill(host, &unsafe { read(params) }?, context)?))
}

pub unsafe fn cuGraphExecHostNodeSetParams(
    host: &dyn Host,
    exec: u64,
    node: u64,
    params: *const mirror::HostCall,
) -> Result<(), Code> {
    host.ready()?;
    set_in_exec(host, exec, node, params::host_call(&unsafe { read(params) }?)?)
}

pub unsafe fn cuGraphExecBatchMemOpNodeSetParams(
    host: &dyn Host,
    exec: u64,
    node: u64,
    params: *const mirror::MemoryOperations,
) -> Result<(), Code> {
    host.ready()?;
    set_in_exec(
        host,
        exec,
        node,
        Work::MemoryOperations(unsafe { params::operations(host, &read(params)?) }?),
    )
}

pub unsafe fn cuGraphExecEventRecordNodeSetEvent(
    host: &dyn Host,
    exec: u64,
    node: u64,
    event: u64,
) -> Result<(), Code> {
    host.ready()?;
    host.check_event(event)?;
    set_in_exec(host, exec, node, Work::RecordEvent(event))
}

pub unsafe fn cuGraphExecEventWaitNodeSetEvent(
    host: &dyn Host,
    exec: u64,
    node: u64,
    event: u64,
) -> Result<(), Code> {
    host.ready()?;
    host.check_event(event)?;
    set_in_exec(host, exec, node, Work::WaitEvent(event))
}

pub unsafe fn cuGraphExecChildGraphNodeSetParams(
    host: &dyn Host,
    exec: u64,
    node: u64,
    child: u64,
) -> Result<(), Code> {
    host.ready()?;
    exec::change(host, exec, |state, graph| {
        state.graph(child)?;
        let inside = match state.node(state.within_exec(graph, node)?.0)?.does {
            Does::Child(inside) => inside,
            _ => return Err(CUDA_ERROR_INVALID_VALUE),
        };
        state.compare(inside, Id(child)).map_err(|_| CUDA_ERROR_INVALID_VALUE)?;
        state.take_over(inside, Id(child))
    })
}

/// Only launches, copies and sets can be switched.
fn switchable(state: &State, exec: u64, node: u64) -> Result<Id, Code> {
    let inside = state.within_exec(state.exec(exec)?.graph, node)?;
    match state.node(inside.0)?.does {
        Does::Plain(Work::Kernel(_) | Work::Copy(_) | Work::Fill(_)) => Ok(inside),
        _ => Err(CUDA_ERROR_INVALID_VALUE),
    }
}

pub unsafe fn cuGraphNodeSetEnabled(host: &dyn Host, exec: u64, node: u64, enabled: u32) -> Result<(), Code> {
    host.ready()?;
    exec::change(host, exec, |state, _| {
        let inside = switchable(state, exec, node)?;
        state.node_mut(inside.0)?.enabled = enabled != 0;
        Ok(())
    })
}

pub unsafe fn cuGraphNodeGetEnabled(
    host: &dyn Host,
    exec: u64,
    node: u64,
    enabled: *mut u32,
) -> Result<(), Code> {
    host.ready()?;
    let found = {
        let state = state();
        let inside = switchable(&state, exec, node)?;
        state.node(inside.0)?.enabled
    };
    unsafe { give(enabled, found.into()) }
}
