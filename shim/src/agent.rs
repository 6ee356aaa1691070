//! The shim's word with the per-user agent: which program it is, what it wishes, and where the `farwarp` beside this library lies.
//!
//! How the agent is found, started and asked is in `farwarp-agent-client`, which the command shares.

use crate::{settings, state};
use farwarp_agent_client::{Client, ClientError, Paths, Starter};
use farwarp_protocol::agent::{WISH_BYTES_MAX, Wish};
use farwarp_protocol::call::fingerprint;
use farwarp_protocol::ticket::{Ticket, TicketError};
use std::ffi::OsString;
use std::os::fd::RawFd;
use std::path::PathBuf;

/// Why there is no server. Each is one line.
#[derive(Debug)]
pub enum AgentError {
    /// Its environment, which decides what is started, is its caller's.
    SetUid,
    /// The library lies where no `farwarp` belongs to it, and FARWARP_BIN names none.
    Homeless,
    Client(ClientError),
    Ticket(TicketError),
    Quiet(String),
}

impl std::fmt::Display for AgentError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AgentError::SetUid => write!(f, "a set-uid program is given no server"),
            AgentError::Homeless => {
                write!(f, "no 'farwarp' command beside this library; FARWARP_BIN can name it")
            }
            AgentError::Client(error) => write!(f, "{error}"),
            AgentError::Ticket(error) => write!(f, "the agent's ticket is unreadable: {error}"),
            AgentError::Quiet(text) => {
                write!(f, "FARWARP_QUIET_AFTER='{text}' is no time; write 30s, 5m or 1h")
            }
        }
    }
}

/// A server for this process, for as long as this is kept.
pub struct Lease {
    inner: farwarp_agent_client::Lease,
    ticket: Ticket,
}

impl Lease {
    pub fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    /// The connection whose end tells the agent of ours; a forked child closes its copy.
    pub fn descriptor(&self) -> RawFd {
        self.inner.raw_fd()
    }
}

/// Asks the agent for a server, and starts the agent if none runs. `say` gets lines for people while one is booted.
pub fn lease(say: &mut dyn FnMut(&str)) -> Result<Lease, AgentError> {
    if state::is_set_uid() {
        return Err(AgentError::SetUid);
    }
    let starter = starter().ok_or(AgentError::Homeless)?;
    let wish = wish(&starter)?;
    let paths = Paths::from_env(|name| std::env::var_os(name));
    let inner = Client::obtain(&paths, &starter, &program_name(), &wish, say).map_err(AgentError::Client)?;
    let ticket = inner.ready.ticket.parse().map_err(AgentError::Ticket)?;
    Ok(Lease { inner, ticket })
}

fn wish(starter: &Starter) -> Result<Wish, AgentError> {
    let quiet_ms = match settings::trusted("FARWARP_QUIET_AFTER") {
        Some(text) => Some(farwarp_agent_client::milliseconds(&text).ok_or(AgentError::Quiet(text))?),
        None => None,
    };
    let short = |name| settings::trusted(name).filter(|value| value.len() <= WISH_BYTES_MAX);
    Ok(Wish {
        provider: short("FARWARP_PROVIDER"),
        gpu: short("FARWARP_GPU"),
        quiet_ms,
        table: fingerprint(),
        server: starter.server(),
    })
}

fn starter() -> Option<Starter> {
    match settings::trusted("FARWARP_BIN") {
        Some(named) => Some(Starter::new(named.into())),
        None => Starter::beside_library(&own_path()?),
    }
}

/// The file that this very code was loaded from. The kernel knows its absolute path, however it was named to the loader.
fn own_path() -> Option<PathBuf> {
    let here = own_path as fn() -> Option<PathBuf> as usize;
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    maps.lines().find_map(|line| {
        let (range, rest) = line.split_once(' ')?;
        let (from, to) = range.split_once('-')?;
        let bounds = usize::from_str_radix(from, 16).ok()?..usize::from_str_radix(to, 16).ok()?;
        let path = rest.find('/').map(|start| PathBuf::from(&rest[start..]))?;
        bounds.contains(&here).then_some(path)
    })
}

fn program_name() -> String {
    let name: OsString =
        std::env::current_exe().ok().and_then(|path| Some(path.file_name()?.to_owned())).unwrap_or_default();
    let mut name = name.to_string_lossy().into_owned();
    while name.len() > WISH_BYTES_MAX {
        name.pop();
    }
    name
}
