//! The symbols of this `libcuda.so.1`: every one that the table of the driver API names. What `driver::api` has a body for
//! jumps to it; all else answers `CUDA_ERROR_NOT_SUPPORTED`.
//!
//! An exported symbol is a jump, and not a call, so that neither its argument types nor their number are written a second time:
//! they are the body's. Whether there is a body is decided by name lookup: inside a chapter's block the names of `api` are nearer
//! than the stand-ins of `not_built`.
#![allow(unsafe_code)] // Exported symbols, and their bodies of one instruction.

use std::collections::HashMap;
use std::ffi::c_void;

use farwarp_face::*;
use farwarp_protocol::for_each_chapter;
use once_cell::sync::Lazy;

/// The answer of every function that has no body. It looks at no argument, so it can stand in for any.
extern "C" fn not_supported() -> CUresult {
    CUDA_ERROR_NOT_SUPPORTED
}

macro_rules! stand_ins {
    (chapter $chapter:literal; $(
        $(#[doc = $doc:literal])* #[since($since:literal)]
        $word:ident fn $name:ident $(| $alias:ident)? ($($args:tt)*);
    )*) => { $(
        pub(super) use super::not_supported as $name;
        $(pub(super) use super::not_supported as $alias;)?
    )* };
}

#[allow(unused_imports)] // Those that have a body are not looked up here.
mod not_built {
    use super::for_each_chapter;
    for_each_chapter! { stand_ins }
}
#[allow(unused_imports)]
use not_built::*;

#[cfg(target_arch = "x86_64")]
macro_rules! jump {
    ($symbol:ident) => {
        const _: () = {
            #[unsafe(naked)]
            #[unsafe(export_name = stringify!($symbol))]
            unsafe extern "C" fn export() {
        core::arch::naked_asm!("jmp {}", sym $symbol)
            }
        };
    };
}

#[cfg(target_arch = "aarch64")]
macro_rules! jump {
    ($symbol:ident) => {
        const _: () = {
            #[unsafe(naked)]
            #[unsafe(export_name = stringify!($symbol))]
            unsafe extern "C" fn export() {
        core::arch::naked_asm!("b {}", sym $symbol)
            }
        };
    };
}

macro_rules! symbols {
    (chapter $chapter:literal; $(
        $(#[doc = $doc:literal])* #[since($since:literal)]
        $word:ident fn $name:ident $(| $alias:ident)? ($($args:tt)*);
    )*) => {
        const _: () = {
            #[allow(unused_imports)] // A chapter may have no body yet.
            use crate::driver::api::*;
            $(
                jump! { $name }
                $(jump! { $alias })?
            )*
        };
    };
}

for_each_chapter! { symbols }

/// Every symbol and its body.
static POINTERS: Lazy<HashMap<&'static str, usize>> = Lazy::new(|| {
    let mut pointers = HashMap::new();
    let mut keep = |name, body: *const c_void| pointers.insert(name, body.expose_provenance());
    macro_rules! pointers {
        (chapter $chapter:literal; $(
            $(#[doc = $doc:literal])* #[since($since:literal)]
            $word:ident fn $name:ident $(| $alias:ident)? ($($args:tt)*);
        )*) => {{
            #[allow(unused_imports)]
            use crate::driver::api::*;
            $(
                keep(stringify!($name), $name as *const c_void);
                $(keep(stringify!($alias), $alias as *const c_void);)?
            )*
        }};
    }
    for_each_chapter! { pointers }
    pointers
});

/// Where the function of that symbol begins.
pub(crate) fn pointer(symbol: &str) -> Option<*const c_void> {
    POINTERS.get(symbol).map(|address| std::ptr::with_exposed_provenance(*address))
}

/// The symbols that have a body, in alphabetical order.
pub fn built() -> Vec<&'static str> {
    let stand_in = (not_supported as *const c_void).addr();
    let mut built: Vec<&str> =
        POINTERS.iter().filter(|(_, address)| **address != stand_in).map(|(name, _)| *name).collect();
    built.sort_unstable();
    built
}
