//! Issues a session's calls to the driver, in the order of the log, and never waits for the GPU.
//!
//! Whatever needs the GPU to have come so far is left to a waiter: events are recorded when the call is issued, so what it
//! waits for is fixed then, and the answer goes out when they have happened.
#![allow(unsafe_code)] // calls the driver.

use crate::arena::Arena;
use crate::driver::Driver;
use crate::lines::Lines;
use crate::objects::Objects;
use crate::outlet::{Asker, Outlet};
use crate::port::{Counters, Market};
use crate::printed::Printed;
use crate::ranges::Ranges;
use crate::refusal::Refusal;
use crate::serve;
use crate::shared::{Place, Shared, Ticket};
use crate::staging::Staging;
use crate::waiters::{self, Then, Waiters};
use farwarp_protocol::call;
use farwarp_protocol::error::{CUDA_ERROR_NOT_READY, Code};
use farwarp_protocol::frame::{Header, RecordKind};
use farwarp_protocol::handle::{Id, ObjectKind};
use farwarp_protocol::limits::{CLIENT_THREADS_MAX, KERNEL_PARAM_BYTES_MAX};
use farwarp_protocol::param::{STREAM_LEGACY, STREAM_PER_THREAD};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// An answer that needs the GPU for no longer than this is waited for on the spot: handing it to a waiter costs as much.
const GLANCE: Duration = Duration::from_micros(30);
/// `CU_EVENT_DISABLE_TIMING`: these events are only waited for.
const WITHOUT_TIMING: u32 = 2;

/// A call as it came off the log.
pub struct Call<'a> {
    pub asker: Asker,
    pub body: &'a [u8],
}

/// Who asks, if the record is a call at all.
pub fn asker(header: &Header) -> Result<Asker, Refusal> {
    if header.kind != RecordKind::Call {
        return Err(Refusal::NoCall);
    }
    // Slots count from 1; 0 is a thread at its end, which has given its own back.
    if header.slot as usize > CLIENT_THREADS_MAX {
        return Err(Refusal::NoSuchSlot { slot: header.slot, max: CLIENT_THREADS_MAX });
    }
    Ok(Asker::of(header))
}

/// What a handler leaves behind.
pub enum Reply {
    /// The answer.
    Now(Code, Vec<u8>),
    /// A waiter will answer.
    Later,
}

impl Reply {
    pub const DONE: Reply = Reply::Now(0, Vec::new());
}

impl From<Result<(), Code>> for Reply {
    fn from(outcome: Result<(), Code>) -> Reply {
        Reply::Now(outcome.err().unwrap_or(0), Vec::new())
    }
}

impl From<Result<Vec<u8>, Code>> for Reply {
    fn from(outcome: Result<Vec<u8>, Code>) -> Reply {
        match outcome {
            Ok(body) => Reply::Now(0, body),
            Err(code) => Reply::Now(code, Vec::new()),
        }
    }
}

/// Whether the success of a call says that the GPU has come so far.
fn tells_how_far(op: u32) -> bool {
    const QUERIES: [u32; 3] = [call::op("cuStreamQuery"), call::op("cuEventQuery"), call::SYNCHRONIZE_EVENT];
    QUERIES.contains(&op)
}

pub struct Context {
    pub raw: u64,
    pub device: i32,
    pub primary: bool,
    /// The stream that stands for each client thread's default stream.
    thread_streams: HashMap<u16, u64>,
    /// Waits for what destroyed streams still have to do, so that who waits for the context waits for that too.
    departed: Option<u64>,
    pub staging: Staging,
}

struct Settling {
    event: u64,
    /// The driver's context, and the stream in it that the copy was issued to.
    context: u64,
    stream: u64,
}

pub struct Executor {
    pub driver: &'static Driver,
    pub outlet: Arc<Outlet>,
    pub objects: Objects,
    pub ranges: Ranges,
    pub contexts: HashMap<Id, Context>,
    pub arena: Arc<Mutex<Arena>>,
    pub uploads: HashMap<u64, crate::by_hand::Upload>,
    pub latches: Arc<Mutex<crate::by_hand::Latches>>,
    pub shared: Arc<Shared>,
    pub awaited: crate::by_hand::Awaited,
    pub lines: Arc<Lines>,
    /// Events behind copies that every stream comes after.
    settling: Vec<Settling>,
    pub links: crate::by_hand::Links,
    pub peers: crate::by_hand::Peers,
    pub imports: crate::by_hand::Imports,
    pub arrays: crate::by_hand::Arrays,
    pub textures: crate::by_hand::Textures,
    /// Where memory is shown to other sessions; nowhere in a rig.
    pub market: Option<Arc<Market>>,
    pub conditional_graphs: crate::by_hand::ConditionalGraphs,
    pub built_graphs: crate::by_hand::BuiltGraphs,
    pub virtual_memory: crate::by_hand::VirtualMemory,
    pub printed: Arc<Printed>,
    pub counters: Arc<Counters>,
    /// The session's quota of device memory.
    pub device_bytes_max: u64,
    /// Where a launch's parameters lie while the driver takes them: as many bytes as any kernel has, so that a driver which believes
    /// the kernel, and not the size that it is told, reads nothing but parameters.
    pub params: Box<[u8]>,
    waiters: Waiters,
    devices: usize,
    /// The driver's current context of the executor's thread.
    current: u64,
}

impl Executor {
    pub fn new(
        driver: &'static Driver,
        devices: usize,
        arena: Arena,
        outlet: Arc<Outlet>,
        printed: Arc<Printed>,
        counters: Arc<Counters>,
    ) -> Executor {
        let shared = Shared::new(driver, arena.granules(), arena.shared_part, outlet.clone());
        Executor {
            driver,
            outlet,
            objects: Objects::default(),
            ranges: Ranges::default(),
            contexts: HashMap::new(),
            arena: Arc::new(Mutex::new(arena)),
            uploads: HashMap::new(),
            latches: Default::default(),
            shared: Arc::new(shared),
            awaited: Default::default(),
            lines: Arc::new(Lines::new(driver)),
            settling: Vec::new(),
            links: Default::default(),
            peers: Default::default(),
            imports: Default::default(),
            arrays: Default::default(),
            textures: Default::default(),
            market: None,
            conditional_graphs: Default::default(),
            built_graphs: Default::default(),
            virtual_memory: Default::default(),
            printed,
            counters,
            device_bytes_max: u64::MAX,
            params: vec![0; KERNEL_PARAM_BYTES_MAX].into(),
            waiters: Waiters::new(driver),
            devices,
            current: 0,
        }
    }

    /// Issues one call. A refusal means that the client broke the protocol, and ends the session.
    pub fn execute(&mut self, asker: Asker, op: u32, body: &[u8]) -> Result<(), Refusal> {
        let call = Call { asker, body };
        self.counters.began(op, Instant::now());
        let handler = serve::handler(op).ok_or(Refusal::UnknownOp { op })?;
        if let Reply::Now(code, reply) = handler(self, &call)? {
            let ticket =
                if code == 0 && tells_how_far(op) { self.shared.ticket(Place::Nowhere) } else { None };
            if ticket.is_some() {
                self.answer_later(&call, ticket, reply)?;
                self.counters.returned();
                return Ok(());
            }
            if asker.asked {
                self.lines.settle();
            }
            self.outlet.answer(asker, code, &reply);
        }
        self.counters.returned();
        Ok(())
    }

    /// A session that waits for the GPU is busy, though it makes no calls.
    pub fn count_waiting(&self, now: Instant) {
        self.counters.waits(self.waiters.under_way() as u64, self.waiters.ended(), now);
    }

    /// Whether something of the client's waits for the GPU.
    pub fn waits(&self) -> bool {
        self.waiters.under_way() > 0
    }

    pub fn device(&self, ordinal: i32) -> Result<i32, Refusal> {
        match usize::try_from(ordinal) {
            Ok(index) if index < self.devices => Ok(ordinal),
            _ => Err(Refusal::NoSuchDevice { ordinal, count: self.devices }),
        }
    }

    /// Makes the call's context the driver's current one.
    pub fn enter(&mut self, call: &Call) -> Result<(), Refusal> {
        self.enter_context(call.asker.context)
    }

    pub fn enter_context(&mut self, id: Id) -> Result<(), Refusal> {
        let raw = self.contexts.get(&id).ok_or(Refusal::NoContext { id })?.raw;
        if raw != self.current {
            // SAFETY: a live context of the driver's. What it refuses here it refuses again in the call itself.
            let _ = unsafe { self.driver.cuCtxSetCurrent(raw) };
            self.current = raw;
        }
        Ok(())
    }

    pub fn forget_current(&mut self) {
        self.current = 0;
    }

    pub fn context(&mut self, id: Id) -> Result<&mut Context, Refusal> {
        self.contexts.get_mut(&id).ok_or(Refusal::NoContext { id })
    }

    /// The driver's context by the client's name.
    pub fn context_of(&self, raw: u64) -> Option<Id> {
        self.contexts.iter().find(|(_, context)| context.raw == raw).map(|(id, _)| *id)
    }

    pub fn add_context(&mut self, id: Id, raw: u64, device: i32, primary: bool) {
        let staging = Staging::new(self.driver);
        let context =
            Context { raw, device, primary, thread_streams: HashMap::new(), departed: None, staging };
        self.contexts.insert(id, context);
    }

    /// The driver's stream for what a client calls one.
    pub fn stream(&mut self, call: &Call, wire: u64) -> Result<u64, Refusal> {
        let stream = match wire {
            STREAM_LEGACY => STREAM_LEGACY,
            STREAM_PER_THREAD => self.thread_stream(call)?,
            id => self.objects.get(Id(id), ObjectKind::Stream)?,
        };
        if !self.settling.is_empty() {
            self.enter(call)?;
            self.come_after_settling(stream);
        }
        Ok(stream)
    }

    /// The program's call returned when its bytes were taken, earlier than CUDA's would have: so all that comes later, in whatever
    /// stream, waits for what was just issued to this one.
    pub fn settles(&mut self, stream: u64) {
        // Where no event can be had the context has met an error that the next call hears of.
        if let Ok(event) = self.mark(stream) {
            self.settling.push(Settling { event, context: self.current, stream });
        }
    }

    fn come_after_settling(&mut self, stream: u64) {
        let driver = self.driver;
        // SAFETY: an event of ours in a live context, destroyed when it has happened.
        self.settling.retain(|settling| match unsafe { driver.cuEventQuery(settling.event) } {
            Err(CUDA_ERROR_NOT_READY) => true,
            _ => {
                // SAFETY: as above; it leaves the list with this.
                let _ = unsafe { driver.cuEventDestroy_v2(settling.event) };
                false
            }
        });
        for settling in &self.settling {
            let mut capturing = 0;
            // SAFETY: `capturing` is writable; stream and event are live. What is captured runs at a launch, which waits itself.
            unsafe {
                let known = driver.cuStreamIsCapturing(stream, &mut capturing);
                let same = (settling.context, settling.stream) == (self.current, stream);
                if !same && known.is_ok() && capturing == 0 {
                    let _ = driver.cuStreamWaitEvent(stream, settling.event, 0);
                }
            }
        }
    }

    /// The events of a context are gone with it.
    pub fn nothing_settles_in(&mut self, raw: u64) {
        self.settling.retain(|settling| settling.context != raw);
    }

    /// The driver's own per-thread stream would be this thread's, not the client's: so each client thread gets a real one.
    fn thread_stream(&mut self, call: &Call) -> Result<u64, Refusal> {
        self.enter(call)?;
        let driver = self.driver;
        let context = self.context(call.asker.context)?;
        if let Some(stream) = context.thread_streams.get(&call.asker.slot) {
            return Ok(*stream);
        }
        let mut stream = 0;
        // SAFETY: `stream` is writable. Without a stream the driver's legacy one keeps every promise but concurrency.
        match unsafe { driver.cuStreamCreate(&mut stream, 0) } {
            Ok(()) => {
                context.thread_streams.insert(call.asker.slot, stream);
                Ok(stream)
            }
            Err(_) => Ok(STREAM_LEGACY),
        }
    }

    pub fn thread_gone(&mut self, slot: u16) -> Result<(), Refusal> {
        let gone: Vec<(Id, u64)> = self
            .contexts
            .iter_mut()
            .filter_map(|(id, context)| Some((*id, context.thread_streams.remove(&slot)?)))
            .collect();
        for (context, stream) in gone {
            // A thread that has ended hears of nothing.
            let _ = self.stream_departs(context, stream)?;
        }
        Ok(())
    }

    /// Destroys a stream that nobody names any more. The driver finishes its work, for which the context is still waited.
    pub fn stream_departs(&mut self, context: Id, stream: u64) -> Result<Result<(), Code>, Refusal> {
        const NON_BLOCKING: u32 = 1;
        self.enter_context(context)?;
        let driver = self.driver;
        let event = self.mark(stream);
        let departed = &mut self.context(context)?.departed;
        let waits = event.and_then(|event| {
            let mut made = 0;
            // SAFETY: `made` is writable; the event is ours, and one that is waited for may be destroyed.
            unsafe {
                if departed.is_none() {
                    driver.cuStreamCreate(&mut made, NON_BLOCKING)?;
                }
                let waits = driver.cuStreamWaitEvent(*departed.get_or_insert(made), event, 0);
                let _ = driver.cuEventDestroy_v2(event);
                waits
            }
        });
        // SAFETY: a stream of this session's, of which the caller knows that nobody names it.
        let destroyed = unsafe { driver.cuStreamDestroy_v2(stream) };
        Ok(waits.and(destroyed))
    }

    pub fn launchable(&self, id: Id) -> Result<u64, Refusal> {
        let kind =
            if id.kind() == Some(ObjectKind::Kernel) { ObjectKind::Kernel } else { ObjectKind::Function };
        self.objects.get(id, kind)
    }

    /// An event at the end of everything that was issued to a stream.
    pub fn mark(&self, stream: u64) -> Result<u64, Code> {
        let mut event = 0;
        // SAFETY: `event` is writable, the stream is the driver's own.
        unsafe {
            self.driver.cuEventCreate(&mut event, WITHOUT_TIMING)?;
            if let Err(code) = self.driver.cuEventRecord(event, stream) {
                let _ = self.driver.cuEventDestroy_v2(event);
                return Err(code);
            }
        }
        Ok(event)
    }

    /// Events at the end of everything that was issued in a context.
    pub fn mark_context(&mut self, id: Id) -> Result<Result<Vec<u64>, Code>, Refusal> {
        self.enter_context(id)?;
        let mut streams = vec![STREAM_LEGACY];
        let context = self.context(id)?;
        streams.extend(context.thread_streams.values());
        streams.extend(context.departed);
        streams.extend(self.objects.of(id, ObjectKind::Stream));
        Ok(streams.into_iter().map(|stream| self.mark(stream)).collect())
    }

    /// Does `then` once the events have happened: at once if that is soon, else on a waiter.
    pub fn after(&mut self, context: Id, events: Vec<u64>, then: Then) -> Result<(), Refusal> {
        let raw = self.context(context)?.raw;
        let began = Instant::now();
        let mut happened = false;
        // What is shared is brought to the client then, which takes longer and may wait.
        let glances = !self.shared.is_used();
        while glances && !happened && began.elapsed() < GLANCE {
            // SAFETY: events of the driver's, made by `mark`. An error other than "not ready" is the waiter's to report.
            happened = events.iter().all(|event| unsafe { self.driver.cuEventQuery(*event) }.is_ok());
        }
        if happened {
            then(waiters::wait_for(self.driver, raw, &events));
            self.current = raw;
        } else {
            self.waiters.wait(raw, events, then);
        }
        Ok(())
    }

    /// Does `then` when the event has happened, in the order of the stream. `delivers` says that it brings the client bytes which must be
    /// there before the client may hear that the GPU has come so far.
    pub fn in_line(
        &mut self,
        context: Id,
        stream: u64,
        event: u64,
        delivers: bool,
        then: Then,
    ) -> Result<(), Refusal> {
        let lines = self.lines.clone();
        let line = (self.context(context)?.raw, stream);
        if lines.add(line, event, delivers, then) {
            self.after_nothing(context, Box::new(move |_| lines.serve(line)))?;
        }
        Ok(())
    }

    /// Does `then`, which waits by itself, on a waiter.
    pub fn after_nothing(&mut self, context: Id, then: Then) -> Result<(), Refusal> {
        let raw = self.context(context)?.raw;
        self.waiters.wait(raw, Vec::new(), then);
        Ok(())
    }

    /// Tells the gate how much memory the session has.
    pub fn count_memory(&self) {
        self.counters.holds(self.held_bytes());
    }

    /// Memory of devices that is this session's: what pools keep too, used or not.
    pub fn held_bytes(&self) -> u64 {
        self.ranges.bytes()
            + self.virtual_memory.physical_bytes()
            + self.pools_keep_bytes()
            + self.array_bytes()
    }

    /// Whether the session may have so much more. What its pools keep and do not use goes back first.
    pub fn within_quota(&self, bytes: u64) -> bool {
        let fits = || self.held_bytes().saturating_add(bytes) <= self.device_bytes_max;
        if fits() {
            return true;
        }
        for pool in self.objects.all(ObjectKind::MemPool) {
            // SAFETY: a live pool of this session's.
            let _ = unsafe { self.driver.cuMemPoolTrimTo(pool, 0) };
        }
        fits()
    }

    /// What pools have reserved beyond what is allocated of them.
    fn pools_keep_bytes(&self) -> u64 {
        const RESERVED_NOW: u32 = 5;
        const USED_NOW: u32 = 7;
        let of_pool = |pool| {
            let [reserved, used] = [RESERVED_NOW, USED_NOW].map(|which| {
                let mut bytes = 0;
                // SAFETY: a live pool of this session's, a number to write.
                let known = unsafe { self.driver.cuMemPoolGetAttribute(pool, which, &mut bytes) };
                known.map_or(0, |()| bytes)
            });
            reserved.saturating_sub(used)
        };
        self.objects.all(ObjectKind::MemPool).map(of_pool).sum()
    }

    pub fn arena(&self) -> MutexGuard<'_, Arena> {
        self.arena.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Answers a call that waits for the GPU, with what kernels printed until then.
    pub fn answer_after(
        &mut self,
        call: &Call,
        events: Vec<u64>,
        ticket: Option<Ticket>,
    ) -> Result<Reply, Refusal> {
        self.answer_after_in(call.asker.context, call, events, ticket)
    }

    /// Answers a call that succeeded, when what the GPU has changed of what is shared has gone to the client.
    fn answer_later(&mut self, call: &Call, ticket: Option<Ticket>, reply: Vec<u8>) -> Result<(), Refusal> {
        let (outlet, asker) = (self.outlet.clone(), call.asker);
        let (lines, shared) = (self.lines.clone(), self.shared.clone());
        let then = move |_| {
            lines.settle();
            shared.bring(ticket);
            outlet.answer(asker, 0, &reply);
        };
        self.after_nothing(call.asker.context, Box::new(then))
    }

    /// A stream of the current context.
    pub fn place_of(&self, stream: u64) -> Place {
        Place::Stream(self.current, stream)
    }

    /// Work was issued to a stream, in the current context, that may change what is shared.
    pub fn works(&self, stream: u64) {
        self.shared.works(self.place_of(stream));
    }

    /// The same, if it writes what is shared.
    pub fn writes(&self, address: u64, stream: u64) {
        self.shared.writes(address, self.place_of(stream));
    }

    pub fn latches(&self) -> MutexGuard<'_, crate::by_hand::Latches> {
        self.latches.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub fn answer_after_in(
        &mut self,
        context: Id,
        call: &Call,
        events: Vec<u64>,
        ticket: Option<Ticket>,
    ) -> Result<Reply, Refusal> {
        let (outlet, printed, asker) = (self.outlet.clone(), self.printed.clone(), call.asker);
        let (lines, shared) = (self.lines.clone(), self.shared.clone());
        let then = move |code| {
            lines.settle();
            shared.bring(ticket);
            outlet.answer(asker, code, &printed.take());
        };
        self.after(context, events, Box::new(then))?;
        Ok(Reply::Later)
    }
}
