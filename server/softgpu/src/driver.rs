//! The driver API over the PTX engine: contexts, memory, streams, modules, launches.
//!
//! | file | what |
//! |---|---|
//! | `api/` | the functions themselves, by chapter |
//! | `edge.rs`, `mirror.rs`, `handles.rs` | the C boundary: arguments, structs, handles |
//! | `machine.rs`, `device.rs`, `settings.rs`, `limits.rs` | what `cuInit` finds |
//! | `context.rs`, `current.rs` | contexts, and each thread's stack of them |
//! | `job.rs`, `stream.rs`, `event.rs` | what happens, and in which order |
//! | `memops.rs`, `crew.rs`, `threads.rs` | who does it |
//! | `ranges.rs`, `arena.rs`, `pages.rs`, `memory.rs`, `vmm.rs`, `meter.rs`, `ipc.rs` | memory: who may touch what, where it comes from, who counts it, how others see it |
//! | `array.rs`, `texture.rs` | arrays, and the objects by which kernels reach them |
//! | `copy.rs`, `transfer.rs`, `pointer.rs` | copies and sets; what is known of an address |
//! | `image.rs`, `jit_log.rs`, `module.rs`, `library.rs`, `function.rs`, `link.rs` | code |
//! | `launch.rs`, `occupancy.rs`, `console.rs` | kernels, how many fit, what they print |
//! | `graph.rs`, `graph_jobs.rs` | executable graphs, and their steps as jobs |
//! | `face.rs` | what `farwarp-face` asks of us |

pub mod api;
mod arena;
mod array;
mod console;
mod context;
mod copy;
mod crew;
mod current;
mod device;
mod edge;
mod event;
mod face;
mod function;
mod graph;
mod graph_jobs;
mod handles;
mod image;
mod ipc;
mod jit_log;
mod job;
mod launch;
mod library;
mod limits;
mod link;
mod machine;
mod memops;
mod memory;
mod meter;
mod mirror;
mod module;
mod occupancy;
mod pages;
mod pointer;
mod pool;
mod ranges;
mod settings;
mod stream;
mod texture;
mod threads;
mod transfer;
mod vmm;
