//! What a process must do to be a worker, before anything else: die with its gate, hold nothing that it was not given.
#![allow(unsafe_code)] // closes descriptors by number.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use farwarp_link::quic::probe_offload;
use farwarp_protocol::handoff::Start;
use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use crate::jail;
use crate::port::{PortError, WorkerPort};

/// Takes the socketpair that the gate left as standard input.
pub fn enter() -> io::Result<OwnedFd> {
    let parent = getppid();
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // A gate that died before the line above cannot send the signal any more; its child has a new parent then.
    if getppid() != parent {
        return Err(io::Error::other("the gate ended while its worker started"));
    }
    close_what_was_inherited()?;
    let socketpair = io::stdin().as_fd().try_clone_to_owned()?;
    // Nothing that a driver library may do with its standard input shall reach the gate.
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(socketpair)
}

/// Closes the jail, if the gate says so. Nothing of the client's was heard yet, and there is no second thread.
pub fn close_jail(port: &WorkerPort, start: &Start) -> Result<(), PortError> {
    if let Err(error) = probe_offload() {
        tracing::debug!(%error, "datagrams will go one by one");
    }
    match start.jailed {
        true => port.jailed(jail::enter(&jail::Plan::of(start)).iter().map(Into::into).collect()),
        false => Ok(()),
    }
}

/// Whoever started the gate may have left descriptors open in it that no exec closes.
fn close_what_was_inherited() -> io::Result<()> {
    const FIRST: libc::c_uint = 3;
    // SAFETY: this is the first thing that the process does, so nobody in it owns a descriptor beyond the first three.
    match unsafe { libc::close_range(FIRST, libc::c_uint::MAX, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
