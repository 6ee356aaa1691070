//! `farwarp doctor`: looks for what could keep farwarp from working, and explains it.

use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use farwarp_agent_client::{Client, ClientError, Paths};
use serde_json::{Value, json};

use super::installed::Installed;
use super::{elf, print, print_json, words};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::places;

/// Below this the kernel drops datagrams of a fast sender.
const SOCKET_BUFFER_WANTED_BYTES: usize = 4 << 20;
/// 2024: a clock before it was never set.
const EARLIEST_WALL_MS: u64 = 1_704_067_200_000;
/// The kernel's limit on the path of a socket, with its final NUL.
const SOCKET_PATH_BYTES_MAX: usize = 108;
const UDP_TIMEOUT: Duration = Duration::from_secs(2);

struct Finding {
    name: &'static str,
    verdict: Verdict,
    words: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Verdict {
    Good,
    /// It works, but not as well as it could.
    Weak,
    Bad,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Verdict::Good => "ok",
            Verdict::Weak => "warn",
            Verdict::Bad => "FAIL",
        }
    }
}

pub fn run(json: bool) -> anyhow::Result<ExitCode> {
    let installed = Installed::find()?;
    let paths = places::paths();
    let mut findings = libraries(&installed);
    findings.push(server(&installed));
    findings.extend(jail(&installed));
    findings.extend([
        config(&paths),
        runtime(&paths),
        state(&paths),
        agent(&paths),
        loopback(),
        socket_buffer(),
        clock(),
    ]);
    let bad = findings.iter().any(|finding| finding.verdict == Verdict::Bad);
    if json {
        print_json(&json!({ "ok": !bad, "checks": findings.iter().map(as_json).collect::<Value>() }))?;
    } else {
        let line = |finding: &Finding| {
            format!("{:4}  {:13}  {}\n", finding.verdict.word(), finding.name, finding.words)
        };
        print(&findings.iter().map(line).collect::<String>())?;
    }
    Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn as_json(finding: &Finding) -> Value {
    json!({ "name": finding.name, "verdict": finding.verdict.word().to_lowercase(), "words": finding.words })
}

fn found(name: &'static str, verdict: Verdict, words: impl Into<String>) -> Finding {
    Finding { name, verdict, words: words.into() }
}

/// What applications load, and what a server without a GPU loads.
fn libraries(installed: &Installed) -> Vec<Finding> {
    let dir = installed.libraries();
    let each = [
        ("libcuda", "libcuda.so.1"),
        ("libnvidia-ml", "libnvidia-ml.so.1"),
        ("software GPU", "softgpu/libcuda.so.1"),
    ];
    each.map(|(name, file)| library(name, &dir.join(file))).into()
}

fn library(name: &'static str, path: &Path) -> Finding {
    let wanted = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let shown = path.display();
    match std::fs::read(path) {
        Err(error) => found(name, Verdict::Bad, format!("{shown}: {error}; scripts/build makes it")),
        Ok(file) => match elf::soname(&file) {
            Some(soname) if soname == wanted => found(name, Verdict::Good, format!("{shown}")),
            soname => {
                let soname = soname.map_or("none".into(), |soname| format!("'{soname}'"));
                let words = format!(
                    "{shown} has SONAME {soname}, not '{wanted}': programs would load another library"
                );
                found(name, Verdict::Bad, words)
            }
        },
    }
}

fn server(installed: &Installed) -> Finding {
    let path = installed.server();
    let shown = path.display();
    match Command::new(&path).arg("--version").output() {
        Err(error) => found("server", Verdict::Bad, format!("{shown}: {error}; scripts/build makes it")),
        Ok(output) if output.status.success() => found(
            "server",
            Verdict::Good,
            format!("{shown}: {}", String::from_utf8_lossy(&output.stdout).trim()),
        ),
        Ok(output) => {
            let error = String::from_utf8_lossy(&output.stderr);
            found("server", Verdict::Bad, format!("{shown} does not run: {}", error.trim()))
        }
    }
}

/// What the server's workers give up on this machine: the server tries it, one line a layer.
fn jail(installed: &Installed) -> Vec<Finding> {
    let output = match Command::new(installed.server()).arg("jail").output() {
        // The line of the server says it already.
        Err(_) => return Vec::new(),
        Ok(output) if !output.status.success() => {
            let error = String::from_utf8_lossy(&output.stderr);
            return vec![found("jail", Verdict::Weak, format!("it cannot be tried: {}", error.trim()))];
        }
        Ok(output) => output,
    };
    let layer = |line: &str| match line.split_at_checked(4) {
        Some(("ok  ", words)) => found("jail", Verdict::Good, words.trim()),
        _ => found("jail", Verdict::Weak, format!("without {}", line.trim_start_matches("none").trim())),
    };
    String::from_utf8_lossy(&output.stdout).lines().map(layer).collect()
}

fn config(paths: &Paths) -> Finding {
    let shown = paths.config.as_deref().map_or("none".into(), |path| path.display().to_string());
    match Config::load(paths) {
        Err(error) => found("configuration", Verdict::Bad, error.to_string()),
        Ok(_) if paths.config.as_deref().is_some_and(Path::is_file) => {
            found("configuration", Verdict::Good, shown)
        }
        Ok(_) => found("configuration", Verdict::Good, format!("the defaults ({shown} is absent)")),
    }
}

fn runtime(paths: &Paths) -> Finding {
    let bytes = paths.socket().as_os_str().len();
    match paths.prepare_runtime() {
        Err(error) => found("runtime", Verdict::Bad, error.to_string()),
        Ok(()) if bytes >= SOCKET_PATH_BYTES_MAX => {
            let words = format!(
                "{} has {bytes} bytes; a socket's path has at most {}: set FARWARP_RUNTIME to a shorter one",
                paths.socket().display(),
                SOCKET_PATH_BYTES_MAX - 1
            );
            found("runtime", Verdict::Bad, words)
        }
        Ok(()) => found("runtime", Verdict::Good, paths.runtime.display().to_string()),
    }
}

fn state(paths: &Paths) -> Finding {
    match places::State::prepare(paths) {
        Err(error) => found("state", Verdict::Bad, format!("{error:#}")),
        Ok(places::State { warning: Some(warning), .. }) => found("state", Verdict::Weak, warning),
        Ok(state) => found("state", Verdict::Good, state.dir.display().to_string()),
    }
}

fn agent(paths: &Paths) -> Finding {
    match Client::connect(paths).and_then(Client::status) {
        Err(ClientError::NotRunning) => {
            found("agent", Verdict::Good, "none runs; the first CUDA call starts one")
        }
        Err(error) => found("agent", Verdict::Bad, format!("{error}; 'farwarp logs --agent' shows its log")),
        Ok(status) if status.version != env!("CARGO_PKG_VERSION") => {
            let words = format!(
                "pid {} is of version {}; 'farwarp down --all' lets it end",
                status.pid, status.version
            );
            found("agent", Verdict::Weak, words)
        }
        Ok(status) => {
            let words = format!(
                "pid {}, for {}, {} leases",
                status.pid,
                words(status.uptime_ms),
                status.leases.len()
            );
            found("agent", Verdict::Good, words)
        }
    }
}

fn loopback() -> Finding {
    let tried = || -> std::io::Result<()> {
        let (a, b) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
        b.set_read_timeout(Some(UDP_TIMEOUT))?;
        a.send_to(b"farwarp", b.local_addr()?)?;
        let mut datagram = [0; 16];
        match b.recv(&mut datagram)? {
            7 if &datagram[..7] == b"farwarp" => Ok(()),
            bytes => Err(std::io::Error::other(format!("another datagram arrived, of {bytes} bytes"))),
        }
    };
    match tried() {
        Ok(()) => found("UDP", Verdict::Good, "datagrams pass on loopback"),
        Err(error) => {
            let words = format!(
                "no datagram passes on loopback ({error}): provider 'local' cannot work; look for a firewall"
            );
            found("UDP", Verdict::Bad, words)
        }
    }
}

fn socket_buffer() -> Finding {
    let granted = || -> std::io::Result<usize> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        rustix::net::sockopt::set_socket_recv_buffer_size(&socket, SOCKET_BUFFER_WANTED_BYTES)?;
        // The kernel books twice what it grants, for its own bookkeeping.
        Ok(rustix::net::sockopt::socket_recv_buffer_size(&socket)? / 2)
    };
    match granted() {
        Err(error) => found("socket buffer", Verdict::Weak, format!("it cannot be set: {error}")),
        Ok(bytes) if bytes < SOCKET_BUFFER_WANTED_BYTES => {
            let words = format!(
                "the kernel grants {} KiB of {} KiB; copies are faster with: sysctl -w net.core.rmem_max={}",
                bytes >> 10,
                SOCKET_BUFFER_WANTED_BYTES >> 10,
                SOCKET_BUFFER_WANTED_BYTES
            );
            found("socket buffer", Verdict::Weak, words)
        }
        Ok(bytes) => found("socket buffer", Verdict::Good, format!("{} KiB", bytes >> 10)),
    }
}

fn clock() -> Finding {
    match SystemClock.wall() {
        wall if wall < EARLIEST_WALL_MS => found(
            "clock",
            Verdict::Weak,
            "it is before 2024: it was never set, and dates of costs will be wrong",
        ),
        _ => found("clock", Verdict::Good, "it is set"),
    }
}
