//! Support for the tests: the product that scripts/build left, a household of its own for each test, runs with a time limit.

mod household;
mod product;
mod run;

pub use household::Household;
pub use product::{Product, Road, root};
pub use run::{Outcome, not_run, run};
