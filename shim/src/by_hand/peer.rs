//! Access of one context's kernels to another's memory, on another device. The server grants it, because it has the memory.
#![allow(unsafe_code)]
// is called as the C functions that these are; follows no pointer.
#![allow(non_snake_case, clippy::missing_safety_doc)]

use crate::call::in_context_hearing;
use farwarp_protocol::call::op;
use farwarp_protocol::codec::encode;
use farwarp_protocol::error::{CUDA_ERROR_INVALID_CONTEXT, Code};
use farwarp_protocol::handle::Id;

pub unsafe fn cuCtxEnablePeerAccess(peer: u64, flags: u32) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    let peer = Id(peer);
    shim.contexts().active(peer).map_err(|_| CUDA_ERROR_INVALID_CONTEXT)?;
    shim.remote.ask(op("cuCtxEnablePeerAccess"), &[&encode(&(peer, flags))])?.check()
}

pub unsafe fn cuCtxDisablePeerAccess(peer: u64) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    let peer = Id(peer);
    shim.contexts().active(peer).map_err(|_| CUDA_ERROR_INVALID_CONTEXT)?;
    shim.remote.ask(op("cuCtxDisablePeerAccess"), &[&encode(&peer)])?.check()
}
