//! The answered functions, as C programs call them: pointers are checked, results written, and no panic gets out.
#![allow(unsafe_code)] // Each function writes where a C caller says.
#![allow(non_snake_case)] // NVML's own spelling.

use std::ffi::{CStr, c_char, c_int, c_uint};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use crate::identity::{PciPlace, Uuid};
use crate::layout::*;
use crate::machine::{Device, Handle, MACHINE};
use crate::results::*;

macro_rules! answered {
    ($($name:ident($($argument:ident: $type:ty),*) $body:block)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($argument: $type),*) -> nvmlReturn_t {
            #[allow(unused_unsafe)] // Some functions take no pointer.
            let body = || {
                // SAFETY: for all that is written and read inside: every pointer is NULL, which is looked at first,
                // or what nvml.h says of it.
                unsafe { $body }
            };
            guarded(body)
        }
    )*};
}

answered! {
    nvmlInit() { MACHINE.enter() }
    nvmlInit_v2() { MACHINE.enter() }
    // The flags say what to do without devices and whether to attach to them; we succeed without, and attach to none.
    nvmlInitWithFlags(_flags: c_uint) { MACHINE.enter() }
    nvmlShutdown() { MACHINE.leave() }

    nvmlSystemGetDriverVersion(version: *mut c_char, length: c_uint) {
        write_text(version, length, MACHINE.driver_version()?)
    }
    nvmlSystemGetNVMLVersion(version: *mut c_char, length: c_uint) {
        write_text(version, length, &MACHINE.nvml_version()?)
    }
    nvmlSystemGetCudaDriverVersion(version: *mut c_int) { write(version, MACHINE.cuda_version()?) }
    nvmlSystemGetCudaDriverVersion_v2(version: *mut c_int) { write(version, MACHINE.cuda_version()?) }

    nvmlDeviceGetCount(count: *mut c_uint) { write(count, MACHINE.device_count()?) }
    nvmlDeviceGetCount_v2(count: *mut c_uint) { write(count, MACHINE.device_count()?) }
    nvmlDeviceGetHandleByIndex(index: c_uint, device: *mut nvmlDevice_t) { by_index(index, device) }
    nvmlDeviceGetHandleByIndex_v2(index: c_uint, device: *mut nvmlDevice_t) { by_index(index, device) }
    nvmlDeviceGetHandleByUUID(uuid: *const c_char, device: *mut nvmlDevice_t) { by_uuid(uuid, device) }
    nvmlDeviceGetHandleByPciBusId(place: *const c_char, device: *mut nvmlDevice_t) { by_place(place, device) }
    nvmlDeviceGetHandleByPciBusId_v2(place: *const c_char, device: *mut nvmlDevice_t) { by_place(place, device) }

    nvmlDeviceGetIndex(device: nvmlDevice_t, index: *mut c_uint) { write(index, named(device)?.index) }
    nvmlDeviceGetName(device: nvmlDevice_t, name: *mut c_char, length: c_uint) {
        write_text(name, length, &named(device)?.name()?)
    }
    nvmlDeviceGetUUID(device: nvmlDevice_t, uuid: *mut c_char, length: c_uint) {
        write_text(uuid, length, &named(device)?.uuid()?.spelled())
    }
    nvmlDeviceGetCudaComputeCapability(device: nvmlDevice_t, major: *mut c_int, minor: *mut c_int) {
        let (a, b) = named(device)?.compute_capability()?;
        refuse_null(minor)?;
        write(major, a as c_int)?;
        write(minor, b as c_int)
    }
    nvmlDeviceGetPciInfo(device: nvmlDevice_t, pci: *mut [u8; PCI_INFO_V1_BYTES]) {
        let info = pci_info(&named(device)?)?.legacy;
        // The first version is the beginning of the second.
        let beginning = ptr::from_ref(&info).cast::<[u8; PCI_INFO_V1_BYTES]>().read();
        write(pci, beginning)
    }
    nvmlDeviceGetPciInfo_v2(device: nvmlDevice_t, pci: *mut nvmlPciInfo_v2_t) {
        write(pci, pci_info(&named(device)?)?.legacy)
    }
    nvmlDeviceGetPciInfo_v3(device: nvmlDevice_t, pci: *mut nvmlPciInfo_v3_t) {
        write(pci, pci_info(&named(device)?)?)
    }
    nvmlDeviceGetMemoryInfo(device: nvmlDevice_t, memory: *mut nvmlMemory_t) {
        let device = named(device)?;
        refuse_null(memory)?;
        write(memory, device.memory()?)
    }
    nvmlDeviceGetMemoryInfo_v2(device: nvmlDevice_t, memory: *mut nvmlMemory_v2_t) {
        let device = named(device)?;
        refuse_null(memory)?;
        if ptr::read_unaligned(&raw const (*memory).version) != MEMORY_V2 {
            return Err(NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
        }
        let nvmlMemory_t { total, free, used } = device.memory()?;
        write(memory, nvmlMemory_v2_t { version: MEMORY_V2, total, reserved: 0, free, used })
    }
}

/// Needs no `nvmlInit`: it explains why that failed.
#[unsafe(no_mangle)]
extern "C" fn nvmlErrorString(result: nvmlReturn_t) -> *const c_char {
    error_text(result).as_ptr()
}

fn named(device: nvmlDevice_t) -> Result<Device<'static>, nvmlReturn_t> {
    MACHINE.device(device.addr())
}

fn handle(device: &Device<'_>) -> nvmlDevice_t {
    let handle: Handle = device.handle();
    ptr::without_provenance_mut(handle)
}

unsafe fn by_index(index: u32, out: *mut nvmlDevice_t) -> Result<(), nvmlReturn_t> {
    // SAFETY: the caller's promise.
    unsafe { write(out, handle(&MACHINE.device_by_index(index)?)) }
}

unsafe fn by_uuid(uuid: *const c_char, out: *mut nvmlDevice_t) -> Result<(), nvmlReturn_t> {
    // SAFETY: the caller's promise.
    let uuid = unsafe { text(uuid) }.and_then(Uuid::parse).ok_or(NVML_ERROR_INVALID_ARGUMENT);
    let device = MACHINE.find(|device| Ok(device.uuid()? == uuid?))?;
    // SAFETY: the caller's promise.
    unsafe { write(out, handle(&device)) }
}

unsafe fn by_place(place: *const c_char, out: *mut nvmlDevice_t) -> Result<(), nvmlReturn_t> {
    // SAFETY: the caller's promise.
    let place = unsafe { text(place) }.and_then(PciPlace::parse).ok_or(NVML_ERROR_INVALID_ARGUMENT);
    let device = MACHINE.find(|device| Ok(device.pci_place()? == place?))?;
    // SAFETY: the caller's promise.
    unsafe { write(out, handle(&device)) }
}

fn pci_info(device: &Device<'_>) -> Result<nvmlPciInfo_v3_t, nvmlReturn_t> {
    let place = device.pci_place()?;
    let (pci_device_id, pci_subsystem_id) = device.pci_ids();
    Ok(nvmlPciInfo_v3_t {
        legacy: nvmlPciInfo_v2_t {
            bus_id: padded(&place.spelled_legacy()),
            domain: place.domain,
            bus: place.bus,
            device: place.device,
            pci_device_id,
            pci_subsystem_id,
        },
        bus_id: padded(&place.spelled()),
    })
}

/// `text` and zeroes up to the field's end; a text that fills the field loses its tail to the closing zero.
fn padded<const N: usize>(text: &str) -> [u8; N] {
    let mut field = [0; N];
    for (to, from) in field[..N - 1].iter_mut().zip(text.bytes()) {
        *to = from;
    }
    field
}

fn refuse_null<T>(out: *mut T) -> Result<(), nvmlReturn_t> {
    if out.is_null() { Err(NVML_ERROR_INVALID_ARGUMENT) } else { Ok(()) }
}

/// # Safety
/// `out` is NULL or writable.
unsafe fn write<T>(out: *mut T, value: T) -> Result<(), nvmlReturn_t> {
    refuse_null(out)?;
    // SAFETY: not NULL, hence writable; bindings of other languages may hold it unaligned.
    unsafe { out.write_unaligned(value) };
    Ok(())
}

/// # Safety
/// `out` is NULL or has `length` writable bytes.
unsafe fn write_text(out: *mut c_char, length: c_uint, text: &str) -> Result<(), nvmlReturn_t> {
    refuse_null(out)?;
    if length as usize <= text.len() {
        return Err(NVML_ERROR_INSUFFICIENT_SIZE);
    }
    // SAFETY: the text and the closing zero are at most `length` bytes.
    unsafe {
        ptr::copy_nonoverlapping(text.as_ptr().cast(), out, text.len());
        out.add(text.len()).write(0);
    }
    Ok(())
}

/// # Safety
/// `text` is NULL or a C string that outlives the result.
unsafe fn text<'a>(text: *const c_char) -> Option<&'a str> {
    // SAFETY: the caller's promise.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_str().ok())?
}

/// A panic here would end the user's program; it becomes an error of the call.
fn guarded(body: impl FnOnce() -> Result<(), nvmlReturn_t>) -> nvmlReturn_t {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => NVML_SUCCESS,
        Ok(Err(error)) => error,
        Err(_panic) => NVML_ERROR_UNKNOWN,
    }
}
