//! What is to be done when a stream has come so far, in the stream's own order: one waiter serves all of a stream's.
//!
//! Bytes that go to the client's pinned memory are *deliveries*. Whoever tells the client how far the GPU has come must first see
//! [`Lines::settle`]: an event, stream or synchronise counts as finished there only when every payload before it lies in the program's memory.
#![allow(unsafe_code)] // calls the driver.

use crate::driver::Driver;
use crate::waiters::Then;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// The driver's context and a stream in it: the default streams of two contexts have the same number.
pub type Line = (u64, u64);

pub struct Lines {
    driver: &'static Driver,
    /// A stream's line is there as long as somebody serves it.
    of_stream: Mutex<HashMap<Line, VecDeque<Step>>>,
    deliveries: Mutex<Vec<Arc<Delivery>>>,
    /// How many deliveries there are, so that nobody takes a lock for none.
    under_way: AtomicUsize,
}

struct Step {
    event: u64,
    then: Then,
    delivery: Option<Arc<Delivery>>,
}

/// The event lives until the delivery is done.
struct Delivery {
    event: u64,
    done: Mutex<bool>,
    changed: Condvar,
}

impl Lines {
    pub fn new(driver: &'static Driver) -> Lines {
        Lines {
            driver,
            of_stream: Mutex::default(),
            deliveries: Mutex::default(),
            under_way: AtomicUsize::new(0),
        }
    }

    /// Does `then` when the event has happened and everything before it in the line is done. True if nobody serves the line: then the
    /// caller sees to it that [`Lines::serve`] is called on a thread that may wait.
    #[must_use]
    pub fn add(&self, line: Line, event: u64, delivers: bool, then: Then) -> bool {
        let delivery =
            delivers.then(|| Arc::new(Delivery { event, done: Mutex::new(false), changed: Condvar::new() }));
        if let Some(delivery) = &delivery {
            lock(&self.deliveries).push(delivery.clone());
            self.under_way.fetch_add(1, Ordering::AcqRel);
        }
        let step = Step { event, then, delivery };
        let mut lines = lock(&self.of_stream);
        match lines.get_mut(&line) {
            Some(steps) => {
                steps.push_back(step);
                false
            }
            None => {
                lines.insert(line, VecDeque::from([step]));
                true
            }
        }
    }

    /// Goes along a line to its end. The context of the stream is current.
    pub fn serve(&self, line: Line) {
        while let Some(step) = self.next(line) {
            // SAFETY: an event of the driver's, made for this step and known to nobody else but its delivery.
            let outcome = unsafe { self.driver.cuEventSynchronize(step.event) };
            // Another stream may have written to the same memory before: events and the legacy stream order streams too.
            if let Some(delivery) = &step.delivery {
                self.settle_until(|other| Arc::ptr_eq(other, delivery));
            }
            (step.then)(outcome.err().unwrap_or(0));
            if let Some(delivery) = step.delivery {
                *lock(&delivery.done) = true;
                delivery.changed.notify_all();
                lock(&self.deliveries).retain(|other| !Arc::ptr_eq(other, &delivery));
                self.under_way.fetch_sub(1, Ordering::AcqRel);
            }
            // SAFETY: as above; nobody asks after it once the delivery is done.
            let _ = unsafe { self.driver.cuEventDestroy_v2(step.event) };
        }
    }

    fn next(&self, line: Line) -> Option<Step> {
        let mut lines = lock(&self.of_stream);
        let next = lines.get_mut(&line)?.pop_front();
        if next.is_none() {
            lines.remove(&line);
        }
        next
    }

    /// Waits for the deliveries that the GPU has finished, and for no others: their bytes are in the log when this returns.
    pub fn settle(&self) {
        if self.under_way.load(Ordering::Acquire) > 0 {
            self.settle_until(|_| false);
        }
    }

    /// The same, of those that were issued before one. Deliveries wait for earlier ones only, so they never wait in a circle.
    fn settle_until(&self, is_last: impl Fn(&Arc<Delivery>) -> bool) {
        let under_way = lock(&self.deliveries).clone();
        for delivery in under_way {
            if is_last(&delivery) {
                return;
            }
            let mut done = lock(&delivery.done);
            // SAFETY: the event is not destroyed before the delivery is done, which the lock keeps it from being.
            if *done || unsafe { self.driver.cuEventQuery(delivery.event) }.is_err() {
                continue;
            }
            while !*done {
                done = delivery.changed.wait(done).unwrap_or_else(|poisoned| poisoned.into_inner());
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
