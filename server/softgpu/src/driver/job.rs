//! What must happen before what. A job is one thing that a stream has to do; it begins when every job that it follows has
//! ended. Streams, events and the rules of the default streams only choose whom a new job follows (see `stream`).
//!
//! Nobody sits and waits for a job to become ready: whoever ends a job starts those that followed it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use farwarp_face::*;

use crate::driver::context::Context;
use crate::driver::crew;
use crate::driver::edge::Result;
use crate::driver::launch::Holds;
use crate::driver::machine::engine;
use crate::driver::memops::Condition;
use crate::driver::ranges::{Running, lock};
use crate::ptx::{Fault, Launch};

/// What a job does.
pub enum Action {
    /// A mark in the order: an event, a join of streams.
    Nothing,
    /// By the thread that asked for it, which waits for its turn: synchronous copies.
    ByCaller,
    /// On a copy thread.
    Copy(Box<dyn FnOnce() -> Result + Send>),
    /// On the engine, with what it may touch.
    Kernel(Box<Launch>, Holds),
    /// The program's own function, told how the stream stands. It runs even when nothing else does any more.
    Callback(Box<dyn FnOnce(CUresult) + Send>),
    /// Until memory holds a value.
    Wait(Condition),
    /// Places further jobs when its turn comes, and ends with them: whoever is called ends the job.
    Expand(Box<dyn FnOnce(Arc<Job>) + Send>),
}

pub struct Job {
    pub context: Arc<Context>,
    /// Jobs that this one follows and that have not ended, and one more until it is fully placed.
    ahead: AtomicUsize,
    ended: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    action: Option<Action>,
    behind: Vec<Arc<Job>>,
    /// The turn of a job that its caller does has come.
    ready: bool,
    ended_at: Option<Instant>,
}

impl Job {
    /// Places a job behind others. It may begin, and end, before this returns.
    pub fn place(context: &Arc<Context>, ahead: &[Arc<Job>], action: Action) -> Arc<Job> {
        let job = Arc::new(Job {
            context: context.clone(),
            ahead: AtomicUsize::new(1),
            ended: AtomicBool::new(false),
            state: Mutex::new(State {
                action: Some(action),
                behind: Vec::new(),
                ready: false,
                ended_at: None,
            }),
            changed: Condvar::new(),
        });
        context.job_placed();
        for other in ahead {
            other.before(&job);
        }
        run_if_due(job.clone());
        job
    }

    fn before(&self, follower: &Arc<Job>) {
        let mut state = lock(&self.state);
        if state.ended_at.is_none() {
            follower.ahead.fetch_add(1, Ordering::Relaxed);
            state.behind.push(follower.clone());
        }
    }

    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub fn ended_at(&self) -> Option<Instant> {
        lock(&self.state).ended_at
    }

    /// Blocks until the job has ended.
    pub fn wait(&self) {
        let mut state = lock(&self.state);
        while state.ended_at.is_none() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Blocks until the job has ended or the time is up; whether it has ended.
    pub fn ends_before(&self, deadline: Instant) -> bool {
        let mut state = lock(&self.state);
        while state.ended_at.is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Blocks until it is the turn of a job that its caller does.
    pub fn wait_for_turn(&self) {
        let mut state = lock(&self.state);
        while !state.ready {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends the job, and starts or ends all that now may.
    pub fn end(self: Arc<Job>, outcome: Result) {
        settle(self, outcome);
    }

    /// Marks the end; returns those whose turn has come by it.
    fn close(&self, outcome: Result) -> Vec<Arc<Job>> {
        if let Err(error) = outcome {
            self.context.failed(error);
        }
        let behind = {
            let mut state = lock(&self.state);
            state.ended_at = Some(Instant::now());
            self.ended.store(true, Ordering::Release);
            std::mem::take(&mut state.behind)
        };
        self.changed.notify_all();
        self.context.job_ended(self.number());
        behind.into_iter().filter(|job| job.ahead.fetch_sub(1, Ordering::AcqRel) == 1).collect()
    }

    /// Tells jobs apart while they live.
    fn number(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

/// The last step of placing: the job's own count goes.
fn run_if_due(job: Arc<Job>) {
    if job.ahead.fetch_sub(1, Ordering::AcqRel) == 1
        && let Some(outcome) = begin(&job)
    {
        settle(job, outcome);
    }
}

/// Ends `first` and everything that ends at once by it, without recursion: chains of marks can be long.
fn settle(first: Arc<Job>, outcome: Result) {
    let mut ending = vec![(first, outcome)];
    while let Some((job, outcome)) = ending.pop() {
        for due in job.close(outcome) {
            if let Some(outcome) = begin(&due) {
                ending.push((due, outcome));
            }
        }
    }
}

/// Starts a job whose turn has come. `Some` if it has ended already.
fn begin(job: &Arc<Job>) -> Option<Result> {
    let action = lock(&job.state).action.take()?;
    let standing = job.context.standing();
    match action {
        Action::Callback(function) => call_back(job.clone(), function),
        Action::ByCaller => {
            lock(&job.state).ready = true;
            job.changed.notify_all();
        }
        // After a fault nothing is done any more: the order drains.
        _ if standing.is_err() => return Some(Ok(())),
        Action::Nothing => return Some(Ok(())),
        Action::Copy(copy) => copy_soon(job.clone(), copy),
        Action::Kernel(launch, holds) => launch_now(job, *launch, holds),
        Action::Wait(condition) => condition.watch(job.clone()),
        Action::Expand(expand) => {
            let job = job.clone();
            crew::COPIES.give(Box::new(move || expand(job)));
        }
    }
    None
}

fn call_back(job: Arc<Job>, function: Box<dyn FnOnce(CUresult) + Send>) {
    crew::CALLBACKS.give(Box::new(move || {
        let standing = job.context.standing().err().unwrap_or(CUDA_SUCCESS);
        crew::within_host_function(|| function(standing));
        job.end(Ok(()));
    }));
}

fn copy_soon(job: Arc<Job>, copy: Box<dyn FnOnce() -> Result + Send>) {
    crew::COPIES.give(Box::new(move || {
        let running = Running::begin();
        let outcome = copy();
        drop(running);
        job.end(outcome);
    }));
}

fn launch_now(job: &Arc<Job>, launch: Launch, holds: Holds) {
    let running = Running::begin();
    let ended = job.clone();
    let done = move |outcome: std::result::Result<(), Fault>| {
        drop((running, holds));
        let context = ended.context.clone();
        ended.end(outcome.or_else(|fault| context.faulted(&fault)));
    };
    let grid = engine().submit(launch, Box::new(done));
    job.context.grid_runs(job.number(), grid, || job.has_ended());
}
