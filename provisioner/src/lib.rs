//! The `farwarp` command, the per-user agent, and the leases: servers that are started at the first call and ended when quiet.
//!
//! - [`lease`]: what becomes of a lease, as a pure function
//! - [`ledger`]: what is rented, on disk before it is rented
//! - [`keeper`]: carries one lease out: decides, writes down, acts
//! - [`provider`], [`providers`]: who rents machines out; [`http`], [`rest`], [`keys`]: how they are asked
//! - [`bootstrap`]: what a rented machine is told at birth
//! - [`ranking`]: which offer is taken; [`purse`]: what has been spent and may be
//! - [`control`]: the agent's word with a running server; [`activity`]: whether its clients still work
//! - [`reaper`]: destroys what nobody owns
//! - [`agent`]: the process that keeps the leases, one a user
//! - [`config`], [`cost`], [`clock`], [`places`], [`process`]: what they all need
//! - [`cli`]: the command
#![forbid(unsafe_code)]

pub mod activity;
pub mod agent;
pub mod bootstrap;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod cost;
pub mod http;
pub mod keeper;
pub mod keys;
pub mod lease;
pub mod ledger;
mod only_one;
pub mod places;
pub mod process;
pub mod provider;
pub mod providers;
pub mod purse;
pub mod ranking;
pub mod reaper;
pub mod rest;
