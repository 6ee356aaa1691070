//! Linear copies. Bytes go in pieces, so that a large copy neither fills the log nor stands in front of other threads' calls.
#![allow(unsafe_code)]
// reads and writes the program's buffers, as the driver would.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use crate::call::in_context_hearing;
use crate::memory::Memory;
use crate::output;
use crate::state::Shim;
use crate::threads;
use farwarp_protocol::call::{
    COPY_ON_DEVICE, COPY_TO_DEVICE, COPY_TO_HOST, CopyOnDevice, CopyToDevice, CopyToHost, SYNCHRONIZE_STREAM,
};
use farwarp_protocol::codec::encode;
use farwarp_protocol::error::{
    CUDA_ERROR_INVALID_HANDLE, CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_NOT_SUPPORTED, CUDA_ERROR_UNKNOWN, Code,
};
use farwarp_protocol::handle::Id;
use farwarp_protocol::limits::{DTOH_PIECES_IN_FLIGHT, PIECE_BYTES};
use farwarp_protocol::param::STREAM_PER_THREAD;
use std::collections::VecDeque;
use std::ffi::c_void;

pub unsafe fn cuMemcpyHtoD_v2(to: u64, from: *const c_void, bytes: usize) -> Result<(), Code> {
    unsafe { to_device(to, from, bytes, 0) }
}

pub unsafe fn cuMemcpyHtoDAsync_v2(
    to: u64,
    from: *const c_void,
    bytes: usize,
    stream: u64,
) -> Result<(), Code> {
    unsafe { to_device(to, from, bytes, stream) }
}

pub unsafe fn cuMemcpyDtoH_v2(to: *mut c_void, from: u64, bytes: usize) -> Result<(), Code> {
    unsafe { to_host(to, from, bytes, 0) }
}

/// The bytes are there when this returns, as they are for pageable memory; for pinned memory that is earlier than promised.
pub unsafe fn cuMemcpyDtoHAsync_v2(
    to: *mut c_void,
    from: u64,
    bytes: usize,
    stream: u64,
) -> Result<(), Code> {
    unsafe { to_host(to, from, bytes, stream) }
}

pub unsafe fn cuMemcpyDtoD_v2(to: u64, from: u64, bytes: usize) -> Result<(), Code> {
    on_device(to, from, bytes, 0)
}

pub unsafe fn cuMemcpyDtoDAsync_v2(to: u64, from: u64, bytes: usize, stream: u64) -> Result<(), Code> {
    on_device(to, from, bytes, stream)
}

pub unsafe fn cuMemcpy(to: u64, from: u64, bytes: usize) -> Result<(), Code> {
    unsafe { cuMemcpyAsync(to, from, bytes, 0) }
}

/// Every address says itself whether it is the device's: no device address is ever a host address.
pub unsafe fn cuMemcpyAsync(to: u64, from: u64, bytes: usize, stream: u64) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    let (to_is_device, from_is_device) = {
        let memory = shim.memory();
        (is_device(&memory, to), is_device(&memory, from))
    };
    match (to_is_device, from_is_device) {
        (true, true) => on_device(to, from, bytes, stream),
        (true, false) => unsafe { to_device(to, from as *const c_void, bytes, stream) },
        (false, true) => unsafe { to_host(to as *mut c_void, from, bytes, stream) },
        (false, false) => unsafe { host_to_host(shim, to, from, bytes, stream) },
    }
}

/// Peer copies name both contexts; where they are the same device's, the copy is one on that device.
pub unsafe fn cuMemcpyPeerAsync(
    to: u64,
    to_context: u64,
    from: u64,
    from_context: u64,
    bytes: usize,
    stream: u64,
) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    let (to_device, from_device) = {
        let contexts = shim.contexts();
        (contexts.active(Id(to_context))?.device, contexts.active(Id(from_context))?.device)
    };
    if to_device != from_device {
        return Err(CUDA_ERROR_NOT_SUPPORTED);
    }
    on_device(to, from, bytes, stream)
}

pub unsafe fn cuMemcpyPeer(
    to: u64,
    to_context: u64,
    from: u64,
    from_context: u64,
    bytes: usize,
) -> Result<(), Code> {
    unsafe { cuMemcpyPeerAsync(to, to_context, from, from_context, bytes, 0) }
}

/// The stream that is meant, if it exists.
pub fn checked(shim: &Shim, stream: u64) -> Result<u64, Code> {
    let stream = threads::resolve(stream);
    if stream > STREAM_PER_THREAD {
        shim.objects().streams.get(Id(stream)).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
    }
    Ok(stream)
}

/// Addresses say themselves what they are, whichever function they come to.
fn is_device(memory: &Memory, address: u64) -> bool {
    memory.find(address).is_some_and(|found| found.kind.is_device())
}

/// The bytes are taken before this returns: told, not asked.
unsafe fn to_device(to: u64, from: *const c_void, bytes: usize, stream: u64) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    let stream = checked(shim, stream)?;
    if bytes == 0 {
        return Ok(());
    }
    if from.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    {
        let memory = shim.memory();
        memory.device(to, bytes as u64)?;
        if is_device(&memory, from as u64) {
            drop(memory);
            return on_device(to, from as u64, bytes, stream);
        }
    }
    for at in (0..bytes).step_by(PIECE_BYTES) {
        let part = PIECE_BYTES.min(bytes - at);
        // SAFETY: the program vouches for `bytes` readable bytes at `from`, as it does to the driver.
        let piece = unsafe { std::slice::from_raw_parts(from.cast::<u8>().add(at), part) };
        let header = encode(&CopyToDevice { destination: to + at as u64, stream });
        shim.remote.tell(COPY_TO_DEVICE, &[&header, piece])?;
    }
    Ok(())
}

/// Pieces are asked for ahead of each other; each is read from the device once.
unsafe fn to_host(to: *mut c_void, from: u64, bytes: usize, stream: u64) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    let stream = checked(shim, stream)?;
    if bytes == 0 {
        return Ok(());
    }
    if to.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    {
        let memory = shim.memory();
        memory.device(from, bytes as u64)?;
        if is_device(&memory, to as u64) {
            drop(memory);
            return on_device(to as u64, from, bytes, stream);
        }
    }
    let mut asked = VecDeque::with_capacity(DTOH_PIECES_IN_FLIGHT);
    let mut failure = None;
    let mut next = 0;
    loop {
        while next < bytes && asked.len() < DTOH_PIECES_IN_FLIGHT && failure.is_none() {
            let part = PIECE_BYTES.min(bytes - next);
            let copy = CopyToHost { source: from + next as u64, bytes: part as u64, stream };
            asked.push_back((next, part, shim.remote.ask_ahead(COPY_TO_HOST, &[&encode(&copy)])?));
            next += part;
        }
        let Some((at, part, number)) = asked.pop_front() else { break };
        let answer = shim.remote.answer(number)?;
        match answer.check() {
            // A server that sends fewer bytes than were asked for does not get to write any. What kernels printed follows the bytes.
            Ok(()) if answer.body.len() < part => failure = Some(CUDA_ERROR_UNKNOWN),
            Ok(()) => {
                // SAFETY: `at + part` is at most `bytes`, for which the program vouches.
                unsafe { std::ptr::copy_nonoverlapping(answer.body.as_ptr(), to.cast::<u8>().add(at), part) };
                output::print(&answer.body[part..]);
            }
            Err(code) => failure = Some(failure.unwrap_or(code)),
        }
    }
    failure.map_or(Ok(()), Err)
}

fn on_device(to: u64, from: u64, bytes: usize, stream: u64) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    let stream = checked(shim, stream)?;
    if bytes == 0 {
        return Ok(());
    }
    {
        let memory = shim.memory();
        memory.device(to, bytes as u64)?;
        memory.device(from, bytes as u64)?;
    }
    let copy = CopyOnDevice { destination: to, source: from, bytes: bytes as u64, stream };
    shim.remote.tell(COPY_ON_DEVICE, &[&encode(&copy)])
}

/// A copy that never leaves this machine still has its turn in the stream.
unsafe fn host_to_host(shim: &Shim, to: u64, from: u64, bytes: usize, stream: u64) -> Result<(), Code> {
    let stream = checked(shim, stream)?;
    if bytes == 0 {
        return Ok(());
    }
    if to == 0 || from == 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    shim.remote.ask(SYNCHRONIZE_STREAM, &[&encode(&stream)])?.check()?;
    // SAFETY: the program vouches for both buffers; they may overlap.
    unsafe { std::ptr::copy(from as *const u8, to as *mut u8, bytes) };
    Ok(())
}
