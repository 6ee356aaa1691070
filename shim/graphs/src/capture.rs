//! Captures: which streams record instead of execute, what their next node will wait for, who began it, and what ends it badly.

use crate::graph::Edge;
use crate::state::State;
use farwarp_protocol::error::*;
use farwarp_protocol::handle::Id;
use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A stream, told from every other: the default ones have a context, and that of a thread also the thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    pub handle: u64,
    pub context: u64,
    pub thread: u64,
}

/// What a stream argument means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub key: Key,
    pub context: u64,
    pub line: Line,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    Legacy,
    Blocking,
    NonBlocking,
}

/// `CUstreamCaptureMode`.
pub const MODE_GLOBAL: u32 = 0;
pub const MODE_THREAD_LOCAL: u32 = 1;
pub const MODE_RELAXED: u32 = 2;

/// `CUstreamCaptureStatus`.
pub const NOT_CAPTURING: u32 = 0;
pub const CAPTURING: u32 = 1;
pub const INVALIDATED: u32 = 2;

pub struct Captures {
    live: Option<Live>,
}

#[derive(Default)]
struct Live {
    captures: HashMap<u64, Capture>,
    lanes: HashMap<Key, Lane>,
    /// Events that were last recorded in a capture, also in one that has ended.
    events: HashMap<u64, Mark>,
}

struct Capture {
    graph: Id,
    origin: Key,
    mode: u32,
    thread: u64,
    invalid: bool,
    /// The graph is the program's own: it stays when the capture fails.
    borrowed: bool,
}

/// A stream that takes part in a capture.
struct Lane {
    capture: u64,
    place: Place,
    after: Vec<Edge>,
    /// What the program was given pointers to.
    shown_nodes: Box<[u64]>,
    shown_data: Box<[[u8; 8]]>,
}

struct Mark {
    capture: u64,
    after: Vec<Edge>,
}

/// A capture as it is told.
pub struct Info {
    pub status: u32,
    pub number: u64,
    pub graph: u64,
    /// Addresses of the nodes and the edges' data, and how many there are.
    pub nodes: u64,
    pub data: u64,
    pub count: usize,
    pub has_data: bool,
}

/// Captures that go on, and events that were recorded in one: while there are none, no call is looked at.
static CAPTURES: AtomicUsize = AtomicUsize::new(0);
static MARKS: AtomicUsize = AtomicUsize::new(0);

pub fn any_capture() -> bool {
    CAPTURES.load(Ordering::Acquire) > 0
}

pub fn any_mark() -> bool {
    MARKS.load(Ordering::Acquire) > 0
}

thread_local! {
    static MODE: Cell<u32> = const { Cell::new(MODE_GLOBAL) };
    static THREAD: Cell<u64> = const { Cell::new(0) };
}

/// A number for the calling thread that no other thread ever has.
pub fn this_thread() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    if THREAD.get() == 0 {
        THREAD.set(NEXT.fetch_add(1, Ordering::Relaxed));
    }
    THREAD.get()
}

/// Replaces the calling thread's capture mode.
pub fn exchange_mode(mode: u32) -> u32 {
    MODE.replace(mode)
}

impl Captures {
    pub const fn new() -> Captures {
        Captures { live: None }
    }

    fn live(&mut self) -> &mut Live {
        self.live.get_or_insert_default()
    }

    pub fn begin(&mut self, place: Place, mode: u32, graph: Id, borrowed: bool, after: Vec<Edge>) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let thread = this_thread();
        let capture = Capture { graph, origin: place.key, mode, thread, invalid: false, borrowed };
        let live = self.live();
        live.captures.insert(number, capture);
        live.join(number, place, after);
        live.count();
        number
    }

    pub fn is_capturing(&self, key: Key) -> bool {
        self.live.as_ref().is_some_and(|live| live.lanes.contains_key(&key))
    }

    /// The graph that a stream records into and what its next node waits for, unless the capture is invalid.
    pub fn recording(&self, key: Key) -> Option<Result<(Id, Vec<Edge>), Code>> {
        let live = self.live.as_ref()?;
        let lane = live.lanes.get(&key)?;
        let capture = live.captures.get(&lane.capture)?;
        Some(match capture.invalid {
            true => Err(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED),
            false => Ok((capture.graph, lane.after.clone())),
        })
    }

    /// The stream's later nodes wait for these.
    pub fn set_after(&mut self, key: Key, after: Vec<Edge>) {
        if let Some(lane) = self.live().lanes.get_mut(&key) {
            lane.after = after;
        }
    }

    /// The capture of a stream can no longer end well.
    pub fn invalidate(&mut self, key: Key) {
        let live = self.live();
        if let Some(lane) = live.lanes.get(&key) {
            let number = lane.capture;
            live.invalidate(number);
        }
    }

    /// The legacy stream would wait for every blocking one of its context: no such may be capturing.
    pub fn legacy_would_join(&self, context: u64) -> bool {
        let joins = |lane: &Lane| lane.place.line == Line::Blocking && lane.place.context == context;
        self.live.as_ref().is_some_and(|live| live.lanes.values().any(joins))
    }

    pub fn invalidate_blocking(&mut self, context: u64) {
        let joins = |lane: &&Lane| lane.place.line == Line::Blocking && lane.place.context == context;
        let live = self.live();
        let numbers: Vec<u64> = live.lanes.values().filter(joins).map(|lane| lane.capture).collect();
        numbers.into_iter().for_each(|number| live.invalidate(number));
    }

    /// Invalidates every capture of a context; whether there was one.
    pub fn invalidate_context(&mut self, context: u64) -> bool {
        let live = self.live();
        let within = live.lanes.values().filter(|lane| lane.place.context == context);
        let numbers: Vec<u64> = within.map(|lane| lane.capture).collect();
        numbers.iter().for_each(|number| live.invalidate(*number));
        !numbers.is_empty()
    }

    /// Captures that forbid the calling thread what could disturb them. They are invalid if it is tried.
    pub fn forbid_unsafe(&mut self) -> Result<(), Code> {
        let (mode, thread) = (MODE.get(), this_thread());
        let live = self.live();
        let mut forbidden = false;
        for capture in live.captures.values_mut() {
            let mine = capture.thread == thread && capture.mode != MODE_RELAXED;
            let forbids = match mode {
                MODE_RELAXED => false,
                MODE_THREAD_LOCAL => mine,
                _ => mine || capture.mode == MODE_GLOBAL,
            };
            capture.invalid |= forbids;
            forbidden |= forbids;
        }
        if forbidden { Err(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED) } else { Ok(()) }
    }

    /// An event is recorded in a stream that captures, or in one that does not.
    pub fn record(&mut self, event: u64, key: Key) {
        let live = self.live();
        match live.lanes.get(&key) {
            Some(lane) => {
                let mark = Mark { capture: lane.capture, after: lane.after.clone() };
                live.events.insert(event, mark);
            }
            None => drop(live.events.remove(&event)),
        }
        live.count();
    }

    pub fn is_captured_event(&self, event: u64) -> bool {
        self.live.as_ref().is_some_and(|live| live.events.contains_key(&event))
    }

    /// Whoever asks about a captured event asks in vain, and spoils the capture.
    pub fn invalidate_of_event(&mut self, event: u64) {
        let live = self.live();
        if let Some(mark) = live.events.get(&event) {
            let number = mark.capture;
            live.invalidate(number);
        }
    }

    /// A stream waits for an event, and at least one of them belongs to a capture.
    pub fn wait(&mut self, place: Place, event: u64) -> Result<(), Code> {
        let live = self.live();
        let lane = live.lanes.get(&place.key).map(|lane| lane.capture);
        let mark = live.events.get(&event).map(|mark| (mark.capture, mark.after.clone()));
        match (lane, mark) {
            (Some(number), _) if live.is_invalid(number) => Err(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED),
            (Some(number), None) => {
                live.invalidate(number);
                Err(CUDA_ERROR_STREAM_CAPTURE_ISOLATION)
            }
            (Some(number), Some((theirs, _))) if number != theirs => {
                let ended = !live.captures.contains_key(&theirs);
                live.invalidate(number);
                live.invalidate(theirs);
                Err(if ended { CUDA_ERROR_STREAM_CAPTURE_ISOLATION } else { CUDA_ERROR_STREAM_CAPTURE_MERGE })
            }
            (Some(_), Some((_, after))) => {
                if let Some(lane) = live.lanes.get_mut(&place.key) {
                    merge(&mut lane.after, after);
                }
                Ok(())
            }
            (None, Some((theirs, _))) if !live.captures.contains_key(&theirs) => {
                Err(CUDA_ERROR_CAPTURED_EVENT)
            }
            (None, Some((theirs, _))) if live.is_invalid(theirs) => {
                Err(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED)
            }
            (None, Some((theirs, _))) if place.line == Line::Legacy => {
                live.invalidate(theirs);
                Err(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT)
            }
            (None, Some((theirs, after))) => {
                live.join(theirs, place, after);
                Ok(())
            }
            (None, None) => Ok(()),
        }
    }

    pub fn info(&mut self, key: Key) -> Option<Info> {
        let live = self.live();
        let lane = live.lanes.get_mut(&key)?;
        let capture = live.captures.get(&lane.capture)?;
        let status = if capture.invalid { INVALIDATED } else { CAPTURING };
        lane.shown_nodes = lane.after.iter().map(|edge| edge.from.0).collect();
        lane.shown_data = lane.after.iter().map(|edge| edge.data).collect();
        Some(Info {
            status,
            number: lane.capture,
            graph: capture.graph.0,
            nodes: lane.shown_nodes.as_ptr().expose_provenance() as u64,
            data: lane.shown_data.as_ptr().expose_provenance() as u64,
            count: lane.after.len(),
            has_data: lane.after.iter().any(|edge| edge.data != [0; 8]),
        })
    }

    /// Takes a stream that is destroyed out of its capture, which cannot end well without it.
    pub fn stream_gone(&mut self, key: Key) {
        let live = self.live();
        let Some(lane) = live.lanes.remove(&key) else { return };
        live.invalidate(lane.capture);
        if live.captures.get(&lane.capture).is_some_and(|capture| capture.origin == key) {
            live.end(lane.capture);
        }
        live.count();
    }

    pub fn event_gone(&mut self, event: u64) {
        let live = self.live();
        live.events.remove(&event);
        live.count();
    }

    pub fn context_gone(&mut self, context: u64) {
        let Some(live) = self.live.as_mut() else { return };
        let gone: Vec<Key> = live
            .lanes
            .iter()
            .filter(|(_, lane)| lane.place.context == context)
            .map(|(key, _)| *key)
            .collect();
        gone.into_iter().for_each(|key| self.stream_gone(key));
    }

    /// A graph that is destroyed takes no more nodes.
    pub fn graph_gone(&mut self, graph: Id) {
        let Some(live) = self.live.as_mut() else { return };
        live.captures
            .values_mut()
            .filter(|capture| capture.graph == graph)
            .for_each(|capture| capture.invalid = true);
    }
}

impl Live {
    fn join(&mut self, capture: u64, place: Place, after: Vec<Edge>) {
        let (shown_nodes, shown_data) = Default::default();
        self.lanes.insert(place.key, Lane { capture, place, after, shown_nodes, shown_data });
    }

    fn invalidate(&mut self, number: u64) {
        if let Some(capture) = self.captures.get_mut(&number) {
            capture.invalid = true;
        }
    }

    fn is_invalid(&self, number: u64) -> bool {
        self.captures.get(&number).is_some_and(|capture| capture.invalid)
    }

    fn end(&mut self, number: u64) -> Option<Capture> {
        self.lanes.retain(|_, lane| lane.capture != number);
        let ended = self.captures.remove(&number);
        self.count();
        ended
    }

    fn count(&self) {
        CAPTURES.store(self.captures.len(), Ordering::Release);
        MARKS.store(self.events.len(), Ordering::Release);
    }
}

/// How a capture ended: its graph, or what is wrong and the graph that nobody gets.
pub struct Ended {
    pub outcome: Result<Id, Code>,
    pub unwanted: Option<Id>,
}

impl State {
    /// Ends the capture that began in this stream.
    pub fn end_capture(&mut self, place: Place) -> Result<Ended, Code> {
        let live = self.captures.live();
        let number = live.lanes.get(&place.key).map(|lane| lane.capture).ok_or(CUDA_ERROR_ILLEGAL_STATE)?;
        let capture = live.captures.get_mut(&number).ok_or(CUDA_ERROR_ILLEGAL_STATE)?;
        if capture.origin != place.key {
            capture.invalid = true;
            return Err(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED);
        }
        if capture.mode != MODE_RELAXED && capture.thread != this_thread() {
            return Err(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD);
        }
        let tips = |at_origin: bool| {
            let lanes = live
                .lanes
                .iter()
                .filter(|(key, lane)| lane.capture == number && (**key == place.key) == at_origin);
            lanes.flat_map(|(_, lane)| lane.after.iter().map(|edge| edge.from)).collect::<Vec<Id>>()
        };
        let (joined, others) = (tips(true), tips(false));
        let capture = live.end(number).ok_or(CUDA_ERROR_ILLEGAL_STATE)?;
        let outcome = if capture.invalid {
            Err(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED)
        } else if others.iter().any(|tip| !self.ancestry(&joined).contains(tip)) {
            Err(CUDA_ERROR_STREAM_CAPTURE_UNJOINED)
        } else {
            Ok(capture.graph)
        };
        let unwanted = (outcome.is_err() && !capture.borrowed).then_some(capture.graph);
        Ok(Ended { outcome, unwanted })
    }

    /// Nodes, and all that they wait for.
    fn ancestry(&self, nodes: &[Id]) -> HashSet<Id> {
        let mut found: HashSet<Id> = nodes.iter().copied().collect();
        let mut left = nodes.to_vec();
        while let Some(id) = left.pop() {
            let after = self.nodes.get(id).map_or(&[][..], |node| &node.after);
            left.extend(after.iter().map(|edge| edge.from).filter(|from| found.insert(*from)));
        }
        found
    }
}

/// Adds what is not there yet.
pub fn merge(after: &mut Vec<Edge>, more: Vec<Edge>) {
    for edge in more {
        if !after.iter().any(|other| other.from == edge.from) {
            after.push(edge);
        }
    }
}
