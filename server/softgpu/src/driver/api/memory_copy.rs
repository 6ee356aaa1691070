//! Memory management: copies.

use farwarp_face::copies::Side;
use farwarp_face::*;

use crate::driver::context;
use crate::driver::copy::{Copy, Pace};
use crate::driver::edge::{In, Out, Result, api};
use crate::driver::machine::machine;
use crate::driver::mirror::{BatchOp3D, Memcpy2D, Memcpy3D};
use crate::driver::stream::resolve;

use Pace::{Asynchronous, Synchronous};
use Side::{Device, Host, Unified};

/// The default stream of the caller's kind.
const DEFAULT: u64 = 0;

api! {
    fn cuMemcpy | cuMemcpy_ptds(to: u64, from: u64, bytes: usize) {
        linear(to, Unified, from, Unified, bytes, DEFAULT, Synchronous)
    }

    fn cuMemcpyAsync | cuMemcpyAsync_ptsz(to: u64, from: u64, bytes: usize, stream: u64) {
        linear(to, Unified, from, Unified, bytes, stream, Asynchronous)
    }

    fn cuMemcpyHtoD_v2 | cuMemcpyHtoD_v2_ptds(to: u64, from: u64, bytes: usize) {
        linear(to, Device, from, Host, bytes, DEFAULT, Synchronous)
    }

    fn cuMemcpyHtoDAsync_v2 | cuMemcpyHtoDAsync_v2_ptsz(to: u64, from: u64, bytes: usize, stream: u64) {
        linear(to, Device, from, Host, bytes, stream, Asynchronous)
    }

    fn cuMemcpyDtoH_v2 | cuMemcpyDtoH_v2_ptds(to: u64, from: u64, bytes: usize) {
        linear(to, Host, from, Device, bytes, DEFAULT, Synchronous)
    }

    fn cuMemcpyDtoHAsync_v2 | cuMemcpyDtoHAsync_v2_ptsz(to: u64, from: u64, bytes: usize, stream: u64) {
        linear(to, Host, from, Device, bytes, stream, Asynchronous)
    }

    fn cuMemcpyDtoD_v2 | cuMemcpyDtoD_v2_ptds(to: u64, from: u64, bytes: usize) {
        linear(to, Device, from, Device, bytes, DEFAULT, Synchronous)
    }

    fn cuMemcpyDtoDAsync_v2 | cuMemcpyDtoDAsync_v2_ptsz(to: u64, from: u64, bytes: usize, stream: u64) {
        linear(to, Device, from, Device, bytes, stream, Asynchronous)
    }

    fn cuMemcpyPeer | cuMemcpyPeer_ptds(to: u64, to_context: u64, from: u64, from_context: u64, bytes: usize) {
        peer(to, to_context, from, from_context, bytes, DEFAULT, Synchronous)
    }

    fn cuMemcpyPeerAsync | cuMemcpyPeerAsync_ptsz(
        to: u64,
        to_context: u64,
        from: u64,
        from_context: u64,
        bytes: usize,
        stream: u64,
    ) {
        peer(to, to_context, from, from_context, bytes, stream, Asynchronous)
    }

    fn cuMemcpy2D_v2 | cuMemcpy2D_v2_ptds(copy: In<Memcpy2D>) {
        two_dimensional(copy, DEFAULT, Synchronous)
    }

    fn cuMemcpy2DUnaligned_v2 | cuMemcpy2DUnaligned_v2_ptds(copy: In<Memcpy2D>) {
        two_dimensional(copy, DEFAULT, Synchronous)
    }

    fn cuMemcpy2DAsync_v2 | cuMemcpy2DAsync_v2_ptsz(copy: In<Memcpy2D>, stream: u64) {
        two_dimensional(copy, stream, Asynchronous)
    }

    fn cuMemcpy3D_v2 | cuMemcpy3D_v2_ptds(copy: In<Memcpy3D>) {
        three_dimensional(copy, DEFAULT, Synchronous)
    }

    fn cuMemcpy3DAsync_v2 | cuMemcpy3DAsync_v2_ptsz(copy: In<Memcpy3D>, stream: u64) {
        three_dimensional(copy, stream, Asynchronous)
    }

    fn cuMemcpy3DPeer | cuMemcpy3DPeer_ptds(copy: In<Memcpy3D>) {
        let given = copy.get()?;
        let contexts = [context::find(given.to.context)?, context::find(given.from.context)?];
        Copy::new(given.read().ok_or(CUDA_ERROR_INVALID_VALUE)?)?.issue_between(&resolve(DEFAULT)?, &contexts)
    }

    fn cuMemcpy3DPeerAsync | cuMemcpy3DPeerAsync_ptsz(copy: In<Memcpy3D>, stream: u64) {
        three_dimensional(copy, stream, Asynchronous)
    }

    fn cuMemcpyBatchAsync | cuMemcpyBatchAsync_ptsz(
        to: In<u64>,
        from: In<u64>,
        sizes: In<usize>,
        count: usize,
        _attributes: u64,
        _indices: u64,
        _attribute_count: usize,
        failed: Out<usize>,
        stream: u64,
    ) {
        batch(to, from, sizes, count, stream).map_err(|(index, error)| {
            failed.put_if_wanted(index);
            error
        })
    }

    fn cuMemcpyBatchAsync_v2 | cuMemcpyBatchAsync_v2_ptsz(
        to: In<u64>,
        from: In<u64>,
        sizes: In<usize>,
        count: usize,
        _attributes: u64,
        _indices: u64,
        _attribute_count: usize,
        stream: u64,
    ) {
        batch(to, from, sizes, count, stream).map_err(|(_, error)| error)
    }

    fn cuMemcpy3DBatchAsync | cuMemcpy3DBatchAsync_ptsz(
        count: usize,
        operations: In<BatchOp3D>,
        failed: Out<usize>,
        flags: u64,
        stream: u64,
    ) {
        batch_of_boxes(count, operations, flags, stream).map_err(|(index, error)| {
            failed.put_if_wanted(index);
            error
        })
    }

    fn cuMemcpy3DBatchAsync_v2 | cuMemcpy3DBatchAsync_v2_ptsz(
        count: usize,
        operations: In<BatchOp3D>,
        flags: u64,
        stream: u64,
    ) {
        batch_of_boxes(count, operations, flags, stream).map_err(|(_, error)| error)
    }
}

fn linear(
    to: u64,
    to_side: Side,
    from: u64,
    from_side: Side,
    bytes: usize,
    stream: u64,
    pace: Pace,
) -> Result {
    Copy::linear(to, to_side, from, from_side, bytes as u64).issue(&resolve(stream)?, pace)
}

/// Any copy may be between devices; this one also names the contexts.
fn peer(
    to: u64,
    to_context: u64,
    from: u64,
    from_context: u64,
    bytes: usize,
    stream: u64,
    pace: Pace,
) -> Result {
    let place = resolve(stream)?;
    let contexts = [context::find(to_context)?, context::find(from_context)?];
    let copy = Copy::linear(to, Device, from, Device, bytes as u64);
    match pace {
        Synchronous => copy.issue_between(&place, &contexts),
        Asynchronous => copy.issue(&place, pace),
    }
}

/// All copies, or the first that may not be and its number; no attribute says more than a hint.
fn batch(
    to: In<u64>,
    from: In<u64>,
    sizes: In<usize>,
    count: usize,
    stream: u64,
) -> std::result::Result<(), (usize, CUresult)> {
    /// The number of no copy: the batch itself is wrong.
    const NONE: usize = usize::MAX;
    let whole = |error| (NONE, error);
    machine().map_err(whole)?;
    // The default stream is not for batches.
    if stream == DEFAULT || count == 0 {
        return Err(whole(CUDA_ERROR_INVALID_VALUE));
    }
    let place = resolve(stream).map_err(whole)?;
    let (to, from) = (to.list(count).map_err(whole)?, from.list(count).map_err(whole)?);
    let sizes = sizes.list(count).map_err(whole)?;
    for index in 0..count {
        Copy::linear(to[index], Unified, from[index], Unified, sizes[index] as u64)
            .issue(&place, Asynchronous)
            .map_err(|error| (index, error))?;
    }
    Ok(())
}

fn two_dimensional(copy: In<Memcpy2D>, stream: u64, pace: Pace) -> Result {
    Copy::new(copy.get()?.read().ok_or(CUDA_ERROR_INVALID_VALUE)?)?.issue(&resolve(stream)?, pace)
}

fn three_dimensional(copy: In<Memcpy3D>, stream: u64, pace: Pace) -> Result {
    Copy::new(copy.get()?.read().ok_or(CUDA_ERROR_INVALID_VALUE)?)?.issue(&resolve(stream)?, pace)
}

/// As [`batch`] does with lines.
fn batch_of_boxes(
    count: usize,
    operations: In<BatchOp3D>,
    flags: u64,
    stream: u64,
) -> std::result::Result<(), (usize, CUresult)> {
    let whole = |error| (usize::MAX, error);
    machine().map_err(whole)?;
    if stream == DEFAULT || count == 0 || flags != 0 {
        return Err(whole(CUDA_ERROR_INVALID_VALUE));
    }
    let place = resolve(stream).map_err(whole)?;
    for (index, operation) in operations.list(count).map_err(whole)?.iter().enumerate() {
        let asked = operation.read().ok_or((index, CUDA_ERROR_INVALID_VALUE))?;
        Copy::new(asked).and_then(|copy| copy.issue(&place, Asynchronous)).map_err(|error| (index, error))?;
    }
    Ok(())
}
