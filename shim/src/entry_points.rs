//! cuGetProcAddress: the face chooses the symbol, the shim says where it lies, if the server's driver has it too.

use crate::exports;
use crate::state::shim;
use farwarp_face::entry_points::{Choice, choose};
use farwarp_protocol::error::Code;
use farwarp_protocol::table;
use once_cell::sync::Lazy;
use std::collections::HashMap;
use std::ffi::CStr;

static ADDRESSES: Lazy<HashMap<&'static str, usize>> = Lazy::new(exports::addresses);

/// Where each symbol stands in the snapshot's list of rows.
static ROW_OF: Lazy<HashMap<&'static str, usize>> = Lazy::new(|| {
    let symbols = table::rows().enumerate();
    symbols
        .flat_map(|(index, row)| {
            [Some(row.name), row.per_thread].into_iter().flatten().map(move |name| (name, index))
        })
        .collect()
});

pub struct Found {
    pub address: usize,
    pub code: Code,
    pub status: u32,
}

pub fn look_up(name: &CStr, version: i32, flags: u64) -> Found {
    let choice = match choose(name, version, flags) {
        // Before cuInit no server was asked, and programs ask for everything then; a row that the driver turns out to lack
        // answers CUDA_ERROR_NOT_SUPPORTED when it is called.
        Choice::Symbol(symbol) if !driver_has(symbol) => Choice::NotFound,
        choice => choice,
    };
    let address = match choice {
        Choice::Symbol(symbol) => ADDRESSES.get(symbol).copied().unwrap_or(0),
        _ => 0,
    };
    Found { address, code: choice.code() as Code, status: choice.status() }
}

fn driver_has(symbol: &str) -> bool {
    let Ok(shim) = shim() else { return true };
    let row = ROW_OF.get(symbol).copied();
    row.is_some_and(|row| shim.snapshot.rows.get(row).copied().unwrap_or(false))
}
