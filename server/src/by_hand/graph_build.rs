//! A plan, checked against what the session owns, and built as a graph of the driver's.
#![allow(unsafe_code)] // calls the driver.

use super::graph::is_the_clients;
use super::launch::{ATTRIBUTES_KNOWN, EXTRA_BUFFER, EXTRA_END, EXTRA_SIZE};
use crate::driver::Outcome;
use crate::executor::Executor;
use crate::refusal::Refusal;
use farwarp_graphs::mirror;
use farwarp_protocol::error::Code;
use farwarp_protocol::graph::{
    Conditional, Copy, Edge, Fill, Kernel, MemoryOperations, Plan, Side, Step, Work,
};
use farwarp_protocol::handle::{Id, ObjectKind};
use farwarp_protocol::limits::KERNEL_PARAM_BYTES_MAX;
use std::mem::{Discriminant, discriminant};

/// A flush and a barrier, of `CUstreamBatchMemOpType`; the others have a word.
const WITHOUT_A_WORD: [u32; 2] = [3, 6];

/// Holds every step against what the session owns, before anything is built.
pub fn check(executor: &mut Executor, plan: &Plan) -> Result<(), Refusal> {
    plan.levels.iter().flatten().try_for_each(|step| check_work(executor, &step.work))
}

pub fn check_work(executor: &mut Executor, work: &Work) -> Result<(), Refusal> {
    if is_the_clients(work) {
        return Err(Refusal::HostStep);
    }
    match work {
        Work::Empty | Work::Host { .. } => Ok(()),
        Work::Kernel(kernel) => check_kernel(executor, kernel),
        Work::Copy(copy) => {
            executor.context(Id(copy.context))?;
            for side in [&copy.to, &copy.from] {
                let address = side.address;
                let bytes = if copy.is_empty() { Some(0) } else { side.span(copy.shape) };
                let bytes = bytes.ok_or(Refusal::OutOfRange { address, bytes: u64::MAX })?;
                if bytes > 0 {
                    executor.ranges.check(address, bytes)?;
                }
            }
            Ok(())
        }
        Work::Fill(fill) => {
            executor.context(Id(fill.context))?;
            let address = fill.address;
            let bytes = fill.span().ok_or(Refusal::OutOfRange { address, bytes: u64::MAX })?;
            executor.ranges.check(address, bytes)
        }
        Work::RecordEvent(event) | Work::WaitEvent(event) => {
            executor.objects.get(Id(*event), ObjectKind::Event).map(drop)
        }
        Work::MemoryOperations(batch) => {
            executor.context(Id(batch.context))?;
            batch.operations.iter().try_for_each(|operation| match (operation.bytes(), operation.operation) {
                (Some(bytes), _) => executor.ranges.check(operation.address, bytes),
                (None, none) if WITHOUT_A_WORD.contains(&none) => Ok(()),
                (None, operation) => Err(Refusal::MemoryOperation { operation }),
            })
        }
        Work::Conditional(conditional) => {
            executor.context(Id(conditional.context))?;
            executor.conditional_graphs.check(conditional.handle)
        }
    }
}

fn check_kernel(executor: &mut Executor, kernel: &Kernel) -> Result<(), Refusal> {
    executor.launchable(Id(kernel.function))?;
    executor.context(Id(kernel.context))?;
    let got = kernel.params.len() as u64;
    if got > KERNEL_PARAM_BYTES_MAX as u64 {
        let max = KERNEL_PARAM_BYTES_MAX as u64;
        return Err(Refusal::TooMuch { what: "bytes of parameters", got, max });
    }
    match kernel.attributes.iter().find(|(id, _)| !ATTRIBUTES_KNOWN.contains(id)) {
        Some((id, _)) => Err(Refusal::LaunchAttribute { id: *id }),
        None => Ok(()),
    }
}

pub struct Build<'a> {
    executor: &'a mut Executor,
    plan: &'a Plan,
    /// Nodes that do nothing until they are switched on.
    pub switched_off: Vec<u64>,
    pub nodes: Nodes,
}

/// The driver's node of each step, and what kind of work it does, level by level.
pub type Nodes = Vec<Vec<(u64, Discriminant<Work>)>>;

/// What a node is added to, and behind what.
struct Place<'a> {
    graph: u64,
    after: &'a [u64],
}

impl<'a> Build<'a> {
    pub fn new(executor: &'a mut Executor, plan: &'a Plan) -> Build<'a> {
        Build { executor, plan, switched_off: Vec::new(), nodes: vec![Vec::new(); plan.levels.len()] }
    }

    /// Fills a graph with the steps of a level and, in their turn, the bodies of its conditional nodes.
    pub fn level(&mut self, level: usize, graph: u64) -> Result<Result<(), Code>, Refusal> {
        let plan = self.plan;
        let steps = &plan.levels[level];
        let mut nodes: Vec<u64> = Vec::with_capacity(steps.len());
        for step in steps {
            match self.step(step, graph, &nodes)? {
                Ok(node) => nodes.push(node),
                Err(code) => return Ok(Err(code)),
            }
        }
        self.nodes[level] =
            nodes.into_iter().zip(steps).map(|(node, step)| (node, discriminant(&step.work))).collect();
        Ok(Ok(()))
    }

    fn step(&mut self, step: &Step, graph: u64, nodes: &[u64]) -> Result<Result<u64, Code>, Refusal> {
        let (plain, special): (Vec<&Edge>, Vec<&Edge>) =
            step.after.iter().partition(|edge| edge.data == [0; 8]);
        let after: Vec<u64> = plain.iter().map(|edge| nodes[edge.from as usize]).collect();
        let place = Place { graph, after: &after };
        let added = match &step.work {
            Work::Conditional(conditional) => self.conditional(&place, conditional)?,
            work => self.plain(&place, work)?,
        };
        let driver = self.executor.driver;
        Ok(added.and_then(|node| {
            for edge in special {
                let from = nodes[edge.from as usize];
                // SAFETY: two nodes of this graph, and the edge's eight bytes.
                unsafe { driver.cuGraphAddDependencies_v2(graph, &from, &node, &edge.data, 1) }?;
            }
            if !step.enabled {
                self.switched_off.push(node);
            }
            Ok(node)
        }))
    }

    fn plain(&mut self, place: &Place, work: &Work) -> Result<Result<u64, Code>, Refusal> {
        let driver = self.executor.driver;
        let Place { graph, after } = *place;
        let (list, count) = (after.as_ptr(), after.len());
        let mut node = 0;
        // SAFETY: a live graph, as many nodes of it as are counted, a writable handle, and structs of the header's that live here.
        let outcome = unsafe {
            match work {
                Work::Kernel(kernel) => return self.kernel(place, kernel),
                Work::Copy(copy) => {
                    let context = self.executor.context(Id(copy.context))?.raw;
                    driver.cuGraphAddMemcpyNode(&mut node, graph, list, count, &copy_params(copy), context)
                }
                Work::Fill(fill) => {
                    let context = self.executor.context(Id(fill.context))?.raw;
                    driver.cuGraphAddMemsetNode(&mut node, graph, list, count, &fill_params(fill), context)
                }
                Work::RecordEvent(event) => {
                    let event = self.executor.objects.get(Id(*event), ObjectKind::Event)?;
                    driver.cuGraphAddEventRecordNode(&mut node, graph, list, count, event)
                }
                Work::WaitEvent(event) => {
                    let event = self.executor.objects.get(Id(*event), ObjectKind::Event)?;
                    driver.cuGraphAddEventWaitNode(&mut node, graph, list, count, event)
                }
                Work::MemoryOperations(batch) => {
                    let context = self.executor.context(Id(batch.context))?.raw;
                    let operations = operations(batch);
                    let params = mirror::MemoryOperations {
                        context,
                        count: operations.len() as u32,
                        operations: operations.as_ptr().expose_provenance() as u64,
                        flags: batch.flags,
                    };
                    driver.cuGraphAddBatchMemOpNode(&mut node, graph, list, count, &params)
                }
                Work::Empty | Work::Host { .. } | Work::Conditional(_) => {
                    driver.cuGraphAddEmptyNode(&mut node, graph, list, count)
                }
            }
        };
        Ok(outcome.map(|()| node))
    }

    fn kernel(&mut self, place: &Place, kernel: &Kernel) -> Result<Result<u64, Code>, Refusal> {
        let driver = self.executor.driver;
        let mut node = 0;
        let (list, count) = (place.after.as_ptr(), place.after.len());
        let outcome = with_kernel_params(self.executor, kernel, |params| {
            // SAFETY: as for the others; the parameters outlive the call, which copies them.
            unsafe { driver.cuGraphAddKernelNode_v2(&mut node, place.graph, list, count, params) }
        })?;
        let attributes = || {
            let mut attributes = kernel.attributes.iter();
            // SAFETY: a node that was just made, and the attribute's bytes.
            attributes
                .try_for_each(|(id, value)| unsafe { driver.cuGraphKernelNodeSetAttribute(node, *id, value) })
        };
        Ok(outcome.and_then(|()| attributes()).map(|()| node))
    }

    fn conditional(
        &mut self,
        place: &Place,
        conditional: &Conditional,
    ) -> Result<Result<u64, Code>, Refusal> {
        /// `CU_GRAPH_NODE_TYPE_CONDITIONAL`.
        const CONDITIONAL: u32 = 13;
        let driver = self.executor.driver;
        let context = self.executor.context(Id(conditional.context))?.raw;
        let size = conditional.bodies.len();
        let wanted = mirror::Conditional {
            handle: conditional.handle,
            kind: conditional.kind,
            size: size as u32,
            graphs: 0,
            context,
        };
        let mut params = wanted.as_params(CONDITIONAL);
        let mut node = 0;
        let (list, count) = (place.after.as_ptr(), place.after.len());
        // SAFETY: as for the others; what the driver writes is room in the struct, and its array of bodies lives with the node.
        let bodies = unsafe {
            let added =
                driver.cuGraphAddNode_v2(&mut node, place.graph, list, std::ptr::null(), count, &mut params);
            if let Err(code) = added {
                return Ok(Err(code));
            }
            let graphs = mirror::Conditional::from_params(&params).graphs;
            std::slice::from_raw_parts(std::ptr::with_exposed_provenance::<u64>(graphs as usize), size)
                .to_vec()
        };
        for (level, body) in conditional.bodies.iter().zip(bodies) {
            if let Err(code) = self.level(*level as usize, body)? {
                return Ok(Err(code));
            }
        }
        Ok(Ok(node))
    }
}

/// The header's struct of a kernel node, with nothing in it but what is ours.
pub fn with_kernel_params(
    executor: &mut Executor,
    kernel: &Kernel,
    then: impl FnOnce(&mirror::Kernel) -> Outcome,
) -> Result<Outcome, Refusal> {
    let raw = executor.launchable(Id(kernel.function))?;
    let is_kernel = Id(kernel.function).kind() == Some(ObjectKind::Kernel);
    let context = executor.context(Id(kernel.context))?.raw;
    let mut values = kernel.params.clone();
    let mut bytes = values.len();
    let size = std::ptr::from_mut(&mut bytes).cast();
    let mut extra = [EXTRA_BUFFER, values.as_mut_ptr().cast(), EXTRA_SIZE, size, EXTRA_END];
    Ok(then(&mirror::Kernel {
        base: mirror::KernelV1 {
            function: if is_kernel { 0 } else { raw },
            grid: kernel.grid,
            block: kernel.block,
            shared_bytes: kernel.shared_bytes,
            params: 0,
            extra: extra.as_mut_ptr().expose_provenance() as u64,
        },
        kernel: if is_kernel { raw } else { 0 },
        context,
    }))
}

pub fn copy_params(copy: &Copy) -> mirror::Copy {
    /// `CU_MEMORYTYPE_DEVICE`.
    const DEVICE: u32 = 2;
    let side = |side: &Side| mirror::CopySide {
        x_bytes: 0,
        y: 0,
        z: 0,
        lod: 0,
        memory_type: DEVICE,
        host: 0,
        device: side.address,
        array: 0,
        reserved: 0,
        pitch: side.pitch,
        height: side.rows,
    };
    mirror::Copy { from: side(&copy.from), to: side(&copy.to), shape: copy.shape }
}

pub fn fill_params(fill: &Fill) -> mirror::FillV1 {
    let Fill { address, pitch, value, element_bytes, width, height, .. } = *fill;
    mirror::FillV1 { address, pitch, value, element_bytes, width, height }
}

pub fn operations(batch: &MemoryOperations) -> Vec<mirror::MemoryOperation> {
    let operations = batch.operations.iter().map(|operation| mirror::MemoryOperation {
        operation: operation.operation,
        address: operation.address,
        value: operation.value,
        flags: operation.flags,
        ..Default::default()
    });
    operations.collect()
}
