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

/// Hands every chapter of the table to the macro `$then`, one invocation a chapter.
#[macro_export]
macro_rules! for_each_chapter {
    ($then:ident) => {
        $crate::initialization! { $then }
        $crate::memory_management! { $then }
    };
}

macro_rules! answer_of {
    (ask) => { Answer::Ask };
    (tell) => { Answer::Tell };
    (here) => { Answer::Here };
    (hand) => { Answer::Hand };
    (deny) => { Answer::Deny };
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
pub const CHAPTERS: &[&[Row]] = &[
    crate::initialization! { rows },
    crate::memory_management! { rows },
];

/// Every row.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    CHAPTERS.iter().flat_map(|chapter| chapter.iter())
}

mod initialization;
mod memory_management;
