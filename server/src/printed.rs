//! What kernels print. The driver writes it to this process's stdout, which is a file of our own; at every synchronising call
//! what is new in it goes back with the answer.
#![allow(unsafe_code)] // C's stdio and a descriptor taken over.

use std::fs::File;
use std::os::fd::FromRawFd;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;

/// More than that of one synchronising call's output stays for the next one.
const TAKE_BYTES_MAX: u64 = 60 << 10;

pub struct Printed {
    file: File,
    /// How much was taken; what follows is new.
    taken: Mutex<u64>,
}

impl Printed {
    /// Takes over stdout.
    pub fn capture() -> std::io::Result<Printed> {
        // SAFETY: makes a descriptor, which becomes the file's own, and gives a copy of it the number 1.
        let file = unsafe {
            let fd = libc::memfd_create(c"farwarp-stdout".as_ptr(), libc::MFD_CLOEXEC);
            if fd < 0 || libc::dup2(fd, libc::STDOUT_FILENO) < 0 {
                return Err(std::io::Error::last_os_error());
            }
            File::from_raw_fd(fd)
        };
        Ok(Printed::over(file))
    }

    /// What lies in a file, stdout or not.
    pub fn over(file: File) -> Printed {
        Printed { file, taken: Mutex::new(0) }
    }

    /// What was printed since the last time.
    pub fn take(&self) -> Vec<u8> {
        // SAFETY: flushes C's streams, which lock themselves.
        unsafe { libc::fflush(std::ptr::null_mut()) };
        let mut taken = self.taken.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let length = self.file.metadata().map_or(0, |metadata| metadata.len());
        let mut bytes = vec![0; length.saturating_sub(*taken).min(TAKE_BYTES_MAX) as usize];
        if bytes.is_empty() || self.file.read_exact_at(&mut bytes, *taken).is_err() {
            return Vec::new();
        }
        *taken += bytes.len() as u64;
        bytes
    }
}
