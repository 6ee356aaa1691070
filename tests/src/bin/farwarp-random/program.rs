//! What a random program is: threads, and one list of steps in an order in which they could happen one after the other.

use std::fmt;

use crate::work::Work;

pub struct Program {
    pub threads: usize,
    pub steps: Vec<Step>,
}

#[derive(Clone)]
pub struct Step {
    pub thread: usize,
    pub act: Act,
}

/// A stream as a thread names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    Legacy,
    /// The per-thread default stream of the thread that calls.
    Mine,
    Made(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Device,
    Pinned,
    Pageable,
    /// Pageable memory that the driver was told of.
    Registered,
}

/// Buffers, streams, events and graphs have numbers that are never used twice.
#[derive(Clone)]
pub enum Act {
    Allocate {
        buffer: usize,
        kind: Kind,
        bytes: usize,
    },
    AllocateAsync {
        buffer: usize,
        bytes: usize,
        lane: Lane,
    },
    Free {
        buffer: usize,
    },
    FreeAsync {
        buffer: usize,
        lane: Lane,
    },
    MakeStream {
        stream: usize,
        blocking: bool,
    },
    DestroyStream {
        stream: usize,
    },
    MakeEvent {
        event: usize,
    },
    DestroyEvent {
        event: usize,
    },
    Do {
        work: Work,
        lane: Lane,
        /// By the function without Async in its name.
        plain: bool,
    },
    Record {
        event: usize,
        lane: Lane,
    },
    WaitEvent {
        event: usize,
        lane: Lane,
    },
    Synchronize {
        lane: Lane,
    },
    SynchronizeEvent {
        event: usize,
    },
    SynchronizeContext,
    /// Asks until it is done.
    Poll {
        lane: Lane,
    },
    PollEvent {
        event: usize,
    },
    /// Asks once; either answer is right.
    Query {
        lane: Lane,
    },
    /// Waits until that thread has made all its steps that stand above.
    Await {
        thread: usize,
    },
    /// The thread itself writes host memory.
    Write {
        buffer: usize,
        value: u32,
    },
    /// The thread itself reads host memory, and compares.
    Check {
        buffer: usize,
    },
    Build {
        graph: usize,
        body: Vec<Node>,
        how: How,
    },
    Launch {
        graph: usize,
        lane: Lane,
    },
    DestroyGraph {
        graph: usize,
    },
}

/// Work in a graph, and which earlier nodes it waits for.
#[derive(Clone)]
pub struct Node {
    pub work: Work,
    pub after: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Explicit,
    /// One behind the other in this stream.
    Captured(Lane),
    /// Each second node in the second stream, forked at the beginning and joined at the end.
    Forked(Lane, Lane),
}

impl Program {
    /// The same with these steps only.
    pub fn only(&self, steps: &[usize]) -> Program {
        Program { threads: self.threads, steps: steps.iter().map(|&step| self.steps[step].clone()).collect() }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} threads", self.threads)?;
        for (index, step) in self.steps.iter().enumerate() {
            writeln!(f, "{index:4}  {step}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "thread {}: ", self.thread)?;
        match &self.act {
            Act::Allocate { buffer, kind, bytes } => write!(f, "allocate b{buffer}, {kind:?}, {bytes} bytes"),
            Act::AllocateAsync { buffer, bytes, lane } => {
                write!(f, "allocate b{buffer} from the pool, {bytes} bytes, in {lane}")
            }
            Act::Free { buffer } => write!(f, "free b{buffer}"),
            Act::FreeAsync { buffer, lane } => write!(f, "free b{buffer} in {lane}"),
            Act::MakeStream { stream, blocking } => {
                write!(f, "make s{stream}, {}", if *blocking { "blocking" } else { "non-blocking" })
            }
            Act::DestroyStream { stream } => write!(f, "destroy s{stream}"),
            Act::MakeEvent { event } => write!(f, "make e{event}"),
            Act::DestroyEvent { event } => write!(f, "destroy e{event}"),
            Act::Do { work, lane, plain } => {
                write!(f, "{work} in {lane}{}", if *plain { ", not async" } else { "" })
            }
            Act::Record { event, lane } => write!(f, "record e{event} in {lane}"),
            Act::WaitEvent { event, lane } => write!(f, "{lane} waits for e{event}"),
            Act::Synchronize { lane } => write!(f, "synchronize {lane}"),
            Act::SynchronizeEvent { event } => write!(f, "synchronize e{event}"),
            Act::SynchronizeContext => write!(f, "synchronize the context"),
            Act::Poll { lane } => write!(f, "query {lane} until it is done"),
            Act::PollEvent { event } => write!(f, "query e{event} until it is done"),
            Act::Query { lane } => write!(f, "query {lane} once"),
            Act::Await { thread } => write!(f, "wait for thread {thread}"),
            Act::Write { buffer, value } => write!(f, "write {value:#x} into b{buffer}"),
            Act::Check { buffer } => write!(f, "check b{buffer}"),
            Act::Build { graph, body, how } => {
                write!(f, "build g{graph}, {how:?}:")?;
                for (at, node) in body.iter().enumerate() {
                    write!(f, " [{at}: {} after {:?}]", node.work, node.after)?;
                }
                Ok(())
            }
            Act::Launch { graph, lane } => write!(f, "launch g{graph} in {lane}"),
            Act::DestroyGraph { graph } => write!(f, "destroy g{graph}"),
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lane::Legacy => write!(f, "legacy"),
            Lane::Mine => write!(f, "mine"),
            Lane::Made(stream) => write!(f, "s{stream}"),
        }
    }
}
