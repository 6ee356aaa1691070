//! A copy on its way: which memory each side is, and how its bytes travel.
//!
//! Every address says itself what it is, whichever function it comes to: no device address is ever a host address. Bytes go in pieces,
//! so that a large copy neither fills the log nor stands in front of other threads' calls.
#![allow(unsafe_code)] // reads and writes the program's buffers, as the driver would.

mod array;

use crate::by_hand::{checked, host_call};
use crate::call::in_context_hearing;
use crate::landing::Landing;
use crate::memory::Memory;
use crate::output;
use crate::shared;
use crate::state::Shim;
use crate::threads;
use farwarp_face::copies::{BoxCopy, Place, Side};
use farwarp_protocol::boxes::{Block, Part, Shape, flatten};
use farwarp_protocol::call::{
    Across, BOX_ON_DEVICE, BOX_TO_DEVICE, BOX_TO_HOST, BoxOnDevice, BoxToDevice, BoxToHost, COPY_ON_DEVICE,
    COPY_TO_DEVICE, COPY_TO_HOST, CopyOnDevice, CopyToDevice, CopyToHost, LAND, LATER_BYTES, Land,
    LaterBytes, Range, SYNCHRONIZE_STREAM, TO_DEVICE_LATER, ToDeviceLater,
};
use farwarp_protocol::codec::encode;
use farwarp_protocol::error::{
    CUDA_ERROR_INVALID_CONTEXT, CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_NOT_SUPPORTED, Code,
};
use farwarp_protocol::handle::Id;
use farwarp_protocol::limits::{DTOH_PIECES_IN_FLIGHT, LATER_BYTES_MAX, PIECE_BYTES};
use std::borrow::Cow;
use std::collections::VecDeque;

pub struct Transfer {
    shim: &'static Shim,
    copy: BoxCopy,
    stream: u64,
    pace: Pace,
    /// The contexts of its two sides, where the program named them.
    contexts: Option<[Id; 2]>,
    /// Then host memory is read and written when the graph gets there, page-locked or not.
    in_graph: bool,
}

/// Whether the program's call returns before the bytes have moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    Synchronous,
    Asynchronous,
}

/// What one side turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// The program's memory, all of it page-locked or not.
    Host {
        block: Block,
        pinned: bool,
    },
    Device {
        block: Block,
        context: Id,
        device: i32,
        shared: bool,
    },
}

impl Found {
    fn is_shared(self) -> bool {
        matches!(self, Found::Device { shared: true, .. })
    }
}

impl Transfer {
    pub fn new(copy: BoxCopy, stream: u64, pace: Pace) -> Result<Transfer, Code> {
        let (shim, _) = in_context_hearing()?;
        Ok(Transfer { shim, copy, stream: checked(shim, stream)?, pace, contexts: None, in_graph: false })
    }

    /// A copy that is a step of a graph.
    pub fn of_graph(copy: BoxCopy, stream: u64) -> Result<Transfer, Code> {
        Ok(Transfer { in_graph: true, ..Transfer::new(copy, stream, Pace::Asynchronous)? })
    }

    /// A copy that names the contexts of its two sides.
    pub fn between(contexts: [u64; 2], copy: BoxCopy, stream: u64, pace: Pace) -> Result<Transfer, Code> {
        let transfer = Transfer::new(copy, stream, pace)?;
        for context in contexts {
            if context == 0 {
                return Err(CUDA_ERROR_INVALID_CONTEXT);
            }
            transfer.shim.contexts().active(Id(context))?;
        }
        Ok(Transfer { contexts: Some(contexts.map(Id)), ..transfer })
    }

    pub fn issue(self) -> Result<(), Code> {
        let shape = self.copy.shape;
        if shape.is_empty() {
            return Ok(());
        }
        if [&self.copy.to, &self.copy.from].iter().any(|place| matches!(place, Place::Array { .. })) {
            return self.issue_with_array();
        }
        let (to, from) = {
            let memory = self.shim.memory();
            (find(&memory, &self.copy.to, shape)?, find(&memory, &self.copy.from, shape)?)
        };
        if to.is_shared() || from.is_shared() {
            shared::send(self.shim)?;
        }
        self.issue_between(to, from)?;
        // The program itself may look there when this returns.
        if to.is_shared() && self.pace == Pace::Synchronous { self.wait() } else { Ok(()) }
    }

    fn issue_between(&self, to: Found, from: Found) -> Result<(), Code> {
        match (to, from) {
            (Found::Device { block: to, .. }, Found::Host { block: from, pinned }) => {
                let late = pinned || self.in_graph || self.pace == Pace::Synchronous;
                let waits = pinned && self.pace == Pace::Synchronous && self.overtakes();
                let changing = waits || (late && self.may_change(from));
                match self.pace {
                    Pace::Asynchronous if changing => self.to_device_later(to, from),
                    // The stream's own work comes first, as for any synchronous copy, when that makes a difference.
                    Pace::Synchronous if changing => self.wait().and_then(|()| self.to_device(to, from)),
                    _ => self.to_device(to, from),
                }
            }
            (Found::Host { block: to, pinned }, Found::Device { block: from, .. }) => {
                if (pinned || self.in_graph) && self.pace == Pace::Asynchronous {
                    self.land(to, from)
                } else {
                    self.to_host(to, from)
                }
            }
            (Found::Host { block: to, .. }, Found::Host { block: from, .. }) => self.host_to_host(to, from),
            (Found::Device { .. }, Found::Device { .. }) => self.on_device(to, from),
        }
    }

    /// A copy from pinned memory returns when it is done, and so is all that its stream waits for: the program may then write where
    /// earlier copies were to land. Whether that is so anyhow.
    fn overtakes(&self) -> bool {
        host_call::are_unfinished() || self.shim.remote.lands()
    }

    /// Whether something before this copy may still change what it reads.
    fn may_change(&self, from: Block) -> bool {
        let bytes = from.span(self.copy.shape).unwrap_or(u64::MAX);
        host_call::are_unfinished() || self.shim.remote.lands_in(Range { address: from.start, bytes })
    }

    fn wait(&self) -> Result<(), Code> {
        self.shim.remote.ask(SYNCHRONIZE_STREAM, &[&encode(&self.stream)])?.check()
    }

    /// The bytes are taken when the stream gets there.
    fn to_device_later(&self, to: Block, from: Block) -> Result<(), Code> {
        let (to, from, shape) = flatten(to, from, self.copy.shape);
        for part in shape.parts(LATER_BYTES_MAX) {
            let (destination, shape, stream) = (to.at(&part), part.shape, self.stream);
            host_call::defer(Deferred { from: from.at(&part), shape }, |token| {
                let copy = ToDeviceLater { destination, shape, stream, token };
                self.shim.remote.tell(TO_DEVICE_LATER, &[&encode(&copy)])
            })?;
        }
        Ok(())
    }

    /// The bytes come when the GPU has read them, and are here before anything that comes after them is done.
    fn land(&self, to: Block, from: Block) -> Result<(), Code> {
        let (to, from, shape) = flatten(to, from, self.copy.shape);
        for part in shape.parts(LATER_BYTES_MAX) {
            let (source, shape, stream) = (from.at(&part), part.shape, self.stream);
            let landing = Landing::new(to.at(&part), shape, threads::slot());
            self.shim.remote.land(LAND, &[&encode(&Land { source, shape, stream })], landing)?;
        }
        Ok(())
    }

    /// The bytes are taken before this returns: told, not asked.
    fn to_device(&self, to: Block, from: Block) -> Result<(), Code> {
        let (to, from, shape) = flatten(to, from, self.copy.shape);
        let settled = self.pace == Pace::Synchronous;
        for part in shape.parts(PIECE_BYTES as u64) {
            let (destination, stream) = (to.at(&part), self.stream);
            // SAFETY: the program vouches for what it names as the source, as it does to the driver.
            let bytes = unsafe { gather(from.at(&part), part.shape) };
            if destination.is_dense(part.shape) {
                let header = encode(&CopyToDevice { destination: destination.start, stream, settled });
                self.shim.remote.tell(COPY_TO_DEVICE, &[&header, &bytes])?;
            } else {
                let header = encode(&BoxToDevice { destination, shape: part.shape, stream, settled });
                self.shim.remote.tell(BOX_TO_DEVICE, &[&header, &bytes])?;
            }
        }
        Ok(())
    }

    /// Pieces are asked for ahead of each other; each is read from the device once. The bytes are there when this returns, as
    /// they are for pageable memory.
    fn to_host(&self, to: Block, from: Block) -> Result<(), Code> {
        let (to, from, shape) = flatten(to, from, self.copy.shape);
        let mut parts = shape.parts(PIECE_BYTES as u64);
        let mut asked: VecDeque<(Part, u64)> = VecDeque::with_capacity(DTOH_PIECES_IN_FLIGHT);
        let mut failure = None;
        loop {
            while asked.len() < DTOH_PIECES_IN_FLIGHT && failure.is_none() {
                let Some(part) = parts.next() else { break };
                let number = self.ask_ahead(from.at(&part), part.shape)?;
                asked.push_back((part, number));
            }
            let Some((part, number)) = asked.pop_front() else { break };
            let answer = self.shim.remote.answer(COPY_TO_HOST, number)?;
            let bytes = (part.shape.width * part.shape.height * part.shape.depth) as usize;
            match answer.check() {
                // A server that sends fewer bytes than were asked for does not get to write any. What kernels printed follows the bytes.
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

    fn ask_ahead(&self, source: Block, shape: Shape) -> Result<u64, Code> {
        let stream = self.stream;
        if source.is_dense(shape) {
            let bytes = shape.width * shape.height * shape.depth;
            let copy = CopyToHost { source: source.start, bytes, stream };
            self.shim.remote.ask_ahead(COPY_TO_HOST, &[&encode(&copy)])
        } else {
            self.shim.remote.ask_ahead(BOX_TO_HOST, &[&encode(&BoxToHost { source, shape, stream })])
        }
    }

    fn on_device(&self, to: Found, from: Found) -> Result<(), Code> {
        let (
            Found::Device { block: to, context: destination, device: to_device, .. },
            Found::Device { block: from, context: source, device: from_device, .. },
        ) = (to, from)
        else {
            return Err(CUDA_ERROR_INVALID_VALUE);
        };
        // Memory of a pool, and what is mapped, is of no context: there the driver goes by who was let in.
        let of_contexts = destination != Id(0) && source != Id(0);
        let across = match self.contexts {
            Some([destination, source]) if self.pace == Pace::Synchronous => {
                Some(Across { destination, source, alone: true })
            }
            _ if to_device != from_device && of_contexts => {
                Some(Across { destination, source, alone: false })
            }
            _ => None,
        };
        let (to, from, shape) = flatten(to, from, self.copy.shape);
        let stream = self.stream;
        if shape.height == 1 && shape.depth == 1 {
            let (destination, source, bytes) = (to.start, from.start, shape.width);
            let copy = CopyOnDevice { destination, source, bytes, stream, across };
            self.shim.remote.tell(COPY_ON_DEVICE, &[&encode(&copy)])
        } else {
            let copy = BoxOnDevice { destination: to, source: from, shape, stream, across };
            self.shim.remote.tell(BOX_ON_DEVICE, &[&encode(&copy)])
        }
    }

    /// A copy that never leaves this machine still has its turn in the stream.
    fn host_to_host(&self, to: Block, from: Block) -> Result<(), Code> {
        self.wait()?;
        let shape = self.copy.shape;
        for slice in 0..shape.depth {
            for row in 0..shape.height {
                let (to, from) = (to.row(slice, row) as *mut u8, from.row(slice, row) as *const u8);
                // SAFETY: the program vouches for both buffers; they may overlap.
                unsafe { std::ptr::copy(from, to, shape.width as usize) };
            }
        }
        Ok(())
    }
}

/// A copy from the program's memory that was issued and whose bytes are yet to be taken.
pub struct Deferred {
    from: Block,
    shape: Shape,
}

impl Deferred {
    pub fn reads(&self, range: Range) -> bool {
        let bytes = self.from.span(self.shape).unwrap_or(u64::MAX);
        self.from.start < range.end() && range.address < self.from.start.saturating_add(bytes)
    }

    /// The stream has got there. A session that is lost hears of nothing.
    pub fn send(&self, shim: &Shim, token: u64) {
        for part in self.shape.parts(PIECE_BYTES as u64) {
            // SAFETY: the program vouches for pinned memory until the copy is done, and does not unpin it before.
            let bytes = unsafe { gather(self.from.at(&part), part.shape) };
            if shim.remote.tell(LATER_BYTES, &[&encode(&LaterBytes { token }), &bytes]).is_err() {
                return;
            }
        }
    }
}

/// What lies there, or that it may not be touched.
fn find(memory: &Memory, place: &Place, shape: Shape) -> Result<Found, Code> {
    let Place::Memory { side, block } = *place else { return Err(CUDA_ERROR_NOT_SUPPORTED) };
    let bytes = block.span(shape).filter(|_| block.start != 0).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    let Some(found) = memory.find(block.start) else {
        // A device pointer must be one: host memory that nobody has made known is not for the device.
        return if side == Side::Device {
            Err(CUDA_ERROR_INVALID_VALUE)
        } else {
            Ok(Found::Host { block, pinned: false })
        };
    };
    // What is shared is the device's: in the stream's order its bytes are right there.
    let inside = block.start + bytes <= found.range.end();
    if found.kind.is_device() || (found.shared && inside) {
        let found = memory.device(block.start, bytes)?;
        return Ok(Found::Device {
            block,
            context: found.context,
            device: found.device,
            shared: found.shared,
        });
    }
    // A host buffer may begin in registered memory and end beyond it.
    if inside || side == Side::Host {
        return Ok(Found::Host { block, pinned: inside });
    }
    Err(CUDA_ERROR_INVALID_VALUE)
}

/// The bytes of a box, without gaps; borrowed where there are none.
///
/// # Safety
/// The box can be read, and nobody writes to it meanwhile.
unsafe fn gather<'a>(from: Block, shape: Shape) -> Cow<'a, [u8]> {
    if from.is_dense(shape) {
        let bytes = (shape.width * shape.height * shape.depth) as usize;
        // SAFETY: the caller vouches for the whole box, which is one piece.
        return Cow::Borrowed(unsafe { std::slice::from_raw_parts(from.start as *const u8, bytes) });
    }
    let mut bytes = Vec::with_capacity((shape.width * shape.height * shape.depth) as usize);
    for slice in 0..shape.depth {
        for row in 0..shape.height {
            // SAFETY: the caller vouches for each row.
            let row = unsafe {
                std::slice::from_raw_parts(from.row(slice, row) as *const u8, shape.width as usize)
            };
            bytes.extend_from_slice(row);
        }
    }
    Cow::Owned(bytes)
}

/// Writes the bytes of a box, row by row.
///
/// # Safety
/// The box can be written, and there are as many bytes as it holds.
pub unsafe fn scatter(bytes: &[u8], to: Block, shape: Shape) {
    let mut rows = bytes.chunks_exact(shape.width as usize);
    for slice in 0..shape.depth {
        for (row, bytes) in (0..shape.height).zip(&mut rows) {
            // SAFETY: the caller vouches for each row.
            unsafe {
                std::ptr::copy_nonoverlapping(bytes.as_ptr(), to.row(slice, row) as *mut u8, bytes.len())
            };
        }
    }
}
