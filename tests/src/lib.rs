//! Support for the tests: the product that scripts/build left, a household of its own for each test, runs with a time limit, a road that
//! misbehaves, a cloud that rents out processes.

pub mod fakecloud;
mod household;
mod judge;
pub mod liar;
mod product;
pub mod relay;
mod run;
mod server;

pub use household::Household;
pub use judge::Judge;
pub use product::{Product, Road, root};
pub use relay::Relay;
pub use run::{Outcome, Running, not_run, run, start, wait_until};
pub use server::{RESUME_GRACE, Server};
