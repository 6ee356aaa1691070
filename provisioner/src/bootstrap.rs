//! What a rented machine is told at birth: one shell script, the same for every provider, and the variables that it reads.
//!
//! The first thing that the script does is to watch over itself; only then it fetches the server, whose SHA-256 it was told.

use std::collections::BTreeMap;

use farwarp_link::identity::{self, Identity};

use crate::config;
use crate::provider::Order;

/// Runs as `sh -c SCRIPT` in a container, or from a file on a machine of one's own.
pub const SCRIPT: &str = include_str!("../box/box.sh");

/// Where the server listens within the machine.
pub const PORT: u16 = 4433;

/// The watchdog waits a little longer than the server, which ends its sessions in order.
const DEAD_AFTER_TTL_S: u64 = 30;

/// How a machine ends itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With the key that Vast gives each machine for this and nothing else.
    Vast,
    /// Where a machine that is switched off is gone, and costs nothing.
    Poweroff,
    /// By a command of the user's, which is told to the machine.
    Command,
    /// Where the end of the process is the end of what costs.
    Exit,
}

/// The variables of the script. Only the identity is secret, and it opens this machine only.
pub fn variables(
    order: &Order,
    identity: &Identity,
    delivery: &config::Delivery,
    end: End,
    endpoint: &str,
) -> BTreeMap<String, String> {
    let ttl_s = order.ttl.as_secs().max(1);
    let mut variables: BTreeMap<String, String> = order.environment.clone();
    let mut add = |name: &str, value: String| variables.insert(name.to_owned(), value);
    add(identity::VARIABLE, identity.to_string());
    // Not the variable by which servers of this machine are found: a container of this machine is another provider's.
    add("FARWARP_TAG", order.tag.to_string());
    add("FARWARP_PORT", PORT.to_string());
    add("FARWARP_TTL_S", ttl_s.to_string());
    add("FARWARP_DEAD_S", (ttl_s + DEAD_AFTER_TTL_S.min(ttl_s)).to_string());
    add("FARWARP_IDLE_S", order.idle.as_secs().max(1).to_string());
    add("FARWARP_GRACE_S", order.resume_grace.as_secs().max(1).to_string());
    add("FARWARP_END", end.word().to_owned());
    if end == End::Vast {
        add("FARWARP_ENDPOINT", endpoint.trim_end_matches('/').to_owned());
    }
    if let Some(url) = &delivery.server_url {
        add("FARWARP_SERVER_URL", url.clone());
    }
    if let Some(sha256) = &delivery.server_sha256 {
        add("FARWARP_SERVER_SHA256", sha256.clone());
    }
    variables
}

impl End {
    fn word(self) -> &'static str {
        match self {
            End::Vast => "vast",
            End::Poweroff => "poweroff",
            End::Command => "command",
            End::Exit => "exit",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_fits_where_the_least_room_is() {
        // Vast: arguments and start command together have 4,096 characters.
        assert!(SCRIPT.len() <= 3_900, "{} bytes", SCRIPT.len());
        let parsed = std::process::Command::new("sh").args(["-n", "-c", SCRIPT]).status().unwrap();
        assert!(parsed.success());
    }
}
