//! What a program means: whether CUDA's rules alone decide what each of its steps reads, and then what memory holds.
//!
//! A step is lawful when whatever it touches is ordered before or behind everything else that touches it: by a thread's own order, by
//! streams, events, the legacy stream's rules and waits. Where CUDA's manual leaves open whether something is ordered, it is not.
//! Steps are interpreted one after the other, which is as good as any order that the rules allow.

use std::collections::BTreeMap;

use crate::order::{Happening, Order, Past};
use crate::program::{Act, How, Kind, Lane, Node, Program, Step};
use crate::work::{Access, Buffer, Expected, Memory, Undefined, Work};

/// Why a step may not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlawful {
    /// It names what is not there, or no longer.
    Absent,
    /// It leaves its memory, overlaps itself, or is none of CUDA's.
    Senseless,
    Race {
        with: Happening,
    },
    Undefined {
        buffer: usize,
    },
}

/// A stream itself, whoever names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Queue {
    Legacy,
    OfThread(usize),
    Made(usize),
}

/// Whose a happening is; for repairs.
#[derive(Clone, Copy)]
pub struct Maker {
    pub thread: usize,
    pub call: Happening,
    /// As its thread named it; a call by itself has none.
    pub lane: Option<Lane>,
}

/// In a stream.
struct Issued {
    call: Happening,
    happening: Happening,
    queue: Queue,
    blocking: bool,
}

struct Touched {
    access: Access,
    call: Happening,
    happening: Happening,
}

/// What is not memory, and must not be used by two threads at once in some ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thing {
    Stream(usize),
    Event(usize),
    Graph(usize),
    /// No capture while somebody waits for all of the context.
    Context,
    /// No capture in a stream that waits for the legacy stream while that is used.
    LegacyStream,
}

struct Used {
    thing: Thing,
    call: Happening,
    alone: bool,
}

pub struct Graph {
    pub body: Vec<Node>,
    /// The end of its last launch.
    launched: Option<Happening>,
}

pub struct Model {
    order: Order,
    makers: Vec<Maker>,
    issued: Vec<Issued>,
    touched: Vec<Touched>,
    used: Vec<Used>,
    threads: Vec<Past>,
    pub memory: Memory,
    /// Of all buffers that there ever were.
    pub kinds: BTreeMap<usize, Kind>,
    /// Whether they are blocking.
    pub streams: BTreeMap<usize, bool>,
    /// The work that they were last recorded as.
    pub events: BTreeMap<usize, Option<Happening>>,
    pub graphs: BTreeMap<usize, Graph>,
    /// What each step that checks must find.
    pub checks: BTreeMap<usize, Expected>,
    steps: usize,
}

/// The steps of the program that are lawful without the others, by their places, and what comes of them.
pub fn lawful(program: &Program) -> (Vec<usize>, Model) {
    let mut model = Model::new(program.threads);
    let mut kept = Vec::new();
    for (index, step) in program.steps.iter().enumerate() {
        if model.step(step).is_ok() {
            kept.push(index);
        }
    }
    (kept, model)
}

impl Model {
    pub fn new(threads: usize) -> Self {
        Model {
            order: Order::default(),
            makers: Vec::new(),
            issued: Vec::new(),
            touched: Vec::new(),
            used: Vec::new(),
            threads: vec![Past::default(); threads],
            memory: Memory::new(),
            kinds: BTreeMap::new(),
            streams: BTreeMap::new(),
            events: BTreeMap::new(),
            graphs: BTreeMap::new(),
            checks: BTreeMap::new(),
            steps: 0,
        }
    }

    /// None of one that was undone with its step.
    pub fn maker(&self, happening: Happening) -> Option<Maker> {
        self.makers.get(happening).copied()
    }

    /// Whether the thread knows that this is over, or was called.
    pub fn knows(&self, thread: usize, happening: Happening) -> bool {
        self.threads[thread].has(happening)
    }

    /// Makes a step, or refuses it and is as before.
    pub fn step(&mut self, step: &Step) -> Result<(), Unlawful> {
        let lengths = (self.order.len(), self.issued.len(), self.touched.len(), self.used.len());
        let now = self.threads[step.thread].clone();
        let call = self.happens(now.clone(), step.thread, None, None);
        self.threads[step.thread] = self.order.past(call).clone();
        let made = self.act(step.thread, call, &step.act);
        match made {
            Ok(()) => self.steps += 1,
            Err(_) => {
                self.order.forget_from(lengths.0);
                self.makers.truncate(lengths.0);
                self.issued.truncate(lengths.1);
                self.touched.truncate(lengths.2);
                self.used.truncate(lengths.3);
                self.threads[step.thread] = now;
            }
        }
        made
    }

    fn happens(
        &mut self,
        past: Past,
        thread: usize,
        call: Option<Happening>,
        lane: Option<Lane>,
    ) -> Happening {
        let happening = self.order.add(past);
        self.makers.push(Maker { thread, call: call.unwrap_or(happening), lane });
        happening
    }

    fn act(&mut self, thread: usize, call: Happening, act: &Act) -> Result<(), Unlawful> {
        match act {
            Act::Allocate { buffer, kind, bytes } => {
                self.new_buffer(*buffer, Buffer::new(*kind, false, *bytes), call, call)
            }
            Act::AllocateAsync { buffer, bytes, lane } => {
                let happening = self.issue(thread, call, *lane, None)?;
                self.new_buffer(*buffer, Buffer::new(Kind::Device, true, *bytes), call, happening)
            }
            Act::Free { buffer } => self.free(*buffer, call, None),
            Act::FreeAsync { buffer, lane } => {
                let happening = self.issue(thread, call, *lane, None)?;
                self.free(*buffer, call, Some(happening))
            }
            Act::MakeStream { stream, blocking } => {
                self.use_thing(Thing::Stream(*stream), call, true)?;
                self.streams.insert(*stream, *blocking);
                Ok(())
            }
            Act::DestroyStream { stream } => self.destroy_stream(*stream, call),
            Act::MakeEvent { event } => {
                self.use_thing(Thing::Event(*event), call, true)?;
                self.events.insert(*event, None);
                Ok(())
            }
            Act::DestroyEvent { event } => {
                self.use_thing(Thing::Event(*event), call, true)?;
                self.events.remove(event).map(drop).ok_or(Unlawful::Absent)
            }
            Act::Do { work, lane, plain } => self.work(thread, call, work, *lane, *plain),
            Act::Record { event, lane } => {
                self.use_thing(Thing::Event(*event), call, true)?;
                let happening = self.issue(thread, call, *lane, None)?;
                *self.events.get_mut(event).ok_or(Unlawful::Absent)? = Some(happening);
                Ok(())
            }
            Act::WaitEvent { event, lane } => {
                match self.event(*event, call)? {
                    // An event that nothing has recorded is waited for by doing nothing.
                    None => self.use_lane(thread, *lane, call),
                    recorded => self.issue(thread, call, *lane, recorded).map(drop),
                }
            }
            Act::Synchronize { lane } | Act::Poll { lane } => self.synchronize(thread, call, *lane),
            Act::SynchronizeEvent { event } | Act::PollEvent { event } => {
                let recorded = self.event(*event, call)?;
                recorded.into_iter().for_each(|happening| self.is_over(thread, happening));
                Ok(())
            }
            Act::SynchronizeContext => {
                self.use_thing(Thing::Context, call, false)?;
                self.wait_where(thread, call, |_| true);
                Ok(())
            }
            Act::Query { lane } => self.use_lane(thread, *lane, call),
            Act::Await { thread: other } => {
                let theirs = self.threads.get(*other).ok_or(Unlawful::Senseless)?.clone();
                self.threads[thread].join(&theirs);
                Ok(())
            }
            Act::Write { buffer, value } => {
                self.touch_host(*buffer, call, true)?;
                self.memory.get_mut(buffer).ok_or(Unlawful::Absent)?.write(*value);
                Ok(())
            }
            Act::Check { buffer } => {
                self.touch_host(*buffer, call, false)?;
                self.checks.insert(self.steps, self.memory[buffer].expected());
                Ok(())
            }
            Act::Build { graph, body, how } => self.build(thread, call, *graph, body, *how),
            Act::Launch { graph, lane } => self.launch(thread, call, *graph, *lane),
            Act::DestroyGraph { graph } => {
                self.use_thing(Thing::Graph(*graph), call, true)?;
                self.graphs.remove(graph).map(drop).ok_or(Unlawful::Absent)
            }
        }
    }

    fn event(&mut self, event: usize, call: Happening) -> Result<Option<Happening>, Unlawful> {
        self.use_thing(Thing::Event(event), call, false)?;
        self.events.get(&event).copied().ok_or(Unlawful::Absent)
    }

    fn queue(&self, thread: usize, lane: Lane) -> Result<(Queue, bool), Unlawful> {
        Ok(match lane {
            Lane::Legacy => (Queue::Legacy, false),
            Lane::Mine => (Queue::OfThread(thread), true),
            Lane::Made(stream) => (Queue::Made(stream), *self.streams.get(&stream).ok_or(Unlawful::Absent)?),
        })
    }

    fn use_lane(&mut self, thread: usize, lane: Lane, call: Happening) -> Result<(), Unlawful> {
        self.queue(thread, lane)?;
        match lane {
            Lane::Legacy => self.use_thing(Thing::LegacyStream, call, false),
            Lane::Mine => Ok(()),
            Lane::Made(stream) => self.use_thing(Thing::Stream(stream), call, false),
        }
    }

    /// Everything that a stream has before it, when this call puts something into it.
    fn before(&self, call: Happening, queue: Queue, blocking: bool) -> Past {
        let mut past = self.order.past(call).clone();
        for earlier in self.issued.iter().filter(|earlier| self.order.is_before(earlier.call, call)) {
            let legacy =
                (queue == Queue::Legacy && earlier.blocking) || (earlier.queue == Queue::Legacy && blocking);
            if earlier.queue == queue || legacy {
                past.join(self.order.past(earlier.happening));
            }
        }
        past
    }

    /// Puts something into a stream, behind something else too.
    fn issue(
        &mut self,
        thread: usize,
        call: Happening,
        lane: Lane,
        behind: Option<Happening>,
    ) -> Result<Happening, Unlawful> {
        self.use_lane(thread, lane, call)?;
        let (queue, blocking) = self.queue(thread, lane)?;
        let mut past = self.before(call, queue, blocking);
        behind.into_iter().for_each(|other| past.join(self.order.past(other)));
        let happening = self.happens(past, thread, Some(call), Some(lane));
        self.issued.push(Issued { call, happening, queue, blocking });
        Ok(happening)
    }

    fn is_over(&mut self, thread: usize, happening: Happening) {
        self.threads[thread].join(self.order.past(happening));
    }

    fn wait_where(&mut self, thread: usize, call: Happening, which: impl Fn(&Issued) -> bool) {
        let over = |issued: &&Issued| self.order.is_before(issued.call, call) && which(issued);
        let over: Vec<Happening> = self.issued.iter().filter(over).map(|issued| issued.happening).collect();
        over.into_iter().for_each(|happening| self.is_over(thread, happening));
    }

    fn synchronize(&mut self, thread: usize, call: Happening, lane: Lane) -> Result<(), Unlawful> {
        self.use_lane(thread, lane, call)?;
        let (queue, _) = self.queue(thread, lane)?;
        self.wait_where(thread, call, |issued| issued.queue == queue);
        Ok(())
    }

    /// What is still in it is done, and the legacy stream need not wait for it any more.
    fn destroy_stream(&mut self, stream: usize, call: Happening) -> Result<(), Unlawful> {
        self.use_thing(Thing::Stream(stream), call, true)?;
        self.streams.remove(&stream).ok_or(Unlawful::Absent)?;
        let of_it = |issued: &&mut Issued| issued.queue == Queue::Made(stream);
        self.issued.iter_mut().filter(of_it).for_each(|issued| issued.blocking = false);
        Ok(())
    }

    fn use_thing(&mut self, thing: Thing, call: Happening, alone: bool) -> Result<(), Unlawful> {
        let at_once = |used: &&Used| {
            used.thing == thing && (alone || used.alone) && !self.order.is_before(used.call, call)
        };
        if let Some(used) = self.used.iter().find(at_once) {
            return Err(Unlawful::Race { with: used.call });
        }
        self.used.push(Used { thing, call, alone });
        Ok(())
    }

    fn touch(&mut self, access: Access, call: Happening, happening: Happening) -> Result<(), Unlawful> {
        let buffer = self.memory.get(&access.buffer).ok_or(Unlawful::Absent)?;
        if access.bytes.end > buffer.len() {
            return Err(Unlawful::Senseless);
        }
        let races = |touched: &&Touched| {
            touched.access.conflicts(&access) && !self.order.is_before(touched.happening, happening)
        };
        if let Some(touched) = self.touched.iter().find(races) {
            return Err(Unlawful::Race { with: touched.happening });
        }
        self.touched.push(Touched { access, call, happening });
        Ok(())
    }

    fn touch_host(&mut self, buffer: usize, call: Happening, writes: bool) -> Result<(), Unlawful> {
        let is = self.memory.get(&buffer).ok_or(Unlawful::Absent)?;
        if is.kind == Kind::Device {
            return Err(Unlawful::Senseless);
        }
        self.touch(Access { buffer, bytes: 0..is.len(), writes }, call, call)
    }

    fn new_buffer(
        &mut self,
        number: usize,
        buffer: Buffer,
        call: Happening,
        happening: Happening,
    ) -> Result<(), Unlawful> {
        let access = Access { buffer: number, bytes: 0..buffer.len(), writes: true };
        self.touched.push(Touched { access, call, happening });
        self.kinds.insert(number, buffer.kind);
        self.memory.insert(number, buffer);
        Ok(())
    }

    /// Plain frees wait for what was called before them, as far as CUDA promises that; others stand in a stream.
    fn free(&mut self, number: usize, call: Happening, in_stream: Option<Happening>) -> Result<(), Unlawful> {
        let buffer = self.memory.get(&number).ok_or(Unlawful::Absent)?;
        if in_stream.is_some() && !buffer.pooled {
            return Err(Unlawful::Senseless);
        }
        let waits = in_stream.is_none() && !buffer.pooled && buffer.kind == Kind::Device;
        let free = in_stream.unwrap_or(call);
        for touched in self.touched.iter().filter(|touched| touched.access.buffer == number) {
            let known = if waits { touched.call } else { touched.happening };
            if !self.order.is_before(known, free) {
                return Err(Unlawful::Race { with: touched.happening });
            }
        }
        self.memory.remove(&number);
        Ok(())
    }

    fn is_host(&self, buffer: usize) -> Result<bool, Unlawful> {
        Ok(self.memory.get(&buffer).ok_or(Unlawful::Absent)?.kind != Kind::Device)
    }

    fn is_between_hosts(&self, work: &Work) -> Result<bool, Unlawful> {
        let Work::Copy { to, from, .. } = work else { return Ok(false) };
        Ok(self.is_host(to.buffer)? && self.is_host(from.buffer)?)
    }

    /// Kernels and sets work on the device's memory, functions of the host on the host's.
    fn is_sensible(&self, work: &Work) -> Result<(), Unlawful> {
        let accesses = work.accesses();
        let overlaps = match &accesses[..] {
            [from, to] => from.conflicts(to),
            _ => false,
        };
        let mut hosts = 0;
        for access in &accesses {
            hosts += usize::from(self.is_host(access.buffer)?);
        }
        let right = match work {
            Work::Host { .. } => hosts == 1,
            Work::Copy { .. } => true,
            _ => hosts == 0,
        };
        if right && !overlaps { Ok(()) } else { Err(Unlawful::Senseless) }
    }

    fn work(
        &mut self,
        thread: usize,
        call: Happening,
        work: &Work,
        lane: Lane,
        plain: bool,
    ) -> Result<(), Unlawful> {
        self.is_sensible(work)?;
        if plain && (matches!(lane, Lane::Made(_)) || !matches!(work, Work::Copy { .. } | Work::Set { .. })) {
            return Err(Unlawful::Senseless);
        }
        // What the stream waits for before it copies between host and host is left open: it is the thread's own doing.
        if self.is_between_hosts(work)? {
            self.use_lane(thread, lane, call)?;
            for access in work.accesses() {
                self.touch(access, call, call)?;
            }
            return self.apply(std::slice::from_ref(work));
        }
        let happening = self.issue(thread, call, lane, None)?;
        let mut waits = false;
        for access in work.accesses() {
            let is_copy = matches!(work, Work::Copy { .. });
            let kind = self.memory.get(&access.buffer).ok_or(Unlawful::Absent)?.kind;
            // Pageable memory is read before the call returns; it and what is not async are written before that too.
            let at_call = is_copy && kind == Kind::Pageable && !access.writes;
            let at_end =
                is_copy && kind != Kind::Device && (plain || access.writes && kind == Kind::Pageable);
            waits |= at_end && !at_call;
            self.touch(access, call, if at_call { call } else { happening })?;
        }
        self.apply(std::slice::from_ref(work))?;
        if waits {
            self.is_over(thread, happening);
        }
        Ok(())
    }

    /// All of it, or nothing.
    fn apply(&mut self, works: &[Work]) -> Result<(), Unlawful> {
        let written = works.iter().flat_map(Work::accesses).filter(|access| access.writes);
        let before: Memory =
            written.map(|access| (access.buffer, self.memory[&access.buffer].clone())).collect();
        for work in works {
            if let Err(Undefined { buffer }) = work.apply(&mut self.memory) {
                self.memory.extend(before);
                return Err(Unlawful::Undefined { buffer });
            }
        }
        Ok(())
    }

    fn build(
        &mut self,
        thread: usize,
        call: Happening,
        graph: usize,
        body: &[Node],
        how: How,
    ) -> Result<(), Unlawful> {
        self.use_thing(Thing::Graph(graph), call, true)?;
        for node in body {
            self.is_sensible(&node.work)?;
            let accesses = node.work.accesses();
            let fits = |access: &Access| access.bytes.end <= self.memory[&access.buffer].len();
            let mut hosts = 0;
            for access in &accesses {
                hosts += usize::from(self.is_host(access.buffer)?);
            }
            if !accesses.iter().all(fits) || hosts > 1 {
                return Err(Unlawful::Senseless);
            }
            // Made before, and known to be: the nodes name their addresses.
            for access in &accesses {
                let made = self.touched.iter().find(|touched| touched.access.buffer == access.buffer);
                let made = made.ok_or(Unlawful::Absent)?.call;
                if !self.order.is_before(made, call) {
                    return Err(Unlawful::Race { with: made });
                }
            }
            // It touches none of their bytes yet, but they must be there.
            for Access { buffer, .. } in accesses {
                let access = Access { buffer, bytes: 0..0, writes: false };
                self.touched.push(Touched { access, call, happening: call });
            }
        }
        let lanes = match how {
            How::Explicit => vec![],
            How::Captured(lane) => vec![lane],
            How::Forked(first, second) => vec![first, second],
        };
        for lane in &lanes {
            self.use_lane(thread, *lane, call)?;
            let (_, blocking) = self.queue(thread, *lane)?;
            match lane {
                Lane::Legacy => return Err(Unlawful::Senseless),
                Lane::Mine => (),
                Lane::Made(stream) => self.use_thing(Thing::Stream(*stream), call, true)?,
            }
            if blocking {
                self.use_thing(Thing::LegacyStream, call, true)?;
            }
        }
        if !lanes.is_empty() {
            self.use_thing(Thing::Context, call, true)?;
        }
        if lanes.len() == 2 && lanes[0] == lanes[1] {
            return Err(Unlawful::Senseless);
        }
        self.graphs.insert(graph, Graph { body: body.to_vec(), launched: None });
        Ok(())
    }

    fn launch(&mut self, thread: usize, call: Happening, number: usize, lane: Lane) -> Result<(), Unlawful> {
        self.use_thing(Thing::Graph(number), call, true)?;
        let graph = self.graphs.get(&number).ok_or(Unlawful::Absent)?;
        let (body, launched) = (graph.body.clone(), graph.launched);
        let begin = self.issue(thread, call, lane, launched)?;
        let mut nodes: Vec<Happening> = Vec::new();
        for node in &body {
            let mut past = self.order.past(begin).clone();
            node.after.iter().for_each(|&other| past.join(self.order.past(nodes[other])));
            let happening = self.happens(past, thread, Some(call), Some(lane));
            for access in node.work.accesses() {
                self.touch(access, call, happening)?;
            }
            nodes.push(happening);
        }
        let mut past = self.order.past(begin).clone();
        nodes.iter().for_each(|&node| past.join(self.order.past(node)));
        let end = self.happens(past, thread, Some(call), Some(lane));
        let (queue, blocking) = self.queue(thread, lane)?;
        self.issued.push(Issued { call, happening: end, queue, blocking });
        let works: Vec<Work> = body.iter().map(|node| node.work).collect();
        self.apply(&works)?;
        self.graphs.get_mut(&number).ok_or(Unlawful::Absent)?.launched = Some(end);
        Ok(())
    }
}
