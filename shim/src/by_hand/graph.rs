//! Graphs that are executed. One that leaves host memory alone goes up as a plan when it is made executable, and a launch of it
//! is one told call. One with copies from or to the host, or functions of the program's, stays here and is launched step by
//! step in the stream, so that host memory is read and written anew each time, by the same code as other calls.
#![allow(unsafe_code)]
// hands the program's arguments on.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use super::graph_steps::{self, Steps};
use super::{host_call, image, launch};
use crate::call::{in_context, in_context_hearing};
use crate::shared;
use crate::state::{Shim, shim};
use crate::threads;
use cudarc::driver::sys::*;
use farwarp_graphs::{Finally, Host, Key, Layout, Line, Place, api};
use farwarp_protocol::call::{
    GRAPH_CHANGE, GRAPH_CONDITIONAL, GRAPH_CONDITIONALS_GONE, GRAPH_EXEC_GONE, GRAPH_INSTANTIATE,
    GRAPH_LAUNCH, GRAPH_UPLOAD, GraphChange, GraphConditional, GraphInstantiate, GraphLaunch, Launch,
};
use farwarp_protocol::codec::encode;
use farwarp_protocol::error::*;
use farwarp_protocol::graph::{Kernel, Plan, Work};
use farwarp_protocol::handle::Id;
use farwarp_protocol::limits::PIECE_BYTES;
use farwarp_protocol::param::*;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

macro_rules! execute {
    (chapter $chapter:literal; $(
        $(#[doc = $doc:literal])* #[since($since:literal)]
        $word:ident fn $name:ident $(| $alias:ident)? (
            $($arg:ident : $kind:ty $([$length:expr])? $(= $life:ident $(in $parent:ident)?)?),* $(,)?
        );
    )*) => {$( execute_row! { $word $name ($($arg: $kind),*) } )*};
}

macro_rules! execute_row {
    (hand $name:ident ($($arg:ident: $kind:ty),*)) => {
        pub unsafe fn $name($($arg: <$kind as Kind>::C),*) -> Result<(), Code> {
            unsafe { api::$name(&Graphs, $($arg as _),*) }
        }
    };
    ($word:ident $name:ident $args:tt) => {};
}

farwarp_protocol::graph_management! { execute }

/// A call while streams capture: what became of it, if it is not to be done.
pub fn divert(name: &str, words: &[u64]) -> Option<Result<(), Code>> {
    farwarp_graphs::divert(&Graphs, name, words)
}

/// The shim, as graphs see it.
pub struct Graphs;

/// An executable graph, by who executes it.
#[derive(Clone)]
enum Exec {
    /// The server, which knows this plan.
    Server(Arc<Plan>),
    Here(Arc<Steps>),
}

struct Known {
    exec: Exec,
    /// It goes with this, on the server.
    context: Id,
    /// Where it was launched last.
    stream: Option<u64>,
}

static EXECS: Mutex<Option<HashMap<Id, Known>>> = Mutex::new(None);

fn execs() -> MutexGuard<'static, Option<HashMap<Id, Known>>> {
    EXECS.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn exec(id: Id) -> Result<Exec, Code> {
    let execs = execs();
    let known = execs.as_ref().and_then(|execs| execs.get(&id)).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    Ok(known.exec.clone())
}

/// Captures in a context end with it, and so do executable graphs.
pub fn context_gone(context: Id) {
    farwarp_graphs::context_gone(context.0);
    let gone: Vec<Known> = match execs().as_mut() {
        Some(execs) => {
            execs.extract_if(|_, known| known.context == context).map(|(_, known)| known).collect()
        }
        None => Vec::new(),
    };
    drop(gone);
}

/// Remembers an executable graph; what it was before.
fn remember(id: Id, context: Id, exec: Exec) -> Option<Exec> {
    let mut execs = execs();
    let execs = execs.get_or_insert_default();
    let stream = execs.get(&id).and_then(|known| known.stream);
    execs.insert(id, Known { exec, context, stream }).map(|known| known.exec)
}

impl Host for Graphs {
    fn ready(&self) -> Result<(), Code> {
        shim().map(drop)
    }

    fn context(&self) -> Result<u64, Code> {
        in_context().map(|(_, context)| context.0)
    }

    fn check_context(&self, context: u64) -> Result<(), Code> {
        shim()?.contexts().active(Id(context)).map(drop)
    }

    fn stream(&self, stream: u64) -> Result<Place, Code> {
        let (shim, context) = in_context()?;
        let handle = threads::resolve(stream);
        if handle <= STREAM_PER_THREAD {
            let (line, thread) = match handle {
                STREAM_LEGACY => (Line::Legacy, 0),
                _ => (Line::Blocking, threads::slot().into()),
            };
            return Ok(Place { key: Key { handle, context: context.0, thread }, context: context.0, line });
        }
        let objects = shim.objects();
        let found = objects.streams.get(Id(handle)).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
        let line = if found.flags & NON_BLOCKING != 0 { Line::NonBlocking } else { Line::Blocking };
        Ok(Place { key: Key { handle, context: 0, thread: 0 }, context: found.context.0, line })
    }

    fn check_event(&self, event: u64) -> Result<(), Code> {
        shim()?.objects().events.get(Id(event)).map(drop).ok_or(CUDA_ERROR_INVALID_HANDLE)
    }

    fn layout(&self, function: u64, _context: u64) -> Result<Layout, Code> {
        Ok(shim()?.objects().layout(function)?.params.iter().copied().collect())
    }

    fn check_launch(&self, kernel: &Kernel) -> Result<(), Code> {
        launch::check(shim()?, Id(kernel.context), &as_launch(kernel, 0))
    }

    fn is_device_memory(&self, address: u64) -> bool {
        shim().is_ok_and(|shim| shim.memory().find(address).is_some_and(|found| found.kind.is_device()))
    }

    fn check_device_memory(&self, _context: u64, address: u64, bytes: u64) -> Result<(), Code> {
        shim()?.memory().device(address, bytes).map(drop)
    }

    fn check_device(&self, device: i32) -> Result<(), Code> {
        shim()?.server_ordinal(device).map(drop)
    }

    fn allocate(&self, context: u64, bytes: u64, pool: u64) -> Result<(u64, i32), Code> {
        let (shim, _) = in_context_hearing()?;
        let device = shim.contexts().active(Id(context))?.device;
        if pool != 0 && super::pool::device_of_pool(shim, pool)? != device {
            return Err(CUDA_ERROR_NOT_SUPPORTED);
        }
        Ok((super::memory::allocate(shim, Id(context), bytes as usize)?, device))
    }

    /// Rests like any other freed memory until what was queued before is done. The memory of a context that is gone is gone.
    fn release(&self, _context: u64, address: u64) {
        let _ = shim().and_then(|shim| super::memory::release(shim, address));
    }

    fn new_conditional(&self, graph: Id, context: u64, default: u32, flags: u32) -> Result<u64, Code> {
        let (shim, _) = in_context_hearing()?;
        let wanted = GraphConditional { graph, context: Id(context), default, flags };
        shim.remote.ask(GRAPH_CONDITIONAL, &[&encode(&wanted)])?.value()
    }

    /// A call that cannot be told any more has nobody to tell.
    fn conditionals_gone(&self, graph: Id, _handles: &[u64]) {
        if let Ok((shim, _)) = in_context() {
            let _ = shim.remote.tell(GRAPH_CONDITIONALS_GONE, &[&encode(&graph)]);
        }
    }

    fn instantiate(&self, id: Id, graph: Id, context: u64, plan: Arc<Plan>) -> Result<(), Code> {
        let (shim, current) = in_context_hearing()?;
        check(shim, &plan)?;
        if plan.touches_host() {
            let steps = Steps::new(shim, Id(context), plan)?;
            if let Some(Exec::Server(_)) = remember(id, current, Exec::Here(Arc::new(steps))) {
                shim.remote.tell(GRAPH_EXEC_GONE, &[&encode(&id)])?;
            }
            return Ok(());
        }
        if let Ok(Exec::Server(before)) = exec(id)
            && let Some(changes) = before.changes_to(&plan)
        {
            let body = encode(&GraphChange { exec: id, changes });
            if body.len() <= PIECE_BYTES {
                shim.remote.tell(GRAPH_CHANGE, &[&body])?;
                remember(id, current, Exec::Server(plan));
                return Ok(());
            }
        }
        let upload = image::upload_plan(shim, &plan.encode())?;
        let wanted = GraphInstantiate { upload, exec: id, graph };
        shim.remote.ask(GRAPH_INSTANTIATE, &[&encode(&wanted)])?.check()?;
        remember(id, current, Exec::Server(plan));
        Ok(())
    }

    fn upload(&self, id: Id, stream: u64) -> Result<(), Code> {
        let (shim, _) = in_context_hearing()?;
        let stream = super::copy::checked(shim, stream)?;
        match exec(id)? {
            Exec::Server(_) => shim.remote.tell(GRAPH_UPLOAD, &[&encode(&GraphLaunch { exec: id, stream })]),
            Exec::Here(_) => Ok(()),
        }
    }

    fn launch(&self, id: Id, stream: u64) -> Result<(), Code> {
        let (shim, context) = in_context_hearing()?;
        let stream = super::copy::checked(shim, stream)?;
        shared::send(shim)?;
        let found = {
            let mut execs = execs();
            let known =
                execs.as_mut().and_then(|execs| execs.get_mut(&id)).ok_or(CUDA_ERROR_INVALID_VALUE)?;
            known.stream = Some(stream);
            known.exec.clone()
        };
        match found {
            Exec::Server(_) => shim.remote.tell(GRAPH_LAUNCH, &[&encode(&GraphLaunch { exec: id, stream })]),
            Exec::Here(steps) => graph_steps::launch(shim, context, &steps, stream),
        }
    }

    fn destroy(&self, id: Id, then: Option<Finally>) {
        let Some(known) = execs().as_mut().and_then(|execs| execs.remove(&id)) else { return };
        let Ok((shim, _)) = in_context() else { return };
        if let (Some(then), Some(stream)) = (then, known.stream) {
            host_call::finally(shim, still_there(shim, stream), then);
        }
        if let Exec::Server(_) = known.exec {
            let _ = shim.remote.tell(GRAPH_EXEC_GONE, &[&encode(&id)]);
        }
    }
}

/// What nodes name may be gone since they were made; the server would take that for a lie.
fn check(shim: &Shim, plan: &Plan) -> Result<(), Code> {
    let context = |id: u64| shim.contexts().active(Id(id)).map(drop);
    let device = |address: u64, bytes: Option<u64>| {
        shim.memory().device(address, bytes.ok_or(CUDA_ERROR_INVALID_VALUE)?).map(drop)
    };
    plan.levels.iter().flatten().try_for_each(|step| match &step.work {
        Work::Empty | Work::Host { .. } => Ok(()),
        Work::Kernel(kernel) => {
            shim.objects().layout(kernel.function)?;
            shared::share_named(shim, &kernel.params)?;
            context(kernel.context)
        }
        Work::Copy(copy) => {
            context(copy.context)?;
            let sides = [&copy.to, &copy.from].into_iter().filter(|side| !side.host && !copy.is_empty());
            sides.into_iter().try_for_each(|side| device(side.address, side.span(copy.shape)))
        }
        Work::Fill(fill) => {
            context(fill.context)?;
            device(fill.address, fill.span())
        }
        Work::RecordEvent(event) | Work::WaitEvent(event) => Graphs.check_event(*event),
        Work::MemoryOperations(batch) => {
            context(batch.context)?;
            batch
                .operations
                .iter()
                .filter_map(|operation| Some((operation.address, operation.bytes()?)))
                .try_for_each(|(address, bytes)| device(address, Some(bytes)))
        }
        Work::Conditional(conditional) => context(conditional.context),
    })
}

/// `CU_STREAM_NON_BLOCKING`.
const NON_BLOCKING: u32 = 1;

/// The legacy stream waits for most others: it stands for one that has been destroyed.
fn still_there(shim: &Shim, stream: u64) -> u64 {
    let lives = stream <= STREAM_PER_THREAD || shim.objects().streams.get(Id(stream)).is_some();
    if lives { stream } else { STREAM_LEGACY }
}

/// A kernel node as a launch; its parameters travel beside it.
pub fn as_launch(kernel: &Kernel, stream: u64) -> Launch {
    Launch {
        function: Id(kernel.function),
        grid: kernel.grid,
        block: kernel.block,
        shared_bytes: kernel.shared_bytes,
        stream,
        attributes: kernel.attributes.clone(),
    }
}
