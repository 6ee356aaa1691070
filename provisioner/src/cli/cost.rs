//! `farwarp cost`: what servers have cost.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::{print, print_json, table, time, words};
use crate::clock::{Clock, SystemClock};
use crate::cost::MicroDollars;
use crate::ledger::{self, Record};
use crate::places;

#[derive(Args)]
pub struct Cost {
    /// Only leases that ended within this time, or have not ended.
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<u64>,
    /// One JSON document instead of text.
    #[arg(long)]
    json: bool,
}

impl Cost {
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let state = places::State::prepare(&places::paths())?;
        let mut records = ledger::history(&state.dir)?;
        records.extend(ledger::peek(&state.dir)?);
        let from = self.since.map_or(0, |since| SystemClock.wall().saturating_sub(since));
        records.retain(|record| record.closed_wall_ms.is_none_or(|closed| closed >= from));
        if self.json { print_json(&as_json(&records)) } else { print(&as_text(&records)) }
    }
}

fn total(records: &[Record]) -> MicroDollars {
    let cost = |record: &Record| record.meter.cost(&record.offer.price).micro_dollars;
    MicroDollars(records.iter().map(cost).fold(0, u64::saturating_add))
}

fn as_text(records: &[Record]) -> String {
    let heads = ["LEASE", "PROVIDER", "BOOT", "BUSY", "IDLE", "COST", "END"].map(String::from).to_vec();
    let row = |record: &Record| {
        let cost = record.meter.cost(&record.offer.price);
        vec![
            record.id.clone(),
            record.provider.clone(),
            words(cost.boot_ms),
            words(cost.busy_ms),
            words(cost.idle_ms),
            MicroDollars(cost.micro_dollars).to_string(),
            record.state.end().unwrap_or("running").to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = std::iter::once(heads).chain(records.iter().map(row)).collect();
    format!("{}total {}\n", table(&rows), total(records))
}

fn as_json(records: &[Record]) -> serde_json::Value {
    let lease = |record: &Record| {
        let cost = record.meter.cost(&record.offer.price);
        json!({
            "id": record.id, "provider": record.provider, "state": record.state.name(), "end": record.state.end(),
            "opened_ms": record.opened_wall_ms, "closed_ms": record.closed_wall_ms,
            "boot_ms": cost.boot_ms, "busy_ms": cost.busy_ms, "idle_ms": cost.idle_ms,
            "bytes_up": cost.bytes_up, "bytes_down": cost.bytes_down, "offer": record.offer.description,
            "micro_dollars_per_hour": cost.micro_dollars_per_hour,
            "micro_dollars": cost.micro_dollars,
        })
    };
    json!({ "leases": records.iter().map(lease).collect::<serde_json::Value>(), "micro_dollars": total(records).0 })
}
