//! A server of a test's own: started on loopback with the software GPU, looked at from outside, gone with the test.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use farwarp_protocol::ticket::Ticket;
use tempfile::TempDir;

use crate::{Household, Product, Relay, Road, wait_until};

/// A server writes its ticket as soon as it listens; loading no driver, it has little else to do.
const START_LIMIT: Duration = Duration::from_secs(20);

/// How long its sessions outlive their connection.
pub const RESUME_GRACE: Duration = Duration::from_secs(2);

pub struct Server {
    household: Household,
    folder: TempDir,
    process: Child,
}

impl Server {
    pub fn start() -> Self {
        Self::with_grace(RESUME_GRACE)
    }

    /// One whose sessions outlive their connection by this.
    pub fn with_grace(resume_grace: Duration) -> Self {
        let driver = Product::find().dist().join("lib/farwarp/softgpu/libcuda.so.1");
        Self::with(resume_grace, &driver, "on", None)
    }

    /// One whose workers load this driver, which writes a file; so they are not jailed.
    pub fn with_driver(driver: &Path) -> Self {
        Self::with(RESUME_GRACE, driver, "off", None)
    }

    /// One whose workers are this program, which reads and writes beside itself: a copy in the folder of [`Server::file`].
    pub fn of_workers(program: &Path) -> Self {
        let driver = Product::find().dist().join("lib/farwarp/softgpu/libcuda.so.1");
        Self::with(RESUME_GRACE, &driver, "off", Some(program))
    }

    fn with(resume_grace: Duration, driver: &Path, jail: &str, worker: Option<&Path>) -> Self {
        let folder =
            tempfile::Builder::new().prefix("farwarp-server-").tempdir().expect("a temporary folder");
        let product = Product::find();
        let household = Household::new();
        let log = File::create(folder.path().join("log")).expect("a file in a folder of ours");
        let mut command = household.command(&product.dist().join("bin/farwarp-server"));
        if let Some(worker) = worker {
            let copy = folder.path().join("worker");
            fs::copy(worker, &copy).expect("a copy in a folder of ours");
            command.arg("--worker-program").arg(copy);
        }
        let process = command
            .args(["--listen", "127.0.0.1:0", "--resume-grace", &format!("{}s", resume_grace.as_secs())])
            .args(["--jail", jail])
            .arg("--driver")
            .arg(absolute(driver))
            .arg("--ticket-file")
            .arg(folder.path().join("ticket"))
            .env("FARWARP_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the server starts");
        let server = Self { household, folder, process };
        server.until("it writes its ticket", START_LIMIT, || server.ticket().is_file());
        server
    }

    pub fn ticket(&self) -> PathBuf {
        self.folder.path().join("ticket")
    }

    /// A relay to this server. Programs that take it are started by [`Server::command_through`].
    pub fn relay(&self, seed: u64) -> Relay {
        Relay::start(self.parsed_ticket().address.parse().expect("an address of loopback"), seed)
            .expect("a relay on loopback")
    }

    fn parsed_ticket(&self) -> Ticket {
        let text = fs::read_to_string(self.ticket()).expect("the ticket");
        text.trim().parse().expect("a ticket that the server wrote")
    }

    /// A file of the test's, gone with the server.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program, through farwarp to this server, with no words but those that matter.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Product::find().on(Road::Remote, &self.household, program);
        command.env("FARWARP_TICKET", self.ticket()).env("FARWARP_QUIET", "1");
        command
    }

    /// As [`Server::command`], with the relay between.
    pub fn command_through(&self, relay: &Relay, program: &Path) -> Command {
        let ticket = Ticket { address: relay.address().to_string(), ..self.parsed_ticket() };
        let mut command = self.command(program);
        command.env("FARWARP_TICKET", ticket.to_string());
        command
    }

    /// The same program directly on the software GPU.
    pub fn directly(&self, program: &Path) -> Command {
        Product::find().on(Road::Direct, &self.household, program)
    }

    /// The gate's process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The processes that serve a session now.
    pub fn workers(&self) -> Vec<u32> {
        let children = |entry: fs::DirEntry| {
            let process: u32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // Behind the name, which may hold anything: state and parent.
            let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
            let (state, parent) = (fields.next()?, fields.next()?);
            (state != "Z" && parent == self.process.id().to_string()).then_some(process)
        };
        fs::read_dir("/proc").expect("/proc").flatten().filter_map(children).collect()
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.path().join("log")).unwrap_or_default()).into_owned()
    }

    /// Waits until this is so; fails with what the server said when it is not so within the limit.
    pub fn until(&self, what: &str, limit: Duration, is_so: impl FnMut() -> bool) {
        assert!(wait_until(limit, is_so), "not within {limit:?}: {what}; the server said\n{}", self.log());
    }

    /// Nothing of any session is left, and the server itself lives.
    pub fn is_clean_within(&self, limit: Duration) {
        self.until("no worker is left", limit, || self.workers().is_empty());
        self.until("it serves on", Duration::ZERO, || self.is_alive());
    }

    /// Whether the process is there and no zombie.
    pub fn is_alive(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
    }

    /// Ends it before its test does.
    pub fn kill(&mut self) {
        self.process.kill().expect("a child can be killed");
        self.process.wait().expect("a child can be waited for");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A server must know its driver by an absolute path.
fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
