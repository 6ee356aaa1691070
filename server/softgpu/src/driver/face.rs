//! What the shared face of our drivers asks of this one: see `farwarp_face::Host`.

use farwarp_face::*;

use crate::driver::context::CONTEXTS;
use crate::driver::current::{current, top};
use crate::driver::image;
use crate::driver::machine::{self, DRIVER_VERSION, machine};
use crate::driver::module::Module;

pub struct Face;

pub static FACE: Face = Face;

impl Host for Face {
    fn driver_version(&self) -> u32 {
        DRIVER_VERSION
    }

    fn visible_devices(&self) -> Vec<DeviceIdentity> {
        let devices = machine().map(|machine| machine.devices.as_slice()).unwrap_or_default().iter();
        devices
            .map(|device| DeviceIdentity {
                uuid: device.uuid(),
                pci_domain: 0,
                pci_bus: device.pci_bus(),
                pci_device: 0,
            })
            .collect()
    }

    fn primary_context(&self, device: CUdevice) -> Result<CUcontext, CUresult> {
        Ok(pointer(machine::device(device)?.primary.handle))
    }

    fn current_context(&self) -> CUcontext {
        pointer(top())
    }

    fn is_live(&self, context: CUcontext) -> bool {
        machine().is_ok() && CONTEXTS.get(context.addr() as u64).is_some()
    }

    fn load_module(&self, image: *const std::ffi::c_void) -> Result<CUmodule, CUresult> {
        let context = current()?;
        let image = image::read(image.expose_provenance() as u64, context.device.capability)?;
        Ok(pointer(Module::load(&context, image)?.handle))
    }
}

fn pointer(handle: u64) -> *mut std::ffi::c_void {
    std::ptr::without_provenance_mut(handle as usize)
}
