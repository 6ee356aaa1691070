//! A real server with workers that echo, and a client that talks with one.

// Each test program uses its own part of this.
#![allow(dead_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use farwarp_link::{ClientInfo, Control, Dialled, Link, LinkError, Purpose, ServerStatus, dial};
use farwarp_protocol::admission::Admission;
use farwarp_protocol::ticket::Ticket;

/// More than anything here takes on a busy machine; a test that waits so long fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn table() -> u64 {
    farwarp_protocol::call::fingerprint()
}

pub struct Server {
    pub process: Child,
    pub ticket: Ticket,
    pub ticket_file: PathBuf,
    _folder: tempfile::TempDir,
}

impl Server {
    pub fn start(more: &[&str]) -> Self {
        Self::start_with(more, |_| ())
    }

    pub fn start_with(more: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The workers of these tests load no driver, but one must be named.
        let driver = folder.path().join("libcuda.so.1");
        fs::write(&driver, "").unwrap();
        Self::launch(folder, &driver, more, |command| {
            if !more.contains(&"--worker-program") {
                command.args(["--worker-program", env!("CARGO_BIN_EXE_farwarp-echo-worker")]);
            }
            change(command);
        })
    }

    /// With the product's own workers, which load this driver.
    pub fn with_driver(driver: &Path, more: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        Self::launch(tempfile::tempdir().unwrap(), driver, more, change)
    }

    fn launch(
        folder: tempfile::TempDir,
        driver: &Path,
        more: &[&str],
        change: impl FnOnce(&mut Command),
    ) -> Self {
        let ticket_file = folder.path().join("ticket");
        let mut command = Command::new(env!("CARGO_BIN_EXE_farwarp-server"));
        command.arg("--ticket-file").arg(&ticket_file).arg("--driver").arg(driver).args(more);
        command.stdin(Stdio::null());
        change(&mut command);
        let process = command.spawn().unwrap();
        until("the ticket is written", || ticket_file.exists());
        let ticket = fs::read_to_string(&ticket_file).unwrap().parse().unwrap();
        Self { process, ticket, ticket_file, _folder: folder }
    }

    pub fn status(&self) -> ServerStatus {
        Control::dial(&self.ticket).unwrap().status().unwrap()
    }

    pub fn sessions(&self) -> usize {
        self.status().sessions.len()
    }

    /// The processes that the gate has started.
    pub fn workers(&self) -> Vec<u32> {
        let gate = self.process.id();
        let children = fs::read_to_string(format!("/proc/{gate}/task/{gate}/children")).unwrap_or_default();
        children.split_ascii_whitespace().map(|pid| pid.parse().unwrap()).collect()
    }

    pub fn has_exited(&mut self) -> bool {
        self.process.try_wait().unwrap().is_some()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _exited_already = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A client's end of a data connection.
pub struct Client {
    pub link: Box<dyn Link>,
    pub admitted: Admission,
}

impl Client {
    pub fn new(ticket: &Ticket) -> Self {
        Self::with(ticket, farwarp_link::client_info(table()))
    }

    pub fn with(ticket: &Ticket, client: ClientInfo) -> Self {
        Self::from(dial(ticket, Purpose::New { client }).unwrap())
    }

    pub fn resume(&self, ticket: &Ticket, epoch: u32) -> Self {
        let (session, key) = (self.admitted.session, self.admitted.key);
        Self::from(dial(ticket, Purpose::Resume { session, key, epoch }).unwrap())
    }

    fn from(dialled: Dialled) -> Self {
        Self { link: dialled.link, admitted: dialled.admitted }
    }

    pub fn say(&mut self, mut words: &[u8]) {
        let until = Instant::now() + PATIENCE;
        while !words.is_empty() {
            assert!(Instant::now() < until, "{} bytes could not be said", words.len());
            let written = self.link.write(words).unwrap();
            words = &words[written..];
            self.link.drive(Instant::now()).unwrap();
            pause(written);
        }
    }

    pub fn hear(&mut self, count: usize) -> Vec<u8> {
        let (until, mut heard) = (Instant::now() + PATIENCE, vec![0; count]);
        let mut filled = 0;
        while filled < count {
            assert!(Instant::now() < until, "heard {filled} of {count} bytes");
            let read = self.link.read(&mut heard[filled..]).unwrap();
            filled += read;
            self.link.drive(Instant::now()).unwrap();
            pause(read);
        }
        heard
    }

    /// The echo worker greets each connection with its epoch.
    pub fn hear_epoch(&mut self, epoch: u32) {
        assert_eq!(self.hear(8), format!("epoch {epoch}\n").as_bytes());
    }

    pub fn echo(&mut self, words: &[u8]) {
        self.say(words);
        assert!(self.hear(words.len()) == words, "the echo differs");
    }

    /// Drives until the connection ends.
    pub fn end(&mut self) -> LinkError {
        let until = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < until, "the connection does not end");
            if let Err(error) = self.link.drive(Instant::now()) {
                return error;
            }
            pause(0);
        }
    }
}

pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn pause(moved: usize) {
    if moved == 0 {
        std::thread::sleep(Duration::from_micros(200));
    }
}

pub fn process_lives(pid: u32) -> bool {
    // A zombie has ended; its parent has only not asked yet.
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}
