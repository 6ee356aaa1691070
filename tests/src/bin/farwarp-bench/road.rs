//! One road to measure: a server with a driver, if there is one between, and the measured program at its other end.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::cores::Cores;
use crate::task::Task;

/// A server writes its ticket in milliseconds; on a loaded machine in more.
const TICKET_TIMEOUT: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A farwarp-server of the benchmark's own; ends with it.
pub struct Server {
    process: Child,
    folder: TempDir,
}

impl Server {
    pub fn start(
        program: &Path,
        driver: &Path,
        cores: &Cores,
        core: Option<usize>,
    ) -> anyhow::Result<Server> {
        let folder = tempfile::Builder::new().prefix("farwarp-bench-").tempdir()?;
        let mut command = Command::new(program);
        command
            .arg("--ticket-file")
            .arg(folder.path().join("ticket"))
            .arg("--driver")
            .arg(driver)
            .stdin(Stdio::null());
        let process = cores
            .starting_on(core, || command.spawn())
            .with_context(|| format!("starting {}", program.display()))?;
        let mut server = Server { process, folder };
        let began = Instant::now();
        while !server.ticket().exists() {
            if let Some(status) = server.process.try_wait()? {
                bail!("{} ended: {status}", program.display());
            }
            if began.elapsed() > TICKET_TIMEOUT {
                bail!("{} wrote no ticket in {TICKET_TIMEOUT:?}", program.display());
            }
            sleep(LOOK_EVERY);
        }
        Ok(server)
    }

    pub fn ticket(&self) -> PathBuf {
        self.folder.path().join("ticket")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing more to do then.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The measured program, waiting for its next task.
pub struct Program {
    process: Child,
    tasks: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    stats: PathBuf,
    _folder: TempDir,
}

impl Program {
    /// With this library as its libcuda, and a ticket where that is farwarp's.
    pub fn start(
        library: &Path,
        ticket: Option<PathBuf>,
        cores: &Cores,
        core: Option<usize>,
    ) -> anyhow::Result<Program> {
        let folder = tempfile::Builder::new().prefix("farwarp-bench-").tempdir()?;
        let stats = folder.path().join("stats.json");
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--measured").arg(library).stdin(Stdio::piped()).stdout(Stdio::piped());
        with_ticket(&mut command, ticket.as_deref(), &stats);
        let mut process =
            cores.starting_on(core, || command.spawn()).context("starting the measured program")?;
        let tasks = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().context("the measured program has an output")?);
        Ok(Program { process, tasks, answers, stats, _folder: folder })
    }

    /// The figures of one task, or the program's words why there are none.
    pub fn perform(&mut self, task: Task) -> anyhow::Result<Vec<f64>> {
        let tasks = self.tasks.as_mut().context("the program was told to end")?;
        writeln!(tasks, "{}", task.line())?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        match answer.trim_end().split_once(' ') {
            Some(("ok", figures)) => Ok(figures.split(' ').map(str::parse).collect::<Result<_, _>>()?),
            Some(("error", why)) => bail!("{why}"),
            _ => bail!("the program ended at {task:?}: {:?}", self.process.wait()?),
        }
    }

    /// Lets it end in order; its round trips, as the shim counted them.
    pub fn end(mut self) -> anyhow::Result<f64> {
        self.tasks = None;
        self.process.wait()?;
        round_trips(&self.stats)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.tasks = None;
        // It ends when its input does; the shim's goodbye has its own limit.
        let _ = self.process.wait();
    }
}

/// What a program of the CUDA runtime waits for.
pub struct Start {
    /// From the start of the process to the first result.
    pub whole_ms: f64,
    /// From the driver's first answer to the first result.
    pub connected_ms: f64,
    pub round_trips: f64,
}

/// Runs `first_result`, preloading farwarp's library.
pub fn start_of_a_cudart_program(program: &Path, library: &Path, ticket: &Path) -> anyhow::Result<Start> {
    let folder = tempfile::Builder::new().prefix("farwarp-bench-").tempdir()?;
    let stats = folder.path().join("stats.json");
    let mut command = Command::new(program);
    command.env("LD_PRELOAD", library).stdin(Stdio::null()).stderr(Stdio::inherit());
    with_ticket(&mut command, Some(ticket), &stats);
    let began_ns = monotonic_ns();
    let output = command.output().with_context(|| format!("starting {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("{} ended with {}: {}", program.display(), output.status, text.trim());
    }
    let stamp = |name: &str| -> anyhow::Result<f64> {
        let stamp = text.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        Ok(stamp.with_context(|| format!("{name} is missing in {text:?}"))?.parse()?)
    };
    let (connected, result) = (stamp("connected_ns")?, stamp("result_ns")?);
    Ok(Start {
        whole_ms: (result - began_ns) / 1e6,
        connected_ms: (result - connected) / 1e6,
        round_trips: round_trips(&stats)?,
    })
}

/// Nothing of the person who measures reaches the program.
fn with_ticket(command: &mut Command, ticket: Option<&Path>, stats: &Path) {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("FARWARP_") || name.starts_with("CUDA_")) {
            command.env_remove(name);
        }
    }
    if let Some(ticket) = ticket {
        command.env("FARWARP_TICKET", ticket).env("FARWARP_STATS", stats).env("FARWARP_QUIET", "1");
    }
}

fn round_trips(stats: &Path) -> anyhow::Result<f64> {
    let text = fs::read_to_string(stats).with_context(|| format!("reading {}", stats.display()))?;
    let stats: serde_json::Value = serde_json::from_str(&text)?;
    stats["round_trips"].as_f64().context("the stats hold no round_trips")
}

/// The clock that the program reads too.
fn monotonic_ns() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

/// Stands on its own so that a missing file is found before anything is measured.
pub fn existing(path: PathBuf) -> io::Result<PathBuf> {
    fs::canonicalize(&path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}
