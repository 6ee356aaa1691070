//! A `libcuda.so.1` on the CPU. A CUDA program loads it as it would NVIDIA's, and so does a server without a GPU.
//!
//! | part | what |
//! |---|---|
//! | [`exports`] | the symbols, made from the table of the driver API |
//! | [`driver`] | the driver API: contexts, memory, streams, modules, launches |
//! | [`fatbin`], [`cubin`] | the container in which nvcc packs code, and what a cubin in it says of itself |
//! | [`ptx`] | the engine: PTX text in, kernels run on the host's cores |
//!
//! Device memory is memory of this process at the same address, so kernels and copies use it in place.

pub mod cubin;
pub mod driver;
pub mod exports;
pub mod fatbin;
pub mod ptx;
