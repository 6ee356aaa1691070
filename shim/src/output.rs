//! What kernels print, written where the program writes: through C's stdout, so that it lies between the program's own lines.
#![allow(unsafe_code)] // C's stdout has no safe form, and Rust's has a buffer of its own.

unsafe extern "C" {
    static stdout: *mut libc::FILE;
}

pub fn print(bytes: &[u8]) {
    if !bytes.is_empty() {
        // SAFETY: `stdout` is C's own stream, which locks itself; the bytes are readable.
        unsafe { libc::fwrite(bytes.as_ptr().cast(), 1, bytes.len(), stdout) };
    }
}
