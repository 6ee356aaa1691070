//! Which contexts' kernels may look into which others' memory. The driver sees to what it allocated itself; the arena's memory
//! is granted to the device, chunk by chunk, and so is every chunk that comes later.
#![allow(unsafe_code)] // calls the driver.

use crate::executor::{Call, Executor, Reply};
use crate::refusal::Refusal;
use farwarp_protocol::codec::decode;
use farwarp_protocol::handle::Id;
use std::collections::BTreeSet;

/// Pairs: who looks, and into whose memory. Of contexts there are few.
#[derive(Default)]
pub struct Peers(BTreeSet<(Id, Id)>);

impl Executor {
    /// Devices on which a context may look into this one's memory.
    pub fn devices_that_look_into(&self, owner: Id) -> Vec<i32> {
        let viewers = self.peers.0.iter().filter(|(_, of)| *of == owner).map(|(viewer, _)| viewer);
        let devices: BTreeSet<i32> =
            viewers.filter_map(|viewer| Some(self.contexts.get(viewer)?.device)).collect();
        devices.into_iter().collect()
    }

    /// A right is a device's, so it stays as long as another context there has it too.
    fn look_away(&mut self, viewer: Id, owner: Id) {
        self.peers.0.remove(&(viewer, owner));
        let (Some(of_viewer), Some(of_owner)) = (self.contexts.get(&viewer), self.contexts.get(&owner))
        else {
            return;
        };
        let (device, own) = (of_viewer.device, of_owner.device);
        if device == own || self.devices_that_look_into(owner).contains(&device) {
            return;
        }
        if let Err(code) = self.arena().set_access(owner, device, false) {
            tracing::warn!(device, code, "a device could not be kept out of another's memory again");
        }
    }
}

/// The current context is let into another's memory.
pub fn enable_peer(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let (owner, flags): (Id, u32) = decode(call.body)?;
    let viewer = call.asker.context;
    let raw = executor.context(owner)?.raw;
    executor.enter(call)?;
    let device = executor.context(viewer)?.device;
    // SAFETY: a live context; the driver knows which pairs there can be.
    if let Err(code) = unsafe { executor.driver.cuCtxEnablePeerAccess(raw, flags) } {
        return Ok(Reply::Now(code, Vec::new()));
    }
    let granted = executor.arena().set_access(owner, device, true);
    executor.peers.0.insert((viewer, owner));
    if granted.is_err() {
        executor.look_away(viewer, owner);
        // SAFETY: as above; it was enabled just now.
        let _ = unsafe { executor.driver.cuCtxDisablePeerAccess(raw) };
    }
    Ok(granted.into())
}

pub fn disable_peer(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let owner: Id = decode(call.body)?;
    let raw = executor.context(owner)?.raw;
    executor.enter(call)?;
    // SAFETY: a live context.
    let outcome = unsafe { executor.driver.cuCtxDisablePeerAccess(raw) };
    if outcome.is_ok() {
        executor.look_away(call.asker.context, owner);
    }
    Ok(outcome.into())
}

/// Nobody looks into the memory of a context that goes, and it looks into nobody's. It is still in the books.
pub fn peers_of_context_gone(executor: &mut Executor, context: Id) {
    let pairs: Vec<(Id, Id)> = executor.peers.0.iter().copied().collect();
    for (viewer, owner) in pairs {
        if viewer == context {
            executor.look_away(viewer, owner);
        } else if owner == context {
            executor.peers.0.remove(&(viewer, owner));
        }
    }
}
