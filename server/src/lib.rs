//! The server: a gate that admits, and a worker a session that replays driver calls beside a GPU.
//!
//! - [`gate`]: listens, authenticates, admits, supervises; never loads libcuda
//! - [`driver_choice`]: which libcuda the workers load
//! - [`ticket_desk`]: what a server's owner says about the tickets of its other users
//! - [`ticket_file`]: the ticket, written for its owner only
//! - [`worker_process`]: what a process does first to be a worker
//! - [`jail`]: what it gives up before it hears its client
//! - [`quota`]: what a session may use
//! - [`port`]: the worker's door to the gate and to its client
//! - [`worker`]: takes calls off the log; `executor` issues them by the handlers of `serve` and `by_hand`
//! - `driver`: the libcuda that was loaded; `objects`, `ranges`, `arena`: what the session owns there
//! - [`refusal`]: what ends a session; [`rig`]: a session without a connection, for tests
//! - `outlet`, `waiters`, `staging`, `printed`: answers, waiting for the GPU, pinned memory, what kernels print

mod arena;
mod by_hand;
mod driver;
pub mod driver_choice;
mod executor;
pub mod gate;
pub mod jail;
mod lines;
mod objects;
mod outlet;
mod param;
pub mod port;
mod printed;
pub mod quota;
mod ranges;
pub mod refusal;
pub mod rig;
mod serve;
mod shared;
mod snapshot;
mod staging;
pub mod ticket_desk;
pub mod ticket_file;
pub mod time;
mod waiters;
pub mod worker;
pub mod worker_process;
