//! A simulated connection: an ordered pipe each way that is slow, fills up, stops at any byte, or dies at one end first.
//!
//! What QUIC makes good, loss and reordering of datagrams, is below it: see `datagrams.rs`.

use crate::random::Random;
use farwarp_link::{Link, LinkError, LinkStats};
use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Nothing heard for so long: the connection is dead.
pub const SILENCE: Duration = Duration::from_secs(5);

pub const CLIENT: usize = 0;
pub const WORKER: usize = 1;

/// How a connection behaves.
#[derive(Clone, Copy)]
pub struct Nature {
    /// Bytes that may be on the way in each direction.
    pub window: usize,
    pub delay: Duration,
    /// What one read or write moves at most.
    pub portion: usize,
    /// The direction and the byte after which it is cut.
    pub cut_after: Option<(usize, u64)>,
}

impl Nature {
    pub fn random(random: &mut Random) -> Nature {
        let cut_after = random.permille(400).then(|| {
            // Most cuts fall into the greeting and the first records.
            let reach = random.pick(&[40, 200, 3000, 30_000]);
            (random.below(2) as usize, random.below(reach))
        });
        Nature {
            window: random.pick(&[16, 100, 1000, 20_000, 1 << 20]),
            delay: Duration::from_micros(random.pick(&[0, 50, 3000, 80_000])),
            portion: random.pick(&[1, 7, 33, 500, 5000, usize::MAX]),
            cut_after,
        }
    }

    /// Carries everything at once.
    pub fn ideal() -> Nature {
        Nature { window: 1 << 20, delay: Duration::ZERO, portion: usize::MAX, cut_after: None }
    }
}

pub struct Wire {
    now: Instant,
    nature: Nature,
    /// By the side that writes.
    pipes: [Pipe; 2],
    /// When each side sees that the connection is dead.
    fails_at: [Option<Instant>; 2],
    /// How long after the end each side sees it.
    notices_after: [Duration; 2],
    dead: bool,
}

#[derive(Default)]
struct Pipe {
    chunks: VecDeque<(Instant, Vec<u8>)>,
    /// Of the first chunk, what was read.
    begun: usize,
    on_the_way: usize,
    read: u64,
    /// Everything that is written vanishes.
    broken: bool,
}

/// One end of it.
pub struct End {
    wire: Arc<Mutex<Wire>>,
    side: usize,
}

/// The wire itself, for whoever plays fate.
#[derive(Clone)]
pub struct Cord(Arc<Mutex<Wire>>);

pub fn connect(nature: Nature, now: Instant, random: &mut Random) -> (End, End, Cord) {
    let mut notice = || match random.below(3) {
        0 => Duration::ZERO,
        1 => Duration::from_millis(random.below(100)),
        _ => SILENCE,
    };
    let notices_after = [notice(), notice()];
    let wire =
        Wire { now, nature, pipes: Default::default(), fails_at: [None; 2], notices_after, dead: false };
    let wire = Arc::new(Mutex::new(wire));
    let end = |side| End { wire: wire.clone(), side };
    (end(CLIENT), end(WORKER), Cord(wire.clone()))
}

impl Cord {
    fn wire(&self) -> MutexGuard<'_, Wire> {
        self.0.lock().unwrap()
    }

    pub fn at(&self, now: Instant) {
        self.wire().now = now;
    }

    pub fn cut(&self) {
        self.wire().cut();
    }

    /// From now on nothing that `side` writes arrives. The other hears nothing and gives up; then so does `side`.
    pub fn half_open(&self, side: usize) {
        let mut wire = self.wire();
        wire.pipes[side].broken = true;
        let other = wire.now + SILENCE;
        wire.fails_at[1 - side].get_or_insert(other);
        wire.fails_at[side].get_or_insert(other + SILENCE);
    }

    pub fn be(&self, portion: usize, delay: Duration) {
        let mut wire = self.wire();
        (wire.nature.portion, wire.nature.delay) = (portion, delay);
    }
}

impl Wire {
    fn cut(&mut self) {
        if self.dead {
            return;
        }
        self.dead = true;
        for side in [CLIENT, WORKER] {
            let at = self.now + self.notices_after[side];
            let earlier = self.fails_at[side].is_some_and(|already| already <= at);
            if !earlier {
                self.fails_at[side] = Some(at);
            }
        }
        self.pipes = Default::default();
    }

    fn check(&self, side: usize) -> Result<(), LinkError> {
        match self.fails_at[side] {
            Some(at) if at <= self.now => Err(LinkError::Silent { silence: SILENCE }),
            _ => Ok(()),
        }
    }

    fn write(&mut self, side: usize, bytes: &[u8]) -> usize {
        let (now, Nature { window, delay, portion, .. }) = (self.now, self.nature);
        let pipe = &mut self.pipes[side];
        let taken = bytes.len().min(portion).min(window.saturating_sub(pipe.on_the_way));
        if taken > 0 && !self.dead {
            pipe.on_the_way += taken;
            if !pipe.broken {
                // Later bytes never overtake earlier ones.
                let arrives = pipe.chunks.back().map_or(now, |(at, _)| *at).max(now + delay);
                pipe.chunks.push_back((arrives, bytes[..taken].to_vec()));
            }
        }
        taken
    }

    fn read(&mut self, side: usize, into: &mut [u8]) -> usize {
        let from = 1 - side;
        let mut room = into.len().min(self.nature.portion);
        let mut cut = false;
        if let Some((direction, after)) = self.nature.cut_after
            && direction == from
        {
            let left = (after - self.pipes[from].read) as usize;
            cut = left <= room;
            room = room.min(left);
        }
        let mut filled = 0;
        let pipe = &mut self.pipes[from];
        while filled < room {
            let Some((arrives, chunk)) = pipe.chunks.front() else { break };
            if *arrives > self.now {
                break;
            }
            let part = &chunk[pipe.begun..];
            let count = part.len().min(room - filled);
            into[filled..filled + count].copy_from_slice(&part[..count]);
            filled += count;
            pipe.begun += count;
            if pipe.begun == chunk.len() {
                pipe.chunks.pop_front();
                pipe.begun = 0;
            }
        }
        pipe.on_the_way -= filled;
        pipe.read += filled as u64;
        if cut && filled == room {
            self.cut();
        }
        filled
    }
}

impl Link for End {
    fn drive(&mut self, _now: Instant) -> Result<(), LinkError> {
        self.wire.lock().unwrap().check(self.side)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, LinkError> {
        let mut wire = self.wire.lock().unwrap();
        wire.check(self.side)?;
        Ok(wire.write(self.side, bytes))
    }

    fn read(&mut self, into: &mut [u8]) -> Result<usize, LinkError> {
        let mut wire = self.wire.lock().unwrap();
        match wire.read(self.side, into) {
            0 => wire.check(self.side).map(|()| 0),
            count => Ok(count),
        }
    }

    fn poll_fds(&self, _fds: &mut Vec<RawFd>) {}

    fn timeout(&self) -> Option<Instant> {
        None
    }

    fn close(&mut self, _code: u32, _reason: &str) {
        self.wire.lock().unwrap().cut();
    }

    fn stats(&self) -> LinkStats {
        LinkStats::default()
    }
}

/// Whoever drops an end no longer answers.
impl Drop for End {
    fn drop(&mut self) {
        self.wire.lock().unwrap().cut();
    }
}
