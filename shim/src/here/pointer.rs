//! What an address is: answered from the shim's books, in which every range stands that a device address can lie in.
#![allow(unsafe_code)]
// writes answers where the program wants them.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use super::give;
use crate::call::in_context;
use crate::memory::{Allocation, MemoryKind};
use crate::state::shim;
use farwarp_protocol::error::{CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_NOT_SUPPORTED, Code};
use std::ffi::c_void;

/// `CUpointer_attribute`, by the header's numbers.
mod attribute {
    pub const CONTEXT: u32 = 1;
    pub const MEMORY_TYPE: u32 = 2;
    pub const DEVICE_POINTER: u32 = 3;
    pub const HOST_POINTER: u32 = 4;
    pub const SYNC_MEMOPS: u32 = 6;
    pub const BUFFER_ID: u32 = 7;
    pub const IS_MANAGED: u32 = 8;
    pub const DEVICE_ORDINAL: u32 = 9;
    pub const IS_LEGACY_CUDA_IPC_CAPABLE: u32 = 10;
    pub const RANGE_START_ADDR: u32 = 11;
    pub const RANGE_SIZE: u32 = 12;
    pub const MAPPED: u32 = 13;
    pub const ALLOWED_HANDLE_TYPES: u32 = 14;
    pub const IS_GPU_DIRECT_RDMA_CAPABLE: u32 = 15;
    pub const ACCESS_FLAGS: u32 = 16;
    pub const MEMPOOL_HANDLE: u32 = 17;
    pub const MAPPING_SIZE: u32 = 18;
    pub const MAPPING_BASE_ADDR: u32 = 19;
    pub const MEMORY_BLOCK_ID: u32 = 20;
    pub const IS_HW_DECOMPRESS_CAPABLE: u32 = 21;
    pub const LOCALITY_DOMAIN_ORDINAL: u32 = 22;
    /// The first that CUDA 13.5 does not know.
    pub const FIRST_UNKNOWN: u32 = 23;
}

/// `CU_MEMHOSTALLOC_DEVICEMAP` and `CU_MEMHOSTREGISTER_DEVICEMAP`.
const DEVICE_MAP: u32 = 2;
const MEMORY_TYPE_HOST: u32 = 1;
const MEMORY_TYPE_DEVICE: u32 = 2;
const ACCESS_READ: u32 = 1;
const ACCESS_READ_WRITE: u32 = 3;

/// An attribute's value, in the size that the header gives it.
enum Value {
    Number(u64),
    Word(u32),
    Byte(u8),
}

impl Value {
    unsafe fn write(self, to: *mut c_void) -> Result<(), Code> {
        match self {
            Value::Number(number) => unsafe { give(to.cast(), number) },
            Value::Word(word) => unsafe { give(to.cast(), word) },
            Value::Byte(byte) => unsafe { give(to.cast(), byte) },
        }
    }
}

pub unsafe fn cuPointerGetAttribute(data: *mut c_void, which: u32, address: u64) -> Result<(), Code> {
    let shim = shim()?;
    if data.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let memory = shim.memory();
    let allocation = memory.find(address).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    unsafe { value_of(allocation, which, address)?.write(data) }
}

/// Unlike the single form, an address that is none of CUDA's is no error here: its attributes are zero.
pub unsafe fn cuPointerGetAttributes(
    count: u32,
    which: *const u32,
    data: *const *mut c_void,
    address: u64,
) -> Result<(), Code> {
    let shim = shim()?;
    if count == 0 {
        return Ok(());
    }
    if which.is_null() || data.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let memory = shim.memory();
    let allocation = memory.find(address);
    for index in 0..count as usize {
        let (which, to) = unsafe { (which.add(index).read(), data.add(index).read()) };
        if which == 0 || which >= attribute::FIRST_UNKNOWN {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let value = match allocation {
            Some(allocation) => value_of(allocation, which, address).unwrap_or_else(|_| nothing(which)),
            None => nothing(which),
        };
        unsafe { value.write(to)? };
    }
    Ok(())
}

fn value_of(allocation: &Allocation, which: u32, address: u64) -> Result<Value, Code> {
    use attribute::*;
    let device = allocation.kind.is_device();
    let managed = allocation.kind.is_managed();
    let range = allocation.range;
    Ok(match which {
        CONTEXT => Value::Number(allocation.context.0),
        MEMORY_TYPE => Value::Word(if device { MEMORY_TYPE_DEVICE } else { MEMORY_TYPE_HOST }),
        // Page-locked memory has one address; a kernel that gets it sees it there.
        DEVICE_POINTER => Value::Number(address),
        HOST_POINTER if !device || managed => Value::Number(address),
        HOST_POINTER => return Err(CUDA_ERROR_INVALID_VALUE),
        SYNC_MEMOPS => Value::Word(0),
        BUFFER_ID | MEMORY_BLOCK_ID => Value::Number(allocation.number),
        IS_MANAGED => Value::Byte(managed as u8),
        DEVICE_ORDINAL => Value::Word(allocation.device as u32),
        IS_LEGACY_CUDA_IPC_CAPABLE => Value::Byte((allocation.kind == MemoryKind::Device).into()),
        RANGE_START_ADDR | MAPPING_BASE_ADDR => Value::Number(range.address),
        RANGE_SIZE | MAPPING_SIZE => Value::Number(range.bytes),
        MAPPED => Value::Byte(1),
        ALLOWED_HANDLE_TYPES => Value::Number(0),
        IS_GPU_DIRECT_RDMA_CAPABLE => Value::Byte(0),
        IS_HW_DECOMPRESS_CAPABLE => Value::Byte(0),
        // Memory lies in no domain by itself.
        LOCALITY_DOMAIN_ORDINAL => Value::Word(-1i32 as u32),
        ACCESS_FLAGS => Value::Word(if allocation.is_read_only() { ACCESS_READ } else { ACCESS_READ_WRITE }),
        MEMPOOL_HANDLE => match allocation.kind {
            MemoryKind::Pooled { pool } => Value::Number(pool.0),
            _ => Value::Number(0),
        },
        0 | FIRST_UNKNOWN.. => return Err(CUDA_ERROR_INVALID_VALUE),
        _ => return Err(CUDA_ERROR_NOT_SUPPORTED),
    })
}

/// Zero, in the attribute's own size.
fn nothing(which: u32) -> Value {
    use attribute::*;
    match which {
        MEMORY_TYPE | SYNC_MEMOPS | ACCESS_FLAGS => Value::Word(0),
        // The one attribute whose "none" is not zero: zero is a device.
        DEVICE_ORDINAL => Value::Word(-2i32 as u32),
        IS_MANAGED
        | IS_LEGACY_CUDA_IPC_CAPABLE
        | MAPPED
        | IS_GPU_DIRECT_RDMA_CAPABLE
        | IS_HW_DECOMPRESS_CAPABLE => Value::Byte(0),
        LOCALITY_DOMAIN_ORDINAL => Value::Word(-1i32 as u32),
        _ => Value::Number(0),
    }
}

pub unsafe fn cuMemGetAddressRange_v2(base: *mut u64, bytes: *mut usize, address: u64) -> Result<(), Code> {
    let (shim, _) = in_context()?;
    let memory = shim.memory();
    let range = memory.device(address, 0).map_err(|_| farwarp_protocol::error::CUDA_ERROR_NOT_FOUND)?.range;
    for (to, value) in [(base, range.address), (bytes.cast(), range.bytes)] {
        if !to.is_null() {
            unsafe { give(to, value)? };
        }
    }
    Ok(())
}

pub unsafe fn cuMemHostGetFlags(flags: *mut u32, host: *mut c_void) -> Result<(), Code> {
    let (shim, _) = in_context()?;
    match shim.memory().find(host as u64).map(|found| found.kind) {
        // All page-locked memory is mapped: there is one address space.
        Some(MemoryKind::Host { flags: known, .. }) => unsafe { give(flags, known | DEVICE_MAP) },
        _ => Err(CUDA_ERROR_INVALID_VALUE),
    }
}
