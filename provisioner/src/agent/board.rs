//! Where the agent's threads meet: what is known of each lease, who waits for it, and what is wanted of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use farwarp_agent_client::Wire;
use farwarp_protocol::admission::ServerStatus;
use farwarp_protocol::agent::Reply;
use farwarp_protocol::ticket::Ticket;

use crate::keeper::Keeper;
use crate::lease::{Event, State, pause};
use crate::ledger::Record;
use crate::process::Process;
use crate::ranking::Failure;
use crate::reaper::Claim;

/// Why leases ended is remembered for those who waited for them, of so many.
const OBITUARIES_MAX: usize = 64;
/// A client that does not take a notice within this time does without.
const NOTICE_TIMEOUT: Duration = Duration::from_millis(100);

#[derive(Default)]
pub struct Board {
    inner: Mutex<Inner>,
    /// Held from the look for a fitting lease until a new one is on the board.
    opening: Mutex<()>,
    /// Something changed, or is wanted.
    news: Condvar,
}

#[derive(Default)]
pub struct Inner {
    pub seats: BTreeMap<String, Seat>,
    obituaries: VecDeque<Obituary>,
    connections: usize,
    next_client: u64,
}

/// What is remembered of a lease that is gone.
#[derive(Debug, Clone)]
pub struct Obituary {
    lease: String,
    pub why: String,
    pub failure: Option<Failure>,
}

/// One lease, as everybody but its keeper sees it.
pub struct Seat {
    pub record: Record,
    pub ticket: Option<Ticket>,
    pub server: Option<ServerStatus>,
    pub boot_ms: Option<u64>,
    /// What the provider says of a machine that boots.
    pub stage: String,
    pub clients: Vec<Client>,
    wanted: Wanted,
}

/// A process that was given the ticket, or waits for it.
pub struct Client {
    id: u64,
    pub process: Process,
    pub program: String,
    pub since: Instant,
    wire: Arc<Wire>,
}

/// What others want of the keeper.
#[derive(Default)]
struct Wanted {
    end: Option<String>,
    attached: bool,
    quiet_ms: Option<u64>,
}

impl Seat {
    /// Whether a client may still hope for its server.
    pub fn is_promising(&self) -> bool {
        self.wanted.end.is_none() && self.record.state.is_promising()
    }
}

/// A connection that is being served.
pub struct Place<'a>(&'a Board);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.lock().connections -= 1;
    }
}

impl Board {
    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        // Whoever panicked did so between two whole changes.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until it is dropped, nobody else opens a lease.
    pub fn alone_in_opening(&self) -> MutexGuard<'_, ()> {
        self.opening.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps until something changes, but not longer.
    pub fn wait<'a>(&self, inner: MutexGuard<'a, Inner>, timeout: Duration) -> MutexGuard<'a, Inner> {
        self.news.wait_timeout(inner, timeout).unwrap_or_else(PoisonError::into_inner).0
    }

    pub fn enter(&self, connections_max: usize) -> Option<Place<'_>> {
        let mut inner = self.lock();
        (inner.connections < connections_max).then(|| {
            inner.connections += 1;
            Place(self)
        })
    }

    pub fn is_needed(&self) -> bool {
        let inner = self.lock();
        inner.connections > 0 || !inner.seats.is_empty()
    }

    pub fn add(&self, keeper: &Keeper) {
        let seat = Seat {
            record: keeper.record().clone(),
            ticket: None,
            server: None,
            boot_ms: None,
            stage: String::new(),
            clients: vec![],
            wanted: Wanted::default(),
        };
        self.lock().seats.insert(seat.record.id.clone(), seat);
    }

    /// Lets a client wait for a lease, or use it. Its coming counts as a call. `None` if the lease has begun to end meanwhile:
    /// from here on it does not end for being quiet, because what is wanted is taken in before anything else.
    pub fn attach(
        &self,
        lease: &str,
        process: Process,
        program: String,
        quiet_ms: Option<u64>,
        wire: Arc<Wire>,
    ) -> Option<u64> {
        let mut inner = self.lock();
        inner.next_client += 1;
        let id = inner.next_client;
        let seat = inner.promising(lease)?;
        seat.clients.push(Client { id, process, program, since: Instant::now(), wire });
        seat.wanted.attached = true;
        seat.wanted.quiet_ms = quiet_ms.or(seat.wanted.quiet_ms);
        self.news.notify_all();
        Some(id)
    }

    pub fn detach(&self, lease: &str, client: u64) {
        if let Some(seat) = self.lock().seats.get_mut(lease) {
            seat.clients.retain(|other| other.id != client);
        }
    }

    /// Like a client that has come and gone.
    pub fn touch(&self, lease: &str, quiet_ms: Option<u64>) -> Option<()> {
        let mut inner = self.lock();
        let seat = inner.promising(lease)?;
        seat.wanted.attached = true;
        seat.wanted.quiet_ms = quiet_ms.or(seat.wanted.quiet_ms);
        self.news.notify_all();
        Some(())
    }

    pub fn end(&self, lease: &str, why: &str) {
        if let Some(seat) = self.lock().seats.get_mut(lease) {
            seat.wanted.end.get_or_insert_with(|| why.to_owned());
        }
        self.news.notify_all();
    }

    pub fn with_claims<T>(&self, look: impl FnOnce(&[Claim<'_>]) -> T) -> T {
        let inner = self.lock();
        let claims: Vec<Claim<'_>> = inner
            .seats
            .values()
            .map(|Seat { record, .. }| {
                let ending = matches!(record.state, State::Destroying { .. });
                Claim { lease: &record.id, remote: record.state.remote(), ending }
            })
            .collect();
        look(&claims)
    }

    /// The life of a lease's thread: takes in what is wanted and what came of the last action, then performs the next.
    pub fn carry_out(&self, mut keeper: Keeper) {
        let id = keeper.record().id.clone();
        if *keeper.state() == State::Intent {
            keeper.feed(Event::Begin);
        }
        let mut event = None;
        loop {
            let clients = self.take_in(&id, &mut keeper, event.take());
            self.tell(&id, keeper.take_warnings());
            if matches!(keeper.state(), State::Gone { .. }) {
                keeper.close();
                return self.bury(&id, &keeper);
            }
            event = match keeper.has_actions() {
                true => keeper.perform_next(&clients),
                false => self.sleep(&id, &keeper),
            };
        }
    }

    /// What is wanted comes before the event, so that no server is ended for being quiet under a client that has just come.
    fn take_in(&self, id: &str, keeper: &mut Keeper, event: Option<Event>) -> Vec<Process> {
        let mut inner = self.lock();
        let Some(seat) = inner.seats.get_mut(id) else { return vec![] };
        let Wanted { end, attached, quiet_ms } = std::mem::take(&mut seat.wanted);
        if let Some(quiet_ms) = quiet_ms {
            keeper.set_quiet(quiet_ms);
        }
        let wanted = [attached.then_some(Event::Attached), end.map(Event::End), event];
        for event in wanted.into_iter().flatten() {
            keeper.feed(event);
        }
        if let Some(end) = keeper.beyond_budget() {
            keeper.feed(end);
        }
        seat.record.clone_from(keeper.record());
        seat.ticket = keeper.ticket().cloned();
        seat.server = keeper.status().cloned();
        seat.boot_ms = keeper.boot_ms();
        keeper.stage().clone_into(&mut seat.stage);
        self.news.notify_all();
        seat.clients.iter().map(|client| client.process).collect()
    }

    /// Waits until something is wanted or a tick is due.
    fn sleep(&self, id: &str, keeper: &Keeper) -> Option<Event> {
        let due = pause(keeper.state(), &keeper.record().rules)
            .map(|ms| Instant::now() + Duration::from_millis(ms));
        let mut inner = self.lock();
        loop {
            let wanted = inner.seats.get(id).is_none_or(|seat| {
                seat.wanted.end.is_some() || seat.wanted.attached || seat.wanted.quiet_ms.is_some()
            });
            if wanted {
                return None;
            }
            let left = due.map(|due| due.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Some(Event::Tick);
            }
            inner = self.wait(inner, left.unwrap_or(Duration::from_secs(3600)));
        }
    }

    fn tell(&self, id: &str, lines: Vec<String>) {
        if lines.is_empty() {
            return;
        }
        let wires: Vec<Arc<Wire>> = match self.lock().seats.get(id) {
            Some(seat) => seat.clients.iter().map(|client| client.wire.clone()).collect(),
            None => return,
        };
        for line in lines {
            tracing::warn!(lease = id, "{line}");
            for wire in &wires {
                // Whoever does not listen misses it; it stands in the log.
                let _ = wire.send(&Reply::Notice(line.clone()), Instant::now() + NOTICE_TIMEOUT);
            }
        }
    }

    fn bury(&self, id: &str, keeper: &Keeper) {
        let mut inner = self.lock();
        inner.seats.remove(id);
        if inner.obituaries.len() == OBITUARIES_MAX {
            inner.obituaries.pop_front();
        }
        inner.obituaries.push_back(Obituary {
            lease: id.to_owned(),
            why: keeper.state().end().unwrap_or_default().to_owned(),
            failure: keeper.record().failure,
        });
        self.news.notify_all();
    }
}

impl Inner {
    fn promising(&mut self, lease: &str) -> Option<&mut Seat> {
        self.seats.get_mut(lease).filter(|seat| seat.is_promising())
    }

    /// Why a lease that is gone has ended.
    pub fn obituary(&self, lease: &str) -> Option<&Obituary> {
        self.obituaries.iter().rfind(|obituary| obituary.lease == lease)
    }
}
