//! The profiler's switches. A profiler that listens sits in the client's process, so there is nobody to tell.
#![allow(unsafe_code)] // exported functions are unsafe by their kind.
#![allow(non_snake_case, clippy::missing_safety_doc)]

use crate::state::shim;
use farwarp_protocol::error::Code;

pub unsafe fn cuProfilerStart() -> Result<(), Code> {
    shim().map(drop)
}

pub unsafe fn cuProfilerStop() -> Result<(), Code> {
    shim().map(drop)
}
