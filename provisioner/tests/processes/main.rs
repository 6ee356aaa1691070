//! `farwarp`, its agent and `farwarp-server` as the processes that they really are.

mod agent;
mod command;
mod house;
