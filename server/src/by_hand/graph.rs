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
use farwarp_protocol::graph::{Change, Plan, Work};
use farwarp_protocol::handle::{Id, ObjectKind};
use std::collections::{HashMap, HashSet};
use std::mem::discriminant;

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

    /// A graph's nodes are gone with it, though what was made executable of it lives on.
    fn graph_gone(&mut self, graph: u64) {
        let of_it = self.execs.values_mut().filter(|built| built.graph == graph);
        of_it.for_each(|built| built.nodes.clear());
    }
}

/// Graphs of a client that have conditional values.
const CONDITIONAL_GRAPHS_MAX: usize = 1 << 16;
/// Conditional values of one of them.
const CONDITIONALS_OF_A_GRAPH_MAX: u64 = 1 << 16;

/// The driver's graphs to which conditional values belong, by the client's graphs.
#[derive(Default)]
pub struct ConditionalGraphs {
    graphs: HashMap<Id, ConditionalGraph>,
}

impl ConditionalGraphs {
    /// Whether the driver gave this session that value, in a graph that is still there.
    pub fn check(&self, handle: u64) -> Result<(), Refusal> {
        match self.graphs.values().any(|graph| graph.handles.contains(&handle)) {
            true => Ok(()),
            false => Err(Refusal::NoSuchConditional { handle }),
        }
    }
}

struct ConditionalGraph {
    raw: u64,
    /// Nodes were put into it. Conditional nodes cannot be taken out again, so it is filled once.
    filled: bool,
    /// The values that the driver made in it.
    handles: HashSet<u64>,
}

pub fn graph_conditional(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let GraphConditional { graph, context, default, flags } = decode(call.body)?;
    if graph.kind() != Some(ObjectKind::Graph) {
        return Err(Refusal::BadNewId { id: graph, kind: ObjectKind::Graph });
    }
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
            let made = ConditionalGraph { raw, filled: false, handles: HashSet::new() };
            executor.conditional_graphs.graphs.insert(graph, made);
            raw
        }
    };
    let got =
        executor.conditional_graphs.graphs.get(&graph).map_or(0, |known| known.handles.len()) as u64 + 1;
    if got > CONDITIONALS_OF_A_GRAPH_MAX {
        let max = CONDITIONALS_OF_A_GRAPH_MAX;
        return Err(Refusal::TooMuch { what: "conditional values of a graph", got, max });
    }
    let mut handle = 0u64;
    // SAFETY: a live graph and context, a writable handle.
    let made = unsafe { driver.cuGraphConditionalHandleCreate(&mut handle, raw, context, default, flags) };
    if made.is_ok()
        && let Some(known) = executor.conditional_graphs.graphs.get_mut(&graph)
    {
        known.handles.insert(handle);
    }
    Ok(made.map(|()| encode(&handle)).into())
}

pub fn graph_conditionals_gone(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let graph: Id = decode(call.body)?;
    executor.enter(call)?;
    let Some(gone) = executor.conditional_graphs.graphs.remove(&graph) else { return Ok(Reply::DONE) };
    executor.built_graphs.graph_gone(gone.raw);
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
    // All of them are held against what is there before the first is told.
    let nodes: Vec<u64> =
        changes.iter().map(|change| checked_node(executor, exec, change)).collect::<Result<_, _>>()?;
    for (change, node) in changes.iter().zip(nodes) {
        if let Err(code) = apply(executor, raw, node, change)? {
            return Ok(Reply::Now(code, Vec::new()));
        }
    }
    Ok(Reply::DONE)
}

/// The node of the step that a change is about.
fn checked_node(executor: &mut Executor, exec: Id, change: &Change) -> Result<u64, Refusal> {
    let Change { level, step, ref work, .. } = *change;
    graph_build::check_work(executor, work)?;
    let nodes = executor.built_graphs.execs.get(&exec).map(|built| &built.nodes);
    match nodes.and_then(|nodes| nodes.get(level as usize)?.get(step as usize)) {
        None => Err(Refusal::NoSuchStep { level, step }),
        Some((_, kind)) if *kind != discriminant(work) => Err(Refusal::OtherWork { level, step }),
        Some((node, _)) => Ok(*node),
    }
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
    executor.works(stream);
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
    executor.enter(call)?;
    let raw = executor.objects.remove(exec, ObjectKind::GraphExec)?;
    let graphs = executor.built_graphs.forget(|id| id == exec);
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
