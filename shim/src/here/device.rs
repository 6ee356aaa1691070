//! The driver and its devices, from the snapshot.
#![allow(unsafe_code)]
// writes answers where the program wants them.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use super::{give, give_text};
use crate::state::{self, shim};
use cudarc::driver::sys::CUdevice_attribute::{self, *};
use farwarp_face as face;
use farwarp_protocol::error::{CUDA_ERROR_INVALID_DEVICE, CUDA_ERROR_INVALID_VALUE, Code};
use farwarp_protocol::snapshot::DeviceSnapshot;
use std::ffi::{CStr, c_char, c_void};

/// What `cuDriverGetVersion`, which never fails, says where there is no server.
const VERSION_WITHOUT_SERVER: i32 = 13_000;

/// Attributes that promise what remoting cannot keep, or what is not built yet. They are 0, whatever the device says.
pub const DENIED_ATTRIBUTES: &[(CUdevice_attribute, &str)] = &[
    (CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS, "kernels cannot reach the client's pageable memory"),
    (CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS_USES_HOST_PAGE_TABLES, "likewise"),
    (
        CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS,
        "managed memory is coherent at launch and synchronise only",
    ),
    (CU_DEVICE_ATTRIBUTE_DIRECT_MANAGED_MEM_ACCESS_FROM_HOST, "likewise"),
    (CU_DEVICE_ATTRIBUTE_HOST_NATIVE_ATOMIC_SUPPORTED, "there is no such link between the two machines"),
    (CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_SUPPORTED, "the device is not in this machine"),
    (CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_FLUSH_WRITES_OPTIONS, "likewise"),
    (CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_WRITES_ORDERING, "likewise"),
    (CU_DEVICE_ATTRIBUTE_GPU_DIRECT_RDMA_WITH_CUDA_VMM_SUPPORTED, "likewise"),
    (CU_DEVICE_ATTRIBUTE_DMA_BUF_SUPPORTED, "likewise"),
    (CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_FABRIC_SUPPORTED, "likewise"),
    (
        CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED,
        "no other process can open the server's memory",
    ),
    (CU_DEVICE_ATTRIBUTE_MEMPOOL_SUPPORTED_HANDLE_TYPES, "no other process can open the server's memory"),
    (CU_DEVICE_ATTRIBUTE_MULTICAST_SUPPORTED, "not built yet"),
];

pub unsafe fn cuInit(flags: u32) -> Result<(), Code> {
    state::init(flags)
}

pub unsafe fn cuDriverGetVersion(version: *mut i32) -> Result<(), Code> {
    if version.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let known = state::server().map_or(VERSION_WITHOUT_SERVER, |shim| shim.snapshot.driver_version);
    unsafe { give(version, known) }
}

pub unsafe fn cuDeviceGetCount(count: *mut i32) -> Result<(), Code> {
    unsafe { give(count, shim()?.visible.len() as i32) }
}

pub unsafe fn cuDeviceGet(device: *mut i32, ordinal: i32) -> Result<(), Code> {
    let shim = shim()?;
    if device.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    shim.device(ordinal)?;
    unsafe { give(device, ordinal) }
}

pub unsafe fn cuDeviceGetName(name: *mut c_char, room: i32, device: i32) -> Result<(), Code> {
    unsafe { give_text(name, room, &shim()?.device(device)?.name) }
}

pub unsafe fn cuDeviceGetUuid(uuid: *mut cudarc::driver::sys::CUuuid, device: i32) -> Result<(), Code> {
    unsafe { give(uuid.cast(), shim()?.device(device)?.uuid) }
}

pub unsafe fn cuDeviceGetUuid_v2(uuid: *mut cudarc::driver::sys::CUuuid, device: i32) -> Result<(), Code> {
    unsafe { cuDeviceGetUuid(uuid, device) }
}

pub unsafe fn cuDeviceGetLuid(luid: *mut c_char, node_mask: *mut u32, device: i32) -> Result<(), Code> {
    let (bytes, mask) = shim()?.device(device)?.luid?;
    unsafe {
        give(luid.cast(), bytes)?;
        give(node_mask, mask)
    }
}

pub unsafe fn cuDeviceTotalMem_v2(bytes: *mut usize, device: i32) -> Result<(), Code> {
    unsafe { give(bytes, shim()?.device(device)?.total_bytes as usize) }
}

pub unsafe fn cuDeviceTotalMem(bytes: *mut u32, device: i32) -> Result<(), Code> {
    let total = shim()?.device(device)?.total_bytes;
    unsafe { give(bytes, u32::try_from(total).unwrap_or(u32::MAX)) }
}

/// An attribute as the program is told it.
pub fn attribute(device: &DeviceSnapshot, attribute: u32) -> Result<i32, Code> {
    if DENIED_ATTRIBUTES.iter().any(|(denied, _)| *denied as u32 == attribute) {
        return Ok(0);
    }
    device.attributes.get(attribute as usize).copied().unwrap_or(Err(CUDA_ERROR_INVALID_VALUE))
}

pub unsafe fn cuDeviceGetAttribute(value: *mut i32, which: u32, device: i32) -> Result<(), Code> {
    let shim = shim()?;
    if value.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    unsafe { give(value, attribute(shim.device(device)?, which)?) }
}

pub unsafe fn cuDeviceComputeCapability(major: *mut i32, minor: *mut i32, device: i32) -> Result<(), Code> {
    let device = shim()?.device(device)?;
    unsafe {
        give(major, attribute(device, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR as u32)?)?;
        give(minor, attribute(device, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR as u32)?)
    }
}

/// The old struct of properties: eleven numbers in the header's order, each an attribute.
pub unsafe fn cuDeviceGetProperties(
    properties: *mut cudarc::driver::sys::CUdevprop,
    device: i32,
) -> Result<(), Code> {
    let device = shim()?.device(device)?;
    let of = |which| attribute(device, which).unwrap_or(0);
    let known = cudarc::driver::sys::CUdevprop_st {
        maxThreadsPerBlock: of(1),
        maxThreadsDim: [of(2), of(3), of(4)],
        maxGridSize: [of(5), of(6), of(7)],
        sharedMemPerBlock: of(8),
        totalConstantMemory: of(9),
        SIMDWidth: of(10),
        memPitch: of(11),
        regsPerBlock: of(12),
        clockRate: of(13),
        textureAlign: of(14),
    };
    unsafe { give(properties, known) }
}

pub unsafe fn cuDeviceGetByPCIBusId(device: *mut i32, bus_id: *const c_char) -> Result<(), Code> {
    let shim = shim()?;
    if bus_id.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let asked = unsafe { CStr::from_ptr(bus_id) }
        .to_str()
        .ok()
        .and_then(pci_address)
        .ok_or(CUDA_ERROR_INVALID_VALUE)?;
    let ordinal = shim
        .visible
        .iter()
        .position(|index| pci_address(&shim.snapshot.devices[*index].pci_bus_id) == Some(asked))
        .ok_or(CUDA_ERROR_INVALID_DEVICE)?;
    unsafe { give(device, ordinal as i32) }
}

/// Domain, bus, device and function of `[domain]:[bus]:[device].[function]`, `[domain]:[bus]:[device]` or `[bus]:[device].[function]`.
fn pci_address(text: &str) -> Option<[u32; 4]> {
    let (address, function) = text.split_once('.').unwrap_or((text, "0"));
    let parts: Vec<&str> = address.split(':').collect();
    let [domain, bus, device] = match parts[..] {
        [domain, bus, device] => [domain, bus, device],
        [bus, device] => ["0", bus, device],
        _ => return None,
    };
    let number = |text| u32::from_str_radix(text, 16).ok();
    Some([number(domain)?, number(bus)?, number(device)?, number(function)?])
}

pub unsafe fn cuDeviceGetPCIBusId(bus_id: *mut c_char, room: i32, device: i32) -> Result<(), Code> {
    unsafe { give_text(bus_id, room, &shim()?.device(device)?.pci_bus_id) }
}

pub unsafe fn cuDeviceGetExecAffinitySupport(
    supported: *mut i32,
    kind: u32,
    device: i32,
) -> Result<(), Code> {
    let known =
        shim()?.device(device)?.affinity.get(kind as usize).copied().ok_or(CUDA_ERROR_INVALID_VALUE)?;
    unsafe { give(supported, known as i32) }
}

pub unsafe fn cuDeviceCanAccessPeer(can: *mut i32, device: i32, peer: i32) -> Result<(), Code> {
    let shim = shim()?;
    let (of, to) = (shim.device(device)?, shim.server_ordinal(peer)?);
    let known = of.peers.get(to as usize).is_some_and(|peer| peer.can_access);
    unsafe { give(can, known as i32) }
}

pub unsafe fn cuDeviceGetP2PAttribute(value: *mut i32, which: u32, from: i32, to: i32) -> Result<(), Code> {
    let shim = shim()?;
    let (of, to) = (shim.device(from)?, shim.server_ordinal(to)?);
    let index = (which as usize).checked_sub(1).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    let known = of.peers.get(to as usize).and_then(|peer| peer.attributes.get(index)).copied();
    unsafe { give(value, known.unwrap_or(Err(CUDA_ERROR_INVALID_VALUE))?) }
}

pub unsafe fn cuGetErrorName(error: u32, name: *mut *const c_char) -> Result<(), Code> {
    unsafe { give_static(name, face::error_name(error)) }
}

pub unsafe fn cuGetErrorString(error: u32, text: *mut *const c_char) -> Result<(), Code> {
    unsafe { give_static(text, face::error_text(error)) }
}

/// A text for an error that the header knows; for any other, NULL and a refusal.
unsafe fn give_static(to: *mut *const c_char, text: Option<&'static CStr>) -> Result<(), Code> {
    unsafe { give(to, text.map_or(std::ptr::null(), CStr::as_ptr))? };
    text.map(drop).ok_or(CUDA_ERROR_INVALID_VALUE)
}

pub unsafe fn cuGetExportTable(
    table: *mut *const c_void,
    id: *const cudarc::driver::sys::CUuuid,
) -> Result<(), Code> {
    code(unsafe { face::get_export_table(&crate::host::SHIM, table.cast(), id.cast()) })
}

fn code(result: u32) -> Result<(), Code> {
    if result == 0 { Ok(()) } else { Err(result as Code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pci_address_is_read_in_its_three_forms() {
        assert_eq!(pci_address("0000:3B:00.0"), Some([0, 0x3b, 0, 0]));
        assert_eq!(pci_address("0000:3b:00"), Some([0, 0x3b, 0, 0]));
        assert_eq!(pci_address("3b:00.0"), Some([0, 0x3b, 0, 0]));
        assert_eq!(pci_address("3b"), None);
        assert_eq!(pci_address("zz:00.0"), None);
    }
}
