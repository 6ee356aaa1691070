//! One rented machine: a process group with a directory of its own, and the time from its birth to its end.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::UdpSocket;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

pub struct Machine {
    pub label: String,
    pub offer: u64,
    /// What it may end itself with.
    pub key: String,
    pub micro_dollars_per_hour: u64,
    pub made_at_ms: u64,
    pub ended_at_ms: Option<u64>,
    pub stuck: bool,
    pub taken_away: bool,
    pub port: u16,
    folder: PathBuf,
    process: Option<Child>,
}

/// What a machine is made of.
pub struct Plan {
    pub label: String,
    pub offer: u64,
    pub key: String,
    pub micro_dollars_per_hour: u64,
    pub now_ms: u64,
    pub folder: PathBuf,
}

impl Machine {
    pub fn new(plan: Plan) -> Self {
        fs::create_dir_all(&plan.folder).expect("a folder of our own");
        // Free a moment ago; nobody else on this machine takes ports by number.
        let port =
            UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        Self {
            label: plan.label,
            offer: plan.offer,
            key: plan.key,
            micro_dollars_per_hour: plan.micro_dollars_per_hour,
            made_at_ms: plan.now_ms,
            ended_at_ms: None,
            stuck: false,
            taken_away: false,
            port,
            folder: plan.folder,
            process: None,
        }
    }

    /// Starts what its container runs, with a software GPU where a host has its driver.
    pub fn boot(&mut self, command: &[String], environment: &BTreeMap<String, String>, softgpu: &Path) {
        let libraries = self.folder.join("lib/farwarp");
        fs::create_dir_all(&libraries).expect("a folder of our own");
        symlink(softgpu, libraries.join("softgpu")).expect("a link of our own");
        let log = || Stdio::from(File::options().append(true).create(true).open(self.log()).expect("a log"));
        let Some((program, arguments)) = command.split_first() else { return };
        let started = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(environment)
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("FARWARP_BOX", &self.folder)
            // No address is translated here, so the machine has the port that its clients see.
            .env("FARWARP_HOST", "127.0.0.1")
            .env("FARWARP_PORT", self.port.to_string())
            .env("FARWARP_WATCH_S", "1")
            .env("FARWARP_AGAIN_S", "1")
            .current_dir(&self.folder)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log())
            .stderr(log())
            .spawn();
        self.process = Some(started.expect("a shell can be started"));
    }

    /// As an image has it.
    pub fn put_server(&self, server: &Path) {
        let bin = self.folder.join("bin");
        fs::create_dir_all(&bin).expect("a folder of our own");
        fs::hard_link(server, bin.join("farwarp-server")).expect("a link of our own");
    }

    /// Of what runs on it, the process whose program has this name.
    pub fn process_named(&self, name: &str) -> Option<Pid> {
        let group = self.process.as_ref()?.id();
        let in_group = |pid: &u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().nth(2);
            fields.and_then(|field| field.parse().ok()) == Some(group) && stat.contains(&format!("({name})"))
        };
        let entries = fs::read_dir("/proc").ok()?;
        let pid =
            entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(in_group)?;
        Pid::from_raw(pid as i32)
    }

    pub fn exists(&self) -> bool {
        self.ended_at_ms.is_none()
    }

    pub fn runs(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| matches!(process.try_wait(), Ok(None)))
    }

    /// The process stops, and the machine is still paid for.
    pub fn halt(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        if let Some(group) = Pid::from_raw(process.id() as i32) {
            // One that is gone already is what was wanted.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = process.wait();
    }

    /// A signal to everything that runs on it.
    pub fn signal(&self, signal: Signal) {
        if let Some(group) = self.process.as_ref().and_then(|process| Pid::from_raw(process.id() as i32)) {
            let _ = kill_process_group(group, signal);
        }
    }

    pub fn end(&mut self, now_ms: u64) {
        self.halt();
        self.ended_at_ms.get_or_insert(now_ms);
    }

    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    pub fn lived_ms(&self, now_ms: u64) -> u64 {
        self.ended_at_ms.unwrap_or(now_ms) - self.made_at_ms
    }

    /// By the millisecond, rounded up once.
    pub fn bill(&self, now_ms: u64) -> u64 {
        let product = u128::from(self.micro_dollars_per_hour) * u128::from(self.lived_ms(now_ms));
        product.div_ceil(3_600_000) as u64
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.halt();
    }
}
