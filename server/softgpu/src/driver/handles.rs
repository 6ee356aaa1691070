//! Handles: the numbers by which a program names what the driver keeps. A number that names nothing is refused, never
//! followed. Not device pointers, which are addresses.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use once_cell::sync::Lazy;

/// What a handle looks like to a program: a pointer that it never follows. 0, 1 and 2 have meanings of their own
/// (no stream, the legacy stream, the per-thread stream) and are never given out.
pub type Handle = u64;

/// The living objects of one kind.
pub struct Handles<T> {
    living: Lazy<RwLock<HashMap<Handle, Arc<T>>>>,
}

impl<T> Handles<T> {
    pub const fn new() -> Handles<T> {
        Handles { living: Lazy::new(RwLock::default) }
    }

    /// Keeps what `make` makes of its own handle.
    pub fn add(&self, make: impl FnOnce(Handle) -> T) -> Arc<T> {
        let handle = fresh();
        self.add_as(handle, make(handle))
    }

    /// Keeps an object under a handle that was made before it.
    pub fn add_as(&self, handle: Handle, object: T) -> Arc<T> {
        let object = Arc::new(object);
        self.living.write().unwrap_or_else(PoisonError::into_inner).insert(handle, object.clone());
        object
    }

    /// Lets a handle name again what it named.
    pub fn restore(&self, handle: Handle, object: Arc<T>) {
        self.living.write().unwrap_or_else(PoisonError::into_inner).insert(handle, object);
    }

    pub fn get(&self, handle: Handle) -> Option<Arc<T>> {
        self.living.read().unwrap_or_else(PoisonError::into_inner).get(&handle).cloned()
    }

    /// Forgets the handle; whoever still holds the object keeps it.
    pub fn remove(&self, handle: Handle) -> Option<Arc<T>> {
        self.living.write().unwrap_or_else(PoisonError::into_inner).remove(&handle)
    }

    /// Forgets all that `gone` says is gone, and hands them back.
    pub fn remove_all(&self, gone: impl Fn(&T) -> bool) -> Vec<Arc<T>> {
        let mut living = self.living.write().unwrap_or_else(PoisonError::into_inner);
        living.extract_if(|_, object| gone(object)).map(|(_, object)| object).collect()
    }

    pub fn all(&self) -> Vec<Arc<T>> {
        self.living.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

/// One sequence for all kinds: a stale handle, or one of another kind, is never someone else's.
pub fn fresh() -> Handle {
    static NEXT: AtomicU64 = AtomicU64::new(FIRST);
    NEXT.fetch_add(STRIDE, Ordering::Relaxed)
}

/// Far from small numbers, which programs use as marks of their own, and from where memory lies.
const FIRST: u64 = 0x50F7_0000_0000;
/// As far apart as allocated objects would be: programs keep marks in the low bits.
const STRIDE: u64 = 16;
