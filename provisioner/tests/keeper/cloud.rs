//! A provider in memory, with faults that can be chosen, a server that is quiet, and a clock that stands until it is moved.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use farwarp_link::identity::Identity;
use farwarp_protocol::admission::ServerStatus;
use farwarp_protocol::ticket::{KeyPin, Secret, Ticket};
use farwarp_provisioner::clock::{Clock, Moment};
use farwarp_provisioner::config::{Budget, Local, Profile};
use farwarp_provisioner::control::{Dialler, ServerControl};
use farwarp_provisioner::cost::{Meter, MicroDollars, Price};
use farwarp_provisioner::keeper::Tools;
use farwarp_provisioner::lease::State;
use farwarp_provisioner::ledger::{Ledger, Record};
use farwarp_provisioner::provider::{
    Account, Capabilities, Condition, Listed, Need, Offer, Order, Owner, Provider, ProviderError, Reach,
    RemoteId, Tag, Traits,
};
use farwarp_provisioner::purse::Purse;

use super::Points;

#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    pub create_answer_lost: bool,
    pub made_but_failed: bool,
    /// A machine is in no list until the second one after its birth.
    pub lists_lag: bool,
    pub destroy_fails_first: usize,
}

pub struct Cloud {
    points: Arc<Points>,
    faults: Faults,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    alive: BTreeMap<RemoteId, (Tag, usize)>,
    creates: usize,
    destroy_failures: usize,
}

impl Cloud {
    pub fn new(points: Arc<Points>, faults: Faults) -> Self {
        Self { points, faults, inner: Mutex::default() }
    }

    pub fn creates(&self) -> usize {
        self.inner.lock().unwrap().creates
    }

    pub fn alive(&self) -> usize {
        self.inner.lock().unwrap().alive.len()
    }
}

impl Provider for Cloud {
    fn name(&self) -> &'static str {
        "cloud"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            udp: true,
            list_is_current: !self.faults.lists_lag,
            poll_is_current: false,
            create_is_idempotent: false,
            ends_by_itself: false,
            may_end_itself: false,
            spot: false,
            log_is_here: true,
            poll_ms: 20,
        }
    }

    fn preflight(&self) -> Result<Account, ProviderError> {
        Ok(Account::default())
    }

    fn offers(&self, _need: &Need) -> Result<Vec<Offer>, ProviderError> {
        Ok(vec![offer()])
    }

    fn create(&self, _offer: &Offer, order: &Order, _: &Identity) -> Result<RemoteId, ProviderError> {
        self.points.pass();
        let remote = {
            let mut inner = self.inner.lock().unwrap();
            inner.creates += 1;
            let remote = RemoteId(format!("m{}", inner.creates));
            inner.alive.insert(remote.clone(), (order.tag.clone(), 0));
            remote
        };
        self.points.pass();
        if self.faults.create_answer_lost {
            return Err(ProviderError::Lost("timed out".into()));
        }
        if self.faults.made_but_failed {
            return Err(ProviderError::MadeButFailed { remote, why: "bid too low".into() });
        }
        Ok(remote)
    }

    fn poll(&self, remote: &RemoteId) -> Result<Condition, ProviderError> {
        self.points.pass();
        let ticket = Ticket { address: "h:1".into(), key: KeyPin([1; 32]), secret: Secret([2; 32]) };
        let exists = self.inner.lock().unwrap().alive.contains_key(remote);
        Ok(if exists { Condition::Running(Reach::Ticket(ticket)) } else { Condition::Absent })
    }

    fn destroy(&self, remote: &RemoteId) -> Result<(), ProviderError> {
        self.points.pass();
        {
            let mut inner = self.inner.lock().unwrap();
            if inner.destroy_failures < self.faults.destroy_fails_first {
                inner.destroy_failures += 1;
                return Err(ProviderError::Transient("503".into()));
            }
            inner.alive.remove(remote);
        }
        self.points.pass();
        Ok(())
    }

    fn list(&self, owner: &Owner) -> Result<Vec<Listed>, ProviderError> {
        self.points.pass();
        let mut inner = self.inner.lock().unwrap();
        let hidden_lists = usize::from(self.faults.lists_lag);
        let mut listed = vec![];
        for (remote, (tag, lists)) in &mut inner.alive {
            *lists += 1;
            if tag.owner == *owner && *lists > hidden_lists {
                listed.push(Listed { remote: remote.clone(), tag: tag.clone() });
            }
        }
        Ok(listed)
    }

    fn logs(&self, _remote: &RemoteId, _tail_bytes: usize) -> Result<String, ProviderError> {
        Ok(String::new())
    }
}

/// A server on which nobody computes, as long as its machine exists.
pub struct FakeDialler(pub Arc<Cloud>);

struct FakeControl(Arc<Cloud>);

impl Dialler for FakeDialler {
    fn dial(&self, _ticket: &Ticket) -> Result<Box<dyn ServerControl>, String> {
        Ok(Box::new(FakeControl(self.0.clone())))
    }
}

impl FakeControl {
    fn alive(&self) -> Result<(), String> {
        if self.0.alive() > 0 { Ok(()) } else { Err("nobody there".into()) }
    }
}

impl ServerControl for FakeControl {
    fn status(&mut self) -> Result<ServerStatus, String> {
        self.0.points.pass();
        self.alive()?;
        Ok(ServerStatus { quiet_ms: u64::MAX / 2, ..Default::default() })
    }

    fn renew(&mut self, _ttl: Duration) -> Result<(), String> {
        self.alive()
    }

    fn shutdown(&mut self) -> Result<(), String> {
        self.0.points.pass();
        self.alive()
    }
}

#[derive(Default)]
pub struct FakeClock(AtomicU64);

impl FakeClock {
    pub fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> u64 {
        // Nothing takes no time at all.
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    fn wall(&self) -> u64 {
        1_700_000_000_000 + self.0.load(Ordering::Relaxed)
    }
}

fn offer() -> Offer {
    let price = Price { per_hour: MicroDollars(3_600_000), ..Price::default() };
    Offer { id: "o1".into(), description: "a machine".into(), price, host: None, traits: Traits::default() }
}

pub fn tools(
    cloud: &Arc<Cloud>,
    dialler: &Arc<FakeDialler>,
    ledger: &Arc<Ledger>,
    clock: &Arc<FakeClock>,
) -> Tools {
    Tools {
        provider: cloud.clone(),
        dialler: dialler.clone(),
        ledger: ledger.clone(),
        clock: clock.clone(),
        purse: Arc::new(Purse::default()),
        logs: std::env::temp_dir(),
        boot_id: "boot".into(),
    }
}

pub fn record(id: &str, owner: &Owner, clock: &dyn Clock) -> Record {
    Record {
        id: id.into(),
        provider: "cloud".into(),
        gpu: None,
        table: 0,
        offer: offer(),
        order: Order {
            tag: Tag { owner: owner.clone(), lease: id.into() },
            ttl: Duration::from_secs(60),
            idle: Duration::from_secs(60),
            resume_grace: Duration::from_secs(2),
            lifetime: None,
            environment: BTreeMap::new(),
            server: None,
        },
        rules: Profile::default().rules(&Local::default().terms(), 20),
        state: State::Intent,
        meter: Meter::default(),
        metered: Moment::of(clock, "boot"),
        opened_wall_ms: clock.wall(),
        closed_wall_ms: None,
        remotes: vec![],
        served: false,
        failure: None,
        budget: Budget { session: None, day: None, month: None },
    }
}
