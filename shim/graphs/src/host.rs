//! What graphs ask of the libcuda around them.

use crate::capture::Place;
use farwarp_protocol::error::Code;
use farwarp_protocol::graph::{Kernel, Plan};
use farwarp_protocol::handle::Id;
use std::sync::Arc;

/// Offset and size of each parameter of a kernel.
pub type Layout = Arc<[(u32, u32)]>;

/// What the program wants done when an executable graph and its launches have ended.
pub type Finally = Box<dyn FnOnce() + Send>;

/// The libcuda that a program talks to: the shim, or the software GPU. No function is called while anything of this crate is
/// locked that another call could need, except those that only look something up.
pub trait Host: Sync {
    // Looked up while the graphs are locked.

    /// Whether the driver is fit for calls that need no context.
    fn ready(&self) -> Result<(), Code>;
    /// The calling thread's current context.
    fn context(&self) -> Result<u64, Code>;
    /// Whether that is a context.
    fn check_context(&self, context: u64) -> Result<(), Code>;
    /// What a stream argument means in the call that is being made.
    fn stream(&self, stream: u64) -> Result<Place, Code>;
    fn check_event(&self, event: u64) -> Result<(), Code>;
    /// The layout of what may be launched in that context.
    fn layout(&self, function: u64, context: u64) -> Result<Layout, Code>;
    /// What would be refused about a launch itself.
    fn check_launch(&self, kernel: &Kernel) -> Result<(), Code>;
    /// Whether the device has memory at that address.
    fn is_device_memory(&self, address: u64) -> bool;
    /// Whether all these bytes are the device's.
    fn check_device_memory(&self, context: u64, address: u64, bytes: u64) -> Result<(), Code>;
    /// Whether that is a device.
    fn check_device(&self, device: i32) -> Result<(), Code>;

    // Called with nothing locked.

    /// Memory for as long as graphs want it, and the device that it is on; of the pool, if that is not 0.
    fn allocate(&self, context: u64, bytes: u64, pool: u64) -> Result<(u64, i32), Code>;
    /// Takes it back once everything that was queued before is done.
    fn release(&self, context: u64, address: u64);

    /// A value for kernels and a conditional node of that graph.
    fn new_conditional(&self, graph: Id, context: u64, default: u32, flags: u32) -> Result<u64, Code>;
    /// The graph of these conditional handles is gone.
    fn conditionals_gone(&self, graph: Id, handles: &[u64]);
    /// Makes a plan executable, under an id that is new, or in the place of what that id meant before.
    fn instantiate(&self, exec: Id, graph: Id, context: u64, plan: Arc<Plan>) -> Result<(), Code>;
    fn upload(&self, exec: Id, stream: u64) -> Result<(), Code>;
    fn launch(&self, exec: Id, stream: u64) -> Result<(), Code>;
    /// Forgets an executable graph; what was launched still runs, and `then` is for when that is done.
    fn destroy(&self, exec: Id, then: Option<Finally>);
}
