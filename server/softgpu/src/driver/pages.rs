//! Pages of the host, which are the device's memory too: reserved, mapped, given back. Not who owns them.
#![allow(unsafe_code)] // mmap and its kin. Every address comes from a reservation of ours; see each function.

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd};
use std::ptr;

use farwarp_face::*;

use crate::driver::edge::Result;

pub const PAGE_BYTES: u64 = 4096;

/// Where reservations are tried first: far from where Linux puts programs, libraries, heaps and stacks, so that the same
/// addresses are free in another process that wants to name this memory.
const FIRST_CHOICE: u64 = 0x2000_0000_0000;

/// Address space without memory behind it: readable and writable at once where `usable`, else not at all. At `wanted` if that is
/// not 0 and free, otherwise wherever there is room.
pub fn reserve(bytes: u64, wanted: u64, usable: bool) -> Result<u64> {
    let access = if usable { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_NONE };
    let hint = if wanted == 0 { FIRST_CHOICE } else { wanted };
    // SAFETY: without MAP_FIXED the kernel picks pages that nothing else uses; the hint is a wish.
    let at = unsafe {
        libc::mmap(
            ptr::without_provenance_mut(hint as usize),
            bytes as usize,
            access,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    if at == libc::MAP_FAILED { Err(CUDA_ERROR_OUT_OF_MEMORY) } else { Ok(at.expose_provenance() as u64) }
}

/// Ends a reservation of [`reserve`].
pub fn release(start: u64, bytes: u64) {
    // SAFETY: the caller owns these pages, and nothing runs that could still touch them (see `ranges::bury`).
    unsafe { libc::munmap(at(start), bytes as usize) };
}

/// A usable reservation whose memory is a file's, so that other processes can show it too.
pub fn reserve_shared(file: &File, bytes: u64) -> Result<u64> {
    let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_NORESERVE);
    let hint = ptr::without_provenance_mut(FIRST_CHOICE as usize);
    // SAFETY: as in `reserve`.
    let at = unsafe { libc::mmap(hint, bytes as usize, access, flags, file.as_raw_fd(), 0) };
    if at == libc::MAP_FAILED { Err(CUDA_ERROR_OUT_OF_MEMORY) } else { Ok(at.expose_provenance() as u64) }
}

/// Pages of a file of another process's, wherever there is room.
pub fn show_anywhere(file: &File, offset: u64, bytes: u64) -> Result<u64> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let offset = offset as libc::off_t;
    // SAFETY: without MAP_FIXED the kernel picks pages that nothing else uses.
    let at = unsafe {
        libc::mmap(ptr::null_mut(), bytes as usize, access, libc::MAP_SHARED, file.as_raw_fd(), offset)
    };
    if at == libc::MAP_FAILED { Err(CUDA_ERROR_MAP_FAILED) } else { Ok(at.expose_provenance() as u64) }
}

/// Gives the memory behind pages of a usable reservation back to the host; they read as zeros from now on.
pub fn discard(start: u64, bytes: u64) {
    // SAFETY: the caller owns these pages, and nothing runs that could still touch them (see `ranges::bury`).
    unsafe {
        // Pages of a file are taken out of it; those of none are not known to that word.
        if libc::madvise(at(start), bytes as usize, libc::MADV_REMOVE) != 0 {
            libc::madvise(at(start), bytes as usize, libc::MADV_DONTNEED);
        }
    };
}

/// Memory that can appear at several addresses and in several processes.
pub fn shareable(bytes: u64) -> Result<File> {
    // SAFETY: the name is a C string; the descriptor is owned by the File made below and by nothing else.
    let file = unsafe {
        let descriptor = libc::memfd_create(c"farwarp-softgpu".as_ptr(), libc::MFD_CLOEXEC);
        if descriptor < 0 {
            return Err(CUDA_ERROR_OUT_OF_MEMORY);
        }
        File::from_raw_fd(descriptor)
    };
    file.set_len(bytes).map_err(|_| CUDA_ERROR_OUT_OF_MEMORY)?;
    Ok(file)
}

/// A file of the program's, by a descriptor that stays the program's.
pub fn duplicate(descriptor: i32) -> Result<File> {
    // SAFETY: fcntl takes any number; the copy is owned by the File and by nothing else.
    let copy = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 0) };
    if copy < 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    // SAFETY: as above.
    Ok(unsafe { File::from_raw_fd(copy) })
}

/// Shows `file` at `start`, within a reservation of the caller's.
pub fn show(file: &File, start: u64, bytes: u64) -> Result {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_SHARED | libc::MAP_FIXED;
    // SAFETY: MAP_FIXED replaces only pages of the caller's reservation, in which nothing is shown.
    let shown = unsafe { libc::mmap(at(start), bytes as usize, access, flags, file.as_raw_fd(), 0) };
    if shown == libc::MAP_FAILED { Err(CUDA_ERROR_OUT_OF_MEMORY) } else { Ok(()) }
}

/// Takes back what [`show`] showed: the reservation is bare again.
pub fn hide(start: u64, bytes: u64) {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED;
    // SAFETY: these pages are of the caller's reservation, and nothing runs that could still touch them.
    unsafe { libc::mmap(at(start), bytes as usize, libc::PROT_NONE, flags, -1, 0) };
}

/// Whether the host has pages behind the whole range: garbage is told from memory before anything follows it.
pub fn exist(start: u64, bytes: u64) -> bool {
    let first = start / PAGE_BYTES * PAGE_BYTES;
    let Some(end) = start.checked_add(bytes).and_then(|end| end.checked_next_multiple_of(PAGE_BYTES)) else {
        return false;
    };
    // SAFETY: msync only looks whether the pages are mapped; MS_ASYNC starts nothing.
    unsafe { libc::msync(at(first), (end - first) as usize, libc::MS_ASYNC) == 0 }
}

/// Whether a file may be so long: one that is longer would end the process.
pub fn file_may_hold(bytes: u64) -> bool {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the struct is written.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &mut limit) } == 0;
    known && limit.rlim_cur >= bytes
}

/// The host's whole memory.
pub fn host_memory_bytes() -> u64 {
    // SAFETY: sysconf reads a number.
    let pages = unsafe { libc::sysconf(libc::_SC_PHYS_PAGES) };
    u64::try_from(pages).unwrap_or(0) * PAGE_BYTES
}

fn at(address: u64) -> *mut libc::c_void {
    ptr::with_exposed_provenance_mut(address as usize)
}
