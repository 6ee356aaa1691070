//! Which cores a thread may use: with a single one nobody spins, which is how the road without spinning is measured.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::io;

/// The cores that this process was given.
#[derive(Clone, Copy)]
pub struct Cores(CpuSet);

impl Cores {
    pub fn of_this_thread() -> Self {
        Self(sched_getaffinity(None).expect("a thread may ask for its own cores"))
    }

    pub fn count(&self) -> usize {
        self.0.count() as usize
    }

    /// From here on the calling thread, and what it starts, runs on the `index`th of these cores only, counted in a circle.
    pub fn only(&self, index: usize) -> io::Result<()> {
        let all: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| self.0.is_set(*cpu)).collect();
        let mut one = CpuSet::new();
        one.set(all[index % all.len()]);
        Ok(sched_setaffinity(None, &one)?)
    }

    /// Runs `start` with the calling thread on one core, so that the process which it starts stays there.
    pub fn starting_on<T>(
        &self,
        index: Option<usize>,
        start: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let Some(index) = index else { return start() };
        self.only(index)?;
        let started = start();
        sched_setaffinity(None, &self.0)?;
        started
    }
}
