//! Batches of waits and writes: a union of structs in C, one plain struct on the wire.
#![allow(unsafe_code)]
// reads the program's list.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use super::copy::checked;
use crate::call::in_context_hearing;
use cudarc::driver::sys::CUstreamBatchMemOpParams;
use farwarp_protocol::call::{BATCH_MAX, MemoryOperation, op};
use farwarp_protocol::codec::encode;
use farwarp_protocol::error::{CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_NOT_SUPPORTED, Code};

/// `CUstreamBatchMemOpParams` as a wait or a write; the others are its first two numbers alone.
#[repr(C)]
struct Params {
    operation: u32,
    flags_if_bare: u32,
    address: u64,
    value: u64,
    flags: u32,
    padding: u32,
    alias: u64,
    room: u64,
}

const _: () = assert!(size_of::<Params>() == size_of::<CUstreamBatchMemOpParams>());

pub unsafe fn cuStreamBatchMemOp_v2(
    stream: u64,
    count: u32,
    list: *const CUstreamBatchMemOpParams,
    flags: u32,
) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    let stream = checked(shim, stream)?;
    if count > BATCH_MAX || (count > 0 && list.is_null()) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let mut operations = Vec::with_capacity(count as usize);
    for index in 0..count as usize {
        let params = unsafe { list.cast::<Params>().add(index).read_unaligned() };
        let mut operation = MemoryOperation {
            operation: params.operation,
            address: params.address,
            value: params.value,
            flags: params.flags,
        };
        match operation.width() {
            Some(0) => {
                operation = MemoryOperation {
                    address: 0,
                    value: 0,
                    flags: params.flags_if_bare,
                    operation: params.operation,
                };
            }
            Some(width) => {
                if shim.memory().device(params.address, width)?.shared {
                    crate::shared::refuse_signals();
                    return Err(CUDA_ERROR_NOT_SUPPORTED);
                }
            }
            // Reductions on the way to memory are not built.
            None if params.operation == MemoryOperation::ATOMIC_REDUCTION => {
                return Err(CUDA_ERROR_NOT_SUPPORTED);
            }
            None => return Err(CUDA_ERROR_INVALID_VALUE),
        }
        operations.push(operation);
    }
    shim.remote.ask(op("cuStreamBatchMemOp_v2"), &[&encode(&(stream, operations, flags))])?.check()
}

pub unsafe fn cuStreamBatchMemOp(
    stream: u64,
    count: u32,
    list: *const CUstreamBatchMemOpParams,
    flags: u32,
) -> Result<(), Code> {
    unsafe { cuStreamBatchMemOp_v2(stream, count, list, flags) }
}
