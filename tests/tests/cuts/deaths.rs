//! One of the three is killed, at any moment: the others hear soon, and nothing is left of it.

use std::fs;
use std::process::Command;
use std::time::Duration;

use farwarp_tests::{Household, Outcome, Product, Road, Running, Server, run, start, wait_until};

use crate::{LIMIT, soaks};

/// The calls of tests/programs/steps.c.
const CALLS: u32 = 200;
/// How soon a program must know that its session is lost: a dead worker is told at once, a dead gate after some seconds of
/// silence or refusal. On a busy machine it is later.
const HEARS_LIMIT: Duration = Duration::from_secs(20);
/// How soon nothing is left of a killed client.
const CLEAN_LIMIT: Duration = Duration::from_secs(10);

/// Calls before which something happens: all of them, or some that are of different kinds.
fn moments(what: &str) -> Vec<u32> {
    if soaks(what) { (1..=CALLS).collect() } else { vec![1, 8, 12, 55, 134, 200] }
}

/// The reasons of ended sessions, and what the allocator keeps.
const RESIDENT_GROWTH_MAX: u64 = 2 << 20;

/// The program, stopped before that call.
fn stopped(server: &Server, call: u32) -> (Running, std::path::PathBuf) {
    let go = server.file(&format!("go-{call}"));
    let program = Product::find().program("steps.driver");
    let mut running = start(server.command(&program).arg(call.to_string()).arg(&go));
    running.says(&format!("before call {call}\n"), LIMIT);
    (running, go)
}

pub fn signal(process: u32, signal: &str) {
    let outcome = run(Command::new("kill").args([signal, &process.to_string()]), LIMIT);
    assert!(outcome.status.success(), "{signal} to {process}: {outcome}");
}

/// It was told that its session is lost: by one line, and by an error of the fatal kind that every later call repeats.
pub fn heard(outcome: &Outcome) {
    let said = String::from_utf8_lossy(&outcome.stdout);
    assert_eq!(outcome.status.code(), Some(3), "{outcome}");
    assert!(said.ends_with(": CUDA_ERROR_LAUNCH_FAILED\n"), "{outcome}");
    let stderr = String::from_utf8_lossy(&outcome.stderr);
    let lost = stderr.lines().filter(|line| line.starts_with("farwarp: the session is lost")).count();
    assert_eq!(lost, 1, "{outcome}");
}

/// What a gate holds: descriptors, and threads.
pub fn held(server: &Server) -> (usize, usize) {
    let count =
        |folder: &str| fs::read_dir(format!("/proc/{}/{folder}", server.id())).map_or(0, Iterator::count);
    (count("fd"), count("task"))
}

fn resident_bytes(server: &Server) -> u64 {
    let statm = fs::read_to_string(format!("/proc/{}/statm", server.id())).unwrap_or_default();
    let pages: u64 =
        statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).expect("a number of pages");
    pages * rustix::param::page_size() as u64
}

/// The other session, to which nothing may happen.
struct Bystander {
    program: Running,
    stop: std::path::PathBuf,
}

impl Bystander {
    fn start(server: &Server) -> Self {
        let stop = server.file("stop");
        let mut program = start(server.command(&Product::find().program("steady.driver")).arg(&stop));
        program.says("it runs", LIMIT);
        Self { program, stop }
    }

    fn was_unharmed(self, server: &Server) {
        fs::write(&self.stop, "").expect("a file in a folder of ours");
        let outcome = self.program.finish(LIMIT);
        assert!(outcome.status.success(), "{outcome}\n{}", server.log());
    }
}

#[test]
fn a_client_killed_at_any_call_leaves_nothing_behind() {
    let server = Server::start();
    let other = Bystander::start(&server);
    let (worker, before) = (server.workers(), held(&server));
    let mut resident = Vec::new();
    for call in moments("a client killed at each of 200 calls") {
        let (mut program, _) = stopped(&server, call);
        program.kill();
        server.until("its worker is gone", CLEAN_LIMIT, || server.workers() == worker);
        server.until("the gate holds what it held", CLEAN_LIMIT, || held(&server) == before);
        resident.push(resident_bytes(&server));
    }
    // What the first session made it reserve it keeps for the next.
    let (first, last) = (resident[0], resident[resident.len() - 1]);
    println!(
        "the gate's memory: {first} bytes after the first, {last} after {} killed clients",
        resident.len()
    );
    assert!(last < first + RESIDENT_GROWTH_MAX, "{resident:?}");
    other.was_unharmed(&server);
}

#[test]
fn a_program_whose_worker_is_killed_at_any_call_hears_so_and_no_other_does() {
    let server = Server::start();
    let other = Bystander::start(&server);
    let (worker, before) = (server.workers(), held(&server));
    for call in moments("a worker killed at each of 200 calls") {
        let (program, go) = stopped(&server, call);
        for victim in server.workers().into_iter().filter(|found| !worker.contains(found)) {
            signal(victim, "-KILL");
        }
        fs::write(&go, "").expect("a file in a folder of ours");
        heard(&program.finish(HEARS_LIMIT));
        server.until("the gate holds what it held", CLEAN_LIMIT, || {
            server.workers() == worker && held(&server) == before
        });
    }
    other.was_unharmed(&server);
}

#[test]
fn a_program_whose_gate_is_killed_at_any_call_hears_so_within_seconds() {
    // Each with a gate of its own, and most of the time is waiting.
    for calls in moments("a gate killed at each of 200 calls").chunks(8) {
        std::thread::scope(|scope| {
            for call in calls {
                scope.spawn(|| gate_killed_before(*call));
            }
        });
    }
}

fn gate_killed_before(call: u32) {
    let mut server = Server::with_grace(Duration::from_secs(120));
    let (program, go) = stopped(&server, call);
    let workers = server.workers();
    assert_eq!(workers.len(), 1, "{workers:?}");
    server.kill();
    fs::write(&go, "").expect("a file in a folder of ours");
    heard(&program.finish(HEARS_LIMIT));
    let is_gone = || !fs::exists(format!("/proc/{}", workers[0])).unwrap_or(true);
    assert!(wait_until(CLEAN_LIMIT, is_gone), "the worker outlives its gate");
}

#[test]
fn after_the_gate_of_an_agents_server_was_killed_the_next_program_works() {
    let (product, household) = (Product::find(), Household::new());
    let program = product.program("steps.driver");
    let go = household.runtime().with_file_name("go");
    let command = || {
        let mut command = product.on(Road::Remote, &household, &program);
        command.arg("150").arg(&go).env("FARWARP_QUIET", "1");
        command
    };
    let mut first = start(&mut command());
    first.says("before call 150\n", LIMIT);
    signal(household.server().expect("a server of the agent's"), "-KILL");
    fs::write(&go, "").expect("a file in a folder of ours");
    heard(&first.finish(HEARS_LIMIT));
    let next = run(&mut command(), LIMIT);
    assert!(next.status.success(), "{next}");
    assert!(String::from_utf8_lossy(&next.stdout).ends_with("steps: 200 calls, wrong=0\n"), "{next}");
}
