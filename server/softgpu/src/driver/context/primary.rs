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
    /// Held while old contents are taken down: new ones have the same handle, and must not be taken for them.
    ending: Mutex<()>,
}

#[derive(Default)]
struct State {
    retained: u32,
    flags: u32,
    context: Option<Arc<Context>>,
}

impl Primary {
    pub fn new() -> Primary {
        Primary { handle: fresh(), state: Mutex::default(), ending: Mutex::default() }
    }

    pub fn retain(&self, device: &'static Device) -> Result<Arc<Context>> {
        let _no_old_one = lock(&self.ending);
        let mut state = lock(&self.state);
        if state.context.is_none() {
            state.context = Some(Context::create_as(self.handle, device, state.flags)?);
        }
        state.retained += 1;
        state.context.clone().ok_or(CUDA_ERROR_UNKNOWN)
    }

    /// The last release ends the context.
    pub fn release(&self) -> Result {
        let _until_the_end = lock(&self.ending);
        let last = {
            let mut state = lock(&self.state);
            state.retained = state.retained.checked_sub(1).ok_or(CUDA_ERROR_INVALID_CONTEXT)?;
            if state.retained == 0 { state.context.take() } else { None }
        };
        if let Some(context) = last {
            context.destroy();
        }
        Ok(())
    }

    /// Ends the context, whoever has retained it: the next retain makes a new one.
    pub fn reset(&self) {
        let _until_the_end = lock(&self.ending);
        let context = {
            let mut state = lock(&self.state);
            state.retained = 0;
            state.context.take()
        };
        if let Some(context) = context {
            context.destroy();
        }
    }

    pub fn flags_and_active(&self) -> (u32, bool) {
        let state = lock(&self.state);
        let flags = state
            .context
            .as_ref()
            .map_or(state.flags, |context| context.flags.load(std::sync::atomic::Ordering::Relaxed));
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
