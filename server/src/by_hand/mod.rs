//! The server's half of what crosses in a way of its own; the shim's half has the same file names.

mod context;
mod copy;
mod copy_box;
mod copy_later;
mod event;
mod graph;
mod graph_build;
mod graph_change;
mod host_call;
mod image;
mod launch;
mod link;
mod memory;
mod module;
mod occupancy;
mod pool;
mod set;
mod stream;
mod virtual_memory;

pub use context::*;
pub use copy::*;
pub use copy_box::*;
pub use copy_later::*;
pub use event::*;
pub use graph::*;
pub use host_call::*;
pub use image::*;
pub use launch::launch;
pub use link::*;
pub use memory::*;
pub use module::*;
pub use occupancy::*;
pub use pool::*;
pub use set::*;
pub use stream::*;
pub use virtual_memory::*;
