//! `farwarp-server ticket`: the words of a server's owner about the tickets of its other users.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use farwarp_link::Control;
use farwarp_protocol::ticket::Ticket;

use crate::ticket_file;

#[derive(Debug, Subcommand)]
pub enum Wish {
    /// Makes a ticket for one more user.
    Add {
        /// What it is called in listings, and when it is withdrawn.
        name: String,
        /// The ticket that the server wrote when it started.
        #[arg(long, value_name = "FILE")]
        owner: PathBuf,
        /// Where to write the new one, for its user.
        #[arg(long, value_name = "FILE")]
        ticket_file: PathBuf,
    },
    /// Withdraws a ticket; the sessions that came with it end.
    Revoke {
        name: String,
        /// The ticket that the server wrote when it started.
        #[arg(long, value_name = "FILE")]
        owner: PathBuf,
    },
    /// Shows each ticket and how many sessions it has.
    List {
        /// The ticket that the server wrote when it started.
        #[arg(long, value_name = "FILE")]
        owner: PathBuf,
    },
}

pub fn serve(wish: Wish) -> anyhow::Result<()> {
    match wish {
        Wish::Add { name, owner, ticket_file } => {
            let ticket = dial(&owner)?.add_ticket(&name)?;
            ticket_file::write(&ticket_file, &ticket)
                .with_context(|| format!("cannot write the ticket to {}", ticket_file.display()))
        }
        Wish::Revoke { name, owner } => Ok(dial(&owner)?.revoke_ticket(&name)?),
        Wish::List { owner } => {
            for ticket in dial(&owner)?.tickets()? {
                println!("{:32}  {} sessions", ticket.name, ticket.sessions);
            }
            Ok(())
        }
    }
}

fn dial(owner: &Path) -> anyhow::Result<Control> {
    let line = std::fs::read_to_string(owner).with_context(|| format!("cannot read {}", owner.display()))?;
    let ticket: Ticket = line.parse().with_context(|| format!("in {}", owner.display()))?;
    Ok(Control::dial(&ticket)?)
}
