//! What the face needs to know from the library that wears it. Not what that library does with it.

use std::ffi::c_void;

use once_cell::sync::OnceCell;

use crate::CUDA_ERROR_NOT_INITIALIZED;

/// An enum crosses the C boundary as an integer: a program may pass a number that this build does not know.
pub type CUresult = u32;
pub type CUdevice = i32;
/// Handles are looked at, never through: to the face they are numbers.
pub type CUcontext = *mut c_void;
pub type CUmodule = *mut c_void;

/// The library that wears the face. Every method may be called from any thread, before `cuInit`, from `atexit` handlers and
/// from TLS destructors, and in the child of a fork; none may wait for another thread there.
pub trait Host: Sync {
    /// As `cuDriverGetVersion` reports it.
    fn driver_version(&self) -> u32;

    /// The devices that the program can see, by ordinal, exactly as `cuDeviceGetUuid` and the PCI attributes report them;
    /// none before `cuInit`.
    fn visible_devices(&self) -> Vec<DeviceIdentity>;

    /// The handle that `cuDevicePrimaryCtxRetain` returns or will return, without activating or retaining anything.
    fn primary_context(&self, device: CUdevice) -> Result<CUcontext, CUresult>;

    /// The calling thread's current context, or NULL.
    fn current_context(&self) -> CUcontext;

    /// Whether `context` can be used now: created and not destroyed, or a primary context that is retained. False for
    /// everything in a forked child. Called with the face's own lock held, so it must not call back into the face.
    fn is_live(&self, context: CUcontext) -> bool;

    /// What `cuModuleLoadData` does with `image`, which is a fatbin wrapper or a bare fatbin.
    fn load_module(&self, image: *const c_void) -> Result<CUmodule, CUresult>;
}

/// What the integrity check says about one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceIdentity {
    pub uuid: [u8; 16],
    pub pci_domain: i32,
    pub pci_bus: i32,
    pub pci_device: i32,
}

static HOST: OnceCell<&'static dyn Host> = OnceCell::new();

/// A process has one host a library: the first one stays.
pub(crate) fn install(host: &'static dyn Host) {
    HOST.get_or_init(|| host);
}

/// The host. No slot of a table can be called before a table was handed out, which installs it.
pub(crate) fn host() -> Result<&'static dyn Host, CUresult> {
    HOST.get().copied().ok_or(CUDA_ERROR_NOT_INITIALIZED)
}
