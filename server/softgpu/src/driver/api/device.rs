//! Device management.

use std::ffi::c_char;

use farwarp_face::*;

use crate::driver::edge::{Out, Text, api};
use crate::driver::limits;
use crate::driver::machine::{device, machine};
use crate::driver::mirror::DeviceProperties;

api! {
    fn cuDeviceGet(out: Out<i32>, ordinal: i32) {
        out.require()?;
        out.put(device(ordinal)?.ordinal)
    }

    fn cuDeviceGetCount(count: Out<i32>) {
        count.put(machine()?.devices.len() as i32)
    }

    fn cuDeviceGetName(name: Out<c_char>, len: i32, dev: i32) {
        name.put_text(device(dev)?.name(), len)
    }

    fn cuDeviceGetUuid(uuid: Out<[u8; 16]>, dev: i32) {
        uuid.put(device(dev)?.uuid())
    }

    fn cuDeviceGetUuid_v2(uuid: Out<[u8; 16]>, dev: i32) {
        uuid.put(device(dev)?.uuid())
    }

    fn cuDeviceTotalMem_v2(bytes: Out<usize>, dev: i32) {
        bytes.put(device(dev)?.memory_bytes as usize)
    }

    fn cuDeviceGetAttribute(value: Out<i32>, attribute: u32, dev: i32) {
        let found = device(dev)?.attribute(attribute).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        value.put(found)
    }

    fn cuDeviceComputeCapability(major: Out<i32>, minor: Out<i32>, dev: i32) {
        let capability = device(dev)?.capability;
        major.put(capability.major)?;
        minor.put(capability.minor)
    }

    fn cuDeviceGetProperties(properties: Out<DeviceProperties>, dev: i32) {
        let device = device(dev)?;
        let value = |attribute| device.attribute(attribute).unwrap_or(0);
        properties.put(DeviceProperties {
            max_threads_per_block: limits::THREADS_PER_BLOCK,
            max_threads_dim: limits::BLOCK,
            max_grid_size: limits::GRID,
            shared_mem_per_block: limits::SHARED_PER_BLOCK_BYTES,
            total_constant_memory: value(9),
            simd_width: limits::WARP,
            mem_pitch: value(11),
            regs_per_block: limits::REGISTERS,
            clock_rate: value(13),
            texture_align: value(14),
        })
    }

    fn cuDeviceGetPCIBusId(id: Out<c_char>, len: i32, dev: i32) {
        id.put_text(&device(dev)?.pci_text(), len)
    }

    fn cuDeviceGetByPCIBusId(out: Out<i32>, id: Text) {
        let wanted = id.get()?.to_ascii_uppercase();
        if !wanted.contains(':') {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let devices = machine()?.devices.iter();
        let mut found = devices.filter(|device| same_bus(&device.pci_text(), &wanted));
        out.put(found.next().ok_or(CUDA_ERROR_INVALID_DEVICE)?.ordinal)
    }

    fn cuDeviceGetExecAffinitySupport(supported: Out<i32>, kind: u32, dev: i32) {
        device(dev)?;
        if kind != EXEC_AFFINITY_SM_COUNT {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        supported.put(0)
    }
}

const EXEC_AFFINITY_SM_COUNT: u32 = 0;

/// Programs leave out the domain, or the function.
fn same_bus(ours: &str, wanted: &str) -> bool {
    let without_domain = ours.strip_prefix("0000:").unwrap_or(ours);
    let function = wanted.contains('.');
    [ours, without_domain]
        .iter()
        .any(|text| *text == wanted || (!function && text.strip_suffix(".0") == Some(wanted)))
}
