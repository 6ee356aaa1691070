//! Pools: device memory that is allocated and freed in stream order. A pool takes chunks from the arena and keeps them for the
//! next allocation; what it keeps beyond its threshold goes back when the program synchronises, as in CUDA.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use farwarp_face::*;

use crate::driver::arena::{self, Free};
use crate::driver::device::Device;
use crate::driver::edge::Result;
use crate::driver::handles::{Handle, Handles};
use crate::driver::job::{Action, Job};
use crate::driver::ranges::{self, Access, Kind, Range, lock};
use crate::driver::stream::Place;

pub static POOLS: Handles<Pool> = Handles::new();

/// Chunks are multiples of this, and lie at multiples of it: what else lies near never shares pages with a pool.
const CHUNK_BYTES: u64 = 2 << 20;
/// Belongs to no one, so that running over an allocation's end is noticed.
const GAP: u64 = 512;
/// When memory is short, frees that streams have not come to yet are waited for, so long at most: a stream may wait for the
/// thread that allocates.
const WAIT_FOR_FREES: Duration = Duration::from_secs(2);

pub struct Pool {
    pub handle: Handle,
    pub device: &'static Device,
    /// The most that it may reserve; 0 for no such limit.
    pub max_bytes: u64,
    pub access: Mutex<BTreeMap<i32, Access>>,
    state: Mutex<State>,
}

struct State {
    /// Length by address.
    chunks: BTreeMap<u64, u64>,
    free: Free,
    blocks: HashMap<u64, Block>,
    /// Frees that their streams have not come to, by stream: a later allocation there may have the memory at once.
    freed: HashMap<Handle, Vec<Freed>>,
    settings: Settings,
    reserved: Watermark,
    used: Watermark,
}

#[derive(Debug, Clone, Copy)]
struct Block {
    bytes: u64,
    /// Counts its allocations: an older free must not take a newer one away.
    generation: u64,
    is_freed: bool,
}

struct Freed {
    start: u64,
    bytes: u64,
    job: Arc<Job>,
}

/// What a program sets of a pool: the three ways of reuse, which are all allowed at first, and how much it keeps.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub reuse: [i32; 3],
    pub release_threshold: u64,
}

/// A sum, and the highest that it was.
#[derive(Debug, Clone, Copy, Default)]
pub struct Watermark {
    pub now: u64,
    pub high: u64,
}

impl Watermark {
    fn add(&mut self, bytes: u64) {
        self.now += bytes;
        self.high = self.high.max(self.now);
    }
}

impl Pool {
    pub fn create(device: &'static Device, max_bytes: u64) -> Arc<Pool> {
        ANY.store(true, Ordering::Release);
        POOLS.add(|handle| Pool {
            handle,
            device,
            max_bytes,
            access: Mutex::new(BTreeMap::from([(device.ordinal, Access::ReadWrite)])),
            state: Mutex::new(State {
                chunks: BTreeMap::new(),
                free: Free::none(),
                blocks: HashMap::new(),
                freed: HashMap::new(),
                settings: Settings { reuse: [1; 3], release_threshold: 0 },
                reserved: Watermark::default(),
                used: Watermark::default(),
            }),
        })
    }

    pub fn find(handle: Handle) -> Result<Arc<Pool>> {
        POOLS.get(handle).ok_or(CUDA_ERROR_INVALID_VALUE)
    }

    /// Memory for whatever the stream does from here on.
    pub fn allocate(self: &Arc<Pool>, place: &Place, bytes: u64) -> Result<u64> {
        if bytes == 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        // What happens in the legacy stream stands between what blocking streams have done and what they will do.
        if place.stream().is_none() {
            place.add(Vec::new(), Action::Nothing);
        }
        if let Some(start) = self.again(place.key(), bytes) {
            return Ok(start);
        }
        let deadline = Instant::now() + WAIT_FOR_FREES;
        loop {
            match self.take(bytes) {
                Err(CUDA_ERROR_OUT_OF_MEMORY) => {}
                taken => return taken,
            }
            let freed: Vec<Arc<Job>> =
                lock(&self.state).freed.values().flatten().map(|freed| freed.job.clone()).collect();
            if freed.is_empty() || !freed.iter().all(|job| job.ends_before(deadline)) {
                return Err(CUDA_ERROR_OUT_OF_MEMORY);
            }
        }
    }

    /// What the same stream freed before, if it is of this very size: it is done with it when it comes here.
    fn again(self: &Arc<Pool>, stream: Handle, bytes: u64) -> Option<u64> {
        let mut state = lock(&self.state);
        let freed = state.freed.get_mut(&stream)?;
        let at = freed.iter().position(|freed| freed.bytes == bytes)?;
        let start = freed.swap_remove(at).start;
        let block = state.blocks.get_mut(&start)?;
        block.generation += 1;
        block.is_freed = false;
        state.used.add(whole(bytes));
        ranges::replace(Range::new(
            start,
            bytes,
            Kind::Pooled { pool: self.clone() },
            self.device.ordinal,
            0,
        ));
        Some(start)
    }

    fn take(self: &Arc<Pool>, bytes: u64) -> Result<u64> {
        let wanted = whole(bytes).checked_add(GAP).ok_or(CUDA_ERROR_OUT_OF_MEMORY)?;
        let mut state = lock(&self.state);
        let start = match state.free.take(wanted, arena::ALIGNMENT) {
            Some(start) => start,
            None => {
                self.grow(&mut state, wanted)?;
                state.free.take(wanted, arena::ALIGNMENT).ok_or(CUDA_ERROR_OUT_OF_MEMORY)?
            }
        };
        let kind = Kind::Pooled { pool: self.clone() };
        ranges::add(Range::new(start, bytes, kind, self.device.ordinal, 0))?;
        state.blocks.insert(start, Block { bytes, generation: 0, is_freed: false });
        state.used.add(whole(bytes));
        Ok(start)
    }

    /// One more chunk.
    fn grow(&self, state: &mut State, wanted: u64) -> Result {
        let bytes = wanted.checked_next_multiple_of(CHUNK_BYTES).ok_or(CUDA_ERROR_OUT_OF_MEMORY)?;
        if self.max_bytes != 0 && state.reserved.now + bytes > self.max_bytes {
            return Err(CUDA_ERROR_OUT_OF_MEMORY);
        }
        if self.device.charge(bytes).is_err() {
            self.trim_state(state, 0);
            self.device.charge(bytes)?;
        }
        let start = arena::take(bytes, CHUNK_BYTES).inspect_err(|_| self.device.refund(bytes))?;
        state.chunks.insert(start, bytes);
        state.free.give_back(start, bytes);
        state.reserved.add(bytes);
        Ok(())
    }

    /// `cuMemFreeAsync`: the memory is free when the stream comes to this.
    fn free_in_order(self: &Arc<Pool>, place: &Place, start: u64) -> Result {
        let (bytes, generation) = {
            let mut state = lock(&self.state);
            let block = state.blocks.get_mut(&start).filter(|block| !block.is_freed);
            let block = block.ok_or(CUDA_ERROR_INVALID_VALUE)?;
            block.is_freed = true;
            let (bytes, generation) = (block.bytes, block.generation);
            state.used.now -= whole(bytes);
            (bytes, generation)
        };
        let pool = self.clone();
        let release = move || {
            pool.release(start, generation);
            Ok(())
        };
        let job = place.add(Vec::new(), Action::Copy(Box::new(release)));
        let mut state = lock(&self.state);
        // It may have happened already, and the memory may be another allocation's.
        if state.blocks.get(&start).is_some_and(|block| block.is_freed && block.generation == generation) {
            state.freed.entry(place.key()).or_default().push(Freed { start, bytes, job });
        }
        Ok(())
    }

    /// At once: the caller has waited.
    pub fn free_now(self: &Arc<Pool>, start: u64) -> Result {
        let generation = {
            let mut state = lock(&self.state);
            let block = state.blocks.get_mut(&start).filter(|block| !block.is_freed);
            let block = block.ok_or(CUDA_ERROR_INVALID_VALUE)?;
            block.is_freed = true;
            let (bytes, generation) = (block.bytes, block.generation);
            state.used.now -= whole(bytes);
            generation
        };
        self.release(start, generation);
        Ok(())
    }

    fn release(&self, start: u64, generation: u64) {
        let mut state = lock(&self.state);
        let block = state.blocks.get(&start).copied();
        let Some(block) = block.filter(|block| block.is_freed && block.generation == generation) else {
            return;
        };
        state.blocks.remove(&start);
        for freed in state.freed.values_mut() {
            freed.retain(|freed| freed.start != start);
        }
        state.freed.retain(|_, freed| !freed.is_empty());
        if let Some(range) = ranges::starting(start) {
            ranges::remove_exactly(&range);
        }
        state.free.give_back(start, whole(block.bytes) + GAP);
    }

    /// `cuMemPoolTrimTo`: gives unused chunks back until no more than so much is reserved.
    pub fn trim(&self, keep_bytes: u64) {
        self.trim_state(&mut lock(&self.state), keep_bytes);
    }

    fn trim_state(&self, state: &mut State, keep_bytes: u64) {
        let unused: Vec<(u64, u64)> = state
            .chunks
            .iter()
            .map(|(start, bytes)| (*start, *bytes))
            .filter(|(start, bytes)| state.free.holds(*start, *bytes))
            .collect();
        for (start, bytes) in unused {
            if state.reserved.now <= keep_bytes {
                return;
            }
            state.free.remove(start);
            state.chunks.remove(&start);
            state.reserved.now -= bytes;
            self.give_up(start, bytes);
        }
    }

    fn give_up(&self, start: u64, bytes: u64) {
        arena::give_back(start, bytes);
        self.device.refund(bytes);
    }

    pub fn settings(&self) -> Settings {
        lock(&self.state).settings
    }

    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut lock(&self.state).settings);
    }

    /// What is reserved, and what of it is used.
    pub fn sums(&self) -> (Watermark, Watermark) {
        let state = lock(&self.state);
        (state.reserved, state.used)
    }

    pub fn reset_high(&self, of_reserved: bool) {
        let mut state = lock(&self.state);
        let sum = if of_reserved { &mut state.reserved } else { &mut state.used };
        sum.high = sum.now;
    }
}

impl Drop for Pool {
    /// Nothing of it is allocated any more: every range holds its pool.
    fn drop(&mut self) {
        let chunks = std::mem::take(&mut lock(&self.state).chunks);
        chunks.into_iter().for_each(|(start, bytes)| self.give_up(start, bytes));
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Pool({:#x})", self.handle)
    }
}

/// `cuMemFreeAsync`, of whichever pool's memory it is.
pub fn free_in_order(place: &Place, address: u64) -> Result {
    let range = ranges::starting(address).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    let Kind::Pooled { pool } = &range.kind else { return Err(CUDA_ERROR_INVALID_VALUE) };
    pool.free_in_order(place, address)
}

/// A device's pools: the one that it began with, and the one that it allocates from.
struct OfDevice {
    default: Arc<Pool>,
    current: Arc<Pool>,
}

static OF_DEVICES: Mutex<BTreeMap<i32, OfDevice>> = Mutex::new(BTreeMap::new());
/// Whether there is any pool at all: programs without one pay nothing.
static ANY: AtomicBool = AtomicBool::new(false);

fn of_device<T>(device: &'static Device, with: impl FnOnce(&mut OfDevice) -> T) -> T {
    let mut all = lock(&OF_DEVICES);
    with(all.entry(device.ordinal).or_insert_with(|| {
        let default = Pool::create(device, 0);
        OfDevice { current: default.clone(), default }
    }))
}

pub fn default_of(device: &'static Device) -> Arc<Pool> {
    of_device(device, |pools| pools.default.clone())
}

pub fn current_of(device: &'static Device) -> Arc<Pool> {
    of_device(device, |pools| pools.current.clone())
}

pub fn set_current(device: &'static Device, pool: Arc<Pool>) -> Result {
    if pool.device.ordinal != device.ordinal {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    of_device(device, |pools| pools.current = pool);
    Ok(())
}

/// It goes when nothing of it is allocated any more. A device cannot lose the pool that it began with.
pub fn destroy(handle: Handle) -> Result {
    let pool = Pool::find(handle)?;
    of_device(pool.device, |pools| {
        if pools.default.handle == handle {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        if pools.current.handle == handle {
            pools.current = pools.default.clone();
        }
        Ok(())
    })?;
    POOLS.remove(handle);
    Ok(())
}

/// The program has synchronised: what pools keep beyond their thresholds goes back.
pub fn synchronized(device: &Device) {
    if ANY.load(Ordering::Acquire) {
        for pool in POOLS.all().iter().filter(|pool| pool.device.ordinal == device.ordinal) {
            pool.trim(pool.settings().release_threshold);
        }
    }
}

/// Puts memory on a device's account. Where it is short, all that pools keep and do not use goes back first.
pub fn charge(device: &Device, bytes: u64) -> Result {
    if device.charge(bytes).is_ok() {
        return Ok(());
    }
    POOLS.all().iter().filter(|pool| pool.device.ordinal == device.ordinal).for_each(|pool| pool.trim(0));
    device.charge(bytes)
}

fn whole(bytes: u64) -> u64 {
    bytes.checked_next_multiple_of(arena::ALIGNMENT).unwrap_or(u64::MAX)
}
