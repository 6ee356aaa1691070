//! The driver API, one row a function.
//!
//! A chapter is a macro that hands its rows, untouched, to another macro; [`for_each_chapter!`] hands over
//! all of them. Everything that depends on the set of driver functions is made that way: the shim's exports, the
//! server's handlers, the software GPU's exports, `cuGetProcAddress`, the coverage page, the abuse tests.
//!
//! ```text
//! /// One line of what it does.
//! #[since(3020)] ask fn cuMemcpyDtoH_v2 | cuMemcpyDtoH_v2_ptds (dst: Out<Bytes>[n], src: DevPtr, n: usize);
//! ^ CUDA version ^ how the answer comes  ^ the same for the per-thread default stream    ^ kind[length]
//! ```
//!
//! | word   | how the answer comes |
//! |--------|----------------------|
//! | `ask`  | the caller waits for the server |
//! | `tell` | sent, not waited for: the shim has checked all that can fail |
//! | `here` | answered in the shim; the server has no handler for it |
//! | `hand` | crosses the wire, but both bodies are by hand, for the reason beside the row |
//! | `deny` | exported, not built yet: `CUDA_ERROR_NOT_SUPPORTED` |
//!
//! After a kind may stand `[length]`, any expression over the other arguments, and what the call does to an object:
//! `= new`, `= new in parent`, `= gone`. Kinds are types of [`crate::param`], so the compiler checks their spelling.

/// What is known of a driver function without calling it.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub chapter: &'static str,
    /// The exported symbol, in full.
    pub name: &'static str,
    /// The first CUDA version whose driver has it, as `CUDA_VERSION` spells it (`3020` is 3.2).
    pub since: u32,
    pub answer: Answer,
    /// The same function for a program whose default stream is per thread (`_ptds`, `_ptsz`).
    pub per_thread: Option<&'static str>,
    /// Name, kind, length and life of every argument, as the row spells them.
    pub args: &'static [Arg],
    /// The row's one line of documentation.
    pub doc: &'static str,
}

#[derive(Debug, Clone, Copy)]
pub struct Arg {
    pub name: &'static str,
    pub kind: &'static str,
    pub length: Option<&'static str>,
    pub life: Option<&'static str>,
}

/// The first word of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Ask,
    Tell,
    Here,
    Hand,
    Deny,
}

/// The first CUDA version with per-thread default streams: no `_ptds` or `_ptsz` symbol is older.
pub const PER_THREAD_SINCE: u32 = 7000;

/// Headers of the toolkit whose functions have no rows, and are not exported.
pub const WITHOUT_ROWS: &[(&str, &str)] = &[
    ("cudaEGL.h", "EGL streams and images lie in the client's display driver; no other machine can map them"),
    (
        "cudaGL.h",
        "OpenGL buffers and textures lie in the client's display driver; no other machine can map them",
    ),
    ("cudaVDPAU.h", "VDPAU surfaces lie in the client's display driver; no other machine can map them"),
];

/// The chapters, in the manual's order, for [`for_each_chapter!`] and [`CHAPTERS`]. A new one is a line here and its `mod`.
#[doc(hidden)]
#[macro_export]
macro_rules! chapters {
    ([$($for_all:tt)+] $then:ident) => {
        $($for_all)+! { $then
            error_handling
            initialization
            version_management
            device_management
            primary_context_management
            context_management
            module_management
            library_management
            memory_management
            virtual_memory_management
            stream_ordered_memory_allocator
            multicast_object_management
            fabric_clique_information
            logical_endpoint
            fabric_copy
            unified_addressing
            stream_management
            event_management
            external_resource_interoperability
            stream_memory_operations
            execution_control
            graph_management
            occupancy
            texture_reference_management
            surface_reference_management
            texture_object_management
            surface_object_management
            tensor_map_object_management
            peer_context_memory_access
            graphics_interoperability
            driver_entry_point_access
            coredump_attributes_control
            green_contexts
            error_log_management
            cuda_checkpointing
            profiler_control
        }
    };
}

/// Hands every chapter of the table to the macro `$then`, one invocation a chapter.
#[macro_export]
macro_rules! for_each_chapter {
    ($then:ident) => {
        $crate::chapters! { [$crate::chapter_by_chapter] $then }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! chapter_by_chapter {
    ($then:ident $($chapter:ident)*) => { $($crate::$chapter! { $then })* };
}

macro_rules! list_of {
    ($then:ident $($chapter:ident)*) => { &[$(crate::$chapter! { $then }),*] };
}

macro_rules! answer_of {
    (ask) => {
        Answer::Ask
    };
    (tell) => {
        Answer::Tell
    };
    (here) => {
        Answer::Here
    };
    (hand) => {
        Answer::Hand
    };
    (deny) => {
        Answer::Deny
    };
}

macro_rules! optional {
    () => { None };
    ($($some:tt)+) => { Some(stringify!($($some)+)) };
}

macro_rules! rows {
    (chapter $chapter:literal; $(
        $(#[doc = $doc:literal])* #[since($since:literal)]
        $word:ident fn $name:ident $(| $alias:ident)? (
            $($arg:ident : $kind:ty $([$length:expr])? $(= $life:ident $(in $parent:ident)?)?),* $(,)?
        );
    )*) => {
        &[$(Row {
            chapter: $chapter,
            name: stringify!($name),
            since: $since,
            answer: answer_of!($word),
            per_thread: optional!($($alias)?),
            args: &[$(Arg {
                name: stringify!($arg),
                kind: stringify!($kind),
                length: optional!($($length)?),
                life: optional!($($life $(in $parent)?)?),
            }),*],
            doc: concat!($($doc),*),
        }),*]
    };
}

/// Every row, by chapter.
pub const CHAPTERS: &[&[Row]] = crate::chapters! { [list_of] rows };

/// Every row.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    CHAPTERS.iter().flat_map(|chapter| chapter.iter())
}

mod context_management;
mod coredump_attributes_control;
mod cuda_checkpointing;
mod device_management;
mod driver_entry_point_access;
mod error_handling;
mod error_log_management;
mod event_management;
mod execution_control;
mod external_resource_interoperability;
mod fabric_clique_information;
mod fabric_copy;
mod graph_management;
mod graphics_interoperability;
mod green_contexts;
mod initialization;
mod library_management;
mod logical_endpoint;
mod memory_management;
mod module_management;
mod multicast_object_management;
mod occupancy;
mod peer_context_memory_access;
mod primary_context_management;
mod profiler_control;
mod stream_management;
mod stream_memory_operations;
mod stream_ordered_memory_allocator;
mod surface_object_management;
mod surface_reference_management;
mod tensor_map_object_management;
mod texture_object_management;
mod texture_reference_management;
mod unified_addressing;
mod version_management;
mod virtual_memory_management;
