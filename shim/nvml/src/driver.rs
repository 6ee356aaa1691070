//! The `libcuda.so.1` that answers: found, opened, and its functions as safe Rust. Not what is made of its answers.
//!
//! The one beside this library is meant, by absolute path, whatever else is called libcuda in the process: the shim's NVML
//! must speak of the shim's devices. Only where there is none, the one that the process has, or would get, is asked.
#![allow(unsafe_code)] // dlopen, dlsym, and calls through what they return.

use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_uint, c_void};
use std::mem::transmute_copy;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr;

pub type CUresult = u32;
pub type CUdevice = c_int;
type CUcontext = *mut c_void;

/// Their numbers in `CUdevice_attribute`.
#[derive(Debug, Clone, Copy)]
pub enum Attribute {
    PciBusId = 33,
    PciDeviceId = 34,
    PciDomainId = 50,
    ComputeCapabilityMajor = 75,
    ComputeCapabilityMinor = 76,
    GpuPciDeviceId = 139,
    GpuPciSubsystemId = 140,
}

macro_rules! functions {
    ($($name:ident($($argument:ty),*);)*) => {
        /// The functions of one libcuda. It is never closed: its contexts outlive every question.
        #[allow(non_snake_case)]
        pub struct Driver {
            $($name: unsafe extern "C" fn($($argument),*) -> CUresult,)*
        }

        impl Driver {
            fn from_library(library: Library) -> Option<Driver> {
                Some(Driver {$(
                    $name: {
                        let address = library.symbol(concat!(stringify!($name), "\0"))?;
                        // SAFETY: libcuda's function of that name has that type.
                        unsafe { transmute_copy(&address) }
                    },
                )*})
            }
        }
    };
}

functions! {
    cuInit(c_uint);
    cuDriverGetVersion(*mut c_int);
    cuDeviceGetCount(*mut c_int);
    cuDeviceGet(*mut CUdevice, c_int);
    cuDeviceGetName(*mut c_char, c_int, CUdevice);
    cuDeviceGetUuid_v2(*mut [u8; 16], CUdevice);
    cuDeviceGetAttribute(*mut c_int, c_int, CUdevice);
    cuDeviceTotalMem_v2(*mut usize, CUdevice);
    cuDevicePrimaryCtxGetState(CUdevice, *mut c_uint, *mut c_int);
    cuDevicePrimaryCtxRetain(*mut CUcontext, CUdevice);
    cuDevicePrimaryCtxRelease_v2(CUdevice);
    cuCtxPushCurrent_v2(CUcontext);
    cuCtxPopCurrent_v2(*mut CUcontext);
    cuMemGetInfo_v2(*mut usize, *mut usize);
}

/// Enough for every name: NVML's own buffers hold 96 bytes.
const NAME_BYTES: usize = 256;

// SAFETY of the calls below: each passes what the function of that name takes, and pointers to locals that outlive it.
impl Driver {
    pub fn load() -> Option<Driver> {
        Library::find().and_then(Driver::from_library)
    }

    pub fn init(&self) -> Result<(), CUresult> {
        // SAFETY: see above.
        check(unsafe { (self.cuInit)(0) })
    }

    pub fn version(&self) -> Result<i32, CUresult> {
        let mut version = 0;
        // SAFETY: see above.
        check(unsafe { (self.cuDriverGetVersion)(&mut version) })?;
        Ok(version)
    }

    pub fn device_count(&self) -> Result<u32, CUresult> {
        let mut count = 0;
        // SAFETY: see above.
        check(unsafe { (self.cuDeviceGetCount)(&mut count) })?;
        Ok(count.unsigned_abs())
    }

    pub fn device(&self, ordinal: u32) -> Result<CUdevice, CUresult> {
        let mut device = 0;
        // SAFETY: see above. An ordinal is below a count that was a c_int.
        check(unsafe { (self.cuDeviceGet)(&mut device, ordinal as c_int) })?;
        Ok(device)
    }

    pub fn name(&self, device: CUdevice) -> Result<String, CUresult> {
        let mut name = [0u8; NAME_BYTES];
        // SAFETY: see above. The last byte is kept, so that a name that fills the rest still ends.
        check(unsafe { (self.cuDeviceGetName)(name.as_mut_ptr().cast(), NAME_BYTES as c_int - 1, device) })?;
        let ended = CStr::from_bytes_until_nul(&name).unwrap_or_default();
        Ok(ended.to_string_lossy().into_owned())
    }

    pub fn uuid(&self, device: CUdevice) -> Result<[u8; 16], CUresult> {
        let mut uuid = [0; 16];
        // SAFETY: see above.
        check(unsafe { (self.cuDeviceGetUuid_v2)(&mut uuid, device) })?;
        Ok(uuid)
    }

    pub fn attribute(&self, device: CUdevice, attribute: Attribute) -> Result<u32, CUresult> {
        let mut value = 0;
        // SAFETY: see above.
        check(unsafe { (self.cuDeviceGetAttribute)(&mut value, attribute as c_int, device) })?;
        Ok(value as u32)
    }

    pub fn total_memory(&self, device: CUdevice) -> Result<u64, CUresult> {
        let mut bytes = 0;
        // SAFETY: see above.
        check(unsafe { (self.cuDeviceTotalMem_v2)(&mut bytes, device) })?;
        Ok(bytes as u64)
    }

    /// Free bytes, if this process has a primary context on the device; `None` otherwise.
    pub fn free_memory(&self, device: CUdevice) -> Result<Option<u64>, CUresult> {
        let (mut flags, mut active) = (0, 0);
        // SAFETY: see above.
        check(unsafe { (self.cuDevicePrimaryCtxGetState)(device, &mut flags, &mut active) })?;
        if active == 0 {
            return Ok(None);
        }
        let mut context = ptr::null_mut();
        // SAFETY: see above. Retained, so that no other thread takes the context down meanwhile.
        check(unsafe { (self.cuDevicePrimaryCtxRetain)(&mut context, device) })?;
        let free = self.free_memory_in(context);
        // SAFETY: see above.
        check(unsafe { (self.cuDevicePrimaryCtxRelease_v2)(device) })?;
        free.map(Some)
    }

    fn free_memory_in(&self, context: CUcontext) -> Result<u64, CUresult> {
        let (mut free, mut total) = (0, 0);
        // SAFETY: see above.
        check(unsafe { (self.cuCtxPushCurrent_v2)(context) })?;
        // SAFETY: see above.
        let asked = check(unsafe { (self.cuMemGetInfo_v2)(&mut free, &mut total) });
        let mut popped = ptr::null_mut();
        // SAFETY: see above.
        check(unsafe { (self.cuCtxPopCurrent_v2)(&mut popped) })?;
        asked.map(|()| free as u64)
    }
}

fn check(result: CUresult) -> Result<(), CUresult> {
    if result == 0 { Ok(()) } else { Err(result) }
}

/// What dlopen returned, or [`libc::RTLD_DEFAULT`]: everything that the process has loaded.
struct Library(*mut c_void);

impl Library {
    fn find() -> Option<Library> {
        Library::beside_us().or_else(Library::loaded).or_else(|| Library::open(Path::new(LIBCUDA)))
    }

    fn beside_us() -> Option<Library> {
        let here = own_path()?;
        // As we were loaded, before links are resolved: one file may serve several folders by links.
        let folders = [std::path::absolute(&here), here.canonicalize()];
        folders.into_iter().flatten().find_map(|path| Library::open(&path.with_file_name(LIBCUDA)))
    }

    fn loaded() -> Option<Library> {
        let process = Library(libc::RTLD_DEFAULT);
        process.symbol("cuInit\0").is_some().then_some(process)
    }

    fn open(path: &Path) -> Option<Library> {
        let path = CString::new(path.as_os_str().as_bytes()).ok()?;
        // SAFETY: the path ends with NUL. libcuda runs nothing when it is loaded.
        let library = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        (!library.is_null()).then_some(Library(library))
    }

    /// The address of a function; `name` ends with NUL.
    fn symbol(&self, name: &str) -> Option<*mut c_void> {
        let name = CStr::from_bytes_with_nul(name.as_bytes()).ok()?;
        // SAFETY: a handle that dlopen returned and nobody closes, or the one that means the whole process.
        let address = unsafe { libc::dlsym(self.0, name.as_ptr()) };
        (!address.is_null()).then_some(address)
    }
}

const LIBCUDA: &str = "libcuda.so.1";

/// Where this library lies, as the loader found it.
fn own_path() -> Option<PathBuf> {
    // SAFETY: a plain C structure, which zeroes are a value of.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: an address inside this library, and a writable structure.
    let found = unsafe { libc::dladdr(own_path as *const c_void, &mut info) };
    if found == 0 || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: dladdr found us, so the name is a C string that lives as long as the library.
    let path = unsafe { CStr::from_ptr(info.dli_fname) };
    Some(PathBuf::from(OsStr::from_bytes(path.to_bytes())))
}
