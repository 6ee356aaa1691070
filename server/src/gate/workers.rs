//! Starting a session's worker, and ending it.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use farwarp_protocol::handoff::{Start, ToWorker};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

use super::processes;
use crate::port::Channel;

/// What of the gate's environment a worker gets; all else stays outside. Driver variables of the client come with its
/// hello, over the data connection.
const PASSED_VARIABLES: [&str; 1] = ["FARWARP_LOG"];
const PASSED_PREFIX: &str = "FARWARP_SOFTGPU_";

/// The program that a worker runs. Its standard input is the socketpair.
#[derive(Debug, Clone)]
pub struct WorkerCommand {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
}

impl WorkerCommand {
    /// This very program, also if its file was replaced since.
    pub fn this_program() -> Self {
        Self { program: "/proc/self/exe".into(), arguments: vec!["worker".into()] }
    }

    /// A process in a group of its own, which holds no descriptor of ours but its end of the socketpair; where its device memory
    /// is counted, it finds in that. It sees to it itself that it dies with us (`worker_process`), before anything else.
    pub fn start(&self, first: Start, meter: Option<OwnedFd>) -> io::Result<(Child, Channel)> {
        let (ours, theirs) = Channel::pair()?;
        let jailed = first.jailed;
        // Before the worker runs: one that ends at once must not turn this into an error of the socketpair.
        let meter = meter.as_ref().map(AsFd::as_fd);
        ours.send(&ToWorker::Start(first), meter).map_err(io::Error::other)?;
        let mut command = Command::new(&self.program);
        command
            .arg0("farwarp-worker")
            .args(&self.arguments)
            .env_clear()
            .envs(passed_environment())
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let child = if jailed { processes::apart(|| command.spawn())? } else { command.spawn()? };
        Ok((child, ours))
    }
}

fn passed_environment() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| {
        name.to_str().is_some_and(|name| PASSED_VARIABLES.contains(&name) || name.starts_with(PASSED_PREFIX))
    })
}

/// Ends a worker and whatever it started, at once. The driver frees what the process held.
pub fn kill(child: &Child) {
    // No id means that it was waited for: then there is nothing to end, and its number may be another's.
    if let Some(group) = child.id().and_then(|id| Pid::from_raw(id as i32)) {
        let _gone_already = kill_process_group(group, Signal::KILL);
    }
}

/// How a worker went, in words.
pub fn last_words(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => match (status.signal(), status.code()) {
            (Some(signal), _) => format!("its worker was ended by signal {signal}"),
            (None, Some(0)) => "its worker exited".into(),
            (None, code) => format!("its worker exited with status {}", code.unwrap_or(-1)),
        },
        Err(error) => format!("its worker could not be waited for: {error}"),
    }
}
