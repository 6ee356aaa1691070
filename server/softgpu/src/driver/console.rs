//! What kernels print. It is kept until the program synchronises, and then goes where the program's own `printf` goes.
#![allow(unsafe_code)] // C's stdout: Rust's has another buffer, and lines would change their order.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::driver::ranges::lock;

/// CU_LIMIT_PRINTF_FIFO_SIZE, as other drivers begin.
pub const DEFAULT_BYTES: usize = 1 << 20;

pub struct Console {
    kept: Mutex<String>,
    /// As in CUDA, what does not fit is lost; but here the oldest stays.
    limit_bytes: AtomicUsize,
}

impl Console {
    pub fn new() -> Console {
        Console { kept: Mutex::default(), limit_bytes: AtomicUsize::new(DEFAULT_BYTES) }
    }

    pub fn set_limit(&self, bytes: usize) {
        self.limit_bytes.store(bytes, Ordering::Relaxed);
    }

    pub fn print(&self, piece: &str) {
        let mut kept = lock(&self.kept);
        if kept.len() + piece.len() <= self.limit_bytes.load(Ordering::Relaxed) {
            kept.push_str(piece);
        }
    }

    /// Hands over what was printed so far, in the calling thread.
    pub fn flush(&self) {
        let kept = std::mem::take(&mut *lock(&self.kept));
        if !kept.is_empty() {
            to_stdout(&kept);
        }
    }
}

fn to_stdout(text: &str) {
    unsafe extern "C" {
        static stdout: *mut libc::FILE;
    }
    // SAFETY: C's own stream, valid as long as the process; the bytes are ours.
    unsafe {
        libc::fwrite(text.as_ptr().cast(), 1, text.len(), stdout);
        libc::fflush(stdout);
    }
}
