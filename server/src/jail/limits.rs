//! What a worker may use of the machine, as far as the kernel counts it for a process by itself. Memory is counted by the gate.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A worker's descriptors: its sockets, its driver's devices, shared memory of the software GPU.
const FILES_MAX: u64 = 4096;
/// Its threads: waiters, the driver's own, the software GPU's. The kernel counts them by user and user namespace.
const THREADS_MAX: u64 = 1024;
/// One file of its own in memory: what kernels print, or one shared allocation of the software GPU.
const FILE_BYTES_MAX: u64 = 1 << 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub files: u64,
    pub threads: u64,
    pub file_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { files: FILES_MAX, threads: THREADS_MAX, file_bytes: FILE_BYTES_MAX }
    }
}

pub fn set(limits: &Limits, counted_alone: bool) -> Result<String, String> {
    // A core file would hold the client's data.
    let mut wanted = vec![
        ("core", Resource::Core, 0),
        ("files", Resource::Nofile, limits.files),
        ("file bytes", Resource::Fsize, limits.file_bytes),
    ];
    if counted_alone {
        wanted.push(("threads", Resource::Nproc, limits.threads));
    }
    let mut words = Vec::new();
    for (name, resource, most) in wanted {
        let most = most.min(getrlimit(resource).maximum.unwrap_or(u64::MAX));
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
            .map_err(|error| format!("{name}: {error}"))?;
        words.push(format!("{name} {most}"));
    }
    Ok(words.join(", "))
}
