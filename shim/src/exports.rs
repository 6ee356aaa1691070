//! The table as what the library exports: one C function a row, one more where the row has a per-thread form.
#![allow(unsafe_code)]
// exported C functions receive the program's pointers.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc, clippy::too_many_arguments)]

use crate::call::{deny, enter, in_context_hearing};
use crate::counters::Counter;
use crate::param::{Outgoing, Travel};
use crate::threads::with_per_thread_stream;
use crate::{by_hand, here};
use cudarc::driver::sys::*;
use farwarp_protocol::call::op;
use farwarp_protocol::error::Code;
use farwarp_protocol::param::*;
use std::collections::HashMap;

/// Room for the arguments of most calls, so that writing them grows nothing.
const ARGUMENTS_BYTES: usize = 64;

macro_rules! export {
    (chapter $chapter:literal; $(
        $(#[doc = $doc:literal])* #[since($since:literal)]
        $word:ident fn $name:ident $(| $alias:ident)? (
            $($arg:ident : $kind:ty $([$length:expr])? $(= $life:ident $(in $parent:ident)?)?),* $(,)?
        );
    )*) => {$(
        export_row! { $word $name [$($alias)?] ($($arg: $kind, [$($length)?]);*) }
    )*};
}

macro_rules! export_row {
    (deny $name:ident [$($alias:ident)?] ($($args:tt)*)) => {
        #[unsafe(no_mangle)]
        pub extern "C" fn $name() -> Code {
            static CALLS: Counter = Counter::new(stringify!($name));
            deny(&CALLS)
        }
        $(#[unsafe(no_mangle)] pub extern "C" fn $alias() -> Code { $name() })?
    };
    (here $name:ident [$($alias:ident)?] ($($arg:ident: $kind:ty, [$($length:expr)?]);*)) => {
        export_body! { here $name [$($alias)?] ($($arg: $kind),*) }
    };
    (hand $name:ident [$($alias:ident)?] ($($arg:ident: $kind:ty, [$($length:expr)?]);*)) => {
        export_body! { by_hand $name [$($alias)?] ($($arg: $kind),*) }
    };
    (ask $name:ident [$($alias:ident)?] ($($arg:ident: $kind:ty, [$($length:expr)?]);*)) => {
        export_remote! { $name [$($alias)?] ($($arg: $kind, length!($($length)?)),*) {
            let answer = call.shim.remote.ask(op(stringify!($name)), &[&call.body])?;
            answer.check()?;
            let reply = &mut answer.body.as_slice();
            $(unsafe { <$kind as Travel>::deliver($arg, reply) }.map_err(|_| answer.malformed())?;)*
            let _ = reply;
            Ok(())
        } call }
    };
    (tell $name:ident [$($alias:ident)?] ($($arg:ident: $kind:ty, [$($length:expr)?]);*)) => {
        export_remote! { $name [$($alias)?] ($($arg: $kind, length!($($length)?)),*) {
            call.shim.remote.tell(op(stringify!($name)), &[&call.body])
        } call }
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

macro_rules! export_body {
    ($module:ident $name:ident [$($alias:ident)?] ($($arg:ident: $kind:ty),*)) => {
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($arg: <$kind as Kind>::C),*) -> Code {
            static CALLS: Counter = Counter::new(stringify!($name));
            enter(&CALLS, || {
                unless_captured! { $name ($($arg),*) }
                unsafe { $module::$name($($arg),*) }
            })
        }
        export_per_thread! { $name [$($alias)?] ($($arg: $kind),*) }
    };
}

macro_rules! export_remote {
    ($name:ident [$($alias:ident)?] ($($arg:ident: $kind:ty, $length:expr),*) $finish:block $call:ident) => {
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($arg: <$kind as Kind>::C),*) -> Code {
            static CALLS: Counter = Counter::new(stringify!($name));
            enter(&CALLS, || {
                unless_captured! { $name ($($arg),*) }
                let (shim, _) = in_context_hearing()?;
                #[allow(unused_mut)] // a row without arguments writes nothing
                let mut $call = Outgoing { shim, body: Vec::with_capacity(ARGUMENTS_BYTES) };
                $(<$kind as Travel>::send($arg, $length, &mut $call)?;)*
                $finish
            })
        }
        export_per_thread! { $name [$($alias)?] ($($arg: $kind),*) }
    };
}

/// While a stream captures, calls may become nodes, or be refused.
macro_rules! unless_captured {
    ($name:ident ($($arg:ident),*)) => {
        const OF_EVENTS: bool = farwarp_graphs::concerns_events(stringify!($name));
        if farwarp_graphs::is_any(OF_EVENTS) {
            let words = [$(farwarp_graphs::Word::word($arg)),*];
            if let Some(done) = by_hand::graph::divert(stringify!($name), &words) {
                return done;
            }
        }
    };
}

macro_rules! export_per_thread {
    ($name:ident [] $args:tt) => {};
    ($name:ident [$alias:ident] ($($arg:ident: $kind:ty),*)) => {
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $alias($($arg: <$kind as Kind>::C),*) -> Code {
            with_per_thread_stream(|| unsafe { $name($($arg),*) })
        }
    };
}

farwarp_protocol::for_each_chapter! { export }

/// Where each exported function lies, for cuGetProcAddress.
pub fn addresses() -> HashMap<&'static str, usize> {
    let mut addresses = HashMap::new();
    macro_rules! insert {
        (chapter $chapter:literal; $(
            $(#[doc = $doc:literal])* #[since($since:literal)]
            $word:ident fn $name:ident $(| $alias:ident)? ($($args:tt)*);
        )*) => {$(
            addresses.insert(stringify!($name), $name as *const () as usize);
            $(addresses.insert(stringify!($alias), $alias as *const () as usize);)?
        )*};
    }
    farwarp_protocol::for_each_chapter! { insert }
    addresses
}
