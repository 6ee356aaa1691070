//! The primary context of a device: one that all who retain it share. Its handle never changes, its contents do.

use std::fmt;
use std::sync::{Arc, Mutex};

use farwarp_face::*;

use crate::driver::context::Context;
use crate::driver::device::Device;
use crate::driver::edge::Result;
use crate::driver::handles::{Handle, fresh};
use crate::driver::ranges::lock;

pub struct Primary {
    pub handle: Handle,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    retained: u32,
    flags: u32,
    context: Option<Arc<Context>>,
}

impl Primary {
    pub fn new() -> Primary {
        Primary { handle: fresh(), state: Mutex::default() }
    }

    pub fn retain(&self, device: &'static Device) -> Result<Arc<Context>> {
        let mut state = lock(&self.state);
        if state.context.is_none() {
            state.context = Some(Context::create_as(self.handle, device, state.flags)?);
        }
        state.retained += 1;
        state.context.clone().ok_or(CUDA_ERROR_UNKNOWN)
    }

    /// The context that this ends, if it was the last release.
    pub fn release(&self) -> Result<Option<Arc<Context>>> {
        let mut state = lock(&self.state);
        state.retained = state.retained.checked_sub(1).ok_or(CUDA_ERROR_INVALID_CONTEXT)?;
        Ok(if state.retained == 0 { state.context.take() } else { None })
    }

    /// Takes the contents away, whoever has retained them: the next retain makes new ones.
    pub fn reset(&self) -> Option<Arc<Context>> {
        let mut state = lock(&self.state);
        state.retained = 0;
        state.context.take()
    }

    pub fn flags_and_active(&self) -> (u32, bool) {
        let state = lock(&self.state);
        let flags = state.context.as_ref().map_or(state.flags, |context| {
            context.flags.load(std::sync::atomic::Ordering::Relaxed)
        });
        (flags, state.context.is_some())
    }

    pub fn set_flags(&self, flags: u32) {
        let mut state = lock(&self.state);
        state.flags = flags;
        if let Some(context) = &state.context {
            context.flags.store(flags, std::sync::atomic::Ordering::Relaxed);
        }
    }
}

impl Default for Primary {
    fn default() -> Primary {
        Primary::new()
    }
}

impl fmt::Debug for Primary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Primary({:#x})", self.handle)
    }
}
