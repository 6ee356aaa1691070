//! `farwarp agent`: the process itself, and its log.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;

use clap::Args;
use rustix::thread::{CpuSet, sched_setaffinity};
use tracing_subscriber::EnvFilter;

use super::time;
use crate::{agent, places};

/// A log that is longer when an agent starts is put aside, as the only one that is.
const LOG_BYTES_MAX: u64 = 4 << 20;

#[derive(Args)]
pub struct Agent {
    /// End after this long without a lease and without a client.
    #[arg(long, value_name = "TIME", value_parser = time)]
    linger: Option<u64>,
}

impl Agent {
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let paths = places::paths();
        paths.prepare_runtime()?;
        let state = places::State::prepare(&paths)?;
        log_to(&state.agent_log())?;
        if let Some(warning) = &state.warning {
            tracing::warn!("{warning}");
        }
        end_at_a_panic();
        use_every_core();
        let linger = self.linger.map_or(agent::LINGER, std::time::Duration::from_millis);
        agent::run(paths, &state, linger, agent::Parts::real())
            .inspect_err(|error| tracing::error!("{error}"))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn log_to(path: &Path) -> anyhow::Result<()> {
    if path.metadata().is_ok_and(|meta| meta.len() > LOG_BYTES_MAX) {
        fs::rename(path, path.with_extension("log.old"))?;
    }
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    let filter = EnvFilter::try_from_env("FARWARP_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Mutex::new(file)).init();
    Ok(())
}

/// A thread that is missing would leave its lease to nobody. The next agent goes on from the ledger, as after any other end.
fn end_at_a_panic() {
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!("{panic}");
        eprintln!("{panic}");
        std::process::abort();
    }));
}

/// The program that started us may be bound to one core; its servers serve others too. What the system forbids stays forbidden.
fn use_every_core() {
    let mut every = CpuSet::new();
    (0..CpuSet::MAX_CPU).for_each(|core| every.set(core));
    if let Err(error) = sched_setaffinity(None, &every) {
        tracing::debug!("sched_setaffinity: {error}");
    }
}
