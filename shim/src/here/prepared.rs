//! Launches in pieces, as before CUDA 4.0: what a program has prepared for a function's next launch.
#![allow(unsafe_code)]
// reads the program's parameters.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use crate::call::in_context_hearing;
use crate::objects::Prepared;
use farwarp_protocol::error::{CUDA_ERROR_INVALID_HANDLE, CUDA_ERROR_INVALID_VALUE, Code};
use farwarp_protocol::handle::Id;
use farwarp_protocol::limits::KERNEL_PARAM_BYTES_MAX;
use std::ffi::c_void;

fn prepare<T>(function: u64, change: impl FnOnce(&mut Prepared) -> Result<T, Code>) -> Result<T, Code> {
    let (shim, _) = in_context_hearing()?;
    let mut objects = shim.objects();
    change(&mut objects.functions.get_mut(Id(function)).ok_or(CUDA_ERROR_INVALID_HANDLE)?.prepared)
}

pub unsafe fn cuFuncSetBlockShape(function: u64, x: i32, y: i32, z: i32) -> Result<(), Code> {
    prepare(function, |prepared| {
        if [x, y, z].iter().any(|side| *side <= 0) {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        prepared.block = [x, y, z].map(|side| side as u32);
        Ok(())
    })
}

pub unsafe fn cuFuncSetSharedSize(function: u64, bytes: u32) -> Result<(), Code> {
    prepare(function, |prepared| {
        prepared.shared_bytes = bytes;
        Ok(())
    })
}

pub unsafe fn cuParamSetSize(function: u64, bytes: u32) -> Result<(), Code> {
    prepare(function, |prepared| {
        if bytes as usize > KERNEL_PARAM_BYTES_MAX {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        prepared.params.resize(bytes as usize, 0);
        Ok(())
    })
}

pub unsafe fn cuParamSeti(function: u64, offset: i32, value: u32) -> Result<(), Code> {
    prepare(function, |prepared| prepared.write(offset, &value.to_ne_bytes()))
}

pub unsafe fn cuParamSetf(function: u64, offset: i32, value: f32) -> Result<(), Code> {
    prepare(function, |prepared| prepared.write(offset, &value.to_ne_bytes()))
}

pub unsafe fn cuParamSetv(function: u64, offset: i32, from: *const c_void, bytes: u32) -> Result<(), Code> {
    prepare(function, |prepared| {
        if from.is_null() || bytes as usize > KERNEL_PARAM_BYTES_MAX {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        // SAFETY: the program says that so many bytes lie there.
        prepared.write(offset, unsafe { std::slice::from_raw_parts(from.cast(), bytes as usize) })
    })
}

impl Prepared {
    /// Parameters may be set before their size is.
    fn write(&mut self, offset: i32, value: &[u8]) -> Result<(), Code> {
        let at = usize::try_from(offset).map_err(|_| CUDA_ERROR_INVALID_VALUE)?;
        let end = at + value.len();
        if end > KERNEL_PARAM_BYTES_MAX {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        if self.params.len() < end {
            self.params.resize(end, 0);
        }
        self.params[at..end].copy_from_slice(value);
        Ok(())
    }
}
