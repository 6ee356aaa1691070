//! Graph management, and captures: the bodies are those of `farwarp_graphs`, with this driver around them.
#![allow(unsafe_code)] // hands the program's pointers on, of which it vouches for what they point to.

use cudarc::driver::sys::*;
use farwarp_graphs::api as graphs;
use farwarp_protocol::param::*;

use crate::driver::edge::{DefaultStream, answer};
use crate::driver::graph::{Graphs, answered};

macro_rules! bodies {
    (chapter $chapter:literal; $(
        $(#[doc = $doc:literal])* #[since($since:literal)]
        $word:ident fn $name:ident $(| $alias:ident)? (
            $($arg:ident : $kind:ty $([$length:expr])? $(= $life:ident $(in $parent:ident)?)?),* $(,)?
        );
    )*) => {$( row! { $word $name [$($alias)?] ($($arg: <$kind as Kind>::C),*) } )*};
}

/// What the table denies has no body here either.
macro_rules! row {
    (deny $name:ident $alias:tt $args:tt) => {};
    ($word:ident $name:ident [$($alias:ident)?] $args:tt) => {
        body! { Legacy $name $name $args }
        $(body! { PerThread $alias $name $args })?
    };
}

macro_rules! body {
    ($default:ident $symbol:ident $name:ident ($($arg:ident: $c:ty),*)) => {
        pub extern "C" fn $symbol($($arg: $c),*) -> farwarp_face::CUresult {
            answer(DefaultStream::$default, || {
                let words = [$(farwarp_graphs::Word::word($arg)),*];
                if farwarp_graphs::is_any(false)
                    && let Some(done) = crate::driver::graph::divert(stringify!($name), &words)
                {
                    return done;
                }
                // SAFETY: each pointer is NULL or points to what the header says, by the program's promise.
                answered(unsafe { graphs::$name(&Graphs, $($arg as _),*) })
            })
        }
    };
}

farwarp_protocol::graph_management! { bodies }

macro_rules! captures {
    ($(fn $name:ident $(| $alias:ident)? ($($args:tt)*);)*) => {$(
        row! { here $name [$($alias)?] ($($args)*) }
    )*};
}

captures! {
    fn cuThreadExchangeStreamCaptureMode(mode: *mut u32);
    fn cuStreamBeginCapture_v2 | cuStreamBeginCapture_v2_ptsz (stream: u64, mode: u32);
    fn cuStreamBeginCapture | cuStreamBeginCapture_ptsz (stream: u64);
    fn cuStreamBeginCaptureToGraph | cuStreamBeginCaptureToGraph_ptsz (
        stream: u64, graph: u64, dependencies: *const u64, data: *const CUgraphEdgeData, count: usize, mode: u32
    );
    fn cuStreamEndCapture | cuStreamEndCapture_ptsz (stream: u64, graph: *mut u64);
    fn cuStreamIsCapturing | cuStreamIsCapturing_ptsz (stream: u64, status: *mut u32);
    fn cuStreamGetCaptureInfo | cuStreamGetCaptureInfo_ptsz (stream: u64, status: *mut u32, number: *mut u64);
    fn cuStreamGetCaptureInfo_v2 | cuStreamGetCaptureInfo_v2_ptsz (
        stream: u64, status: *mut u32, number: *mut u64, graph: *mut u64, dependencies: *mut *const u64, count: *mut usize
    );
    fn cuStreamGetCaptureInfo_v3 | cuStreamGetCaptureInfo_v3_ptsz (
        stream: u64, status: *mut u32, number: *mut u64, graph: *mut u64, dependencies: *mut *const u64,
        data: *mut *const CUgraphEdgeData, count: *mut usize
    );
    fn cuStreamUpdateCaptureDependencies_v2 | cuStreamUpdateCaptureDependencies_v2_ptsz (
        stream: u64, dependencies: *const u64, data: *const CUgraphEdgeData, count: usize, flags: u32
    );
    fn cuStreamUpdateCaptureDependencies | cuStreamUpdateCaptureDependencies_ptsz (
        stream: u64, dependencies: *const u64, count: usize, flags: u32
    );
}
