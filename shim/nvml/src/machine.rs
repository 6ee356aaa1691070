//! What there is to say about the machine: its driver and its devices, asked of libcuda. Not how a C program asks.

use std::sync::atomic::{AtomicU32, Ordering};

use once_cell::sync::OnceCell;

use crate::driver::{Attribute, CUdevice, CUresult, Driver};
use crate::identity::{PciPlace, Uuid};
use crate::layout::nvmlMemory_t;
use crate::results::*;

/// Counts a program's calls of `nvmlInit`; the last `nvmlShutdown` makes every question an error again.
pub struct Machine {
    users: AtomicU32,
    driver: OnceCell<Driver>,
}

pub static MACHINE: Machine = Machine { users: AtomicU32::new(0), driver: OnceCell::new() };

/// `nvmlDevice_t` as we make it: the device's index plus 1, so that NULL is none.
pub type Handle = usize;

const CUDA_ERROR_NO_DEVICE: CUresult = 100;

impl Machine {
    pub fn enter(&self) -> Result<(), nvmlReturn_t> {
        let driver = self.driver.get_or_try_init(|| Driver::load().ok_or(NVML_ERROR_LIBRARY_NOT_FOUND))?;
        match driver.init() {
            Ok(()) | Err(CUDA_ERROR_NO_DEVICE) => {}
            Err(_) => return Err(NVML_ERROR_DRIVER_NOT_LOADED),
        }
        let one_more = |users: u32| users.checked_add(1);
        let counted = self.users.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        counted.map(drop).map_err(|_| NVML_ERROR_INSUFFICIENT_RESOURCES)
    }

    pub fn leave(&self) -> Result<(), nvmlReturn_t> {
        let one_less = |users: u32| users.checked_sub(1);
        let counted = self.users.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        counted.map(drop).map_err(|_| NVML_ERROR_UNINITIALIZED)
    }

    /// As `cuDriverGetVersion` reports it.
    pub fn cuda_version(&self) -> Result<i32, nvmlReturn_t> {
        self.driver()?.version().map_err(result_of)
    }

    /// libcuda tells its CUDA version and no other. So the driver's is the oldest that runs that CUDA, as NVIDIA publishes it:
    /// whatever a program infers from it is true of the GPU's driver, wherever that is.
    pub fn driver_version(&self) -> Result<&'static str, nvmlReturn_t> {
        Ok(match self.cuda_version()? / 1000 {
            ..=11 => "450.00",
            12 => "525.00",
            13.. => "580.00",
        })
    }

    /// The CUDA version's first number, then the driver's version, as NVML builds it.
    pub fn nvml_version(&self) -> Result<String, nvmlReturn_t> {
        Ok(format!("{}.{}", self.cuda_version()? / 1000, self.driver_version()?))
    }

    /// What libcuda shows to this program: CUDA_VISIBLE_DEVICES hides devices here as it does there.
    pub fn device_count(&self) -> Result<u32, nvmlReturn_t> {
        match self.driver()?.device_count() {
            Ok(count) => Ok(count),
            // There is none, or `cuInit` stopped at that.
            Err(CUDA_ERROR_NO_DEVICE | CUDA_ERROR_NOT_INITIALIZED) => Ok(0),
            Err(error) => Err(result_of(error)),
        }
    }

    pub fn device_by_index(&self, index: u32) -> Result<Device<'_>, nvmlReturn_t> {
        let driver = self.driver()?;
        if index >= self.device_count()? {
            return Err(NVML_ERROR_INVALID_ARGUMENT);
        }
        let id = driver.device(index).map_err(result_of)?;
        Ok(Device { driver, index, id })
    }

    pub fn device(&self, handle: Handle) -> Result<Device<'_>, nvmlReturn_t> {
        let index = handle.checked_sub(1).and_then(|index| u32::try_from(index).ok());
        // Before the handle is judged: without `nvmlInit` that is what is wrong.
        self.driver()?;
        self.device_by_index(index.ok_or(NVML_ERROR_INVALID_ARGUMENT)?)
    }

    /// The first device that `is_meant` says yes to.
    pub fn find(
        &self,
        is_meant: impl Fn(&Device<'_>) -> Result<bool, nvmlReturn_t>,
    ) -> Result<Device<'_>, nvmlReturn_t> {
        for index in 0..self.device_count()? {
            let device = self.device_by_index(index)?;
            if is_meant(&device)? {
                return Ok(device);
            }
        }
        Err(NVML_ERROR_NOT_FOUND)
    }

    fn driver(&self) -> Result<&Driver, nvmlReturn_t> {
        if self.users.load(Ordering::Relaxed) == 0 {
            return Err(NVML_ERROR_UNINITIALIZED);
        }
        self.driver.get().ok_or(NVML_ERROR_UNINITIALIZED)
    }
}

/// One device, as long as its driver.
pub struct Device<'a> {
    driver: &'a Driver,
    pub index: u32,
    id: CUdevice,
}

impl Device<'_> {
    pub fn handle(&self) -> Handle {
        self.index as usize + 1
    }

    pub fn name(&self) -> Result<String, nvmlReturn_t> {
        self.driver.name(self.id).map_err(result_of)
    }

    pub fn uuid(&self) -> Result<Uuid, nvmlReturn_t> {
        self.driver.uuid(self.id).map(Uuid).map_err(result_of)
    }

    pub fn pci_place(&self) -> Result<PciPlace, nvmlReturn_t> {
        Ok(PciPlace {
            domain: self.attribute(Attribute::PciDomainId)?,
            bus: self.attribute(Attribute::PciBusId)?,
            device: self.attribute(Attribute::PciDeviceId)?,
        })
    }

    /// The device's and the subsystem's numbers; zero where libcuda, being older, does not know them.
    pub fn pci_ids(&self) -> (u32, u32) {
        let ids = [Attribute::GpuPciDeviceId, Attribute::GpuPciSubsystemId];
        let [device, subsystem] = ids.map(|id| self.attribute(id).unwrap_or(0));
        (device, subsystem)
    }

    pub fn compute_capability(&self) -> Result<(u32, u32), nvmlReturn_t> {
        let major = self.attribute(Attribute::ComputeCapabilityMajor)?;
        Ok((major, self.attribute(Attribute::ComputeCapabilityMinor)?))
    }

    /// What is used is known where this process has a primary context; a question must not make one.
    pub fn memory(&self) -> Result<nvmlMemory_t, nvmlReturn_t> {
        let total = self.driver.total_memory(self.id).map_err(result_of)?;
        let free = match self.driver.free_memory(self.id).map_err(result_of)? {
            Some(free) => free.min(total),
            None => total,
        };
        Ok(nvmlMemory_t { total, free, used: total - free })
    }

    fn attribute(&self, attribute: Attribute) -> Result<u32, nvmlReturn_t> {
        self.driver.attribute(self.id, attribute).map_err(result_of)
    }
}

const CUDA_ERROR_INVALID_VALUE: CUresult = 1;
const CUDA_ERROR_OUT_OF_MEMORY: CUresult = 2;
const CUDA_ERROR_NOT_INITIALIZED: CUresult = 3;
const CUDA_ERROR_INVALID_DEVICE: CUresult = 101;
const CUDA_ERROR_NOT_SUPPORTED: CUresult = 801;

fn result_of(error: CUresult) -> nvmlReturn_t {
    match error {
        CUDA_ERROR_INVALID_VALUE | CUDA_ERROR_INVALID_DEVICE => NVML_ERROR_INVALID_ARGUMENT,
        CUDA_ERROR_OUT_OF_MEMORY => NVML_ERROR_MEMORY,
        CUDA_ERROR_NOT_INITIALIZED => NVML_ERROR_DRIVER_NOT_LOADED,
        CUDA_ERROR_NOT_SUPPORTED => NVML_ERROR_NOT_SUPPORTED,
        _ => NVML_ERROR_UNKNOWN,
    }
}
