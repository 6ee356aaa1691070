//! What programs keep beside a context: the CUDA runtime hangs its whole per-context state here.
//!
//! A value is read before *every* runtime call, so reading takes no lock and touches no shared line that is written: each
//! thread remembers a few answers, each with the [`GENERATION`] in which it was true. The threads' memory has no destructor, so
//! that calls out of TLS destructors and `atexit` handlers are answered like any other.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use once_cell::sync::Lazy;

use crate::{
    CUDA_ERROR_INVALID_CONTEXT, CUDA_ERROR_INVALID_HANDLE, CUDA_ERROR_OUT_OF_MEMORY, CUcontext, CUresult,
    Host,
};

/// The runtime keeps one value a context and CUDA's libraries a handful; beyond this a program is leaking.
pub(crate) const MAX_VALUES: usize = 65_536;

/// Run when the context goes: (context, key, value). A C function behind a safe face, see `export_tables`.
pub(crate) type Destructor = Box<dyn FnOnce() + Send>;

/// The context that an argument means: itself, or the current one for NULL.
pub(crate) fn meant(host: &dyn Host, context: CUcontext) -> Result<CUcontext, CUresult> {
    let meant = if context.is_null() { host.current_context() } else { context };
    if meant.is_null() { Err(CUDA_ERROR_INVALID_CONTEXT) } else { Ok(meant) }
}

/// Keeps `value` under `key` until [`remove`] or until the context goes. A value that was there is replaced, and its
/// destructor forgotten, as it would be by the `remove` that should have come first.
pub(crate) fn put(
    host: &dyn Host,
    context: CUcontext,
    key: usize,
    value: usize,
    destructor: Option<Destructor>,
) -> Result<(), CUresult> {
    // Asked before the lock as well: in a forked child nothing is live, and the lock may be held by a thread that is not there.
    if !host.is_live(context) {
        return Err(CUDA_ERROR_INVALID_CONTEXT);
    }
    let mut values = lock();
    // Under the lock, so that a value can't arrive behind the back of `context_gone`, which comes after the death.
    if !host.is_live(context) {
        return Err(CUDA_ERROR_INVALID_CONTEXT);
    }
    let place = (context.addr(), key);
    if values.len() >= MAX_VALUES && !values.contains_key(&place) {
        return Err(CUDA_ERROR_OUT_OF_MEMORY);
    }
    values.insert(place, Kept { value, destructor });
    next_generation();
    Ok(())
}

/// Forgets the value under `key`; its destructor is not run.
pub(crate) fn remove(host: &dyn Host, context: CUcontext, key: usize) -> Result<(), CUresult> {
    if !host.is_live(context) {
        return Err(CUDA_ERROR_INVALID_CONTEXT);
    }
    let mut values = lock();
    values.remove(&(context.addr(), key)).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
    next_generation();
    Ok(())
}

/// The value under `key`, or `CUDA_ERROR_INVALID_HANDLE` if there is none.
pub(crate) fn get(host: &dyn Host, context: CUcontext, key: usize) -> Result<usize, CUresult> {
    let place = remembered_at(context, key);
    let remembered = REMEMBERED.with(|answers| answers[place].get());
    if remembered.generation == GENERATION.load(Ordering::Acquire)
        && remembered.context == context.addr()
        && remembered.key == key
    {
        return Ok(remembered.value);
    }
    if !host.is_live(context) {
        return Err(CUDA_ERROR_INVALID_CONTEXT);
    }
    let values = lock();
    let value = values.get(&(context.addr(), key)).ok_or(CUDA_ERROR_INVALID_HANDLE)?.value;
    let generation = GENERATION.load(Ordering::Acquire);
    let remembered = Remembered { generation, context: context.addr(), key, value };
    REMEMBERED.with(|answers| answers[place].set(remembered));
    Ok(value)
}

/// Tells that `context` was destroyed or reset: what was kept beside it is forgotten, and its destructors run, on this
/// thread, with no lock of ours held. The host calls it once the context is no longer live, with none of its own locks held.
pub fn context_gone(context: CUcontext) {
    let destructors: Vec<Destructor> = {
        let mut values = lock();
        let gone = values.extract_if(|&(of, _), _| of == context.addr());
        let destructors = gone.filter_map(|(_, kept)| kept.destructor).collect();
        next_generation();
        destructors
    };
    for destructor in destructors {
        destructor();
    }
}

struct Kept {
    value: usize,
    destructor: Option<Destructor>,
}

/// By context and key.
static VALUES: Lazy<Mutex<HashMap<(usize, usize), Kept>>> = Lazy::new(Mutex::default);

/// Changes, under the lock of [`VALUES`], whenever an answer of [`get`] may. Starts above what a new thread remembers.
static GENERATION: AtomicU64 = AtomicU64::new(1);

/// Each copy of the runtime in a process has a key of its own, and every library of CUDA's may bring a copy.
const REMEMBERED_ANSWERS: usize = 8;

thread_local! {
    /// No destructor: it can be read until the thread is truly gone.
    static REMEMBERED: [Cell<Remembered>; REMEMBERED_ANSWERS] = const {
        [const { Cell::new(Remembered { generation: 0, context: 0, key: 0, value: 0 }) }; REMEMBERED_ANSWERS]
    };
}

/// Keys and contexts are addresses or small numbers; the product's upper bits depend on all of theirs.
fn remembered_at(context: CUcontext, key: usize) -> usize {
    let mixed = (context.addr().rotate_left(32) ^ key).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed >> (usize::BITS - REMEMBERED_ANSWERS.ilog2())
}

#[derive(Clone, Copy)]
struct Remembered {
    generation: u64,
    context: usize,
    key: usize,
    value: usize,
}

fn lock() -> MutexGuard<'static, HashMap<(usize, usize), Kept>> {
    // Nothing panics halfway through a change, so what a panicking thread leaves is whole.
    VALUES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn next_generation() {
    GENERATION.fetch_add(1, Ordering::Release);
}

#[cfg(test)]
mod tests {
    use std::ffi::c_void;
    use std::ptr::without_provenance_mut;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::thread;

    use super::*;
    use crate::{CUdevice, CUmodule, DeviceIdentity};

    /// Lives in contexts below 1000; no thread has a current one.
    struct Contexts;

    impl Host for Contexts {
        fn driver_version(&self) -> u32 {
            13050
        }
        fn visible_devices(&self) -> Vec<DeviceIdentity> {
            Vec::new()
        }
        fn primary_context(&self, _: CUdevice) -> Result<CUcontext, CUresult> {
            Err(CUDA_ERROR_INVALID_CONTEXT)
        }
        fn current_context(&self) -> CUcontext {
            std::ptr::null_mut()
        }
        fn is_live(&self, context: CUcontext) -> bool {
            context.addr() < 1000
        }
        fn load_module(&self, _: *const c_void) -> Result<CUmodule, CUresult> {
            Err(CUDA_ERROR_INVALID_CONTEXT)
        }
    }

    /// Tests run side by side, so each has a context of its own.
    fn context(number: usize) -> CUcontext {
        without_provenance_mut(number)
    }

    #[test]
    fn a_value_is_found_under_its_context_and_key_only() {
        let (ours, other) = (context(1), context(2));
        put(&Contexts, ours, 7, 70, None).unwrap();
        assert_eq!(get(&Contexts, ours, 7), Ok(70));
        assert_eq!(get(&Contexts, ours, 8), Err(CUDA_ERROR_INVALID_HANDLE));
        assert_eq!(get(&Contexts, other, 7), Err(CUDA_ERROR_INVALID_HANDLE));
    }

    #[test]
    fn a_removed_value_is_gone_for_threads_that_remember_it() {
        let ours = context(3);
        put(&Contexts, ours, 1, 10, None).unwrap();
        assert_eq!(get(&Contexts, ours, 1), Ok(10));
        thread::spawn(move || remove(&Contexts, context(3), 1)).join().unwrap().unwrap();
        assert_eq!(get(&Contexts, ours, 1), Err(CUDA_ERROR_INVALID_HANDLE));
        assert_eq!(remove(&Contexts, ours, 1), Err(CUDA_ERROR_INVALID_HANDLE));
    }

    #[test]
    fn answers_that_share_a_place_in_memory_are_not_mixed_up() {
        let ours = context(7);
        for key in 0..10 * REMEMBERED_ANSWERS {
            put(&Contexts, ours, key, key * 10, None).unwrap();
        }
        for _ in 0..2 {
            for key in 0..10 * REMEMBERED_ANSWERS {
                assert_eq!(get(&Contexts, ours, key), Ok(key * 10));
            }
        }
    }

    #[test]
    fn the_destructors_of_a_gone_context_run_once_and_may_call_back() {
        let (ours, runs) = (context(4), Arc::new(AtomicUsize::new(0)));
        for key in 0..3 {
            let runs = runs.clone();
            let destructor = move || {
                assert_eq!(get(&Contexts, context(4), key), Err(CUDA_ERROR_INVALID_HANDLE));
                runs.fetch_add(1, Ordering::Relaxed);
            };
            put(&Contexts, ours, key, 1, Some(Box::new(destructor))).unwrap();
        }
        remove(&Contexts, ours, 0).unwrap();
        context_gone(ours);
        context_gone(ours);
        assert_eq!(runs.load(Ordering::Relaxed), 2, "a removed value's destructor must not run");
    }

    #[test]
    fn a_context_that_is_not_live_keeps_nothing() {
        let dead = context(1000);
        assert_eq!(put(&Contexts, dead, 1, 1, None), Err(CUDA_ERROR_INVALID_CONTEXT));
        assert_eq!(get(&Contexts, dead, 1), Err(CUDA_ERROR_INVALID_CONTEXT));
        assert_eq!(remove(&Contexts, dead, 1), Err(CUDA_ERROR_INVALID_CONTEXT));
    }

    #[test]
    fn null_without_a_current_context_means_no_context() {
        assert_eq!(meant(&Contexts, context(0)), Err(CUDA_ERROR_INVALID_CONTEXT));
        assert_eq!(meant(&Contexts, context(5)), Ok(context(5)));
    }

    #[test]
    fn a_value_can_be_read_and_changed_while_the_thread_is_torn_down() {
        struct Late(Arc<AtomicUsize>);
        impl Drop for Late {
            fn drop(&mut self) {
                assert_eq!(get(&Contexts, context(6), 1), Ok(10));
                put(&Contexts, context(6), 1, 11, None).unwrap();
                self.0.store(get(&Contexts, context(6), 1).unwrap(), Ordering::Relaxed);
            }
        }
        thread_local!(static LATE: Cell<Option<Late>> = const { Cell::new(None) });

        put(&Contexts, context(6), 1, 10, None).unwrap();
        let seen = Arc::new(AtomicUsize::new(0));
        let late = Late(seen.clone());
        thread::spawn(move || LATE.set(Some(late))).join().unwrap();
        assert_eq!(seen.load(Ordering::Relaxed), 11);
    }
}
