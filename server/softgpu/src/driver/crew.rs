//! The threads that carry out what no engine does: copies, and the program's own host functions.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, Once, PoisonError};

use crate::driver::ranges::lock;
use crate::driver::threads;

/// Two, so that copies in both directions overlap, as on a device with two copy engines.
pub const COPY_THREADS: usize = 2;

/// Copies and sets of memory.
pub static COPIES: Crew = Crew::new("softgpu-copy", COPY_THREADS);
/// Host functions and stream callbacks. One thread: CUDA promises no more, and a callback that never returns holds up others
/// in CUDA too.
pub static CALLBACKS: Crew = Crew::new("softgpu-host", 1);

thread_local! {
    static IN_HOST_FUNCTION: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Runs a function of the program's, in which CUDA's calls are not permitted.
pub fn within_host_function(run: impl FnOnce()) {
    IN_HOST_FUNCTION.set(true);
    run();
    IN_HOST_FUNCTION.set(false);
}

pub fn is_host_function() -> bool {
    IN_HOST_FUNCTION.get()
}

type Work = Box<dyn FnOnce() + Send>;

/// Some threads and what they shall do next. Each stream has at most one job here at a time, so the queue is no longer than
/// there are streams.
pub struct Crew {
    name: &'static str,
    threads: usize,
    hired: Once,
    waiting: Mutex<VecDeque<Work>>,
    something: Condvar,
}

impl Crew {
    const fn new(name: &'static str, threads: usize) -> Crew {
        Crew {
            name,
            threads,
            hired: Once::new(),
            waiting: Mutex::new(VecDeque::new()),
            something: Condvar::new(),
        }
    }

    pub fn give(&'static self, work: Work) {
        self.hired.call_once(|| {
            for _ in 0..self.threads {
                threads::spawn(self.name, || self.labour());
            }
        });
        lock(&self.waiting).push_back(work);
        self.something.notify_one();
    }

    fn labour(&self) {
        loop {
            let mut waiting = lock(&self.waiting);
            let work = loop {
                match waiting.pop_front() {
                    Some(work) => break work,
                    None => waiting = self.something.wait(waiting).unwrap_or_else(PoisonError::into_inner),
                }
            };
            drop(waiting);
            work();
        }
    }
}
