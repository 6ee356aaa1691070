//! Streams, and the rules by which their work is ordered: within a stream, between the legacy default stream and all
//! blocking ones, and behind events. The rules only decide whom a new job follows; see `job`.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use farwarp_face::*;

use crate::driver::context::{self, Context};
use crate::driver::crew;
use crate::driver::current::current;
use crate::driver::edge::{DefaultStream, Result, default_stream};
use crate::driver::handles::{Handle, Handles};
use crate::driver::job::{Action, Job};
use crate::driver::machine::machine;
use crate::driver::pool;
use crate::driver::ranges::{Running, lock};

pub static STREAMS: Handles<Stream> = Handles::new();

/// CU_STREAM_NON_BLOCKING.
pub const NON_BLOCKING: u32 = 1;

/// The numbers that name no stream object.
const NULL: Handle = 0;
pub const LEGACY: Handle = 1;
const PER_THREAD: Handle = 2;

#[derive(Debug)]
pub struct Stream {
    pub handle: Handle,
    pub id: u64,
    pub context: Handle,
    pub flags: u32,
    pub attributes: Mutex<Attributes>,
}

/// `CUstreamAttrValue`: a union of 64 bytes.
pub type AttributeValue = [u32; 16];
pub type Attributes = HashMap<u32, AttributeValue>;

/// Where work goes.
#[derive(Clone)]
pub enum Line {
    /// The legacy default stream: before and behind every blocking stream of its context.
    Legacy,
    Own(Arc<Stream>),
}

/// A line and the context it is of.
pub struct Place {
    pub context: Arc<Context>,
    pub line: Line,
}

/// Who was last, in every line of a context.
#[derive(Default)]
pub struct Order {
    legacy: Option<Arc<Job>>,
    /// What all later work must wait for.
    barrier: Option<Arc<Job>>,
    streams: HashMap<Handle, Last>,
    /// How many lines there may be before those that have ended are forgotten.
    enough: usize,
}

/// Looking through so few costs nothing.
const LINES_KEPT: usize = 64;

struct Last {
    job: Arc<Job>,
    blocking: bool,
}

impl Stream {
    pub fn create(context: &Context, flags: u32) -> Arc<Stream> {
        let context = context.handle;
        STREAMS.add(|handle| Stream { handle, id: next_id(), context, flags, attributes: Mutex::default() })
    }

    pub fn is_blocking(&self) -> bool {
        self.flags & NON_BLOCKING == 0
    }
}

/// What a stream argument means: a handle, or the default stream of the caller's kind.
pub fn resolve(handle: Handle) -> Result<Place> {
    let per_thread = match handle {
        NULL => default_stream() == DefaultStream::PerThread,
        LEGACY => false,
        PER_THREAD => true,
        handle => return resolve_object(handle),
    };
    let context = current()?;
    let line = if per_thread { Line::Own(of_this_thread(&context)) } else { Line::Legacy };
    Ok(Place { context, line })
}

fn resolve_object(handle: Handle) -> Result<Place> {
    machine()?;
    if crew::is_host_function() {
        return Err(CUDA_ERROR_NOT_PERMITTED);
    }
    let stream = STREAMS.get(handle).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
    let context = context::find(stream.context)?;
    context.standing()?;
    Ok(Place { context, line: Line::Own(stream) })
}

impl Place {
    /// Adds a job behind all that this line must wait for, and behind `also`.
    pub fn add(&self, also: Vec<Arc<Job>>, action: Action) -> Arc<Job> {
        self.context.wait_for_room();
        let mut order = lock(&self.context.order);
        let mut ahead = also;
        ahead.extend(order.last_of(&self.line));
        let job = Job::place(&self.context, &ahead, action);
        order.set_last(&self.line, job.clone());
        job
    }

    /// Adds several jobs that stand in the line as one. `place_all` places them behind what it is given and says which ends last.
    pub fn add_group(
        &self,
        also: Vec<Arc<Job>>,
        place_all: impl FnOnce(Vec<Arc<Job>>) -> Arc<Job>,
    ) -> Arc<Job> {
        let mut order = lock(&self.context.order);
        let mut ahead = also;
        ahead.extend(order.last_of(&self.line));
        let job = place_all(ahead);
        order.set_last(&self.line, job.clone());
        job
    }

    /// Waits for the turn of the line, does `body` in this thread, and lets the line go on.
    pub fn do_now(&self, body: impl FnOnce() -> Result) -> Result {
        let job = self.add(Vec::new(), Action::ByCaller);
        job.wait_for_turn();
        let running = Running::begin();
        let outcome = self.context.standing().and_then(|()| body());
        drop(running);
        job.end(Ok(()));
        self.context.console.flush();
        outcome?;
        self.context.outcome()
    }

    /// All that must have ended when this line is synchronised. The legacy stream is behind every blocking one.
    pub fn pending(&self) -> Vec<Arc<Job>> {
        lock(&self.context.order).last_of(&self.line)
    }

    /// Tells lines apart: the stream's handle, or its context's for the legacy stream.
    pub fn key(&self) -> Handle {
        self.stream().map_or(self.context.handle, |stream| stream.handle)
    }

    pub fn stream(&self) -> Option<&Arc<Stream>> {
        match &self.line {
            Line::Legacy => None,
            Line::Own(stream) => Some(stream),
        }
    }
}

impl Order {
    /// Whom the next job of this line follows.
    fn last_of(&mut self, line: &Line) -> Vec<Arc<Job>> {
        self.barrier.take_if(|barrier| barrier.has_ended());
        let barrier = self.barrier.clone();
        match line {
            Line::Legacy => {
                self.streams.retain(|_, last| !last.job.has_ended());
                let blocking = self.streams.values().filter(|last| last.blocking);
                blocking.map(|last| last.job.clone()).chain(self.legacy.clone()).chain(barrier).collect()
            }
            Line::Own(stream) => {
                let own = self.streams.get(&stream.handle).map(|last| last.job.clone());
                let legacy = self.legacy.clone().filter(|_| stream.is_blocking());
                own.into_iter().chain(legacy).chain(barrier).filter(|job| !job.has_ended()).collect()
            }
        }
    }

    fn set_last(&mut self, line: &Line, job: Arc<Job>) {
        match line {
            Line::Legacy => self.legacy = Some(job),
            Line::Own(stream) => {
                self.streams.insert(stream.handle, Last { job, blocking: stream.is_blocking() });
                if self.streams.len() > self.enough {
                    self.streams.retain(|_, last| !last.job.has_ended());
                    self.enough = (self.streams.len() * 2).max(LINES_KEPT);
                }
            }
        }
    }

    /// The last job of every line: all that a context has to do.
    pub fn all(&mut self) -> Vec<Arc<Job>> {
        self.streams.retain(|_, last| !last.job.has_ended());
        let streams = self.streams.values().map(|last| last.job.clone());
        streams.chain(self.legacy.clone()).chain(self.barrier.clone()).collect()
    }

    /// Makes all later work of the context wait for a job.
    pub fn hold_all(&mut self, job: Arc<Job>) {
        self.barrier = Some(job);
    }
}

/// Adds a job behind all that some contexts, and the place's own, have to do; all that they are given later comes behind it.
pub fn add_between(place: &Place, others: &[Arc<Context>], action: Action) -> Arc<Job> {
    place.context.wait_for_room();
    let mut contexts: Vec<&Arc<Context>> = others.iter().chain([&place.context]).collect();
    // Always in one order: two such calls shall not wait for each other's locks.
    contexts.sort_by_key(|context| context.id);
    contexts.dedup_by_key(|context| context.id);
    let mut orders: Vec<_> = contexts.iter().map(|context| lock(&context.order)).collect();
    let ahead: Vec<Arc<Job>> = orders.iter_mut().flat_map(|order| order.all()).collect();
    let job = Job::place(&place.context, &ahead, action);
    orders.iter_mut().for_each(|order| order.hold_all(job.clone()));
    job
}

/// Waits until `jobs` have ended, shows what kernels printed, and says how the context stands.
pub fn synchronize(context: &Context, jobs: &[Arc<Job>]) -> Result {
    jobs.iter().for_each(|job| job.wait());
    pool::synchronized(context.device);
    context.console.flush();
    context.outcome()
}

/// Waits for all that a context has to do.
pub fn synchronize_all(context: &Context) -> Result {
    let jobs = lock(&context.order).all();
    synchronize(context, &jobs)
}

pub fn forget_context(context: Handle) {
    STREAMS.remove_all(|stream| stream.context == context);
}

fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(FIRST_ID);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Ids that `cuStreamGetId` gives to the legacy stream of a context are its own id, below this.
pub const FIRST_ID: u64 = 1 << 32;

/// The calling thread's default stream in that context, made when it is first meant.
fn of_this_thread(context: &Context) -> Arc<Stream> {
    let thread = this_thread();
    let mut streams = lock(&context.thread_streams);
    if let Some(stream) = streams.get(&thread) {
        return stream.clone();
    }
    let stream = Stream::create(context, 0);
    streams.insert(thread, stream.clone());
    // In a thread's last moments there is no farewell any more; its stream then lives as long as the context.
    let _ = FAREWELL.try_with(|farewell| farewell.contexts.borrow_mut().push(context.handle));
    stream
}

thread_local! {
    /// A number needs no destructor: it is there to the very end of its thread.
    static NUMBER: Cell<u64> = const { Cell::new(0) };
    static FAREWELL: Farewell = const { Farewell { contexts: RefCell::new(Vec::new()) } };
}

/// A number for the calling thread that no other thread ever has.
fn this_thread() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    if NUMBER.get() == 0 {
        NUMBER.set(NEXT.fetch_add(1, Ordering::Relaxed));
    }
    NUMBER.get()
}

/// Ends a thread's default streams with the thread. What they have to do is still done.
struct Farewell {
    contexts: RefCell<Vec<Handle>>,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        for context in self.contexts.take() {
            let Ok(context) = context::find(context) else { continue };
            if let Some(stream) = lock(&context.thread_streams).remove(&NUMBER.get()) {
                STREAMS.remove(stream.handle);
            }
        }
    }
}
