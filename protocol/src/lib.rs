//! What crosses the wire between the shim and the server, and the table of driver functions that decides it.
//!
//! Sans-IO: no sockets, no clock, no libcuda.
#![forbid(unsafe_code)]

pub mod admission;
pub mod agent;
pub mod arrays;
pub mod boxes;
pub mod call;
pub mod client;
pub mod codec;
pub mod describe;
pub mod error;
pub mod frame;
pub mod graph;
pub mod handle;
pub mod handoff;
pub mod image;
pub mod limits;
pub mod meter;
pub mod param;
pub mod patch;
pub mod session;
pub mod snapshot;
pub mod space;
pub mod table;
pub mod ticket;
pub mod worker;
