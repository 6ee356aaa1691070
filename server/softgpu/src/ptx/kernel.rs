//! An entry with all that it calls, ready to run.

use super::PtxError;
use super::ir::{Function, Inst};
use super::lower::Lowering;
use super::program::Program;
use std::collections::HashMap;
use std::sync::Arc;

/// What a thread may use where the entry does not say.
const THREADS_PER_BLOCK_MAX: u32 = 1024;

pub struct Kernel {
    info: KernelInfo,
    /// The instructions of all functions, one after another.
    pub(super) code: Vec<Inst>,
    /// The entry is the first.
    pub(super) functions: Vec<Function>,
    /// By the program's number of a function, its place in `functions`.
    pub(super) by_number: HashMap<usize, u32>,
    pub(super) shared_bytes: u32,
    /// Where dynamic shared memory begins.
    pub(super) dynamic_shared: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelInfo {
    pub name: String,
    pub static_shared_bytes: u32,
    pub local_bytes: u32,
    /// An estimate: what the text declares, within what a GPU's compiler would allot.
    pub registers: u32,
    pub param_bytes: u32,
    pub max_threads_per_block: u32,
    pub required_threads: Option<[u32; 3]>,
    /// It, or something that it calls, allocates.
    pub uses_heap: bool,
}

impl Kernel {
    pub fn info(&self) -> &KernelInfo {
        &self.info
    }
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernel").field("info", &self.info).finish_non_exhaustive()
    }
}

/// Parses and decodes one entry and what it calls. `addresses` gives the device address of each variable of the module.
pub fn compile(
    program: &Arc<Program>,
    entry: &str,
    addresses: &dyn Fn(&str) -> Option<u64>,
) -> Result<Arc<Kernel>, PtxError> {
    let about = program.entry(entry).ok_or_else(|| PtxError::NoEntry(entry.to_owned()))?;
    let number = program.function_number(entry).ok_or_else(|| PtxError::NoEntry(entry.to_owned()))?;
    let mut lowering = Lowering::new(program, addresses);
    lowering.lower_all(number)?;
    let lowered = lowering.finish();
    let used = lowered.functions[0].registers - lowered.functions[0].constants.len() as u32;
    let info = KernelInfo {
        name: entry.to_owned(),
        static_shared_bytes: lowered.shared_bytes,
        local_bytes: lowered.functions[0].frame_bytes,
        registers: used.clamp(16, 255),
        param_bytes: about.param_bytes,
        max_threads_per_block: about.max_threads.unwrap_or(THREADS_PER_BLOCK_MAX).min(THREADS_PER_BLOCK_MAX),
        required_threads: about.required_threads,
        uses_heap: lowered.heap,
    };
    Ok(Arc::new(Kernel {
        info,
        code: lowered.code,
        functions: lowered.functions,
        by_number: lowered.by_number,
        shared_bytes: lowered.shared_bytes,
        dynamic_shared: lowered.dynamic_shared,
    }))
}
