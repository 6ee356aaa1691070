//! Executable graphs: a plan is built as a graph of the driver's and instantiated. The client's own graphs are not known here,
//! except by the conditional values that kernels receive.
#![allow(unsafe_code)] // calls the driver.

use super::graph_build::{self, Build};
use super::take_image;
use crate::driver::Driver;
use crate::executor::{Call, Executor, Reply};
use crate::refusal::Refusal;
use farwarp_protocol::call::{GraphConditional, GraphInstantiate, GraphLaunch};
use farwarp_protocol::codec::{decode, encode};
use farwarp_protocol::error::{CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_NOT_SUPPORTED, Code};
use farwarp_protocol::graph::{Plan, Work};
use farwarp_protocol::handle::{Id, ObjectKind};
use std::collections::HashMap;

/// Graphs of a client that have conditional values.
const CONDITIONAL_GRAPHS_MAX: usize = 1 << 16;

/// The driver's graphs to which conditional values belong, by the client's graphs.
#[derive(Default)]
pub struct ConditionalGraphs {
    graphs: HashMap<Id, ConditionalGraph>,
}

struct ConditionalGraph {
    raw: u64,
    /// Nodes were put into it. Conditional nodes cannot be taken out again, so it is filled once.
    filled: Option<Plan>,
}

pub fn graph_conditional(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let GraphConditional { graph, context, default, flags } = decode(call.body)?;
    let context = executor.context(context)?.raw;
    executor.enter(call)?;
    let driver = executor.driver;
    let known = executor.conditional_graphs.graphs.len();
    if known >= CONDITIONAL_GRAPHS_MAX && !executor.conditional_graphs.graphs.contains_key(&graph) {
        let max = CONDITIONAL_GRAPHS_MAX as u64;
        return Err(Refusal::TooMuch { what: "graphs with conditional values", got: known as u64 + 1, max });
    }
    let raw = match executor.conditional_graphs.graphs.get(&graph) {
        Some(known) => known.raw,
        None => {
            let mut raw = 0;
            // SAFETY: `raw` is writable.
            if let Err(code) = unsafe { driver.cuGraphCreate(&mut raw, 0) } {
                return Ok(Reply::Now(code, Vec::new()));
            }
            executor.conditional_graphs.graphs.insert(graph, ConditionalGraph { raw, filled: None });
            raw
        }
    };
    let mut handle = 0u64;
    // SAFETY: a live graph and context, a writable handle.
    let made = unsafe { driver.cuGraphConditionalHandleCreate(&mut handle, raw, context, default, flags) };
    Ok(made.map(|()| encode(&handle)).into())
}

pub fn graph_conditionals_gone(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let graph: Id = decode(call.body)?;
    let Some(gone) = executor.conditional_graphs.graphs.remove(&graph) else { return Ok(Reply::DONE) };
    executor.enter(call)?;
    // SAFETY: a graph of ours that nobody names any more.
    Ok(unsafe { executor.driver.cuGraphDestroy(gone.raw) }.into())
}

pub fn graph_instantiate(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let GraphInstantiate { upload, exec, graph } = decode(call.body)?;
    let (words, bytes) = take_image(executor, upload)?;
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).take(bytes).collect();
    let plan = Plan::decode(&bytes)?;
    graph_build::check(executor, &plan)?;
    let before = executor.objects.get(exec, ObjectKind::GraphExec).ok();
    if before.is_none() {
        executor.objects.check_new(exec, ObjectKind::GraphExec)?;
    }
    executor.enter(call)?;
    let made = match executor.conditional_graphs.graphs.contains_key(&graph) {
        true => instantiate_conditional(executor, graph, plan)?,
        false => instantiate(executor, &plan)?,
    };
    Ok(made
        .map(|raw| {
            if let Some(before) = before {
                // SAFETY: it was this session's, and its id now means the new one. The driver keeps it while it runs.
                let _ = unsafe { executor.driver.cuGraphExecDestroy(before) };
            }
            executor.objects.born(exec, raw, call.asker.context);
        })
        .into())
}

/// The graph is only needed until it is instantiated.
fn instantiate(executor: &mut Executor, plan: &Plan) -> Result<Result<u64, Code>, Refusal> {
    let driver = executor.driver;
    let mut graph = 0;
    // SAFETY: `graph` is writable.
    if let Err(code) = unsafe { driver.cuGraphCreate(&mut graph, 0) } {
        return Ok(Err(code));
    }
    let mut build = Build::new(executor, plan);
    let built = build.level(0, graph)?;
    let switched_off = build.switched_off;
    let made = built.and_then(|()| finish(driver, graph, &switched_off));
    // SAFETY: a graph of ours, of which nothing is used any more.
    let _ = unsafe { driver.cuGraphDestroy(graph) };
    Ok(made)
}

fn finish(driver: &Driver, graph: u64, switched_off: &[u64]) -> Result<u64, Code> {
    let mut exec = 0;
    // SAFETY: a live graph, a writable handle; the nodes are the graph's.
    unsafe {
        driver.cuGraphInstantiateWithFlags(&mut exec, graph, 0)?;
        for node in switched_off {
            driver.cuGraphNodeSetEnabled(exec, *node, 0)?;
        }
    }
    Ok(exec)
}

/// The values belong to the driver's graph, so that graph itself is filled, and stays.
fn instantiate_conditional(
    executor: &mut Executor,
    graph: Id,
    plan: Plan,
) -> Result<Result<u64, Code>, Refusal> {
    let Some(known) = executor.conditional_graphs.graphs.get(&graph) else {
        return Ok(Err(CUDA_ERROR_INVALID_VALUE));
    };
    let raw = known.raw;
    match &known.filled {
        Some(filled) if *filled != plan => return Ok(Err(CUDA_ERROR_NOT_SUPPORTED)),
        Some(_) => return Ok(finish(executor.driver, raw, &[])),
        None => {}
    }
    let mut build = Build::new(executor, &plan);
    if let Err(code) = build.level(0, raw)? {
        return Ok(Err(code));
    }
    let switched_off = build.switched_off;
    if let Some(known) = executor.conditional_graphs.graphs.get_mut(&graph) {
        known.filled = Some(plan);
    }
    Ok(finish(executor.driver, raw, &switched_off))
}

pub fn graph_launch(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let GraphLaunch { exec, stream } = decode(call.body)?;
    let raw = executor.objects.get(exec, ObjectKind::GraphExec)?;
    let stream = executor.stream(call, stream)?;
    executor.enter(call)?;
    // SAFETY: a live executable graph and stream.
    Ok(unsafe { executor.driver.cuGraphLaunch(raw, stream) }.into())
}

pub fn graph_upload(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let GraphLaunch { exec, stream } = decode(call.body)?;
    let raw = executor.objects.get(exec, ObjectKind::GraphExec)?;
    let stream = executor.stream(call, stream)?;
    executor.enter(call)?;
    // SAFETY: as above.
    Ok(unsafe { executor.driver.cuGraphUpload(raw, stream) }.into())
}

pub fn graph_exec_gone(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let raw = executor.objects.remove(decode(call.body)?, ObjectKind::GraphExec)?;
    executor.enter(call)?;
    // SAFETY: an executable graph of this session's that nobody names any more; the driver keeps it while it runs.
    Ok(unsafe { executor.driver.cuGraphExecDestroy(raw) }.into())
}

/// Work that is the client's own affair, or would have the driver follow an address of the client's.
pub fn is_the_clients(work: &Work) -> bool {
    work.touches_host()
}
