//! A libcuda whose `cuInit` attacks: the place of a client that has taken its worker over. It does what the client's hello orders
//! and answers with what came of it. For the tests of the jail only; nothing installs it.
#![allow(unsafe_code)] // exports a C function; the attacks are system calls.

mod attacks;

use std::ffi::c_int;

/// The variable of the hello in which the order stands: `attack`, or `attack:argument`.
pub const ORDER: &str = "CUDA_CACHE_MAXSIZE";
/// It was refused; the error's number is added.
pub const STOPPED: c_int = 10_000;
/// It worked.
pub const DONE: c_int = 20_000;
/// There is no such attack.
pub const UNKNOWN: c_int = 30_000;

/// The first function that a worker calls; of the driver's others there is none.
#[unsafe(no_mangle)]
pub extern "C" fn cuInit(_flags: u32) -> c_int {
    let order = std::env::var(ORDER).unwrap_or_default();
    let (name, argument) = order.split_once(':').unwrap_or((&order, ""));
    match attacks::ALL.iter().find(|(known, _)| *known == name) {
        None => UNKNOWN,
        Some((_, attack)) => match attack(argument) {
            Ok(()) => DONE,
            Err(error) => STOPPED + error.raw_os_error().unwrap_or(0),
        },
    }
}
