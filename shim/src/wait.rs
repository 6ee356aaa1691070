//! Sleeping until a descriptor is ready: the three system calls that the connection's driver needs.
#![allow(unsafe_code)] // poll, eventfd, read and write of it: system calls without a safe form in what we link.

use std::os::fd::RawFd;
use std::time::Duration;

/// A descriptor that [`signal`] makes readable and [`drain`] unreadable again.
pub fn event_fd() -> std::io::Result<RawFd> {
    // SAFETY: takes two numbers and returns a descriptor that is ours.
    match unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) } {
        -1 => Err(std::io::Error::last_os_error()),
        fd => Ok(fd),
    }
}

pub fn signal(fd: RawFd) {
    let one = 1u64.to_ne_bytes();
    // SAFETY: `one` is eight readable bytes. A full counter is a signal too, so the result does not matter.
    unsafe { libc::write(fd, one.as_ptr().cast(), one.len()) };
}

/// Whether it was signalled since the last time.
pub fn drain(fd: RawFd) -> bool {
    let mut count = [0u8; 8];
    // SAFETY: `count` is eight writable bytes.
    unsafe { libc::read(fd, count.as_mut_ptr().cast(), count.len()) > 0 }
}

/// Sleeps until one of the descriptors is readable, the time is up, or a signal came.
pub fn poll(fds: &[RawFd], timeout: Duration) {
    let mut polled: Vec<libc::pollfd> =
        fds.iter().map(|fd| libc::pollfd { fd: *fd, events: libc::POLLIN, revents: 0 }).collect();
    let timeout = libc::timespec { tv_sec: timeout.as_secs() as _, tv_nsec: timeout.subsec_nanos() as _ };
    // SAFETY: `polled` is as long as is said; the time is read only; no signal mask is changed.
    unsafe { libc::ppoll(polled.as_mut_ptr(), polled.len() as _, &timeout, std::ptr::null()) };
}
