//! The agent's socket, and the lock that makes it the only one.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::only_one::OnlyOne;
use farwarp_agent_client::{Paths, PathsError, Wire};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::Mode;
use rustix::net::SocketFlags;

/// An agent that is just leaving holds its lock a moment longer than its socket.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);

#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    #[error(transparent)]
    Paths(#[from] PathsError),
    #[error("{doing} {path}: {error}", path = path.display())]
    Io { doing: &'static str, path: PathBuf, error: io::Error },
    #[error("an agent holds {path}, but does not listen", path = path.display())]
    Stuck { path: PathBuf },
    #[error("where this program lies is unknown: {0}")]
    Exe(io::Error),
}

pub struct Door {
    listener: UnixListener,
    socket: PathBuf,
    _lock: OnlyOne,
}

impl Door {
    /// `None` when another agent serves already.
    pub fn open(paths: &Paths) -> Result<Option<Self>, DoorError> {
        rustix::process::umask(Mode::from_raw_mode(0o077));
        paths.prepare_runtime()?;
        let socket = paths.socket();
        let Some(lock) = take_lock(&paths.runtime.join("agent.lock"), &socket)? else { return Ok(None) };
        // Whoever bound it is gone, because the lock is ours.
        remove(&socket)?;
        Ok(Some(Self { listener: listen(&socket)?, socket, _lock: lock }))
    }

    /// The next connection of this very user; others get none.
    pub fn next(&self, timeout: Duration) -> Result<Option<Wire>, DoorError> {
        let timeout = Timespec::try_from(timeout).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        // A signal or a wake-up without a reason is answered by the accept, which never blocks.
        let _ = poll(&mut [PollFd::new(&self.listener, PollFlags::IN)], Some(&timeout));
        let accepted = rustix::net::accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC);
        match accepted {
            Ok(fd) => Ok(is_ours(&fd).then(|| Wire::accepted(fd))),
            Err(error) if is_momentary(error) => Ok(None),
            Err(error) => Err(io_error("accept at", &self.socket)(error.into())),
        }
    }

    /// Takes the socket away, so that whoever comes next starts an agent of its own. Who had already come is let in, and then the
    /// door is open again.
    pub fn try_to_leave(&mut self) -> Result<Vec<Wire>, DoorError> {
        remove(&self.socket)?;
        let mut late = vec![];
        while let Some(connection) = self.next(Duration::ZERO)? {
            late.push(connection);
        }
        if !late.is_empty() {
            self.listener = listen(&self.socket)?;
        }
        Ok(late)
    }
}

fn listen(socket: &Path) -> Result<UnixListener, DoorError> {
    let listener = UnixListener::bind(socket).map_err(io_error("bind", socket))?;
    listener.set_nonblocking(true).map_err(io_error("listen at", socket))?;
    Ok(listener)
}

fn take_lock(path: &Path, socket: &Path) -> Result<Option<OnlyOne>, DoorError> {
    let until = Instant::now() + LOCK_TIMEOUT;
    loop {
        if let Some(lock) = OnlyOne::take(path).map_err(io_error("lock", path))? {
            return Ok(Some(lock));
        }
        if Wire::connect(socket, until).is_ok() {
            return Ok(None);
        }
        if Instant::now() >= until {
            return Err(DoorError::Stuck { path: path.to_owned() });
        }
        std::thread::sleep(PAUSE);
    }
}

fn is_ours(fd: &OwnedFd) -> bool {
    rustix::net::sockopt::socket_peercred(fd).is_ok_and(|peer| peer.uid == rustix::process::getuid())
}

/// Errors of one connection, or of a moment, that do not concern the next.
fn is_momentary(error: rustix::io::Errno) -> bool {
    use rustix::io::Errno;
    matches!(
        error,
        Errno::AGAIN | Errno::INTR | Errno::CONNABORTED | Errno::MFILE | Errno::NFILE | Errno::NOMEM
    )
}

fn remove(socket: &Path) -> Result<(), DoorError> {
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", socket)(error)),
        _ => Ok(()),
    }
}

fn io_error(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> DoorError {
    let path = path.to_owned();
    move |error| DoorError::Io { doing, path: path.clone(), error }
}
