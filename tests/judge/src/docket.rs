//! What was seen, in a file that a test made and maps nothing of: words of eight bytes, little-endian.
//!
//! ```text
//! the table's fingerprint · violations · bytes of the first one's text · 31 words of text · calls of each row of the table …
//! ```
#![allow(unsafe_code)] // maps the file.

use crate::behind;
use farwarp_protocol::{call, table};
use once_cell::sync::Lazy;
use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering};

const FILE: &str = "docket";
const FINGERPRINT: usize = 0;
const VIOLATIONS: usize = 1;
const TEXT_BYTES: usize = 2;
const TEXT: usize = 3;
const TEXT_WORDS: usize = 31;
const CALLS: usize = TEXT + TEXT_WORDS;

/// The words, or none where no test has made the file: then nothing is counted.
static WORDS: Lazy<Option<&'static [AtomicU64]>> = Lazy::new(map);

fn map() -> Option<&'static [AtomicU64]> {
    let count = CALLS + table::rows().count();
    let file = OpenOptions::new().read(true).write(true).open(behind::folder()?.join(FILE)).ok()?;
    if file.metadata().ok()?.len() < (count * size_of::<AtomicU64>()) as u64 {
        return None;
    }
    // SAFETY: a mapping of the whole file, as long as it is, which stays to the end of the process; atomics may be shared.
    let words = unsafe {
        let address = libc::mmap(
            std::ptr::null_mut(),
            count * size_of::<AtomicU64>(),
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        );
        if address == libc::MAP_FAILED {
            return None;
        }
        std::slice::from_raw_parts(address.cast::<AtomicU64>(), count)
    };
    words[FINGERPRINT].store(call::fingerprint(), Ordering::Relaxed);
    Some(words)
}

pub fn called(row: usize) {
    if let Some(words) = *WORDS {
        words[CALLS + row].fetch_add(1, Ordering::SeqCst);
    }
}

/// An argument that breaks the law; the first one's text is kept.
pub fn violated(text: &str) {
    let Some(words) = *WORDS else { return };
    if words[VIOLATIONS].fetch_add(1, Ordering::SeqCst) > 0 {
        return;
    }
    let bytes = &text.as_bytes()[..text.len().min(TEXT_WORDS * size_of::<u64>())];
    for (word, chunk) in words[TEXT..CALLS].iter().zip(bytes.chunks(size_of::<u64>())) {
        let mut whole = [0; size_of::<u64>()];
        whole[..chunk.len()].copy_from_slice(chunk);
        word.store(u64::from_le_bytes(whole), Ordering::SeqCst);
    }
    words[TEXT_BYTES].store(bytes.len() as u64, Ordering::SeqCst);
}
