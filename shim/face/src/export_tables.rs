//! `cuGetExportTable`: the tables of functions that CUDA's own libraries fetch from the driver and no header names.
//!
//! What each table is for, who asks for it and which slots are called stands in `docs/export-tables.md`; what the slots do,
//! in [`slots`]. All tables are constants: the integrity check hashes the addresses of two of them and may come first.
//!
//! A slot that no known program calls still is a function, one that answers `CUDA_ERROR_NOT_SUPPORTED`: a program
//! that calls it is told so, where NULL would crash it.
#![allow(unsafe_code)] // A C function that reads and writes where its caller says, and constants of raw function addresses.

mod slots;

use std::ffi::c_void;
use std::mem::size_of;
use std::ptr;

use crate::host::{Host, install};
use crate::{CUDA_ERROR_INVALID_VALUE, CUDA_SUCCESS, CUresult};

/// The body of `cuGetExportTable`. The host stays installed for the slots of the tables.
///
/// # Safety
/// `table` and `id` are NULL, or point to a writable pointer and to 16 readable bytes.
pub unsafe fn get_export_table(
    host: &'static dyn Host,
    table: *mut *const c_void,
    id: *const c_void,
) -> CUresult {
    if table.is_null() || id.is_null() {
        return CUDA_ERROR_INVALID_VALUE;
    }
    install(host);
    // SAFETY: not NULL, hence 16 readable bytes; a CUuuid has the alignment of a byte.
    let id: Uuid = unsafe { id.cast::<Uuid>().read() };
    let found = find(id);
    // SAFETY: not NULL, hence a writable pointer.
    unsafe { table.write(found.map_or(ptr::null(), |slots| slots.as_ptr().cast())) };
    if found.is_some() { CUDA_SUCCESS } else { CUDA_ERROR_INVALID_VALUE }
}

/// As it lies in memory.
type Uuid = [u8; 16];

/// The table of that name. Others are refused, on purpose: CUDA's compilers crash on a table whose slots only pretend.
fn find(id: Uuid) -> Option<&'static [Slot]> {
    TABLES.iter().find(|(name, _)| *name == id).map(|&(_, slots)| slots)
}

static TABLES: [(Uuid, &[Slot]); 9] = [
    (uuid(0x6BD5FB6C_5BF4_E74A_8987_D93912FD9DF9), &CUDART_INTERFACE),
    (uuid(0xA094798C_2E74_2E74_93F2_0800200C0A66), &TOOLS_RUNTIME_CALLBACK_HOOKS),
    (uuid(0x42D85A81_23F6_CB47_8298_F6E78A3AECDC), &TOOLS_TLS),
    (uuid(0x21318C60_9714_3248_8CA6_41FF7324C8F2), &TOOLS_CONTEXT),
    (uuid(0xC693336E_1121_DF11_A8C3_68F355D89593), &CONTEXT_LOCAL_STORAGE),
    (uuid(0x263E8860_7CD2_6143_92F6_BBD5006DFA7E), &CONTEXT_CHECKS),
    (uuid(0xD4082055_BDE6_704B_8D34_BA123C66E1F2), &INTEGRITY_CHECK),
    (uuid(0x1734DC26_800D_4745_8726_C0F1E7DD8BCA), &MATRIX_PRODUCT_HINTS),
    (uuid(0x7CB63F9B_9CA4_8E42_A484_BEB66E6AED7F), &PROFILER),
];

/// What the runtime needs before it can start: primary contexts, and module loading for old runtimes.
static CUDART_INTERFACE: [Slot; 13] = sized(&[
    (1, slots::load_wrapper as Function),
    (2, slots::primary_context as Function),
    (6, slots::load_wrapper_with_options as Function),
    (7, slots::accept as Function),
    (8, slots::load_fatbin_with_options as Function),
    (12, slots::accept as Function), // "load the compilers": ours are where the GPU is
]);

/// Where a profiler would hang its callbacks.
static TOOLS_RUNTIME_CALLBACK_HOOKS: [Slot; 7] =
    sized(&[(2, slots::runtime_hooks as Function), (6, slots::runtime_hook_flags as Function)]);

/// A tool's view of the thread.
static TOOLS_TLS: [Slot; 4] = sized(&[(2, slots::thread_context as Function)]);

/// A tool's view of a context. The true length is not known; newer slots would be called, not skipped.
static TOOLS_CONTEXT: [Slot; 64] = sized(&[(4, slots::context_id as Function)]);

/// Values beside a context. The one table that carries no size and ends with NULL.
static CONTEXT_LOCAL_STORAGE: [Slot; 4] = [
    Slot(slots::put as Function),
    Slot(slots::delete as Function),
    Slot(slots::get as Function),
    Slot(ptr::null()),
];

static CONTEXT_CHECKS: [Slot; 4] =
    sized(&[(2, slots::check_context as Function), (3, slots::check as Function)]);

static INTEGRITY_CHECK: [Slot; 3] = sized(&[(1, slots::integrity_check as Function)]);

/// Asked by cuBLASLt on compute capability 9.0, which crashes without it.
static MATRIX_PRODUCT_HINTS: [Slot; 64] = sized(&[(4, slots::matrix_product_hints as Function)]);

/// CUPTI's. Some programs only look whether it is there; whoever calls a slot learns that there is no profiling.
static PROFILER: [Slot; 64] = sized(&[]);

/// A function's address without its type, which only the table's reader knows.
type Function = *const ();

/// One word of a table: the table's size, a function's address, or the closing NULL.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct Slot(Function);

// SAFETY: a slot is never written, and what it points to is code.
unsafe impl Sync for Slot {}

/// A table whose slot 0 is its size in bytes, with the given functions at their places and refusals everywhere else.
const fn sized<const N: usize>(functions: &[(usize, Function)]) -> [Slot; N] {
    let mut slots = [Slot(slots::not_supported as Function); N];
    slots[0] = Slot(ptr::without_provenance(N * size_of::<Slot>()));
    let mut next = 0;
    while next < functions.len() {
        let (place, function) = functions[next];
        assert!(place > 0 && place < N);
        slots[place] = Slot(function);
        next += 1;
    }
    slots
}

/// The bytes of a UUID in the order in which they are printed, which is their order in memory.
const fn uuid(printed: u128) -> Uuid {
    printed.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(id: u128) -> &'static [Slot] {
        find(uuid(id)).unwrap()
    }

    const CONTEXT_LOCAL_STORAGE_ID: u128 = 0xC693336E_1121_DF11_A8C3_68F355D89593;

    #[test]
    fn a_sized_table_begins_with_its_size() {
        for (id, slots) in TABLES.iter().filter(|(id, _)| *id != uuid(CONTEXT_LOCAL_STORAGE_ID)) {
            assert_eq!(slots[0].0.addr(), slots.len() * 8, "table {id:02X?}");
        }
    }

    #[test]
    fn no_slot_is_null_but_the_one_that_ends_the_storage_table() {
        for (id, slots) in &TABLES {
            let nulls: Vec<_> = (0..slots.len()).filter(|&place| slots[place].0.is_null()).collect();
            let allowed = if *id == uuid(CONTEXT_LOCAL_STORAGE_ID) { vec![3] } else { vec![] };
            assert_eq!(nulls, allowed, "table {id:02X?}");
        }
    }

    #[test]
    fn the_tables_have_the_lengths_that_runtimes_expect() {
        for (id, length) in [
            (0x6BD5FB6C_5BF4_E74A_8987_D93912FD9DF9, 13),
            (0xA094798C_2E74_2E74_93F2_0800200C0A66, 7),
            (0x42D85A81_23F6_CB47_8298_F6E78A3AECDC, 4),
            (CONTEXT_LOCAL_STORAGE_ID, 4),
            (0x263E8860_7CD2_6143_92F6_BBD5006DFA7E, 4),
            (0xD4082055_BDE6_704B_8D34_BA123C66E1F2, 3),
        ] {
            assert_eq!(table(id).len(), length);
        }
    }

    #[test]
    fn no_two_tables_share_a_name() {
        for (place, (id, _)) in TABLES.iter().enumerate() {
            assert!(TABLES[..place].iter().all(|(other, _)| other != id));
        }
    }

    #[test]
    fn a_name_is_read_in_the_order_in_which_it_is_printed() {
        assert_eq!(uuid(0x6BD5FB6C_5BF4_E74A_8987_D93912FD9DF9)[..6], [0x6B, 0xD5, 0xFB, 0x6C, 0x5B, 0xF4]);
    }

    #[test]
    fn tables_whose_slots_would_crash_their_readers_are_refused() {
        for id in [
            0xF8CFF951_2146_8B4E_B9E2_FB469E7C0DD9, // fetched by runtimes before cuInit
            0xDA9151D3_3AE6_CC41_A5C0_4F26D533E328, // fetched by the compilers, which call into it
            0,
        ] {
            assert!(find(uuid(id)).is_none());
        }
    }
}
