//! A session's executor between two buffers, in place of a gate, a connection and a process: what the abuse tests and the fuzzers
//! drive thousands of times a second. Records and rules are the worker's own; only hello and goodbye, which are about the process,
//! are not here.

use crate::executor::{self, Executor};
use crate::outlet::{Asker, Outlet};
use crate::port::Counters;
use crate::printed::Printed;
use crate::refusal::Refusal;
use crate::{serve, worker};
use anyhow::{Context, anyhow};
use farwarp_link::{Link, LinkError, LinkStats};
use farwarp_protocol::call::{CONTEXT_GONE, ContextGone, fingerprint};
use farwarp_protocol::codec::encode;
use farwarp_protocol::handle::Id;
use farwarp_protocol::session::SessionError;
use farwarp_protocol::snapshot::{Hello, Snapshot};
use rustix::fs::MemfdFlags;
use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

/// Why a session ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Refused(#[from] Refusal),
}

pub struct Rig {
    outlet: Arc<Outlet>,
    executor: Executor,
    wire: Wire,
}

/// Whether the server has a handler for this operation.
pub fn is_handled(op: u32) -> bool {
    serve::handler(op).is_some()
}

impl Rig {
    /// A session over the driver at `path`; its arena lies where the driver likes.
    pub fn open(path: &Path) -> anyhow::Result<(Rig, Snapshot)> {
        let outlet = Arc::new(Outlet::new()?);
        let nowhere =
            rustix::fs::memfd_create("rig", MemfdFlags::CLOEXEC).context("a file without a name")?;
        let printed = Arc::new(Printed::over(nowhere.into()));
        let counters = Arc::new(Counters::new(Instant::now()));
        let hello = Hello { table: fingerprint(), variables: Vec::new(), free_ranges: Vec::new() };
        let (executor, snapshot) = worker::open(path, &hello, &outlet, &printed, counters)
            .map_err(|(code, why)| anyhow!("{why} ({code})"))?;
        let mut rig = Rig { outlet, executor, wire: Wire::default() };
        rig.reconnect();
        Ok((rig, snapshot))
    }

    /// A new log over the same objects; nothing goes on over one that was broken.
    pub fn reconnect(&mut self) {
        self.wire = Wire::default();
        self.outlet.renew();
        self.outlet.connect(Box::new(self.wire.clone()));
    }

    /// Takes bytes of the client's and executes the calls that are whole with them.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.wire.lock().up.extend(bytes);
        // A wire of this kind is never lost.
        let _ = self.outlet.drive();
        let mut body = Vec::new();
        while let Some(header) = self.outlet.next_call(&mut body)? {
            let asker = executor::asker(&header)?;
            self.executor.execute(asker, header.op, &body)?;
        }
        Ok(())
    }

    /// Waits for what waits for the GPU.
    pub fn settle(&self) {
        while self.executor.waits() {
            std::thread::yield_now();
        }
    }

    /// What the session has sent since the last time.
    pub fn sent(&mut self) -> Vec<u8> {
        let _ = self.outlet.drive();
        self.wire.lock().down.drain(..).collect()
    }
}

/// What a worker leaves to the end of its process: here the driver lives on.
impl Drop for Rig {
    fn drop(&mut self) {
        let contexts: Vec<Id> = self.executor.contexts.keys().copied().collect();
        for context in contexts {
            let asker = Asker { number: 0, slot: 0, context, asked: false };
            // The context is alive, and what the driver says of its end concerns nobody.
            let _ = self.executor.execute(asker, CONTEXT_GONE, &encode(&ContextGone { context }));
        }
    }
}

/// Both ends of a connection that is memory.
#[derive(Clone, Default)]
struct Wire {
    buffers: Arc<Mutex<Buffers>>,
}

#[derive(Default)]
struct Buffers {
    up: VecDeque<u8>,
    down: VecDeque<u8>,
}

impl Wire {
    fn lock(&self) -> MutexGuard<'_, Buffers> {
        self.buffers.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Link for Wire {
    fn drive(&mut self, _: Instant) -> Result<(), LinkError> {
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, LinkError> {
        self.lock().down.extend(bytes);
        Ok(bytes.len())
    }

    fn read(&mut self, into: &mut [u8]) -> Result<usize, LinkError> {
        let up = &mut self.lock().up;
        let count = into.len().min(up.len());
        into.iter_mut().zip(up.drain(..count)).for_each(|(to, byte)| *to = byte);
        Ok(count)
    }

    fn poll_fds(&self, _: &mut Vec<RawFd>) {}

    fn timeout(&self) -> Option<Instant> {
        None
    }

    fn close(&mut self, _: u32, _: &str) {}

    fn stats(&self) -> LinkStats {
        LinkStats::default()
    }
}
