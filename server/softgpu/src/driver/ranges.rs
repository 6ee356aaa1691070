//! The book of live memory: what lies where, whose it is, and who may touch it. Kernels, copies and pointer questions are all
//! answered from here.
//!
//! Kernels remember ranges and touch them without asking again, so memory that died is given back to the host only when
//! everything that was running at its death has ended: it is *buried*, and [`Running`] marks say what still runs.
#![allow(unsafe_code)] // One promise to the engine: that what the book says is mapped is mapped.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use farwarp_face::*;
use once_cell::sync::Lazy;

use crate::driver::edge::Result;
use crate::driver::handles::Handle;
use crate::driver::pool::Pool;
use crate::driver::texture::{SURFACES, TEXTURES};
use crate::driver::vmm::Physical;
use crate::ptx::{MemRange, Memory, Surface, Texture};

/// A live range of memory that the driver knows.
#[derive(Debug)]
pub struct Range {
    pub start: u64,
    pub bytes: u64,
    pub kind: Kind,
    /// The device it belongs to; for host memory, that of the context that made it.
    pub device: i32,
    /// The context it dies with; 0 for mappings, which have none.
    pub context: Handle,
    /// Never used again, unlike the address: CU_POINTER_ATTRIBUTE_BUFFER_ID.
    pub id: u64,
    pub sync_memops: AtomicBool,
}

#[derive(Debug)]
pub enum Kind {
    /// `cuMemAlloc` and its kin.
    Device,
    /// Allocated by a graph, which frees it.
    OfGraph,
    /// An array's, which kernels reach through textures and surfaces only.
    Array,
    /// `cuIpcOpenMemHandle`: another process's, in pages of its file that begin there.
    Opened { pages: u64, pages_bytes: u64 },
    /// A variable of a module.
    Variable { managed: bool },
    /// `cuMemAllocManaged`.
    Managed,
    /// `cuMemAllocHost`, `cuMemHostAlloc`.
    Host { flags: u32 },
    /// `cuMemHostRegister`: the program's own memory.
    Registered { flags: u32 },
    /// `cuMemAllocAsync` and its kin: who may use it, the pool says.
    Pooled { pool: Arc<Pool> },
    /// `cuMemMap`. What each device may do: nothing until `cuMemSetAccess`.
    Mapped { physical: Arc<Physical>, access: Mutex<BTreeMap<i32, Access>> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    ReadWrite,
}

impl Range {
    pub fn new(start: u64, bytes: u64, kind: Kind, device: i32, context: Handle) -> Range {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Range { start, bytes, kind, device, context, id, sync_memops: AtomicBool::new(false) }
    }

    pub fn end(&self) -> u64 {
        self.start + self.bytes
    }

    pub fn is_host(&self) -> bool {
        matches!(self.kind, Kind::Host { .. } | Kind::Registered { .. })
    }

    pub fn is_managed(&self) -> bool {
        matches!(self.kind, Kind::Managed | Kind::Variable { managed: true })
    }

    /// What a kernel or copy of `viewer` may do here.
    fn access(&self, viewer: &Viewer) -> Option<Access> {
        match &self.kind {
            Kind::Device | Kind::OfGraph | Kind::Opened { .. } | Kind::Variable { managed: false } => {
                let near = self.device == viewer.device || lock(&viewer.peers).contains(&self.device);
                near.then_some(Access::ReadWrite)
            }
            Kind::Array => None,
            _ => self.access_of(viewer.device),
        }
    }

    /// The same for a device, without the rights between contexts.
    pub fn access_of(&self, device: i32) -> Option<Access> {
        match &self.kind {
            Kind::Device | Kind::OfGraph | Kind::Opened { .. } | Kind::Variable { managed: false } => {
                (self.device == device).then_some(Access::ReadWrite)
            }
            Kind::Mapped { access, .. } => lock(access).get(&device).copied(),
            Kind::Pooled { pool } => lock(&pool.access).get(&device).copied(),
            Kind::Registered { flags } if flags & READ_ONLY != 0 => Some(Access::Read),
            _ => Some(Access::ReadWrite),
        }
    }
}

/// CU_MEMHOSTREGISTER_READ_ONLY.
const READ_ONLY: u32 = 0x08;

/// Who looks: a context, with the devices whose memory it has been let into.
#[derive(Debug)]
pub struct Viewer {
    pub device: i32,
    pub peers: Mutex<Vec<i32>>,
}

// SAFETY: what a range names is mapped when it is added, and given back only by `bury`, after all grids that ran at its death;
// a grid holds a `Running` from before its first instruction to after its last (see `job`). Memory that the program
// registered is the program's promise.
unsafe impl Memory for Viewer {
    fn range(&self, address: u64) -> Option<MemRange> {
        let range = find(address)?;
        let access = range.access(self)?;
        Some(MemRange { start: range.start, end: range.end(), writable: access == Access::ReadWrite })
    }

    fn texture(&self, object: u64) -> Option<Arc<dyn Texture>> {
        Some(TEXTURES.get(object)?)
    }

    fn surface(&self, object: u64) -> Option<Arc<dyn Surface>> {
        Some(SURFACES.get(object)?)
    }

    fn generation(&self) -> &AtomicU64 {
        &GENERATION
    }
}

impl Viewer {
    /// Whether all of `[start, start + bytes)` can be touched so by this viewer. Neighbouring mappings count as one.
    pub fn reaches(&self, start: u64, bytes: u64, write: bool) -> bool {
        let Some(end) = start.checked_add(bytes) else { return false };
        let mut at = start;
        while at < end {
            match self.range(at) {
                Some(range) if range.writable || !write => at = range.end,
                _ => return false,
            }
        }
        true
    }
}

static GENERATION: AtomicU64 = AtomicU64::new(1);
static LIVE: Lazy<RwLock<BTreeMap<u64, Arc<Range>>>> = Lazy::new(RwLock::default);

/// Writes a range into the book. Ranges never overlap: what would is refused.
pub fn add(range: Range) -> Result<Arc<Range>> {
    let range = Arc::new(range);
    let mut live = LIVE.write().unwrap_or_else(PoisonError::into_inner);
    let before = live.range(..range.end()).next_back();
    if before.is_some_and(|(_, other)| other.end() > range.start) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    live.insert(range.start, range.clone());
    GENERATION.fetch_add(1, Ordering::Release);
    Ok(range)
}

/// Puts a range where one of the same addresses is: nobody finds nothing there in between.
pub fn replace(range: Range) {
    let mut live = LIVE.write().unwrap_or_else(PoisonError::into_inner);
    live.insert(range.start, Arc::new(range));
    GENERATION.fetch_add(1, Ordering::Release);
}

/// The range that holds `address`.
pub fn find(address: u64) -> Option<Arc<Range>> {
    let live = LIVE.read().unwrap_or_else(PoisonError::into_inner);
    let (_, range) = live.range(..=address).next_back()?;
    (address < range.end()).then(|| range.clone())
}

/// The range that begins at `address`.
pub fn starting(address: u64) -> Option<Arc<Range>> {
    LIVE.read().unwrap_or_else(PoisonError::into_inner).get(&address).cloned()
}

/// The ranges that touch `[start, start + bytes)`, in order.
pub fn within(start: u64, bytes: u64) -> Vec<Arc<Range>> {
    let live = LIVE.read().unwrap_or_else(PoisonError::into_inner);
    let first = live.range(..=start).next_back().filter(|(_, range)| range.end() > start).map(|(at, _)| *at);
    let end = start.saturating_add(bytes);
    live.range(first.unwrap_or(start)..end).map(|(_, range)| range.clone()).collect()
}

/// Whether live ranges cover all of `[start, start + bytes)`, whoever may touch them.
pub fn cover(start: u64, bytes: u64) -> bool {
    let Some(end) = start.checked_add(bytes) else { return false };
    let mut at = start;
    for range in within(start, bytes) {
        if range.start > at {
            return false;
        }
        at = range.end();
    }
    at >= end
}

/// Strikes a range out of the book, and nothing reaches it any more. False if someone has before; its address may
/// be another's by now.
pub fn remove_exactly(range: &Range) -> bool {
    let mut live = LIVE.write().unwrap_or_else(PoisonError::into_inner);
    let there = live.get(&range.start).is_some_and(|found| found.id == range.id);
    if there {
        live.remove(&range.start);
        GENERATION.fetch_add(1, Ordering::Release);
    }
    there
}

/// Strikes out all that dies with a context.
pub fn remove_of_context(context: Handle) -> Vec<Arc<Range>> {
    let mut live = LIVE.write().unwrap_or_else(PoisonError::into_inner);
    let gone: Vec<Arc<Range>> = live.values().filter(|range| range.context == context).cloned().collect();
    for range in &gone {
        live.remove(&range.start);
    }
    GENERATION.fetch_add(1, Ordering::Release);
    gone
}

/// Tells viewers that rights have changed.
pub fn rights_changed() {
    GENERATION.fetch_add(1, Ordering::Release);
}

/// While it lives, memory that dies stays mapped.
#[derive(Debug)]
pub struct Running {
    number: u64,
}

impl Running {
    pub fn begin() -> Running {
        let mut yard = lock(&YARD);
        yard.next += 1;
        let number = yard.next;
        yard.running.insert(number, ());
        Running { number }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let due = {
            let mut yard = lock(&YARD);
            yard.running.remove(&self.number);
            yard.due()
        };
        due.into_iter().for_each(|bury| bury());
    }
}

/// Runs `give_back` once everything that is running now has ended.
pub fn bury(give_back: impl FnOnce() + Send + 'static) {
    let due = {
        let mut yard = lock(&YARD);
        let after = yard.next;
        yard.graves.push((after, Box::new(give_back)));
        yard.due()
    };
    due.into_iter().for_each(|bury| bury());
}

type GiveBack = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Yard {
    next: u64,
    running: BTreeMap<u64, ()>,
    /// With the number of the youngest that ran at the death.
    graves: Vec<(u64, GiveBack)>,
}

impl Yard {
    fn due(&mut self) -> Vec<GiveBack> {
        let oldest = self.running.first_key_value().map_or(u64::MAX, |(number, ())| *number);
        let (due, later) =
            std::mem::take(&mut self.graves).into_iter().partition(|(after, _)| *after < oldest);
        self.graves = later;
        due.into_iter().map(|(_, give_back)| give_back).collect()
    }
}

static YARD: Lazy<Mutex<Yard>> = Lazy::new(Mutex::default);

/// What a panicking thread leaves is whole: no lock of this driver is held over anything that calls out.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
