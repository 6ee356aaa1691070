//! Stream management. Captures are beside graphs.

use farwarp_face::*;

use crate::driver::current::{current, working};
use crate::driver::edge::{Out, Result, StreamCallback, UserData, api, call_stream_callback};
use crate::driver::event::Event;
use crate::driver::job::Action;
use crate::driver::ranges;
use crate::driver::stream::{self, NON_BLOCKING, STREAMS, Stream, resolve};

api! {
    fn cuStreamCreate(out: Out<u64>, flags: u32) {
        create(out, flags)
    }

    // Priorities are hints, and there is one: CUDA clamps what a program asks for.
    fn cuStreamCreateWithPriority(out: Out<u64>, flags: u32, _priority: i32) {
        create(out, flags)
    }

    fn cuStreamDestroy_v2(stream: u64) {
        destroy(stream)
    }

    fn cuStreamDestroy(stream: u64) {
        destroy(stream)
    }

    fn cuStreamSynchronize | cuStreamSynchronize_ptsz(stream: u64) {
        let place = resolve(stream)?;
        stream::synchronize(&place.context, &place.pending())
    }

    fn cuStreamQuery | cuStreamQuery_ptsz(stream: u64) {
        let place = resolve(stream)?;
        if place.pending().iter().all(|job| job.has_ended()) {
            place.context.outcome()
        } else {
            Err(CUDA_ERROR_NOT_READY)
        }
    }

    fn cuStreamWaitEvent | cuStreamWaitEvent_ptsz(stream: u64, event: u64, flags: u32) {
        let place = resolve(stream)?;
        let mark = Event::find(event)?.mark();
        match flags {
            0 => {}
            // Outside of a capture an external wait is an error.
            1 => return Err(CUDA_ERROR_ILLEGAL_STATE),
            _ => return Err(CUDA_ERROR_INVALID_VALUE),
        }
        // In the legacy stream it also stands between what blocking streams have done and what they will do.
        if let Some(mark) = mark.filter(|mark| !mark.has_ended() || place.stream().is_none()) {
            place.add(vec![mark], Action::Nothing);
        }
        Ok(())
    }

    fn cuStreamAddCallback | cuStreamAddCallback_ptsz(
        stream: u64,
        callback: StreamCallback,
        data: UserData,
        flags: u32,
    ) {
        if callback.is_none() || flags != 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let place = resolve(stream)?;
        let run = move |status| call_stream_callback(callback, stream, status, data);
        place.add(Vec::new(), Action::Callback(Box::new(run)));
        Ok(())
    }

    fn cuStreamGetPriority | cuStreamGetPriority_ptsz(stream: u64, priority: Out<i32>) {
        resolve(stream)?;
        priority.put(0)
    }

    fn cuStreamGetFlags | cuStreamGetFlags_ptsz(stream: u64, flags: Out<u32>) {
        let place = resolve(stream)?;
        flags.put(place.stream().map_or(0, |stream| stream.flags))
    }

    fn cuStreamGetId | cuStreamGetId_ptsz(stream: u64, id: Out<u64>) {
        let place = resolve(stream)?;
        id.put(place.stream().map_or(place.context.id, |stream| stream.id))
    }

    fn cuStreamGetDevice | cuStreamGetDevice_ptsz(stream: u64, device: Out<i32>) {
        device.put(resolve(stream)?.context.device.ordinal)
    }

    fn cuStreamGetCtx | cuStreamGetCtx_ptsz(stream: u64, context: Out<u64>) {
        context.put(resolve(stream)?.context.handle)
    }

    fn cuStreamGetCtx_v2 | cuStreamGetCtx_v2_ptsz(stream: u64, context: Out<u64>, green: Out<u64>) {
        context.put(resolve(stream)?.context.handle)?;
        green.put_if_wanted(0);
        Ok(())
    }

    fn cuStreamGetGreenCtx(stream: u64, green: Out<u64>) {
        resolve(stream)?;
        green.put(0)
    }

    fn cuStreamAttachMemAsync | cuStreamAttachMemAsync_ptsz(stream: u64, address: u64, bytes: usize, flags: u32) {
        let place = resolve(stream)?;
        let range = ranges::starting(address).filter(|range| range.is_managed()).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        // Global, host, single stream. Memory is the same for all in any case.
        if !matches!(flags, 1 | 2 | 4) || (bytes != 0 && bytes as u64 != range.bytes) {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        place.add(Vec::new(), Action::Nothing);
        Ok(())
    }
}

fn create(out: Out<u64>, flags: u32) -> Result {
    out.require()?;
    let context = current()?;
    if flags & !NON_BLOCKING != 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    out.put(Stream::create(&context, flags).handle)
}

/// What the stream has to do is still done.
fn destroy(stream: u64) -> Result {
    working()?;
    STREAMS.remove(stream).map(drop).ok_or(CUDA_ERROR_INVALID_HANDLE)
}
