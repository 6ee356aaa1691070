//! Copies of boxes whose rows lie apart on the device. The host's half is one piece without gaps, in pinned memory of the worker's.
#![allow(unsafe_code)] // calls the driver with memory of ours.

use super::copy::{piece, staging};
use crate::driver::{Memcpy3D, Side3D};
use crate::executor::{Call, Executor, Reply};
use crate::refusal::Refusal;
use farwarp_protocol::boxes::{Block, Shape};
use farwarp_protocol::call::{Across, BoxOnDevice, BoxToDevice, BoxToHost};
use farwarp_protocol::codec::{decode, decode_prefix};
use farwarp_protocol::limits::PIECE_BYTES;
use std::ffi::c_void;

/// `CU_MEMORYTYPE_HOST`, `_DEVICE` and `_ARRAY`.
const MEMORY_HOST: u32 = 1;
const MEMORY_DEVICE: u32 = 2;
const MEMORY_ARRAY: u32 = 3;

pub fn box_to_device(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let (BoxToDevice { destination, shape, stream, settled }, header) = decode_prefix(call.body)?;
    let bytes = piece(&call.body[header..])?;
    let said = piece_bytes(shape)?;
    if said != bytes.len() {
        return Err(Refusal::BoxBytes { said: said as u64, came: bytes.len() as u64 });
    }
    check(executor, destination, shape)?;
    let stream = executor.stream(call, stream)?;
    executor.enter(call)?;
    executor.writes(destination.start, stream);
    let mut piece = match staging(executor, call, stream)? {
        Ok(piece) => piece,
        Err(code) => return Ok(Reply::Now(code, Vec::new())),
    };
    piece.bytes()[..bytes.len()].copy_from_slice(bytes);
    let copy = memcpy(host(piece.address(), shape), device(destination), shape);
    // SAFETY: the destination was checked, the source is the piece, which is kept until the copy is over.
    let outcome =
        unsafe { executor.driver.cuMemcpy3DAsync_v2(&copy, stream) }.and_then(|()| executor.mark(stream));
    match outcome {
        Ok(event) => {
            if settled {
                executor.settles(stream);
            }
            executor.after(call.asker.context, vec![event], Box::new(move |_| drop(piece)))?;
            Ok(Reply::DONE)
        }
        Err(code) => Ok(Reply::Now(code, Vec::new())),
    }
}

pub fn box_to_host(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let BoxToHost { source, shape, stream } = decode(call.body)?;
    let bytes = piece_bytes(shape)?;
    check(executor, source, shape)?;
    let stream = executor.stream(call, stream)?;
    executor.enter(call)?;
    let mut piece = match staging(executor, call, stream)? {
        Ok(piece) => piece,
        Err(code) => return Ok(Reply::Now(code, Vec::new())),
    };
    let copy = memcpy(device(source), host(piece.address(), shape), shape);
    // SAFETY: the source was checked, the destination is the piece, which is kept until its bytes are in the log.
    let outcome =
        unsafe { executor.driver.cuMemcpy3DAsync_v2(&copy, stream) }.and_then(|()| executor.mark(stream));
    let event = match outcome {
        Ok(event) => event,
        Err(code) => return Ok(Reply::Now(code, Vec::new())),
    };
    let (outlet, printed, asker) = (executor.outlet.clone(), executor.printed.clone(), call.asker);
    let (lines, shared) = (executor.lines.clone(), executor.shared.clone());
    let ticket = shared.ticket(executor.place_of(stream));
    let then = move |code| match code {
        0 => {
            lines.settle();
            shared.bring(ticket);
            let printed = printed.take();
            outlet.answer_parts(asker, 0, &[&piece.bytes()[..bytes], &printed]);
        }
        _ => outlet.answer(asker, code, &[]),
    };
    executor.after(call.asker.context, vec![event], Box::new(then))?;
    Ok(Reply::Later)
}

pub fn box_on_device(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let BoxOnDevice { destination, source, shape, stream, across } = decode(call.body)?;
    check(executor, destination, shape)?;
    check(executor, source, shape)?;
    let stream = executor.stream(call, stream)?;
    let mut copy = memcpy(device(source), device(destination), shape);
    let alone = across.map(|across| across.alone);
    if let Some(Across { destination, source, .. }) = across {
        copy.destination.context = executor.context(destination)?.raw;
        copy.source.context = executor.context(source)?.raw;
    }
    executor.enter(call)?;
    executor.writes(copy.destination.device, stream);
    // SAFETY: both sides were checked, and the contexts are live.
    let outcome = unsafe {
        match alone {
            Some(true) => executor.driver.cuMemcpy3DPeer(&copy),
            Some(false) => executor.driver.cuMemcpy3DPeerAsync(&copy, stream),
            None => executor.driver.cuMemcpy3DAsync_v2(&copy, stream),
        }
    };
    Ok(outcome.into())
}

/// All bytes of a box that travels in one piece.
pub fn piece_bytes(shape: Shape) -> Result<usize, Refusal> {
    match shape.bytes() {
        Some(bytes) if bytes > 0 && bytes <= PIECE_BYTES as u64 => Ok(bytes as usize),
        _ => Err(Refusal::BadBox { shape }),
    }
}

/// From its first byte to its last a box lies in one live range, and its rows do not run into each other.
pub fn check(executor: &Executor, block: Block, shape: Shape) -> Result<(), Refusal> {
    let apart = (shape.height == 1 && shape.depth == 1) || block.pitch >= shape.width;
    let apart = apart && (shape.depth == 1 || block.rows >= shape.height);
    let bytes = block.span(shape).filter(|_| apart).ok_or(Refusal::BadBox { shape })?;
    executor.ranges.check(block.start, bytes)
}

pub fn memcpy(source: Side3D, destination: Side3D, shape: Shape) -> Memcpy3D {
    Memcpy3D { source, destination, width_bytes: shape.width, height: shape.height, depth: shape.depth }
}

pub fn device(block: Block) -> Side3D {
    Side3D {
        memory_type: MEMORY_DEVICE,
        device: block.start,
        pitch: block.pitch,
        height: block.rows,
        ..NOWHERE
    }
}

pub fn host(address: *mut c_void, shape: Shape) -> Side3D {
    Side3D { memory_type: MEMORY_HOST, host: address, pitch: shape.width, height: shape.height, ..NOWHERE }
}

pub fn in_array(array: u64, [x_bytes, y, z]: [u64; 3]) -> Side3D {
    Side3D { memory_type: MEMORY_ARRAY, array, x_bytes, y, z, ..NOWHERE }
}

const NOWHERE: Side3D = Side3D {
    x_bytes: 0,
    y: 0,
    z: 0,
    lod: 0,
    memory_type: 0,
    host: std::ptr::null_mut(),
    device: 0,
    array: 0,
    context: 0,
    pitch: 0,
    height: 0,
};
