//! What becomes of a lease: a pure function from state, event and time to state and actions.
//!
//! ```text
//! intent → creating → booting → ready ⇄ busy ⇄ quiet → draining → destroying → gone
//!              ↓ ↑        ↓        └───────┴──────┴───────────────────↑
//!            unsure       └────────────────────────────────────────────┘
//! ```
//!
//! Whoever carries it out writes each new state down before it performs the actions, and hands back an event for each action.
//! Three promises follow, and are tested over random histories: at most one machine a lease; whatever was made ends; nothing is
//! called gone without the provider's word.

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::cost::Spent;
use crate::provider::RemoteId;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum State {
    /// Written down; nothing was asked of the provider yet.
    Intent,
    /// Asked, not answered. `end` is why it is not wanted any more.
    Creating { since: Millis, end: Option<String> },
    /// The answer was lost, or we were; only a list can tell. `absent` is when one first named nothing.
    Unsure { since: Millis, absent: Option<Millis>, end: Option<String> },
    /// Made; its server does not answer yet.
    Booting { remote: RemoteId, since: Millis },
    /// Nobody has computed since then.
    Ready { watch: Watch, since: Millis },
    /// Somebody computes, or did a moment ago.
    Busy { watch: Watch, seen: Millis },
    /// Nothing has happened since then. `warned` counts the warnings given to those who hold device memory.
    Quiet { watch: Watch, since: Millis, holding: bool, warned: usize },
    /// The server was asked to end its sessions in order.
    Draining { remote: RemoteId, since: Millis, why: String },
    /// `left`: machines whose end was not accepted yet. `absent` is when a list first named none.
    Destroying { left: Vec<RemoteId>, absent: Option<Millis>, why: String },
    /// The provider says so, or was never asked.
    Gone { why: String },
}

/// A machine whose server has answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    pub remote: RemoteId,
    /// Since when it answers no more.
    pub silent: Option<Millis>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The intent is on disk.
    Begin,
    Created(RemoteId),
    /// It was not made; or it was, and will not do.
    CreateFailed {
        made: Option<RemoteId>,
        why: String,
    },
    CreateUnsure,
    /// A list by this lease's tag. `certain`: it names everything that exists.
    Found {
        remotes: Vec<RemoteId>,
        certain: bool,
    },
    FindFailed,
    Polled(Seen),
    Observed(Activity),
    /// The server does not answer.
    Silent(String),
    /// A client was given the ticket.
    Attached,
    /// It is to end, for this reason.
    End(String),
    Drained,
    Destroyed(RemoteId),
    DestroyFailed(RemoteId),
    /// Nothing happened for [`pause`].
    Tick,
    /// The agent has been restarted: whatever was under way is unknown, and clocks may have been others.
    Resumed,
}

/// What the provider says of one machine.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    Booting,
    Running,
    Stopped(String),
    Absent,
    /// It could not be asked.
    Unknown,
}

/// What the server, and this host, say of its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activity {
    /// Since the last call; heartbeats are none.
    pub quiet_ms: u64,
    /// Some client has memory on the device.
    pub holding: bool,
    /// A client that holds memory, or a descendant of it, uses the CPU: it will call again.
    pub computing_here: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    Create,
    /// List by this lease's tag.
    Find,
    Poll(RemoteId),
    /// Ask the server how it is, and renew its limit.
    Observe,
    Drain,
    Destroy(RemoteId),
    /// Tell clients who hold memory that it ends. `left_ms`: until then, if it ever does.
    Warn {
        quiet_ms: u64,
        left_ms: Option<u64>,
    },
}

/// The times that decide.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    pub boot_timeout_ms: u64,
    pub quiet_ms: u64,
    /// For clients that hold device memory; `None` is never.
    pub hold_ms: Option<u64>,
    /// A server that does not answer for so long is given up.
    pub silent_ms: u64,
    pub drain_ms: u64,
    /// Between two polls of a booting machine.
    pub poll_ms: u64,
    /// Between two observations of a server that answers, and the longest that this may ever be.
    pub observe_ms: u64,
    #[serde(default = "observe_max")]
    pub observe_max_ms: u64,
    /// Between two attempts to destroy, and between the two lists that prove an absence.
    pub verify_ms: u64,
}

/// In the record of an agent that knew only this one.
fn observe_max() -> u64 {
    5_000
}

/// Those who hold device memory are warned after so much quiet.
pub const WARN_AFTER_MS: [u64; 3] = [5 * 60_000, 15 * 60_000, 30 * 60_000];

pub fn step(state: State, event: Event, now: Millis, rules: &Rules) -> (State, Vec<Action>) {
    match state {
        State::Intent => intent(event, now),
        State::Creating { since, end } => creating(since, end, event, now),
        State::Unsure { since, absent, end } => unsure(since, absent, end, event, now, rules),
        State::Booting { remote, since } => booting(remote, since, event, now, rules),
        live @ (State::Ready { .. } | State::Busy { .. } | State::Quiet { .. }) => {
            serving(live, event, now, rules)
        }
        State::Draining { remote, since, why } => draining(remote, since, why, event, now, rules),
        State::Destroying { left, absent, why } => destroying(left, absent, why, event, now, rules),
        gone @ State::Gone { .. } => (gone, vec![]),
    }
}

/// After this long without an event, a [`Event::Tick`] is due.
pub fn pause(state: &State, rules: &Rules) -> Option<Millis> {
    match state {
        State::Intent | State::Creating { .. } | State::Gone { .. } => None,
        State::Booting { .. } => Some(rules.poll_ms),
        State::Ready { .. } | State::Busy { .. } | State::Quiet { .. } => Some(rules.observe_ms),
        State::Draining { .. } => Some(rules.drain_ms),
        State::Unsure { .. } | State::Destroying { .. } => Some(rules.verify_ms),
    }
}

fn intent(event: Event, now: Millis) -> (State, Vec<Action>) {
    match event {
        Event::Begin => (State::Creating { since: now, end: None }, vec![Action::Create]),
        Event::End(why) => gone(why),
        Event::Resumed => gone("the agent ended before anything was rented".into()),
        _ => (State::Intent, vec![]),
    }
}

fn creating(since: Millis, end: Option<String>, event: Event, now: Millis) -> (State, Vec<Action>) {
    match event {
        Event::Created(remote) => match end {
            None => begin_booting(remote, since),
            Some(why) => destroy(vec![remote], why),
        },
        Event::CreateFailed { made: None, why } => gone(why),
        Event::CreateFailed { made: Some(remote), why } => destroy(vec![remote], why),
        Event::CreateUnsure | Event::Resumed => {
            (State::Unsure { since: now, absent: None, end }, vec![Action::Find])
        }
        // It cannot be called back; it is destroyed as soon as it has a name.
        Event::End(why) => (State::Creating { since, end: Some(why) }, vec![]),
        _ => (State::Creating { since, end }, vec![]),
    }
}

fn unsure(
    since: Millis,
    absent: Option<Millis>,
    end: Option<String>,
    event: Event,
    now: Millis,
    rules: &Rules,
) -> (State, Vec<Action>) {
    match event {
        Event::Found { remotes, certain } if remotes.is_empty() => {
            match proven_absent(absent, certain, now, rules) {
                Ok(()) => gone(end.unwrap_or_else(|| "nothing was rented".into())),
                Err(absent) => (State::Unsure { since, absent: Some(absent), end }, vec![]),
            }
        }
        Event::Found { mut remotes, .. } => match end {
            None if remotes.len() == 1 => begin_booting(remotes.remove(0), now),
            // Several machines of one lease are a mistake whose cheapest end is all of theirs.
            end => destroy(remotes, end.unwrap_or_else(|| "several machines were made".into())),
        },
        Event::Tick => (State::Unsure { since, absent, end }, vec![Action::Find]),
        Event::Resumed => (State::Unsure { since: now, absent: None, end }, vec![Action::Find]),
        Event::End(why) => (State::Unsure { since, absent, end: Some(why) }, vec![]),
        _ => (State::Unsure { since, absent, end }, vec![]),
    }
}

fn begin_booting(remote: RemoteId, since: Millis) -> (State, Vec<Action>) {
    (State::Booting { remote: remote.clone(), since }, vec![Action::Poll(remote)])
}

fn booting(
    remote: RemoteId,
    since: Millis,
    event: Event,
    now: Millis,
    rules: &Rules,
) -> (State, Vec<Action>) {
    match event {
        Event::Observed(_) => (State::Ready { watch: Watch { remote, silent: None }, since: now }, vec![]),
        Event::Polled(Seen::Running) => (State::Booting { remote, since }, vec![Action::Observe]),
        Event::Polled(Seen::Stopped(why)) => destroy(vec![remote], why),
        Event::Polled(Seen::Absent) => destroy(vec![remote], "it vanished while booting".into()),
        Event::End(why) => destroy(vec![remote], why),
        Event::Tick if now.saturating_sub(since) >= rules.boot_timeout_ms => destroy(
            vec![remote],
            format!("it did not answer within {} s", rules.boot_timeout_ms as f64 / 1e3),
        ),
        Event::Tick => (State::Booting { remote: remote.clone(), since }, vec![Action::Poll(remote)]),
        Event::Resumed => begin_booting(remote, now),
        _ => (State::Booting { remote, since }, vec![]),
    }
}

fn serving(state: State, event: Event, now: Millis, rules: &Rules) -> (State, Vec<Action>) {
    let Some(remote) = state.remote().cloned() else { return (state, vec![]) };
    match event {
        Event::Observed(activity) => observed(state, activity, now, rules),
        Event::Silent(why) => silent(state, why, now, rules),
        Event::Polled(Seen::Stopped(why)) => destroy(vec![remote], why),
        Event::Polled(Seen::Absent) => destroy(vec![remote], "it vanished".into()),
        // It comes to a server that may have died since it was last seen; where clients come often, no tick would ask.
        Event::Attached => match state {
            State::Ready { watch, .. } | State::Quiet { watch, .. } => {
                (State::Ready { watch, since: now }, vec![Action::Observe])
            }
            busy => (busy, vec![Action::Observe]),
        },
        Event::End(why) => begin_draining(remote, why, now),
        Event::Tick => (state, vec![Action::Observe]),
        Event::Resumed => {
            let watch = Watch { remote: remote.clone(), silent: None };
            (State::Ready { watch, since: now }, vec![Action::Poll(remote), Action::Observe])
        }
        _ => (state, vec![]),
    }
}

fn observed(state: State, activity: Activity, now: Millis, rules: &Rules) -> (State, Vec<Action>) {
    let (mut watch, floor, before) = match state {
        State::Ready { watch, since } => (watch, since, 0),
        State::Busy { watch, seen } => (watch, seen, 0),
        State::Quiet { watch, since, warned, .. } => (watch, since, warned),
        other => return (other, vec![]),
    };
    watch.silent = None;
    let Activity { quiet_ms, holding, computing_here } = activity;
    if computing_here {
        return (State::Busy { watch, seen: now }, vec![]);
    }
    // A moment that lies before the newest one known adds nothing: a ticket handed out counts as a call.
    let since = floor.max(now.saturating_sub(quiet_ms));
    if quiet_ms < rules.observe_ms {
        return (State::Busy { watch, seen: since }, vec![]);
    }
    let quiet = now - since;
    let limit =
        if holding { rules.hold_ms.map(|hold| hold.max(rules.quiet_ms)) } else { Some(rules.quiet_ms) };
    if limit.is_some_and(|limit| quiet >= limit) {
        let why = if holding { "nothing was computed, although device memory was held," } else { "quiet" };
        return begin_draining(watch.remote, format!("{why} for {} s", quiet as f64 / 1e3), now);
    }
    let due = WARN_AFTER_MS.iter().filter(|&&after| holding && quiet >= after).count();
    let warned = if since > floor { 0 } else { before };
    let actions = match due > warned {
        true => vec![Action::Warn { quiet_ms: quiet, left_ms: limit.map(|limit| limit - quiet) }],
        false => vec![],
    };
    (State::Quiet { watch, since, holding, warned: due.max(warned) }, actions)
}

fn silent(mut state: State, why: String, now: Millis, rules: &Rules) -> (State, Vec<Action>) {
    let (State::Ready { watch, .. } | State::Busy { watch, .. } | State::Quiet { watch, .. }) = &mut state
    else {
        return (state, vec![]);
    };
    let since = *watch.silent.get_or_insert(now);
    let remote = watch.remote.clone();
    if now.saturating_sub(since) >= rules.silent_ms {
        return destroy(vec![remote], format!("its server does not answer: {why}"));
    }
    // A machine that stopped explains the silence at once.
    (state, vec![Action::Poll(remote)])
}

fn begin_draining(remote: RemoteId, why: String, now: Millis) -> (State, Vec<Action>) {
    (State::Draining { remote, since: now, why }, vec![Action::Drain])
}

fn draining(
    remote: RemoteId,
    since: Millis,
    why: String,
    event: Event,
    now: Millis,
    rules: &Rules,
) -> (State, Vec<Action>) {
    match event {
        Event::Drained | Event::Resumed => destroy(vec![remote], why),
        Event::Tick if now.saturating_sub(since) >= rules.drain_ms => destroy(vec![remote], why),
        _ => (State::Draining { remote, since, why }, vec![]),
    }
}

fn destroying(
    mut left: Vec<RemoteId>,
    absent: Option<Millis>,
    why: String,
    event: Event,
    now: Millis,
    rules: &Rules,
) -> (State, Vec<Action>) {
    match event {
        Event::Destroyed(remote) => {
            left.retain(|other| *other != remote);
            (State::Destroying { left, absent, why }, vec![])
        }
        Event::Found { remotes, certain } if remotes.is_empty() => {
            match proven_absent(absent, certain, now, rules) {
                Ok(()) => gone(why),
                Err(absent) => (State::Destroying { left: vec![], absent: Some(absent), why }, vec![]),
            }
        }
        // Still there: asked again at the next tick.
        Event::Found { remotes, .. } => (State::Destroying { left: remotes, absent: None, why }, vec![]),
        Event::Tick => {
            let actions = left.iter().cloned().map(Action::Destroy).chain([Action::Find]).collect();
            (State::Destroying { left, absent, why }, actions)
        }
        Event::Resumed => destroy(left, why),
        _ => (State::Destroying { left, absent, why }, vec![]),
    }
}

/// Asks for the end, then for the proof.
fn destroy(left: Vec<RemoteId>, why: String) -> (State, Vec<Action>) {
    let actions = left.iter().cloned().map(Action::Destroy).chain([Action::Find]).collect();
    (State::Destroying { left, absent: None, why }, actions)
}

fn gone(why: String) -> (State, Vec<Action>) {
    (State::Gone { why }, vec![])
}

/// Whether a list without a machine proves that there is none; otherwise since when lists have said so.
fn proven_absent(absent: Option<Millis>, certain: bool, now: Millis, rules: &Rules) -> Result<(), Millis> {
    match absent {
        _ if certain => Ok(()),
        Some(first) if now.saturating_sub(first) >= rules.verify_ms => Ok(()),
        first => Err(first.unwrap_or(now)),
    }
}

impl State {
    pub fn name(&self) -> &'static str {
        match self {
            State::Intent => "intent",
            State::Creating { .. } => "creating",
            State::Unsure { .. } => "unsure",
            State::Booting { .. } => "booting",
            State::Ready { .. } => "ready",
            State::Busy { .. } => "busy",
            State::Quiet { .. } => "quiet",
            State::Draining { .. } => "draining",
            State::Destroying { .. } => "destroying",
            State::Gone { .. } => "gone",
        }
    }

    /// Whether its server answers and may be given to a client.
    pub fn serves(&self) -> bool {
        matches!(self, State::Ready { .. } | State::Busy { .. } | State::Quiet { .. })
    }

    /// Whether a client may still hope for its server.
    pub fn is_promising(&self) -> bool {
        match self {
            State::Creating { end, .. } | State::Unsure { end, .. } => end.is_none(),
            State::Intent | State::Booting { .. } => true,
            other => other.serves(),
        }
    }

    /// Why it ends or has ended.
    pub fn end(&self) -> Option<&str> {
        match self {
            State::Creating { end, .. } | State::Unsure { end, .. } => end.as_deref(),
            State::Draining { why, .. } | State::Destroying { why, .. } | State::Gone { why } => Some(why),
            _ => None,
        }
    }

    /// The machine, where there is exactly one.
    pub fn remote(&self) -> Option<&RemoteId> {
        match self {
            State::Booting { remote, .. } | State::Draining { remote, .. } => Some(remote),
            State::Ready { watch, .. } | State::Busy { watch, .. } | State::Quiet { watch, .. } => {
                Some(&watch.remote)
            }
            State::Destroying { left, .. } => left.first(),
            _ => None,
        }
    }

    /// What the time in this state is spent on. From the request to the proof of the end, all of it is paid for.
    pub fn spent(&self) -> Spent {
        match self {
            State::Intent | State::Gone { .. } => Spent::Nothing,
            State::Creating { .. } | State::Unsure { .. } | State::Booting { .. } => Spent::Boot,
            State::Busy { .. } => Spent::Busy,
            State::Ready { .. } | State::Quiet { .. } | State::Draining { .. } | State::Destroying { .. } => {
                Spent::Idle
            }
        }
    }

    /// Until it is destroyed if nothing happens.
    pub fn quiet_left_ms(&self, now: Millis, rules: &Rules) -> Option<u64> {
        let (since, limit) = match self {
            State::Ready { since, .. } => (since, Some(rules.quiet_ms)),
            State::Quiet { since, holding: true, .. } => {
                (since, rules.hold_ms.map(|hold| hold.max(rules.quiet_ms)))
            }
            State::Quiet { since, .. } => (since, Some(rules.quiet_ms)),
            _ => return None,
        };
        limit.map(|limit| limit.saturating_sub(now.saturating_sub(*since)))
    }

    /// Whether going from one to the other has to be on disk before anything is done about it. Times within a state do not.
    pub fn must_be_recorded_after(&self, before: &State) -> bool {
        self.name() != before.name()
            || self.remote() != before.remote()
            || self.end() != before.end()
            || matches!((self, before), (State::Destroying { left: a, .. }, State::Destroying { left: b, .. }) if a != b)
    }
}
