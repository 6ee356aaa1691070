//! Finds the agent or starts it, and asks. Every wait has a limit with a name.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use farwarp_protocol::agent::{AgentStatus, PATH_BYTES_MAX, Ready, Reply, Request, Wish};
use rustix::fs::{FlockOperation, flock};

use crate::detach::{self, Program};
use crate::{Paths, PathsError, Wire, WireError};

/// From the start of the agent's process until it answers. It takes milliseconds; a machine may be busy.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// A running agent greets at once.
const GREET_TIMEOUT: Duration = Duration::from_secs(10);
/// The agent says something every second while one waits (`PROGRESS_EVERY_MS`); after so much silence it is dead.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);
/// Nobody waits longer for a machine: the slowest provider boots within minutes, and the agent gives up before.
const LEASE_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// So many agents may die under one who waits before he hears of it.
const AGENTS_MAX: u32 = 3;
/// Between two looks whether the agent listens yet.
const PAUSE: Duration = Duration::from_millis(5);

/// One variant a rule; each is one clear line.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error(transparent)]
    Paths(#[from] PathsError),
    #[error("no agent runs")]
    NotRunning,
    #[error("the agent's program is missing: {path}", path = program.display())]
    NoProgram { program: PathBuf },
    #[error("the agent {path} cannot be started: {error}", path = program.display())]
    Start { program: PathBuf, error: io::Error },
    #[error("the agent ended at once: {why}")]
    EndedAtOnce { why: String },
    #[error("the agent did not answer within {} s of its start", START_TIMEOUT.as_secs())]
    StartTimedOut,
    #[error("the agent: {0}")]
    Wire(#[from] WireError),
    #[error("the agent said nothing for {} s", SILENCE_TIMEOUT.as_secs())]
    Silent,
    #[error("no server within {} minutes", LEASE_TIMEOUT.as_secs() / 60)]
    LeaseTimedOut,
    #[error("the agent left while we waited")]
    AgentLeft,
    #[error("{0}")]
    Refused(String),
    #[error("the agent answered another question")]
    Confused,
}

/// How the agent is started when none runs.
pub struct Starter {
    /// The `farwarp` command.
    pub program: PathBuf,
    pub environment: Vec<(OsString, OsString)>,
}

impl Starter {
    /// The `farwarp` that belongs to a library in `…/lib/farwarp/`, with this process's cleaned environment.
    pub fn beside_library(library: &Path) -> Option<Self> {
        let prefix = library.parent()?.parent()?.parent()?;
        Some(Self::new(prefix.join("bin/farwarp")))
    }

    pub fn new(program: PathBuf) -> Self {
        Self { program, environment: detach::clean_environment() }
    }

    /// The server that belongs to the same build, for a wish.
    pub fn server(&self) -> Option<String> {
        let server = self.program.with_file_name("farwarp-server");
        let there = server.is_absolute() && server.as_os_str().len() <= PATH_BYTES_MAX && server.is_file();
        if there { server.into_os_string().into_string().ok() } else { None }
    }
}

/// One connection to the agent, for one request.
pub struct Client {
    wire: Wire,
}

/// A server for this process, for as long as this is kept.
pub struct Lease {
    wire: Wire,
    pub ready: Ready,
}

impl Client {
    /// The agent that runs already.
    pub fn connect(paths: &Paths) -> Result<Self, ClientError> {
        paths.prepare_runtime()?;
        let until = Instant::now() + GREET_TIMEOUT;
        match greeted(&paths.socket(), until) {
            Err(error) if error.nobody_listens() => Err(ClientError::NotRunning),
            greeted => Ok(Self { wire: greeted? }),
        }
    }

    /// The agent that runs already, or a new one. Of many that come at once, one starts it and all get it.
    pub fn connect_or_start(paths: &Paths, starter: &Starter) -> Result<Self, ClientError> {
        let until = Instant::now() + START_TIMEOUT;
        loop {
            match Self::connect(paths) {
                Err(ClientError::NotRunning) => start_agent(paths, starter, until)?,
                // It was just leaving; the next one will not.
                Err(ClientError::Wire(WireError::Closed)) if Instant::now() < until => {
                    std::thread::sleep(PAUSE)
                }
                connected => return connected,
            }
        }
    }

    /// A ticket for this process, from the agent that runs or a new one. If an agent dies while we wait, the next one goes on
    /// with what it began.
    pub fn obtain(
        paths: &Paths,
        starter: &Starter,
        program: &str,
        wish: &Wish,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Lease, ClientError> {
        let mut tries = 1;
        loop {
            let client = Self::connect_or_start(paths, starter)?;
            match client.lease(program.to_owned(), wish.clone(), progress) {
                Err(ClientError::AgentLeft | ClientError::Wire(WireError::Closed)) if tries < AGENTS_MAX => {
                    tries += 1
                }
                obtained => return obtained,
            }
        }
    }

    /// A ticket for this process. `progress` gets lines for people.
    pub fn lease(
        self,
        program: String,
        wish: Wish,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Lease, ClientError> {
        let ready = self.ask_for_server(&Request::Lease { program, wish }, progress)?;
        Ok(Lease { wire: self.wire, ready })
    }

    /// A server that runs, with nobody on it.
    pub fn up(self, wish: Wish, progress: &mut dyn FnMut(&str)) -> Result<Ready, ClientError> {
        self.ask_for_server(&Request::Up { wish }, progress)
    }

    /// Ends one lease, or all, and returns those that are gone.
    pub fn down(
        self,
        lease: Option<String>,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Vec<String>, ClientError> {
        match self.ask(&Request::Down { lease }, progress)? {
            Reply::Down { gone } => Ok(gone),
            _ => Err(ClientError::Confused),
        }
    }

    pub fn status(self) -> Result<AgentStatus, ClientError> {
        match self.ask(&Request::Status, &mut |_| {})? {
            Reply::Status(status) => Ok(status),
            _ => Err(ClientError::Confused),
        }
    }

    fn ask_for_server(
        &self,
        request: &Request,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Ready, ClientError> {
        match self.ask(request, progress)? {
            Reply::Ready(ready) => Ok(ready),
            _ => Err(ClientError::Confused),
        }
    }

    /// The final answer; what comes before it is progress.
    fn ask(&self, request: &Request, progress: &mut dyn FnMut(&str)) -> Result<Reply, ClientError> {
        let limit = Instant::now() + LEASE_TIMEOUT;
        self.wire.send(request, Instant::now() + SILENCE_TIMEOUT)?;
        loop {
            let now = Instant::now();
            match self.wire.receive(limit.min(now + SILENCE_TIMEOUT)) {
                Ok(Reply::Progress(line)) => progress(&line),
                Ok(Reply::StillWaiting) => {}
                Ok(Reply::Failed(why)) => return Err(ClientError::Refused(why)),
                Ok(answer) => return Ok(answer),
                Err(WireError::TimedOut) if Instant::now() >= limit => {
                    return Err(ClientError::LeaseTimedOut);
                }
                Err(WireError::TimedOut) => return Err(ClientError::Silent),
                Err(WireError::Closed) => return Err(ClientError::AgentLeft),
                Err(error) => return Err(error.into()),
            }
            if now >= limit {
                return Err(ClientError::LeaseTimedOut);
            }
        }
    }
}

impl Lease {
    /// Its end is how the agent learns of ours: a forked child must close its copy.
    pub fn raw_fd(&self) -> RawFd {
        self.wire.raw_fd()
    }

    /// What the agent has said meanwhile, without waiting. An error means that it is gone; the server lives on.
    pub fn notices(&self) -> Result<Vec<String>, ClientError> {
        let mut lines = Vec::new();
        loop {
            match self.wire.wait_readable(Instant::now() + Duration::from_millis(1)) {
                Err(WireError::TimedOut) => return Ok(lines),
                waited => waited?,
            }
            match self.wire.receive(Instant::now() + GREET_TIMEOUT)? {
                Reply::Notice(line) | Reply::Progress(line) => lines.push(line),
                Reply::StillWaiting => {}
                _ => return Err(ClientError::Confused),
            }
        }
    }
}

fn greeted(socket: &Path, until: Instant) -> Result<Wire, WireError> {
    let wire = Wire::connect(socket, until)?;
    wire.greet(until)?;
    Ok(wire)
}

/// Starts the agent, unless somebody else does meanwhile. Returns when it listens.
fn start_agent(paths: &Paths, starter: &Starter, until: Instant) -> Result<(), ClientError> {
    let Starter { program, .. } = starter;
    if !program.is_file() {
        return Err(ClientError::NoProgram { program: program.clone() });
    }
    // Only spares twenty processes twenty agents: that there is one is the agent's own lock's business.
    let lock = open_private(&paths.runtime.join("start.lock"), false).ok();
    let mut started = None;
    while Instant::now() < until {
        if listens(&paths.socket(), until) {
            return Ok(());
        }
        // Where there are no locks each starts one, and all but one of them leave again.
        let mine = lock.as_ref().is_none_or(|lock| {
            flock(lock, FlockOperation::NonBlockingLockExclusive) != Err(rustix::io::Errno::WOULDBLOCK)
        });
        match started {
            // Somebody else may have started it before we had the lock.
            None if mine && !listens(&paths.socket(), until) => started = Some(spawn(paths, starter)?),
            Some(pid) if !is_running(pid) && !listens(&paths.socket(), until) => {
                return Err(ClientError::EndedAtOnce { why: last_line(&paths.runtime.join("agent.stderr")) });
            }
            _ => {}
        }
        std::thread::sleep(PAUSE);
    }
    Err(ClientError::StartTimedOut)
}

fn spawn(paths: &Paths, starter: &Starter) -> Result<u32, ClientError> {
    let failed = |error| ClientError::Start { program: starter.program.clone(), error };
    let output = open_private(&paths.runtime.join("agent.stderr"), true).map_err(failed)?;
    let environment = with_paths(starter.environment.clone(), paths);
    detach::start(&Program {
        path: &starter.program,
        arguments: &["agent".into()],
        environment: &environment,
        output: Some(output.as_fd()),
    })
    .map_err(failed)
}

/// The agent has another working directory, and must come to the same places.
fn with_paths(mut environment: Vec<(OsString, OsString)>, paths: &Paths) -> Vec<(OsString, OsString)> {
    let named_config = paths.config.as_ref().filter(|_| paths.config_is_named);
    let places = [
        ("FARWARP_RUNTIME", Some(&paths.runtime)),
        ("FARWARP_STATE", paths.state.as_ref()),
        ("FARWARP_CONFIG", named_config),
    ];
    environment.retain(|(name, _)| !places.iter().any(|(place, _)| name == place));
    environment.extend(places.into_iter().filter_map(|(name, path)| Some((name.into(), path?.into()))));
    environment
}

fn listens(socket: &Path, until: Instant) -> bool {
    Wire::connect(socket, until).is_ok()
}

fn open_private(path: &Path, truncate: bool) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(truncate).mode(0o600).open(path)
}

/// Whether the process exists and has not ended: one without a parent that waits stays as a zombie.
fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| !matches!(rest.trim_start().as_bytes().first(), Some(b'Z' | b'X')))
}

fn last_line(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing").to_owned()
}
