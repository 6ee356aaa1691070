//! How large a launch may be: the device's limits, as attributes report them and launches are held to.

pub const WARP: i32 = 32;
pub const THREADS_PER_BLOCK: i32 = 1024;
pub const BLOCK: [i32; 3] = [1024, 1024, 64];
pub const GRID: [i32; 3] = [i32::MAX, 65_535, 65_535];
/// Without opting in, what every CUDA device has.
pub const SHARED_PER_BLOCK_BYTES: i32 = 48 << 10;
pub const SHARED_PER_BLOCK_OPTIN_BYTES: i32 = 99 << 10;
pub const SHARED_PER_MULTIPROCESSOR_BYTES: i32 = 100 << 10;
/// Other drivers keep 1 KiB of each block's shared memory for themselves; this one needs none.
pub const SHARED_RESERVED_BYTES: i32 = 0;
pub const REGISTERS: i32 = 65_536;
pub const THREADS_PER_MULTIPROCESSOR: i32 = 1536;
pub const BLOCKS_PER_MULTIPROCESSOR: i32 = 16;
/// Bytes of parameters: CUDA's own limit since compute capability 7.0.
pub const KERNEL_PARAM_BYTES: usize = 32_764;
