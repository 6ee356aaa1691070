//! Event management.

use farwarp_face::*;

use crate::driver::current::{current, working};
use crate::driver::edge::{Out, Result, api};
use crate::driver::event::{EVENTS, Event};
use crate::driver::stream::resolve;

api! {
    fn cuEventCreate(out: Out<u64>, flags: u32) {
        out.require()?;
        out.put(Event::create(&*current()?, flags)?.handle)
    }

    fn cuEventRecord | cuEventRecord_ptsz(event: u64, stream: u64) {
        Event::find(event)?.record(&resolve(stream)?)
    }

    fn cuEventRecordWithFlags | cuEventRecordWithFlags_ptsz(event: u64, stream: u64, flags: u32) {
        match flags {
            0 => Event::find(event)?.record(&resolve(stream)?),
            // Outside of a capture an external record is an error.
            1 => Err(CUDA_ERROR_ILLEGAL_STATE),
            _ => Err(CUDA_ERROR_INVALID_VALUE),
        }
    }

    fn cuEventQuery(event: u64) {
        Event::find(event)?.query()
    }

    fn cuEventSynchronize(event: u64) {
        Event::find(event)?.synchronize()
    }

    fn cuEventDestroy_v2(event: u64) {
        destroy(event)
    }

    fn cuEventDestroy(event: u64) {
        destroy(event)
    }

    fn cuEventElapsedTime_v2(milliseconds: Out<f32>, start: u64, end: u64) {
        elapsed(milliseconds, start, end)
    }

    fn cuEventElapsedTime(milliseconds: Out<f32>, start: u64, end: u64) {
        elapsed(milliseconds, start, end)
    }
}

/// Whoever waits for the mark goes on waiting.
fn destroy(event: u64) -> Result {
    Event::find(event)?;
    working()?;
    EVENTS.remove(event).map(drop).ok_or(CUDA_ERROR_INVALID_HANDLE)
}

fn elapsed(milliseconds: Out<f32>, start: u64, end: u64) -> Result {
    milliseconds.require()?;
    milliseconds.put(Event::find(start)?.elapsed_ms(&*Event::find(end)?)?)
}
