//! `libnvidia-ml.so.1`: the few questions that frameworks ask of NVML, answered from the `libcuda.so.1` that lies beside
//! this library. Not a management library: nothing can be set, measured or reset through it.
//!
//! The same file serves next to the shim and next to the software GPU. It knows neither: it calls `cu*` functions. Nothing
//! happens before the first `nvml*` call.

mod driver;
mod exports;
mod identity;
mod layout;
mod machine;
mod refused;
mod results;
