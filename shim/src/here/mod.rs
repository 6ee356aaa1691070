//! Functions that are answered in the shim: from the snapshot taken at hello, or from what the shim keeps itself.

mod context;
mod device;
mod graph;
mod hint;
mod module;
mod pointer;
mod prepared;
mod profiler;
mod stream;

pub use context::*;
pub use device::*;
pub use graph::*;
pub use hint::*;
pub use module::*;
pub use pointer::*;
pub use prepared::*;
pub use profiler::*;
pub use stream::*;

pub use crate::by_hand::{
    cuMemGetAccess, cuMemGetAllocationGranularity, cuMemGetAllocationPropertiesFromHandle,
    cuMemRetainAllocationHandle,
};

use farwarp_protocol::error::{CUDA_ERROR_INVALID_VALUE, Code};

/// Writes what a call returns through a pointer of the program's; NULL is refused.
///
/// # Safety
/// The program vouches for a pointer that is not NULL, as it does to the driver.
#[allow(unsafe_code)] // the one place where an answer from here is written
pub unsafe fn give<T>(to: *mut T, value: T) -> Result<(), Code> {
    if to.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    // SAFETY: not NULL, and the program vouches for the rest. Its struct may lie anywhere.
    unsafe { to.write_unaligned(value) };
    Ok(())
}

/// Writes a text with its NUL, cut to what the program has room for.
///
/// # Safety
/// The program vouches for `room` bytes at a pointer that is not NULL.
#[allow(unsafe_code)]
pub unsafe fn give_text(to: *mut std::ffi::c_char, room: i32, text: &str) -> Result<(), Code> {
    let room = usize::try_from(room).map_err(|_| CUDA_ERROR_INVALID_VALUE)?;
    if to.is_null() || room == 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let bytes = text.len().min(room - 1);
    // SAFETY: `bytes` and the NUL are at most `room` bytes, for which the program vouches.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr().cast(), to, bytes);
        to.add(bytes).write(0);
    }
    Ok(())
}
