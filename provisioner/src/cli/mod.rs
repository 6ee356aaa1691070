//! The command: what people type, and what they read.

mod agent;
mod cost;
mod doctor;
mod elf;
mod init;
mod installed;
mod leases;
mod logs;
mod offers;
mod run;

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use farwarp_agent_client::{Starter, milliseconds};
use farwarp_protocol::agent::Wish;

/// Runs CUDA programs on a machine without a GPU.
#[derive(Parser)]
#[command(name = "farwarp", version, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a program whose CUDA calls go to a server; one is started at the first call.
    Run(run::Run),
    /// Print the variables that make a shell's programs use farwarp.
    Env(run::Env),
    /// Ask for a provider and its key, try it, and write the configuration.
    Init(init::Init),
    /// List what could be rented now, the likely cheapest first.
    Offers(offers::Offers),
    /// Start a server now, before a program needs it.
    Up(leases::Up),
    /// End a server, or all.
    Down(leases::Down),
    /// List the servers and their clients.
    Ps(Json),
    /// Show everything that is known of the agent and its servers.
    Status(Json),
    /// Show what servers have cost, and what their time was spent on.
    Cost(cost::Cost),
    /// Show what a server, or the agent, has written.
    Logs(logs::Logs),
    /// Look for what could keep farwarp from working, and explain it.
    Doctor(Json),
    /// Keep the leases; started by whoever needs it.
    #[command(hide = true)]
    Agent(agent::Agent),
}

#[derive(Args)]
struct Json {
    /// One JSON document instead of text.
    #[arg(long)]
    json: bool,
}

/// What is asked of a server.
#[derive(Args, Clone, Default)]
struct Wanted {
    /// The GPU to rent.
    #[arg(long, value_name = "NAME")]
    gpu: Option<String>,
    /// Who rents it out; several, with commas between.
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// The server ends when nothing was computed for this long: 30s, 5m, 1h.
    #[arg(long, value_name = "TIME", value_parser = time)]
    quiet: Option<u64>,
}

impl Wanted {
    /// The options, and where they say nothing the variables that a program would be heard with.
    fn wish(&self) -> anyhow::Result<Wish> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let quiet_ms = match (self.quiet, variable("FARWARP_QUIET_AFTER")) {
            (None, Some(text)) => {
                Some(time(&text).map_err(|error| anyhow::anyhow!("FARWARP_QUIET_AFTER: {error}"))?)
            }
            (given, _) => given,
        };
        Ok(Wish {
            provider: self.provider.clone().or_else(|| variable("FARWARP_PROVIDER")),
            gpu: self.gpu.clone().or_else(|| variable("FARWARP_GPU")),
            quiet_ms,
            table: farwarp_protocol::call::fingerprint(),
            server: Starter::new(std::env::current_exe()?).server(),
        })
    }
}

pub fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Run(command) => command.run(),
        Command::Env(command) => command.run(),
        Command::Init(command) => command.run(),
        Command::Offers(command) => command.run(),
        Command::Up(command) => command.run(),
        Command::Down(command) => command.run(),
        Command::Ps(Json { json }) => leases::ps(json),
        Command::Status(Json { json }) => leases::status(json),
        Command::Cost(command) => command.run(),
        Command::Logs(command) => command.run(),
        Command::Doctor(Json { json }) => doctor::run(json),
        Command::Agent(command) => command.run(),
    };
    result.unwrap_or_else(|error| {
        eprintln!("farwarp: {error:#}");
        ExitCode::FAILURE
    })
}

fn time(text: &str) -> Result<u64, String> {
    milliseconds(text).ok_or_else(|| format!("'{text}' is no time; write 30s, 5m or 1h"))
}

/// To stdout. A reader who has seen enough is no error.
fn print(text: &str) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn print_json(value: &serde_json::Value) -> anyhow::Result<ExitCode> {
    print(&format!("{value:#}\n"))
}

/// Columns as wide as their widest entry.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// A length of time as people read it.
fn words(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0..10 => format!("{:.1} s", ms as f64 / 1e3),
        10..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        _ => format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_entry() {
        let rows = [vec!["A".into(), "BB".into()], vec!["long".into(), "x".into()]];
        assert_eq!(table(&rows), "A     BB\nlong  x\n");
    }

    #[test]
    fn times_are_written_as_people_read_them() {
        let written = [0, 1_500, 59_999, 600_000, 7_260_000].map(words);
        assert_eq!(written, ["0.0 s", "1.5 s", "59 s", "10 min", "2 h 01 min"]);
    }
}
