//! Serves one connection: hears the request and answers it, however long that takes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use farwarp_agent_client::{Wire, WireError};
use farwarp_protocol::agent::{
    AgentStatus, ClientStatus, LEASES_MAX, LeaseStatus, PROGRESS_EVERY_MS, Ready, Reply, Request,
    WISH_BYTES_MAX, Wish,
};
use farwarp_protocol::ticket::Ticket;

use super::board::Seat;
use super::market::Search;
use super::{Agent, OpenError};
use crate::config::{Config, Profile};
use crate::keeper::Keeper;
use crate::lease::State;
use crate::ledger::Record;
use crate::process::Process;
use crate::providers::local;
use crate::ranking::Failure;

/// Who connects speaks at once; who does not is no client of ours.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// A client takes its answer at once.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// So many offers are tried for one client before it hears that there is no server.
const TRIES_MAX: u32 = 8;

pub fn serve(agent: &Arc<Agent>, wire: Wire) {
    let wire = Arc::new(wire);
    if let Err(error) = converse(agent, &wire) {
        tracing::debug!("a connection ended: {error}");
    }
}

fn converse(agent: &Arc<Agent>, wire: &Arc<Wire>) -> Result<(), WireError> {
    wire.greet(Instant::now() + REQUEST_TIMEOUT)?;
    match wire.receive(Instant::now() + REQUEST_TIMEOUT)? {
        Request::Lease { program, wish } => lease(agent, wire, program, wish),
        Request::Up { wish } => up(agent, wire, wish),
        Request::Down { lease } => down(agent, wire, lease),
        Request::Status => answer(wire, Reply::Status(status(agent))),
    }
}

fn answer(wire: &Wire, reply: Reply) -> Result<(), WireError> {
    wire.send(&reply, Instant::now() + ANSWER_TIMEOUT)
}

/// Gives the client a ticket, and keeps its place until it leaves.
fn lease(agent: &Arc<Agent>, wire: &Arc<Wire>, program: String, wish: Wish) -> Result<(), WireError> {
    let Some(process) = peer(wire) else { return answer(wire, Reply::Failed("who asks is unknown".into())) };
    let mut search = Search::default();
    loop {
        let (id, started) = match agent.find_or_open(&wish, &mut search) {
            Ok(found) => found,
            Err(error) => return answer(wire, Reply::Failed(error.to_string())),
        };
        // It may have ended between the two steps; then there is another one, or a new one.
        let Some(client) = agent.board.attach(&id, process, program.clone(), wish.quiet_ms, wire.clone())
        else {
            continue;
        };
        let served = wait_for_server(agent, wire, &id, started, &mut search).and_then(|reply| {
            let is_ready = matches!(reply, Some(Reply::Ready(_)));
            let Some(reply) = reply else { return Ok(false) };
            answer(wire, reply)?;
            if is_ready { wait_until_it_leaves(wire) } else { Ok(()) }.map(|()| true)
        });
        agent.board.detach(&id, client);
        match served {
            Ok(false) => {}
            other => return other.map(drop),
        }
    }
}

fn up(agent: &Arc<Agent>, wire: &Arc<Wire>, wish: Wish) -> Result<(), WireError> {
    let mut search = Search::default();
    loop {
        match agent.find_or_open(&wish, &mut search) {
            Err(error) => return answer(wire, Reply::Failed(error.to_string())),
            Ok((id, _)) if agent.board.touch(&id, wish.quiet_ms).is_none() => {}
            Ok((id, started)) => {
                if let Some(reply) = wait_for_server(agent, wire, &id, started, &mut search)? {
                    return answer(wire, reply);
                }
            }
        }
    }
}

/// The final answer, or nothing where another offer is to be tried.
fn wait_for_server(
    agent: &Agent,
    wire: &Wire,
    id: &str,
    started: bool,
    search: &mut Search,
) -> Result<Option<Reply>, WireError> {
    for line in search.lines.drain(..) {
        answer(wire, Reply::Progress(line))?;
    }
    let Ended { why, provider, failure } = match wait_until_ready(agent, wire, id, started)? {
        Ok(ready) => return Ok(Some(Reply::Ready(ready))),
        Err(ended) => ended,
    };
    search.tries += 1;
    let refused = |why: &str| Ok(Some(Reply::Failed(format!("no server: {why}"))));
    // What is on this machine does not get better by being tried again.
    if failure.is_none() || provider == local::NAME {
        return refused(&why);
    }
    if search.tries >= TRIES_MAX {
        return refused(&format!("{why}; that was try {TRIES_MAX}"));
    }
    let next = match failure {
        Some(Failure::Account) => {
            search.dropped.insert(provider.clone());
            "is left out"
        }
        _ => "the next offer is tried",
    };
    search.lines.push(format!("{provider}: {why}; {next}"));
    Ok(None)
}

/// How a lease ended that somebody waited for.
struct Ended {
    why: String,
    provider: String,
    failure: Option<Failure>,
}

/// Waits until the server answers, or will not. Meanwhile the client hears what happens, and that we live.
fn wait_until_ready(
    agent: &Agent,
    wire: &Wire,
    id: &str,
    started: bool,
) -> Result<Result<Ready, Ended>, WireError> {
    let every = Duration::from_millis(PROGRESS_EVERY_MS);
    let mut said = Instant::now();
    let mut told = String::new();
    let mut provider = String::new();
    let mut inner = agent.board.lock();
    loop {
        let news = match inner.seats.get(id) {
            None => {
                let obituary = inner.obituary(id).cloned();
                let (why, failure) =
                    obituary.map_or(("it is gone".into(), None), |one| (one.why, one.failure));
                return Ok(Err(Ended { why, provider, failure }));
            }
            Some(Seat { record, .. }) if !record.state.is_promising() => {
                let why = record.state.end().unwrap_or("it ends").to_owned();
                return Ok(Err(Ended { why, provider: record.provider.clone(), failure: record.failure }));
            }
            Some(Seat { record, ticket: Some(ticket), boot_ms, .. }) if record.state.serves() => {
                return Ok(Ok(ready(record, ticket, *boot_ms, started)));
            }
            Some(seat) => {
                seat.record.provider.clone_into(&mut provider);
                stage(seat).filter(|line| *line != told)
            }
        };
        let silent = said.elapsed() >= every;
        if news.is_some() || silent {
            drop(inner);
            match news {
                Some(line) => {
                    answer(wire, Reply::Progress(line.clone()))?;
                    told = line;
                }
                None => answer(wire, Reply::StillWaiting)?,
            }
            said = Instant::now();
            inner = agent.board.lock();
        } else {
            inner = agent.board.wait(inner, every.saturating_sub(said.elapsed()));
        }
    }
}

/// What is said while money is spent and nothing is there for it yet.
fn stage(seat: &Seat) -> Option<String> {
    let Record { offer, provider, state, .. } = &seat.record;
    if offer.price.is_free() {
        return None;
    }
    let what = format!("{} at {}/h ({provider})", offer.description, offer.price.per_hour);
    match state {
        State::Creating { .. } => Some(format!("renting {what}")),
        State::Unsure { .. } => Some(format!("renting {what}: the answer was lost, looking for the machine")),
        State::Booting { .. } if seat.stage.is_empty() => Some(format!("renting {what}")),
        State::Booting { .. } => Some(format!("booting {what}: {}", seat.stage)),
        _ => None,
    }
}

fn ready(record: &Record, ticket: &Ticket, boot_ms: Option<u64>, started: bool) -> Ready {
    Ready {
        lease: record.id.clone(),
        ticket: ticket.to_string(),
        provider: record.provider.clone(),
        started,
        boot_ms: boot_ms.unwrap_or_default(),
    }
}

/// A client that holds a ticket has nothing more to say; that its connection ends is what we wait for.
fn wait_until_it_leaves(wire: &Wire) -> Result<(), WireError> {
    const A_DAY: Duration = Duration::from_secs(24 * 3600);
    loop {
        match wire.receive::<Request>(Instant::now() + A_DAY) {
            Err(WireError::TimedOut) => {}
            Err(WireError::Closed) => return Ok(()),
            Err(error) => return Err(error),
            Ok(_) => return Ok(()),
        }
    }
}

/// Ends one lease or all, and answers when they are gone.
fn down(agent: &Arc<Agent>, wire: &Wire, lease: Option<String>) -> Result<(), WireError> {
    let every = Duration::from_millis(PROGRESS_EVERY_MS);
    let targets: Vec<String> = {
        let inner = agent.board.lock();
        inner.seats.keys().filter(|id| lease.as_ref().is_none_or(|wanted| *id == wanted)).cloned().collect()
    };
    if let (Some(lease), true) = (&lease, targets.is_empty()) {
        return answer(wire, Reply::Failed(format!("there is no lease '{lease}'")));
    }
    for id in &targets {
        agent.board.end(id, "asked to end");
    }
    loop {
        let inner = agent.board.lock();
        if !targets.iter().any(|id| inner.seats.contains_key(id)) {
            break;
        }
        drop(agent.board.wait(inner, every));
        answer(wire, Reply::StillWaiting)?;
    }
    if lease.is_none() {
        let strays = agent.reap();
        if strays > 0 {
            answer(wire, Reply::Progress(format!("{strays} machines without a lease were destroyed")))?;
        }
    }
    answer(wire, Reply::Down { gone: targets })
}

impl Agent {
    /// A lease that fits the wish, and whether it was opened for it. Many who ask at once get the same one.
    fn find_or_open(self: &Arc<Self>, wish: &Wish, search: &mut Search) -> Result<(String, bool), OpenError> {
        let config = Config::load(&self.paths)?;
        let profile = config.profile_for(wish)?;
        let _alone = self.board.alone_in_opening();
        let fits = |seat: &&Seat| {
            let Record { provider, gpu, table, .. } = &seat.record;
            let wanted = profile.provider.contains(provider) && *gpu == profile.gpu && *table == wish.table;
            wanted && seat.is_promising()
        };
        {
            let inner = self.board.lock();
            if let Some(seat) = inner.seats.values().find(fits) {
                return Ok((seat.record.id.clone(), false));
            }
            if inner.seats.len() >= LEASES_MAX {
                return Err(OpenError::TooMany);
            }
        }
        Ok((self.open(&config, &profile, wish, search)?, true))
    }

    fn open(
        self: &Arc<Self>,
        config: &Config,
        profile: &Profile,
        wish: &Wish,
        search: &mut Search,
    ) -> Result<String, OpenError> {
        let chosen = self.choose(config, profile, search)?;
        let tools = self.tools(&chosen.candidate.provider, config)?;
        let record = self.record(config, profile, wish, &chosen)?;
        let id = record.id.clone();
        // The intent is on disk before anything is asked of the provider.
        self.keep(Keeper::open(record, tools)?);
        Ok(id)
    }
}

fn status(agent: &Agent) -> AgentStatus {
    let now = agent.clock.now();
    let inner = agent.board.lock();
    AgentStatus {
        version: env!("CARGO_PKG_VERSION").into(),
        pid: std::process::id(),
        uptime_ms: agent.began.elapsed().as_millis() as u64,
        leases: inner.seats.values().map(|seat| lease_status(agent, seat, now)).collect(),
    }
}

fn lease_status(agent: &Agent, seat: &Seat, now: u64) -> LeaseStatus {
    let record = &seat.record;
    LeaseStatus {
        id: record.id.clone(),
        provider: record.provider.clone(),
        offer: record.offer.description.clone(),
        state: record.state.name().into(),
        remote: record.state.remote().map(ToString::to_string),
        address: seat.ticket.as_ref().map(|ticket| ticket.address.clone()),
        clients: seat.clients.iter().map(client_status).collect(),
        quiet_ms: record.rules.quiet_ms,
        quiet_left_ms: record.state.quiet_left_ms(now, &record.rules),
        cost: record.meter.cost(&record.offer.price),
        log: Some(local::log_path(&agent.logs, &record.id).display().to_string()),
        server: seat.server.clone(),
    }
}

fn client_status(client: &super::board::Client) -> ClientStatus {
    ClientStatus {
        pid: client.process.pid,
        program: client.program.chars().take(WISH_BYTES_MAX / 4).collect(),
        attached_ms: client.since.elapsed().as_millis() as u64,
    }
}

/// The process at the other end, by the kernel's word.
fn peer(wire: &Wire) -> Option<Process> {
    let peer = rustix::net::sockopt::socket_peercred(wire).ok()?;
    Process::of(peer.pid.as_raw_nonzero().get() as u32)
}
