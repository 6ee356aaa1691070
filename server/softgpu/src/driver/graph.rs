//! Executable graphs: each step made ready once, so that a launch only places jobs. The graphs that programs build are kept by
//! `farwarp_graphs`; how steps become jobs is in `graph_jobs`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};

use farwarp_face::*;
use farwarp_graphs::{Finally, Host, Key, Layout, Place};
use farwarp_protocol::error::Code;
use farwarp_protocol::graph::{Kernel, Plan};
use farwarp_protocol::handle::Id;

use crate::driver::context::{self, Context};
use crate::driver::current::current;
use crate::driver::edge::Result;
use crate::driver::event::Event;
use crate::driver::function::launchable;
use crate::driver::graph_jobs::{self, Executable};
use crate::driver::handles::fresh;
use crate::driver::job::{Action, Job};
use crate::driver::launch;
use crate::driver::machine::{self, machine};
use crate::driver::pool::Pool;
use crate::driver::ranges::{self, Kind, lock};
use crate::driver::stream::{self, Line};
use crate::driver::{arena, memory};

/// This driver, as graphs see it.
pub struct Graphs;

/// An executable graph and the end of its last launch: launches of one follow each other.
struct Known {
    executable: Arc<Executable>,
    last: Option<Arc<Job>>,
}

static KNOWN: Mutex<Option<HashMap<Id, Known>>> = Mutex::new(None);

/// A value that kernels set and conditional nodes look at.
pub struct Conditional {
    pub value: AtomicU32,
    default: Option<u32>,
}

/// By handle. A graph that lives keeps its values, and so does an executable graph that looks at one.
static CONDITIONALS: Mutex<Option<HashMap<u64, Weak<Conditional>>>> = Mutex::new(None);
static OF_GRAPHS: Mutex<Option<HashMap<u64, Arc<Conditional>>>> = Mutex::new(None);

/// `CU_GRAPH_COND_ASSIGN_DEFAULT`.
const ASSIGN_DEFAULT: u32 = 1;

impl Conditional {
    pub fn find(handle: u64) -> Option<Arc<Conditional>> {
        lock(&CONDITIONALS).as_ref()?.get(&handle)?.upgrade()
    }

    /// A kernel sets it. A handle that is none sets nothing, as it would nowhere.
    pub fn set(handle: u64, value: u32) {
        if let Some(conditional) = Conditional::find(handle) {
            conditional.value.store(value, Ordering::Release);
        }
    }

    /// What it is at the beginning of each launch.
    pub fn begin(&self) {
        if let Some(default) = self.default {
            self.value.store(default, Ordering::Relaxed);
        }
    }
}

/// As graphs speak of errors.
fn coded<T>(outcome: Result<T>) -> std::result::Result<T, Code> {
    outcome.map_err(|error| error as Code)
}

fn uncoded<T>(outcome: std::result::Result<T, Code>) -> Result<T> {
    outcome.map_err(|code| code as CUresult)
}

/// Runs a body that graphs gave.
pub fn answered(outcome: std::result::Result<(), Code>) -> Result {
    uncoded(outcome)
}

/// A call while streams capture: what became of it, if it is not to be done.
pub fn divert(name: &str, words: &[u64]) -> Option<Result> {
    farwarp_graphs::divert(&Graphs, name, words).map(uncoded)
}

/// Frees what a graph has allocated, if one has.
pub fn free(address: u64) -> Option<Result> {
    farwarp_graphs::free(&Graphs, address).map(uncoded)
}

fn find_context(handle: u64) -> std::result::Result<Arc<Context>, Code> {
    coded(context::find(handle))
}

impl Host for Graphs {
    fn ready(&self) -> std::result::Result<(), Code> {
        coded(machine().map(drop))
    }

    fn context(&self) -> std::result::Result<u64, Code> {
        coded(current().map(|context| context.handle))
    }

    fn check_context(&self, context: u64) -> std::result::Result<(), Code> {
        find_context(context).map(drop)
    }

    fn stream(&self, stream: u64) -> std::result::Result<Place, Code> {
        let place = coded(stream::resolve(stream))?;
        let context = place.context.handle;
        let (handle, line) = match &place.line {
            Line::Legacy => (stream::LEGACY, farwarp_graphs::Line::Legacy),
            Line::Own(own) if own.is_blocking() => (own.handle, farwarp_graphs::Line::Blocking),
            Line::Own(own) => (own.handle, farwarp_graphs::Line::NonBlocking),
        };
        Ok(Place { key: Key { handle, context, thread: 0 }, context, line })
    }

    fn check_event(&self, event: u64) -> std::result::Result<(), Code> {
        coded(Event::find(event).map(drop))
    }

    fn layout(&self, function: u64, context: u64) -> std::result::Result<Layout, Code> {
        let context = find_context(context)?;
        let function = coded(launchable(function, &context))?;
        Ok(function.entry.params.iter().map(|param| (param.offset, param.size)).collect())
    }

    fn check_launch(&self, kernel: &Kernel) -> std::result::Result<(), Code> {
        let context = find_context(kernel.context)?;
        let function = coded(launchable(kernel.function, &context))?;
        coded(launch::check_kernel(kernel, &context, &function).map(drop))
    }

    fn is_device_memory(&self, address: u64) -> bool {
        ranges::find(address).is_some_and(|range| !range.is_host())
    }

    fn check_device_memory(&self, context: u64, address: u64, bytes: u64) -> std::result::Result<(), Code> {
        let reaches = find_context(context)?.viewer.reaches(address, bytes, false);
        if reaches { Ok(()) } else { Err(farwarp_protocol::error::CUDA_ERROR_INVALID_VALUE) }
    }

    fn check_device(&self, device: i32) -> std::result::Result<(), Code> {
        coded(machine::device(device).map(drop))
    }

    fn allocate(&self, context: u64, bytes: u64, pool: u64) -> std::result::Result<(u64, i32), Code> {
        let context = find_context(context)?;
        let device = context.device.ordinal;
        if pool != 0 && coded(Pool::find(pool))?.device.ordinal != device {
            return Err(farwarp_protocol::error::CUDA_ERROR_NOT_SUPPORTED);
        }
        let made = memory::allocate(&context, bytes, arena::ALIGNMENT, Kind::OfGraph);
        coded(made.map(|range| (range.start, device)))
    }

    fn release(&self, context: u64, address: u64) {
        let (Ok(context), Some(range)) = (context::find(context), ranges::starting(address)) else { return };
        let ahead = lock(&context.order).all();
        let strike = move || {
            memory::strike(&range);
            Ok(())
        };
        Job::place(&context, &ahead, Action::Copy(Box::new(strike)));
    }

    fn new_conditional(&self, _: Id, _: u64, default: u32, flags: u32) -> std::result::Result<u64, Code> {
        let handle = fresh();
        let default = (flags & ASSIGN_DEFAULT != 0).then_some(default);
        let conditional = Arc::new(Conditional { value: AtomicU32::new(default.unwrap_or(0)), default });
        let mut known = lock(&CONDITIONALS);
        let known = known.get_or_insert_default();
        known.retain(|_, other| other.strong_count() > 0);
        known.insert(handle, Arc::downgrade(&conditional));
        lock(&OF_GRAPHS).get_or_insert_default().insert(handle, conditional);
        Ok(handle)
    }

    fn conditionals_gone(&self, _: Id, handles: &[u64]) {
        if let Some(known) = lock(&OF_GRAPHS).as_mut() {
            handles.iter().for_each(|handle| drop(known.remove(handle)));
        }
    }

    fn instantiate(&self, exec: Id, _: Id, _: u64, plan: Arc<Plan>) -> std::result::Result<(), Code> {
        let executable = Arc::new(coded(Executable::new(&plan))?);
        let mut known = lock(&KNOWN);
        let known = known.get_or_insert_default();
        // What was launched before still comes before what is launched next.
        let last = known.remove(&exec).and_then(|before| before.last);
        known.insert(exec, Known { executable, last });
        Ok(())
    }

    fn upload(&self, _: Id, stream: u64) -> std::result::Result<(), Code> {
        coded(stream::resolve(stream).map(drop))
    }

    fn launch(&self, exec: Id, stream: u64) -> std::result::Result<(), Code> {
        let place = coded(stream::resolve(stream))?;
        place.context.wait_for_room();
        let mut known = lock(&KNOWN);
        let known = known.as_mut().and_then(|known| known.get_mut(&exec));
        let known = known.ok_or(farwarp_protocol::error::CUDA_ERROR_INVALID_VALUE)?;
        let before = known.last.take().into_iter().collect();
        known.last = Some(graph_jobs::launch(&known.executable, &place, before));
        Ok(())
    }

    fn destroy(&self, exec: Id, then: Option<Finally>) {
        let gone = lock(&KNOWN).as_mut().and_then(|known| known.remove(&exec));
        let Some(then) = then else { return };
        match gone.and_then(|gone| gone.last) {
            Some(last) => {
                let context = last.context.clone();
                Job::place(&context, &[last], Action::Callback(Box::new(move |_| then())));
            }
            None => then(),
        }
    }
}
