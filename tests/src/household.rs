//! A person of one's own for each test: empty home, configuration, state, agent and servers, all gone at the end.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::{Product, run};

/// `farwarp down` waits for its servers, which end in a second or are ended by it.
const DOWN_LIMIT: Duration = Duration::from_secs(20);

pub struct Household {
    folder: TempDir,
}

impl Household {
    pub fn new() -> Self {
        Self {
            folder: tempfile::Builder::new().prefix("farwarp-test-").tempdir().expect("a temporary folder"),
        }
    }

    /// A command that finds nothing of the person who runs the tests.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        let of_ours = |name: &str| {
            name.starts_with("FARWARP_") || name.starts_with("CUDA_") || name.starts_with("XDG_")
        };
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(of_ours) {
                command.env_remove(name);
            }
        }
        command
            .env_remove("LD_PRELOAD")
            .env_remove("LD_LIBRARY_PATH")
            .env("HOME", self.folder.path())
            .env("FARWARP_RUNTIME", self.runtime())
            .env("FARWARP_STATE", self.folder.path().join("state"));
        command
    }

    /// The `farwarp` command, as this person would give it.
    pub fn farwarp(&self) -> Command {
        self.command(&Product::find().dist().join("bin/farwarp"))
    }

    /// What this person's configuration says.
    pub fn configure(&self, text: &str) {
        let folder = self.folder.path().join(".config/farwarp");
        std::fs::create_dir_all(&folder).expect("a folder of our own");
        std::fs::write(folder.join("config.toml"), text).expect("a file of our own");
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The agent's process, if there is one.
    pub fn agent(&self) -> Option<u64> {
        self.status()?["agent"]["pid"].as_u64()
    }

    /// The agent's process by its lock on the socket, without asking or starting it.
    pub fn agent_process(&self) -> Option<u32> {
        let runtime = self.runtime();
        let is_ours = |pid: &u32| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let wanted = format!("FARWARP_RUNTIME={}", runtime.display());
            line.split(|byte| *byte == 0).nth(1) == Some(b"agent")
                && environment.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes())
        };
        let entries = std::fs::read_dir("/proc").ok()?;
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(is_ours)
    }

    /// The process of the one server that the agent has started on this machine.
    pub fn server(&self) -> Option<u32> {
        // The machine of a local lease is named by the lease, the process, and when that started.
        self.status()?["leases"][0]["machine"].as_str()?.split(':').nth(1)?.parse().ok()
    }

    fn status(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&run(self.farwarp().args(["status", "--json"]), DOWN_LIMIT).stdout).ok()
    }

    /// Where the agent's socket is once there is an agent; absent before.
    pub fn runtime(&self) -> PathBuf {
        self.folder.path().join("runtime")
    }
}

impl Default for Household {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Household {
    /// Ends servers and agent at once, which would otherwise leave by themselves, but only after their quiet periods.
    fn drop(&mut self) {
        if !self.runtime().exists() {
            return;
        }
        let agent = self.agent();
        run(self.farwarp().args(["down", "--all"]), DOWN_LIMIT);
        if let Some(pid) = agent {
            run(Command::new("kill").arg(pid.to_string()), DOWN_LIMIT);
        }
    }
}
