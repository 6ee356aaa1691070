//! What a client that has taken its worker over can do from there: nothing. Its attacks are a libcuda that the worker loads.

mod support;

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use farwarp_hostile::{DONE, ORDER, STOPPED, UNKNOWN};
use farwarp_link::{DialError, Purpose, dial};
use farwarp_protocol::call::HELLO;
use farwarp_protocol::codec;
use farwarp_protocol::frame::{FLAG_ASKED, Header, RecordKind};
use farwarp_protocol::session::{Half, Session};
use farwarp_protocol::snapshot::Hello;
use support::{Client, PATIENCE, Server, table, until};

/// What came of an attack.
#[derive(Debug, PartialEq)]
enum Outcome {
    Worked,
    /// With the number of the error.
    Refused(i32),
    /// The session ended without an answer, for this reason.
    Ended(String),
}

/// The hostile library, where a worker without any rights can read it.
fn driver() -> PathBuf {
    let built = Path::new(env!("CARGO_BIN_EXE_farwarp-server")).parent().unwrap();
    let places = [built.join("deps/libfarwarp_hostile.so"), built.join("libfarwarp_hostile.so")];
    let found = places.into_iter().find(|place| place.exists());
    found.expect("the dev-dependency has it built")
}

/// A client whose hello has its worker do this.
fn order(server: &Server, order: &str) -> Outcome {
    let mut client = Client::new(&server.ticket);
    let mut session = Session::new();
    session.reconnect();
    let variables = vec![(ORDER.to_owned(), order.to_owned())];
    let hello = Hello { table: table(), variables, free_ranges: Vec::new() };
    let header = Header {
        kind: RecordKind::Call,
        op: HELLO,
        number: 0,
        about: 0,
        slot: 0,
        flags: FLAG_ASKED,
        code: 0,
        body_bytes: 0,
    };
    session.push(header, &[&codec::encode(&hello)]).unwrap();
    let until = Instant::now() + PATIENCE;
    let mut buffer = [0; 4096];
    loop {
        assert!(Instant::now() < until, "{order}: neither an answer nor an end");
        let pending = session.pending();
        let written = if pending.is_empty() { Ok(0) } else { client.link.write(pending) };
        let moved = written.and_then(|written| {
            session.taken(written);
            client.link.drive(Instant::now())?;
            client.link.read(&mut buffer)
        });
        match moved {
            Ok(count) => session.receive(&buffer[..count]),
            // The end of a session whose driver failed may overtake its answer, and says the same.
            Err(_) => {
                let why = why_ended(server, &client);
                let code =
                    why.rsplit_once("cuInit failed with CUDA error ").and_then(|(_, code)| code.parse().ok());
                return code.map_or(Outcome::Ended(why), |code| outcome(order, code));
            }
        }
        if let Some(answer) = session.next_record().unwrap() {
            return outcome(order, answer.code);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn outcome(order: &str, code: i32) -> Outcome {
    match code {
        DONE => Outcome::Worked,
        UNKNOWN => panic!("there is no attack {order}"),
        code => Outcome::Refused(code - STOPPED),
    }
}

fn why_ended(server: &Server, client: &Client) -> String {
    let (session, key) = (client.admitted.session, client.admitted.key);
    match dial(&server.ticket, Purpose::Resume { session, key, epoch: 2 }).err() {
        Some(DialError::SessionGone { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

/// What an attacker finds: a secret and a socket that only the jail keeps from it, and a process that is not its own.
struct Scene {
    server: Server,
    place: tempfile::TempDir,
    neighbour: Child,
}

impl Scene {
    fn new(more: &[&str]) -> Self {
        let place = tempfile::tempdir().unwrap();
        let open_to_all = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
        open_to_all(place.path());
        fs::write(place.path().join("secret"), "of somebody else").unwrap();
        open_to_all(&place.path().join("secret"));
        let log = fs::File::create(place.path().join("log")).unwrap();
        let server =
            Server::with_driver(&driver(), &[&["--session-memory", "256M"], more].concat(), |command| {
                command.env("FARWARP_LOG", "info").stderr(log);
            });
        Self { server, place, neighbour: Command::new("sleep").arg("300").spawn().unwrap() }
    }

    fn orders(&self) -> Vec<String> {
        let (gate, other) = (self.server.process.id(), self.neighbour.id());
        let place = self.place.path().display();
        let mut orders: Vec<String> = PLAIN.iter().map(|order| (*order).to_owned()).collect();
        orders.extend([
            format!("tcp-connect:{}", self.server.ticket.address),
            format!("unix-connect:{place}/agent"),
            format!("read-file:{}", self.server.ticket_file.display()),
            format!("read-file:{place}/secret"),
            format!("read-file:/proc/{gate}/environ"),
            format!("read-file:/proc/{gate}/mem"),
            format!("list-folder:{place}"),
            format!("write-file:{place}/fresh"),
            format!("append-file:{place}/secret"),
            format!("kill:{gate}"),
            format!("kill:{other}"),
            format!("ptrace:{gate}"),
            format!("read-memory:{gate}"),
            format!("take-descriptor:{gate}"),
            format!("mount:{place}"),
        ]);
        orders
    }

    /// Makes every attack; those that worked come back.
    fn attack(&self) -> Vec<String> {
        let _agent = UnixListener::bind(self.place.path().join("agent")).unwrap();
        fs::set_permissions(self.place.path().join("agent"), fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(order(&self.server, "nothing"), Outcome::Worked, "an order must reach the worker");
        let (mut listed, mut worked, orders) = (String::new(), Vec::new(), self.orders());
        for attack in &orders {
            let words = match order(&self.server, attack) {
                Outcome::Refused(number) => std::io::Error::from_raw_os_error(number).to_string(),
                Outcome::Ended(why) => format!("the session ended: {why}"),
                Outcome::Worked => {
                    worked.push(attack.clone());
                    "no error".into()
                }
            };
            writeln!(listed, "  {attack:60} {words}").unwrap();
        }
        println!("{} attacks from within a worker:\n{listed}", orders.len());
        worked
    }

    /// Nothing outside the worker has noticed.
    fn is_unharmed(&mut self) {
        assert_eq!(self.neighbour.try_wait().unwrap(), None, "the neighbour lives");
        assert_eq!(order(&self.server, "nothing"), Outcome::Worked, "the gate serves on");
        assert_eq!(fs::read_to_string(self.place.path().join("secret")).unwrap(), "of somebody else");
        assert!(!self.place.path().join("fresh").exists());
        let log = fs::read_to_string(self.place.path().join("log")).unwrap();
        assert!(log.contains("said too much") && log.len() < 2 << 20, "{} bytes of log", log.len());
        assert!(!log.contains("\x1b[2J"), "a worker must not command whoever reads the log");
        until("all that they left is gone", || self.server.workers().is_empty());
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ended_already = self.neighbour.kill();
        let _ = self.neighbour.wait();
    }
}

/// The attacks that need to be told nothing.
const PLAIN: &[&str] = &[
    "udp-socket",
    "netlink-socket",
    "read-file:/etc/shadow",
    "read-file:/etc/passwd",
    "read-file:/dev/mem",
    "read-file:/dev/kmsg",
    "write-file:/dev/shm/farwarp-was-here",
    "append-file:/proc/sys/kernel/core_pattern",
    "exec",
    "fork",
    "fork-bomb",
    "thread-bomb",
    "memory-bomb",
    "log-flood",
    "kill-all",
    "unshare",
    "become-root",
    "io-uring",
    "keyring",
    "userfaultfd",
    "bpf",
    "perf-event",
    "raise-limits",
    "shared-memory",
];

/// Words are no harm; how many of them reach the log is looked at afterwards.
const HARMLESS: &str = "log-flood";

/// Layers that this machine cannot give, of those without which not every attack is stopped.
fn lacks() -> bool {
    let mut jail = Command::new(env!("CARGO_BIN_EXE_farwarp-server"));
    let output = jail.args(["jail", "--driver"]).arg(driver()).output().unwrap();
    let layers = String::from_utf8_lossy(&output.stdout);
    let missing = ["namespaces", "limits", "landlock", "seccomp"]
        .into_iter()
        .filter(|layer| layers.lines().any(|line| line.starts_with(&format!("none {layer}"))));
    let missing: Vec<&str> = missing.collect();
    if !missing.is_empty() {
        println!("NOT RUN  attacks from within a worker: this machine has no {}", missing.join(", no "));
    }
    !missing.is_empty()
}

#[test]
fn a_worker_that_attacks_is_stopped_and_its_gate_lives() {
    if lacks() {
        return;
    }
    let mut scene = Scene::new(&[]);
    assert_eq!(scene.attack(), [HARMLESS], "these worked");
    scene.is_unharmed();
}

#[test]
fn with_calls_that_are_only_logged_the_other_layers_stop_it() {
    if lacks() {
        return;
    }
    let mut scene = Scene::new(&["--as-nvidia"]);
    // A process and shared memory of its own, which nobody else sees and which die with it.
    assert_eq!(scene.attack(), ["fork", HARMLESS, "shared-memory"], "these worked");
    scene.is_unharmed();
}
