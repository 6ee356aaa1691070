//! Memory that another process of the same ticket may open, and memory of theirs. The handle is the server's; how often a process has
//! opened what, is known here.
#![allow(unsafe_code)]
// writes answers where the program wants them.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use crate::call::in_context_hearing;
use crate::here::give;
use crate::memory::MemoryKind;
use cudarc::driver::sys::CUipcMemHandle;
use farwarp_protocol::call::{MemoryHandle, Range, op};
use farwarp_protocol::codec::{decode_prefix, encode};
use farwarp_protocol::error::{
    CUDA_ERROR_INVALID_HANDLE, CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_NOT_SUPPORTED, Code,
};
use std::ffi::c_char;

/// `CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS`, which must be given.
const LAZY_ENABLE_PEER_ACCESS: u32 = 1;
/// With this begins every handle that a farwarp wrote; what does not is no handle of its.
const MARK: [u8; 8] = *b"farwarp\x01";

pub type HandleBytes = [u8; 64];

pub unsafe fn cuIpcGetMemHandle(handle: *mut CUipcMemHandle, address: u64) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    if handle.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    if shim.snapshot.arena.is_none() {
        // What a driver allocates by itself lies outside the arena's chunks.
        return Err(CUDA_ERROR_NOT_SUPPORTED);
    }
    let range = {
        let memory = shim.memory();
        let found = memory.find(address).filter(|found| found.kind == MemoryKind::Device);
        found.ok_or(CUDA_ERROR_INVALID_VALUE)?.range
    };
    let body = encode(&(range.address, range.bytes));
    let known: MemoryHandle = shim.remote.ask(op("cuIpcGetMemHandle"), &[&body])?.value()?;
    unsafe { give(handle.cast(), written(&known)) }
}

fn written(handle: &MemoryHandle) -> HandleBytes {
    let mut bytes = [0; 64];
    let encoded = encode(handle);
    bytes[..MARK.len()].copy_from_slice(&MARK);
    bytes[MARK.len()..][..encoded.len()].copy_from_slice(&encoded);
    bytes
}

fn read(bytes: &HandleBytes) -> Result<MemoryHandle, Code> {
    let rest = bytes.strip_prefix(&MARK).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
    let (handle, _): (MemoryHandle, usize) = decode_prefix(rest).map_err(|_| CUDA_ERROR_INVALID_HANDLE)?;
    if handle.is_inside() { Ok(handle) } else { Err(CUDA_ERROR_INVALID_HANDLE) }
}

/// What this process has open already is not mapped anew.
pub unsafe fn cuIpcOpenMemHandle_v2(
    address: *mut u64,
    handle: CUipcMemHandle,
    flags: u32,
) -> Result<(), Code> {
    let (shim, context) = in_context_hearing()?;
    if address.is_null() || flags != LAZY_ENABLE_PEER_ACCESS {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let bytes = handle.reserved.map(|byte: c_char| byte as u8);
    let wanted = read(&bytes)?;
    // A device that this server has not makes it another server's.
    if wanted.device < 0 || wanted.device as usize >= shim.snapshot.devices.len() {
        return Err(CUDA_ERROR_INVALID_HANDLE);
    }
    let open = shim.memory().open_again(&bytes, context);
    if let Some(at) = open {
        return unsafe { give(address, at) };
    }
    let own = shim.contexts().get(context)?.device;
    let device = shim.visible.iter().position(|index| *index as i32 == wanted.device);
    let at: u64 = shim.remote.ask(op("cuIpcOpenMemHandle_v2"), &[&encode(&wanted)])?.value()?;
    let range = Range { address: at, bytes: wanted.bytes };
    let device = device.map_or(own, |ordinal| ordinal as i32);
    let first = shim.memory().opened(range, bytes, context, device)?;
    if !first {
        // Another thread has opened the same at the same time; it is counted once.
        shim.remote.ask(op("cuIpcCloseMemHandle"), &[&encode(&at)])?.check()?;
    }
    unsafe { give(address, at) }
}

pub unsafe fn cuIpcOpenMemHandle(address: *mut u64, handle: CUipcMemHandle, flags: u32) -> Result<(), Code> {
    unsafe { cuIpcOpenMemHandle_v2(address, handle, flags) }
}

pub unsafe fn cuIpcCloseMemHandle(address: u64) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    let closed = shim.memory().close(address)?;
    match closed {
        Some(_last) => shim.remote.ask(op("cuIpcCloseMemHandle"), &[&encode(&address)])?.check(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_read_as_it_was_written_and_garbage_is_none() {
        let handle = MemoryHandle { key: [7; 16], chunk_bytes: 1 << 24, offset: 512, bytes: 1000, device: 1 };
        assert_eq!(read(&written(&handle)), Ok(handle.clone()));
        assert_eq!(read(&[0; 64]), Err(CUDA_ERROR_INVALID_HANDLE));
        let outside = MemoryHandle { offset: 1 << 24, ..handle };
        assert_eq!(read(&written(&outside)), Err(CUDA_ERROR_INVALID_HANDLE));
    }
}
