//! Events: a mark in a stream, and when it was reached.

use std::sync::{Arc, Mutex};

use farwarp_face::*;

use crate::driver::context::{self, Context};
use crate::driver::edge::Result;
use crate::driver::handles::{Handle, Handles};
use crate::driver::job::{Action, Job};
use crate::driver::machine::machine;
use crate::driver::ranges::lock;
use crate::driver::stream::{self, Place};

pub static EVENTS: Handles<Event> = Handles::new();

const BLOCKING_SYNC: u32 = 1;
const DISABLE_TIMING: u32 = 2;
const INTERPROCESS: u32 = 4;

pub struct Event {
    pub handle: Handle,
    context: Handle,
    flags: u32,
    /// The mark of the last record.
    mark: Mutex<Option<Arc<Job>>>,
}

impl Event {
    pub fn create(context: &Context, flags: u32) -> Result<Arc<Event>> {
        if flags & !(BLOCKING_SYNC | DISABLE_TIMING | INTERPROCESS) != 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        if flags & INTERPROCESS != 0 {
            // Lawful only without timing; and not built, as the attribute says.
            let lawful = flags & DISABLE_TIMING != 0;
            return Err(if lawful { CUDA_ERROR_NOT_SUPPORTED } else { CUDA_ERROR_INVALID_VALUE });
        }
        let context = context.handle;
        Ok(EVENTS.add(|handle| Event { handle, context, flags, mark: Mutex::default() }))
    }

    pub fn find(handle: Handle) -> Result<Arc<Event>> {
        machine()?;
        EVENTS.get(handle).ok_or(CUDA_ERROR_INVALID_HANDLE)
    }

    pub fn context(&self) -> Result<Arc<Context>> {
        context::find(self.context)
    }

    /// Puts the mark behind all that the stream has to do now.
    pub fn record(&self, place: &Place) -> Result {
        if place.context.handle != self.context {
            return Err(CUDA_ERROR_INVALID_HANDLE);
        }
        *lock(&self.mark) = Some(place.add(Vec::new(), Action::Nothing));
        Ok(())
    }

    /// Makes a job the mark.
    pub fn mark_by(&self, job: Arc<Job>) {
        *lock(&self.mark) = Some(job);
    }

    /// Puts the mark behind all that the context has to do now.
    pub fn record_context(&self, context: &Arc<Context>) -> Result {
        if context.handle != self.context {
            return Err(CUDA_ERROR_INVALID_HANDLE);
        }
        let all = lock(&context.order).all();
        *lock(&self.mark) = Some(Job::place(context, &all, Action::Nothing));
        Ok(())
    }

    /// The mark of the last record; an event that was never recorded holds nobody up.
    pub fn mark(&self) -> Option<Arc<Job>> {
        lock(&self.mark).clone()
    }

    pub fn query(&self) -> Result {
        let context = self.context()?;
        context.standing()?;
        if self.mark().is_none_or(|mark| mark.has_ended()) {
            context.outcome()
        } else {
            Err(CUDA_ERROR_NOT_READY)
        }
    }

    pub fn synchronize(&self) -> Result {
        let context = self.context()?;
        stream::synchronize(&context, self.mark().as_slice())
    }

    /// Milliseconds from `self` to `end`.
    pub fn elapsed_ms(&self, end: &Event) -> Result<f32> {
        if (self.flags | end.flags) & DISABLE_TIMING != 0 || self.context != end.context {
            return Err(CUDA_ERROR_INVALID_HANDLE);
        }
        self.context()?.standing()?;
        let (Some(first), Some(last)) = (self.mark(), end.mark()) else {
            return Err(CUDA_ERROR_INVALID_HANDLE);
        };
        let (Some(first), Some(last)) = (first.ended_at(), last.ended_at()) else {
            return Err(CUDA_ERROR_NOT_READY);
        };
        let forward = last.saturating_duration_since(first).as_secs_f64();
        let backward = first.saturating_duration_since(last).as_secs_f64();
        Ok(((forward - backward) * 1e3) as f32)
    }
}

pub fn forget_context(context: Handle) {
    EVENTS.remove_all(|event| event.context == context);
}
