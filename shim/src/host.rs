//! What the face of every libcuda of ours asks the shim for.

use crate::state::{Shim, shim};
use crate::threads;
use cudarc::driver::sys::CUdevice_attribute::*;
use farwarp_face::{CUcontext, CUdevice, CUmodule, CUresult, DeviceIdentity, Host};
use farwarp_protocol::handle::Id;
use std::ffi::c_void;

pub struct ShimHost;

pub static SHIM: ShimHost = ShimHost;

impl Host for ShimHost {
    fn driver_version(&self) -> u32 {
        crate::state::server().map_or(0, |shim| shim.snapshot.driver_version as u32)
    }

    fn visible_devices(&self) -> Vec<DeviceIdentity> {
        let Ok(shim) = shim() else { return Vec::new() };
        (0..shim.visible.len() as i32).filter_map(|ordinal| identity(shim, ordinal)).collect()
    }

    fn primary_context(&self, device: CUdevice) -> Result<CUcontext, CUresult> {
        let context = shim().and_then(|shim| Ok(shim.contexts().primary(device)?.context));
        context.map(|context| context.0 as CUcontext).map_err(|code| code as CUresult)
    }

    fn current_context(&self) -> CUcontext {
        threads::current().0 as CUcontext
    }

    fn is_live(&self, context: CUcontext) -> bool {
        shim().is_ok_and(|shim| shim.contexts().active(Id(context as u64)).is_ok())
    }

    fn load_module(&self, image: *const c_void) -> Result<CUmodule, CUresult> {
        crate::by_hand::load_fatbin(image).map(|id| id.0 as CUmodule).map_err(|code| code as CUresult)
    }
}

fn identity(shim: &Shim, ordinal: i32) -> Option<DeviceIdentity> {
    let device = shim.device(ordinal).ok()?;
    let attribute = |which| crate::here::attribute(device, which as u32).unwrap_or(0);
    Some(DeviceIdentity {
        uuid: device.uuid,
        pci_domain: attribute(CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID),
        pci_bus: attribute(CU_DEVICE_ATTRIBUTE_PCI_BUS_ID),
        pci_device: attribute(CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID),
    })
}
