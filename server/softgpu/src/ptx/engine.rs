//! Host threads that run grids, block by block, and take turns between them: kernels that wait for each other finish.

use super::interp::{BARRIERS, Barrier, Env, Pause, Ranges, Shared, Warp};
use super::kernel::Kernel;
use super::{Fault, Heap, Memory};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// Instructions of one warp before the next warp of its block has its turn …
const WARP_TURN: u32 = 20_000;
/// … and of a block before another block, of this or another grid, has its.
const BLOCK_TURN: u32 = 400_000;
/// Blocks of one grid that are begun at the same time; a cooperative grid has all of them.
const BLOCKS_BEGUN_MAX: u32 = 32;
/// What %nsmid says.
const MULTIPROCESSORS: u32 = 16;

/// One launch of a kernel.
pub struct Launch {
    pub kernel: Arc<Kernel>,
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub dynamic_shared_bytes: u32,
    pub params: Vec<u8>,
    /// All blocks are there at once.
    pub cooperative: bool,
    /// Address of zeroed device memory in which a cooperative grid keeps its barrier, or 0: what %envreg1 and %envreg2 say.
    pub workspace: u64,
    /// Where `malloc` in a kernel that calls it finds room.
    pub heap: Option<Arc<Heap>>,
    pub memory: Arc<dyn Memory>,
    /// Gets what one call of `printf` prints.
    pub printf: Arc<dyn Fn(String) + Send + Sync>,
    /// Gets the handle and the value of each call of `cudaGraphSetConditional`.
    pub set_conditional: fn(u64, u32),
}

type Done = Box<dyn FnOnce(Result<(), Fault>) + Send>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GridId(u64);

/// A pool of threads that all grids share. Dropped, it cancels what runs; its threads end by themselves.
pub struct Engine {
    shared: Arc<Pool>,
}

struct Pool {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    tasks: VecDeque<Task>,
    grids: Vec<Arc<Grid>>,
    next: u64,
    ended: bool,
}

enum Task {
    /// A grid of which blocks are still to be begun.
    Begin(Arc<Grid>),
    /// A block in the midst of its work.
    Resume(Box<Block>),
}

struct Grid {
    id: u64,
    launch: Launch,
    blocks: u64,
    cancelled: AtomicBool,
    progress: Mutex<Progress>,
}

struct Progress {
    next: u64,
    begun: u32,
    ended: u64,
    fault: Option<Fault>,
    done: Option<Done>,
    /// Whether a `Begin` of this grid lies in the queue.
    queued: bool,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    pub fn new(threads: usize) -> Engine {
        let shared = Arc::new(Pool { state: Mutex::default(), work: Condvar::new() });
        for number in 0..threads.max(1) {
            let pool = shared.clone();
            let name = format!("softgpu-{number}");
            // With no thread at all a grid would wait for ever; the first one that can be had serves all.
            let _ = std::thread::Builder::new().name(name).spawn(move || pool.work());
        }
        Engine { shared }
    }

    /// Queues a grid. `done` is called once, on a thread of the pool, when its last block has ended or it has failed.
    pub fn submit(&self, launch: Launch, done: Done) -> GridId {
        let blocks = launch.grid.iter().map(|side| u64::from(*side)).product();
        let mut state = self.shared.lock();
        state.next += 1;
        let id = state.next;
        let progress = Progress { next: 0, begun: 0, ended: 0, fault: None, done: Some(done), queued: true };
        let grid = Arc::new(Grid {
            id,
            launch,
            blocks,
            cancelled: AtomicBool::new(false),
            progress: Mutex::new(progress),
        });
        state.grids.push(grid.clone());
        state.tasks.push_back(Task::Begin(grid));
        drop(state);
        self.shared.work.notify_one();
        GridId(id)
    }

    /// Ends a grid at the next turn of each of its blocks, with [`Fault::Cancelled`].
    pub fn cancel(&self, id: GridId) {
        let state = self.shared.lock();
        if let Some(grid) = state.grids.iter().find(|grid| grid.id == id.0) {
            grid.cancelled.store(true, Ordering::Release);
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.ended = true;
        state.grids.iter().for_each(|grid| grid.cancelled.store(true, Ordering::Release));
        drop(state);
        self.shared.work.notify_all();
    }
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A thread's life.
    fn work(&self) {
        loop {
            let mut state = self.lock();
            let task = loop {
                match state.tasks.pop_front() {
                    Some(task) => break task,
                    None if state.ended => return,
                    None => state = self.work.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner()),
                }
            };
            drop(state);
            if let Some(block) = self.take(task) {
                self.turn(block);
            }
        }
    }

    /// A block to run, begun if need be.
    fn take(&self, task: Task) -> Option<Box<Block>> {
        let grid = match task {
            Task::Resume(block) => return Some(block),
            Task::Begin(grid) => grid,
        };
        let number = {
            let mut progress = grid.lock();
            progress.queued = false;
            if progress.next == grid.blocks || progress.fault.is_some() {
                None
            } else {
                progress.next += 1;
                progress.begun += 1;
                Some(progress.next - 1)
            }
        };
        // Another thread may begin the next block meanwhile.
        self.queue_next(&grid);
        match number {
            Some(number) => Some(Box::new(Block::new(grid, number))),
            None => {
                self.finish_if_over(&grid);
                None
            }
        }
    }

    /// Puts a grid back into the queue while it may begin more blocks.
    fn queue_next(&self, grid: &Arc<Grid>) {
        let may_begin = {
            let mut progress = grid.lock();
            let room = grid.launch.cooperative || progress.begun < BLOCKS_BEGUN_MAX;
            let more = progress.next < grid.blocks && progress.fault.is_none() && room && !progress.queued;
            progress.queued |= more;
            more
        };
        if may_begin {
            self.lock().tasks.push_back(Task::Begin(grid.clone()));
            self.work.notify_one();
        }
    }

    fn turn(&self, mut block: Box<Block>) {
        let grid = block.grid.clone();
        let outcome = catch_unwind(AssertUnwindSafe(|| block.run()))
            .unwrap_or_else(|_| Err(Fault::Internal("a panic while a block ran".into())));
        match outcome {
            Ok(false) => {
                self.lock().tasks.push_back(Task::Resume(block));
                self.work.notify_one();
                return;
            }
            Ok(true) => {}
            Err(fault) => {
                grid.cancelled.store(true, Ordering::Release);
                grid.lock().fault.get_or_insert(fault);
            }
        }
        {
            let mut progress = grid.lock();
            progress.begun -= 1;
            progress.ended += 1;
        }
        self.queue_next(&grid);
        self.finish_if_over(&grid);
    }

    /// Says that a grid is done, once.
    fn finish_if_over(&self, grid: &Arc<Grid>) {
        let (done, outcome) = {
            let mut progress = grid.lock();
            let over = progress.begun == 0 && (progress.ended == grid.blocks || progress.fault.is_some());
            if !over {
                return;
            }
            let Some(done) = progress.done.take() else { return };
            (done, progress.fault.take().map_or(Ok(()), Err))
        };
        self.lock().grids.retain(|other| other.id != grid.id);
        done(outcome);
    }
}

impl Grid {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A block and its warps.
struct Block {
    grid: Arc<Grid>,
    block: [u32; 3],
    warps: Vec<Warp>,
    ended: Vec<bool>,
    shared: Shared,
    ranges: Ranges,
    barriers: [Barrier; BARRIERS],
    live_threads: u32,
}

impl Block {
    fn new(grid: Arc<Grid>, number: u64) -> Block {
        let launch = &grid.launch;
        let [x, y, _] = launch.grid.map(u64::from);
        let block = [(number % x) as u32, (number / x % y) as u32, (number / x / y) as u32];
        let threads: u32 = launch.block.iter().product();
        let warps: Vec<Warp> =
            (0..threads.div_ceil(32)).map(|warp| Warp::new(warp, &launch.kernel, launch.block)).collect();
        let shared_bytes = if launch.dynamic_shared_bytes > 0 {
            launch.kernel.dynamic_shared + launch.dynamic_shared_bytes
        } else {
            launch.kernel.shared_bytes
        };
        Block {
            block,
            ended: vec![false; warps.len()],
            live_threads: warps.iter().map(Warp::live_lanes).sum(),
            warps,
            shared: Shared::new(shared_bytes as usize),
            ranges: Ranges::new(launch.memory.clone()),
            barriers: [Barrier::default(); BARRIERS],
            grid,
        }
    }

    /// Runs for a turn; true when all its threads have ended.
    fn run(&mut self) -> Result<bool, Fault> {
        let mut left = BLOCK_TURN;
        while left > 0 {
            if self.grid.cancelled.load(Ordering::Acquire) {
                return Err(Fault::Cancelled);
            }
            let before = left;
            for index in 0..self.warps.len() {
                if !self.ended[index] {
                    left = left.saturating_sub(self.run_warp(index)?);
                }
            }
            if self.ended.iter().all(|ended| *ended) {
                return Ok(true);
            }
            if left == before {
                // No warp ran an instruction: each waits at a barrier that the others will never reach.
                return Err(Fault::Internal(
                    "the warps of a block wait for each other at different barriers".into(),
                ));
            }
        }
        Ok(false)
    }

    /// Runs one warp for a turn; how many instructions that was.
    fn run_warp(&mut self, index: usize) -> Result<u32, Fault> {
        let launch = &self.grid.launch;
        let mut env = Env {
            kernel: &launch.kernel,
            grid: launch.grid,
            block_shape: launch.block,
            block: self.block,
            params: &launch.params,
            printf: &*launch.printf,
            set_conditional: launch.set_conditional,
            dynamic_shared_bytes: launch.dynamic_shared_bytes,
            workspace: launch.workspace,
            heap: launch.heap.as_deref(),
            multiprocessors: MULTIPROCESSORS,
            grid_number: self.grid.id,
            shared: &mut self.shared,
            ranges: &mut self.ranges,
            barriers: &mut self.barriers,
            live_threads: &mut self.live_threads,
        };
        let mut budget = WARP_TURN;
        let pause = self.warps[index].run(&mut env, &mut budget)?;
        self.ended[index] = pause == Pause::Ended;
        Ok(WARP_TURN - budget)
    }
}
