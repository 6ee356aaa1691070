//! Copies that are issued now and whose bytes come or go when the stream gets there: to the client's pinned memory, and from pinned memory
//! that something before the copy may still change.
#![allow(unsafe_code)] // calls the driver with memory of ours.

use super::copy::staging;
use super::copy_box::{check, device, host, memcpy};
use crate::executor::{Call, Executor, Reply};
use crate::refusal::Refusal;
use crate::staging::Piece;
use farwarp_protocol::boxes::{Part, Shape};
use farwarp_protocol::call::{Land, LaterBytes, NOTICE_PIECE, ToDeviceLater};
use farwarp_protocol::codec::{decode, decode_prefix, encode};
use farwarp_protocol::error::Code;
use farwarp_protocol::handle::Id;
use farwarp_protocol::limits::{LATER_BYTES_MAX, PIECE_BYTES};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Copies whose bytes the client has yet to send, by the token of their latch.
#[derive(Default)]
pub struct Awaited {
    copies: HashMap<u64, Pieces>,
}

impl Awaited {
    pub fn context_gone(&mut self, context: Id) {
        self.copies.retain(|_, copy| copy.context != context);
    }
}

struct Pieces {
    context: Id,
    parts: Vec<Part>,
    /// Kept by the copies too, until the GPU has read them.
    pieces: Arc<Mutex<Vec<Piece>>>,
    came: usize,
}

/// Device memory into pinned memory of the client's.
pub fn land(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let Land { source, shape, stream } = decode(call.body)?;
    let parts = parts(shape)?;
    check(executor, source, shape)?;
    let stream = executor.stream(call, stream)?;
    executor.enter(call)?;
    let issued = issue(executor, call, stream, &parts, |piece, part| {
        memcpy(device(source.at(part)), host(piece.address(), part.shape), part.shape)
    })?;
    let (mut pieces, event) = match issued {
        Ok(issued) => issued,
        Err(code) => return Ok(Reply::Now(code, Vec::new())),
    };
    let (outlet, asker) = (executor.outlet.clone(), call.asker);
    let then = move |code: Code| {
        if code == 0 {
            for (piece, part) in pieces.iter_mut().zip(&parts) {
                let mut body = encode(&asker.number);
                body.extend_from_slice(&piece.bytes()[..bytes_of(part.shape)]);
                outlet.notice(NOTICE_PIECE, &body);
            }
        }
        outlet.answer(asker, code, &[]);
    };
    executor.in_line(call.asker.context, stream, event, true, Box::new(then))?;
    Ok(Reply::Later)
}

/// Behind a latch that opens when the client has sent the bytes, which it does when it hears that the stream is there.
pub fn to_device_later(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let ToDeviceLater { destination, shape, stream, token } = decode(call.body)?;
    let parts = parts(shape)?;
    check(executor, destination, shape)?;
    executor.latches().check_new(token)?;
    let stream = executor.stream(call, stream)?;
    executor.enter(call)?;
    executor.writes(destination.start, stream);
    if let Err(code) = super::latch(executor, call, stream, token)? {
        return Ok(Reply::Now(code, Vec::new()));
    }
    let issued = issue(executor, call, stream, &parts, |piece, part| {
        memcpy(host(piece.address(), part.shape), device(destination.at(part)), part.shape)
    })?;
    let context = call.asker.context;
    match issued {
        Ok((pieces, event)) => {
            let pieces = Arc::new(Mutex::new(pieces));
            executor.awaited.copies.insert(token, Pieces { context, parts, pieces: pieces.clone(), came: 0 });
            executor.in_line(context, stream, event, false, Box::new(move |_| drop(pieces)))?;
            Ok(Reply::DONE)
        }
        Err(code) => {
            executor.latches().open(token);
            Ok(Reply::Now(code, Vec::new()))
        }
    }
}

pub fn later_bytes(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let (LaterBytes { token }, header) = decode_prefix(call.body)?;
    let bytes = &call.body[header..];
    // Of a copy that could not be issued the bytes are not wanted any more.
    let Some(copy) = executor.awaited.copies.get_mut(&token) else { return Ok(Reply::DONE) };
    let said = bytes_of(copy.parts[copy.came].shape);
    if said != bytes.len() {
        return Err(Refusal::BoxBytes { said: said as u64, came: bytes.len() as u64 });
    }
    let mut pieces = copy.pieces.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    pieces[copy.came].bytes()[..said].copy_from_slice(bytes);
    drop(pieces);
    copy.came += 1;
    if copy.came == copy.parts.len() {
        executor.awaited.copies.remove(&token);
        executor.latches().open(token).ok_or(Refusal::NoSuchHostCall { token })?;
    }
    Ok(Reply::DONE)
}

/// How both sides cut such a copy.
fn parts(shape: Shape) -> Result<Vec<Part>, Refusal> {
    match shape.bytes() {
        Some(bytes) if bytes > 0 && bytes <= LATER_BYTES_MAX => Ok(shape.parts(PIECE_BYTES as u64).collect()),
        _ => Err(Refusal::BadBox { shape }),
    }
}

fn bytes_of(shape: Shape) -> usize {
    (shape.width * shape.height * shape.depth) as usize
}

/// Issues a copy for each part, all between the device and pieces of the worker's, and an event behind them.
fn issue(
    executor: &mut Executor,
    call: &Call,
    stream: u64,
    parts: &[Part],
    copy: impl Fn(&Piece, &Part) -> crate::driver::Memcpy3D,
) -> Result<Result<(Vec<Piece>, u64), Code>, Refusal> {
    let mut pieces = Vec::with_capacity(parts.len());
    for part in parts {
        let piece = match staging(executor, call, stream)? {
            Ok(piece) => piece,
            Err(code) => return Ok(Err(code)),
        };
        let copy = copy(&piece, part);
        // SAFETY: the whole box was checked; the piece is kept until the event behind the copies has happened.
        if let Err(code) = unsafe { executor.driver.cuMemcpy3DAsync_v2(&copy, stream) } {
            return Ok(Err(code));
        }
        pieces.push(piece);
    }
    Ok(executor.mark(stream).map(|event| (pieces, event)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use farwarp_protocol::boxes::Block;

    #[test]
    fn a_copy_that_is_empty_or_too_large_is_refused() {
        for width in [0, LATER_BYTES_MAX + 1, u64::MAX] {
            assert!(parts(Shape::linear(width)).is_err(), "{width}");
        }
        let last = parts(Shape::linear(LATER_BYTES_MAX)).unwrap().pop().unwrap();
        assert_eq!(Block::linear(0).at(&last).start, LATER_BYTES_MAX - PIECE_BYTES as u64);
    }
}
