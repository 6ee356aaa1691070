//! Copies and sets: what they may touch, when their host side is read or written, and where they stand in a stream.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use farwarp_face::copies::{BoxCopy, Place as CopyPlace, Side};
use farwarp_face::*;
use farwarp_protocol::boxes::{Block, Shape};

use crate::driver::context::Context;
use crate::driver::edge::{Result, bytes_at};
use crate::driver::job::Action;
use crate::driver::ranges::{Access, Range};
use crate::driver::stream::Place;
use crate::driver::{array, pages, ranges, stream, transfer};

/// Pageable memory up to this size is read at the call, so that the call need not wait; more is copied while it waits.
const STAGED_BYTES: u64 = 16 << 20;

#[derive(Debug, Clone, Copy)]
pub struct Copy {
    pub to: Block,
    pub to_side: Side,
    pub from: Block,
    pub from_side: Side,
    pub shape: Shape,
}

/// Whether a call returns before the bytes have moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As soon as the host side may be changed again.
    Synchronous,
    Asynchronous,
}

/// What an address turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// Memory of the program that the driver does not know.
    Pageable,
    /// Page-locked memory of the host.
    Pinned,
    Device,
}

impl Copy {
    /// A box in an array is one in memory, once it is seen to lie inside.
    pub fn new(asked: BoxCopy) -> Result<Copy> {
        let place = |place: CopyPlace| -> Result<(Side, Block)> {
            match place {
                CopyPlace::Memory { side, block } => Ok((side, block)),
                CopyPlace::Array { array, x_bytes, y, z } => {
                    Ok((Side::Device, array::block(array, [x_bytes, y, z], asked.shape)?))
                }
            }
        };
        let ((to_side, to), (from_side, from)) = (place(asked.to)?, place(asked.from)?);
        Ok(Copy { to, to_side, from, from_side, shape: asked.shape })
    }

    pub fn linear(to: u64, to_side: Side, from: u64, from_side: Side, bytes: u64) -> Copy {
        let shape = Shape::linear(bytes);
        Copy { to: Block::linear(to), to_side, from: Block::linear(from), from_side, shape }
    }

    /// Does the copy in its turn.
    pub fn issue(self, place: &Place, pace: Pace) -> Result {
        if self.shape.is_empty() {
            return Ok(());
        }
        let (to, from) = self.check()?;
        // What the host reads by itself must be there when the call returns.
        let both_on_device = to == Found::Device && from == Found::Device && !is_seen_by_host(self.to.start);
        let both_on_host = to != Found::Device && from != Found::Device;
        let returns_late = to == Found::Pageable || both_on_host || self.wants_sync();
        if returns_late || (pace == Pace::Synchronous && !both_on_device) {
            return place.do_now(|| self.run());
        }
        if from == Found::Pageable {
            return self.issue_staged(place);
        }
        place.add(Vec::new(), Action::Copy(Box::new(move || self.run())));
        Ok(())
    }

    /// Does the copy between two contexts, after all that they were given before. Page-locked memory too has its turn then.
    pub fn issue_between(self, place: &Place, contexts: &[Arc<Context>]) -> Result {
        if self.shape.is_empty() {
            return Ok(());
        }
        let (to, from) = self.check()?;
        let job = stream::add_between(place, contexts, Action::Copy(Box::new(move || self.run())));
        if to == Found::Device && from == Found::Device && !self.wants_sync() {
            return Ok(());
        }
        stream::synchronize(&place.context, &[job])
    }

    /// The copy as a job's action: both sides are looked at, read and written when its turn comes.
    pub fn action(self) -> Action {
        let run = move || if self.shape.is_empty() { Ok(()) } else { self.run() };
        Action::Copy(Box::new(run))
    }

    /// Reads the program's bytes at once: it may change them as soon as the call returns.
    fn issue_staged(self, place: &Place) -> Result {
        let bytes = self.from.span(self.shape).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        if bytes > STAGED_BYTES {
            return place.do_now(|| self.run());
        }
        let staged = bytes_at(self.from.start, bytes as usize);
        let write = move || {
            let from = Block { start: staged.as_ptr().expose_provenance() as u64, ..self.from };
            if self.reaches_target() {
                Copy { from, ..self }.rows();
                Ok(())
            } else {
                Err(CUDA_ERROR_ILLEGAL_ADDRESS)
            }
        };
        place.add(Vec::new(), Action::Copy(Box::new(write)));
        Ok(())
    }

    /// Moves the bytes, if they are still there: memory may have been freed since the call.
    fn run(self) -> Result {
        self.check().map_err(|_| CUDA_ERROR_ILLEGAL_ADDRESS)?;
        self.rows();
        Ok(())
    }

    fn rows(&self) {
        let Shape { width, height, depth } = self.shape;
        for slice in 0..depth {
            for row in 0..height {
                transfer::copy(self.to.row(slice, row), self.from.row(slice, row), width);
            }
        }
    }

    fn check(&self) -> Result<(Found, Found)> {
        let to = look(&self.to, self.to_side, &self.shape, true)?;
        let from = look(&self.from, self.from_side, &self.shape, false)?;
        Ok((to, from))
    }

    fn reaches_target(&self) -> bool {
        look(&self.to, self.to_side, &self.shape, true).is_ok()
    }

    /// CU_POINTER_ATTRIBUTE_SYNC_MEMOPS of either side.
    fn wants_sync(&self) -> bool {
        [self.to.start, self.from.start]
            .iter()
            .any(|at| ranges::find(*at).is_some_and(|range| range.sync_memops.load(Ordering::Relaxed)))
    }
}

/// What lies there, or that it may not be touched.
fn look(block: &Block, side: Side, shape: &Shape, write: bool) -> Result<Found> {
    let bytes = block.span(*shape).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    match (ranges::find(block.start), side) {
        // A device pointer must be one: host memory that nobody has made known is not for the device.
        (None, Side::Device) => Err(CUDA_ERROR_INVALID_VALUE),
        (None, _) if pages::exist(block.start, bytes) => Ok(Found::Pageable),
        (None, _) => Err(CUDA_ERROR_INVALID_VALUE),
        // The host itself may write to memory that is read-only for the device, and a host buffer may begin in
        // registered memory and end beyond it.
        (Some(range), Side::Host) if range.is_host() => {
            let pinned = block.start + bytes <= range.end();
            let exists = pinned || pages::exist(block.start, bytes);
            let found = if pinned { Found::Pinned } else { Found::Pageable };
            if exists { Ok(found) } else { Err(CUDA_ERROR_INVALID_VALUE) }
        }
        (Some(range), _) if reaches(block.start, bytes, write) => {
            Ok(if range.is_host() { Found::Pinned } else { Found::Device })
        }
        (Some(_), _) => Err(CUDA_ERROR_INVALID_VALUE),
    }
}

/// Whether the host may read there without a copy.
fn is_seen_by_host(address: u64) -> bool {
    ranges::find(address).is_some_and(|range| range.is_host() || range.is_managed())
}

/// A copy may reach the memory of every device, whatever contexts have let each other do; what is mapped, as far as its own device may.
fn reaches(start: u64, bytes: u64, write: bool) -> bool {
    let open = |range: &Arc<Range>| match range.access_of(range.device) {
        Some(Access::ReadWrite) => true,
        Some(Access::Read) => !write,
        None => false,
    };
    ranges::cover(start, bytes) && ranges::within(start, bytes).iter().all(open)
}

/// Fills device memory with a value of `width` bytes: `count` in each of `height` rows.
#[derive(Debug, Clone, std::marker::Copy)]
pub struct Fill {
    pub to: u64,
    pub pitch: u64,
    pub value: u32,
    pub width: u64,
    pub count: u64,
    pub height: u64,
}

impl Fill {
    pub fn issue(self, place: &Place, pace: Pace) -> Result {
        let shape = self.shape().ok_or(CUDA_ERROR_INVALID_VALUE)?;
        if shape.is_empty() {
            return Ok(());
        }
        if !self.to.is_multiple_of(self.width)
            || (self.height > 1 && (self.pitch < shape.width || !self.pitch.is_multiple_of(self.width)))
        {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        place.add(Vec::new(), self.action()?);
        let waits = pace == Pace::Synchronous && is_seen_by_host(self.to);
        if waits { place.do_now(|| Ok(())) } else { Ok(()) }
    }

    /// The set as a job's action, if there is memory for it now.
    pub fn action(self) -> Result<Action> {
        let shape = self.shape().ok_or(CUDA_ERROR_INVALID_VALUE)?;
        let block = Block { start: self.to, pitch: self.pitch, rows: self.height };
        look(&block, Side::Device, &shape, true)?;
        let fill = move || {
            look(&block, Side::Device, &shape, true).map_err(|_| CUDA_ERROR_ILLEGAL_ADDRESS)?;
            for row in 0..self.height {
                transfer::fill(self.to + row * self.pitch, self.value, self.width, self.count);
            }
            Ok(())
        };
        Ok(Action::Copy(Box::new(fill)))
    }

    fn shape(&self) -> Option<Shape> {
        let width = self.count.checked_mul(self.width)?;
        Some(Shape { width, height: self.height, depth: 1 })
    }
}
