//! Waiting for the GPU, so that the executor need not: a thread that has nothing else to do waits for events and then
//! finishes what was begun.
#![allow(unsafe_code)] // calls the driver.

use crate::driver::Driver;
use farwarp_protocol::error::Code;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

/// Waits under way at one time. Beyond it they queue: each has its events already, so the order of waiting is free.
const WAITERS_MAX: usize = 64;

/// What to do when the GPU has come so far; the code is that of the first wait which failed.
pub type Then = Box<dyn FnOnce(Code) + Send>;

struct Wait {
    context: u64,
    events: Vec<u64>,
    then: Then,
}

pub struct Waiters {
    driver: &'static Driver,
    queue: Sender<Wait>,
    waits: Arc<Mutex<Receiver<Wait>>>,
    idle: Arc<AtomicUsize>,
    /// Waits begun and not yet over.
    under_way: Arc<AtomicUsize>,
    ended: Arc<AtomicU64>,
    threads: usize,
}

impl Waiters {
    pub fn new(driver: &'static Driver) -> Waiters {
        let (queue, waits) = channel();
        Waiters {
            driver,
            queue,
            waits: Arc::new(Mutex::new(waits)),
            idle: Arc::default(),
            under_way: Arc::default(),
            ended: Arc::default(),
            threads: 0,
        }
    }

    /// Runs `then` once all events have happened; the events are destroyed before.
    pub fn wait(&mut self, context: u64, events: Vec<u64>, then: Then) {
        if self.idle.load(Ordering::Acquire) == 0 && self.threads < WAITERS_MAX {
            self.threads += 1;
            self.start();
        } else {
            // One waiter is spoken for now; a race only costs a thread too few for one wait, which then queues.
            let _ = self.idle.fetch_update(Ordering::AcqRel, Ordering::Acquire, |idle| idle.checked_sub(1));
        }
        self.under_way.fetch_add(1, Ordering::AcqRel);
        // The receiver lives as long as `self`.
        let _ = self.queue.send(Wait { context, events, then });
    }

    /// Waits begun and not yet over.
    pub fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Acquire)
    }

    /// Waits that are over.
    pub fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    fn start(&self) {
        let (driver, waits, idle) = (self.driver, self.waits.clone(), self.idle.clone());
        let (under_way, ended) = (self.under_way.clone(), self.ended.clone());
        let life = move || {
            loop {
                let next = waits.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).recv();
                let Ok(wait) = next else { return };
                let code = wait_for(driver, wait.context, &wait.events);
                (wait.then)(code);
                under_way.fetch_sub(1, Ordering::AcqRel);
                ended.fetch_add(1, Ordering::Relaxed);
                idle.fetch_add(1, Ordering::AcqRel);
            }
        };
        if let Err(error) = std::thread::Builder::new().name("waiter".into()).spawn(life) {
            tracing::error!(%error, "no waiter could be started");
        }
    }
}

/// Sleeps until all events have happened, and destroys them.
pub fn wait_for(driver: &Driver, context: u64, events: &[u64]) -> Code {
    let mut first = 0;
    // SAFETY: context and events are the driver's own handles; each event is destroyed here and known to nobody else.
    unsafe {
        let _ = driver.cuCtxSetCurrent(context);
        for event in events {
            if let Err(code) = driver.cuEventSynchronize(*event) {
                first = if first == 0 { code } else { first };
            }
            let _ = driver.cuEventDestroy_v2(*event);
        }
    }
    first
}
