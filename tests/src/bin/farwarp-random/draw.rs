//! Draws programs: from a seed, step by step, only what the model finds lawful. What would be a race is mended, more often than not, by
//! a wait drawn for it.

use farwarp_tests::relay::lane::Chance;

use crate::model::{Model, Unlawful};
use crate::order::Happening;
use crate::program::{Act, How, Kind, Lane, Node, Program, Step};
use crate::work::{Kernel, Place, Shape, Work};

const THREADS_MAX: u64 = 4;
const STEPS: (u64, u64) = (20, 110);
/// Draws for one step; a program in which nothing more is lawful ends shorter.
const DRAWS_MAX: usize = 4000;
/// Waits put before one step, at most.
const REPAIRS_MAX: usize = 6;
/// What a kernel works on; the software GPU shall not be what takes the time.
const KERNEL_WORDS_MAX: u64 = 2048;
const SLOW_WORDS_MAX: u64 = 32;
const SLOW_TURNS_MAX: u64 = 60_000;
const HOST_SLEEP_US_MAX: u64 = 3000;
const SMALL_WORDS_MAX: u64 = 4096;
/// More than a piece of the log, so that a copy comes in several.
const LARGE_BYTES: (u64, u64) = (1 << 20, 3 << 20);
const LARGE_MAX: usize = 2;
const NODES_MAX: u64 = 6;
const ROWS_MAX: u64 = 9;

struct Drawing {
    chance: Chance,
    model: Model,
    steps: Vec<Step>,
    threads: usize,
    length: usize,
    /// Never used twice.
    next: usize,
    large: usize,
}

pub fn program(seed: u64) -> Program {
    let mut chance = Chance(seed);
    let threads = chance.between(1, THREADS_MAX + 1) as usize;
    let length = chance.between(STEPS.0, STEPS.1) as usize;
    let model = Model::new(threads);
    let mut drawing = Drawing { chance, model, steps: Vec::new(), threads, length, next: 0, large: 0 };
    for _ in 0..DRAWS_MAX {
        if drawing.steps.len() >= length {
            break;
        }
        drawing.one();
    }
    Program { threads, steps: drawing.steps }
}

impl Drawing {
    /// Draws an act, and makes it if it can be made lawful.
    fn one(&mut self) {
        let thread = self.below(self.threads);
        let Some(act) = self.act() else { return };
        let step = Step { thread, act };
        for _ in 0..REPAIRS_MAX {
            let repair = match self.make(&step) {
                Ok(()) | Err(Unlawful::Absent | Unlawful::Senseless) => return,
                Err(Unlawful::Undefined { buffer }) => self.definition(buffer),
                Err(Unlawful::Race { with }) if self.chance.per_mille(850) => {
                    return self.wait_for(thread, &step.act, with);
                }
                Err(Unlawful::Race { .. }) => return,
            };
            if self.make(&Step { thread, act: repair }).is_err() {
                return;
            }
        }
    }

    fn make(&mut self, step: &Step) -> Result<(), Unlawful> {
        self.model.step(step)?;
        self.steps.push(step.clone());
        Ok(())
    }

    /// Puts waits before it until it is lawful, each for what it raced with.
    fn wait_for(&mut self, thread: usize, act: &Act, with: Happening) {
        let mut with = with;
        for _ in 0..REPAIRS_MAX {
            for act in self.waits(thread, act, with) {
                if self.make(&Step { thread, act }).is_err() {
                    return;
                }
            }
            match self.make(&Step { thread, act: act.clone() }) {
                Err(Unlawful::Race { with: other }) => with = other,
                _ => return,
            }
        }
    }

    /// One way to be behind that happening.
    fn waits(&mut self, thread: usize, act: &Act, with: Happening) -> Vec<Act> {
        let Some(maker) = self.model.maker(with) else { return vec![] };
        if !self.model.knows(thread, maker.call) {
            return vec![Act::Await { thread: maker.thread }];
        }
        // What another thread calls its own has no name here.
        let lane = maker.lane.filter(|lane| *lane != Lane::Mine || maker.thread == thread);
        let Some(theirs) = lane else { return vec![Act::SynchronizeContext] };
        let mine = match act {
            Act::Do { lane, .. } | Act::Launch { lane, .. } | Act::FreeAsync { lane, .. } => Some(*lane),
            _ => None,
        };
        match (self.chance.between(0, 10), mine) {
            (0, _) => vec![Act::SynchronizeContext],
            (1, _) => vec![Act::Poll { lane: theirs }],
            (2..=6, Some(mine)) => {
                let event = self.number();
                vec![
                    Act::MakeEvent { event },
                    Act::Record { event, lane: theirs },
                    Act::WaitEvent { event, lane: mine },
                ]
            }
            (7, _) => {
                let event = self.number();
                vec![
                    Act::MakeEvent { event },
                    Act::Record { event, lane: theirs },
                    Act::SynchronizeEvent { event },
                ]
            }
            _ => vec![Act::Synchronize { lane: theirs }],
        }
    }

    /// Writes all of a buffer.
    fn definition(&mut self, buffer: usize) -> Act {
        let value = self.chance.draw() as u32;
        let is = &self.model.memory[&buffer];
        if is.kind != Kind::Device {
            return Act::Write { buffer, value };
        }
        let (shape, to) = (Shape::line(is.len()), Place { buffer, offset: 0 });
        let work = Work::Set { to, shape, element: 4, value };
        Act::Do { work, lane: self.lane(), plain: false }
    }

    fn act(&mut self) -> Option<Act> {
        // At first there is nothing to work with.
        if self.steps.len() < (self.length / 6).max(4) && self.chance.per_mille(700) {
            return Some(self.making());
        }
        Some(match self.chance.between(0, 100) {
            0..=9 => self.making(),
            10..=12 => Act::Free { buffer: self.buffer(|_, _| true)? },
            13..=14 => Act::FreeAsync { buffer: self.buffer(|pooled, _| pooled)?, lane: self.lane() },
            15 => Act::DestroyStream { stream: one_of(&mut self.chance, self.model.streams.keys())? },
            16 => Act::DestroyEvent { event: one_of(&mut self.chance, self.model.events.keys())? },
            17..=54 => {
                let work = self.any_work()?;
                let copies = matches!(work, Work::Copy { .. } | Work::Set { .. });
                if copies && self.chance.per_mille(250) {
                    let lane = if self.chance.per_mille(500) { Lane::Legacy } else { Lane::Mine };
                    Act::Do { work, lane, plain: true }
                } else {
                    Act::Do { work, lane: self.lane(), plain: false }
                }
            }
            55..=60 => Act::Record { event: self.event()?, lane: self.lane() },
            61..=66 => Act::WaitEvent { event: self.event()?, lane: self.lane() },
            67..=68 => Act::Synchronize { lane: self.lane() },
            69 => Act::SynchronizeEvent { event: self.event()? },
            70 => Act::SynchronizeContext,
            71 => Act::Poll { lane: self.lane() },
            72 => Act::PollEvent { event: self.event()? },
            73..=74 => Act::Query { lane: self.lane() },
            75..=76 => Act::Await { thread: self.below(self.threads) },
            77..=81 => Act::Write {
                buffer: self.buffer(|_, kind| kind != Kind::Device)?,
                value: self.chance.draw() as u32,
            },
            82..=86 => Act::Check { buffer: self.buffer(|_, kind| kind != Kind::Device)? },
            87..=89 => self.build()?,
            90..=98 => {
                Act::Launch { graph: one_of(&mut self.chance, self.model.graphs.keys())?, lane: self.lane() }
            }
            _ => Act::DestroyGraph { graph: one_of(&mut self.chance, self.model.graphs.keys())? },
        })
    }

    fn making(&mut self) -> Act {
        let number = self.number();
        let bytes = self.bytes();
        match self.chance.between(0, 16) {
            0..=4 => Act::Allocate { buffer: number, kind: Kind::Device, bytes },
            5..=6 => Act::Allocate { buffer: number, kind: Kind::Pinned, bytes },
            7..=8 => Act::Allocate { buffer: number, kind: Kind::Pageable, bytes },
            9 => Act::Allocate { buffer: number, kind: Kind::Registered, bytes },
            10..=11 => Act::AllocateAsync { buffer: number, bytes, lane: self.lane() },
            12..=13 => Act::MakeEvent { event: number },
            _ => Act::MakeStream { stream: number, blocking: self.chance.per_mille(500) },
        }
    }

    fn number(&mut self) -> usize {
        self.next += 1;
        self.next
    }

    fn below(&mut self, count: usize) -> usize {
        self.chance.between(0, count as u64) as usize
    }

    fn bytes(&mut self) -> usize {
        if self.large < LARGE_MAX && self.chance.per_mille(60) {
            self.large += 1;
            return self.chance.between(LARGE_BYTES.0, LARGE_BYTES.1) as usize / 4 * 4;
        }
        let words_max = if self.chance.per_mille(500) { 64 } else { SMALL_WORDS_MAX };
        4 * self.chance.between(4, words_max) as usize
    }

    fn lane(&mut self) -> Lane {
        match self.chance.between(0, 10) {
            0..=1 => Lane::Legacy,
            2..=3 => Lane::Mine,
            _ => one_of(&mut self.chance, self.model.streams.keys()).map_or(Lane::Mine, Lane::Made),
        }
    }

    fn event(&mut self) -> Option<usize> {
        one_of(&mut self.chance, self.model.events.keys())
    }

    fn buffer(&mut self, is: impl Fn(bool, Kind) -> bool) -> Option<usize> {
        let fit = self.model.memory.iter().filter(|(_, buffer)| is(buffer.pooled, buffer.kind));
        let fit: Vec<usize> = fit.map(|(number, _)| *number).collect();
        one_of(&mut self.chance, fit.iter())
    }

    fn any_work(&mut self) -> Option<Work> {
        match self.chance.between(0, 20) {
            0..=5 => self.kernel(),
            6..=7 => self.mix(),
            8 => self.sum(),
            9..=15 => self.copy(),
            16..=17 => self.set(),
            _ => self.host(),
        }
    }

    /// Some words of a buffer.
    fn words(&mut self, buffer: usize, words_max: u64) -> (Place, usize) {
        let all = self.model.memory[&buffer].len() as u64 / 4;
        let words = if self.chance.per_mille(400) { all } else { self.chance.between(1, all + 1) };
        let words = words.min(words_max);
        let first = if self.chance.per_mille(500) { 0 } else { self.chance.between(0, all - words + 1) };
        (Place { buffer, offset: 4 * first as usize }, words as usize)
    }

    fn kernel(&mut self) -> Option<Work> {
        let buffer = self.buffer(|_, kind| kind == Kind::Device)?;
        let turns = self.chance.between(1, SLOW_TURNS_MAX) as u32;
        let (kernel, words_max) = match self.chance.between(0, 4) {
            0 => (Kernel::Fill, KERNEL_WORDS_MAX),
            1..=2 => (Kernel::Triple, KERNEL_WORDS_MAX),
            _ => (Kernel::Slow { turns }, SLOW_WORDS_MAX),
        };
        let (to, words) = self.words(buffer, words_max);
        Some(Work::Kernel { kernel, to, words, value: self.chance.draw() as u32 })
    }

    /// Two buffers of the device, and so many words of both.
    fn pair(&mut self) -> Option<(Place, Place, usize)> {
        let to = self.buffer(|_, kind| kind == Kind::Device)?;
        let from = self.buffer(|_, kind| kind == Kind::Device)?;
        let (to, to_words) = self.words(to, KERNEL_WORDS_MAX);
        let (from, from_words) = self.words(from, KERNEL_WORDS_MAX);
        Some((to, from, to_words.min(from_words)))
    }

    fn mix(&mut self) -> Option<Work> {
        let (to, from, words) = self.pair()?;
        Some(Work::Mix { to, from, words })
    }

    fn sum(&mut self) -> Option<Work> {
        let (to, from, words) = self.pair()?;
        Some(Work::Sum { to, from, words })
    }

    fn copy(&mut self) -> Option<Work> {
        // Copies to and from the host are what goes wrong.
        let device = self.chance.per_mille(300);
        let (one, other) = (self.buffer(|_, kind| kind == Kind::Device)?, self.buffer(|_, _| true)?);
        let other = if device { other } else { self.buffer(|_, kind| kind != Kind::Device)? };
        let (to, from) = if self.chance.per_mille(500) { (one, other) } else { (other, one) };
        let host_to_host = self.chance.per_mille(40);
        let (to, from) = match self.buffer(|_, kind| kind != Kind::Device) {
            Some(host) if host_to_host => (host, other),
            _ => (to, from),
        };
        let (to_bytes, from_bytes) = (self.model.memory[&to].len(), self.model.memory[&from].len());
        if self.chance.per_mille(200) {
            let to = Place { buffer: to, offset: 0 };
            let from = Place { buffer: from, offset: 0 };
            return self.rectangle(to, from, to_bytes.min(from_bytes));
        }
        let most = to_bytes.min(from_bytes) as u64;
        let width = if self.chance.per_mille(500) { most } else { self.chance.between(1, most + 1) };
        let offset = |chance: &mut Chance, bytes: usize| chance.between(0, bytes as u64 - width + 1) as usize;
        let to = Place { buffer: to, offset: offset(&mut self.chance, to_bytes) };
        let from = Place { buffer: from, offset: offset(&mut self.chance, from_bytes) };
        Some(Work::Copy { to, from, shape: Shape::line(width as usize) })
    }

    /// Rows, perhaps in planes, with gaps; within so many bytes of both.
    fn rectangle(&mut self, to: Place, from: Place, bytes: usize) -> Option<Work> {
        let height = self.chance.between(1, ROWS_MAX + 1);
        let depth = if self.chance.per_mille(400) { self.chance.between(1, 4) } else { 1 };
        let pitch_max = (bytes as u64).min(SMALL_WORDS_MAX) / (height * depth);
        if pitch_max < 2 {
            return None;
        }
        let width = self.chance.between(1, pitch_max);
        let mut pitch = || self.chance.between(width, pitch_max) as usize;
        let (to_pitch, from_pitch) = (pitch(), pitch());
        let (width, height, depth) = (width as usize, height as usize, depth as usize);
        Some(Work::Copy { to, from, shape: Shape { width, height, depth, to_pitch, from_pitch } })
    }

    fn set(&mut self) -> Option<Work> {
        let buffer = self.buffer(|_, kind| kind == Kind::Device)?;
        let bytes = self.model.memory[&buffer].len() as u64;
        let element = 1 << self.chance.between(0, 3);
        let value = self.chance.draw() as u32;
        let height = if self.chance.per_mille(300) { self.chance.between(1, ROWS_MAX) } else { 1 };
        let pitch = bytes / height / element * element;
        if pitch == 0 {
            return None;
        }
        let width = self.chance.between(1, pitch / element + 1) * element;
        let space = bytes - ((height - 1) * pitch + width);
        let offset = self.chance.between(0, space / element + 1) * element;
        let (width, height, pitch) = (width as usize, height as usize, pitch as usize);
        let shape = Shape { width, height, depth: 1, to_pitch: pitch, from_pitch: pitch };
        let to = Place { buffer, offset: offset as usize };
        Some(Work::Set { to, shape, element: element as usize, value })
    }

    fn host(&mut self) -> Option<Work> {
        let buffer = self.buffer(|_, kind| kind != Kind::Device)?;
        let (to, words) = self.words(buffer, SMALL_WORDS_MAX);
        let sleep_us = self.chance.between(0, HOST_SLEEP_US_MAX);
        Some(Work::Host { to, words, value: self.chance.draw() as u32, sleep_us })
    }

    fn build(&mut self) -> Option<Act> {
        let graph = self.number();
        let count = self.chance.between(1, NODES_MAX + 1) as usize;
        let how = match self.chance.between(0, 4) {
            0..=1 => How::Explicit,
            2 => How::Captured(self.lane()),
            _ => How::Forked(self.lane(), self.lane()),
        };
        let mut body: Vec<Node> = Vec::new();
        for at in 0..count {
            let work = self.any_work()?;
            let meets = |other: &usize| body[*other].work.conflicts(&work);
            let after = match how {
                How::Explicit => (0..at).filter(|other| meets(other) || self.chance.per_mille(300)).collect(),
                How::Captured(_) => (0..at).rev().take(1).collect(),
                // The other lane's nodes run beside it.
                How::Forked(..) if (0..at).rev().step_by(2).any(|other| meets(&other)) => break,
                How::Forked(..) => (0..at).rev().skip(1).step_by(2).take(1).collect(),
            };
            body.push(Node { work, after });
        }
        (!body.is_empty()).then_some(Act::Build { graph, body, how })
    }
}

fn one_of<'a>(chance: &mut Chance, among: impl ExactSizeIterator<Item = &'a usize>) -> Option<usize> {
    let count = among.len() as u64;
    let mut among = among;
    among.nth(chance.between(0, count) as usize).copied()
}
