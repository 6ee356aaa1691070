//! The agent: one process a user, which keeps the leases and answers programs and commands over a socket.
//!
//! One thread accepts, one serves each connection, one keeps each lease, one reaps; they meet at the [`board`].

mod board;
mod desk;
mod door;
mod market;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use farwarp_agent_client::{Paths, Wire};
use farwarp_protocol::agent::LEASES_MAX;

use crate::clock::{Clock, SystemClock, boot_id};
use crate::config::{Config, ConfigError};
use crate::control::{Dialler, LinkDialler};
use crate::cost::MicroDollars;
use crate::http::{Http, Network};
use crate::keeper::{Keeper, Tools};
use crate::ledger::{self, Disk, Ledger, LedgerError, RealDisk};
use crate::places::State;
use crate::providers::{Built, Providers, UnknownProvider, local};
use crate::purse::Purse;
use crate::reaper;
use board::Board;
use door::{Door, DoorError};

/// An agent without a lease and without a client ends after this.
pub const LINGER: Duration = Duration::from_secs(30);
/// Between two looks whether somebody waits at the door, and whether there is still anything to do.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Between two searches for machines that nobody owns.
const REAP_EVERY: Duration = Duration::from_secs(60);
/// Connections at once. Each process that computes keeps one.
const CONNECTIONS_MAX: usize = 1024;

#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    #[error(transparent)]
    Door(#[from] DoorError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Why a client gets no lease.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    UnknownProvider(#[from] UnknownProvider),
    /// One line for each provider that was asked.
    #[error("{}", lines.join("; "))]
    NothingToRent { lines: Vec<String> },
    #[error("the budget of {limit} for {of} has {left} left, and this would cost {needed} at the least")]
    Budget { limit: MicroDollars, of: &'static str, left: MicroDollars, needed: MicroDollars },
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("{LEASES_MAX} leases are open; 'farwarp down' ends one")]
    TooMany,
    #[error("no name for the lease: {0}")]
    Name(std::io::Error),
}

/// Everything that the agent's threads share.
pub struct Agent {
    paths: Paths,
    board: Board,
    ledger: Arc<Ledger>,
    providers: Box<dyn Providers>,
    dialler: Arc<dyn Dialler>,
    clock: Arc<dyn Clock>,
    boot_id: String,
    purse: Arc<Purse>,
    began: Instant,
    state_dir: PathBuf,
    logs: PathBuf,
}

/// What an agent is made with; tests put others in the place of the real ones.
pub struct Parts {
    pub disk: Box<dyn Disk>,
    pub http: Arc<dyn Http>,
    pub dialler: Arc<dyn Dialler>,
    pub clock: Arc<dyn Clock>,
}

impl Parts {
    pub fn real() -> Self {
        Self {
            disk: Box::new(RealDisk),
            http: Arc::new(Network::new()),
            dialler: Arc::new(LinkDialler),
            clock: Arc::new(SystemClock),
        }
    }
}

/// The agent of this user, until nobody needs one. Returns at once when another one serves already.
pub fn run(paths: Paths, state: &State, linger: Duration, parts: Parts) -> Result<(), AgentError> {
    let Some(door) = Door::open(&paths)? else { return Ok(()) };
    let places = state.local().map_err(DoorError::Exe)?;
    let known = ledger::history(&state.dir)?;
    let agent = Arc::new(Agent {
        board: Board::default(),
        ledger: Arc::new(Ledger::open_on(&state.dir, parts.disk)?),
        providers: Box::new(Built { places, http: parts.http }),
        dialler: parts.dialler,
        purse: Arc::new(Purse::of(known.iter(), parts.clock.wall())),
        clock: parts.clock,
        boot_id: boot_id(),
        began: Instant::now(),
        state_dir: state.dir.clone(),
        logs: state.logs(),
        paths,
    });
    agent.resume()?;
    let reaping = agent.clone();
    std::thread::spawn(move || reaping.reap_forever());
    agent.accept(door, linger)
}

impl Agent {
    /// Goes on with what the last agent left.
    fn resume(self: &Arc<Self>) -> Result<(), LedgerError> {
        let config = Config::load(&self.paths).unwrap_or_default();
        for record in self.ledger.unfinished()? {
            tracing::info!(lease = record.id, "found {} in the ledger", record.state.name());
            match self.tools(&record.provider, &config) {
                Ok(tools) => self.keep(Keeper::resume(record, tools)),
                Err(error) => tracing::error!(lease = record.id, "stays as it is: {error}"),
            }
        }
        Ok(())
    }

    fn tools(&self, provider: &str, config: &Config) -> Result<Tools, UnknownProvider> {
        Ok(Tools {
            provider: self.providers.get(provider, config)?,
            dialler: self.dialler.clone(),
            ledger: self.ledger.clone(),
            clock: self.clock.clone(),
            purse: self.purse.clone(),
            logs: self.logs.clone(),
            boot_id: self.boot_id.clone(),
        })
    }

    /// Starts the thread that carries a lease out.
    fn keep(self: &Arc<Self>, keeper: Keeper) {
        self.board.add(&keeper);
        let agent = self.clone();
        std::thread::spawn(move || agent.board.carry_out(keeper));
    }

    fn accept(self: Arc<Self>, mut door: Door, linger: Duration) -> Result<(), AgentError> {
        let mut needed = Instant::now();
        loop {
            let mut came = Vec::from_iter(door.next(LOOK_EVERY)?);
            if came.is_empty() && !self.board.is_needed() && needed.elapsed() >= linger {
                came = door.try_to_leave()?;
                if came.is_empty() {
                    tracing::info!("nobody needs an agent any more");
                    return Ok(());
                }
            }
            if !came.is_empty() || self.board.is_needed() {
                needed = Instant::now();
            }
            came.into_iter().for_each(|connection| self.serve(connection));
        }
    }

    fn serve(self: &Arc<Self>, connection: Wire) {
        let agent = self.clone();
        std::thread::spawn(move || {
            // Too many at once: the connection is closed, which the client reads as an agent that left.
            if let Some(_place) = agent.board.enter(CONNECTIONS_MAX) {
                desk::serve(&agent, connection);
            }
        });
    }

    fn reap_forever(&self) {
        loop {
            self.reap();
            std::thread::sleep(REAP_EVERY);
        }
    }

    /// Destroys the machines with our tag that no lease accounts for, and returns how many.
    fn reap(&self) -> usize {
        let config = Config::load(&self.paths).unwrap_or_default();
        self.used_providers(&config).iter().map(|name| self.reap_at(name, &config)).sum()
    }

    /// Those with whom a machine of ours may be: who has rented us one before, or is chosen now.
    fn used_providers(&self, config: &Config) -> BTreeSet<String> {
        let mut used = BTreeSet::from([local::NAME.to_owned()]);
        used.extend(config.profiles.values().flat_map(|profile| profile.provider.iter().cloned()));
        used.extend(self.board.lock().seats.values().map(|seat| seat.record.provider.clone()));
        used.extend(
            ledger::history(&self.state_dir).unwrap_or_default().into_iter().map(|record| record.provider),
        );
        used
    }

    fn reap_at(&self, name: &str, config: &Config) -> usize {
        let Ok(provider) = self.providers.get(name, config) else { return 0 };
        // Listed first: a lease that begins after it cannot be in the list.
        let listed = match provider.list(self.ledger.owner()) {
            Ok(listed) => listed,
            Err(error) => {
                tracing::warn!("{name}: list: {error}");
                return 0;
            }
        };
        let strays = self.board.with_claims(|claims| reaper::strays(&listed, self.ledger.owner(), claims));
        for stray in &strays {
            tracing::warn!("{stray} belongs to no lease and is destroyed");
            if let Err(error) = provider.destroy(stray) {
                tracing::error!("destroy {stray}: {error}");
            }
        }
        strays.len()
    }
}
