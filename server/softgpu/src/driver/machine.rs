//! The machine as `cuInit` finds it: which devices there are, and the engine that they share. Decided once a process.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use farwarp_face::*;
use once_cell::sync::{Lazy, OnceCell};

use crate::driver::device::{ComputeCapability, Device};
use crate::driver::edge::Result;
use crate::driver::{settings, threads};
use crate::ptx::Engine;

/// The version of the driver API that this driver has: the table's.
pub const DRIVER_VERSION: u32 = 13050;

/// What `cuInit` found.
#[derive(Debug)]
pub struct Machine {
    /// Those that the program may see, by ordinal.
    pub devices: Vec<Device>,
}

static MACHINE: OnceCell<Machine> = OnceCell::new();

/// Set in the child of a fork: CUDA does not work there, and the threads of the parent are not there.
static FORKED: AtomicBool = AtomicBool::new(false);

/// After a fault of the kind that `cuda.h` says a process does not survive, its number; else 0.
static DEATH: AtomicU32 = AtomicU32::new(CUDA_SUCCESS);

/// The body of `cuInit`.
pub fn initialize() -> Result {
    if FORKED.load(Ordering::Relaxed) {
        return Err(CUDA_ERROR_NOT_INITIALIZED);
    }
    MACHINE.get_or_try_init(|| {
        let machine = Machine::found();
        if machine.devices.is_empty() {
            return Err(CUDA_ERROR_NO_DEVICE);
        }
        threads::at_fork_in_child(|| FORKED.store(true, Ordering::Relaxed));
        Ok(machine)
    })?;
    Ok(())
}

/// The machine, or `CUDA_ERROR_NOT_INITIALIZED` before `cuInit` and in the child of a fork.
pub fn machine() -> Result<&'static Machine> {
    if FORKED.load(Ordering::Relaxed) {
        return Err(CUDA_ERROR_NOT_INITIALIZED);
    }
    MACHINE.get().ok_or(CUDA_ERROR_NOT_INITIALIZED)
}

/// The device of that ordinal.
pub fn device(ordinal: i32) -> Result<&'static Device> {
    let devices = &machine()?.devices;
    usize::try_from(ordinal).ok().and_then(|index| devices.get(index)).ok_or(CUDA_ERROR_INVALID_DEVICE)
}

/// What runs the kernels of all devices: one thread a core, made at the first launch.
pub fn engine() -> &'static Engine {
    static ENGINE: Lazy<Engine> = Lazy::new(|| Engine::new(cores()));
    &ENGINE
}

pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The error that every further call that does work returns, once a fault has ended this process's use of CUDA.
pub fn alive() -> Result {
    match DEATH.load(Ordering::Acquire) {
        CUDA_SUCCESS => Ok(()),
        error => Err(error),
    }
}

/// The first fault stays: it is the cause of the others.
pub fn die(error: CUresult) {
    let _ = DEATH.compare_exchange(CUDA_SUCCESS, error, Ordering::AcqRel, Ordering::Relaxed);
}

impl Machine {
    fn found() -> Machine {
        let count = settings::devices();
        let memory_bytes = settings::memory_bytes(count);
        let (major, minor) = settings::compute_capability();
        let all =
            (0..count).map(|index| Device::new(index, memory_bytes, ComputeCapability { major, minor }));
        let visible = settings::visible_devices();
        let mut devices: Vec<Device> = match visible {
            None => all.collect(),
            Some(wanted) => settings::choose(&wanted, all.collect()),
        };
        for (ordinal, device) in devices.iter_mut().enumerate() {
            device.ordinal = ordinal as i32;
        }
        Machine { devices }
    }
}
