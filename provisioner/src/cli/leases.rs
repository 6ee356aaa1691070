//! `farwarp up`, `down`, `ps` and `status`.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use farwarp_agent_client::{Client, ClientError, Paths, Starter};
use farwarp_protocol::agent::{AgentStatus, LeaseStatus};
use serde_json::{Value, json};

use super::installed::Installed;
use super::{Wanted, print, print_json, table, words};
use crate::cost::MicroDollars;
use crate::{ledger, places};

/// Shorter waits are what any program does.
const STALL_SHOWN_MS: u64 = 10_000;

#[derive(Args)]
pub struct Up {
    #[command(flatten)]
    wanted: Wanted,
    /// One JSON document instead of text. It holds the ticket, which is secret.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub struct Down {
    /// The lease, as 'farwarp ps' names it; it may be left out where there is only one.
    lease: Option<String>,
    /// End all, and destroy every machine of ours that no lease accounts for.
    #[arg(long, conflicts_with = "lease")]
    all: bool,
    /// One JSON document instead of text.
    #[arg(long)]
    json: bool,
}

impl Up {
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let wish = self.wanted.wish()?;
        let client = Client::connect_or_start(&places::paths(), &starter()?)?;
        let ready = client.up(wish, &mut |line| eprintln!("farwarp: {line}"))?;
        if self.json {
            return print_json(&json!({
                "lease": ready.lease, "provider": ready.provider, "started": ready.started, "boot_ms": ready.boot_ms,
                "ticket": ready.ticket,
            }));
        }
        let how =
            if ready.started { format!("started in {}", words(ready.boot_ms)) } else { "was running".into() };
        print(&format!("{} ({}) {how}\n", ready.lease, ready.provider))
    }
}

impl Down {
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let paths = places::paths();
        let target = match (&self.lease, self.all) {
            (_, true) => None,
            (Some(lease), _) => Some(lease.clone()),
            (None, _) => match only_lease(&paths)? {
                Some(lease) => Some(lease),
                None => return self.report(vec![]),
            },
        };
        let client = Client::connect_or_start(&paths, &starter()?)?;
        self.report(client.down(target, &mut |line| eprintln!("farwarp: {line}"))?)
    }

    fn report(&self, gone: Vec<String>) -> anyhow::Result<ExitCode> {
        if self.json {
            return print_json(&json!({ "gone": gone }));
        }
        match gone.is_empty() {
            true => print("nothing runs\n"),
            false => print(&gone.iter().map(|lease| format!("{lease} is gone\n")).collect::<String>()),
        }
    }
}

/// The lease that is meant when none is named.
fn only_lease(paths: &Paths) -> anyhow::Result<Option<String>> {
    let mut leases = known(paths)?.map_or(vec![], |status| status.leases);
    match leases.len() {
        0 | 1 => Ok(leases.pop().map(|lease| lease.id)),
        _ => {
            let ids: Vec<String> = leases.into_iter().map(|lease| lease.id).collect();
            bail!("there are several leases: {}; name one, or --all", ids.join(", "))
        }
    }
}

pub fn ps(json: bool) -> anyhow::Result<ExitCode> {
    let leases = known(&places::paths())?.map_or(vec![], |status| status.leases);
    if json {
        return print_json(&leases.iter().map(lease_json).collect());
    }
    let heads = ["LEASE", "PROVIDER", "STATE", "QUIET IN", "COST", "CLIENTS"].map(String::from).to_vec();
    let rows: Vec<Vec<String>> = std::iter::once(heads).chain(leases.iter().map(row)).collect();
    print(&table(&rows))
}

fn row(lease: &LeaseStatus) -> Vec<String> {
    let clients: Vec<String> =
        lease.clients.iter().map(|client| format!("{}:{}", client.program, client.pid)).collect();
    vec![
        lease.id.clone(),
        lease.provider.clone(),
        lease.state.clone(),
        lease.quiet_left_ms.map_or("-".into(), words),
        MicroDollars(lease.cost.micro_dollars).to_string(),
        if clients.is_empty() { "-".into() } else { clients.join(" ") },
    ]
}

pub fn status(json: bool) -> anyhow::Result<ExitCode> {
    let Some(status) = known(&places::paths())? else {
        return match json {
            true => print_json(&json!({ "agent": null, "leases": [] })),
            false => print("no agent runs, and nothing is rented\n"),
        };
    };
    if json {
        return print_json(&json!({
            "agent": { "version": status.version, "pid": status.pid, "uptime_ms": status.uptime_ms },
            "leases": status.leases.iter().map(lease_json).collect::<Value>(),
        }));
    }
    let mut text = format!("agent {} (pid {}) for {}\n", status.version, status.pid, words(status.uptime_ms));
    for lease in &status.leases {
        text.push_str(&describe(lease));
    }
    if status.leases.is_empty() {
        text.push_str("nothing is rented\n");
    }
    print(&text)
}

fn describe(lease: &LeaseStatus) -> String {
    let mut rows = vec![];
    let mut add = |name: &str, value: String| rows.push(vec![format!("  {name}"), value]);
    add("provider", format!("{} ({})", lease.provider, lease.offer));
    add("state", lease.state.clone());
    if let Some(remote) = &lease.remote {
        add("machine", remote.clone());
    }
    if let Some(address) = &lease.address {
        add("address", format!("{address} (quic)"));
    }
    if let Some(server) = &lease.server {
        add("server", format!("{} on {}, {}", server.version, server.driver_kind, server.driver));
        for session in &server.sessions {
            let link = if session.connected { "connected" } else { "cut off" };
            let megabytes = session.device_bytes as f64 / 1e6;
            let calls = format!(
                "{} calls, {megabytes:.1} MB, last call {} ago",
                session.calls,
                words(session.idle_ms)
            );
            add(
                "session",
                format!("{} {} (pid {}), {link}, {calls}", session.id, session.program, session.pid),
            );
            if session.stalled_ms >= STALL_SHOWN_MS {
                add("no progress", format!("for {}: {}", words(session.stalled_ms), session.stalled_by));
            }
        }
    }
    for client in &lease.clients {
        add("client", format!("{} (pid {}) for {}", client.program, client.pid, words(client.attached_ms)));
    }
    let left = lease.quiet_left_ms.map_or(String::new(), |left| format!(", ends in {}", words(left)));
    add("quiet", format!("after {}{left}", words(lease.quiet_ms)));
    let (boot, busy, idle) =
        (words(lease.cost.boot_ms), words(lease.cost.busy_ms), words(lease.cost.idle_ms));
    add(
        "cost",
        format!("{} (boot {boot}, busy {busy}, idle {idle})", MicroDollars(lease.cost.micro_dollars)),
    );
    if let Some(log) = &lease.log {
        add("log", log.clone());
    }
    format!("lease {}\n{}", lease.id, table(&rows))
}

fn lease_json(lease: &LeaseStatus) -> Value {
    json!({
        "id": lease.id, "provider": lease.provider, "offer": lease.offer, "state": lease.state, "machine": lease.remote,
        "address": lease.address, "quiet_ms": lease.quiet_ms, "quiet_left_ms": lease.quiet_left_ms, "log": lease.log,
        "clients": lease.clients.iter().map(|client| json!({
            "pid": client.pid, "program": client.program, "attached_ms": client.attached_ms,
        })).collect::<Value>(),
        "cost": {
            "micro_dollars": lease.cost.micro_dollars, "micro_dollars_per_hour": lease.cost.micro_dollars_per_hour,
            "boot_ms": lease.cost.boot_ms, "busy_ms": lease.cost.busy_ms, "idle_ms": lease.cost.idle_ms,
        },
        "server": lease.server.as_ref().map(|server| json!({
            "version": server.version, "driver": server.driver, "driver_kind": server.driver_kind,
            "uptime_ms": server.uptime_ms, "ttl_left_ms": server.ttl_left_ms, "quiet_ms": server.quiet_ms,
            "sessions": server.sessions.iter().map(|session| json!({
                "id": session.id, "pid": session.pid, "program": session.program, "connected": session.connected,
                "idle_ms": session.idle_ms, "device_bytes": session.device_bytes, "calls": session.calls,
                "ticket": session.ticket, "stalled_ms": session.stalled_ms, "stalled_by": session.stalled_by,
            })).collect::<Value>(),
        })),
    })
}

/// What the agent knows. Where none runs one is started only if the ledger names a lease, which somebody has to look after.
fn known(paths: &Paths) -> anyhow::Result<Option<AgentStatus>> {
    let client = match Client::connect(paths) {
        Err(ClientError::NotRunning) => {
            let state = places::State::prepare(paths)?;
            if ledger::peek(&state.dir)?.is_empty() {
                return Ok(None);
            }
            Client::connect_or_start(paths, &starter()?)?
        }
        connected => connected?,
    };
    Ok(Some(client.status()?))
}

fn starter() -> anyhow::Result<Starter> {
    Ok(Starter::new(Installed::find()?.command))
}
