//! An installation of its own, with its own runtime and state directories, and no trace left at its end.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::time::{Duration, Instant};

use farwarp_agent_client::{Client, Lease, Paths, Starter};
use farwarp_protocol::agent::Wish;
use farwarp_provisioner::process::{self, Process};
use rustix::process::Signal;
use tempfile::TempDir;

pub struct House {
    dir: TempDir,
}

impl House {
    pub fn new() -> Self {
        let house = Self { dir: tempfile::tempdir().unwrap() };
        for dir in ["bin", "lib/farwarp/softgpu"] {
            fs::create_dir_all(house.dir.path().join(dir)).unwrap();
        }
        fs::write(house.dir.path().join("lib/farwarp/softgpu/libcuda.so.1"), "").unwrap();
        fs::write(house.dir.path().join("lib/farwarp/libcuda.so.1"), "").unwrap();
        fs::copy(env!("CARGO_BIN_EXE_farwarp"), house.command()).unwrap();
        fs::copy(built_server(), house.server()).unwrap();
        house.configure("");
        house
    }

    pub fn command(&self) -> PathBuf {
        self.dir.path().join("bin/farwarp")
    }

    pub fn server(&self) -> PathBuf {
        self.dir.path().join("bin/farwarp-server")
    }

    pub fn runtime(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("config.toml")
    }

    pub fn configure(&self, text: &str) {
        fs::write(self.config(), text).unwrap();
    }

    pub fn replace_server(&self, script: &str) {
        fs::remove_file(self.server()).unwrap();
        fs::write(self.server(), script).unwrap();
        fs::set_permissions(self.server(), PermissionsExt::from_mode(0o755)).unwrap();
    }

    pub fn with_places<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("FARWARP_RUNTIME", self.runtime())
            .env("FARWARP_STATE", self.state())
            .env("FARWARP_CONFIG", self.config())
    }

    pub fn farwarp(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.command());
        self.with_places(&mut command).args(arguments);
        command
    }

    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.farwarp(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What the shim of this very process would hold.
    pub fn lease(&self) -> Lease {
        self.lease_for(Wish { quiet_ms: Some(60_000), ..Wish::default() })
    }

    pub fn lease_for(&self, wish: Wish) -> Lease {
        let places = [
            ("FARWARP_RUNTIME", self.runtime()),
            ("FARWARP_STATE", self.state()),
            ("FARWARP_CONFIG", self.config()),
        ];
        let paths =
            Paths::from_env(|name| places.iter().find(|(n, _)| *n == name).map(|(_, path)| path.into()));
        Client::obtain(&paths, &Starter::new(self.command()), "a-test", &wish, &mut |_| {}).unwrap()
    }

    pub fn agents(&self) -> Vec<Process> {
        self.processes(|pid| process::program(pid).as_deref() == Some("farwarp") && is_agent(pid))
    }

    /// The gates; what they start has the same tag, and another parent.
    pub fn servers(&self) -> Vec<Process> {
        self.processes(|pid| {
            let tag = process::variable(pid, "FARWARP_LEASE");
            let parent = process::stat(pid).map_or(0, |stat| stat.parent);
            tag.is_some() && tag != process::variable(parent, "FARWARP_LEASE")
        })
    }

    fn processes(&self, wanted: impl Fn(u32) -> bool) -> Vec<Process> {
        let ours = |pid: &u32| {
            process::variable(*pid, "FARWARP_RUNTIME")
                .is_some_and(|runtime| Path::new(&runtime) == self.runtime())
        };
        let running = process::all().into_iter().filter(|(_, stat)| !stat.ended).map(|(pid, _)| pid);
        running.filter(ours).filter(|pid| wanted(*pid)).filter_map(Process::of).collect()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        for process in self.agents().into_iter().chain(self.servers()) {
            let _ = process.signal(Signal::KILL);
        }
    }
}

fn is_agent(pid: u32) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|&byte| byte == 0).nth(1) == Some(b"agent")
}

pub fn eventually(timeout: Duration, what: &str, done: impl Fn() -> bool) {
    let until = Instant::now() + timeout;
    while !done() {
        assert!(Instant::now() < until, "not within {timeout:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// `farwarp-server` beside our own binary, built if need be: cargo builds no other package's programs for a test.
fn built_server() -> PathBuf {
    static BUILT: Once = Once::new();
    let path = Path::new(env!("CARGO_BIN_EXE_farwarp")).with_file_name("farwarp-server");
    BUILT.call_once(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "farwarp-server", "--bin", "farwarp-server"]);
        if env!("CARGO_BIN_EXE_farwarp").contains("/release/") {
            cargo.arg("--release");
        }
        let target = path.parent().and_then(Path::parent).unwrap();
        let status =
            cargo.current_dir(env!("CARGO_MANIFEST_DIR")).env("CARGO_TARGET_DIR", target).status().unwrap();
        assert!(status.success(), "farwarp-server cannot be built");
    });
    path
}
