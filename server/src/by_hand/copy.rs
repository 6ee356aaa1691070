//! Linear copies, a piece at a time, through pinned memory of the worker's.
#![allow(unsafe_code)] // calls the driver with memory of ours.

use crate::executor::{Call, Executor, Reply};
use crate::refusal::Refusal;
use crate::staging::{PIECES_MAX, PIECES_USUAL, Piece};
use crate::waiters::wait_for;
use farwarp_protocol::call::{Across, CopyOnDevice, CopyToDevice, CopyToHost};
use farwarp_protocol::codec::{decode, decode_prefix};
use farwarp_protocol::error::Code;
use farwarp_protocol::limits::PIECE_BYTES;
use std::time::{Duration, Instant};

/// Up to here the driver takes the bytes before it returns, whatever the stream is doing.
const TAKEN_AT_ONCE_BYTES: usize = 64 << 10;

/// A piece of a copy is through in far less, if its stream moves at all.
const PATIENCE: Duration = Duration::from_millis(5);

pub fn copy_to_device(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let (CopyToDevice { destination, stream, settled }, header) = decode_prefix(call.body)?;
    let bytes = piece(&call.body[header..])?;
    executor.ranges.check(destination, bytes.len() as u64)?;
    let stream = executor.stream(call, stream)?;
    executor.enter(call)?;
    executor.writes(destination, stream);
    if bytes.len() <= TAKEN_AT_ONCE_BYTES {
        // SAFETY: the destination was checked; pageable bytes of this size are taken before the call returns.
        let outcome = unsafe {
            executor.driver.cuMemcpyHtoDAsync_v2(destination, bytes.as_ptr().cast(), bytes.len(), stream)
        };
        if settled {
            executor.settles(stream);
        }
        return Ok(outcome.into());
    }
    let mut piece = match staging(executor, call, stream)? {
        Ok(piece) => piece,
        Err(code) => return Ok(Reply::Now(code, Vec::new())),
    };
    piece.bytes()[..bytes.len()].copy_from_slice(bytes);
    // SAFETY: the destination was checked; the piece is kept until the copy is over.
    let outcome =
        unsafe { executor.driver.cuMemcpyHtoDAsync_v2(destination, piece.address(), bytes.len(), stream) }
            .and_then(|()| executor.mark(stream));
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

pub fn copy_to_host(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let CopyToHost { source, bytes, stream } = decode(call.body)?;
    if bytes > PIECE_BYTES as u64 {
        return Err(Refusal::TooMuch { what: "bytes of one piece", got: bytes, max: PIECE_BYTES as u64 });
    }
    executor.ranges.check(source, bytes)?;
    let stream = executor.stream(call, stream)?;
    executor.enter(call)?;
    let mut piece = match staging(executor, call, stream)? {
        Ok(piece) => piece,
        Err(code) => return Ok(Reply::Now(code, Vec::new())),
    };
    // SAFETY: the source was checked; the piece is kept until the copy is over and its bytes are in the log.
    let outcome =
        unsafe { executor.driver.cuMemcpyDtoHAsync_v2(piece.address(), source, bytes as usize, stream) }
            .and_then(|()| executor.mark(stream));
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
            let bytes = &piece.bytes()[..bytes as usize];
            outlet.answer_parts(asker, 0, &[bytes, &printed]);
        }
        _ => outlet.answer(asker, code, &[]),
    };
    executor.after(call.asker.context, vec![event], Box::new(then))?;
    Ok(Reply::Later)
}

pub fn copy_on_device(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let CopyOnDevice { destination, source, bytes, stream, across } = decode(call.body)?;
    executor.ranges.check(destination, bytes)?;
    executor.ranges.check(source, bytes)?;
    let stream = executor.stream(call, stream)?;
    let contexts = match across {
        Some(Across { destination, source, alone }) => {
            Some((executor.context(destination)?.raw, executor.context(source)?.raw, alone))
        }
        None => None,
    };
    executor.enter(call)?;
    executor.writes(destination, stream);
    let (driver, bytes) = (executor.driver, bytes as usize);
    // SAFETY: both ranges were checked, and the contexts are live.
    let outcome = unsafe {
        match contexts {
            Some((to, from, true)) => driver.cuMemcpyPeer(destination, to, source, from, bytes),
            Some((to, from, false)) => driver.cuMemcpyPeerAsync(destination, to, source, from, bytes, stream),
            None => driver.cuMemcpyDtoDAsync_v2(destination, source, bytes, stream),
        }
    };
    Ok(outcome.into())
}

pub fn piece(bytes: &[u8]) -> Result<&[u8], Refusal> {
    match bytes.len() {
        0..=PIECE_BYTES => Ok(bytes),
        more => {
            Err(Refusal::TooMuch { what: "bytes of one piece", got: more as u64, max: PIECE_BYTES as u64 })
        }
    }
}

/// A piece of pinned memory. When all that are usual are under way, one is waited for; the stream may be held up by something that is still to come
/// off the log, so not for long. Only when there are far too many is the stream's own work waited for: the pieces that it uses come free then.
pub fn staging(executor: &mut Executor, call: &Call, stream: u64) -> Result<Result<Piece, Code>, Refusal> {
    let began = Instant::now();
    loop {
        let context = executor.context(call.asker.context)?;
        let raw = context.raw;
        let patient = began.elapsed() < PATIENCE;
        match context.staging.take(if patient { PIECES_USUAL } else { PIECES_MAX }) {
            Ok(Some(piece)) => return Ok(Ok(piece)),
            Err(code) => return Ok(Err(code)),
            Ok(None) => {}
        }
        if !patient {
            match executor.mark(stream) {
                Ok(event) => wait_for(executor.driver, raw, &[event]),
                Err(code) => return Ok(Err(code)),
            };
        }
        // The waiters that hold the pieces run on other threads.
        std::thread::yield_now();
    }
}
