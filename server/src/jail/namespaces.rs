//! Namespaces: no network, no mounts, no System V objects and no host name but the worker's own.

use std::fs;
use std::io;

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{getegid, geteuid};
use rustix::thread::UnshareFlags;

pub struct Entered {
    /// One of users is among them: the worker's processes are counted by themselves.
    pub of_users: bool,
    pub words: String,
}

/// Leaves those of the gate. The sockets that the gate hands over stay in the gate's network.
pub fn enter() -> Result<Entered, String> {
    let wanted = UnshareFlags::NEWNET | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS | UnshareFlags::NEWNS;
    let (uid, gid) = (geteuid(), getegid());
    let (of_users, words) = match unshare(wanted) {
        Ok(()) => (false, "net, ipc, uts, mount"),
        // Who is not root may still have all of them within a user namespace, in which it stays who it is.
        Err(denied) => match unshare(wanted | UnshareFlags::NEWUSER) {
            Ok(()) => {
                let mapped = map("uid_map", uid.as_raw()).and_then(|()| map("gid_map", gid.as_raw()));
                mapped.map_err(|error| format!("the user namespace could not be set up: {error}"))?;
                (true, "user, net, ipc, uts, mount")
            }
            Err(error) => {
                return Err(format!("not without a user namespace ({denied}) nor with one ({error})"));
            }
        },
    };
    // What is mounted here from now on stays here.
    let own = mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC);
    let own_proc = own.and_then(|()| own_proc()).unwrap_or(false);
    let words = if own_proc { format!("{words}, /proc of its own") } else { words.to_owned() };
    Ok(Entered { of_users, words })
}

/// Whether the gate could give this process its own process numbers.
pub fn processes() -> Result<String, String> {
    match std::process::id() {
        1 => Ok("it sees no other process".into()),
        _ => Err("the gate may not make one; signals are stopped by landlock and seccomp alone".into()),
    }
}

/// The first of its process namespace sees only itself. A container that hides parts of /proc forbids that, for good reason.
fn own_proc() -> rustix::io::Result<bool> {
    if std::process::id() != 1 {
        return Ok(false);
    }
    mount("proc", "/proc", "proc", MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC, None)?;
    Ok(true)
}

fn map(file: &str, id: u32) -> io::Result<()> {
    if file == "gid_map" {
        // Without this the kernel takes no group from an unprivileged process.
        fs::write("/proc/self/setgroups", "deny")?;
    }
    fs::write(format!("/proc/self/{file}"), format!("{id} {id} 1"))
}

#[allow(unsafe_code)] // leaves namespaces that other threads would share.
fn unshare(flags: UnshareFlags) -> rustix::io::Result<()> {
    // SAFETY: the process has one thread, and none of the flags touches its table of descriptors.
    unsafe { rustix::thread::unshare_unsafe(flags) }
}
