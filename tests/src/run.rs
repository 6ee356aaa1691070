//! A program run to its end, or to a limit.

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Command, ExitStatus, Stdio};
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
    // Files, not pipes: a server that the program started must not keep the test waiting by holding an end.
    let (mut stdout, mut stderr) = (file(), file());
    command.stdin(Stdio::null()).stdout(clone(&stdout)).stderr(clone(&stderr));
    let began = Instant::now();
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let status = loop {
        match child.try_wait().expect("a child can be waited for") {
            Some(status) => break Some(status),
            None if began.elapsed() > limit => break None,
            None => sleep(LOOK_EVERY),
        }
    };
    if status.is_none() {
        child.kill().expect("a child can be killed");
    }
    let killed = child.wait().expect("a child can be waited for");
    let outcome = Outcome {
        status: status.unwrap_or(killed),
        stdout: content(&mut stdout),
        stderr: content(&mut stderr),
        took: began.elapsed(),
    };
    assert!(status.is_some(), "{command:?} did not end within {limit:?}\n{outcome}");
    outcome
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
