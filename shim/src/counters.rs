//! How often each function was called. A counter joins the list when its function is first called, so what is never
//! used costs nothing.

use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

pub struct Counter {
    pub name: &'static str,
    calls: AtomicU64,
    next: AtomicPtr<Counter>,
}

/// Calls that were answered without the server.
static HERES: AtomicU64 = AtomicU64::new(0);

pub fn answered_here() {
    HERES.fetch_add(1, Ordering::Relaxed);
}

pub fn heres() -> u64 {
    HERES.load(Ordering::Relaxed)
}

static FIRST: AtomicPtr<Counter> = AtomicPtr::new(std::ptr::null_mut());

impl Counter {
    pub const fn new(name: &'static str) -> Counter {
        Counter { name, calls: AtomicU64::new(0), next: AtomicPtr::new(std::ptr::null_mut()) }
    }

    pub fn count(&'static self) {
        if self.calls.fetch_add(1, Ordering::Relaxed) == 0 {
            let this = std::ptr::from_ref(self).cast_mut();
            let mut first = FIRST.load(Ordering::Relaxed);
            loop {
                self.next.store(first, Ordering::Relaxed);
                match FIRST.compare_exchange_weak(first, this, Ordering::Release, Ordering::Relaxed) {
                    Ok(_) => return,
                    Err(now) => first = now,
                }
            }
        }
    }
}

/// Every function called so far, with how often.
pub fn all() -> Vec<(&'static str, u64)> {
    let mut found = Vec::new();
    let mut next = FIRST.load(Ordering::Acquire);
    while !next.is_null() {
        // SAFETY: the list holds only `&'static Counter`s, put there by `count`, and is never shortened.
        #[allow(unsafe_code)]
        let counter = unsafe { &*next };
        found.push((counter.name, counter.calls.load(Ordering::Relaxed)));
        next = counter.next.load(Ordering::Relaxed);
    }
    found.sort_unstable();
    found
}
