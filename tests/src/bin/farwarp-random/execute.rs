//! Runs a program on the driver: its threads are threads, its steps calls, and what it checks is compared with the model's word.
#![allow(unsafe_code)] // Host memory is read and written where the program says; the model has seen to it that nobody else does.

use std::collections::HashMap;
use std::ffi::CString;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::driver::{Driver, Handle, NOT_READY, Refused, Stream};
use crate::model::Model;
use crate::perform::{Bench, HostWork};
use crate::program::{Act, How, Kind, Lane, Node, Program};
use crate::work::Expected;

const KERNELS: &str = include_str!("kernels.ptx");

/// Between two looks at what another thread or the GPU has done.
const LOOK_EVERY: Duration = Duration::from_micros(50);

const STREAM_LEGACY: Handle = 1;
const STREAM_PER_THREAD: Handle = 2;
const STREAM_NON_BLOCKING: u32 = 1;
const EVENT_FLAGS: [u32; 3] = [0, 1, 2];
const CAPTURE_GLOBAL: u32 = 0;
const CAPTURE_THREAD_LOCAL: u32 = 1;
const CAPTURE_RELAXED: u32 = 2;

/// The device, as a process has it for all its programs.
pub struct Machine {
    driver: Driver,
    context: Handle,
    functions: Functions,
}

pub struct Functions {
    pub fill: Handle,
    pub triple: Handle,
    pub mix: Handle,
    pub sum: Handle,
}

struct Execution<'a> {
    machine: &'a Machine,
    program: &'a Program,
    model: &'a Model,
    /// What each number stands for: an address or a handle.
    things: Vec<AtomicU64>,
    pageable: Mutex<HashMap<usize, Vec<u64>>>,
    /// What functions of the host are given; theirs until the end.
    host_works: Mutex<Vec<Arc<HostWork>>>,
    /// How many of its steps each thread has made.
    progress: Vec<AtomicUsize>,
    failed: AtomicBool,
}

/// What a thread's step came to, when it was not what it must be.
pub type Failure = String;

impl Machine {
    pub fn open() -> Result<Machine, Failure> {
        let driver = Driver::open().map_err(|error| error.to_string())?;
        let prepare = || {
            let (mut context, mut module) = (0, 0);
            let image = CString::new(KERNELS).expect("PTX holds no NUL");
            // SAFETY: what is written to are locals, the image and the names end with a NUL.
            unsafe {
                driver.init(false, 0)?;
                driver.retain(false, &mut context, 0)?;
                driver.set_current(false, context)?;
                driver.load(false, &mut module, image.as_ptr().cast())?;
                let function = |name: &str| {
                    let (mut function, name) = (0, CString::new(name).expect("a name holds no NUL"));
                    driver.function(false, &mut function, module, name.as_ptr()).map(|()| function)
                };
                let functions = Functions {
                    fill: function("fill")?,
                    triple: function("triple")?,
                    mix: function("mix")?,
                    sum: function("sum")?,
                };
                Ok((context, functions))
            }
        };
        let (context, functions) = prepare().map_err(|refused: Refused| refused.to_string())?;
        Ok(Machine { driver, context, functions })
    }

    /// Runs it to its end. After a failure the process is good for nothing more.
    pub fn run(&self, program: &Program, model: &Model) -> Result<(), Failure> {
        let numbers =
            program.steps.iter().filter_map(|step| step.act.makes()).max().map_or(0, |last| last + 1);
        let execution = Execution {
            machine: self,
            program,
            model,
            things: (0..numbers).map(|_| AtomicU64::new(0)).collect(),
            pageable: Mutex::default(),
            host_works: Mutex::default(),
            progress: (0..program.threads).map(|_| AtomicUsize::new(0)).collect(),
            failed: AtomicBool::new(false),
        };
        let failures: Vec<Failure> = std::thread::scope(|scope| {
            let start = |thread| {
                let execution = &execution;
                scope.spawn(move || execution.thread(thread))
            };
            let threads: Vec<_> = (0..program.threads).map(start).collect();
            let ended =
                threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("panicked".into())));
            ended.filter_map(Result::err).collect()
        });
        if !failures.is_empty() {
            // What is not over must not find its memory gone.
            std::mem::forget(execution);
            return Err(failures.join("\n"));
        }
        execution.end()
    }
}

impl Act {
    /// The number of what it makes.
    fn makes(&self) -> Option<usize> {
        match self {
            Act::Allocate { buffer, .. } | Act::AllocateAsync { buffer, .. } => Some(*buffer),
            Act::MakeStream { stream, .. } => Some(*stream),
            Act::MakeEvent { event } => Some(*event),
            Act::Build { graph, .. } => Some(*graph),
            _ => None,
        }
    }
}

impl Execution<'_> {
    fn thread(&self, thread: usize) -> Result<(), Failure> {
        // SAFETY: the context that this process has retained.
        unsafe { self.machine.driver.set_current(false, self.machine.context) }
            .map_err(|refused| refused.to_string())?;
        for (index, step) in self.program.steps.iter().enumerate() {
            if step.thread != thread {
                continue;
            }
            if self.failed.load(Ordering::Acquire) {
                return Ok(());
            }
            if let Err(failure) = self.step(index, &step.act) {
                self.failed.store(true, Ordering::Release);
                return Err(format!("step {index}, {step}: {failure}"));
            }
            self.progress[thread].fetch_add(1, Ordering::Release);
        }
        Ok(())
    }

    fn thing(&self, number: usize) -> u64 {
        self.things[number].load(Ordering::Acquire)
    }

    fn is(&self, number: usize, value: u64) {
        self.things[number].store(value, Ordering::Release);
    }

    /// Every name that it has takes its turn.
    fn stream(&self, lane: Lane, index: usize) -> Stream {
        let (handle, own) = match (lane, index % 3) {
            (Lane::Legacy, 0) => (0, false),
            (Lane::Legacy, 1) => (STREAM_LEGACY, false),
            (Lane::Legacy, _) => (STREAM_LEGACY, true),
            (Lane::Mine, 0) => (0, true),
            (Lane::Mine, 1) => (STREAM_PER_THREAD, false),
            (Lane::Mine, _) => (STREAM_PER_THREAD, true),
            (Lane::Made(stream), turn) => (self.thing(stream), turn == 0),
        };
        Stream { handle, own }
    }

    fn step(&self, index: usize, act: &Act) -> Result<(), Failure> {
        match act {
            Act::Await { thread } => self.wait_for(index, *thread),
            Act::Write { buffer, value } => {
                let words = self.program_bytes(*buffer) / 4;
                let at = self.thing(*buffer) as *mut u32;
                // SAFETY: the buffer lives, and nobody else touches it now: the model has seen to that.
                (0..words).for_each(|i| unsafe { at.add(i).write(value.wrapping_add(i as u32)) });
                Ok(())
            }
            Act::Check { buffer } => self.compare(self.thing(*buffer), &self.model.checks[&index]),
            _ => self.call(index, act).map_err(|refused| refused.to_string()),
        }
    }

    /// Until it has made all its steps before this one.
    fn wait_for(&self, index: usize, thread: usize) -> Result<(), Failure> {
        let before = self.program.steps[..index].iter().filter(|step| step.thread == thread).count();
        while self.progress[thread].load(Ordering::Acquire) < before && !self.failed.load(Ordering::Acquire) {
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    fn program_bytes(&self, number: usize) -> usize {
        let bytes = |act: &Act| match act {
            Act::Allocate { buffer, bytes, .. } | Act::AllocateAsync { buffer, bytes, .. } => {
                (*buffer == number).then_some(*bytes)
            }
            _ => None,
        };
        self.program.steps.iter().find_map(|step| bytes(&step.act)).unwrap_or(0)
    }

    fn compare(&self, at: u64, expected: &Expected) -> Result<(), Failure> {
        // SAFETY: so many bytes of host memory, which nobody writes now.
        let found = unsafe { std::slice::from_raw_parts(at as *const u8, expected.len()) };
        expected.differs(found).map_or(Ok(()), Err)
    }

    fn call(&self, index: usize, act: &Act) -> Result<(), Refused> {
        match act {
            Act::Allocate { buffer, kind, bytes } => self.allocate(*buffer, *kind, *bytes),
            Act::Free { buffer } => self.free(*buffer),
            Act::Do { work, lane, plain } => {
                let stream = (!plain).then(|| self.stream(*lane, index));
                // SAFETY: the model has found it lawful.
                unsafe { self.bench(index).perform(work, stream, *lane == Lane::Mine) }
            }
            Act::Build { graph, body, how } => {
                self.is(*graph, self.build(index, body, *how)?);
                Ok(())
            }
            Act::AllocateAsync { lane, .. }
            | Act::FreeAsync { lane, .. }
            | Act::Record { lane, .. }
            | Act::WaitEvent { lane, .. }
            | Act::Synchronize { lane }
            | Act::Poll { lane }
            | Act::Query { lane }
            | Act::Launch { lane, .. } => self.in_stream(self.stream(*lane, index), act),
            _ => self.object(index, act),
        }
    }

    fn in_stream(&self, Stream { handle, own }: Stream, act: &Act) -> Result<(), Refused> {
        let driver = &self.machine.driver;
        // SAFETY: handles and addresses are those that the program has made and not yet let go, `made` is a local.
        unsafe {
            match act {
                Act::AllocateAsync { buffer, bytes, .. } => {
                    let mut made = 0;
                    driver.allocate_async(own, &mut made, *bytes, handle)?;
                    self.is(*buffer, made);
                    Ok(())
                }
                Act::FreeAsync { buffer, .. } => driver.free_async(own, self.thing(*buffer), handle),
                Act::Record { event, .. } => driver.event_record(own, self.thing(*event), handle),
                Act::WaitEvent { event, .. } => driver.wait_event(own, handle, self.thing(*event), 0),
                Act::Synchronize { .. } => driver.stream_synchronize(own, handle),
                Act::Poll { .. } => poll(|| driver.stream_query(own, handle)),
                Act::Query { .. } => is_ready(driver.stream_query(own, handle)).map(drop),
                Act::Launch { graph, .. } => driver.graph_launch(own, self.thing(*graph), handle),
                _ => Ok(()),
            }
        }
    }

    fn object(&self, index: usize, act: &Act) -> Result<(), Refused> {
        let driver = &self.machine.driver;
        let mut made = 0;
        // SAFETY: as above.
        unsafe {
            match act {
                Act::MakeStream { stream, blocking } => {
                    let flags = if *blocking { 0 } else { STREAM_NON_BLOCKING };
                    driver.stream_create(false, &mut made, flags, -((index % 2) as i32))?;
                    self.is(*stream, made);
                }
                Act::DestroyStream { stream } => driver.stream_destroy(false, self.thing(*stream))?,
                Act::MakeEvent { event } => {
                    driver.event_create(false, &mut made, EVENT_FLAGS[index % EVENT_FLAGS.len()])?;
                    self.is(*event, made);
                }
                Act::DestroyEvent { event } => driver.event_destroy(false, self.thing(*event))?,
                Act::SynchronizeEvent { event } => driver.event_synchronize(false, self.thing(*event))?,
                Act::SynchronizeContext => driver.synchronize_context(false)?,
                Act::PollEvent { event } => poll(|| driver.event_query(false, self.thing(*event)))?,
                Act::DestroyGraph { graph } => driver.exec_destroy(false, self.thing(*graph))?,
                _ => (),
            }
        }
        Ok(())
    }

    fn build(&self, index: usize, body: &[Node], how: How) -> Result<Handle, Refused> {
        // SAFETY: the model has found it lawful.
        unsafe {
            match how {
                How::Explicit => self.bench(index).build(body, self.machine.context),
                How::Captured(lane) => self.capture(index, body, &[lane]),
                How::Forked(first, second) => self.capture(index, body, &[first, second]),
            }
        }
    }

    fn bench(&self, index: usize) -> Bench<'_> {
        Bench {
            driver: &self.machine.driver,
            functions: &self.machine.functions,
            things: &self.things,
            host_works: &self.host_works,
            kinds: &self.model.kinds,
            index,
        }
    }

    fn allocate(&self, buffer: usize, kind: Kind, bytes: usize) -> Result<(), Refused> {
        let driver = &self.machine.driver;
        let mut address = 0;
        // SAFETY: `address` is a local; what is registered lives until it is unregistered.
        unsafe {
            match kind {
                Kind::Device => driver.allocate(false, &mut address, bytes)?,
                Kind::Pinned => driver.allocate_host(false, &mut address, bytes, 0)?,
                Kind::Pageable | Kind::Registered => {
                    let memory = vec![0u64; bytes.div_ceil(8)];
                    address = memory.as_ptr() as u64;
                    lock(&self.pageable).insert(buffer, memory);
                    if kind == Kind::Registered {
                        driver.register(false, address, bytes, 0)?;
                    }
                }
            }
        }
        self.is(buffer, address);
        Ok(())
    }

    fn free(&self, buffer: usize) -> Result<(), Refused> {
        let (driver, address) = (&self.machine.driver, self.thing(buffer));
        // SAFETY: it is allocated.
        unsafe {
            match self.model.kinds[&buffer] {
                Kind::Device => driver.free(false, address)?,
                Kind::Pinned => driver.free_host(false, address)?,
                Kind::Registered => driver.unregister(false, address)?,
                Kind::Pageable => (),
            }
        }
        lock(&self.pageable).remove(&buffer);
        Ok(())
    }

    /// Captures in one stream, or in two in turns, and instantiates.
    ///
    /// # Safety
    /// Nobody else uses these streams now.
    unsafe fn capture(&self, index: usize, body: &[Node], lanes: &[Lane]) -> Result<Handle, Refused> {
        let driver = &self.machine.driver;
        let streams: Vec<Stream> = lanes.iter().map(|lane| self.stream(*lane, index)).collect();
        let first = streams[0];
        let mode = match (self.program.threads, index % 3) {
            (1, 0) => CAPTURE_GLOBAL,
            (_, 1) => CAPTURE_RELAXED,
            _ => CAPTURE_THREAD_LOCAL,
        };
        let (mut graph, mut exec) = (0, 0);
        // SAFETY: as in `call`.
        unsafe {
            let follow = |behind: Stream, before: Stream| {
                let mut event = 0;
                driver.event_create(false, &mut event, 0)?;
                driver.event_record(before.own, event, before.handle)?;
                driver.wait_event(behind.own, behind.handle, event, 0)?;
                driver.event_destroy(false, event)
            };
            driver.begin_capture(first.own, first.handle, mode)?;
            streams[1..].iter().try_for_each(|second| follow(*second, first))?;
            for (at, node) in body.iter().enumerate() {
                self.bench(index).perform(&node.work, Some(streams[at % streams.len()]), false)?;
            }
            streams[1..].iter().try_for_each(|second| follow(first, *second))?;
            driver.end_capture(first.own, first.handle, &mut graph)?;
            driver.graph_instantiate(false, &mut exec, graph, 0)?;
            driver.graph_destroy(false, graph)?;
        }
        Ok(exec)
    }

    /// Waits, compares all that is left with the model, and lets it go.
    fn end(self) -> Result<(), Failure> {
        let driver = &self.machine.driver;
        let ended = |refused: Refused| format!("at the end: {refused}");
        // SAFETY: as in `call`; what is read into has the buffer's length.
        unsafe {
            driver.synchronize_context(false).map_err(ended)?;
            for (number, buffer) in &self.model.memory {
                let expected = buffer.expected();
                let at = self.thing(*number);
                let compared = if buffer.kind == Kind::Device {
                    let mut found = vec![0u8; expected.len()];
                    driver.copy_down(false, found.as_mut_ptr() as u64, at, found.len()).map_err(ended)?;
                    expected.differs(&found).map_or(Ok(()), Err)
                } else {
                    self.compare(at, &expected)
                };
                compared.map_err(|failure| format!("at the end, b{number}: {failure}"))?;
                self.free(*number).map_err(ended)?;
            }
            let handles = |numbers: Vec<usize>| numbers.into_iter().map(|number| self.thing(number));
            let (streams, events) = (&self.model.streams, &self.model.events);
            handles(streams.keys().copied().collect())
                .try_for_each(|stream| driver.stream_destroy(false, stream))
                .map_err(ended)?;
            handles(events.keys().copied().collect())
                .try_for_each(|event| driver.event_destroy(false, event))
                .map_err(ended)?;
            handles(self.model.graphs.keys().copied().collect())
                .try_for_each(|exec| driver.exec_destroy(false, exec))
                .map_err(ended)
        }
    }
}

fn poll(mut query: impl FnMut() -> Result<(), Refused>) -> Result<(), Refused> {
    while !is_ready(query())? {
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

fn is_ready(answer: Result<(), Refused>) -> Result<bool, Refused> {
    match answer {
        Ok(()) => Ok(true),
        Err(Refused { code: NOT_READY, .. }) => Ok(false),
        Err(refused) => Err(refused),
    }
}

pub fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
