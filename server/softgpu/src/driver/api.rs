//! The driver functions that are built, by chapter of NVIDIA's manual. Each reads its arguments, calls the model behind it,
//! and writes the answer; the table in `farwarp-protocol` decides which symbols exist, `exports` puts the two together.

#![allow(non_snake_case)] // CUDA's names keep CUDA's spelling.

mod array;
mod context;
mod device;
mod event;
mod execution;
mod graph;
mod initialization;
mod ipc;
mod library;
mod memory;
mod memory_copy;
mod memory_set;
mod module;
mod occupancy;
mod peer;
mod pool;
mod prepared;
mod primary_context;
mod stream;
mod stream_attributes;
mod stream_memops;
mod texture;
mod unified;
mod virtual_memory;

pub use array::*;
pub use context::*;
pub use device::*;
pub use event::*;
pub use execution::*;
pub use graph::*;
pub use initialization::*;
pub use ipc::*;
pub use library::*;
pub use memory::*;
pub use memory_copy::*;
pub use memory_set::*;
pub use module::*;
pub use occupancy::*;
pub use peer::*;
pub use pool::*;
pub use prepared::*;
pub use primary_context::*;
pub use stream::*;
pub use stream_attributes::*;
pub use stream_memops::*;
pub use texture::*;
pub use unified::*;
pub use virtual_memory::*;
