//! Runs warps: 32 lanes in lockstep, by decoded instructions.
//!
//! A *path* is a set of lanes that are at the same place. Of several paths the deepest in calls runs first, then the one that is least
//! far along, so paths meet again where the program joins them. A path that turns in circles while others could run makes
//! room for them: a lane may be waiting for its neighbour.

mod builtin;
mod collective;
mod matrix;
mod memory;
mod straight;
mod texture;

pub use memory::{Ranges, Shared};

use super::alu::{LANES, Lanes};
use super::ir::*;
use super::kernel::Kernel;
use super::{Fault, Heap};

/// Instructions that a path may run while others of its warp are ready.
const PATIENCE: u32 = 4096;
/// Rows of one warp's register file: calls may nest until it is full.
const ROWS_MAX: usize = 1 << 16;
/// Local memory of one thread: CUDA's own limit is 512 KiB.
const LOCAL_BYTES_MAX: usize = 512 << 10;
/// Barriers of a block.
pub const BARRIERS: usize = 16;

/// What lies around a warp.
pub struct Env<'a> {
    pub kernel: &'a Kernel,
    pub grid: [u32; 3],
    pub block_shape: [u32; 3],
    pub block: [u32; 3],
    pub params: &'a [u8],
    pub printf: &'a (dyn Fn(String) + Send + Sync),
    pub set_conditional: fn(u64, u32),
    pub dynamic_shared_bytes: u32,
    pub workspace: u64,
    pub heap: Option<&'a Heap>,
    pub multiprocessors: u32,
    pub grid_number: u64,
    pub shared: &'a mut Shared,
    pub ranges: &'a mut Ranges,
    pub barriers: &'a mut [Barrier; BARRIERS],
    /// Threads of the block that have not ended.
    pub live_threads: &'a mut u32,
}

/// Why a warp stopped running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// Its turn is over.
    Turn,
    /// It waits at a barrier of the block.
    Blocked,
    Ended,
}

/// One of a block's barriers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Barrier {
    arrived: u32,
    /// How many threads complete it; `None`: all that live.
    expected: Option<u32>,
    /// Counts completions.
    phase: u64,
    all: bool,
    any: bool,
    count: u32,
    /// The outcome of the last completion, for those who waited.
    outcome: (bool, bool, u32),
}

impl Barrier {
    fn arrive(&mut self, threads: u32, expected: Option<u32>, trues: u32) {
        if self.arrived == 0 {
            (self.all, self.any, self.count, self.expected) = (true, false, 0, expected);
        }
        self.arrived += threads;
        self.all &= trues == threads;
        self.any |= trues > 0;
        self.count += trues;
    }

    fn complete_if_due(&mut self, live: u32) {
        if self.arrived > 0 && self.arrived >= self.expected.unwrap_or(live) {
            self.arrived = 0;
            self.phase += 1;
            self.outcome = (self.all, self.any, self.count);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    /// At a barrier of the block, until its phase has passed.
    Barrier {
        id: u8,
        phase: u64,
    },
    /// At an operation of the warp, for lanes that are on other paths.
    Rendezvous {
        need: u32,
    },
}

/// Where a call returns to, and where its caller's things lie.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Frame {
    return_pc: u32,
    function: u32,
    rows: u32,
    preds: u32,
    local: u32,
    /// Which pieces of the caller's frame get the results.
    call_pc: u32,
}

#[derive(Debug, Clone)]
struct Path {
    mask: u32,
    pc: u32,
    function: u32,
    /// Where its function's rows, predicates and local variables begin.
    rows: u32,
    preds: u32,
    local: u32,
    callers: Vec<Frame>,
    state: State,
    /// When it last ran.
    ran: u64,
    /// Goes through its rendezvous without those that cannot come.
    forced: bool,
}

impl Path {
    fn joins(&self, other: &Path) -> bool {
        self.pc == other.pc && self.callers == other.callers && self.rows == other.rows
    }
}

pub struct Warp {
    number: u32,
    live: u32,
    rows: Vec<Lanes>,
    preds: Vec<u32>,
    local: memory::Local,
    paths: Vec<Path>,
    turn: u64,
    scratch: Lanes,
    tid: [Lanes; 3],
}

/// How a path left the inner loop.
enum Left {
    Budget,
    Yield,
    Moved,
    Ended,
}

impl Warp {
    /// Warp `number` of a block that is about to start.
    pub fn new(number: u32, kernel: &Kernel, shape: [u32; 3]) -> Warp {
        let threads: u32 = shape.iter().product();
        let first = number * LANES as u32;
        let count = threads.saturating_sub(first).min(LANES as u32);
        let live = if count == 32 { u32::MAX } else { (1 << count) - 1 };
        let id = |lane: usize| first + lane as u32;
        let mut warp = Warp {
            number,
            live,
            rows: Vec::new(),
            preds: Vec::new(),
            local: memory::Local::default(),
            paths: Vec::new(),
            turn: 0,
            scratch: [0; LANES],
            tid: [
                std::array::from_fn(|lane| u64::from(id(lane) % shape[0])),
                std::array::from_fn(|lane| u64::from(id(lane) / shape[0] % shape[1])),
                std::array::from_fn(|lane| u64::from(id(lane) / shape[0] / shape[1])),
            ],
        };
        let entry = &kernel.functions[0];
        warp.enter(entry, 0, 0, 0, u32::MAX);
        warp.paths.push(Path {
            mask: live,
            pc: entry.start,
            function: 0,
            rows: 0,
            preds: 0,
            local: 0,
            callers: Vec::new(),
            state: State::Ready,
            ran: 0,
            forced: false,
        });
        warp
    }

    pub fn live_lanes(&self) -> u32 {
        self.live.count_ones()
    }

    /// Makes room for a function's rows, predicates and frame, and fills in its constants for the lanes that enter.
    fn enter(&mut self, function: &Function, rows: u32, preds: u32, local: u32, mask: u32) -> bool {
        let rows_end = rows as usize + function.registers as usize;
        let local_end = local as usize + function.frame_bytes as usize;
        if rows_end > ROWS_MAX || local_end > LOCAL_BYTES_MAX {
            return false;
        }
        if self.rows.len() < rows_end {
            self.rows.resize(rows_end, [0; LANES]);
        }
        let preds_end = preds as usize + function.predicates as usize;
        if self.preds.len() < preds_end {
            self.preds.resize(preds_end, 0);
        }
        self.local.grow(local_end);
        for (row, value) in &function.constants {
            let row = &mut self.rows[(rows + row) as usize];
            if mask == u32::MAX {
                row.fill(*value);
            } else {
                each(mask, |lane| row[lane] = *value);
            }
        }
        true
    }

    /// Runs until the budget of instructions is used up, all paths wait, or all lanes have ended.
    pub fn run(&mut self, env: &mut Env, budget: &mut u32) -> Result<Pause, Fault> {
        loop {
            if self.live == 0 {
                return Ok(Pause::Ended);
            }
            if *budget == 0 {
                return Ok(Pause::Turn);
            }
            self.wake(env);
            let Some(index) = self.choose() else { return Ok(Pause::Blocked) };
            let mut path = self.paths.swap_remove(index);
            self.turn += 1;
            path.ran = self.turn;
            let left = self.run_path(env, &mut path, budget)?;
            match left {
                Left::Ended => {}
                Left::Budget | Left::Moved | Left::Yield => self.put_back(path),
            }
            if matches!(left, Left::Yield) && self.paths.len() == 1 {
                // Nobody else of this warp can go on: others of the machine may.
                *budget = 0;
            }
        }
    }

    /// Paths whose barrier was completed, or whose rendezvous is complete, go on.
    fn wake(&mut self, env: &Env) {
        let live = self.live;
        for path in &mut self.paths {
            match path.state {
                State::Barrier { id, phase } if env.barriers[id as usize].phase != phase => {
                    path.state = State::Ready
                }
                State::Rendezvous { need } if need & live & !path.mask == 0 => path.state = State::Ready,
                _ => {}
            }
        }
        let ready = self.paths.iter().any(|path| path.state == State::Ready);
        if !ready {
            // The lanes that a rendezvous lacks wait elsewhere for good: it goes on without them.
            let stuck = self.paths.iter_mut().filter(|path| matches!(path.state, State::Rendezvous { .. }));
            if let Some(path) = stuck.min_by_key(|path| path.pc) {
                (path.state, path.forced) = (State::Ready, true);
            }
        }
    }

    /// The path that shall run: the deepest and least far along; sometimes the one that has waited longest.
    fn choose(&self) -> Option<usize> {
        let ready = self.paths.iter().enumerate().filter(|(_, path)| path.state == State::Ready);
        if self.turn % 8 == 7 {
            return ready.min_by_key(|(_, path)| path.ran).map(|(index, _)| index);
        }
        ready.min_by_key(|(_, path)| (usize::MAX - path.callers.len(), path.pc)).map(|(index, _)| index)
    }

    /// A path that stops joins one that is at the same place.
    fn put_back(&mut self, path: Path) {
        let same_state = |other: &Path| match (other.state, path.state) {
            (State::Barrier { .. }, _) | (_, State::Barrier { .. }) => false,
            _ => other.forced == path.forced && other.joins(&path),
        };
        match self.paths.iter_mut().find(|other| same_state(other)) {
            Some(other) => {
                other.mask |= path.mask;
                if path.state != State::Ready {
                    other.state = path.state;
                }
            }
            None => self.paths.push(path),
        }
    }

    fn end_lanes(&mut self, env: &mut Env, mask: u32) {
        self.live &= !mask;
        *env.live_threads -= mask.count_ones();
        for barrier in env.barriers.iter_mut() {
            if barrier.expected.is_none() {
                barrier.complete_if_due(*env.live_threads);
            }
        }
    }

    /// Runs one path until it ends, waits, meets another, or has had its share.
    fn run_path(&mut self, env: &mut Env, path: &mut Path, budget: &mut u32) -> Result<Left, Fault> {
        let kernel = env.kernel;
        let code = &kernel.code[..];
        let mut patience = PATIENCE;
        // The next place where another path of this depth waits to be joined.
        let depth = path.callers.len();
        let meets_at = self.paths.iter().filter(|other| other.callers.len() == depth).map(|other| other.pc);
        let meeting = meets_at.filter(|pc| *pc > path.pc).min().unwrap_or(u32::MAX);
        let alone = self.paths.is_empty();
        loop {
            if *budget == 0 {
                return Ok(Left::Budget);
            }
            *budget -= 1;
            if !alone {
                patience -= 1;
                if patience == 0 {
                    return Ok(Left::Moved);
                }
            }
            let inst = &code[path.pc as usize];
            let mask = match inst.guard {
                None => path.mask,
                Some((pred, negate)) => {
                    let set = self.preds[(path.preds + pred) as usize];
                    path.mask & if negate { !set } else { set }
                }
            };
            match &inst.op {
                Op::Branch { to } => {
                    if mask == path.mask {
                        path.pc = *to;
                    } else if mask == 0 {
                        path.pc += 1;
                    } else {
                        self.diverge(path, mask, *to);
                        path.pc += 1;
                        return Ok(Left::Moved);
                    }
                    if !alone {
                        return Ok(Left::Moved);
                    }
                    continue;
                }
                Op::BranchIndexed { index, to } => {
                    self.branch_indexed(path, mask, *index, to, inst.line)?;
                    return Ok(Left::Moved);
                }
                Op::Call { .. } if mask != 0 => {
                    if mask != path.mask {
                        // The lanes that do not call wait behind the call.
                        let stay = path.mask & !mask;
                        self.diverge(path, stay, path.pc + 1);
                        path.mask = mask;
                    }
                    self.call(env, path, inst)?;
                    return Ok(Left::Moved);
                }
                Op::Return if mask != 0 => {
                    if mask != path.mask {
                        let stay = path.mask & !mask;
                        self.diverge(path, stay, path.pc + 1);
                        path.mask = mask;
                    }
                    if !self.leave(env, path) {
                        self.end_lanes(env, path.mask);
                        return Ok(Left::Ended);
                    }
                    return Ok(Left::Moved);
                }
                Op::Exit if mask != 0 => {
                    self.end_lanes(env, mask);
                    path.mask &= !mask;
                    path.pc += 1;
                    if path.mask == 0 {
                        return Ok(Left::Ended);
                    }
                    return Ok(Left::Moved);
                }
                Op::Trap if mask != 0 => return Err(Fault::Trap { line: inst.line }),
                Op::Sleep if mask != 0 => {
                    path.pc += 1;
                    return Ok(Left::Yield);
                }
                Op::Barrier { id, threads, kind } if mask != 0 => {
                    if mask != path.mask {
                        let stay = path.mask & !mask;
                        self.diverge(path, stay, path.pc + 1);
                        path.mask = mask;
                    }
                    if self.barrier(env, path, *id, *threads, *kind) {
                        return Ok(Left::Moved);
                    }
                    continue;
                }
                op => {
                    if mask != 0 {
                        if let Some(members) = collective::members(op) {
                            let need = self.needed(path, mask, members);
                            if need & self.live & !path.mask != 0 && !path.forced {
                                path.state = State::Rendezvous { need };
                                return Ok(Left::Moved);
                            }
                            path.forced = false;
                            match op {
                                Op::Matrix { work, .. } => self.matrix(env, path, mask, work, inst.line)?,
                                op => self.in_groups(path, mask, members, op),
                            }
                        } else if let Some(waits) = self.straight(env, path, mask, inst)? {
                            // What looks like waiting for somebody uses up the turn sooner.
                            *budget = budget.saturating_sub(waits);
                        }
                    }
                    path.pc += 1;
                }
            }
            if path.pc == meeting {
                return Ok(Left::Moved);
            }
        }
    }

    /// Some lanes go elsewhere; the path keeps the rest.
    fn diverge(&mut self, path: &mut Path, mask: u32, pc: u32) {
        if mask == 0 {
            return;
        }
        path.mask &= !mask;
        let other = Path { mask, pc, state: State::Ready, forced: false, ..path.clone() };
        self.put_back(other);
    }

    fn branch_indexed(
        &mut self,
        path: &mut Path,
        mask: u32,
        index: Reg,
        to: &[u32],
        line: u32,
    ) -> Result<(), Fault> {
        let indices = self.rows[(path.rows + index) as usize];
        let mut left = mask;
        while left != 0 {
            let lane = left.trailing_zeros() as usize;
            let chosen = indices[lane] as u32;
            let same = lanes_where(left, |lane| indices[lane] as u32 == chosen);
            let Some(target) = to.get(chosen as usize) else {
                return Err(Fault::InvalidPc { target: u64::from(chosen), line });
            };
            left &= !same;
            if same == path.mask {
                path.pc = *target;
                return Ok(());
            }
            self.diverge(path, same, *target);
        }
        path.pc += 1;
        Ok(())
    }

    /// True when the path now waits.
    fn barrier(
        &mut self,
        env: &mut Env,
        path: &mut Path,
        id: Reg,
        threads: Option<Reg>,
        kind: BarrierKind,
    ) -> bool {
        let id = self.uniform(path, path.mask, id) as usize % BARRIERS;
        let expected = threads.map(|threads| self.uniform(path, path.mask, threads) as u32);
        let here = path.mask.count_ones();
        let trues = match kind {
            BarrierKind::Reduce { p, negate, .. } => {
                let set = self.preds[(path.preds + p) as usize];
                (path.mask & if negate { !set } else { set }).count_ones()
            }
            _ => 0,
        };
        let barrier = &mut env.barriers[id];
        if !path.forced {
            let phase = barrier.phase;
            barrier.arrive(here, expected, trues);
            barrier.complete_if_due(*env.live_threads);
            path.forced = true;
            if matches!(kind, BarrierKind::Sync | BarrierKind::Reduce { .. }) && barrier.phase == phase {
                path.state = State::Barrier { id: id as u8, phase };
                return true;
            }
        }
        // Through: the outcome of the completion that let it through is still the last one.
        path.forced = false;
        let (all, any, count) = barrier.outcome;
        if let BarrierKind::Reduce { how, .. } = kind {
            match how {
                BarrierReduce::And(d) => self.set_pred(path, path.mask, d, if all { u32::MAX } else { 0 }),
                BarrierReduce::Or(d) => self.set_pred(path, path.mask, d, if any { u32::MAX } else { 0 }),
                BarrierReduce::Count(d) => self.fill(path, path.mask, d, u64::from(count)),
            }
        }
        path.pc += 1;
        false
    }

    fn row(&self, path: &Path, reg: Reg) -> &Lanes {
        &self.rows[(path.rows + reg) as usize]
    }

    fn row_mut(&mut self, path: &Path, reg: Reg) -> &mut Lanes {
        &mut self.rows[(path.rows + reg) as usize]
    }

    /// The value of a row that is the same in all lanes.
    fn uniform(&self, path: &Path, mask: u32, reg: Reg) -> u64 {
        self.row(path, reg)[mask.trailing_zeros() as usize % LANES]
    }

    fn set_pred(&mut self, path: &Path, mask: u32, pred: Pred, value: u32) {
        let place = &mut self.preds[(path.preds + pred) as usize];
        *place = *place & !mask | value & mask;
    }

    fn pred(&self, path: &Path, pred: Pred) -> u32 {
        self.preds[(path.preds + pred) as usize]
    }

    fn fill(&mut self, path: &Path, mask: u32, reg: Reg, value: u64) {
        if reg != SINK {
            let row = self.row_mut(path, reg);
            each(mask, |lane| row[lane] = value);
        }
    }
}

/// Calls `f` for each lane of a mask.
#[inline(always)]
fn each(mask: u32, mut f: impl FnMut(usize)) {
    let mut left = mask;
    while left != 0 {
        f(left.trailing_zeros() as usize);
        left &= left - 1;
    }
}

fn lanes_where(mask: u32, f: impl Fn(usize) -> bool) -> u32 {
    let mut found = 0;
    each(mask, |lane| found |= u32::from(f(lane)) << lane);
    found
}
