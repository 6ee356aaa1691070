//! Graphs and stream captures as any libcuda of ours keeps them: what a program builds, asks and captures is kept here, in its
//! own process; only an executable graph, as a [`farwarp_protocol::graph::Plan`], goes to whoever executes it.
//!
//! | file | what |
//! |---|---|
//! | `host.rs` | what is asked of the libcuda around it |
//! | `graph.rs`, `copying.rs` | graphs, nodes, edges; copies of them |
//! | `plan.rs` | a graph as what is done in which order |
//! | `exec.rs` | executable graphs and their updates |
//! | `memory.rs` | what graphs allocate and free |
//! | `user_object.rs` | what dies with the last graph that holds it |
//! | `capture.rs`, `divert.rs` | captures, and the calls that they take |
//! | `mirror.rs`, `params.rs` | the header's structs, and what nodes make of them |
//! | `dot.rs` | a graph as text |
//! | `api/` | the functions of the driver |

pub mod api;
mod capture;
mod copying;
mod divert;
mod dot;
mod exec;
mod graph;
mod host;
mod memory;
pub mod mirror;
mod params;
mod plan;
mod state;
mod user_object;

pub use capture::{Key, Line, Place};
pub use divert::{Word, concerns_events, divert, is_any};
pub use host::{Finally, Host, Layout};
pub use memory::free;
pub use state::context_gone;
