//! Memory of the client's that kernels see at the same address. Here it is device memory, mapped at that number; the client has
//! pages of its own there, and changes go to and fro as patches.
//!
//! Of each range there is a *twin*, what both sides agreed on last. What the device's bytes differ from it in, kernels have changed;
//! what the client has changed it says itself. Both go byte by byte, so neither takes back what the other did beside it. The copies
//! have a stream of their own in each context, which waits for nothing but other such copies.
#![allow(unsafe_code)] // calls the driver, and reads managed variables where they lie.

use crate::arena::make_at;
use crate::driver::{Access, Driver, LOCATION_DEVICE};
use crate::outlet::Outlet;
use crate::refusal::Refusal;
use crate::waiters::wait_for;
use farwarp_protocol::call::{NOTICE_PATCH, Range};
use farwarp_protocol::error::{CUDA_ERROR_MAP_FAILED, Code};
use farwarp_protocol::handle::Id;
use farwarp_protocol::limits::{PIECE_BYTES, SHARED_BYTES_MAX, SHARED_RANGES_MAX};
use farwarp_protocol::patch::{self, PAGE_BYTES, PAGE_PATCH_BYTES_MAX};
use std::collections::{BTreeMap, HashMap};
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// So much is looked at in one step when changes are brought to the client: the executor may have to wait for one.
const STEP_BYTES: usize = 512 << 10;
/// A patch of a step, which may begin and end inside pages, fits behind so many bytes.
const FLUSH_BYTES: usize = PIECE_BYTES - (STEP_BYTES / PAGE_BYTES + 1) * PAGE_PATCH_BYTES_MAX;
/// `CU_STREAM_NON_BLOCKING`, `CU_EVENT_DISABLE_TIMING`, `CU_MEMHOSTALLOC_PORTABLE` and `CU_MEM_ACCESS_FLAGS_PROT_READWRITE`.
const NON_BLOCKING: u32 = 1;
const WITHOUT_TIMING: u32 = 2;
const PORTABLE: u32 = 1;
const READ_WRITE: u32 = 3;

pub struct Shared {
    state: Mutex<State>,
    /// Held while changes are brought to the client, so that later ones never overtake earlier ones.
    bringing: Mutex<()>,
    /// Whether there is anything here.
    any: AtomicBool,
    outlet: Arc<Outlet>,
}

pub struct State {
    driver: &'static Driver,
    devices: usize,
    granule: u64,
    /// Reserved already.
    arena: Option<Range>,
    twins: BTreeMap<u64, Twin>,
    bytes: u64,
    /// Physical memory under the ranges: what lies side by side may share a granule.
    blocks: BTreeMap<u64, Block>,
    /// By the driver's context.
    lanes: HashMap<u64, Lane>,
    /// Managed variables that were found, and what they go with.
    managed: HashMap<u64, (Range, Id)>,
    activity: Activity,
}

/// One range, and what both sides agreed on last.
struct Twin {
    range: Range,
    bytes: Box<[u8]>,
    /// A context, or the module or library of a variable.
    parent: Id,
    /// The driver's context in which copies are made; 0 for a variable of which none was made yet.
    context: u64,
    is_variable: bool,
}

struct Block {
    range: Range,
    handle: u64,
    uses: u32,
    /// The address space was reserved for this block.
    reserved: bool,
}

/// A context's own way for such copies.
#[derive(Clone, Copy)]
pub struct Lane {
    pub stream: u64,
    /// Pinned: [`STEP_BYTES`].
    buffer: *mut u8,
}

// SAFETY: stream and memory are the driver's, whose functions any thread may call; only the holder of the state's lock uses the memory.
unsafe impl Send for Lane {}

/// Work that may change what is shared: how much was issued, and how much of it is known to be over and brought.
#[derive(Debug, Default)]
struct Activity {
    issued: u64,
    over: u64,
    place: Place,
}

/// Where the work is that is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Place {
    #[default]
    Nowhere,
    /// The driver's context and stream.
    Stream(u64, u64),
    Context(u64),
    Anywhere,
}

/// What a wait that begins now will know when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    issued: u64,
    /// All work that was issued is over then.
    whole: bool,
}

impl Activity {
    fn issue(&mut self, place: Place) {
        self.place = if self.issued == self.over { place } else { self.place.and(place) };
        self.issued += 1;
    }

    /// For a wait for all in `place`; nothing if there is no news.
    fn ticket(&self, place: Place) -> Option<Ticket> {
        let whole = self.place.and(place) == place;
        (self.issued > self.over).then_some(Ticket { issued: self.issued, whole })
    }

    fn brought(&mut self, ticket: Ticket) {
        if ticket.whole {
            self.over = self.over.max(ticket.issued);
        }
    }

    fn is_quiet(&self) -> bool {
        self.issued == self.over
    }
}

impl Place {
    /// The least place that both lie in.
    fn and(self, other: Place) -> Place {
        use Place::*;
        match (self, other) {
            (Nowhere, place) | (place, Nowhere) => place,
            (one, two) if one == two => one,
            (Stream(one, _) | Context(one), Stream(two, _) | Context(two)) if one == two => Context(one),
            _ => Anywhere,
        }
    }
}

impl Shared {
    pub fn new(
        driver: &'static Driver,
        granules: &[u64],
        arena: Option<Range>,
        outlet: Arc<Outlet>,
    ) -> Shared {
        let state = State {
            driver,
            devices: granules.len(),
            granule: granules.iter().copied().max().unwrap_or(0),
            arena,
            twins: BTreeMap::new(),
            bytes: 0,
            blocks: BTreeMap::new(),
            lanes: HashMap::new(),
            managed: HashMap::new(),
            activity: Activity::default(),
        };
        Shared { state: Mutex::new(state), bringing: Mutex::default(), any: AtomicBool::new(false), outlet }
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Whether anything was ever shared: who shares nothing pays nothing.
    pub fn is_used(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    pub fn used(&self) {
        self.any.store(true, Ordering::Release);
    }

    /// Work was issued that may change what is shared.
    pub fn works(&self, place: Place) {
        if self.is_used() {
            self.lock().activity.issue(place);
        }
    }

    /// Something was told to write there.
    pub fn writes(&self, address: u64, place: Place) {
        if self.is_used() {
            let mut state = self.lock();
            if state.find(address).is_some() {
                state.activity.issue(place);
            }
        }
    }

    pub fn ticket(&self, place: Place) -> Option<Ticket> {
        if self.is_used() { self.lock().activity.ticket(place) } else { None }
    }

    /// Sends the client what the GPU has changed. On a thread that may wait, and that has no current context to keep.
    pub fn bring(&self, ticket: Option<Ticket>) {
        let Some(ticket) = ticket else { return };
        let _turn = self.bringing.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (mut patch, mut at) = (Vec::new(), 0);
        while let Some(next) = self.lock().bring_step(at, &mut patch) {
            at = next;
            if patch.len() > FLUSH_BYTES {
                self.outlet.notice(NOTICE_PATCH, &patch);
                patch.clear();
            }
        }
        if !patch.is_empty() {
            self.outlet.notice(NOTICE_PATCH, &patch);
        }
        self.lock().activity.brought(ticket);
    }

    /// Shares a managed variable that was found, and sends the client its bytes.
    pub fn adopt(&self, address: u64) -> Result<(), Refusal> {
        let mut state = self.lock();
        let (range, parent) =
            *state.managed.get(&address).ok_or(Refusal::OutOfRange { address, bytes: 0 })?;
        if state.twins.contains_key(&address) {
            return Ok(());
        }
        state.check_room(range)?;
        // SAFETY: the driver says that it is managed memory, which the host may read as well as the GPU.
        let bytes = unsafe { std::slice::from_raw_parts(address as *const u8, range.bytes as usize) };
        let twin = Twin { range, bytes: bytes.into(), parent, context: 0, is_variable: true };
        // Nobody brings it before it is in the books, so nothing overtakes this.
        for step in twin.bytes.chunks(STEP_BYTES).zip((address..).step_by(STEP_BYTES)) {
            let mut patch = Vec::new();
            for (at, page) in pages(step.1, step.0) {
                patch::append(&mut patch, at, &[0; PAGE_BYTES][..page.len()], page);
            }
            if !patch.is_empty() {
                self.outlet.notice(NOTICE_PATCH, &patch);
            }
        }
        state.add(twin);
        self.used();
        Ok(())
    }
}

impl State {
    pub fn find(&self, address: u64) -> Option<Range> {
        let (_, twin) = self.twins.range(..=address).next_back()?;
        twin.range.contains(address).then_some(twin.range)
    }

    /// Whether a client may share so much more.
    pub fn check_room(&self, range: Range) -> Result<(), Refusal> {
        let bytes = self.bytes.saturating_add(range.bytes);
        if bytes > SHARED_BYTES_MAX {
            return Err(Refusal::TooMuch {
                what: "bytes that are shared",
                got: bytes,
                max: SHARED_BYTES_MAX,
            });
        }
        if self.twins.len() >= SHARED_RANGES_MAX {
            let (got, max) = (self.twins.len() as u64 + 1, SHARED_RANGES_MAX as u64);
            return Err(Refusal::TooMuch { what: "ranges that are shared", got, max });
        }
        Ok(())
    }

    pub fn found_managed(&mut self, range: Range, parent: Id) {
        self.managed.insert(range.address, (range, parent));
    }

    /// Backs a range with device memory, all zeros. Its context is current.
    pub fn share(&mut self, range: Range, parent: Id, context: u64, device: i32) -> Result<Lane, Code> {
        let lane = self.lane(context)?;
        self.back(range, device)?;
        let twin =
            Twin { range, bytes: vec![0; range.bytes as usize].into(), parent, context, is_variable: false };
        // SAFETY: the range was just backed.
        let cleared =
            unsafe { self.driver.cuMemsetD8Async(range.address, 0, range.bytes as usize, lane.stream) };
        if let Err(code) = cleared {
            self.release(range);
            return Err(code);
        }
        self.add(twin);
        Ok(lane)
    }

    fn add(&mut self, twin: Twin) {
        self.bytes += twin.range.bytes;
        self.twins.insert(twin.range.address, twin);
    }

    /// Takes a range out of the books, when nothing uses it any more.
    pub fn unshare(&mut self, address: u64) {
        let Some(twin) = self.twins.remove(&address) else { return };
        self.bytes -= twin.range.bytes;
        if !twin.is_variable {
            self.release(twin.range);
        }
    }

    /// The context, library or module is gone, and nothing of it runs.
    pub fn gone(&mut self, context: Option<u64>, lives: impl Fn(Id) -> bool) {
        let gone: Vec<u64> =
            self.twins.values().filter(|twin| !lives(twin.parent)).map(|twin| twin.range.address).collect();
        gone.into_iter().for_each(|address| self.unshare(address));
        self.managed.retain(|_, (_, parent)| lives(*parent));
        if let Some(context) = context {
            self.lanes.remove(&context);
            // What is left there are variables of libraries.
            let left = self.twins.values_mut().filter(|twin| twin.context == context);
            left.for_each(|twin| twin.context = 0);
        }
    }

    /// The lane of a context, which is current.
    pub fn lane(&mut self, context: u64) -> Result<Lane, Code> {
        if let Some(lane) = self.lanes.get(&context) {
            return Ok(*lane);
        }
        let (mut stream, mut buffer) = (0, std::ptr::null_mut());
        // SAFETY: both are writable. They go with the context.
        unsafe {
            self.driver.cuStreamCreate(&mut stream, NON_BLOCKING)?;
            self.driver.cuMemHostAlloc(&mut buffer, STEP_BYTES, PORTABLE)?;
        }
        let lane = Lane { stream, buffer: buffer.cast() };
        self.lanes.insert(context, lane);
        Ok(lane)
    }

    /// The lane that a context has, if it has one.
    pub fn lane_of(&self, context: u64) -> Option<u64> {
        self.lanes.get(&context).map(|lane| lane.stream)
    }

    /// Physical memory under all of a range.
    fn back(&mut self, range: Range, device: i32) -> Result<(), Code> {
        let whole = self.granules(range).ok_or(CUDA_ERROR_MAP_FAILED)?;
        let mut at = whole.address;
        while at < whole.end() {
            let over = self.blocks.range(..=at).next_back().map(|(start, block)| (*start, block.range.end()));
            if let Some((start, end)) = over.filter(|(_, end)| *end > at) {
                self.blocks.get_mut(&start).into_iter().for_each(|block| block.uses += 1);
                at = end;
                continue;
            }
            let next = self.blocks.range(at..).next().map_or(u64::MAX, |(start, _)| *start);
            let gap = Range { address: at, bytes: next.min(whole.end()) - at };
            match self.block(gap, device) {
                Ok(block) => drop(self.blocks.insert(at, block)),
                Err(code) => {
                    self.release(Range { address: whole.address, bytes: at - whole.address });
                    return Err(code);
                }
            }
            at = gap.end();
        }
        Ok(())
    }

    fn block(&self, range: Range, device: i32) -> Result<Block, Code> {
        let reserved = !self.arena.is_some_and(|arena| arena.encloses(range));
        if reserved && !crate::arena::reserve_at(self.driver, range) {
            return Err(CUDA_ERROR_MAP_FAILED);
        }
        let bytes = range.bytes as usize;
        let handle = make_at(self.driver, range, device, &[], false).inspect_err(|_| {
            if reserved {
                // SAFETY: reserved just now, and nothing is mapped there.
                let _ = unsafe { self.driver.cuMemAddressFree(range.address, bytes) };
            }
        })?;
        for other in (0..self.devices as i32).filter(|other| *other != device) {
            let access = Access { location_kind: LOCATION_DEVICE, location: other, flags: READ_WRITE };
            // SAFETY: the range was mapped in one piece. A device that cannot reach the other's memory does without.
            let _ = unsafe { self.driver.cuMemSetAccess(range.address, bytes, &access, 1) };
        }
        Ok(Block { range, handle, uses: 1, reserved })
    }

    /// Lets go of the physical memory under a range that was backed.
    fn release(&mut self, range: Range) {
        let Some(whole) = self.granules(range) else { return };
        let starts: Vec<u64> = self
            .blocks
            .values()
            .filter(|block| block.range.address < whole.end() && whole.address < block.range.end())
            .map(|block| block.range.address)
            .collect();
        for start in starts {
            let Some(block) = self.blocks.get_mut(&start) else { continue };
            block.uses -= 1;
            if block.uses > 0 {
                continue;
            }
            let Some(Block { range, handle, reserved, .. }) = self.blocks.remove(&start) else { continue };
            let bytes = range.bytes as usize;
            // SAFETY: mapped in one piece by `block`, and no range uses it any more.
            unsafe {
                let _ = self.driver.cuMemUnmap(range.address, bytes);
                let _ = self.driver.cuMemRelease(handle);
                if reserved {
                    let _ = self.driver.cuMemAddressFree(range.address, bytes);
                }
            }
        }
    }

    fn granules(&self, range: Range) -> Option<Range> {
        let granule = self.granule;
        let address = range.address.checked_div(granule)? * granule;
        let end = range.end().checked_next_multiple_of(granule)?;
        Some(Range { address, bytes: end - address })
    }

    /// Appends what the GPU has changed from `at` on, for one step; where the next one begins.
    fn bring_step(&mut self, at: u64, patch: &mut Vec<u8>) -> Option<u64> {
        let inside = self.find(at).map_or(at, |range| range.address);
        let any_lane = self.lanes.iter().next().map(|(context, lane)| (*context, *lane));
        let (_, twin) = self.twins.range_mut(inside..).next()?;
        let start = at.max(twin.range.address);
        let end = twin.range.end().min((start / STEP_BYTES as u64 + 1) * STEP_BYTES as u64);
        if twin.context == 0 {
            // From now on always there: copies in one stream do not overtake each other.
            let Some((context, _)) = any_lane else { return Some(end) };
            twin.context = context;
        }
        let context = twin.context;
        let Some(lane) = self.lanes.get(&context).copied() else { return Some(end) };
        let bytes = (end - start) as usize;
        if read(self.driver, context, lane, start, bytes).is_err() {
            // The context has met an error, which whoever waits hears of.
            return Some(end);
        }
        // SAFETY: so many bytes were just written there; whoever holds the lock uses the buffer alone.
        let now = unsafe { std::slice::from_raw_parts(lane.buffer, bytes) };
        let before = &mut twin.bytes[(start - twin.range.address) as usize..][..bytes];
        for (address, page) in pages(start, now) {
            let place = (address - start) as usize;
            patch::append(patch, address, &before[place..place + page.len()], page);
        }
        before.copy_from_slice(now);
        Some(end)
    }

    /// Takes what the client has changed into the twins, all or nothing; what is to be copied to the device now, with the context of
    /// each, which is `context` for what has none. Between two changes what the device has is what the twin has, if nothing runs: so they go in one copy.
    pub fn take(&mut self, patch: &[u8], context: u64) -> Result<Vec<(u64, Range)>, Refusal> {
        patch::for_each(patch, |address, bytes| {
            let run = Range { address, bytes: bytes.len() as u64 };
            let inside = self.find(address).is_some_and(|range| range.encloses(run));
            if inside { Ok(()) } else { Err(Refusal::OutOfRange { address, bytes: run.bytes }) }
        })?;
        let joins = if self.activity.is_quiet() { PAGE_BYTES as u64 } else { 0 };
        let mut runs: Vec<(u64, Range)> = Vec::new();
        let mut whole = Range { address: 0, bytes: 0 };
        patch::for_each::<Refusal>(patch, |address, bytes| {
            let Some((_, twin)) = self.twins.range_mut(..=address).next_back() else { return Ok(()) };
            if twin.context == 0 {
                twin.context = context;
            }
            twin.bytes[(address - twin.range.address) as usize..][..bytes.len()].copy_from_slice(bytes);
            let end = address + bytes.len() as u64;
            match runs.last_mut() {
                Some((_, last))
                    if whole == twin.range && last.end() <= address && address - last.end() <= joins =>
                {
                    last.bytes = end - last.address;
                }
                _ => runs.push((twin.context, Range { address, bytes: bytes.len() as u64 })),
            }
            whole = twin.range;
            Ok(())
        })?;
        Ok(runs)
    }

    /// The agreed bytes of part of a range.
    pub fn twin(&self, part: Range) -> &[u8] {
        let found = self.twins.range(..=part.address).next_back();
        found.map_or(&[], |(_, twin)| {
            &twin.bytes[(part.address - twin.range.address) as usize..][..part.bytes as usize]
        })
    }
}

/// Reads device memory into the lane's buffer, and waits for that.
fn read(driver: &Driver, context: u64, lane: Lane, address: u64, bytes: usize) -> Result<(), Code> {
    let mut event = 0;
    // SAFETY: the range is live while the caller holds the lock; the buffer is as large as a step.
    unsafe {
        driver.cuCtxSetCurrent(context)?;
        driver.cuMemcpyDtoHAsync_v2(lane.buffer.cast::<c_void>(), address, bytes, lane.stream)?;
        driver.cuEventCreate(&mut event, WITHOUT_TIMING)?;
        if let Err(code) = driver.cuEventRecord(event, lane.stream) {
            let _ = driver.cuEventDestroy_v2(event);
            return Err(code);
        }
    }
    match wait_for(driver, context, &[event]) {
        0 => Ok(()),
        code => Err(code),
    }
}

/// Bytes that begin at `address`, cut where pages begin.
fn pages(address: u64, bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
        let start = address + at as u64;
        let count = rest.len().min(PAGE_BYTES - start as usize % PAGE_BYTES);
        at += count;
        Some((start, &rest[..count]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_is_known_by_waits_that_cover_it() {
        let mut activity = Activity::default();
        assert_eq!(activity.ticket(Place::Anywhere), None);
        activity.issue(Place::Stream(1, 5));
        let other = activity.ticket(Place::Stream(1, 6)).unwrap();
        activity.brought(other);
        assert!(!activity.is_quiet());
        let own = activity.ticket(Place::Stream(1, 5)).unwrap();
        activity.issue(Place::Stream(1, 6));
        activity.brought(own);
        assert!(!activity.is_quiet(), "one was issued after the wait had begun");
        let one_of_two = activity.ticket(Place::Stream(1, 6)).unwrap();
        activity.brought(one_of_two);
        assert!(!activity.is_quiet());
        let all = activity.ticket(Place::Context(1)).unwrap();
        activity.brought(all);
        assert!(activity.is_quiet());
    }

    #[test]
    fn bytes_are_cut_where_pages_begin() {
        let bytes = vec![7; 2 * PAGE_BYTES];
        let cut: Vec<(u64, usize)> = pages(0x1ff0, &bytes).map(|(at, page)| (at, page.len())).collect();
        assert_eq!(cut, [(0x1ff0, 16), (0x2000, PAGE_BYTES), (0x3000, PAGE_BYTES - 16)]);
    }
}
