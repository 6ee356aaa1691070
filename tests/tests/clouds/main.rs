//! Machines that are rented and end: an unmodified program, the agent, a vendor's HTTP, and a real server on what was rented.

mod box_ends;
mod commands;
mod faults;
mod life;
mod listing;
mod points;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use farwarp_tests::fakecloud::FakeCloud;
use farwarp_tests::{Household, Outcome, not_run, run};
use serde_json::Value;

/// More than anything here takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// A person with an account at a cloud of the tests.
pub struct Scene {
    // In this order: the household ends its leases while there still is a cloud.
    pub household: Household,
    pub cloud: FakeCloud,
}

impl Scene {
    /// `profile`: further lines of the profile.
    pub fn new(profile: &str) -> Self {
        let (household, cloud) = (Household::new(), FakeCloud::start());
        household.configure(&cloud.config(profile));
        Self { household, cloud }
    }

    /// Any program, whose agent is the one of the tests.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = self.household.command(program);
        command.env("FARWARP_BIN", agent()).env("TEST_AGENT_CLOCK", self.cloud.clock_file());
        command
    }

    pub fn farwarp(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(agent());
        command.args(arguments);
        command
    }

    pub fn said(&self, arguments: &[&str]) -> Outcome {
        run(&mut self.farwarp(arguments), LIMIT)
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        let outcome = self.said(arguments);
        assert!(outcome.status.success(), "{arguments:?}: {outcome}");
        serde_json::from_slice(&outcome.stdout).expect("what it says is JSON")
    }

    /// Ends everything, and makes sure that nothing costs money any more.
    pub fn is_clean(&self) {
        let outcome = self.said(&["down", "--all"]);
        assert!(outcome.status.success(), "{outcome}");
        assert_eq!(self.cloud.world().billing(), 0, "machines are left");
    }
}

/// Whether to try all of what the default run samples: `scripts/soak` does.
pub fn deeply(what: &str) -> bool {
    let deep = std::env::var_os("FARWARP_CLOUDS").is_some_and(|value| value == "all");
    if !deep {
        not_run(what, "a sample of it was; FARWARP_CLOUDS=all tries all");
    }
    deep
}

fn agent() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_farwarp-test-agent"))
}
