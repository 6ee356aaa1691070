//! Everything that reads bytes of others, under bytes that nobody would write.
//!
//! - [`target`]: what is fed, by name; a target panics when a promise is broken, and else says nothing
//! - [`corpus`]: inputs to begin from, and those that once broke something, in files
//! - [`mutator`]: inputs made of others, the same for the same seed on every machine
//! - [`driver`]: feeds a target for a time, and says which input broke it
//!
//! `tests/fuzz/guided` feeds the same targets by libFuzzer, which sees what they reach. Calls with their arguments, against a
//! session and its driver, are told wrong in `tests/tests/abuse/`.

pub mod corpus;
pub mod driver;
pub mod mutator;
pub mod target;
