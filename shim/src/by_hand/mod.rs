//! Functions that cross the wire in a way of their own: those that make or unmake something that the shim keeps books
//! of, those that carry bytes, and those that must look into what the program passes.

mod batch;
mod context;
mod copy;
mod copy_batch;
mod event;
pub mod graph;
mod graph_steps;
pub mod host_call;
mod image;
mod ipc;
mod launch;
mod link;
mod memory;
mod module;
mod occupancy;
mod peer;
mod pool;
mod set;
mod stream;
mod stream_attribute;
mod variable;
mod virtual_memory;

pub use batch::*;
pub use context::*;
pub use copy::*;
pub use copy_batch::*;
pub use event::*;
pub use graph::*;
pub use host_call::{cuLaunchHostFunc, cuLaunchHostFunc_v2, cuStreamAddCallback};
pub use ipc::*;
pub use launch::*;
pub use link::*;
pub use memory::*;
pub use module::*;
pub use occupancy::*;
pub use peer::*;
pub use pool::*;
pub use set::*;
pub use stream::*;
pub use stream_attribute::*;
pub use variable::*;
pub use virtual_memory::*;
