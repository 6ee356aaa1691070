//! The jail of a worker: what a process gives up before it hears the first byte of its client.
//!
//! A client runs code of its own on the GPU, and a driver is not made to keep it from its process. So a worker is thought of as its
//! client's, and keeps only what it needs: the sockets that the gate hands to it, the driver's library and devices, memory,
//! threads. Each layer is taken where this machine has it; none stands for another, and what is missing is reported.

mod calls;
mod files;
mod limits;
mod namespaces;
mod user;

use std::fmt;
use std::path::PathBuf;

use farwarp_protocol::handoff::{JailLayer, Start};

pub use limits::Limits;

/// What the jail must know of the driver that will be loaded in it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Absolute path of the libcuda.
    pub driver: PathBuf,
    /// It is NVIDIA's, whose system calls differ by version: they are logged rather than refused.
    pub nvidia: bool,
    /// Makes the worker's user another than every other session's.
    pub session: u64,
    pub limits: Limits,
}

impl Plan {
    /// As the gate's first message says.
    pub fn of(start: &Start) -> Self {
        Self {
            driver: start.driver.clone().into(),
            nvidia: start.nvidia,
            session: start.session,
            limits: Limits::default(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// No setuid program, no file capability helps any more.
    NoNewPrivileges,
    Namespaces,
    /// Its own process numbers; the gate makes them.
    Processes,
    User,
    Limits,
    Files,
    Calls,
}

impl Layer {
    pub fn name(self) -> &'static str {
        match self {
            Self::NoNewPrivileges => "no_new_privs",
            Self::Namespaces => "namespaces",
            Self::Processes => "pid namespace",
            Self::User => "own user",
            Self::Limits => "limits",
            Self::Files => "landlock",
            Self::Calls => "seccomp",
        }
    }
}

/// How one layer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    pub layer: Layer,
    pub holds: bool,
    /// What exactly holds, or why it does not.
    pub words: String,
}

impl Taken {
    fn of(layer: Layer, outcome: Result<String, String>) -> Self {
        let (holds, words) = match outcome {
            Ok(words) => (true, words),
            Err(words) => (false, words),
        };
        Self { layer, holds, words }
    }
}

impl From<&Taken> for JailLayer {
    fn from(taken: &Taken) -> Self {
        Self { name: taken.layer.name().into(), holds: taken.holds, words: taken.words.clone() }
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", if self.holds { "ok  " } else { "none" }, self.layer.name(), self.words)
    }
}

/// Closes the jail around this process, which has one thread. The order is that in which each layer still can be taken.
pub fn enter(plan: &Plan) -> Vec<Taken> {
    // Whoever must go when the machine has no memory left is the worker, not the gate.
    let _unchanged = std::fs::write("/proc/self/oom_score_adj", "1000");
    let processes = Taken::of(Layer::Processes, namespaces::processes());
    let entered = namespaces::enter();
    // Otherwise the kernel would count every process of a user who has others too.
    let counted_alone =
        rustix::process::geteuid().is_root() || entered.as_ref().is_ok_and(|entered| entered.of_users);
    let namespaces = Taken::of(Layer::Namespaces, entered.map(|entered| entered.words));
    let limits = Taken::of(Layer::Limits, limits::set(&plan.limits, counted_alone));
    let user = Taken::of(Layer::User, user::become_nobody(plan));
    let privileges = rustix::thread::set_no_new_privs(true);
    let privileges = Taken::of(
        Layer::NoNewPrivileges,
        privileges.map(|()| "set".into()).map_err(|error| error.to_string()),
    );
    let files = Taken::of(Layer::Files, files::restrict(plan));
    let calls = Taken::of(Layer::Calls, calls::restrict(plan.nvidia));
    vec![privileges, namespaces, processes, user, limits, files, calls]
}
