//! The driver's own threads, and what a fork does to them.
#![allow(unsafe_code)] // Signal masks and fork handlers are libc's.

use std::mem::MaybeUninit;
use std::ptr;

use once_cell::sync::OnceCell;

/// Starts a thread of ours. The program's signals are never delivered to it: it would run handlers on a stack and with
/// locks that the program knows nothing of.
pub fn spawn(name: &str, body: impl FnOnce() + Send + 'static) {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigfillset initialises `all`; pthread_sigmask reads it and writes `before`.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(body);
    // SAFETY: `before` was written by the call above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
    started.expect("no thread to be had");
}

static CHILD: OnceCell<fn()> = OnceCell::new();

/// Has `child` run in every forked child from now on. Called once.
pub fn at_fork_in_child(child: fn()) {
    if CHILD.set(child).is_ok() {
        // SAFETY: the handler is a function of this library, which is never unloaded (see build.rs).
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    }
}

extern "C" fn in_child() {
    if let Some(child) = CHILD.get() {
        child();
    }
}
