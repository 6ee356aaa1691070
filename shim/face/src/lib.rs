//! What any `libcuda.so.1` of ours shows to its callers, and computes in the calling process: the tables behind
//! `cuGetExportTable`, the runtime's integrity check, the choice behind `cuGetProcAddress`, the names and texts of errors.
//!
//! The shim and the software GPU both wear this face. What lies behind it (contexts, devices, modules) is theirs; they
//! lend it through [`Host`]. Nothing here talks to a server, and nothing here runs before the first call.

mod context_storage;
pub mod copies;
pub mod entry_points;
mod error_names;
mod export_tables;
mod host;
mod integrity;

pub use context_storage::context_gone;
pub use error_names::*;
pub use export_tables::get_export_table;
pub use host::{CUcontext, CUdevice, CUmodule, CUresult, DeviceIdentity, Host};
