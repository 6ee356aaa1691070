//! A program run to its end, or to a limit.

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often a running program is looked at; short against anything that a test measures.
const LOOK_EVERY: Duration = Duration::from_millis(5);

pub struct Outcome {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub took: Duration,
}

/// Runs it with nothing on standard input. One that is still running at the limit is killed, and the test fails with what it printed.
pub fn run(command: &mut Command, limit: Duration) -> Outcome {
    start(command).finish(limit)
}

/// Starts it with nothing on standard input, and goes on.
pub fn start(command: &mut Command) -> Running {
    // Files, not pipes: a server that the program started must not keep the test waiting by holding an end.
    let (stdout, stderr) = (file(), file());
    command.stdin(Stdio::null()).stdout(clone(&stdout)).stderr(clone(&stderr));
    let name = format!("{command:?}");
    let child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
    Running { name, child, stdout, stderr, began: Instant::now() }
}

/// A program that has not ended yet; killed if the test ends first.
pub struct Running {
    name: String,
    child: Child,
    stdout: File,
    stderr: File,
    began: Instant,
}

impl Running {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has printed this to standard output; fails when it ends or the time does without that.
    pub fn says(&mut self, what: &str, limit: Duration) {
        let mut ended = false;
        let mut said = false;
        wait_until(limit, || {
            ended = self.child.try_wait().expect("a child can be waited for").is_some();
            said = String::from_utf8_lossy(&content(&mut self.stdout)).contains(what);
            said || ended
        });
        if !said {
            let outcome = self.kill();
            panic!("{} did not say {what:?} within {limit:?}\n{outcome}", self.name);
        }
    }

    /// As `run` does, from here on.
    pub fn finish(mut self, limit: Duration) -> Outcome {
        let mut status = None;
        wait_until(limit, || {
            status = self.child.try_wait().expect("a child can be waited for");
            status.is_some()
        });
        let outcome = self.kill();
        assert!(status.is_some(), "{} did not end within {limit:?}\n{outcome}", self.name);
        outcome
    }

    /// Ends it if it has not ended by itself.
    pub fn kill(&mut self) -> Outcome {
        // One that has ended and was not waited for can be killed as well, to no effect.
        let _ = self.child.kill();
        Outcome {
            status: self.child.wait().expect("a child can be waited for"),
            stdout: content(&mut self.stdout),
            stderr: content(&mut self.stderr),
            took: self.began.elapsed(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks until it is so, or until the limit; whether it was.
pub fn wait_until(limit: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    while !is_so() {
        if began.elapsed() > limit {
            return false;
        }
        sleep(LOOK_EVERY);
    }
    true
}

/// Says that a check did not take place; scripts/test repeats it at its end.
pub fn not_run(what: &str, why: &str) {
    println!("NOT RUN  {what}: {why}");
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.status)?;
        writeln!(f, "--- stdout\n{}", String::from_utf8_lossy(&self.stdout))?;
        write!(f, "--- stderr\n{}", String::from_utf8_lossy(&self.stderr))
    }
}

fn file() -> File {
    tempfile::tempfile().expect("a temporary file")
}

fn clone(file: &File) -> File {
    file.try_clone().expect("a second descriptor")
}

fn content(file: &mut File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("a file of our own can be read");
    bytes
}
