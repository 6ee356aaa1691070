//! NVML's structures, field for field, and the calls in which they differ between versions.
#![allow(non_camel_case_types)] // NVML's own spelling.

use std::ffi::c_void;

/// A pointer to the program, a number to us.
pub type nvmlDevice_t = *mut c_void;

/// The first PCI structure ended after `pci_device_id`; the second added the subsystem.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct nvmlPciInfo_v2_t {
    pub bus_id: [u8; 16],
    pub domain: u32,
    pub bus: u32,
    pub device: u32,
    /// Device above, vendor below.
    pub pci_device_id: u32,
    pub pci_subsystem_id: u32,
}

/// What a caller of the first version has room for.
pub const PCI_INFO_V1_BYTES: usize = 32;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct nvmlPciInfo_v3_t {
    pub legacy: nvmlPciInfo_v2_t,
    pub bus_id: [u8; 32],
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct nvmlMemory_t {
    pub total: u64,
    pub free: u64,
    pub used: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct nvmlMemory_v2_t {
    pub version: u32,
    pub total: u64,
    pub reserved: u64,
    pub free: u64,
    pub used: u64,
}

/// What a caller writes into `version` to say which structure it means: its size, and its number above.
pub const MEMORY_V2: u32 = size_of::<nvmlMemory_v2_t>() as u32 | 2 << 24;

const _: () = assert!(size_of::<nvmlPciInfo_v2_t>() == 36);
const _: () = assert!(size_of::<nvmlPciInfo_v3_t>() == 68);
const _: () = assert!(size_of::<nvmlMemory_v2_t>() == 40);
