//! A step of an executable graph that shall do something else.
#![allow(unsafe_code)] // calls the driver.

use super::graph_build::{copy_params, fill_params, operations, with_kernel_params};
use crate::driver::Outcome;
use crate::executor::Executor;
use crate::refusal::Refusal;
use farwarp_graphs::mirror;
use farwarp_protocol::graph::{Change, Work};
use farwarp_protocol::handle::{Id, ObjectKind};

/// Tells the driver. What was launched still does what it did.
pub fn apply(executor: &mut Executor, exec: u64, node: u64, change: &Change) -> Result<Outcome, Refusal> {
    let driver = executor.driver;
    // SAFETY: a live executable graph and a node of the graph that it was made of; the structs live here. A node of another kind is
    // refused by the driver.
    let outcome = unsafe {
        match &change.work {
            Work::Kernel(kernel) => with_kernel_params(executor, kernel, |params| {
                driver.cuGraphExecKernelNodeSetParams_v2(exec, node, params)
            })?,
            Work::Copy(copy) => {
                let context = executor.context(Id(copy.context))?.raw;
                driver.cuGraphExecMemcpyNodeSetParams(exec, node, &copy_params(copy), context)
            }
            Work::Fill(fill) => {
                let context = executor.context(Id(fill.context))?.raw;
                driver.cuGraphExecMemsetNodeSetParams(exec, node, &fill_params(fill), context)
            }
            Work::RecordEvent(event) => {
                let event = executor.objects.get(Id(*event), ObjectKind::Event)?;
                driver.cuGraphExecEventRecordNodeSetEvent(exec, node, event)
            }
            Work::WaitEvent(event) => {
                let event = executor.objects.get(Id(*event), ObjectKind::Event)?;
                driver.cuGraphExecEventWaitNodeSetEvent(exec, node, event)
            }
            Work::MemoryOperations(batch) => {
                let context = executor.context(Id(batch.context))?.raw;
                let operations = operations(batch);
                let params = mirror::MemoryOperations {
                    context,
                    count: operations.len() as u32,
                    operations: operations.as_ptr().expose_provenance() as u64,
                    flags: batch.flags,
                };
                driver.cuGraphExecBatchMemOpNodeSetParams(exec, node, &params)
            }
            Work::Empty | Work::Host { .. } | Work::Conditional(_) => Ok(()),
        }
    };
    // Only launches, copies and sets can be switched.
    let switchable = matches!(change.work, Work::Kernel(_) | Work::Copy(_) | Work::Fill(_));
    if outcome.is_err() || !switchable {
        return Ok(outcome);
    }
    // SAFETY: as above.
    Ok(unsafe { driver.cuGraphNodeSetEnabled(exec, node, change.enabled.into()) })
}
