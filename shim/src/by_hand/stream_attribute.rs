//! Attributes of streams: plain values of 64 bytes, kept by the driver.
#![allow(unsafe_code)]
// reads and writes the program's values.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use super::copy::checked;
use crate::call::in_context_hearing;
use crate::here::give;
use crate::state::Shim;
use cudarc::driver::sys::CUstreamAttrValue;
use farwarp_protocol::call::{
    STREAM_ATTRIBUTES, STREAM_PRIORITY, STREAM_WINDOW, StreamAttribute, op, window_of,
};
use farwarp_protocol::codec::encode;
use farwarp_protocol::error::{CUDA_ERROR_INVALID_VALUE, Code};
use farwarp_protocol::handle::Id;

type Value = [u8; 64];
const _: () = assert!(size_of::<CUstreamAttrValue>() == size_of::<Value>());

pub unsafe fn cuStreamGetAttribute(
    stream: u64,
    attribute: u32,
    value: *mut CUstreamAttrValue,
) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    let stream = checked(shim, stream)?;
    if value.is_null() || !STREAM_ATTRIBUTES.contains(&attribute) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let body = encode(&(stream, attribute));
    let known: Value = shim.remote.ask(op("cuStreamGetAttribute"), &[&body])?.value()?;
    unsafe { give(value.cast(), known) }
}

pub unsafe fn cuStreamSetAttribute(
    stream: u64,
    attribute: u32,
    value: *const CUstreamAttrValue,
) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    let stream = checked(shim, stream)?;
    if value.is_null() || !STREAM_ATTRIBUTES.contains(&attribute) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let value: Value = unsafe { value.cast::<Value>().read_unaligned() };
    if attribute == STREAM_WINDOW {
        let (address, bytes) = window_of(&value);
        if bytes > 0 {
            shim.memory().device(address, bytes)?;
        }
    }
    let set = StreamAttribute { stream, attribute, value };
    shim.remote.ask(op("cuStreamSetAttribute"), &[&encode(&set)])?.check()?;
    if attribute == STREAM_PRIORITY {
        remember_priority(shim, Id(stream), i32::from_ne_bytes([value[0], value[1], value[2], value[3]]));
    }
    Ok(())
}

/// cuStreamGetPriority is answered from the books.
fn remember_priority(shim: &Shim, stream: Id, priority: i32) {
    let context = shim.objects().streams.get(stream).map(|stream| stream.context);
    let device = context.and_then(|context| shim.contexts().get(context).ok().map(|found| found.device));
    let Some(Ok(device)) = device.map(|device| shim.device(device)) else { return };
    let (least, greatest) = device.priorities;
    if let Some(stream) = shim.objects().streams.get_mut(stream) {
        stream.priority = priority.clamp(greatest, least);
    }
}

pub unsafe fn cuStreamCopyAttributes(to: u64, from: u64) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    let (to, from) = (checked(shim, to)?, checked(shim, from)?);
    shim.remote.ask(op("cuStreamCopyAttributes"), &[&encode(&(to, from))])?.check()?;
    let priority = shim.objects().streams.get(Id(from)).map(|stream| stream.priority);
    remember_priority(shim, Id(to), priority.unwrap_or(0));
    Ok(())
}
