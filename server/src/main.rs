//! `farwarp-server`: the command line of the gate, and the way into a worker.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand};
use farwarp_link::identity::{self, Identity};
use farwarp_link::keys::{self, KeyPair};
use farwarp_protocol::admission::SESSIONS_MAX;
use farwarp_protocol::ticket::Secret;
use farwarp_server::driver_choice::{self, DriverKind};
use farwarp_server::gate::{self, Config, Gate, WorkerCommand};
use farwarp_server::quota::{self, Quota};
use farwarp_server::{jail, ticket_desk, ticket_file, time};
use tracing_subscriber::EnvFilter;

/// Serves the GPU of this machine, or a software GPU, to programs that hold its ticket.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    gate: GateArguments,
}

#[derive(Subcommand)]
enum Role {
    /// Serves one session; started by the gate, with its socketpair as standard input.
    #[command(hide = true)]
    Worker,
    /// Gives further users of a running server a ticket each, shows and withdraws them.
    #[command(subcommand)]
    Ticket(ticket_desk::Wish),
    /// Closes a worker's jail around itself and says how each layer stands on this machine.
    Jail {
        /// The libcuda that would be loaded in it; default as for a server.
        #[arg(long, value_name = "PATH")]
        driver: Option<PathBuf>,
        /// In this very process, instead of one that is started as the gate starts workers.
        #[arg(long, hide = true)]
        here: bool,
    },
}

#[derive(Args)]
struct GateArguments {
    /// Where to listen, UDP; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// HOST:PORT as clients reach it, if that is another.
    #[arg(long, value_name = "HOST:PORT")]
    advertise: Option<String>,
    /// Where to write the ticket once it is good. A server that was given its identity needs none: whoever chose that has it.
    #[arg(long, value_name = "FILE")]
    ticket_file: Option<PathBuf>,
    /// Touched whenever an agent renews the server, for a watchdog that does not trust it.
    #[arg(long, value_name = "FILE")]
    renewed_file: Option<PathBuf>,
    /// The libcuda to load, by absolute path. Default: NVIDIA's where it has a device, else the software GPU.
    #[arg(long, value_name = "PATH")]
    driver: Option<PathBuf>,
    /// End after this long, unless an agent renews it.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    ttl: Option<Duration>,
    /// End after this long without a session.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    idle: Option<Duration>,
    /// How long a session outlives its connection.
    #[arg(long, value_name = "TIME", value_parser = time::parse, default_value = "2m")]
    resume_grace: Duration,
    /// Sessions at once; each is a process. A crowd of programs that starts together is one each.
    #[arg(long, value_name = "N", default_value_t = SESSIONS_MAX as u16, value_parser = clap::value_parser!(u16).range(1..=SESSIONS_MAX as i64))]
    sessions: u16,
    /// Memory of this machine that one session's worker may hold. Default: three quarters of it.
    #[arg(long, value_name = "SIZE", value_parser = quota::parse_bytes)]
    session_memory: Option<u64>,
    /// Device memory that one session may hold. Default: what the device has.
    #[arg(long, value_name = "SIZE", value_parser = quota::parse_bytes)]
    device_memory: Option<u64>,
    /// Sessions of one ticket at once. Default: as many as the server has.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=SESSIONS_MAX as i64))]
    sessions_per_ticket: Option<u16>,
    /// End a session when a kernel or a call of the driver has made no progress for this long. Default: such are only reported.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    stall_limit: Option<Duration>,
    /// A file with the client secret, 64 hexadecimal digits; without it a new one is made.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// "off" lets workers run with all rights of whoever starts the server: only to look for a fault, never for others.
    #[arg(long, value_name = "on|off", default_value = "on", value_parser = on_or_off, action = clap::ArgAction::Set)]
    jail: bool,
    /// Jail workers as if the driver were NVIDIA's.
    #[arg(long, hide = true)]
    as_nvidia: bool,
    /// The program to run as each session's worker, instead of this one.
    #[arg(long, value_name = "PATH", hide = true)]
    worker_program: Option<PathBuf>,
}

fn on_or_off(word: &str) -> Result<bool, String> {
    match word {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("it is either on or off".into()),
    }
}

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("FARWARP_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let arguments = Arguments::parse();
    let result = match arguments.role {
        Some(Role::Worker) => farwarp_server::worker::main(),
        Some(Role::Ticket(wish)) => ticket_desk::serve(wish),
        Some(Role::Jail { driver, here }) => try_jail(driver.as_deref(), here),
        None => serve(arguments.gate),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("farwarp-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whoever asks gets a line a layer; what a jail lacks is no failure of the command.
fn try_jail(driver: Option<&std::path::Path>, here: bool) -> anyhow::Result<()> {
    let driver = driver_choice::choose(driver, &std::env::current_exe()?)?;
    if !here {
        let mut again = std::process::Command::new("/proc/self/exe");
        again.args(["jail", "--here", "--driver"]).arg(&driver.path);
        let status = gate::apart(|| again.status())?;
        return if status.success() { Ok(()) } else { bail!("it ended with {status}") };
    }
    let nvidia = driver.kind == DriverKind::Nvidia;
    let plan = jail::Plan { driver: driver.path, nvidia, session: 0, limits: jail::Limits::default() };
    for taken in jail::enter(&plan) {
        println!("{taken}");
    }
    Ok(())
}

/// The gate: all on one thread, so that its workers, which die with the thread that started them, die with it.
fn serve(arguments: GateArguments) -> anyhow::Result<()> {
    driver_choice::refuse_our_shim()?;
    let mut driver = driver_choice::choose(arguments.driver.as_deref(), &std::env::current_exe()?)?;
    if arguments.as_nvidia {
        driver.kind = DriverKind::Nvidia;
    }
    let given = given_identity()?;
    if arguments.ticket_file.is_none() && given.is_none() {
        bail!("--ticket-file is needed, or an identity in {}", identity::VARIABLE);
    }
    if arguments.ticket_file.is_some()
        && arguments.listen.ip().is_unspecified()
        && arguments.advertise.is_none()
    {
        bail!("--listen {} needs --advertise HOST:PORT: a ticket must say where to go", arguments.listen);
    }
    let (keys, secret) = match (given, &arguments.secret_file) {
        (Some(identity), _) => (identity.keys(), identity.secret().clone()),
        (None, None) => (KeyPair::generate(), Secret(keys::random())),
        (None, Some(file)) => (KeyPair::generate(), secret_in(file)?),
    };
    let worker = match arguments.worker_program {
        Some(program) => WorkerCommand { program, arguments: Vec::new() },
        None => WorkerCommand::this_program(),
    };
    let config = Config {
        listen: arguments.listen,
        advertise: arguments.advertise,
        keys,
        secret,
        table: farwarp_protocol::call::fingerprint(),
        driver,
        ttl: arguments.ttl,
        idle: arguments.idle,
        resume_grace: arguments.resume_grace,
        sessions_max: arguments.sessions.into(),
        worker,
        quota: Quota {
            host_bytes: arguments.session_memory.unwrap_or(Quota::default().host_bytes),
            device_bytes: arguments.device_memory.unwrap_or(Quota::default().device_bytes),
            stall: arguments.stall_limit,
            sessions_of_a_ticket: arguments.sessions_per_ticket.unwrap_or(arguments.sessions).into(),
        },
        jailed: arguments.jail,
        renewed_file: arguments.renewed_file,
    };
    if !config.jailed {
        tracing::warn!(
            "workers are not jailed: a client that takes one over has the rights of this server's user"
        );
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listen = config.listen;
        let gate = Gate::bind(config).with_context(|| format!("cannot listen on {listen}"))?;
        if let Some(file) = &arguments.ticket_file {
            ticket_file::write(file, gate.ticket())
                .with_context(|| format!("cannot write the ticket to {}", file.display()))?;
        }
        tracing::info!(address = gate.ticket().address, "serving");
        gate.serve().await?;
        Ok(())
    })
}

/// Who rented this machine chose what its server is.
fn given_identity() -> anyhow::Result<Option<Identity>> {
    match std::env::var(identity::VARIABLE) {
        Ok(text) => Ok(Some(text.parse().with_context(|| format!("in {}", identity::VARIABLE))?)),
        Err(_) => Ok(None),
    }
}

fn secret_in(file: &std::path::Path) -> anyhow::Result<Secret> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    text.parse().with_context(|| format!("in {}", file.display()))
}
