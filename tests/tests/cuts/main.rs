//! The road holds: programs compute on, byte for byte, while the network between them and their server is cut, slow, lossy
//! or another one; and where the other end is gone for good, they hear so soon.
//!
//! FARWARP_SOAK=1 runs the long forms; the longest look at SOAK_MINUTES.

mod copies;
mod deaths;
mod links;
mod moves;
mod resume;
mod workload;

use std::path::PathBuf;
use std::time::Duration;

use farwarp_tests::{Product, Relay, Running, Server, not_run, start};

/// Far beyond what any of these programs needs on a busy machine; reached only by one that hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// The seed of every relay here that a test does not choose itself.
const SEED: u64 = 2026;

/// Whether the long form of a test shall run; where not, that is said.
fn soaks(what: &str) -> bool {
    let soaks = std::env::var_os("FARWARP_SOAK").is_some();
    if !soaks {
        not_run(what, "only in scripts/soak");
    }
    soaks
}

/// How long a soak may take that can be shortened; a hundred cuts of up to a minute are over after 15 minutes.
fn soak_time() -> Duration {
    let minutes = std::env::var("SOAK_MINUTES").ok().and_then(|minutes| minutes.parse().ok());
    Duration::from_secs(60 * minutes.unwrap_or(20))
}

/// Threads that copy, launch and check on the other side of the relay, until they are told to stop.
struct Busy {
    program: Running,
    stop: PathBuf,
}

impl Busy {
    fn start(server: &Server, relay: &Relay) -> Self {
        Self::of("busy", server, relay)
    }

    /// As `busy` and `torrent` both are.
    fn of(name: &str, server: &Server, relay: &Relay) -> Self {
        let stop = server.file("stop");
        let program = Product::find().program(&format!("{name}.driver"));
        let mut command = server.command_through(relay, &program);
        let mut program = start(command.arg(&stop).env("FARWARP_STATS", server.file("stats")));
        program.says("it runs", LIMIT);
        Self { program, stop }
    }

    fn id(&self) -> u32 {
        self.program.id()
    }

    /// It has not seen a wrong byte, and was not refused a call. How many rounds it made, and what it says of its connection.
    fn was_right(self, server: &Server) -> (u64, serde_json::Value) {
        std::fs::write(&self.stop, "").expect("a file in a folder of ours");
        let outcome = self.program.finish(LIMIT);
        let said = String::from_utf8_lossy(&outcome.stdout).into_owned();
        let rounds = said.split_once("rounds=").and_then(|(_, rest)| rest.strip_suffix(", wrong=0\n"));
        let Some(Ok(rounds)) = rounds.map(str::parse) else { panic!("{outcome}\n{}", server.log()) };
        assert!(outcome.status.success(), "{outcome}\n{}", server.log());
        let stats = std::fs::read(server.file("stats")).expect("the statistics");
        (rounds, serde_json::from_slice(&stats).expect("JSON"))
    }
}
