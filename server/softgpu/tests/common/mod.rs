//! The driver as a C program sees it: symbols, numbers, addresses. The prototypes are written here once more on purpose: they are
//! the header's, not the library's.
#![allow(unsafe_code)] // The tests call C functions.
#![allow(dead_code)] // Each test file uses its part.

use std::ffi::{CString, c_char, c_void};
use std::process::{Command, Output};
use std::sync::Once;

// For its symbols only.
use farwarp_softgpu as _;

pub type Handle = u64;
pub type HostFn = extern "C" fn(*mut c_void);

macro_rules! prototypes {
    ($(fn $name:ident($($arg:ident: $ty:ty),* $(,)?);)*) => {
        #[allow(non_snake_case)]
        pub mod raw {
            use super::*;
            unsafe extern "C" { $(pub fn $name($($arg: $ty),*) -> i32;)* }
        }
        $(
            /// The result code.
            #[allow(non_snake_case, clippy::too_many_arguments)]
            pub fn $name($($arg: $ty),*) -> i32 {
                // SAFETY: the tests pass what the header asks for, or numbers that the driver must refuse.
                unsafe { raw::$name($($arg),*) }
            }
        )*
    };
}

prototypes! {
    fn cuInit(flags: u32);
    fn cuDriverGetVersion(version: *mut i32);
    fn cuGetProcAddress_v2(name: *const c_char, out: *mut u64, version: i32, flags: u64, status: *mut u32);
    fn cuGraphCreate(graph: *mut Handle, flags: u32);
    fn cuMemAllocAsync(address: *mut u64, bytes: usize, stream: Handle);
    fn cuDeviceGetCount(count: *mut i32);
    fn cuDeviceGet(device: *mut i32, ordinal: i32);
    fn cuDeviceGetName(name: *mut c_char, len: i32, device: i32);
    fn cuDeviceGetAttribute(value: *mut i32, attribute: u32, device: i32);
    fn cuDeviceTotalMem_v2(bytes: *mut usize, device: i32);
    fn cuDevicePrimaryCtxRetain(context: *mut Handle, device: i32);
    fn cuDevicePrimaryCtxRelease_v2(device: i32);
    fn cuDevicePrimaryCtxReset_v2(device: i32);
    fn cuDevicePrimaryCtxGetState(device: i32, flags: *mut u32, active: *mut i32);
    fn cuCtxCreate_v2(context: *mut Handle, flags: u32, device: i32);
    fn cuCtxDestroy_v2(context: Handle);
    fn cuCtxPushCurrent_v2(context: Handle);
    fn cuCtxPopCurrent_v2(context: *mut Handle);
    fn cuCtxSetCurrent(context: Handle);
    fn cuCtxGetCurrent(context: *mut Handle);
    fn cuCtxGetDevice(device: *mut i32);
    fn cuCtxSynchronize();
    fn cuCtxGetLimit(value: *mut usize, limit: u32);
    fn cuCtxEnablePeerAccess(context: Handle, flags: u32);
    fn cuCtxDisablePeerAccess(context: Handle);
    fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize);
    fn cuMemAlloc_v2(address: *mut u64, bytes: usize);
    fn cuMemAllocPitch_v2(address: *mut u64, pitch: *mut usize, width: usize, height: usize, element: u32);
    fn cuMemAllocManaged(address: *mut u64, bytes: usize, flags: u32);
    fn cuMemFree_v2(address: u64);
    fn cuMemGetAddressRange_v2(base: *mut u64, size: *mut usize, address: u64);
    fn cuMemHostAlloc(address: *mut u64, bytes: usize, flags: u32);
    fn cuMemFreeHost(address: u64);
    fn cuMemHostRegister_v2(address: u64, bytes: usize, flags: u32);
    fn cuMemHostUnregister(address: u64);
    fn cuMemHostGetDevicePointer_v2(device: *mut u64, host: u64, flags: u32);
    fn cuMemHostGetFlags(flags: *mut u32, host: u64);
    fn cuMemcpy(to: u64, from: u64, bytes: usize);
    fn cuMemcpyHtoD_v2(to: u64, from: u64, bytes: usize);
    fn cuMemcpyDtoH_v2(to: u64, from: u64, bytes: usize);
    fn cuMemcpyHtoDAsync_v2(to: u64, from: u64, bytes: usize, stream: Handle);
    fn cuMemcpyDtoHAsync_v2(to: u64, from: u64, bytes: usize, stream: Handle);
    fn cuMemcpyDtoDAsync_v2(to: u64, from: u64, bytes: usize, stream: Handle);
    fn cuMemcpy2D_v2(copy: *const Memcpy2D);
    fn cuMemsetD8_v2(to: u64, value: u8, count: usize);
    fn cuMemsetD32_v2(to: u64, value: u32, count: usize);
    fn cuMemsetD8Async(to: u64, value: u8, count: usize, stream: Handle);
    fn cuMemsetD32Async(to: u64, value: u32, count: usize, stream: Handle);
    fn cuMemsetD2D16_v2(to: u64, pitch: usize, value: u16, width: usize, height: usize);
    fn cuPointerGetAttribute(data: *mut c_void, attribute: u32, address: u64);
    fn cuStreamCreate(stream: *mut Handle, flags: u32);
    fn cuStreamDestroy_v2(stream: Handle);
    fn cuStreamQuery(stream: Handle);
    fn cuStreamSynchronize(stream: Handle);
    fn cuStreamWaitEvent(stream: Handle, event: Handle, flags: u32);
    fn cuStreamGetId(stream: Handle, id: *mut u64);
    fn cuStreamGetId_ptsz(stream: Handle, id: *mut u64);
    fn cuStreamWaitValue32_v2(stream: Handle, address: u64, value: u32, flags: u32);
    fn cuStreamWaitValue64_v2(stream: Handle, address: u64, value: u64, flags: u32);
    fn cuStreamWriteValue32_v2(stream: Handle, address: u64, value: u32, flags: u32);
    fn cuStreamBatchMemOp_v2(stream: Handle, count: u32, list: *const [u64; 6], flags: u32);
    fn cuLaunchHostFunc(stream: Handle, function: HostFn, data: *mut c_void);
    fn cuEventCreate(event: *mut Handle, flags: u32);
    fn cuEventDestroy_v2(event: Handle);
    fn cuEventRecord(event: Handle, stream: Handle);
    fn cuEventQuery(event: Handle);
    fn cuEventSynchronize(event: Handle);
    fn cuEventElapsedTime_v2(milliseconds: *mut f32, start: Handle, end: Handle);
    fn cuMemAddressReserve(address: *mut u64, bytes: usize, alignment: usize, wanted: u64, flags: u64);
    fn cuMemAddressFree(address: u64, bytes: usize);
    fn cuMemCreate(handle: *mut Handle, bytes: usize, prop: *const AllocationProp, flags: u64);
    fn cuMemRelease(handle: Handle);
    fn cuMemMap(address: u64, bytes: usize, offset: usize, handle: Handle, flags: u64);
    fn cuMemUnmap(address: u64, bytes: usize);
    fn cuMemSetAccess(address: u64, bytes: usize, descriptions: *const AccessDesc, count: usize);
    fn cuMemGetAccess(flags: *mut u64, location: *const Location, address: u64);
    fn cuMemRetainAllocationHandle(handle: *mut Handle, address: u64);
    fn cuMemExportToShareableHandle(out: *mut i32, handle: Handle, kind: u32, flags: u64);
    fn cuMemImportFromShareableHandle(handle: *mut Handle, descriptor: u64, kind: u32);
    fn cuModuleLoadData(module: *mut Handle, image: u64);
    fn cuModuleUnload(module: Handle);
    fn cuModuleGetFunction(function: *mut Handle, module: Handle, name: *const c_char);
    fn cuModuleGetGlobal_v2(address: *mut u64, bytes: *mut usize, module: Handle, name: *const c_char);
    fn cuLibraryLoadData(
        library: *mut Handle, code: u64, jit: u64, jit_values: u64, jit_count: u32, options: u64, values: u64, count: u32,
    );
    fn cuLibraryUnload(library: Handle);
    fn cuLibraryGetKernel(kernel: *mut Handle, library: Handle, name: *const c_char);
    fn cuFuncGetParamInfo(function: Handle, index: usize, offset: *mut usize, size: *mut usize);
    fn cuFuncSetAttribute(function: Handle, attribute: u32, value: i32);
    fn cuFuncGetAttribute(value: *mut i32, attribute: u32, function: Handle);
    fn cuLaunchKernel(
        function: Handle, grid_x: u32, grid_y: u32, grid_z: u32, block_x: u32, block_y: u32, block_z: u32, shared: u32,
        stream: Handle, params: *mut u64, extra: *mut u64,
    );
    fn cuLaunchCooperativeKernel(
        function: Handle, grid_x: u32, grid_y: u32, grid_z: u32, block_x: u32, block_y: u32, block_z: u32, shared: u32,
        stream: Handle, params: *mut u64,
    );
}

pub const SUCCESS: i32 = 0;
pub const INVALID_VALUE: i32 = 1;
pub const OUT_OF_MEMORY: i32 = 2;
pub const NOT_INITIALIZED: i32 = 3;
pub const INVALID_DEVICE: i32 = 101;
pub const INVALID_CONTEXT: i32 = 201;
pub const NO_BINARY_FOR_GPU: i32 = 209;
pub const INVALID_PTX: i32 = 218;
pub const INVALID_HANDLE: i32 = 400;
pub const NOT_FOUND: i32 = 500;
pub const NOT_READY: i32 = 600;
pub const ILLEGAL_ADDRESS: i32 = 700;
pub const CONTEXT_IS_DESTROYED: i32 = 709;
pub const ASSERT: i32 = 710;
pub const ALREADY_REGISTERED: i32 = 712;
pub const NOT_REGISTERED: i32 = 713;
pub const LAUNCH_FAILED: i32 = 719;
pub const COOPERATIVE_LAUNCH_TOO_LARGE: i32 = 720;
pub const NOT_SUPPORTED: i32 = 801;

pub const NON_BLOCKING: u32 = 1;

#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct Side2D {
    pub x_bytes: u64,
    pub y: u64,
    pub memory_type: u32,
    pub host: u64,
    pub device: u64,
    pub array: u64,
    pub pitch: u64,
}

#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct Memcpy2D {
    pub from: Side2D,
    pub to: Side2D,
    pub width_bytes: u64,
    pub height: u64,
}

#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct Location {
    pub kind: u32,
    pub id: i32,
}

#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct AllocationProp {
    pub kind: u32,
    pub handle_types: u32,
    pub location: Location,
    pub win32: u64,
    pub flags: u64,
}

#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct AccessDesc {
    pub location: Location,
    pub flags: u32,
}

/// Fails the test unless a call succeeds.
#[track_caller]
pub fn ok(code: i32) {
    assert_eq!(code, SUCCESS, "a call failed");
}

/// What a call writes.
#[track_caller]
pub fn out<T: Default>(call: impl FnOnce(*mut T) -> i32) -> T {
    let mut value = T::default();
    ok(call(&mut value));
    value
}

/// A context of the calling thread's own, so that tests in one process do not order each other's work.
#[track_caller]
pub fn context() -> Handle {
    static INIT: Once = Once::new();
    INIT.call_once(|| ok(cuInit(0)));
    out(|context| cuCtxCreate_v2(context, 0, 0))
}

#[track_caller]
pub fn alloc(bytes: usize) -> u64 {
    out(|address| cuMemAlloc_v2(address, bytes))
}

#[track_caller]
pub fn stream(flags: u32) -> Handle {
    out(|stream| cuStreamCreate(stream, flags))
}

#[track_caller]
pub fn event(flags: u32) -> Handle {
    out(|event| cuEventCreate(event, flags))
}

/// Page-locked memory: one address for host and device.
#[track_caller]
pub fn pinned(bytes: usize) -> u64 {
    out(|address| cuMemHostAlloc(address, bytes, 0))
}

/// The address of the program's own memory.
pub fn address<T>(values: &[T]) -> u64 {
    values.as_ptr().expose_provenance() as u64
}

pub fn address_mut<T>(values: &mut [T]) -> u64 {
    values.as_mut_ptr().expose_provenance() as u64
}

/// `count` values of device memory.
#[track_caller]
pub fn read<T: Copy + Default>(from: u64, count: usize) -> Vec<T> {
    let mut values = vec![T::default(); count];
    ok(cuMemcpyDtoH_v2(address_mut(&mut values), from, std::mem::size_of_val(values.as_slice())));
    values
}

#[track_caller]
pub fn write<T: Copy>(to: u64, values: &[T]) {
    ok(cuMemcpyHtoD_v2(to, address(values), std::mem::size_of_val(values)));
}

/// A word of pinned memory, which streams change while the test looks.
pub fn word(address: u64) -> &'static std::sync::atomic::AtomicU32 {
    // SAFETY: the tests pass aligned pinned memory that they never free.
    unsafe { std::sync::atomic::AtomicU32::from_ptr(std::ptr::with_exposed_provenance_mut(address as usize)) }
}

/// A module from PTX text; `body` follows the header.
#[track_caller]
pub fn module(body: &str) -> Handle {
    let text = ptx(body);
    out(|module| cuModuleLoadData(module, text.as_ptr().expose_provenance() as u64))
}

pub fn ptx(body: &str) -> CString {
    CString::new(format!(".version 8.0\n.target sm_80\n.address_size 64\n{body}")).unwrap()
}

#[track_caller]
pub fn function(module: Handle, name: &str) -> Handle {
    let name = CString::new(name).unwrap();
    out(|function| cuModuleGetFunction(function, module, name.as_ptr()))
}

/// Launches with one value a parameter, each of at most eight bytes.
pub fn launch(function: Handle, blocks: u32, threads: u32, stream: Handle, values: &[u64]) -> i32 {
    let mut params: Vec<u64> =
        values.iter().map(|value| std::ptr::from_ref(value).expose_provenance() as u64).collect();
    let null = std::ptr::null_mut();
    cuLaunchKernel(function, blocks, 1, 1, threads, 1, 1, 0, stream, params.as_mut_ptr(), null)
}

/// Runs the test of that name again, alone in a process of its own, with `FARWARP_TEST_CHILD` set: for what a process does not
/// survive, and for settings that are read once.
pub fn in_child(test: &str, settings: &[(&str, &str)]) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env("FARWARP_TEST_CHILD", "1")
        .envs(settings.iter().copied())
        .output()
        .unwrap()
}

pub fn is_child() -> bool {
    std::env::var_os("FARWARP_TEST_CHILD").is_some()
}

/// The same, for tests whose child must only pass.
#[track_caller]
pub fn passes_in_child(test: &str, settings: &[(&str, &str)]) {
    let output = in_child(test, settings);
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Prints as a C program does, through C's own buffer.
pub fn c_print(text: &std::ffi::CStr) {
    // SAFETY: the format takes one string.
    unsafe { libc::printf(c"%s".as_ptr(), text.as_ptr()) };
}

/// Calls a function that looks at none of its arguments.
pub fn called_without_arguments(address: u64) -> i32 {
    assert_ne!(address, 0);
    // SAFETY: the address is one that this library gave for a function; it takes nothing into account and returns a CUresult.
    let function: extern "C" fn() -> i32 = unsafe { std::mem::transmute(address as usize) };
    function()
}
