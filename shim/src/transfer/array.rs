//! Copies from and to arrays. The host's half is taken, or there, when the call returns: page-locked memory that something earlier may still
//! change is waited for.
#![allow(unsafe_code)] // reads and writes the program's buffers, as the driver would.

use super::{Found, Pace, Transfer, find, gather, scatter};
use crate::output;
use farwarp_face::copies::Place;
use farwarp_protocol::arrays::{ArrayPlace, BoxBetween, BoxFromArray, BoxToArray, Side};
use farwarp_protocol::boxes::{Block, Part};
use farwarp_protocol::call::{BOX_BETWEEN, BOX_FROM_ARRAY, BOX_TO_ARRAY};
use farwarp_protocol::codec::encode;
use farwarp_protocol::error::{CUDA_ERROR_INVALID_HANDLE, CUDA_ERROR_INVALID_VALUE, Code};
use farwarp_protocol::handle::Id;
use farwarp_protocol::limits::{DTOH_PIECES_IN_FLIGHT, PIECE_BYTES};
use std::collections::VecDeque;

/// One side of a copy of which the other is an array.
enum End {
    Host(Block),
    Device(Side),
}

impl Transfer {
    /// A copy of which at least one side is an array.
    pub(super) fn issue_with_array(&self) -> Result<(), Code> {
        let (to, from) = (self.end(&self.copy.to)?, self.end(&self.copy.from)?);
        match (to, from) {
            (End::Device(Side::Array(to)), End::Host(from)) => self.to_array(to, from),
            (End::Host(to), End::Device(Side::Array(from))) => self.out_of_array(to, from),
            (End::Device(destination), End::Device(source)) => {
                let copy = BoxBetween { destination, source, shape: self.copy.shape, stream: self.stream };
                self.shim.remote.tell(BOX_BETWEEN, &[&encode(&copy)])
            }
            _ => Err(CUDA_ERROR_INVALID_VALUE),
        }
    }

    fn end(&self, place: &Place) -> Result<End, Code> {
        let shape = self.copy.shape;
        if let Place::Array { array, x_bytes, y, z } = *place {
            let (array, at) = (Id(array), [x_bytes, y, z]);
            let objects = self.shim.objects();
            let known = objects.arrays.get(array).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
            return match known.descriptor.holds(at, shape) {
                true => Ok(End::Device(Side::Array(ArrayPlace { array, at }))),
                false => Err(CUDA_ERROR_INVALID_VALUE),
            };
        }
        Ok(match find(&self.shim.memory(), place, shape)? {
            Found::Host { block, .. } => End::Host(block),
            Found::Device { block, .. } => End::Device(Side::Memory(block)),
        })
    }

    fn to_array(&self, to: ArrayPlace, from: Block) -> Result<(), Code> {
        if self.may_change(from) {
            self.wait()?;
        }
        let settled = self.pace == Pace::Synchronous;
        for part in self.copy.shape.parts(PIECE_BYTES as u64) {
            let copy =
                BoxToArray { destination: at(to, &part), shape: part.shape, stream: self.stream, settled };
            // SAFETY: the program vouches for what it names as the source, as it does to the driver.
            let bytes = unsafe { gather(from.at(&part), part.shape) };
            self.shim.remote.tell(BOX_TO_ARRAY, &[&encode(&copy), &bytes])?;
        }
        Ok(())
    }

    fn out_of_array(&self, to: Block, from: ArrayPlace) -> Result<(), Code> {
        let mut parts = self.copy.shape.parts(PIECE_BYTES as u64);
        let mut asked: VecDeque<(Part, u64)> = VecDeque::with_capacity(DTOH_PIECES_IN_FLIGHT);
        let mut failure = None;
        loop {
            while asked.len() < DTOH_PIECES_IN_FLIGHT && failure.is_none() {
                let Some(part) = parts.next() else { break };
                let copy = BoxFromArray { source: at(from, &part), shape: part.shape, stream: self.stream };
                let number = self.shim.remote.ask_ahead(BOX_FROM_ARRAY, &[&encode(&copy)])?;
                asked.push_back((part, number));
            }
            let Some((part, number)) = asked.pop_front() else { break };
            let answer = self.shim.remote.answer(BOX_FROM_ARRAY, number)?;
            let bytes = (part.shape.width * part.shape.height * part.shape.depth) as usize;
            match answer.check() {
                // A server that sends fewer bytes than were asked for does not get to write any.
                Ok(()) if answer.body.len() < bytes => failure = Some(answer.malformed()),
                Ok(()) => {
                    // SAFETY: the program vouches for what it names as the destination; the part lies in it.
                    unsafe { scatter(&answer.body[..bytes], to.at(&part), part.shape) };
                    output::print(&answer.body[bytes..]);
                }
                Err(code) => failure = Some(failure.unwrap_or(code)),
            }
        }
        failure.map_or(Ok(()), Err)
    }
}

fn at(place: ArrayPlace, part: &Part) -> ArrayPlace {
    let [x, y, z] = place.at;
    ArrayPlace { at: [x + part.x, y + part.y, z + part.z], ..place }
}
