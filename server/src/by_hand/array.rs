//! Arrays, and copies from and to them. The driver knows how an array lies; what is checked here is that a box lies in it.
#![allow(unsafe_code)] // calls the driver with memory of ours.

use super::copy::{piece, staging};
use super::copy_box::{check, device, host, in_array, memcpy, piece_bytes};
use crate::driver::Side3D;
use crate::executor::{Call, Executor, Reply};
use crate::refusal::Refusal;
use farwarp_protocol::arrays::{
    ArrayLevel, ArrayNew, ArrayPlace, BoxBetween, BoxFromArray, BoxToArray, Descriptor3D, Side,
};
use farwarp_protocol::boxes::Shape;
use farwarp_protocol::codec::{decode, decode_prefix};
use farwarp_protocol::error::{CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_OUT_OF_MEMORY};
use farwarp_protocol::handle::{Id, ObjectKind};
use std::collections::HashMap;

/// What each array, and each level of one, is like.
#[derive(Default)]
pub struct Arrays(HashMap<Id, Descriptor3D>);

impl Executor {
    /// Memory that arrays hold; levels are counted with what they are of.
    pub fn array_bytes(&self) -> u64 {
        let counted = self
            .arrays
            .0
            .iter()
            .filter(|(id, _)| self.objects.parent(**id).and_then(Id::kind) == Some(ObjectKind::Context));
        counted.filter_map(|(_, descriptor)| descriptor.bytes()).sum()
    }

    fn forget_dead_arrays(&mut self) {
        let objects = &self.objects;
        self.arrays.0.retain(|id, _| objects.parent(*id).is_some());
    }

    /// The driver's array, of which a box lies inside.
    fn array(&self, place: &ArrayPlace, shape: Shape) -> Result<u64, Refusal> {
        let raw = self.objects.get(place.array, ObjectKind::Array)?;
        let inside = self.arrays.0.get(&place.array).is_some_and(|array| array.holds(place.at, shape));
        if inside && !shape.is_empty() { Ok(raw) } else { Err(Refusal::BadBox { shape }) }
    }

    fn side(&self, side: &Side, shape: Shape) -> Result<Side3D, Refusal> {
        match side {
            Side::Memory(block) => {
                check(self, *block, shape)?;
                Ok(device(*block))
            }
            Side::Array(place) => Ok(in_array(self.array(place, shape)?, place.at)),
        }
    }
}

pub fn array_create(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let ArrayNew { array, descriptor, levels } = decode(call.body)?;
    let kind = if levels == 0 { ObjectKind::Array } else { ObjectKind::MipmappedArray };
    executor.objects.check_new(array, kind)?;
    executor.enter(call)?;
    if !descriptor.is_valid() {
        return Ok(Reply::Now(CUDA_ERROR_INVALID_VALUE, Vec::new()));
    }
    if !executor.within_quota(descriptor.bytes().unwrap_or(u64::MAX)) {
        return Ok(Reply::Now(CUDA_ERROR_OUT_OF_MEMORY, Vec::new()));
    }
    let mut raw = 0;
    // SAFETY: the handle is written, the struct is read.
    let outcome = unsafe {
        match levels {
            0 => executor.driver.cuArray3DCreate_v2(&mut raw, &descriptor),
            _ => executor.driver.cuMipmappedArrayCreate(&mut raw, &descriptor, levels),
        }
    };
    if outcome.is_ok() {
        executor.objects.born(array, raw, call.asker.context);
        executor.forget_dead_arrays();
        executor.arrays.0.insert(array, descriptor);
        executor.count_memory();
    }
    Ok(outcome.into())
}

pub fn array_level(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let ArrayLevel { whole, level, array } = decode(call.body)?;
    executor.objects.check_new(array, ObjectKind::Array)?;
    let raw_whole = executor.objects.get(whole, ObjectKind::MipmappedArray)?;
    executor.enter(call)?;
    let mut raw = 0;
    // SAFETY: a live array, a handle to write.
    let outcome = unsafe { executor.driver.cuMipmappedArrayGetLevel(&mut raw, raw_whole, level) };
    if outcome.is_ok()
        && let Some(descriptor) = executor.arrays.0.get(&whole).copied()
    {
        executor.objects.born(array, raw, whole);
        executor.arrays.0.insert(array, descriptor.level(level));
    }
    Ok(outcome.into())
}

/// The driver waits for what uses an array, so a waiter does.
pub fn array_destroy(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let array: Id = decode(call.body)?;
    let context = executor.objects.parent(array).filter(|parent| parent.kind() == Some(ObjectKind::Context));
    let mipmapped = array.kind() == Some(ObjectKind::MipmappedArray);
    let kind = if mipmapped { ObjectKind::MipmappedArray } else { ObjectKind::Array };
    let Some(context) = context else { return Err(Refusal::NoSuchObject { id: array, kind }) };
    let raw = executor.objects.remove(array, kind)?;
    executor.forget_dead_arrays();
    executor.count_memory();
    let events = executor.mark_context(context)?.unwrap_or_default();
    let (driver, outlet, asker) = (executor.driver, executor.outlet.clone(), call.asker);
    let then = move |_| {
        // SAFETY: an array of this session's that nobody names any more.
        let gone = unsafe {
            if mipmapped { driver.cuMipmappedArrayDestroy(raw) } else { driver.cuArrayDestroy(raw) }
        };
        outlet.answer(asker, gone.err().unwrap_or(0), &[]);
    };
    executor.after(context, events, Box::new(then))?;
    Ok(Reply::Later)
}

pub fn box_to_array(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let (BoxToArray { destination, shape, stream, settled }, header) = decode_prefix(call.body)?;
    let bytes = piece(&call.body[header..])?;
    let said = piece_bytes(shape)?;
    if said != bytes.len() {
        return Err(Refusal::BoxBytes { said: said as u64, came: bytes.len() as u64 });
    }
    let array = executor.array(&destination, shape)?;
    let stream = executor.stream(call, stream)?;
    executor.enter(call)?;
    let mut piece = match staging(executor, call, stream)? {
        Ok(piece) => piece,
        Err(code) => return Ok(Reply::Now(code, Vec::new())),
    };
    piece.bytes()[..bytes.len()].copy_from_slice(bytes);
    let copy = memcpy(host(piece.address(), shape), in_array(array, destination.at), shape);
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

pub fn box_from_array(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let BoxFromArray { source, shape, stream } = decode(call.body)?;
    let bytes = piece_bytes(shape)?;
    let array = executor.array(&source, shape)?;
    let stream = executor.stream(call, stream)?;
    executor.enter(call)?;
    let mut piece = match staging(executor, call, stream)? {
        Ok(piece) => piece,
        Err(code) => return Ok(Reply::Now(code, Vec::new())),
    };
    let copy = memcpy(in_array(array, source.at), host(piece.address(), shape), shape);
    // SAFETY: the source was checked, the destination is the piece, which is kept until its bytes are in the log.
    let outcome =
        unsafe { executor.driver.cuMemcpy3DAsync_v2(&copy, stream) }.and_then(|()| executor.mark(stream));
    let event = match outcome {
        Ok(event) => event,
        Err(code) => return Ok(Reply::Now(code, Vec::new())),
    };
    let (outlet, printed, asker) = (executor.outlet.clone(), executor.printed.clone(), call.asker);
    let lines = executor.lines.clone();
    let then = move |code| match code {
        0 => {
            lines.settle();
            let printed = printed.take();
            outlet.answer_parts(asker, 0, &[&piece.bytes()[..bytes], &printed]);
        }
        _ => outlet.answer(asker, code, &[]),
    };
    executor.after(call.asker.context, vec![event], Box::new(then))?;
    Ok(Reply::Later)
}

pub fn box_between(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let BoxBetween { destination, source, shape, stream } = decode(call.body)?;
    let (to, from) = (executor.side(&destination, shape)?, executor.side(&source, shape)?);
    let stream = executor.stream(call, stream)?;
    executor.enter(call)?;
    // SAFETY: both sides were checked.
    Ok(unsafe { executor.driver.cuMemcpy3DAsync_v2(&memcpy(from, to, shape), stream) }.into())
}
