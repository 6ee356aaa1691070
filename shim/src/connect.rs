//! From nothing to a session: which server, the connection to it, and the first exchange.

use crate::agent;
use crate::memory::Held;
use crate::remote::{Redial, Remote, Settings};
use crate::{settings, state};
use farwarp_link::{DialError, Dialled, Purpose, client_info, dial, dial_within};
use farwarp_protocol::call::{self, Range};
use farwarp_protocol::codec;
use farwarp_protocol::error::{CUDA_ERROR_NO_DEVICE, CUDA_ERROR_SYSTEM_NOT_READY, Code};
use farwarp_protocol::snapshot::{Hello, Snapshot};
use farwarp_protocol::ticket::Ticket;
use std::hash::{BuildHasher, Hasher};
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

/// Candidates for the device arena that are held until the server has chosen one.
const ARENA_CANDIDATES: usize = 8;
/// Their sizes: the first that the address space has room for.
const ARENA_BYTES: [u64; 3] = [256 << 30, 64 << 30, 8 << 30];
/// Below where programs, libraries and stacks lie by themselves, above what 32-bit tricks use.
const ARENA_LOWEST: u64 = 0x0200_0000_0000;
const ARENA_HIGHEST: u64 = 0x5000_0000_0000;
const ARENA_ALIGNMENT: u64 = 1 << 32;
/// Random places tried before the address space counts as full.
const ARENA_TRIES: usize = 64;

/// The agent notices within a few seconds that a server of its own has died, and starts another.
const SERVER_DIED_MAX: Duration = Duration::from_secs(15);
const ASK_AGAIN: Duration = Duration::from_millis(500);

pub struct Connection {
    pub remote: Remote,
    pub snapshot: Snapshot,
    pub visible: Vec<usize>,
    pub held: Option<Held>,
    pub redial: Redial,
    pub boot_ms: u64,
    /// The connection whose end tells the agent of ours.
    pub lease: Option<RawFd>,
}

/// Why there is no session: one line for the person, one code for the program.
#[derive(Debug)]
pub enum ConnectError {
    Ticket(String),
    Agent(agent::AgentError),
    Dial(DialError),
    /// The server's driver has no device, or refused.
    Hello(Code),
    Io(std::io::Error),
}

impl std::fmt::Display for ConnectError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ConnectError::Ticket(why) => write!(f, "FARWARP_TICKET: {why}"),
            ConnectError::Agent(error) => write!(f, "{error}"),
            ConnectError::Dial(error) => write!(f, "{error}"),
            ConnectError::Hello(code) => {
                write!(f, "the server's driver could not be started (CUDA error {code})")
            }
            ConnectError::Io(error) => write!(f, "{error}"),
        }
    }
}

impl ConnectError {
    pub fn code(&self) -> Code {
        match self {
            ConnectError::Dial(_) | ConnectError::Io(_) => CUDA_ERROR_SYSTEM_NOT_READY,
            ConnectError::Ticket(_) | ConnectError::Agent(_) => CUDA_ERROR_NO_DEVICE,
            ConnectError::Hello(code) => *code,
        }
    }
}

pub fn connect() -> Result<Connection, ConnectError> {
    let began = Instant::now();
    let (ticket, lease, dialled) = reach_server()?;
    let boot_ms = began.elapsed().as_millis() as u64;
    // The server counts from when it noticed, which may be a silence later than we did.
    let admitted = &dialled.admitted;
    let resume_grace = Duration::from_millis(admitted.resume_grace_ms.saturating_add(admitted.silence_ms));
    let redial = redialler(ticket, &dialled);
    let settings = Settings {
        sync: settings::is_on("FARWARP_SYNC"),
        resume_grace,
        spin: std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1),
    };
    let remote = Remote::new(dialled, settings).map_err(ConnectError::Io)?;
    let (snapshot, held) = hello(&remote)?;
    if snapshot.software {
        state::say("no GPU configured, computing on this CPU");
    }
    let descriptor = lease.as_ref().map(agent::Lease::descriptor);
    // The open connection is the sign that this process lives; it ends with the process.
    std::mem::forget(lease);
    let visible = settings::visible_devices(&snapshot.devices);
    Ok(Connection { remote, snapshot, visible, held, redial, boot_ms, lease: descriptor })
}

/// A server that answers. One of the agent's that has just died is not the last word: the agent is asked again.
fn reach_server() -> Result<(Ticket, Option<agent::Lease>, Dialled), ConnectError> {
    let began = Instant::now();
    loop {
        let (ticket, lease) = find_server()?;
        match dial(&ticket, Purpose::New { client: client_info(call::fingerprint()) }) {
            Ok(dialled) => return Ok((ticket, lease, dialled)),
            Err(DialError::NobodyListens { .. }) if lease.is_some() && began.elapsed() < SERVER_DIED_MAX => {
                drop(lease);
                std::thread::sleep(ASK_AGAIN);
            }
            Err(error) => return Err(ConnectError::Dial(error)),
        }
    }
}

/// A ticket from the environment, or one from the agent, who may have to start a server for it first.
fn find_server() -> Result<(Ticket, Option<agent::Lease>), ConnectError> {
    if let Some(given) = settings::trusted("FARWARP_TICKET") {
        let text = match given.starts_with("farwarp://") {
            true => given,
            false => std::fs::read_to_string(&given)
                .map_err(|error| ConnectError::Ticket(format!("{given}: {error}")))?,
        };
        let ticket =
            text.trim().parse::<Ticket>().map_err(|error| ConnectError::Ticket(error.to_string()))?;
        return Ok((ticket, None));
    }
    let lease = agent::lease(&mut |line| state::say(line)).map_err(ConnectError::Agent)?;
    Ok((lease.ticket().clone(), Some(lease)))
}

fn redialler(ticket: Ticket, first: &Dialled) -> Redial {
    let (session, key) = (first.admitted.session, first.admitted.key);
    let mut epoch = farwarp_link::FIRST_EPOCH;
    Box::new(move |time| {
        epoch += 1;
        dial_within(time, &ticket, Purpose::Resume { session, key, epoch })
    })
}

/// Offers the server ranges for its arena and learns everything that does not change.
fn hello(remote: &Remote) -> Result<(Snapshot, Option<Held>), ConnectError> {
    let candidates = hold_candidates();
    let hello = Hello {
        table: call::fingerprint(),
        variables: settings::passed_on(),
        free_ranges: candidates.iter().map(Held::range).collect(),
    };
    let answer = remote.ask(call::HELLO, &[&codec::encode(&hello)]).map_err(ConnectError::Hello)?;
    let snapshot: Snapshot = answer.value().map_err(ConnectError::Hello)?;
    let arena = snapshot.arena;
    let held = candidates.into_iter().find(|held| Some(held.range()) == arena);
    Ok((snapshot, held))
}

/// Addresses at which the device's memory may lie on both sides.
pub fn random_places() -> impl Iterator<Item = u64> {
    let random = std::collections::hash_map::RandomState::new();
    (0..ARENA_TRIES).map(move |attempt| {
        let mut hasher = random.build_hasher();
        hasher.write_usize(attempt);
        let places = (ARENA_HIGHEST - ARENA_LOWEST) / ARENA_ALIGNMENT;
        ARENA_LOWEST + hasher.finish() % places * ARENA_ALIGNMENT
    })
}

fn hold_candidates() -> Vec<Held> {
    let mut found = Vec::new();
    for bytes in ARENA_BYTES {
        for address in random_places() {
            found.extend(Held::at(Range { address, bytes }));
            if found.len() == ARENA_CANDIDATES {
                return found;
            }
        }
    }
    found
}
