//! The agent dies at every single point of a lease's life where it touches the disk or the provider, and a new one takes over.

mod cloud;

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cloud::{Cloud, FakeClock, FakeDialler, record, tools};
use farwarp_provisioner::keeper::Keeper;
use farwarp_provisioner::lease::{Event, State, pause};
use farwarp_provisioner::ledger::{self, Disk, Ledger, RealDisk};
use farwarp_provisioner::provider::Provider;
use farwarp_provisioner::reaper;

/// Counts the points at which the agent could die, and dies at the chosen one.
#[derive(Default)]
pub struct Points {
    passed: AtomicUsize,
    deadly: AtomicUsize,
}

/// What the agent dies of; anything else is a real failure of the test.
struct Death;

impl Points {
    fn deadly_at(point: usize) -> Arc<Self> {
        Arc::new(Self { passed: AtomicUsize::new(0), deadly: AtomicUsize::new(point) })
    }

    pub fn pass(&self) {
        if self.passed.fetch_add(1, Ordering::Relaxed) + 1 == self.deadly.load(Ordering::Relaxed) {
            panic_any(Death);
        }
    }
}

/// Dies before, in the middle of, and after each step of a write.
struct DeadlyDisk(Arc<Points>);

impl DeadlyDisk {
    fn around<T>(&self, done: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.0.pass();
        let result = done();
        self.0.pass();
        result
    }
}

impl Disk for DeadlyDisk {
    fn write_and_sync(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.around(|| {
            // Half of it, as a power cut leaves it.
            RealDisk.write_and_sync(path, &bytes[..bytes.len() / 2])?;
            self.0.pass();
            RealDisk.write_and_sync(path, bytes)
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.around(|| RealDisk.rename(from, to))
    }

    fn append_and_sync(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.around(|| {
            if self.0.passed.load(Ordering::Relaxed) + 1 == self.0.deadly.load(Ordering::Relaxed) {
                RealDisk.append_and_sync(path, &bytes[..bytes.len() / 2])?;
            }
            self.0.pass();
            RealDisk.append_and_sync(path, bytes)
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.around(|| RealDisk.remove(path))
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.around(|| RealDisk.sync_directory(path))
    }
}

/// Carries leases out until they are gone, as the agent's threads do.
fn carry_out(mut keeper: Keeper, clock: &FakeClock) {
    if *keeper.state() == State::Intent {
        keeper.feed(Event::Begin);
    }
    for _ in 0..500 {
        if let State::Gone { .. } = keeper.state() {
            return keeper.close();
        }
        let event = match keeper.has_actions() {
            true => keeper.perform_next(&[]),
            false => {
                clock.advance(pause(keeper.state(), &keeper.record().rules).unwrap_or(0));
                Some(Event::Tick)
            }
        };
        event.into_iter().for_each(|event| keeper.feed(event));
    }
    panic!("the lease does not end: {:?}", keeper.state());
}

/// One agent's life over a state directory: what was left, then strays, then (if asked) a new lease.
fn agent_life(dir: &Path, cloud: &Arc<Cloud>, points: &Arc<Points>, open: bool) {
    let clock = Arc::new(FakeClock::default());
    let ledger = Arc::new(Ledger::open_on(dir, Box::new(DeadlyDisk(points.clone()))).unwrap());
    let tools = tools(cloud, &Arc::new(FakeDialler(cloud.clone())), &ledger, &clock);
    for record in ledger.unfinished().unwrap() {
        carry_out(Keeper::resume(record, tools.clone()), &clock);
    }
    let listed = cloud.list(ledger.owner()).unwrap();
    for stray in reaper::strays(&listed, ledger.owner(), &[]) {
        cloud.destroy(&stray).unwrap();
    }
    if open {
        let keeper = Keeper::open(record("aaaa11112222", ledger.owner(), &*clock), tools).unwrap();
        carry_out(keeper, &clock);
    }
}

/// How many points a life has in which nobody dies.
fn points_of_a_whole_life(faults: cloud::Faults) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let points = Points::deadly_at(0);
    let cloud = Arc::new(Cloud::new(points.clone(), faults));
    agent_life(dir.path(), &cloud, &points, true);
    assert_eq!(cloud.creates(), 1);
    assert_eq!(cloud.alive(), 0);
    points.passed.load(Ordering::Relaxed)
}

fn dies_at_every_point(faults: cloud::Faults) -> usize {
    let points_max = points_of_a_whole_life(faults);
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let outcomes: Vec<_> = (1..=points_max).map(|point| catch_unwind(|| dies_at(point, faults))).collect();
    std::panic::set_hook(hook);
    for (point, outcome) in outcomes.into_iter().enumerate() {
        if let Err(panic) = outcome {
            eprintln!("death at point {} of {points_max}, {faults:?}", point + 1);
            resume_unwind(panic);
        }
    }
    points_max
}

fn dies_at(point: usize, faults: cloud::Faults) {
    let dir = tempfile::tempdir().unwrap();
    let points = Points::deadly_at(point);
    let cloud = Arc::new(Cloud::new(points.clone(), faults));
    let death = catch_unwind(AssertUnwindSafe(|| agent_life(dir.path(), &cloud, &points, true)));
    if let Err(panic) = death
        && !panic.is::<Death>()
    {
        resume_unwind(panic);
    }
    assert!(points.passed.load(Ordering::Relaxed) >= point, "it did not die");
    // The next agent opens no lease of its own: all that it does is the dead one's business.
    agent_life(dir.path(), &cloud, &points, false);
    assert_eq!(cloud.alive(), 0, "a machine was left");
    assert!(cloud.creates() <= 1, "the lease was created {} times", cloud.creates());
    assert_eq!(ledger::peek(dir.path()).unwrap(), [], "a lease was left");
    let history = ledger::history(dir.path()).unwrap();
    let ended = history.iter().filter(|record| matches!(record.state, State::Gone { .. })).count();
    assert_eq!(ended, history.len());
    assert!(cloud.creates() == 0 || ended == 1, "what was rented is not in the history");
}

#[test]
fn an_agent_that_dies_at_any_point_leaves_nothing_behind() {
    let mut points = 0;
    for lost in [false, true] {
        for lag in [false, true] {
            points += dies_at_every_point(cloud::Faults {
                create_answer_lost: lost,
                lists_lag: lag,
                ..Default::default()
            });
        }
    }
    points += dies_at_every_point(cloud::Faults { destroy_fails_first: 2, ..Default::default() });
    points += dies_at_every_point(cloud::Faults { made_but_failed: true, ..Default::default() });
    assert!(points >= 200, "only {points} points were tried");
}

#[test]
fn what_cannot_be_written_down_is_not_rented() {
    let dir = tempfile::tempdir().unwrap();
    let points = Points::deadly_at(0);
    let cloud = Arc::new(Cloud::new(points, Default::default()));
    let (clock, ledger) = (Arc::new(FakeClock::default()), Arc::new(Ledger::open(dir.path()).unwrap()));
    let tools = tools(&cloud, &Arc::new(FakeDialler(cloud.clone())), &ledger, &clock);
    let mut keeper = Keeper::open(record("aaaa11112222", ledger.owner(), &*clock), tools).unwrap();
    fs::remove_dir_all(dir.path().join("leases")).unwrap();
    keeper.feed(Event::Begin);
    assert!(matches!(keeper.state(), State::Gone { why } if why.contains("ledger")), "{:?}", keeper.state());
    assert!(!keeper.has_actions());
    assert_eq!(cloud.creates(), 0);
}

#[test]
fn the_whole_life_of_a_lease_is_paid_for_to_the_micro_dollar() {
    let dir = tempfile::tempdir().unwrap();
    let points = Points::deadly_at(0);
    let cloud = Arc::new(Cloud::new(points, Default::default()));
    let (clock, ledger) = (Arc::new(FakeClock::default()), Arc::new(Ledger::open(dir.path()).unwrap()));
    let tools = tools(&cloud, &Arc::new(FakeDialler(cloud.clone())), &ledger, &clock);
    let mut keeper = Keeper::open(record("aaaa11112222", ledger.owner(), &*clock), tools).unwrap();
    clock.advance(12_345);
    keeper.feed(Event::Begin);
    let rented = keeper.record().metered.now_ms;
    carry_out(keeper, &clock);
    let history = ledger::history(dir.path()).unwrap();
    let [record] = &history[..] else { panic!("one lease, not {}", history.len()) };
    let cost = record.meter.cost(&record.offer.price);
    // From the request to the proof of the end; 3.60 dollars an hour are a micro-dollar a millisecond.
    let lived_ms = record.metered.now_ms - rented;
    assert_eq!(cost.micro_dollars, lived_ms);
    assert_eq!(cost.boot_ms + cost.busy_ms + cost.idle_ms, cost.micro_dollars);
    assert!(cost.boot_ms > 0 && cost.idle_ms >= record.rules.quiet_ms, "{cost:?}");
}

#[test]
fn a_second_agent_on_the_same_state_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = Ledger::open(dir.path()).unwrap();
    assert!(matches!(Ledger::open(dir.path()), Err(ledger::LedgerError::Locked { .. })));
    let owner = first.owner().clone();
    drop(first);
    assert_eq!(*Ledger::open(dir.path()).unwrap().owner(), owner, "the owner stays the same for ever");
}

#[test]
fn a_file_that_is_no_lease_is_put_aside_and_keeps_nobody_from_working() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).unwrap();
    fs::write(dir.path().join("leases/x.json"), "{\"half\":").unwrap();
    assert_eq!(ledger.unfinished().unwrap(), []);
    assert!(dir.path().join("leases/x.malformed").is_file());
}
