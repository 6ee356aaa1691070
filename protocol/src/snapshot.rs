//! The first exchange of a session: what the client brings, and everything about the server's GPU that does not change.

use crate::call::Range;
use crate::codec::{Decode, Encode};

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Hello {
    /// The client's [`crate::call::fingerprint`].
    pub table: u64,
    /// Variables that the driver would have read in the client's environment; see [`PASSED_ON`].
    pub variables: Vec<(String, String)>,
    /// Ranges that are free in the client's address space, best first: the device arena shall lie in one of them.
    pub free_ranges: Vec<Range>,
}

/// The variables of the program that decide how a driver behaves, and which the worker sets before it loads one.
/// CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER are not among them: the shim applies those.
pub const PASSED_ON: &[&str] = &[
    "CUDA_LAUNCH_BLOCKING",
    "CUDA_MODULE_LOADING",
    "CUDA_MODULE_DATA_LOADING",
    "CUDA_CACHE_DISABLE",
    "CUDA_CACHE_MAXSIZE",
    "CUDA_FORCE_PTX_JIT",
    "CUDA_DISABLE_PTX_JIT",
    "CUDA_FORCE_JIT",
    "CUDA_DISABLE_JIT",
    "CUDA_AUTO_BOOST",
    "CUDA_SCALE_LAUNCH_QUEUES",
    "CUDA_BINARY_LOADER_THREAD_COUNT",
    "FARWARP_SOFTGPU_CC",
    "FARWARP_SOFTGPU_DEVICES",
    "FARWARP_SOFTGPU_MEMORY",
    "FARWARP_SOFTGPU_SASS",
];

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Snapshot {
    pub driver_version: i32,
    /// `CU_MODULE_LAZY_LOADING` or `CU_MODULE_EAGER_LOADING`, as the driver says.
    pub loading_mode: u32,
    pub devices: Vec<DeviceSnapshot>,
    /// For each row of the table, in its order, whether the driver exports that symbol.
    pub rows: Vec<bool>,
    /// Where device memory will lie; `None` where the driver cannot map memory at a chosen address.
    pub arena: Option<Range>,
    /// True where the device is a CPU.
    pub software: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DeviceSnapshot {
    pub name: String,
    pub uuid: [u8; 16],
    /// LUID and node mask, or the code with which the driver refused.
    pub luid: Result<([u8; 8], u32), i32>,
    pub total_bytes: u64,
    pub pci_bus_id: String,
    /// One for each `CUdevice_attribute` from 0 on, or the code with which the driver refused it.
    pub attributes: Vec<Result<i32, i32>>,
    /// For each device and each `CUdevice_P2PAttribute` from 1 on.
    pub peers: Vec<Peer>,
    /// Smallest and recommended granularity of `cuMemCreate`; 0 where there is none.
    pub granularity: [u64; 2],
    /// Execution affinity types, from 0 on.
    pub affinity: Vec<bool>,
    /// Lowest and highest stream priority.
    pub priorities: (i32, i32),
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Peer {
    pub can_access: bool,
    pub attributes: Vec<Result<i32, i32>>,
}
