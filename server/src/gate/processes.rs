//! Process numbers of a worker's own: it is the first process of its namespace and sees no other.
//!
//! Only a parent can make them for its child, and only root can do so without another process between the two.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

/// Starts a child apart, where this process may; else as any other child.
pub fn apart<T>(start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let own = File::open("/proc/self/ns/pid")?;
    if leave().is_err() {
        return start();
    }
    let started = start();
    // Children made from here on are ours again. Without the way back none could be made at all once the first one ends.
    move_into_link_name_space(own.as_fd(), Some(LinkNameSpaceType::ProcessID))
        .map_err(|error| io::Error::other(format!("the gate's process namespace is lost: {error}")))?;
    started
}

#[allow(unsafe_code)] // leaves a namespace that other threads would share.
fn leave() -> rustix::io::Result<()> {
    // SAFETY: it decides where children are made, and nothing else; no descriptor table is touched.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWPID) }
}
