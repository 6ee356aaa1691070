//! Steps of an executable graph as jobs: each follows those that it waits for, and all of them stand in the stream as one.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use farwarp_face::copies::Side;
use farwarp_face::*;
use farwarp_protocol::boxes::{Block, Shape};
use farwarp_protocol::graph::{self, MemoryOperation, Plan, Work};

use crate::driver::api::memory_operation;
use crate::driver::context::{self, Context};
use crate::driver::copy::{Copy, Fill};
use crate::driver::edge::{Result, call_host_function, host_function_at};
use crate::driver::event::Event;
use crate::driver::function::{Function, launchable};
use crate::driver::graph::Conditional;
use crate::driver::job::{Action, Job};
use crate::driver::launch::{self, Request};
use crate::driver::stream::Place;

pub struct Executable {
    levels: Vec<Vec<Step>>,
    /// Whatever conditional nodes look at.
    conditionals: Vec<Arc<Conditional>>,
}

struct Step {
    does: Does,
    after: Vec<u32>,
}

enum Does {
    Nothing,
    Kernel {
        context: Arc<Context>,
        function: Arc<Function>,
        request: Request,
        params: Vec<u8>,
    },
    Copy(Arc<Context>, Copy),
    Fill(Arc<Context>, Fill),
    /// A function of the program's and what it wants to be told, by address.
    Host {
        function: u64,
        data: u64,
    },
    Record(Arc<Event>),
    Wait(Arc<Event>),
    Operations(Arc<Context>, Vec<MemoryOperation>),
    Conditional {
        conditional: Arc<Conditional>,
        kind: u32,
        bodies: Vec<u32>,
    },
}

impl Executable {
    /// Finds all that the plan names: what is destroyed later is still there for its launches.
    pub fn new(plan: &Plan) -> Result<Executable> {
        let mut conditionals = Vec::new();
        let mut levels = Vec::with_capacity(plan.levels.len());
        for steps in &plan.levels {
            let mut level = Vec::with_capacity(steps.len());
            for step in steps {
                let does = if step.enabled { ready(&step.work)? } else { Does::Nothing };
                if let Does::Conditional { conditional, .. } = &does {
                    conditionals.push(conditional.clone());
                }
                level.push(Step { does, after: step.after.iter().map(|edge| edge.from).collect() });
            }
            levels.push(level);
        }
        Ok(Executable { levels, conditionals })
    }
}

fn ready(work: &Work) -> Result<Does> {
    Ok(match work {
        Work::Empty => Does::Nothing,
        Work::Kernel(kernel) => {
            let context = context::find(kernel.context)?;
            let function = launchable(kernel.function, &context)?;
            let request = launch::check_kernel(kernel, &context, &function)?;
            // Compiled now, so that a launch cannot fail for it.
            function.compiled()?;
            Does::Kernel { context, function, request, params: kernel.params.clone() }
        }
        Work::Copy(copy) => Does::Copy(context::find(copy.context)?, as_copy(copy)),
        Work::Fill(fill) => Does::Fill(context::find(fill.context)?, as_fill(fill)),
        Work::Host { function, data } => Does::Host { function: *function, data: *data },
        Work::RecordEvent(event) => Does::Record(Event::find(*event)?),
        Work::WaitEvent(event) => Does::Wait(Event::find(*event)?),
        Work::MemoryOperations(batch) => {
            let context = context::find(batch.context)?;
            for operation in &batch.operations {
                memory_operation(&context, operation)?;
            }
            Does::Operations(context, batch.operations.clone())
        }
        Work::Conditional(wanted) => {
            let conditional = Conditional::find(wanted.handle).ok_or(CUDA_ERROR_INVALID_VALUE)?;
            Does::Conditional { conditional, kind: wanted.kind, bodies: wanted.bodies.clone() }
        }
    })
}

fn as_copy(copy: &graph::Copy) -> Copy {
    let [width, height, depth] = copy.shape;
    let block = |side: &graph::Side| Block { start: side.address, pitch: side.pitch, rows: side.rows };
    let side = |side: &graph::Side| if side.host { Side::Host } else { Side::Device };
    Copy {
        to: block(&copy.to),
        to_side: side(&copy.to),
        from: block(&copy.from),
        from_side: side(&copy.from),
        shape: Shape { width, height, depth },
    }
}

fn as_fill(fill: &graph::Fill) -> Fill {
    Fill {
        to: fill.address,
        pitch: fill.pitch,
        value: fill.value,
        width: fill.element_bytes.into(),
        count: fill.width,
        height: fill.height,
    }
}

/// Puts a launch into a stream, behind `before`; the job that ends last.
pub fn launch(executable: &Arc<Executable>, place: &Place, before: Vec<Arc<Job>>) -> Arc<Job> {
    place.add_group(before, |ahead| {
        let conditionals = executable.conditionals.clone();
        let reset = move || {
            conditionals.iter().for_each(|conditional| conditional.begin());
            Ok(())
        };
        // Only where there is something to reset does a thread have to do it.
        let action =
            if executable.conditionals.is_empty() { Action::Nothing } else { Action::Copy(Box::new(reset)) };
        let entry = Job::place(&place.context, &ahead, action);
        let ends = place_level(executable, 0, &place.context, &entry);
        Job::place(&place.context, &ends, Action::Nothing)
    })
}

/// Places the steps of a level behind `entry`; the jobs that have to end for it to be done.
fn place_level(
    executable: &Arc<Executable>,
    level: usize,
    context: &Arc<Context>,
    entry: &Arc<Job>,
) -> Vec<Arc<Job>> {
    let steps = &executable.levels[level];
    let mut jobs: Vec<Arc<Job>> = Vec::with_capacity(steps.len());
    let mut waited_for = vec![false; steps.len()];
    for step in steps {
        let mut ahead: Vec<Arc<Job>> = step.after.iter().map(|from| jobs[*from as usize].clone()).collect();
        step.after.iter().for_each(|from| waited_for[*from as usize] = true);
        if ahead.is_empty() {
            ahead.push(entry.clone());
        }
        jobs.push(place_step(executable, &step.does, context, ahead));
    }
    let last = jobs.into_iter().zip(waited_for).filter(|(_, waited_for)| !waited_for);
    let last: Vec<Arc<Job>> = last.map(|(job, _)| job).collect();
    if last.is_empty() { vec![entry.clone()] } else { last }
}

fn place_step(
    executable: &Arc<Executable>,
    does: &Does,
    context: &Arc<Context>,
    mut ahead: Vec<Arc<Job>>,
) -> Arc<Job> {
    match does {
        Does::Nothing => Job::place(context, &ahead, Action::Nothing),
        Does::Kernel { context, function, request, params } => {
            let action = launch::action(request, context, function, params.clone());
            Job::place(context, &ahead, action.unwrap_or_else(failing))
        }
        Does::Copy(context, copy) => Job::place(context, &ahead, copy.action()),
        Does::Fill(context, fill) => {
            let action = fill.action();
            Job::place(context, &ahead, action.unwrap_or_else(failing))
        }
        Does::Host { function, data } => {
            let (function, data) = host_function_at(*function, *data);
            let run = move |status| {
                if status == CUDA_SUCCESS {
                    call_host_function(function, data);
                }
            };
            Job::place(context, &ahead, Action::Callback(Box::new(run)))
        }
        Does::Record(event) => {
            let job = Job::place(context, &ahead, Action::Nothing);
            event.mark_by(job.clone());
            job
        }
        Does::Wait(event) => {
            ahead.extend(event.mark());
            Job::place(context, &ahead, Action::Nothing)
        }
        Does::Operations(context, operations) => {
            let mut last = ahead;
            for operation in operations {
                let action = memory_operation(context, operation).unwrap_or_else(failing);
                last = vec![Job::place(context, &last, action)];
            }
            Job::place(context, &last, Action::Nothing)
        }
        Does::Conditional { conditional, kind, bodies } => {
            let (executable, context) = (executable.clone(), context.clone());
            let choice = Choice {
                executable,
                context,
                conditional: conditional.clone(),
                kind: *kind,
                bodies: bodies.clone(),
            };
            Job::place(&choice.context.clone(), &ahead, Action::Expand(Box::new(move |job| choice.make(job))))
        }
    }
}

/// What could be checked only when its turn came, and was wrong: the memory is gone.
fn failing(error: CUresult) -> Action {
    Action::Copy(Box::new(move || Err(error)))
}

/// `CUgraphConditionalNodeType`; what is neither is a switch.
const IF: u32 = 0;
const WHILE: u32 = 1;

/// A conditional node whose turn has come.
struct Choice {
    executable: Arc<Executable>,
    context: Arc<Context>,
    conditional: Arc<Conditional>,
    kind: u32,
    bodies: Vec<u32>,
}

impl Choice {
    /// Looks at the value and runs the body that it means; `job` ends with that, or at once where there is none.
    fn make(self, job: Arc<Job>) {
        let value = self.conditional.value.load(Ordering::Acquire);
        let body = match (self.kind, value) {
            (IF, 0) => self.bodies.get(1),
            (IF, _) => self.bodies.first(),
            (WHILE, 0) => None,
            (WHILE, _) => self.bodies.first(),
            (_, value) => self.bodies.get(value as usize),
        };
        let Some(body) = body.copied().filter(|_| self.context.standing().is_ok()) else {
            return job.end(Ok(()));
        };
        let context = self.context.clone();
        let entry = Job::place(&context, &[], Action::Nothing);
        let ends = place_level(&self.executable, body as usize, &context, &entry);
        let then = move |tail: Arc<Job>| {
            tail.end(Ok(()));
            if self.kind == WHILE { self.make(job) } else { job.end(Ok(())) }
        };
        Job::place(&context, &ends, Action::Expand(Box::new(then)));
    }
}
