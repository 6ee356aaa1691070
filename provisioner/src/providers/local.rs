//! A server on this machine, on loopback: a process in a session of its own, which outlives the agent and is found by its environment.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use farwarp_agent_client::detach::{self, Program};
use farwarp_link::identity::Identity;
use rustix::process::Signal;

use crate::config;
use crate::cost::Price;
use crate::process::{self, Process};
use crate::provider::{
    Account, Capabilities, Condition, Listed, Need, Offer, Order, Owner, Provider, ProviderError, Reach,
    RemoteId, Tag, Traits,
};

pub const NAME: &str = "local";

/// Carries the tag: every process of the server inherits it.
const TAG_VARIABLE: &str = "FARWARP_LEASE";
/// After a polite request a server has so long to end its sessions.
const TERM_TIMEOUT: Duration = Duration::from_secs(6);
/// After SIGKILL the kernel needs only to take the memory back.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);
/// Of a log, what is read to find the line that explains an end.
const REASON_TAIL_BYTES: usize = 4 << 10;

/// Where the server's program and its files are.
#[derive(Debug, Clone)]
pub struct Places {
    /// The `farwarp-server` beside the command.
    pub server: PathBuf,
    pub tickets: PathBuf,
    pub logs: PathBuf,
}

pub struct Local {
    places: Places,
    /// The server that the configuration names, which comes before any other.
    configured: Option<PathBuf>,
    driver: Option<PathBuf>,
}

impl Local {
    pub fn new(places: Places, config: &config::Local) -> Self {
        Self { places, configured: config.server.clone(), driver: config.driver.clone() }
    }

    fn server<'a>(&'a self, order: &'a Order) -> &'a Path {
        self.configured.as_ref().or(order.server.as_ref()).unwrap_or(&self.places.server)
    }

    fn arguments(&self, order: &Order, ticket: &Path) -> Vec<OsString> {
        let seconds = |time: Duration| OsString::from(format!("{}ms", time.as_millis()));
        let mut arguments: Vec<OsString> =
            vec!["--listen".into(), "127.0.0.1:0".into(), "--ticket-file".into(), ticket.into()];
        arguments.extend(["--ttl".into(), seconds(order.ttl), "--idle".into(), seconds(order.idle)]);
        arguments.extend(["--resume-grace".into(), seconds(order.resume_grace)]);
        if let Some(driver) = &self.driver {
            arguments.extend(["--driver".into(), driver.into()]);
        }
        arguments
    }

    fn ticket_path(&self, lease: &str) -> PathBuf {
        self.places.tickets.join(format!("{lease}.ticket"))
    }

    fn log_path(&self, lease: &str) -> PathBuf {
        log_path(&self.places.logs, lease)
    }

    /// The last thing that it wrote, which is most often why it ended.
    fn last_words(&self, lease: &str) -> String {
        let tail = tail_of(&self.log_path(lease), REASON_TAIL_BYTES).unwrap_or_default();
        match tail.lines().rfind(|line| !line.trim().is_empty()) {
            Some(line) => format!("its server ended; its last line: {}", line.trim()),
            None => format!("its server ended without a word ({})", self.log_path(lease).display()),
        }
    }
}

/// The log of a lease's server.
pub fn log_path(logs: &Path, lease: &str) -> PathBuf {
    logs.join(format!("{lease}.log"))
}

impl Provider for Local {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            udp: true,
            list_is_current: true,
            poll_is_current: true,
            create_is_idempotent: false,
            ends_by_itself: false,
            may_end_itself: true,
            spot: false,
            log_is_here: true,
            poll_ms: 20,
        }
    }

    fn preflight(&self) -> Result<Account, ProviderError> {
        Ok(Account { name: "this machine".into(), balance: None })
    }

    fn offers(&self, need: &Need) -> Result<Vec<Offer>, ProviderError> {
        if let Some(gpu) = &need.gpu {
            let why = format!("provider 'local' has what this machine has; it cannot be asked for '{gpu}'");
            return Err(ProviderError::Refused(why));
        }
        Ok(vec![Offer {
            id: NAME.into(),
            description: "this machine".into(),
            price: Price::default(),
            host: None,
            traits: Traits { trusted: true, ..Traits::default() },
        }])
    }

    fn create(&self, _offer: &Offer, order: &Order, _identity: &Identity) -> Result<RemoteId, ProviderError> {
        let server = self.server(order);
        if !server.is_file() {
            return Err(ProviderError::Refused(format!("{} is missing", server.display())));
        }
        let ticket = self.ticket_path(&order.tag.lease);
        let log = self.log_path(&order.tag.lease);
        let output = prepare(&ticket, &log)
            .map_err(|error| ProviderError::Refused(format!("{}: {error}", log.display())))?;
        let mut environment = detach::clean_environment();
        environment.extend(order.environment.iter().map(|(name, value)| (name.into(), value.into())));
        environment.push((TAG_VARIABLE.into(), order.tag.to_string().into()));
        let arguments = self.arguments(order, &ticket);
        let program = Program {
            path: server,
            arguments: &arguments,
            environment: &environment,
            output: Some(output.as_fd()),
        };
        let pid = detach::start(&program)
            .map_err(|error| ProviderError::Refused(format!("{}: {error}", server.display())))?;
        // A server that has ended already is found ended by the first poll.
        let start_ticks = Process::of(pid).map_or(0, |process| process.start_ticks);
        Ok(LocalId { lease: order.tag.lease.clone(), process: Process { pid, start_ticks } }.to_remote())
    }

    fn poll(&self, remote: &RemoteId) -> Result<Condition, ProviderError> {
        let id = LocalId::parse(remote)?;
        if !id.process.is_running() {
            return Ok(Condition::Stopped(self.last_words(&id.lease)));
        }
        let ticket = fs::read_to_string(self.ticket_path(&id.lease)).unwrap_or_default();
        let running = |ticket| Condition::Running(Reach::Ticket(ticket));
        Ok(ticket.parse().map_or_else(|_| Condition::Booting("it starts".into()), running))
    }

    /// Asks the server to end, then makes it, and everything that carries its tag.
    fn destroy(&self, remote: &RemoteId) -> Result<(), ProviderError> {
        let id = LocalId::parse(remote)?;
        let failed =
            |error: io::Error| ProviderError::Transient(format!("signal {}: {error}", id.process.pid));
        id.process.signal(Signal::TERM).map_err(failed)?;
        wait_until(TERM_TIMEOUT, || !id.process.is_running());
        let rest =
            || tagged().into_iter().filter(|(_, tag, _)| tag.lease == id.lease).map(|(process, ..)| process);
        for process in rest().chain([id.process]) {
            process.signal(Signal::KILL).map_err(failed)?;
        }
        if !wait_until(KILL_TIMEOUT, || rest().next().is_none() && !id.process.is_running()) {
            return Err(ProviderError::Transient(format!("process {} does not end", id.process.pid)));
        }
        // The secret in it opens nothing any more.
        let _ = fs::remove_file(self.ticket_path(&id.lease));
        Ok(())
    }

    fn list(&self, owner: &Owner) -> Result<Vec<Listed>, ProviderError> {
        let ours: Vec<_> = tagged().into_iter().filter(|(_, tag, _)| tag.owner == *owner).collect();
        let is_first =
            |parent: &u32, tag: &Tag| !ours.iter().any(|(other, t, _)| other.pid == *parent && t == tag);
        let listed = |(process, tag, _): &(Process, Tag, u32)| Listed {
            remote: LocalId { lease: tag.lease.clone(), process: *process }.to_remote(),
            tag: tag.clone(),
        };
        // A worker belongs to its gate, and is listed by itself only when the gate is gone.
        Ok(ours.iter().filter(|(_, tag, parent)| is_first(parent, tag)).map(listed).collect())
    }

    fn logs(&self, remote: &RemoteId, tail_bytes: usize) -> Result<String, ProviderError> {
        let path = self.log_path(&LocalId::parse(remote)?.lease);
        tail_of(&path, tail_bytes)
            .map_err(|error| ProviderError::Refused(format!("{}: {error}", path.display())))
    }
}

/// `LEASE:PID:START`.
struct LocalId {
    lease: String,
    process: Process,
}

impl LocalId {
    fn to_remote(&self) -> RemoteId {
        RemoteId(format!("{}:{}:{}", self.lease, self.process.pid, self.process.start_ticks))
    }

    fn parse(remote: &RemoteId) -> Result<Self, ProviderError> {
        let mut parts = remote.0.split(':');
        let mut next = || parts.next();
        let parsed = (|| {
            let lease = next()?.to_owned();
            let process = Process { pid: next()?.parse().ok()?, start_ticks: next()?.parse().ok()? };
            Some(Self { lease, process })
        })();
        parsed.ok_or_else(|| ProviderError::Refused(format!("'{remote}' is no machine of provider 'local'")))
    }
}

/// Every process with a tag, its tag and its parent.
fn tagged() -> Vec<(Process, Tag, u32)> {
    let tagged = |(pid, stat): (u32, process::Stat)| {
        let tag = Tag::parse(&process::variable(pid, TAG_VARIABLE)?)?;
        Some((Process { pid, start_ticks: stat.start_ticks }, tag, stat.parent))
    };
    process::all().into_iter().filter(|(_, stat)| !stat.ended).filter_map(tagged).collect()
}

/// Makes the places of ticket and log, without a ticket of an older server.
fn prepare(ticket: &Path, log: &Path) -> io::Result<fs::File> {
    for path in [ticket, log] {
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
    }
    match fs::remove_file(ticket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(log)
}

/// The last bytes of a file, from the beginning of a line.
pub fn tail_of(path: &Path, bytes: usize) -> io::Result<String> {
    let mut file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    let start = length.saturating_sub(bytes as u64);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = vec![];
    file.take(bytes as u64).read_to_end(&mut tail)?;
    let text = String::from_utf8_lossy(&tail).into_owned();
    let cut = if start > 0 { text.find('\n').map_or(0, |end| end + 1) } else { 0 };
    Ok(text[cut..].to_owned())
}

fn wait_until(timeout: Duration, done: impl Fn() -> bool) -> bool {
    let until = Instant::now() + timeout;
    while !done() {
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(PAUSE);
    }
    true
}
