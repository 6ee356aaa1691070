//! Graphs and captures are kept in this process; what is executed of them crosses, see `by_hand/graph.rs`.
#![allow(unsafe_code)]
// hands the program's arguments on.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc, clippy::too_many_arguments)]

use crate::by_hand::graph::Graphs;
use cudarc::driver::sys::*;
use farwarp_graphs::api;
use farwarp_protocol::error::Code;
use farwarp_protocol::param::*;

macro_rules! answer {
    (chapter $chapter:literal; $(
        $(#[doc = $doc:literal])* #[since($since:literal)]
        $word:ident fn $name:ident $(| $alias:ident)? (
            $($arg:ident : $kind:ty $([$length:expr])? $(= $life:ident $(in $parent:ident)?)?),* $(,)?
        );
    )*) => {$( answer_row! { $word $name ($($arg: $kind),*) } )*};
}

macro_rules! answer_row {
    (here $name:ident ($($arg:ident: $kind:ty),*)) => {
        pub unsafe fn $name($($arg: <$kind as Kind>::C),*) -> Result<(), Code> {
            unsafe { api::$name(&Graphs, $($arg as _),*) }
        }
    };
    ($word:ident $name:ident $args:tt) => {};
}

farwarp_protocol::graph_management! { answer }

macro_rules! captures {
    ($(fn $name:ident($($arg:ident: $kind:ty),*);)*) => {$(
        pub unsafe fn $name($($arg: $kind),*) -> Result<(), Code> {
            unsafe { api::$name(&Graphs, $($arg as _),*) }
        }
    )*};
}

captures! {
    fn cuThreadExchangeStreamCaptureMode(mode: *mut u32);
    fn cuStreamBeginCapture_v2(stream: u64, mode: u32);
    fn cuStreamBeginCapture(stream: u64);
    fn cuStreamBeginCaptureToGraph(
        stream: u64, graph: u64, dependencies: *const u64, data: *const CUgraphEdgeData, count: usize, mode: u32
    );
    fn cuStreamEndCapture(stream: u64, graph: *mut u64);
    fn cuStreamIsCapturing(stream: u64, status: *mut u32);
    fn cuStreamGetCaptureInfo(stream: u64, status: *mut u32, number: *mut u64);
    fn cuStreamGetCaptureInfo_v2(
        stream: u64, status: *mut u32, number: *mut u64, graph: *mut u64, dependencies: *mut *const u64, count: *mut usize
    );
    fn cuStreamGetCaptureInfo_v3(
        stream: u64, status: *mut u32, number: *mut u64, graph: *mut u64, dependencies: *mut *const u64,
        data: *mut *const CUgraphEdgeData, count: *mut usize
    );
    fn cuStreamUpdateCaptureDependencies_v2(
        stream: u64, dependencies: *const u64, data: *const CUgraphEdgeData, count: usize, flags: u32
    );
    fn cuStreamUpdateCaptureDependencies(stream: u64, dependencies: *const u64, count: usize, flags: u32);
}
