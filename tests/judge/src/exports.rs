//! The table as C functions that write down, pass on, and learn. Their types are the rows' own. The forms for the per-thread
//! default stream are left out: a server has many clients' threads in one of its own, and never calls them.
#![allow(unsafe_code)]
// exported C functions pass their arguments on as they came; the caller vouches for them to the driver behind.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc, clippy::too_many_arguments)]

use crate::law::Call;
use crate::{behind, docket};
use cudarc::driver::sys::*;
use farwarp_protocol::error::{CUDA_ERROR_NOT_SUPPORTED, Code};
use farwarp_protocol::param::*;
use farwarp_protocol::table::{self, Row};
use once_cell::sync::OnceCell;

/// What may be lawful and never end: a kernel of two thousand million blocks, a wait for a word that nobody writes. Counted only.
const ENDLESS: [&str; 8] = [
    "cuLaunchKernelEx",
    "cuStreamWaitValue32",
    "cuStreamWaitValue32_v2",
    "cuStreamWaitValue64",
    "cuStreamWaitValue64_v2",
    "cuStreamBatchMemOp",
    "cuStreamBatchMemOp_v2",
    "cuGraphLaunch",
];

/// A row, and where the driver behind has it.
struct Seat {
    name: &'static str,
    found: OnceCell<(usize, &'static Row, Option<usize>)>,
}

impl Seat {
    const fn new(name: &'static str) -> Seat {
        Seat { name, found: OnceCell::new() }
    }

    fn get(&self) -> (usize, &'static Row, Option<usize>) {
        *self.found.get_or_init(|| {
            let (index, row) = table::rows()
                .enumerate()
                .find(|(_, row)| row.name == self.name)
                .expect("the table has what was made from it");
            (index, row, behind::address(self.name))
        })
    }

    fn judge(&self, words: &[u64], lengths: &[usize], pass_on: impl FnOnce(usize) -> Code) -> Code {
        let (index, row, address) = self.get();
        docket::called(index);
        let Some(address) = address else { return CUDA_ERROR_NOT_SUPPORTED };
        let call = Call { row, words, lengths };
        call.before();
        if ENDLESS.contains(&self.name) {
            return 0;
        }
        let code = pass_on(address);
        if code == 0 {
            call.after();
        }
        code
    }
}

/// An argument as a number; what does not fit is none.
fn word<T>(value: &T) -> u64 {
    let mut bytes = [0; size_of::<u64>()];
    if size_of::<T>() <= bytes.len() {
        // SAFETY: as many bytes as the value has, which is no more than there is room.
        unsafe {
            std::ptr::copy_nonoverlapping(
                std::ptr::from_ref(value).cast(),
                bytes.as_mut_ptr(),
                size_of::<T>(),
            )
        };
    }
    u64::from_ne_bytes(bytes)
}

macro_rules! watch {
    (chapter $chapter:literal; $(
        $(#[doc = $doc:literal])* #[since($since:literal)]
        $word:ident fn $name:ident $(| $alias:ident)? (
            $($arg:ident : $kind:ty $([$length:expr])? $(= $life:ident $(in $parent:ident)?)?),* $(,)?
        );
    )*) => {$(
        watch_row! { $word $name ($($arg: $kind, [$($length)?]);*) }
    )*};
}

/// What crosses has kinds that every side knows. Of the rest, a few functions are the server's own tools; the others nobody calls.
macro_rules! watch_row {
    (here $($rest:tt)*) => { watch_words! { $($rest)* } };
    (deny $($rest:tt)*) => { watch_words! { $($rest)* } };
    ($word:ident $name:ident ($($arg:ident: $kind:ty, [$($length:expr)?]);*)) => {
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($arg: <$kind as Kind>::C),*) -> Code {
            static SEAT: Seat = Seat::new(stringify!($name));
            SEAT.judge(&[$(word(&$arg)),*], &[$(length!($($length)?)),*], |address| unsafe {
                let function: unsafe extern "C" fn($(<$kind as Kind>::C),*) -> Code = std::mem::transmute(address);
                function($($arg),*)
            })
        }
    };
}

type W = u64;

/// Arguments as the calling convention has them: six words in registers, more behind them, none of them a float or a struct.
macro_rules! watch_words {
    ($name:ident ($($arg:ident: $kind:ty, [$($length:expr)?]);*)) => {
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(a: W, b: W, c: W, d: W, e: W, f: W, g: W, h: W) -> Code {
            static SEAT: Seat = Seat::new(stringify!($name));
            SEAT.judge(&[a, b, c, d, e, f, g, h], &[0; 8], |address| unsafe {
                let function: unsafe extern "C" fn(W, W, W, W, W, W, W, W) -> Code =
                    std::mem::transmute(address);
                function(a, b, c, d, e, f, g, h)
            })
        }
    };
}

macro_rules! length {
    () => {
        0
    };
    ($length:expr) => {
        $length as usize
    };
}

farwarp_protocol::for_each_chapter! { watch }
