//! The built `libnvidia-ml.so.1`, in a folder of its own beside a libcuda of the test's, asked as a C program asks it.
#![allow(unsafe_code)] // Calls through dlsym.

use std::env;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use libloading::os::unix::{Library, Symbol};
use tempfile::TempDir;

const SUCCESS: u32 = 0;
const UNINITIALIZED: u32 = 1;
const INVALID_ARGUMENT: u32 = 2;
const NOT_SUPPORTED: u32 = 3;
const NOT_FOUND: u32 = 6;
const INSUFFICIENT_SIZE: u32 = 7;
const DRIVER_NOT_LOADED: u32 = 9;
const ARGUMENT_VERSION_MISMATCH: u32 = 25;

const FIRST_UUID: &CStr = c"GPU-10111213-1415-1617-1819-1a1b1c1d1e1f";
const SECOND_UUID: &CStr = c"GPU-20212223-2425-2627-2829-2a2b2c2d2e2f";

/// One loaded copy of the library and of the stub beside it; the folder goes with it.
struct Beside {
    nvml: Library,
    cuda: Library,
    _folder: TempDir,
}

/// A copy of its own for every test: NVML counts its users, and the stub its calls.
fn beside_a_stub() -> Beside {
    let folder = tempfile::tempdir().unwrap();
    let nvml = folder.path().join("libnvidia-ml.so.1");
    let cuda = folder.path().join("libcuda.so.1");
    fs::copy(built_library(), &nvml).unwrap();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stub_libcuda.c");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o"]).arg(&cuda).arg(source);
    assert!(cc.status().unwrap().success());
    // SAFETY: neither library runs anything when it is loaded.
    unsafe {
        Beside { cuda: Library::new(&cuda).unwrap(), nvml: Library::new(&nvml).unwrap(), _folder: folder }
    }
}

/// Cargo leaves the library beside the tests that belong to it.
fn built_library() -> PathBuf {
    env::current_exe().unwrap().with_file_name("libfarwarp_nvml.so")
}

impl Beside {
    /// The function `name`, as a C type that the caller knows.
    fn function<T>(&self, name: &str) -> Symbol<T> {
        // SAFETY: the caller names the type that nvml.h gives.
        unsafe { self.nvml.get(name.as_bytes()) }.unwrap()
    }

    fn plain(&self, name: &str) -> u32 {
        // SAFETY: only functions without arguments, or ones that ignore them, are called so.
        unsafe { self.function::<unsafe extern "C" fn() -> u32>(name)() }
    }

    fn number(&self, name: &str) -> (u32, u32) {
        let mut value = u32::MAX;
        // SAFETY: a function that writes one number.
        let result = unsafe { self.function::<unsafe extern "C" fn(*mut u32) -> u32>(name)(&mut value) };
        (result, value)
    }

    fn text(&self, name: &str, length: c_uint) -> (u32, String) {
        let mut buffer = [0u8; 96];
        // SAFETY: a function that fills at most `length` bytes.
        let result = unsafe {
            let function = self.function::<unsafe extern "C" fn(*mut c_char, c_uint) -> u32>(name);
            function(buffer.as_mut_ptr().cast(), length)
        };
        (result, CStr::from_bytes_until_nul(&buffer).unwrap().to_str().unwrap().to_owned())
    }

    fn by_index(&self, index: c_uint) -> (u32, *mut c_void) {
        let mut device = std::ptr::null_mut();
        type ByIndex = unsafe extern "C" fn(c_uint, *mut *mut c_void) -> u32;
        // SAFETY: the function has that type.
        let result = unsafe { self.function::<ByIndex>("nvmlDeviceGetHandleByIndex_v2")(index, &mut device) };
        (result, device)
    }

    fn by_text(&self, name: &str, text: &CStr) -> (u32, *mut c_void) {
        let mut device = std::ptr::null_mut();
        type ByText = unsafe extern "C" fn(*const c_char, *mut *mut c_void) -> u32;
        // SAFETY: the function has that type.
        let result = unsafe { self.function::<ByText>(name)(text.as_ptr(), &mut device) };
        (result, device)
    }

    fn device_text(&self, name: &str, device: *mut c_void, length: c_uint) -> (u32, String) {
        let mut buffer = [0u8; 96];
        type Text = unsafe extern "C" fn(*mut c_void, *mut c_char, c_uint) -> u32;
        // SAFETY: a function that fills at most `length` bytes.
        let result = unsafe { self.function::<Text>(name)(device, buffer.as_mut_ptr().cast(), length) };
        (result, CStr::from_bytes_until_nul(&buffer).unwrap().to_str().unwrap().to_owned())
    }

    /// Asks `name` about `device`, with a structure to fill.
    fn device_struct<T>(&self, name: &str, device: *mut c_void, out: &mut T) -> u32 {
        // SAFETY: the caller passes the structure that nvml.h gives.
        unsafe { self.function::<unsafe extern "C" fn(*mut c_void, *mut T) -> u32>(name)(device, out) }
    }

    /// One of the stub's `int`s.
    fn stub(&self, name: &str) -> c_int {
        // SAFETY: the stub has an int of that name.
        unsafe { **self.cuda.get::<*const c_int>(name.as_bytes()).unwrap() }
    }

    fn set_stub(&self, name: &str, value: c_int) {
        // SAFETY: the stub has an int of that name, and each test has a stub of its own.
        unsafe { **self.cuda.get::<*mut c_int>(name.as_bytes()).unwrap() = value }
    }
}

#[test]
fn nothing_happens_before_the_first_call() {
    let nvml = beside_a_stub();
    assert_eq!(nvml.stub("stub_calls"), 0);
    assert_eq!(nvml.plain("nvmlInit_v2"), SUCCESS);
    assert!(nvml.stub("stub_calls") > 0, "the libcuda beside NVML must be the one that is asked");
}

#[test]
fn without_init_every_answered_question_is_refused() {
    let nvml = beside_a_stub();
    assert_eq!(nvml.plain("nvmlShutdown"), UNINITIALIZED);
    assert_eq!(nvml.number("nvmlDeviceGetCount_v2").0, UNINITIALIZED);
    assert_eq!(nvml.text("nvmlSystemGetDriverVersion", 80).0, UNINITIALIZED);
    assert_eq!(nvml.by_index(0).0, UNINITIALIZED);
    assert_eq!(nvml.by_text("nvmlDeviceGetHandleByUUID", FIRST_UUID).0, UNINITIALIZED);
    assert_eq!(nvml.device_text("nvmlDeviceGetName", std::ptr::null_mut(), 96).0, UNINITIALIZED);
}

#[test]
fn as_many_shutdowns_as_inits_end_it() {
    let nvml = beside_a_stub();
    for init in ["nvmlInit", "nvmlInit_v2", "nvmlInitWithFlags"] {
        assert_eq!(nvml.plain(init), SUCCESS);
    }
    for _ in 0..3 {
        assert_eq!(nvml.number("nvmlDeviceGetCount"), (SUCCESS, 2));
        assert_eq!(nvml.plain("nvmlShutdown"), SUCCESS);
    }
    assert_eq!(nvml.number("nvmlDeviceGetCount").0, UNINITIALIZED);
    assert_eq!(nvml.plain("nvmlShutdown"), UNINITIALIZED);
}

#[test]
fn a_libcuda_that_cannot_start_is_a_driver_that_is_not_loaded() {
    let nvml = beside_a_stub();
    nvml.set_stub("stub_init_result", 999);
    assert_eq!(nvml.plain("nvmlInit_v2"), DRIVER_NOT_LOADED);
    assert_eq!(nvml.number("nvmlDeviceGetCount_v2").0, UNINITIALIZED);
}

#[test]
fn a_machine_without_devices_counts_none() {
    let nvml = beside_a_stub();
    nvml.set_stub("stub_init_result", 100);
    assert_eq!(nvml.plain("nvmlInit_v2"), SUCCESS);
    assert_eq!(nvml.number("nvmlDeviceGetCount_v2"), (SUCCESS, 0));
    assert_eq!(nvml.by_index(0).0, INVALID_ARGUMENT);
}

#[test]
fn versions_follow_from_the_version_of_cuda() {
    let nvml = beside_a_stub();
    nvml.plain("nvmlInit_v2");
    for (cuda, driver, own) in [(13050, "580.00", "13.580.00"), (12090, "525.00", "12.525.00")] {
        nvml.set_stub("stub_version", cuda);
        assert_eq!(nvml.number("nvmlSystemGetCudaDriverVersion"), (SUCCESS, cuda as u32));
        assert_eq!(nvml.number("nvmlSystemGetCudaDriverVersion_v2"), (SUCCESS, cuda as u32));
        assert_eq!(nvml.text("nvmlSystemGetDriverVersion", 80), (SUCCESS, driver.to_owned()));
        assert_eq!(nvml.text("nvmlSystemGetNVMLVersion", 80), (SUCCESS, own.to_owned()));
    }
}

#[test]
fn a_device_is_found_by_index_by_uuid_and_by_place() {
    let nvml = beside_a_stub();
    nvml.plain("nvmlInit_v2");
    let (_, first) = nvml.by_index(0);
    let (_, second) = nvml.by_index(1);
    assert_ne!(first, second);
    for (device, uuid, place, index) in
        [(first, FIRST_UUID, c"00010001:A0:03.0", 0), (second, SECOND_UUID, c"10001:a1:03.0", 1)]
    {
        assert_eq!(nvml.by_text("nvmlDeviceGetHandleByUUID", uuid), (SUCCESS, device));
        assert_eq!(nvml.by_text("nvmlDeviceGetHandleByPciBusId", place), (SUCCESS, device));
        assert_eq!(nvml.by_text("nvmlDeviceGetHandleByPciBusId_v2", place), (SUCCESS, device));
        let mut answered = u32::MAX;
        assert_eq!(nvml.device_struct("nvmlDeviceGetIndex", device, &mut answered), SUCCESS);
        assert_eq!(answered, index);
    }
}

#[test]
fn a_device_that_is_not_there_is_not_found() {
    let nvml = beside_a_stub();
    nvml.plain("nvmlInit_v2");
    assert_eq!(nvml.by_index(2).0, INVALID_ARGUMENT);
    let other = c"GPU-30313233-3435-3637-3839-3a3b3c3d3e3f";
    assert_eq!(nvml.by_text("nvmlDeviceGetHandleByUUID", other).0, NOT_FOUND);
    assert_eq!(nvml.by_text("nvmlDeviceGetHandleByUUID", c"GPU-1011").0, INVALID_ARGUMENT);
    assert_eq!(nvml.by_text("nvmlDeviceGetHandleByPciBusId_v2", c"0000:a0:03.0").0, NOT_FOUND);
    assert_eq!(nvml.by_text("nvmlDeviceGetHandleByPciBusId_v2", c"somewhere").0, INVALID_ARGUMENT);
    for handle in [0usize, 3, usize::MAX] {
        let device = std::ptr::without_provenance_mut(handle);
        assert_eq!(nvml.device_text("nvmlDeviceGetName", device, 96).0, INVALID_ARGUMENT);
    }
}

#[test]
fn a_device_has_its_name_uuid_and_compute_capability() {
    let nvml = beside_a_stub();
    nvml.plain("nvmlInit_v2");
    let (_, second) = nvml.by_index(1);
    assert_eq!(nvml.device_text("nvmlDeviceGetName", second, 96), (SUCCESS, "Second GPU".to_owned()));
    let uuid = SECOND_UUID.to_str().unwrap().to_owned();
    assert_eq!(nvml.device_text("nvmlDeviceGetUUID", second, 80), (SUCCESS, uuid));
    let (mut major, mut minor): (c_int, c_int) = (0, 0);
    type Capability = unsafe extern "C" fn(*mut c_void, *mut c_int, *mut c_int) -> u32;
    // SAFETY: the function has that type.
    let result = unsafe {
        nvml.function::<Capability>("nvmlDeviceGetCudaComputeCapability")(second, &mut major, &mut minor)
    };
    assert_eq!((result, major, minor), (SUCCESS, 9, 2));
}

#[test]
fn a_text_that_does_not_fit_is_refused_and_one_that_just_fits_is_not() {
    let nvml = beside_a_stub();
    nvml.plain("nvmlInit_v2");
    let (_, first) = nvml.by_index(0);
    let bytes = "First GPU".len() as c_uint;
    assert_eq!(nvml.device_text("nvmlDeviceGetName", first, bytes), (INSUFFICIENT_SIZE, String::new()));
    assert_eq!(nvml.device_text("nvmlDeviceGetName", first, bytes + 1), (SUCCESS, "First GPU".to_owned()));
}

#[test]
fn every_version_of_the_pci_structure_is_filled_and_not_overrun() {
    let nvml = beside_a_stub();
    nvml.plain("nvmlInit_v2");
    let (_, first) = nvml.by_index(0);
    for (name, bytes) in
        [("nvmlDeviceGetPciInfo", 32), ("nvmlDeviceGetPciInfo_v2", 36), ("nvmlDeviceGetPciInfo_v3", 68)]
    {
        let mut info = [0xEEu8; 80];
        assert_eq!(nvml.device_struct(name, first, &mut info), SUCCESS);
        assert_eq!(&info[..16], b"10001:A0:03.0\0\0\0", "{name}");
        assert_eq!(info[16..28], [1, 0, 1, 0, 0xA0, 0, 0, 0, 3, 0, 0, 0], "{name}");
        assert_eq!(info[28..32], 0x2330_10DEu32.to_le_bytes(), "{name}");
        assert!(info[bytes..].iter().all(|&byte| byte == 0xEE), "{name} wrote beyond its structure");
        if bytes > 32 {
            assert_eq!(info[32..36], [0; 4], "{name}: what libcuda does not know is zero");
        }
        if bytes > 36 {
            assert_eq!(&info[36..53], b"00010001:A0:03.0\0");
        }
    }
}

#[test]
fn memory_is_all_free_until_a_context_is_active_and_asking_makes_none() {
    let nvml = beside_a_stub();
    nvml.plain("nvmlInit_v2");
    let (_, first) = nvml.by_index(0);
    let mut memory = [0u64; 3];
    assert_eq!(nvml.device_struct("nvmlDeviceGetMemoryInfo", first, &mut memory), SUCCESS);
    assert_eq!(memory, [1000, 1000, 0], "total, free, used");

    nvml.set_stub("stub_active", 1);
    assert_eq!(nvml.device_struct("nvmlDeviceGetMemoryInfo", first, &mut memory), SUCCESS);
    assert_eq!(memory, [1000, 400, 600], "total, free, used");
    assert_eq!(nvml.stub("stub_retained"), 0, "what was retained must be released");

    let mut second_version = [2 << 24 | 40, 0, 0, 0, 0u64];
    assert_eq!(nvml.device_struct("nvmlDeviceGetMemoryInfo_v2", first, &mut second_version), SUCCESS);
    assert_eq!(second_version[1..], [1000, 0, 400, 600], "total, reserved, free, used");
    second_version[0] = 3 << 24 | 40;
    let result = nvml.device_struct("nvmlDeviceGetMemoryInfo_v2", first, &mut second_version);
    assert_eq!(result, ARGUMENT_VERSION_MISMATCH);
}

#[test]
fn null_is_refused_wherever_an_answer_would_be_written() {
    let nvml = beside_a_stub();
    nvml.plain("nvmlInit_v2");
    let (_, first) = nvml.by_index(0);
    type OfDevice = unsafe extern "C" fn(*mut c_void, *mut c_void, *mut c_void) -> u32;
    for name in [
        "nvmlDeviceGetIndex",
        "nvmlDeviceGetName",
        "nvmlDeviceGetUUID",
        "nvmlDeviceGetCudaComputeCapability",
        "nvmlDeviceGetPciInfo",
        "nvmlDeviceGetPciInfo_v2",
        "nvmlDeviceGetPciInfo_v3",
        "nvmlDeviceGetMemoryInfo",
        "nvmlDeviceGetMemoryInfo_v2",
    ] {
        let null = std::ptr::null_mut();
        // SAFETY: C ignores the arguments that a function does not have.
        let result = unsafe { nvml.function::<OfDevice>(name)(first, null, null) };
        assert_eq!(result, INVALID_ARGUMENT, "{name}");
    }
}

#[test]
fn what_is_not_answered_exists_and_says_so() {
    let nvml = beside_a_stub();
    for name in [
        "nvmlDeviceGetUtilizationRates",
        "nvmlDeviceGetNvLinkState",
        "nvmlDeviceGetGpuFabricInfoV",
        "nvmlDeviceSetPowerManagementLimit",
        "nvmlSystemGetHicVersion",
    ] {
        assert_eq!(nvml.plain(name), NOT_SUPPORTED, "{name}");
    }
}

#[test]
fn results_have_nvml_s_texts_before_init_too() {
    let nvml = beside_a_stub();
    let error_string = nvml.function::<unsafe extern "C" fn(u32) -> *const c_char>("nvmlErrorString");
    for (result, expected) in
        [(0, c"Success"), (3, c"Not Supported"), (999, c"Unknown Error"), (555, c"Unknown Error")]
    {
        // SAFETY: the function returns a C string that lives as long as the library.
        assert_eq!(unsafe { CStr::from_ptr(error_string(result)) }, expected);
    }
}
