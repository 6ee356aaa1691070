//! libcuda.so.1 for a machine without a GPU: every driver call is answered here or sent to a server beside one.
//!
//! Nothing runs before the first call of a `cu` function: the library is preloaded into shells and linkers too.

mod agent;
mod by_hand;
mod call;
mod connect;
mod contexts;
mod counters;
mod credit;
mod entry_points;
mod exports;
mod here;
mod host;
mod landing;
mod memory;
mod objects;
mod output;
mod param;
mod recent;
mod remote;
mod settings;
mod shared;
mod state;
mod stats;
mod threads;
mod transfer;
mod wait;
