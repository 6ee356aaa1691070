//! A user of the worker's own, where root starts it: no file of anybody's, no signal to anybody, no capability.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;

use rustix::process::{Gid, Signal, Uid, geteuid, set_parent_process_death_signal};
use rustix::thread::{
    CapabilitySet, CapabilitySets, set_capabilities, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};

use super::Plan;

/// Users that no machine gives to a person: a block far above what account databases use, …
const FIRST_USER: u32 = 0x6657_0000;
const USERS: u32 = 1 << 16;
/// … and one for containers, in which larger numbers do not exist.
const FIRST_USER_OF_A_CONTAINER: u32 = 64_600;
const USERS_OF_A_CONTAINER: u32 = 64;

pub fn become_nobody(plan: &Plan) -> Result<String, String> {
    let outcome = match geteuid().is_root() {
        true => leave_root(plan),
        false => Err(format!("only root can become another; it stays user {}", geteuid().as_raw())),
    };
    // Root within a namespace of its own, or root that could not be left: nothing that it may do beyond any other user.
    let empty = CapabilitySet::empty();
    let none = CapabilitySets { effective: empty, permitted: empty, inheritable: empty };
    set_capabilities(None, none).map_err(|error| format!("capabilities cannot be dropped: {error}"))?;
    // The kernel forgets this whenever the user changes.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| error.to_string())?;
    outcome
        .map(|user| format!("{user}, without capabilities"))
        .map_err(|why| format!("{why}; without capabilities"))
}

fn leave_root(plan: &Plan) -> Result<String, String> {
    set_thread_groups(&[]).map_err(|error| format!("its groups cannot be left: {error}"))?;
    let session = plan.session as u32;
    let candidates =
        [FIRST_USER + session % USERS, FIRST_USER_OF_A_CONTAINER + session % USERS_OF_A_CONTAINER];
    let mut why = String::new();
    for number in candidates {
        match try_on(number, plan) {
            Ok(()) => return Ok(format!("user {number}")),
            Err(error) => why = error,
        }
    }
    Err(why)
}

/// Takes the user for good if the driver can be reached as it.
fn try_on(number: u32, plan: &Plan) -> Result<(), String> {
    let (uid, gid, root) = (Uid::from_raw(number), Gid::from_raw(number), Uid::ROOT);
    set_thread_res_gid(gid, gid, gid).map_err(|error| format!("no group {number}: {error}"))?;
    set_thread_res_uid(root, uid, root).map_err(|error| format!("no user {number}: {error}"))?;
    if let Some((path, error)) = unreachable(plan) {
        let back =
            set_thread_res_uid(root, root, root).and(set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT));
        back.map_err(|error| format!("root cannot be had back: {error}"))?;
        return Err(format!("another user than root cannot open {}: {error}", path.display()));
    }
    set_thread_res_uid(root, root, root)
        .and_then(|()| set_thread_res_uid(uid, uid, uid))
        .map_err(|error| format!("user {number} cannot be kept: {error}"))
}

/// What a worker must open and this user cannot.
fn unreachable(plan: &Plan) -> Option<(PathBuf, std::io::Error)> {
    if let Err(error) = File::open(&plan.driver) {
        return Some((plan.driver.clone(), error));
    }
    super::files::devices(plan.nvidia).into_iter().find_map(|device| {
        let error = OpenOptions::new().read(true).write(true).open(&device).err()?;
        // A device without its hardware is not this user's fault.
        (error.kind() == std::io::ErrorKind::PermissionDenied).then_some((device, error))
    })
}
