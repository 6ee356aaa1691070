//! A road that misbehaves, as a program: for benches, and for people who want to see what a bad network does.
//!
//!     farwarp-relay --ticket TICKET --ticket-out FILE --round-trip-ms 20 --megabits 1000 --lost-per-mille 1
//!
//! writes a ticket that leads through it, says so, and carries until standard input ends.

use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use farwarp_protocol::ticket::Ticket;
use farwarp_tests::Relay;
use farwarp_tests::relay::{Conditions, Cut};

#[derive(Parser)]
struct Arguments {
    /// The server's ticket, which names its address.
    #[arg(long, value_name = "FILE")]
    ticket: PathBuf,
    /// Where to write the ticket for clients.
    #[arg(long, value_name = "FILE")]
    ticket_out: PathBuf,
    #[arg(long, default_value_t = 0.0)]
    round_trip_ms: f64,
    /// Each direction's; without it the machine's own.
    #[arg(long)]
    megabits: Option<u64>,
    #[arg(long, default_value_t = 0)]
    lost_per_mille: u32,
    #[arg(long, default_value_t = 0)]
    doubled_per_mille: u32,
    #[arg(long, default_value_t = 0)]
    held_up_per_mille: u32,
    /// Longer payloads vanish.
    #[arg(long, default_value_t = 65_535)]
    mtu_bytes: usize,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Cuts both ways, this often …
    #[arg(long, requires = "cut_for_ms")]
    cut_every_ms: Option<u64>,
    /// … and for so long.
    #[arg(long)]
    cut_for_ms: Option<u64>,
    /// Moves the client to another address, this often.
    #[arg(long)]
    move_every_ms: Option<u64>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let text = std::fs::read_to_string(&arguments.ticket).context("the ticket")?;
    let ticket: Ticket = text.trim().parse().context("the ticket")?;
    let server: SocketAddr = ticket.address.parse().context("the ticket's address")?;
    let relay = Relay::start(server, arguments.seed)?;
    relay.behave(Conditions {
        round_trip: Duration::from_secs_f64(arguments.round_trip_ms / 1e3),
        bits_per_second: arguments.megabits.map(|rate| rate * 1_000_000),
        lost_per_mille: arguments.lost_per_mille,
        doubled_per_mille: arguments.doubled_per_mille,
        held_up_per_mille: arguments.held_up_per_mille,
        mtu_bytes: arguments.mtu_bytes,
    });
    let through = Ticket { address: relay.address().to_string(), ..ticket };
    std::fs::write(&arguments.ticket_out, format!("{through}\n")).context("the new ticket")?;
    println!("{} leads to {server}", relay.address());
    std::thread::scope(|scope| {
        let relay = &relay;
        if let (Some(every), Some(time)) = (arguments.cut_every_ms, arguments.cut_for_ms) {
            scope.spawn(move || repeat(every, || relay.cut(Cut::Both, Duration::from_millis(time))));
        }
        if let Some(every) = arguments.move_every_ms {
            scope.spawn(move || repeat(every, || relay.move_client()));
        }
        let mut rest = Vec::new();
        let _ended = std::io::stdin().read_to_end(&mut rest);
        println!("{:?}", relay.counts());
        // The repeating threads have no end of their own.
        std::process::exit(0);
    })
}

fn repeat(every_ms: u64, act: impl Fn()) {
    loop {
        std::thread::sleep(Duration::from_millis(every_ms));
        act();
    }
}
