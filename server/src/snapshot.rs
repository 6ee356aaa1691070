//! Everything about the driver and its devices that does not change, asked once.
#![allow(unsafe_code)] // calls the driver.
// A block without a note writes one number of `number`'s own.
#![allow(clippy::undocumented_unsafe_blocks)]

use crate::driver::{AllocationProperties, Driver};
use cudarc::driver::sys::CUdevice_attribute;
use farwarp_protocol::error::Code;
use farwarp_protocol::snapshot::{DeviceSnapshot, Peer};
use farwarp_protocol::table;

const NAME_BYTES: usize = 256;
const BUS_ID_BYTES: usize = 32;
/// `CUdevice_P2PAttribute`s asked for, from 1 on; the header knows 5.
const P2P_ATTRIBUTES: u32 = 5;
const EXEC_AFFINITY_TYPES: u32 = 1;
/// Device attributes asked for beyond those that this build knows, for programs that are newer than it.
const ATTRIBUTES_BEYOND: u32 = 16;

pub fn devices(driver: &Driver) -> Result<Vec<DeviceSnapshot>, Code> {
    let mut count = 0;
    // SAFETY: `count` is writable.
    unsafe { driver.cuDeviceGetCount(&mut count)? };
    (0..count).map(|ordinal| device(driver, ordinal, count)).collect()
}

/// Whether the driver exports each row's symbol, in the table's order.
pub fn rows(driver: &Driver) -> Vec<bool> {
    table::rows().map(|row| driver.address(row.name).is_some()).collect()
}

fn device(driver: &Driver, ordinal: i32, count: i32) -> Result<DeviceSnapshot, Code> {
    let mut name = [0u8; NAME_BYTES];
    let mut bus_id = [0u8; BUS_ID_BYTES];
    let (mut uuid, mut luid, mut node_mask, mut total_bytes) = ([0; 16], [0; 8], 0, 0);
    // SAFETY: every place to write is ours and as large as is said.
    let luid = unsafe {
        driver.cuDeviceGetName(name.as_mut_ptr().cast(), NAME_BYTES as i32, ordinal)?;
        driver.cuDeviceGetUuid_v2(&mut uuid, ordinal)?;
        driver.cuDeviceTotalMem_v2(&mut total_bytes, ordinal)?;
        driver.cuDeviceGetPCIBusId(bus_id.as_mut_ptr().cast(), BUS_ID_BYTES as i32, ordinal)?;
        driver.cuDeviceGetLuid(&mut luid, &mut node_mask, ordinal).map(|()| (luid, node_mask))
    };
    let last = CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX as u32 + ATTRIBUTES_BEYOND;
    let attributes =
        (0..last).map(|which| number(|value| unsafe { driver.cuDeviceGetAttribute(value, which, ordinal) }));
    let affinity = (0..EXEC_AFFINITY_TYPES).map(|kind| {
        number(|value| unsafe { driver.cuDeviceGetExecAffinitySupport(value, kind, ordinal) }) == Ok(1)
    });
    Ok(DeviceSnapshot {
        name: text(&name),
        uuid,
        luid,
        total_bytes: total_bytes as u64,
        pci_bus_id: text(&bus_id),
        attributes: attributes.collect(),
        peers: (0..count).map(|other| peer(driver, ordinal, other)).collect(),
        granularity: [0, 1].map(|option| granularity(driver, ordinal, option)),
        affinity: affinity.collect(),
        priorities: priorities(driver, ordinal),
    })
}

fn peer(driver: &Driver, from: i32, to: i32) -> Peer {
    let attribute = |which| number(|value| unsafe { driver.cuDeviceGetP2PAttribute(value, which, from, to) });
    Peer {
        can_access: number(|can| unsafe { driver.cuDeviceCanAccessPeer(can, from, to) }) == Ok(1),
        attributes: (1..=P2P_ATTRIBUTES).map(attribute).collect(),
    }
}

fn granularity(driver: &Driver, device: i32, option: u32) -> u64 {
    let properties = AllocationProperties::on(device);
    let mut bytes = 0;
    // SAFETY: the struct is read, the number written.
    match unsafe { driver.cuMemGetAllocationGranularity(&mut bytes, &properties, option) } {
        Ok(()) => bytes as u64,
        Err(_) => 0,
    }
}

/// Needs a context, which is made and left again; the range is the device's.
fn priorities(driver: &Driver, device: i32) -> (i32, i32) {
    let (mut least, mut greatest, mut context) = (0, 0, 0);
    // SAFETY: the places to write are ours; what is retained is released.
    unsafe {
        if driver.cuDevicePrimaryCtxRetain(&mut context, device).is_err() {
            return (0, 0);
        }
        let _ = driver.cuCtxSetCurrent(context);
        let known = driver.cuCtxGetStreamPriorityRange(&mut least, &mut greatest);
        let _ = driver.cuCtxSetCurrent(0);
        let _ = driver.cuDevicePrimaryCtxRelease_v2(device);
        if known.is_ok() { (least, greatest) } else { (0, 0) }
    }
}

fn number(ask: impl FnOnce(*mut i32) -> Result<(), Code>) -> Result<i32, Code> {
    let mut value = 0;
    ask(&mut value).map(|()| value)
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}
