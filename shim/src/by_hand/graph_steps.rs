//! Launching a graph that touches host memory: its steps one after the other in the stream, each by the code of the call that
//! does the same outside of graphs. Any order that the graph's edges allow is a right one.
#![allow(unsafe_code)]
// calls what is exported, which is unsafe by its kind.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]

use super::graph::as_launch;
use crate::exports;
use crate::state::Shim;
use crate::transfer::Transfer;
use farwarp_face::copies::{self, BoxCopy, Place};
use farwarp_protocol::boxes::{Block, Shape};
use farwarp_protocol::call::LAUNCH;
use farwarp_protocol::codec::encode;
use farwarp_protocol::error::{CUDA_ERROR_NOT_SUPPORTED, Code};
use farwarp_protocol::graph::{Copy, Fill, MemoryOperation, Plan, Side, Work};
use farwarp_protocol::handle::Id;
use std::sync::{Arc, Mutex};

pub struct Steps {
    context: Id,
    plan: Arc<Plan>,
    /// An event at the end of the last launch: launches of one executable graph follow each other, in whatever stream of whichever thread.
    /// Held while one is issued.
    last: Mutex<u64>,
}

/// `CU_EVENT_DISABLE_TIMING`.
const WITHOUT_TIMING: u32 = 2;

fn result(code: Code) -> Result<(), Code> {
    if code == 0 { Ok(()) } else { Err(code) }
}

impl Steps {
    /// Steps in several contexts, and conditional ones, cannot be told from here one by one.
    pub fn new(_shim: &Shim, context: Id, plan: Arc<Plan>) -> Result<Steps, Code> {
        let foreign = |work: &Work| match work {
            Work::Kernel(kernel) => kernel.context != context.0,
            Work::Copy(copy) => copy.context != context.0,
            Work::Fill(fill) => fill.context != context.0,
            Work::MemoryOperations(batch) => batch.context != context.0,
            Work::Conditional(_) => true,
            _ => false,
        };
        if plan.levels.iter().flatten().any(|step| foreign(&step.work)) {
            crate::state::note(
                "a graph that touches host memory can have neither several contexts nor conditional nodes",
            );
            return Err(CUDA_ERROR_NOT_SUPPORTED);
        }
        let mut event = 0;
        result(unsafe { exports::cuEventCreate(&mut event, WITHOUT_TIMING) })?;
        Ok(Steps { context, plan, last: Mutex::new(event) })
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        let last = self.last.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner());
        // One whose context is gone is gone with it.
        let _ = unsafe { exports::cuEventDestroy_v2(*last) };
    }
}

pub fn launch(shim: &Shim, context: Id, steps: &Steps, stream: u64) -> Result<(), Code> {
    if context != steps.context {
        crate::state::note("a graph that touches host memory is launched in its own context only");
        return Err(CUDA_ERROR_NOT_SUPPORTED);
    }
    let last = steps.last.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    // Nothing is waited for before the first launch, nor in the stream of the last one.
    result(unsafe { exports::cuStreamWaitEvent(stream, *last, 0) })?;
    let issue = Issue { shim, stream };
    for step in steps.plan.levels.iter().flatten().filter(|step| step.enabled) {
        issue.step(&step.work)?;
    }
    result(unsafe { exports::cuEventRecord(*last, stream) })
}

struct Issue<'a> {
    shim: &'a Shim,
    stream: u64,
}

impl Issue<'_> {
    fn step(&self, work: &Work) -> Result<(), Code> {
        let stream = self.stream;
        match work {
            Work::Empty | Work::Conditional(_) => Ok(()),
            Work::Kernel(kernel) => {
                let launch = as_launch(kernel, stream);
                self.shim.remote.tell(LAUNCH, &[&encode(&launch), &kernel.params])
            }
            Work::Copy(copy) => self.copy(copy),
            Work::Fill(fill) => self.fill(fill),
            Work::Host { function, data } => {
                let function = std::ptr::with_exposed_provenance(*function as usize);
                let data = std::ptr::with_exposed_provenance_mut(*data as usize);
                result(unsafe { exports::cuLaunchHostFunc(stream, function, data) })
            }
            Work::RecordEvent(event) => result(unsafe { exports::cuEventRecord(*event, stream) }),
            Work::WaitEvent(event) => result(unsafe { exports::cuStreamWaitEvent(stream, *event, 0) }),
            Work::MemoryOperations(batch) => {
                batch.operations.iter().try_for_each(|operation| self.operation(operation))
            }
        }
    }

    fn copy(&self, copy: &Copy) -> Result<(), Code> {
        let place = |side: &Side| Place::Memory {
            side: if side.host { copies::Side::Host } else { copies::Side::Device },
            block: Block { start: side.address, pitch: side.pitch, rows: side.rows },
        };
        let [width, height, depth] = copy.shape;
        let shape = Shape { width, height, depth };
        let copy = BoxCopy { to: place(&copy.to), from: place(&copy.from), shape };
        Transfer::of_graph(copy, self.stream)?.issue()
    }

    fn fill(&self, fill: &Fill) -> Result<(), Code> {
        let Fill { address, value, .. } = *fill;
        let (pitch, width, height) = (fill.pitch as usize, fill.width as usize, fill.height as usize);
        // One row has no pitch that would have to fit.
        let pitch = if height == 1 { width * fill.element_bytes as usize } else { pitch };
        result(unsafe {
            match fill.element_bytes {
                1 => exports::cuMemsetD2D8Async(address, pitch, value as u8, width, height, self.stream),
                2 => exports::cuMemsetD2D16Async(address, pitch, value as u16, width, height, self.stream),
                _ => exports::cuMemsetD2D32Async(address, pitch, value, width, height, self.stream),
            }
        })
    }

    fn operation(&self, operation: &MemoryOperation) -> Result<(), Code> {
        let MemoryOperation { operation, address, value, flags } = *operation;
        result(unsafe {
            match operation {
                1 => exports::cuStreamWaitValue32_v2(self.stream, address, value as u32, flags),
                2 => exports::cuStreamWriteValue32_v2(self.stream, address, value as u32, flags),
                4 => exports::cuStreamWaitValue64_v2(self.stream, address, value, flags),
                5 => exports::cuStreamWriteValue64_v2(self.stream, address, value, flags),
                // Each step of a stream sees all that was written before.
                _ => 0,
            }
        })
    }
}
