//! Which handles and addresses are alive, learnt from what the driver behind has answered. It is coarser than the server's own books
//! (a mapped slab is one range) and knows nothing of them: what it objects to, no driver can have been meant to see.
#![allow(unsafe_code)] // reads what the driver behind has just written.

use crate::docket;
use farwarp_protocol::table::{Arg, Row};
use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard};

/// The kinds of handle that are watched. Any other passes.
const HANDLES: [&str; 11] = [
    "Context",
    "Stream",
    "Event",
    "Module",
    "Function",
    "Library",
    "Kernel",
    "LinkState",
    "MemPool",
    "AllocationHandle",
    "GraphExec",
];
/// CUDA's streams that nobody made: NULL, legacy, per-thread.
const STREAMS_ALWAYS: u64 = 2;
/// Here an address is a place where memory will be, or was.
const ABOUT_PLACES: &str = "Virtual Memory Management";

/// One call: a row, its arguments as words, and what the row says of their lengths.
pub struct Call<'a> {
    pub row: &'static Row,
    pub words: &'a [u64],
    pub lengths: &'a [usize],
}

#[derive(Default)]
struct Live {
    handles: HashSet<(&'static str, u64)>,
    /// Begin and end.
    ranges: BTreeMap<u64, u64>,
}

static LIVE: Mutex<Option<Live>> = Mutex::new(None);

fn live<T>(then: impl FnOnce(&mut Live) -> T) -> T {
    let mut guard: MutexGuard<'_, Option<Live>> =
        LIVE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    then(guard.get_or_insert_default())
}

impl Call<'_> {
    fn args(&self) -> impl Iterator<Item = (&'static Arg, u64, usize)> {
        self.row
            .args
            .iter()
            .zip(self.words)
            .zip(self.lengths)
            .map(|((arg, word), length)| (arg, *word, *length))
    }

    /// Writes down every argument that is not alive.
    pub fn before(&self) {
        live(|live| {
            for (arg, word, length) in self.args() {
                if !live.allows(self.row, &kind(arg), word, length) {
                    docket::violated(&format!(
                        "{}({}: {} = {word:#x}, {length})",
                        self.row.name, arg.name, arg.kind
                    ));
                }
            }
        });
    }

    /// Learns from a call that succeeded.
    pub fn after(&self) {
        live(|live| {
            for (arg, word, length) in self.args() {
                if let Some(kind) = made(&kind(arg)) {
                    let count = if length == 0 { 1 } else { length as u64 };
                    live.handles.extend((0..count).map(|index| (kind, read(word + 8 * index))));
                }
                if arg.life == Some("gone") {
                    live.ranges.remove(&word);
                    live.handles.retain(|(_, handle)| *handle != word);
                }
            }
            live.learn_range(self);
        });
    }

    fn word(&self, name: &str) -> u64 {
        let at = self.row.args.iter().position(|arg| arg.name == name);
        at.map_or(0, |at| self.words[at])
    }
}

impl Live {
    fn allows(&self, row: &Row, kind: &str, word: u64, length: usize) -> bool {
        match kind {
            "DevPtr" if row.chapter != ABOUT_PLACES => {
                let end = word.checked_add(length as u64);
                let found = self.ranges.range(..=word).next_back();
                found.is_some_and(|(_, range_end)| end.is_some_and(|end| end <= *range_end))
            }
            "Stream" => word <= STREAMS_ALWAYS || self.handles.contains(&("Stream", word)),
            "Context" => word == 0 || self.handles.contains(&("Context", word)),
            "Launchable" => ["Function", "Kernel"].iter().any(|kind| self.handles.contains(&(kind, word))),
            kind if HANDLES.contains(&kind) => {
                self.handles.iter().any(|(of, handle)| *of == kind && *handle == word)
            }
            _ => true,
        }
    }

    /// The functions from which the server has memory.
    fn learn_range(&mut self, call: &Call<'_>) {
        let (start, bytes) = match call.row.name {
            "cuMemAlloc_v2" => (read(call.word("dptr")), call.word("bytesize")),
            "cuMemAllocFromPoolAsync" => (read(call.word("dptr")), call.word("bytesize")),
            "cuMemHostAlloc" => (read(call.word("pp")), call.word("bytesize")),
            "cuMemMap" => (call.word("ptr"), call.word("size")),
            "cuModuleGetGlobal_v2" | "cuLibraryGetGlobal" | "cuLibraryGetManaged" => {
                (read(call.word("dptr")), read(call.word("bytes")))
            }
            "cuMemUnmap" => {
                let start = call.word("ptr");
                let end = start.saturating_add(call.word("size"));
                self.ranges.retain(|at, _| !(start..end).contains(at));
                return;
            }
            _ => return,
        };
        self.ranges.insert(start, start.saturating_add(bytes));
    }
}

/// Compilers differ in how they space what they print of a row.
fn kind(arg: &Arg) -> String {
    arg.kind.chars().filter(|c| !c.is_whitespace()).collect()
}

/// The kind of handle that an argument of this kind hands out.
fn made(kind: &str) -> Option<&'static str> {
    let of = kind.strip_prefix("Out<")?.strip_suffix('>')?;
    HANDLES.into_iter().find(|handle| *handle == of)
}

/// A number that a function which succeeded has written; NULL is where the caller wanted none.
fn read(address: u64) -> u64 {
    if address == 0 {
        return 0;
    }
    // SAFETY: the driver behind has just written there.
    unsafe { (address as *const u64).read_unaligned() }
}
