//! Memory management: memory of other processes. Events of theirs are not built.

use farwarp_face::*;

use crate::driver::current::current;
use crate::driver::edge::{Out, Result, api};
use crate::driver::ipc::{self, MemoryHandle};

/// `CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS`, which must be given.
const LAZY_ENABLE_PEER_ACCESS: u32 = 1;

api! {
    fn cuIpcGetMemHandle(handle: Out<MemoryHandle>, address: u64) {
        current()?;
        handle.require()?;
        handle.put(ipc::show(address)?)
    }

    fn cuIpcOpenMemHandle_v2(address: Out<u64>, handle: Passed, flags: u32) {
        open(address, handle, flags)
    }

    fn cuIpcOpenMemHandle(address: Out<u64>, handle: Passed, flags: u32) {
        open(address, handle, flags)
    }

    fn cuIpcCloseMemHandle(address: u64) {
        current()?;
        ipc::close(address)
    }
}

/// A handle that is passed by value.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Passed(MemoryHandle);

/// No capture looks into it.
impl farwarp_graphs::Word for Passed {
    fn word(self) -> u64 {
        0
    }
}

fn open(address: Out<u64>, handle: Passed, flags: u32) -> Result {
    let context = current()?;
    address.require()?;
    if flags != LAZY_ENABLE_PEER_ACCESS {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    address.put(ipc::open(&context, handle.0)?)
}
