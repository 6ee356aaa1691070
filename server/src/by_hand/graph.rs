//! Executable graphs: a plan is built as a graph of the driver's and instantiated. The client's own graphs are not known here,
//! except by the conditional values that kernels receive.
#![allow(unsafe_code)] // calls the driver.

use super::graph_build::{self, Build, Nodes};
use super::graph_change::apply;
use super::take_upload;
use crate::driver::Driver;
use crate::executor::{Call, Executor, Reply};
use crate::refusal::Refusal;
use farwarp_protocol::call::{GraphChange, GraphConditional, GraphInstantiate, GraphLaunch};
use farwarp_protocol::codec::{decode, encode};
use farwarp_protocol::error::{CUDA_ERROR_NOT_SUPPORTED, Code};
use farwarp_protocol::graph::{Plan, Work};
use farwarp_protocol::handle::{Id, ObjectKind};
use std::collections::HashMap;

/// Executable graphs, and what they were built of: the driver wants to be told of a node when it shall do something else.
#[derive(Default)]
pub struct BuiltGraphs {
    execs: HashMap<Id, BuiltGraph>,
}

struct BuiltGraph {
    graph: u64,
    /// It is not the one that conditional values belong to.
    own: bool,
    nodes: Nodes,
}

impl BuiltGraphs {
    /// Forgets those of which nothing is left, and hands out their graphs.
    pub fn forget(&mut self, gone: impl Fn(Id) -> bool) -> Vec<u64> {
        let gone = self.execs.extract_if(|id, _| gone(*id));
        gone.filter(|(_, built)| built.own).map(|(_, built)| built.graph).collect()
    }
}

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
    filled: bool,
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
            executor.conditional_graphs.graphs.insert(graph, ConditionalGraph { raw, filled: false });
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
    executor.enter(call)?;
    let (words, bytes) = take_upload(executor, upload)?;
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).take(bytes).collect();
    let plan = Plan::decode(&bytes)?;
    graph_build::check(executor, &plan)?;
    let before = executor.objects.get(exec, ObjectKind::GraphExec).ok();
    if before.is_none() {
        executor.objects.check_new(exec, ObjectKind::GraphExec)?;
    }
    let driver = executor.driver;
    let made = match executor.conditional_graphs.graphs.get(&graph) {
        Some(known) => instantiate_conditional(executor, graph, known.raw, &plan)?,
        None => instantiate(executor, &plan)?,
    };
    Ok(made
        .map(|(raw, built)| {
            let old = executor.built_graphs.execs.insert(exec, built);
            // SAFETY: it was this session's, and its id now means the new one. The driver keeps what runs.
            unsafe {
                let _ = before.map(|before| driver.cuGraphExecDestroy(before));
                let _ = old.filter(|old| old.own).map(|old| driver.cuGraphDestroy(old.graph));
            }
            executor.objects.born(exec, raw, call.asker.context);
        })
        .into())
}

fn instantiate(executor: &mut Executor, plan: &Plan) -> Result<Result<(u64, BuiltGraph), Code>, Refusal> {
    let driver = executor.driver;
    let mut graph = 0;
    // SAFETY: `graph` is writable.
    if let Err(code) = unsafe { driver.cuGraphCreate(&mut graph, 0) } {
        return Ok(Err(code));
    }
    let mut build = Build::new(executor, plan);
    let made = build.level(0, graph)?.and_then(|()| Ok((finish(driver, graph, &build)?, build.nodes)));
    Ok(match made {
        Ok((exec, nodes)) => Ok((exec, BuiltGraph { graph, own: true, nodes })),
        Err(code) => {
            // SAFETY: a graph of ours that came to nothing.
            let _ = unsafe { driver.cuGraphDestroy(graph) };
            Err(code)
        }
    })
}

fn finish(driver: &Driver, graph: u64, build: &Build) -> Result<u64, Code> {
    let mut exec = 0;
    // SAFETY: a live graph, a writable handle; the nodes are the graph's.
    unsafe {
        driver.cuGraphInstantiateWithFlags(&mut exec, graph, 0)?;
        for node in &build.switched_off {
            driver.cuGraphNodeSetEnabled(exec, *node, 0)?;
        }
    }
    Ok(exec)
}

/// The values belong to the driver's graph, so that graph itself is filled, and stays.
fn instantiate_conditional(
    executor: &mut Executor,
    id: Id,
    graph: u64,
    plan: &Plan,
) -> Result<Result<(u64, BuiltGraph), Code>, Refusal> {
    let driver = executor.driver;
    if executor.conditional_graphs.graphs.get(&id).is_some_and(|known| known.filled) {
        return Ok(Err(CUDA_ERROR_NOT_SUPPORTED));
    }
    let mut build = Build::new(executor, plan);
    let built = build.level(0, graph)?;
    let made = built.and_then(|()| finish(driver, graph, &build));
    let nodes = build.nodes;
    if let Some(known) = executor.conditional_graphs.graphs.get_mut(&id) {
        known.filled = true;
    }
    Ok(made.map(|exec| (exec, BuiltGraph { graph, own: false, nodes })))
}

pub fn graph_change(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let GraphChange { exec, changes } = decode(call.body)?;
    let raw = executor.objects.get(exec, ObjectKind::GraphExec)?;
    executor.enter(call)?;
    for change in changes {
        graph_build::check_work(executor, &change.work)?;
        let nodes = executor.built_graphs.execs.get(&exec).map(|built| &built.nodes);
        let node =
            nodes.and_then(|nodes| nodes.get(change.level as usize)?.get(change.step as usize).copied());
        let (level, step) = (change.level, change.step);
        let node = node.ok_or(Refusal::NoSuchStep { level, step })?;
        if let Err(code) = apply(executor, raw, node, &change)? {
            return Ok(Reply::Now(code, Vec::new()));
        }
    }
    Ok(Reply::DONE)
}

/// Executable graphs went with their context; of what they were built nothing may stay.
pub fn graphs_of_context_gone(executor: &mut Executor) {
    let objects = &executor.objects;
    let graphs = executor.built_graphs.forget(|exec| objects.get(exec, ObjectKind::GraphExec).is_err());
    for graph in graphs {
        // SAFETY: a graph of ours that nobody names any more.
        let _ = unsafe { executor.driver.cuGraphDestroy(graph) };
    }
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
    let exec: Id = decode(call.body)?;
    let raw = executor.objects.remove(exec, ObjectKind::GraphExec)?;
    let graphs = executor.built_graphs.forget(|id| id == exec);
    executor.enter(call)?;
    let driver = executor.driver;
    // SAFETY: what this session made and nobody names any more; the driver keeps what runs.
    let outcome = unsafe {
        let outcome = driver.cuGraphExecDestroy(raw);
        for graph in graphs {
            let _ = driver.cuGraphDestroy(graph);
        }
        outcome
    };
    Ok(outcome.into())
}

/// Work that is the client's own affair, or would have the driver follow an address of the client's.
pub fn is_the_clients(work: &Work) -> bool {
    work.touches_host()
}
