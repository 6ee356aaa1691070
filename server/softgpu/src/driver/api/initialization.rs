//! Initialization, version, errors, profiler, entry points and export tables: what belongs to no device.

use std::ffi::{CStr, c_char, c_void};

use farwarp_face::entry_points::{self, Choice};
use farwarp_face::*;

use crate::driver::edge::{In, Out, Result, Text, api, export_table};
use crate::driver::face::FACE;
use crate::driver::machine::{DRIVER_VERSION, initialize, machine};
use crate::exports;

api! {
    fn cuInit(flags: u32) {
        if flags != 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        initialize()
    }

    fn cuDriverGetVersion(version: Out<i32>) {
        version.put(DRIVER_VERSION as i32)
    }

    fn cuGetErrorName(error: u32, text: Out<*const c_char>) {
        put_static(text, error_name(error))
    }

    fn cuGetErrorString(error: u32, text: Out<*const c_char>) {
        put_static(text, error_text(error))
    }

    fn cuProfilerStart() {
        machine().map(drop)
    }

    fn cuProfilerStop() {
        machine().map(drop)
    }

    fn cuGetProcAddress(symbol: Text, pointer: Out<*const c_void>, version: i32, flags: u64) {
        entry_point(symbol, version, flags, pointer).1
    }

    fn cuGetProcAddress_v2(
        symbol: Text,
        pointer: Out<*const c_void>,
        version: i32,
        flags: u64,
        status: Out<u32>,
    ) {
        let (found, outcome) = entry_point(symbol, version, flags, pointer);
        status.put_if_wanted(found);
        outcome
    }

    fn cuGetExportTable(table: Out<*const c_void>, id: In<[u8; 16]>) {
        export_table(&FACE, table, id)
    }
}

/// An unknown error has neither name nor text, and that is an error.
fn put_static(out: Out<*const c_char>, text: Option<&'static CStr>) -> Result {
    out.put(text.map_or(std::ptr::null(), CStr::as_ptr))?;
    text.map(drop).ok_or(CUDA_ERROR_INVALID_VALUE)
}

/// The status of the search, and the call's own outcome.
fn entry_point(symbol: Text, version: i32, flags: u64, pointer: Out<*const c_void>) -> (u32, Result) {
    let Ok(symbol) = symbol.c_string() else { return (NOT_FOUND, Err(CUDA_ERROR_INVALID_VALUE)) };
    let choice = entry_points::choose(&symbol, version, flags);
    let found = match choice {
        Choice::Symbol(name) => exports::pointer(name),
        _ => None,
    };
    let put = pointer.put(found.unwrap_or(std::ptr::null()));
    let outcome = match choice.code() as u32 {
        CUDA_SUCCESS => put,
        error => Err(error),
    };
    (choice.status(), outcome)
}

/// CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND.
const NOT_FOUND: u32 = 1;
