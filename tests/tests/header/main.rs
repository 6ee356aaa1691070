//! The table, the choice of entry points, the error lists and the struct layouts, held to the CUDA headers that are installed.
//!
//! `FARWARP_CUDA_INCLUDE` names the folder with `cuda.h`; `scripts/test` sets it. Without it these tests fail: a comparison with
//! nothing would always pass.

mod entry_points;
mod errors;
mod layouts;
mod prototypes;
mod toolkit;
mod versions;
