//! The header's structs, field by field, with every enum as the integer that it is in C: a program may write a number there that no
//! header of ours knows. What a call does not look at is room.

use cudarc::driver::sys;
pub use farwarp_face::copies::{BatchOp3D, Memcpy2D, Memcpy3D};

/// `CUdevprop`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct DeviceProperties {
    pub max_threads_per_block: i32,
    pub max_threads_dim: [i32; 3],
    pub max_grid_size: [i32; 3],
    pub shared_mem_per_block: i32,
    pub total_constant_memory: i32,
    pub simd_width: i32,
    pub mem_pitch: i32,
    pub regs_per_block: i32,
    pub clock_rate: i32,
    pub texture_align: i32,
}

/// `CUmemLocation`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Location {
    pub kind: u32,
    pub id: i32,
}

/// `CUmemAllocationProp`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct AllocationProp {
    pub kind: u32,
    pub handle_types: u32,
    pub location: Location,
    pub win32: u64,
    pub compression: u8,
    pub rdma_capable: u8,
    pub usage: u16,
    pub reserved: [u8; 4],
}

/// `CUmemPoolProps`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct PoolProps {
    pub kind: u32,
    pub handle_types: u32,
    pub location: Location,
    pub win32: u64,
    pub max_bytes: u64,
    pub usage: u16,
    pub reserved: [u8; 54],
}

/// `CUmemAccessDesc`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct AccessDesc {
    pub location: Location,
    pub flags: u32,
}

/// `CUlaunchConfig`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct LaunchConfig {
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub shared_bytes: u32,
    pub stream: u64,
    pub attributes: u64,
    pub attribute_count: u32,
}

/// `CUlaunchAttribute`: its value is a union of 64 bytes.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct LaunchAttribute {
    pub id: u32,
    pub pad: u32,
    pub value: [u32; 16],
}

/// `CUstreamBatchMemOpParams`: a union that begins with its tag. These are the fields of a wait and of a write.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct MemOp {
    pub operation: u32,
    pub flags_if_bare: u32,
    pub address: u64,
    pub value: u64,
    pub flags: u32,
    pub pad: u32,
    pub alias: u64,
    pub room: u64,
}

/// `CUctxCreateParams`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct ContextParams {
    pub affinities: u64,
    pub affinity_count: i32,
    pub graphics: u64,
}

macro_rules! same_size {
    ($($ours:ty = $theirs:ty;)*) => { $(const _: () = assert!(size_of::<$ours>() == size_of::<$theirs>());)* };
}

same_size! {
    DeviceProperties = sys::CUdevprop;
    Memcpy2D = sys::CUDA_MEMCPY2D;
    Memcpy3D = sys::CUDA_MEMCPY3D;
    Memcpy3D = sys::CUDA_MEMCPY3D_PEER;
    BatchOp3D = sys::CUDA_MEMCPY3D_BATCH_OP;
    Location = sys::CUmemLocation;
    AllocationProp = sys::CUmemAllocationProp;
    AccessDesc = sys::CUmemAccessDesc;
    PoolProps = sys::CUmemPoolProps;
    LaunchConfig = sys::CUlaunchConfig;
    LaunchAttribute = sys::CUlaunchAttribute;
    MemOp = sys::CUstreamBatchMemOpParams;
    ContextParams = sys::CUctxCreateParams;
}
