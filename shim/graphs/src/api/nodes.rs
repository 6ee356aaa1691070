//! What single nodes do: asked, and set.
#![allow(unsafe_code)]
// follows the program's own pointers, as the driver would.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use crate::graph::{Does, node_type};
use crate::host::Host;
use crate::mirror;
use crate::params::{self, give, read};
use crate::state::state;
use farwarp_protocol::error::*;
use farwarp_protocol::graph::{Kernel, Work};

/// Sets what a node does, if it is of that type.
pub(super) fn set(node: u64, work: Work) -> Result<(), Code> {
    let mut state = state();
    let node = state.node_mut(node)?;
    match (&mut node.does, work) {
        (Does::Plain(Work::Kernel(old)), Work::Kernel(mut new)) => {
            // Attributes have functions of their own.
            new.attributes = std::mem::take(&mut old.attributes);
            *old = new;
        }
        (Does::Plain(old), new) if std::mem::discriminant(old) == std::mem::discriminant(&new) => *old = new,
        _ => return Err(CUDA_ERROR_INVALID_VALUE),
    }
    Ok(())
}

/// The context that a node has now: setting its parameters does not change it.
pub(super) fn context_of(node: u64) -> Result<u64, Code> {
    match &state().node(node)?.does {
        Does::Plain(Work::Copy(copy)) => Ok(copy.context),
        Does::Plain(Work::Fill(fill)) => Ok(fill.context),
        Does::Plain(Work::Kernel(kernel)) => Ok(kernel.context),
        _ => Err(CUDA_ERROR_INVALID_VALUE),
    }
}

pub unsafe fn cuGraphKernelNodeGetParams_v2(
    host: &dyn Host,
    node: u64,
    params: *mut mirror::Kernel,
) -> Result<(), Code> {
    host.ready()?;
    let shown = params::show_kernel(host, state().node_mut(node)?)?;
    unsafe { give(params, shown) }
}

pub unsafe fn cuGraphKernelNodeGetParams(
    host: &dyn Host,
    node: u64,
    params: *mut mirror::KernelV1,
) -> Result<(), Code> {
    host.ready()?;
    let shown = params::show_kernel(host, state().node_mut(node)?)?;
    unsafe { give(params, shown.base) }
}

pub unsafe fn cuGraphKernelNodeSetParams_v2(
    host: &dyn Host,
    node: u64,
    params: *const mirror::Kernel,
) -> Result<(), Code> {
    host.ready()?;
    let mut params = unsafe { read(params) }?;
    if params.context == 0 {
        params.context = context_of(node)?;
    }
    set(node, Work::Kernel(unsafe { params::kernel(host, &params) }?))
}

pub unsafe fn cuGraphKernelNodeSetParams(
    host: &dyn Host,
    node: u64,
    params: *const mirror::KernelV1,
) -> Result<(), Code> {
    let params = mirror::Kernel { base: unsafe { read(params) }?, kernel: 0, context: 0 };
    unsafe { cuGraphKernelNodeSetParams_v2(host, node, &params) }
}

pub unsafe fn cuGraphMemcpyNodeGetParams(
    host: &dyn Host,
    node: u64,
    params: *mut mirror::Copy,
) -> Result<(), Code> {
    host.ready()?;
    let (shown, _) = params::show_copy(state().node(node)?)?;
    unsafe { give(params, shown) }
}

pub unsafe fn cuGraphMemcpyNodeSetParams(
    host: &dyn Host,
    node: u64,
    params: *const mirror::Copy,
) -> Result<(), Code> {
    host.ready()?;
    let context = context_of(node)?;
    set(node, Work::Copy(params::copy(host, &unsafe { read(params) }?, context)?))
}

pub unsafe fn cuGraphMemsetNodeGetParams(
    host: &dyn Host,
    node: u64,
    params: *mut mirror::FillV1,
) -> Result<(), Code> {
    host.ready()?;
    let shown = params::show_fill(state().node(node)?)?;
    unsafe { give(params, shown.base) }
}

pub unsafe fn cuGraphMemsetNodeSetParams(
    host: &dyn Host,
    node: u64,
    params: *const mirror::FillV1,
) -> Result<(), Code> {
    host.ready()?;
    let context = context_of(node)?;
    set(node, Work::Fill(params::fill(host, &unsafe { read(params) }?, context)?))
}

pub unsafe fn cuGraphHostNodeGetParams(
    host: &dyn Host,
    node: u64,
    params: *mut mirror::HostCall,
) -> Result<(), Code> {
    host.ready()?;
    let shown = params::show_host_call(state().node(node)?)?;
    unsafe { give(params, shown) }
}

pub unsafe fn cuGraphHostNodeSetParams(
    host: &dyn Host,
    node: u64,
    params: *const mirror::HostCall,
) -> Result<(), Code> {
    host.ready()?;
    set(node, params::host_call(&unsafe { read(params) }?)?)
}

pub unsafe fn cuGraphBatchMemOpNodeGetParams(
    host: &dyn Host,
    node: u64,
    params: *mut mirror::MemoryOperations,
) -> Result<(), Code> {
    host.ready()?;
    let shown = params::show_operations(state().node_mut(node)?)?;
    unsafe { give(params, shown) }
}

pub unsafe fn cuGraphBatchMemOpNodeSetParams(
    host: &dyn Host,
    node: u64,
    params: *const mirror::MemoryOperations,
) -> Result<(), Code> {
    host.ready()?;
    set(node, Work::MemoryOperations(unsafe { params::operations(host, &read(params)?) }?))
}

fn event_of(node: u64, of_type: u32) -> Result<u64, Code> {
    let state = state();
    let node = state.node(node)?;
    match &node.does {
        Does::Plain(Work::RecordEvent(event) | Work::WaitEvent(event))
            if node.does.node_type() == of_type =>
        {
            Ok(*event)
        }
        _ => Err(CUDA_ERROR_INVALID_VALUE),
    }
}

pub unsafe fn cuGraphEventRecordNodeGetEvent(
    host: &dyn Host,
    node: u64,
    event: *mut u64,
) -> Result<(), Code> {
    host.ready()?;
    unsafe { give(event, event_of(node, node_type::RECORD_EVENT)?) }
}

pub unsafe fn cuGraphEventWaitNodeGetEvent(host: &dyn Host, node: u64, event: *mut u64) -> Result<(), Code> {
    host.ready()?;
    unsafe { give(event, event_of(node, node_type::WAIT_EVENT)?) }
}

pub unsafe fn cuGraphEventRecordNodeSetEvent(host: &dyn Host, node: u64, event: u64) -> Result<(), Code> {
    host.ready()?;
    host.check_event(event)?;
    set(node, Work::RecordEvent(event))
}

pub unsafe fn cuGraphEventWaitNodeSetEvent(host: &dyn Host, node: u64, event: u64) -> Result<(), Code> {
    host.ready()?;
    host.check_event(event)?;
    set(node, Work::WaitEvent(event))
}

fn kernel_of(does: &mut Does) -> Result<&mut Kernel, Code> {
    match does {
        Does::Plain(Work::Kernel(kernel)) => Ok(kernel),
        _ => Err(CUDA_ERROR_INVALID_VALUE),
    }
}

pub unsafe fn cuGraphKernelNodeCopyAttributes(host: &dyn Host, to: u64, from: u64) -> Result<(), Code> {
    host.ready()?;
    let mut state = state();
    let attributes = kernel_of(&mut state.node_mut(from)?.does)?.attributes.clone();
    kernel_of(&mut state.node_mut(to)?.does)?.attributes = attributes;
    Ok(())
}

/// One that was never set is zero, as it is for a launch that does not name it.
pub unsafe fn cuGraphKernelNodeGetAttribute(
    host: &dyn Host,
    node: u64,
    attribute: u32,
    value: *mut [u8; 64],
) -> Result<(), Code> {
    host.ready()?;
    let found = {
        let mut state = state();
        let kernel = kernel_of(&mut state.node_mut(node)?.does)?;
        crossing(attribute)?;
        kernel.attributes.iter().find(|(id, _)| *id == attribute).map_or([0; 64], |(_, value)| *value)
    };
    unsafe { give(value, found) }
}

pub unsafe fn cuGraphKernelNodeSetAttribute(
    host: &dyn Host,
    node: u64,
    attribute: u32,
    value: *const [u8; 64],
) -> Result<(), Code> {
    host.ready()?;
    let value = unsafe { read(value) }?;
    let mut state = state();
    let kernel = kernel_of(&mut state.node_mut(node)?.does)?;
    crossing(attribute)?;
    kernel.attributes.retain(|(id, _)| *id != attribute);
    kernel.attributes.push((attribute, value));
    Ok(())
}

fn crossing(attribute: u32) -> Result<(), Code> {
    /// `CU_LAUNCH_ATTRIBUTE_MAX`.
    const ATTRIBUTES: u32 = 19;
    match attribute {
        known if params::ATTRIBUTES_KNOWN.contains(&known) => Ok(()),
        other if other < ATTRIBUTES => Err(CUDA_ERROR_NOT_SUPPORTED),
        _ => Err(CUDA_ERROR_INVALID_VALUE),
    }
}
