//! Where a function lies and what it is called.
#![allow(unsafe_code)]
// writes answers where the program wants them.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use super::give;
use crate::call::in_context;
use crate::entry_points;
use crate::state::shim;
use farwarp_protocol::error::{CUDA_ERROR_INVALID_HANDLE, CUDA_ERROR_INVALID_VALUE, Code};
use farwarp_protocol::handle::Id;
use std::ffi::{CStr, c_char, c_void};

pub unsafe fn cuGetProcAddress_v2(
    symbol: *const c_char,
    address: *mut *mut c_void,
    version: i32,
    flags: u64,
    status: *mut u32,
) -> Result<(), Code> {
    if symbol.is_null() || address.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let name = unsafe { CStr::from_ptr(symbol) };
    let found = entry_points::look_up(name, version, flags);
    unsafe {
        give(address, found.address as *mut c_void)?;
        if !status.is_null() {
            give(status, found.status)?;
        }
    }
    if found.code == 0 { Ok(()) } else { Err(found.code) }
}

pub unsafe fn cuGetProcAddress(
    symbol: *const c_char,
    address: *mut *mut c_void,
    version: i32,
    flags: u64,
) -> Result<(), Code> {
    unsafe { cuGetProcAddress_v2(symbol, address, version, flags, std::ptr::null_mut()) }
}

pub unsafe fn cuKernelGetLibrary(library: *mut u64, kernel: u64) -> Result<(), Code> {
    let shim = shim()?;
    let known = shim.objects().kernels.get(Id(kernel)).ok_or(CUDA_ERROR_INVALID_HANDLE)?.library;
    unsafe { give(library, known.0) }
}

/// The name stays where it is as long as the kernel lives.
pub unsafe fn cuKernelGetName(name: *mut *const c_char, kernel: u64) -> Result<(), Code> {
    let shim = shim()?;
    let known = shim.objects().kernels.get(Id(kernel)).ok_or(CUDA_ERROR_INVALID_HANDLE)?.name.as_ptr();
    unsafe { give(name, known) }
}

pub unsafe fn cuFuncGetModule(module: *mut u64, function: u64) -> Result<(), Code> {
    let (shim, _) = in_context()?;
    let known = shim.objects().functions.get(Id(function)).ok_or(CUDA_ERROR_INVALID_HANDLE)?.module;
    unsafe { give(module, known.0) }
}

/// `CU_FUNCTION_LOADING_STATE_LOADED`: when the server loads it makes no difference that a program could see.
const LOADED: u32 = 1;

pub unsafe fn cuFuncIsLoaded(state: *mut u32, function: u64) -> Result<(), Code> {
    let (shim, _) = in_context()?;
    shim.objects().layout(function)?;
    unsafe { give(state, LOADED) }
}

pub unsafe fn cuFuncGetName(name: *mut *const c_char, function: u64) -> Result<(), Code> {
    let (shim, _) = in_context()?;
    let objects = shim.objects();
    let id = Id(function);
    let known = objects.functions.get(id).map(|function| function.name.as_ptr());
    let known = known.or_else(|| objects.kernels.get(id).map(|kernel| kernel.name.as_ptr()));
    unsafe { give(name, known.ok_or(CUDA_ERROR_INVALID_HANDLE)?) }
}
