//! The server: a gate that admits, and a worker a session that replays driver calls beside a GPU.
//!
//! - [`gate`]: listens, authenticates, admits, supervises; never loads libcuda
//! - [`driver_choice`]: which libcuda the workers load
//! - [`ticket_file`]: the ticket, written for its owner only
//! - [`worker_process`]: what a process does first to be a worker
//! - [`port`]: the worker's door to the gate and to its client

pub mod driver_choice;
pub mod gate;
pub mod port;
pub mod ticket_file;
pub mod time;
pub mod worker;
pub mod worker_process;
