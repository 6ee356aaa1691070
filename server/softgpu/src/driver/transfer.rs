//! Moving bytes, and single words that others watch. Whether the bytes may be moved was decided before (see `copy`).
#![allow(unsafe_code)] // Raw addresses: the callers have them from the book of ranges or from the program.

use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::driver::memops::Width;

/// Copies as `memmove` does: the program may have named overlapping ranges.
pub fn copy(to: u64, from: u64, bytes: u64) {
    // SAFETY: both ranges are live device memory, or host memory that the program vouches for.
    unsafe { ptr::copy(source(from), target(to), bytes as usize) };
}

/// Bytes that were taken from the program earlier.
pub fn write(to: u64, bytes: &[u8]) {
    // SAFETY: live memory, and the slice is ours alone.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), target(to), bytes.len()) };
}

/// Repeats a value of 1, 2 or 4 bytes.
pub fn fill(to: u64, value: u32, width: u64, count: u64) {
    let value = value.to_le_bytes();
    // SAFETY: live device memory of `width * count` bytes, aligned to `width`.
    unsafe {
        match width {
            1 => ptr::write_bytes(target(to), value[0], count as usize),
            2 => fill_with(to, u16::from_le_bytes([value[0], value[1]]), count),
            _ => fill_with(to, u32::from_le_bytes(value), count),
        }
    }
}

/// # Safety
/// `to` is aligned live memory for `count` of them.
unsafe fn fill_with<T: Copy>(to: u64, value: T, count: u64) {
    let to = target(to).cast::<T>();
    for index in 0..count as usize {
        // SAFETY: within the range that the caller vouches for.
        unsafe { to.add(index).write(value) };
    }
}

/// Reads a word that kernels, the host and other streams may be writing.
pub fn load(address: u64, width: Width) -> u64 {
    let word = target(address);
    // SAFETY: live and aligned memory; everyone who shares it uses atomic or volatile access.
    unsafe {
        match width {
            Width::Four => AtomicU32::from_ptr(word.cast()).load(Ordering::Acquire).into(),
            Width::Eight => AtomicU64::from_ptr(word.cast()).load(Ordering::Acquire),
        }
    }
}

/// Writes such a word.
pub fn store(address: u64, value: u64, width: Width) {
    let word = target(address);
    // SAFETY: as in `load`.
    unsafe {
        match width {
            Width::Four => AtomicU32::from_ptr(word.cast()).store(value as u32, Ordering::Release),
            Width::Eight => AtomicU64::from_ptr(word.cast()).store(value, Ordering::Release),
        }
    }
}

fn source(address: u64) -> *const u8 {
    ptr::with_exposed_provenance(address as usize)
}

fn target(address: u64) -> *mut u8 {
    ptr::with_exposed_provenance_mut(address as usize)
}
