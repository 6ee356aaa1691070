//! Launches: the parameters come as one buffer, which is what the driver takes too.
#![allow(unsafe_code)] // calls the driver.

use crate::driver::{LaunchAttribute, LaunchConfig, Outcome};
use crate::executor::{Call, Executor, Reply};
use crate::refusal::Refusal;
use farwarp_protocol::call::Launch;
use farwarp_protocol::codec::decode_prefix;
use farwarp_protocol::limits::KERNEL_PARAM_BYTES_MAX;
use std::ffi::c_void;

/// Attributes whose value is plain: see the shim's list. Any other could be a pointer or a handle.
pub const ATTRIBUTES_KNOWN: &[u32] = &[2, 4, 5, 6, 8, 10, 11, 14];
/// `CU_LAUNCH_PARAM_BUFFER_POINTER`, `_BUFFER_SIZE` and `_END`.
pub const EXTRA_BUFFER: *mut c_void = std::ptr::without_provenance_mut(1);
pub const EXTRA_SIZE: *mut c_void = std::ptr::without_provenance_mut(2);
pub const EXTRA_END: *mut c_void = std::ptr::null_mut();

pub fn launch(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let (launch, header): (Launch, usize) = decode_prefix(call.body)?;
    let params = &call.body[header..];
    let got = params.len() as u64;
    if got > KERNEL_PARAM_BYTES_MAX as u64 {
        return Err(Refusal::TooMuch {
            what: "bytes of parameters",
            got,
            max: KERNEL_PARAM_BYTES_MAX as u64,
        });
    }
    let mut bytes = params.len();
    executor.params[..bytes].copy_from_slice(params);
    let size = std::ptr::from_mut(&mut bytes).cast();
    let mut extra = [EXTRA_BUFFER, executor.params.as_mut_ptr().cast(), EXTRA_SIZE, size, EXTRA_END];
    let driver = executor.driver;
    let outcome = with_configuration(executor, call, &launch, |config, function| {
        // SAFETY: configuration, attributes and parameters are ours and outlive the call, which copies them. What the parameters
        // say to the kernel is the client's own affair: that is why a session has a process to itself.
        unsafe { driver.cuLaunchKernelEx(config, function, std::ptr::null_mut(), extra.as_mut_ptr()) }
    })?;
    Ok(outcome.into())
}

/// Rebuilds a launch's configuration with nothing in it but what is ours, in the call's context.
pub fn with_configuration(
    executor: &mut Executor,
    call: &Call,
    launch: &Launch,
    then: impl FnOnce(&LaunchConfig, u64) -> Outcome,
) -> Result<Outcome, Refusal> {
    if let Some((id, _)) = launch.attributes.iter().find(|(id, _)| !ATTRIBUTES_KNOWN.contains(id)) {
        return Err(Refusal::LaunchAttribute { id: *id });
    }
    let function = executor.launchable(launch.function)?;
    let stream = executor.stream(call, launch.stream)?;
    executor.enter(call)?;
    executor.works(stream);
    let attributes: Vec<LaunchAttribute> = launch
        .attributes
        .iter()
        .map(|(id, value)| LaunchAttribute { id: *id, padding: [0; 4], value: *value })
        .collect();
    let config = LaunchConfig {
        grid: launch.grid,
        block: launch.block,
        shared_bytes: launch.shared_bytes,
        stream,
        attributes: attributes.as_ptr(),
        attribute_count: attributes.len() as u32,
    };
    Ok(then(&config, function))
}
