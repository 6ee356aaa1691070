//! The `farwarp` command as tests need it: its agent reads the cloud's clock, and dies at the point that it is told.
//!
//! A point is a moment at which something has been done and not heard of, or is about to be: before and after each step of a
//! write to the disk, and before, within and after each request to a provider. It dies as a process does that is killed.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use farwarp_protocol::admission::ServerStatus;
use farwarp_protocol::ticket::Ticket;
use farwarp_provisioner::agent::{self, Parts};
use farwarp_provisioner::clock::Clock;
use farwarp_provisioner::control::{Dialler, LinkDialler, ServerControl};
use farwarp_provisioner::http::{Answer, Http, HttpError, Network, Request};
use farwarp_provisioner::ledger::{Disk, RealDisk};
use farwarp_provisioner::{cli, places};
use farwarp_tests::fakecloud::clock::SharedClock;
use rustix::process::{Signal, getpid, kill_process};

/// Not names of ours: those would be taken out of the agent's environment.
const CLOCK: &str = "TEST_AGENT_CLOCK";
const DIES_AT: &str = "TEST_AGENT_DIES_AT";
/// Where the number of points that were passed is written, so that others know how many there are.
const POINTS: &str = "TEST_AGENT_POINTS";

const LINGER: Duration = Duration::from_millis(300);

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() != Some("agent") {
        return cli::main();
    }
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> anyhow::Result<()> {
    let paths = places::paths();
    paths.prepare_runtime()?;
    let state = places::State::prepare(&paths)?;
    let log = std::fs::File::options().append(true).create(true).open(state.agent_log())?;
    tracing_subscriber::fmt().with_ansi(false).with_writer(std::sync::Mutex::new(log)).init();
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let points = Arc::new(Points {
        passed: AtomicUsize::new(0),
        deadly: number(DIES_AT),
        count: std::env::var_os(POINTS).map(PathBuf::from),
    });
    let clock = SharedClock::open(Path::new(&std::env::var_os(CLOCK).unwrap_or_default()));
    let parts = Parts {
        disk: Box::new(DeadlyDisk(points.clone())),
        http: Arc::new(DeadlyNetwork { network: Network::new(), points }),
        dialler: Arc::new(ClockedDialler { clock: clock.clone() }),
        clock: Arc::new(clock),
    };
    Ok(agent::run(paths, &state, LINGER, parts)?)
}

/// A server knows only the machine's clock; what it says of quiet is translated into the cloud's.
struct ClockedDialler {
    clock: SharedClock,
}

struct ClockedControl {
    inner: Box<dyn ServerControl>,
    clock: SharedClock,
    /// The last call: the latest that it can have been by the machine's clock, and when it was seen by the cloud's.
    last_call: Option<(Instant, u64)>,
}

/// What is rounded on the way.
const ROUNDING: Duration = Duration::from_millis(5);

impl Dialler for ClockedDialler {
    fn dial(&self, ticket: &Ticket) -> Result<Box<dyn ServerControl>, String> {
        let inner = LinkDialler.dial(ticket)?;
        Ok(Box::new(ClockedControl { inner, clock: self.clock.clone(), last_call: None }))
    }
}

impl ServerControl for ClockedControl {
    fn status(&mut self) -> Result<ServerStatus, String> {
        let asked = Instant::now();
        let mut status = self.inner.status()?;
        let quiet = Duration::from_millis(status.quiet_ms);
        let ago = |when: Instant| when.checked_sub(quiet).unwrap_or(when);
        // However long the answer took, the call was between the two.
        let (earliest, latest) = (ago(asked), ago(Instant::now()));
        let now = self.clock.now();
        let (_, clock_at) = match self.last_call {
            Some(known) if earliest <= known.0 + ROUNDING => known,
            _ => *self.last_call.insert((latest, now)),
        };
        status.quiet_ms = now - clock_at;
        Ok(status)
    }

    fn renew(&mut self, ttl: Duration) -> Result<(), String> {
        self.inner.renew(ttl)
    }

    fn shutdown(&mut self) -> Result<(), String> {
        self.inner.shutdown()
    }
}

struct Points {
    passed: AtomicUsize,
    deadly: usize,
    count: Option<PathBuf>,
}

impl Points {
    fn pass(&self) {
        let passed = self.passed.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some(path) = &self.count {
            std::fs::write(path, passed.to_string()).expect("a file of the test's");
        }
        if passed == self.deadly {
            kill_process(getpid(), Signal::KILL).expect("a process may kill itself");
        }
    }

    fn around<T>(&self, done: impl FnOnce() -> T) -> T {
        self.pass();
        let result = done();
        self.pass();
        result
    }
}

struct DeadlyDisk(Arc<Points>);

impl Disk for DeadlyDisk {
    fn write_and_sync(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.0.around(|| RealDisk.write_and_sync(path, bytes))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.around(|| RealDisk.rename(from, to))
    }

    fn append_and_sync(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.0.around(|| RealDisk.append_and_sync(path, bytes))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.around(|| RealDisk.remove(path))
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.0.around(|| RealDisk.sync_directory(path))
    }
}

struct DeadlyNetwork {
    network: Network,
    points: Arc<Points>,
}

impl Http for DeadlyNetwork {
    fn send(&self, request: &Request) -> Result<Answer, HttpError> {
        self.points.around(|| self.network.send(request))
    }
}
