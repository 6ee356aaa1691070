//! Random histories of one lease against a provider that loses answers, lags, fails and breaks, under an agent that dies at any moment.

mod chance;

use std::collections::{HashMap, VecDeque};

use chance::Chance;
use farwarp_provisioner::lease::{Action, Activity, Event, Rules, Seen, State, step};
use farwarp_provisioner::provider::RemoteId;

const HISTORIES: u64 = 100_000;
const STEPS: usize = 120;
/// A history that has not ended after so many peaceful steps never will.
const PEACEFUL_STEPS_MAX: usize = 400;

const RULES: Rules = Rules {
    boot_timeout_ms: 20_000,
    quiet_ms: 8_000,
    hold_ms: Some(30_000),
    silent_ms: 6_000,
    drain_ms: 3_000,
    poll_ms: 500,
    observe_ms: 1_000,
    observe_max_ms: 5_000,
    verify_ms: 5_000,
};
/// Lists lag, but less than two of them are apart: nobody could know anything otherwise.
const LAG_MAX_MS: u64 = 4_000;

/// A machine as it really is.
struct Machine {
    made_at: u64,
    visible_at: u64,
    /// Its end was accepted, and becomes true then.
    ends_at: Option<u64>,
    stopped: bool,
}

struct World {
    chance: Chance,
    now: u64,
    lists_are_current: bool,
    machines: HashMap<RemoteId, Machine>,
    creates: usize,
    /// No more faults: the history is to come to its end.
    peaceful: bool,
    /// Destroys that were accepted, and of which no list has said otherwise.
    accepted: Vec<RemoteId>,
}

impl World {
    fn exists(&self, remote: &RemoteId) -> bool {
        self.machines.get(remote).is_some_and(|machine| machine.ends_at.is_none_or(|end| self.now < end))
    }

    fn billed(&self) -> Vec<&RemoteId> {
        self.machines.keys().filter(|remote| self.exists(remote)).collect()
    }

    fn fault(&mut self, n: u64) -> bool {
        !self.peaceful && self.chance.one_in(n)
    }

    /// Does what is asked; the event is the answer, if it arrives.
    fn perform(&mut self, action: Action) -> Option<Event> {
        self.now += self.chance.below(300);
        match action {
            Action::Create => Some(self.create()),
            Action::Find => Some(self.find()),
            Action::Poll(remote) => Some(Event::Polled(self.poll(&remote))),
            Action::Observe => Some(self.observe()),
            Action::Drain => Some(Event::Drained),
            Action::Destroy(remote) => Some(self.destroy(remote)),
            Action::Warn { .. } => None,
        }
    }

    fn create(&mut self) -> Event {
        self.creates += 1;
        assert_eq!(self.creates, 1, "a lease created twice");
        let remote = RemoteId(format!("m{}", self.creates));
        if self.fault(5) {
            return Event::CreateFailed { made: None, why: "stock-out".into() };
        }
        if self.fault(8) {
            return Event::CreateUnsure;
        }
        let lag = if self.lists_are_current { 0 } else { self.chance.below(LAG_MAX_MS) };
        let machine =
            Machine { made_at: self.now, visible_at: self.now + lag, ends_at: None, stopped: false };
        self.machines.insert(remote.clone(), machine);
        if self.fault(6) {
            return Event::CreateUnsure;
        }
        if self.fault(8) {
            return Event::CreateFailed { made: Some(remote), why: "made, and billed, and broken".into() };
        }
        Event::Created(remote)
    }

    fn find(&mut self) -> Event {
        if self.fault(5) {
            return Event::FindFailed;
        }
        let visible = |(remote, machine): (&RemoteId, &Machine)| {
            (self.exists(remote) && self.now >= machine.visible_at).then(|| remote.clone())
        };
        let remotes: Vec<RemoteId> = self.machines.iter().filter_map(visible).collect();
        self.accepted.retain(|remote| !remotes.contains(remote));
        Event::Found { remotes, certain: self.lists_are_current }
    }

    fn poll(&mut self, remote: &RemoteId) -> Seen {
        if self.fault(6) {
            return Seen::Unknown;
        }
        if !self.exists(remote) {
            return Seen::Absent;
        }
        let breaks = self.fault(25);
        let booted_after = 1_000 + self.chance.below(3_000);
        let machine = self.machines.get_mut(remote).expect("it exists");
        machine.stopped |= breaks;
        match machine {
            machine if machine.stopped => Seen::Stopped("taken away".into()),
            machine if self.now < machine.made_at + booted_after => Seen::Booting,
            _ => Seen::Running,
        }
    }

    fn observe(&mut self) -> Event {
        let serves = self.machines.iter().any(|(remote, machine)| self.exists(remote) && !machine.stopped);
        if !serves || self.fault(6) {
            return Event::Silent("no answer".into());
        }
        Event::Observed(Activity {
            quiet_ms: self.chance.below(12_000),
            holding: self.chance.one_in(3),
            computing_here: self.fault(6),
        })
    }

    fn destroy(&mut self, remote: RemoteId) -> Event {
        assert!(
            !self.accepted.contains(&remote),
            "{remote} was destroyed again, though its end was accepted"
        );
        if self.fault(3) {
            return Event::DestroyFailed(remote);
        }
        let takes = self.chance.below(2_000);
        if let Some(machine) = self.machines.get_mut(&remote) {
            machine.ends_at.get_or_insert(self.now + takes);
        }
        self.accepted.push(remote.clone());
        Event::Destroyed(remote)
    }
}

struct History {
    world: World,
    state: State,
    /// What a new agent would read.
    disk: State,
    queue: VecDeque<Action>,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let lists_are_current = chance.one_in(2);
        let world = World {
            chance,
            now: 1_000_000,
            lists_are_current,
            machines: HashMap::new(),
            creates: 0,
            peaceful: false,
            accepted: vec![],
        };
        Self { world, state: State::Intent, disk: State::Intent, queue: VecDeque::new() }
    }

    fn feed(&mut self, event: Event) {
        let before = self.state.clone();
        let (state, actions) = step(before.clone(), event, self.world.now, &RULES);
        if state.must_be_recorded_after(&before) {
            self.disk = state.clone();
        }
        self.state = state;
        self.queue.extend(actions);
        self.check();
    }

    fn check(&self) {
        let billed = self.world.billed();
        assert!(billed.len() <= 1, "{billed:?} are billed for one lease");
        if matches!(self.state, State::Gone { .. }) {
            assert!(billed.is_empty(), "{:?}, but {billed:?} is billed", self.state);
        }
        if let State::Creating { .. } = self.state {
            assert!(matches!(self.disk, State::Creating { .. }), "the create was not written down before");
        }
    }

    fn advance(&mut self) {
        match self.queue.pop_front() {
            Some(action) => {
                if let Some(event) = self.world.perform(action) {
                    if self.world.fault(40) {
                        // It was done, and the agent died before it heard.
                        return self.crash();
                    }
                    self.feed(event);
                }
            }
            None => {
                self.world.now += farwarp_provisioner::lease::pause(&self.state, &RULES).unwrap_or(100);
                self.feed(Event::Tick);
            }
        }
    }

    fn crash(&mut self) {
        self.queue.clear();
        self.state = self.disk.clone();
        // The new agent knows of no answer that the old one had and did not write down.
        self.world.accepted.clear();
        self.feed(Event::Resumed);
    }

    fn meddle(&mut self) {
        match self.world.chance.below(30) {
            0 => self.crash(),
            1 => self.feed(Event::End("asked to end".into())),
            2..6 => self.feed(Event::Attached),
            6 => self.world.now += 10_000,
            _ => {}
        }
    }

    fn run(&mut self) {
        self.feed(Event::Begin);
        for _ in 0..STEPS {
            self.advance();
            self.meddle();
        }
        self.world.peaceful = true;
        self.feed(Event::End("the end".into()));
        for _ in 0..PEACEFUL_STEPS_MAX {
            if matches!(self.state, State::Gone { .. }) {
                return;
            }
            self.advance();
        }
        panic!("it does not end: {:?}", self.state);
    }
}

#[test]
fn no_history_leaves_a_machine_makes_two_or_destroys_one_twice() {
    let mut reached: HashMap<&str, usize> = HashMap::new();
    let mut made = 0;
    for seed in 0..HISTORIES {
        let outcome = std::panic::catch_unwind(|| {
            let mut history = History::new(seed);
            history.run();
            (history.world.machines.len(), history.state.end().unwrap_or_default().to_owned())
        });
        let (machines, why) =
            outcome.unwrap_or_else(|_| panic!("the history of seed {seed} breaks a promise"));
        made += machines;
        let kind =
            ["quiet", "device memory", "asked", "the end", "taken", "vanished", "answer", "rented", "stock"]
                .into_iter()
                .find(|kind| why.contains(kind));
        *reached.entry(kind.unwrap_or("other")).or_default() += 1;
    }
    // The histories are worth something only if they go all ways.
    assert!(made as u64 > HISTORIES / 2, "only {made} machines were made");
    for kind in ["quiet", "asked", "taken", "answer", "rented", "stock"] {
        assert!(
            reached.get(kind).is_some_and(|count| *count > 20),
            "too few histories end by '{kind}': {reached:?}"
        );
    }
}

fn serving_since(since: u64) -> State {
    let remote = RemoteId("m".into());
    let booting = State::Booting { remote, since };
    step(booting, Event::Observed(idle(0, false)), since, &RULES).0
}

fn idle(quiet_ms: u64, holding: bool) -> Activity {
    Activity { quiet_ms, holding, computing_here: false }
}

#[test]
fn a_server_is_ended_after_its_quiet_period_and_not_before() {
    let ready = serving_since(100_000);
    let (quiet, actions) = step(ready, Event::Observed(idle(7_999, false)), 107_999, &RULES);
    assert_eq!((quiet.name(), actions), ("quiet", vec![]));
    let (draining, actions) = step(quiet, Event::Observed(idle(8_000, false)), 108_000, &RULES);
    assert_eq!((draining.name(), actions), ("draining", vec![Action::Drain]));
}

#[test]
fn who_has_just_been_given_the_ticket_is_given_time() {
    let (quiet, _) = step(serving_since(100_000), Event::Observed(idle(7_000, false)), 107_000, &RULES);
    let (ready, _) = step(quiet, Event::Attached, 107_500, &RULES);
    // The server itself has seen no call for longer than the period.
    let (still, actions) = step(ready, Event::Observed(idle(9_000, false)), 109_000, &RULES);
    assert_eq!((still.name(), actions), ("quiet", vec![]));
    assert_eq!(still.quiet_left_ms(109_000, &RULES), Some(6_500));
}

#[test]
fn device_memory_is_held_longer_and_not_at_all_while_its_program_computes() {
    let ready = serving_since(100_000);
    let (quiet, actions) = step(ready.clone(), Event::Observed(idle(20_000, true)), 120_000, &RULES);
    assert_eq!((quiet.name(), actions), ("quiet", vec![]));
    let (draining, _) = step(quiet, Event::Observed(idle(30_000, true)), 130_000, &RULES);
    assert_eq!(draining.name(), "draining");
    let computing = Activity { computing_here: true, ..idle(90_000, true) };
    let (busy, actions) = step(ready, Event::Observed(computing), 190_000, &RULES);
    assert_eq!((busy.name(), actions), ("busy", vec![]));
}

#[test]
fn those_who_hold_memory_are_warned_three_times_and_once_each() {
    let rules = Rules { hold_ms: None, ..RULES };
    let mut state = serving_since(0);
    let mut warned = vec![];
    for minute in 0..=60 {
        let quiet_ms = minute * 60_000;
        let (next, actions) = step(state, Event::Observed(idle(quiet_ms.max(1_000), true)), quiet_ms, &rules);
        warned.extend(actions.iter().map(|action| (minute, action.clone())));
        state = next;
    }
    let at = |minute: u64| (minute, Action::Warn { quiet_ms: minute * 60_000, left_ms: None });
    assert_eq!(warned, [at(5), at(15), at(30)]);
}

#[test]
fn an_absence_counts_only_when_it_is_certain_or_seen_twice() {
    let destroying = State::Destroying { left: vec![], absent: None, why: "over".into() };
    let none = |certain| Event::Found { remotes: vec![], certain };
    assert_eq!(step(destroying.clone(), none(true), 0, &RULES).0.name(), "gone");
    let (once, _) = step(destroying, none(false), 0, &RULES);
    let (soon, _) = step(once.clone(), none(false), 4_999, &RULES);
    assert_eq!(soon.name(), "destroying");
    let seen = Event::Found { remotes: vec![RemoteId("m".into())], certain: false };
    let (again, _) = step(once.clone(), seen, 5_000, &RULES);
    assert_eq!(step(again, none(false), 5_001, &RULES).0.name(), "destroying", "it was there in between");
    assert_eq!(step(once, none(false), 5_000, &RULES).0.name(), "gone");
}
