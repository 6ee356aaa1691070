//! `farwarp logs`: what a server or the agent has written.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use super::print;
use crate::providers::local::{log_path, tail_of};
use crate::{ledger, places};

/// What is shown of a log unless more is asked for.
const TAIL_BYTES: usize = 16 << 10;

#[derive(Args)]
pub struct Logs {
    /// The lease; without one, the newest.
    lease: Option<String>,
    /// The agent's log instead of a server's.
    #[arg(long, conflicts_with = "lease")]
    agent: bool,
    /// Show the whole log, not only its end.
    #[arg(long)]
    all: bool,
}

impl Logs {
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let state = places::State::prepare(&places::paths())?;
        let path = if self.agent { state.agent_log() } else { self.server_log(&state)? };
        let bytes = if self.all { usize::MAX } else { TAIL_BYTES };
        print(&tail_of(&path, bytes).with_context(|| path.display().to_string())?)
    }

    fn server_log(&self, state: &places::State) -> anyhow::Result<PathBuf> {
        let mut records = ledger::history(&state.dir)?;
        records.extend(ledger::peek(&state.dir)?);
        let record = match &self.lease {
            Some(lease) => records.iter().find(|record| record.id == *lease),
            None => records.iter().max_by_key(|record| record.opened_wall_ms),
        };
        match (record, &self.lease) {
            (Some(record), _) => Ok(log_path(&state.logs(), &record.id)),
            (None, Some(lease)) => bail!("there was no lease '{lease}'"),
            (None, None) => bail!("there was no lease yet"),
        }
    }
}
