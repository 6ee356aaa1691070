//! Carries one lease out: decides with [`crate::lease`], writes down with [`crate::ledger`], then acts.
//!
//! It knows no thread and no client; who drives it feeds it events and has it perform its actions, one at a time.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use farwarp_protocol::admission::ServerStatus;
use farwarp_protocol::ticket::Ticket;

use crate::activity::Watcher;
use crate::clock::{Clock, Moment};
use crate::control::{Dialler, ServerControl};
use crate::cost::MicroDollars;
use crate::lease::{self, Action, Event, Seen, State};
use crate::ledger::{Ledger, Record};
use crate::process::Process;
use crate::provider::{Condition, Provider, ProviderError, Reach, RemoteId};
use crate::providers::local::log_path;
use crate::purse::Purse;
use crate::ranking::Failure;

/// What a lease is carried out with.
#[derive(Clone)]
pub struct Tools {
    pub provider: Arc<dyn Provider>,
    pub dialler: Arc<dyn Dialler>,
    pub ledger: Arc<Ledger>,
    pub clock: Arc<dyn Clock>,
    pub purse: Arc<Purse>,
    /// Where what machines write is kept.
    pub logs: PathBuf,
    /// Of this start of the machine.
    pub boot_id: String,
}

/// Where a provider's polls may lag, a machine that it does not know is no proof of anything for so long after its birth.
const POLL_LAG_MS: u64 = 60_000;
/// From the decision to end a machine until it costs nothing any more, beside the time between two looks and the order to end.
const END_RESERVE_MS: u64 = 5_000;
/// Of a machine's log, so much is fetched before the machine is gone.
const LOG_BYTES_KEPT: usize = 64 << 10;

pub struct Keeper {
    tools: Tools,
    record: Record,
    queue: VecDeque<Action>,
    ticket: Option<Ticket>,
    control: Option<Box<dyn ServerControl>>,
    status: Option<ServerStatus>,
    watcher: Watcher,
    warnings: Vec<String>,
    boot_ms: Option<u64>,
    /// What the provider said last of a machine that boots.
    stage: String,
    /// Somebody has asked for its end.
    asked: bool,
}

impl Keeper {
    /// A lease of which nothing is done yet. The record is on disk on return.
    pub fn open(record: Record, tools: Tools) -> Result<Self, crate::ledger::LedgerError> {
        tools.ledger.write(&record)?;
        Ok(Self::new(record, tools))
    }

    /// A lease that an earlier agent left in this state.
    pub fn resume(record: Record, tools: Tools) -> Self {
        let mut keeper = Self::new(record, tools);
        keeper.feed(Event::Resumed);
        keeper
    }

    fn new(record: Record, tools: Tools) -> Self {
        Self {
            tools,
            record,
            queue: VecDeque::new(),
            ticket: None,
            control: None,
            status: None,
            watcher: Watcher::default(),
            warnings: vec![],
            boot_ms: None,
            stage: String::new(),
            asked: false,
        }
    }

    pub fn record(&self) -> &Record {
        &self.record
    }

    pub fn state(&self) -> &State {
        &self.record.state
    }

    /// How its server is reached, once the provider has said so.
    pub fn ticket(&self) -> Option<&Ticket> {
        self.ticket.as_ref()
    }

    /// What its server said last.
    pub fn status(&self) -> Option<&ServerStatus> {
        self.status.as_ref()
    }

    pub fn boot_ms(&self) -> Option<u64> {
        self.boot_ms
    }

    pub fn stage(&self) -> &str {
        &self.stage
    }

    /// The end, when going on would cost more than may be spent.
    pub fn beyond_budget(&self) -> Option<Event> {
        let state = &self.record.state;
        if self.record.offer.price.is_free() || matches!(state, State::Intent) || !state.is_promising() {
            return None;
        }
        let left = self.left()?;
        let rules = &self.record.rules;
        let reserve = rules.observe_ms.max(rules.poll_ms) + rules.drain_ms + END_RESERVE_MS;
        let reserve = self.record.offer.price.of(reserve);
        let words = format!("the budget of {} for {} is used up", left.limit, left.of);
        (left.amount < reserve).then_some(Event::End(words))
    }

    fn left(&self) -> Option<crate::purse::Left> {
        let spent = MicroDollars(self.record.meter.cost(&self.record.offer.price).micro_dollars);
        self.tools.purse.left(&self.record.budget, spent, self.tools.clock.wall())
    }

    /// Lines for the clients, each handed out once.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    pub fn has_actions(&self) -> bool {
        !self.queue.is_empty()
    }

    pub fn set_quiet(&mut self, quiet_ms: u64) {
        self.record.rules.set_quiet(quiet_ms);
        // If it cannot be written, the shorter life of the older rules is what an agent after us would keep.
        let _ = self.write_down();
    }

    /// Takes an event in: the new state is on disk before any of its actions can be performed.
    pub fn feed(&mut self, event: Event) {
        self.count_time();
        let now = self.tools.clock.now();
        let before = self.record.state.clone();
        self.asked |= matches!(event, Event::End(_));
        let (state, actions) = lease::step(before.clone(), event, now, &self.record.rules);
        self.record.state = state;
        self.note_machines();
        if self.record.state.must_be_recorded_after(&before) {
            self.note_change(&before);
            if let Err(error) = self.write_down()
                && matches!(self.record.state, State::Creating { .. })
            {
                // What cannot be written down is not rented.
                self.record.state = State::Gone { why: format!("the ledger cannot be written: {error}") };
                return;
            }
        }
        self.queue.extend(actions);
    }

    /// Performs the next action, which may take long, and returns what came of it.
    pub fn perform_next(&mut self, clients: &[Process]) -> Option<Event> {
        let event = match self.queue.pop_front()? {
            Action::Create => self.create(),
            Action::Find => self.find(),
            Action::Poll(remote) => self.poll(&remote),
            Action::Observe => self.observe(clients),
            Action::Drain => self.drain(),
            Action::Destroy(remote) => self.destroy(remote),
            Action::Warn { quiet_ms, left_ms } => {
                self.warn(quiet_ms, left_ms);
                return None;
            }
        };
        Some(event)
    }

    /// Writes the last line of a lease that is gone.
    pub fn close(&mut self) {
        self.record.closed_wall_ms = Some(self.tools.clock.wall());
        if let Err(error) = self.tools.ledger.close(&self.record) {
            tracing::error!(lease = self.record.id, "{error}");
        }
    }

    fn create(&mut self) -> Event {
        let identity = match self.tools.ledger.identity(&self.record.id) {
            Ok(identity) => identity,
            Err(error) => return Event::CreateFailed { made: None, why: error.to_string() },
        };
        let created = self.tools.provider.create(&self.record.offer, &self.record.order, &identity);
        self.record.failure = created.as_ref().err().map(|error| match error.concerns_the_account() {
            true => Failure::Account,
            false => Failure::Offer,
        });
        match created {
            Ok(remote) => Event::Created(remote),
            Err(ProviderError::MadeButFailed { remote, why }) => {
                Event::CreateFailed { made: Some(remote), why }
            }
            Err(ProviderError::Lost(why)) => {
                tracing::warn!(lease = self.record.id, "create: the answer was lost: {why}");
                Event::CreateUnsure
            }
            Err(error) => Event::CreateFailed { made: None, why: error.to_string() },
        }
    }

    fn find(&mut self) -> Event {
        let tag = &self.record.order.tag;
        match self.tools.provider.list(&tag.owner) {
            Ok(listed) => {
                let remotes = listed
                    .into_iter()
                    .filter(|listed| listed.tag == *tag)
                    .map(|listed| listed.remote)
                    .collect();
                Event::Found { remotes, certain: self.absence_is_certain() }
            }
            Err(error) => {
                tracing::warn!(lease = self.record.id, "list: {error}");
                Event::FindFailed
            }
        }
    }

    /// Whether a list that names no machine of ours proves that there is none. A lease creates once, so the machine that was named
    /// in the answer is the only one; where that is known, the provider's word about it counts as much as a list that does not lag.
    fn absence_is_certain(&self) -> bool {
        let capabilities = self.tools.provider.capabilities();
        let is_absent = |remote: &RemoteId| matches!(self.tools.provider.poll(remote), Ok(Condition::Absent));
        let known = &self.record.remotes;
        capabilities.list_is_current
            || (capabilities.poll_is_current && !known.is_empty() && known.iter().all(is_absent))
    }

    fn poll(&mut self, remote: &RemoteId) -> Event {
        let may_lag =
            !self.tools.provider.capabilities().poll_is_current && self.record.meter.total_ms() < POLL_LAG_MS;
        Event::Polled(match self.tools.provider.poll(remote) {
            Ok(Condition::Booting(stage)) => {
                self.stage = stage;
                Seen::Booting
            }
            Ok(Condition::Running(reach)) => match self.ticket_for(reach) {
                Ok(ticket) => {
                    self.ticket = Some(ticket);
                    Seen::Running
                }
                Err(error) => {
                    tracing::error!(lease = self.record.id, "{error}");
                    Seen::Unknown
                }
            },
            Ok(Condition::Stopped(why)) => Seen::Stopped(why),
            Ok(Condition::Absent) if may_lag => Seen::Unknown,
            Ok(Condition::Absent) => Seen::Absent,
            Err(error) => {
                tracing::warn!(lease = self.record.id, "poll: {error}");
                Seen::Unknown
            }
        })
    }

    fn ticket_for(&self, reach: Reach) -> Result<Ticket, crate::ledger::LedgerError> {
        match reach {
            Reach::Ticket(ticket) => Ok(ticket),
            Reach::Address(address) => Ok(self.tools.ledger.identity(&self.record.id)?.ticket(address)),
        }
    }

    /// Asks the server how it is, and renews its limit: as long as there is an agent, the limit does not end it.
    fn observe(&mut self, clients: &[Process]) -> Event {
        let ttl = self.ttl();
        let asked = self.control().and_then(|control| {
            control.renew(ttl)?;
            control.status()
        });
        match asked {
            Ok(status) => {
                let meter = &mut self.record.meter;
                meter.bytes_up = meter.bytes_up.max(status.bytes_up);
                meter.bytes_down = meter.bytes_down.max(status.bytes_down);
                let activity = self.watcher.judge(&status, clients, self.tools.clock.now());
                self.status = Some(status);
                Event::Observed(activity)
            }
            Err(why) => {
                self.control = None;
                Event::Silent(why)
            }
        }
    }

    /// Until when the server lives if we do not come again: never longer than can be paid for.
    fn ttl(&self) -> std::time::Duration {
        let usual = self.record.order.ttl;
        match self.left() {
            Some(left) if !self.record.offer.price.is_free() => {
                let affordable = self.record.offer.price.affordable_ms(left.amount);
                usual.min(std::time::Duration::from_millis(affordable))
            }
            _ => usual,
        }
    }

    fn drain(&mut self) -> Event {
        if let Err(why) = self.control().and_then(|control| control.shutdown()) {
            tracing::warn!(lease = self.record.id, "shutdown: {why}");
        }
        self.control = None;
        Event::Drained
    }

    fn destroy(&mut self, remote: RemoteId) -> Event {
        self.control = None;
        // Of a server that has served, nothing need be found out that would be worth the delay.
        if !self.record.served && !self.asked {
            self.keep_log(&remote);
        }
        match self.tools.provider.destroy(&remote) {
            Ok(()) => Event::Destroyed(remote),
            Err(error) => {
                tracing::warn!(lease = self.record.id, "destroy {remote}: {error}");
                Event::DestroyFailed(remote)
            }
        }
    }

    /// A machine's log ends with the machine; ours does not.
    fn keep_log(&self, remote: &RemoteId) {
        if self.tools.provider.capabilities().log_is_here {
            return;
        }
        let path = log_path(&self.tools.logs, &self.record.id);
        let kept = self.tools.provider.logs(remote, LOG_BYTES_KEPT).map_err(|error| error.to_string());
        let kept = kept.and_then(|text| {
            std::fs::create_dir_all(&self.tools.logs).map_err(|error| error.to_string())?;
            std::fs::write(&path, text).map_err(|error| error.to_string())
        });
        if let Err(error) = kept {
            tracing::info!(lease = self.record.id, "its log is not kept: {error}");
        }
    }

    fn warn(&mut self, quiet_ms: u64, left_ms: Option<u64>) {
        let minutes = |ms: u64| ms / 60_000;
        let cost = crate::cost::MicroDollars(self.record.meter.cost(&self.record.offer.price).micro_dollars);
        let fate = match left_ms {
            Some(left) => format!("it is destroyed in {} min", minutes(left)),
            None => "it is kept until the program ends".into(),
        };
        let quiet = minutes(quiet_ms);
        self.warnings.push(format!(
            "nothing computed for {quiet} min, but device memory is held ({cost} so far): {fate}"
        ));
    }

    fn control(&mut self) -> Result<&mut Box<dyn ServerControl>, String> {
        if self.control.is_none() {
            let ticket = self.ticket.as_ref().ok_or("there is no ticket yet")?;
            self.control = Some(self.tools.dialler.dial(ticket)?);
        }
        self.control.as_mut().ok_or_else(|| "there is no connection".into())
    }

    /// Puts the time since the last event where the state says that it was spent.
    fn count_time(&mut self) {
        let now = Moment::of(self.tools.clock.as_ref(), &self.tools.boot_id);
        self.record.meter.add(self.record.state.spent(), self.record.metered.ms_until(&now));
        self.record.metered = now;
        self.tools.purse.book(&self.record, self.tools.clock.wall());
    }

    fn note_machines(&mut self) {
        let named: Vec<RemoteId> = match &self.record.state {
            State::Destroying { left, .. } => left.clone(),
            other => other.remote().cloned().into_iter().collect(),
        };
        let unknown = named.into_iter().filter(|remote| !self.record.remotes.contains(remote));
        let unknown: Vec<RemoteId> = unknown.collect();
        self.record.remotes.extend(unknown);
    }

    fn note_change(&mut self, before: &State) {
        let (from, to) = (before.name(), self.record.state.name());
        let why = self.record.state.end().unwrap_or_default();
        tracing::info!(lease = self.record.id, remote = ?self.record.state.remote(), why, "{from} -> {to}");
        if self.record.state.serves() && !before.serves() {
            self.boot_ms = Some(self.record.meter.boot_ms);
            self.record.served = true;
            self.record.failure = None;
        }
        let boots = matches!(before, State::Booting { .. });
        if boots && !self.record.state.is_promising() && !self.asked {
            self.record.failure = Some(Failure::Machine);
        }
        if self.asked {
            self.record.failure = None;
        }
        if before.serves() && !self.record.state.serves() {
            self.warnings.push(format!("the server ends: {}", self.record.state.end().unwrap_or_default()));
        }
    }

    fn write_down(&self) -> Result<(), crate::ledger::LedgerError> {
        // Destroying goes on even if the disk is full: the older record, which still names the machine, is the safe one.
        self.tools.ledger.write(&self.record).inspect_err(|error| {
            tracing::error!(lease = self.record.id, "the ledger cannot be written: {error}")
        })
    }
}
