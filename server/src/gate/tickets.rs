//! The tickets of a gate: one for its owner, who may do everything, and one for each further user, who may compute.

use std::collections::{BTreeMap, VecDeque};

use farwarp_link::keys::{self, Exported};
use farwarp_protocol::admission::{TICKET_NAME_BYTES_MAX, TICKETS_MAX};
use farwarp_protocol::ticket::Secret;

/// The ticket that the server writes when it starts.
pub const OWNER: &str = "owner";
/// Withdrawn tickets whose holders are told so, rather than that nobody knows them.
const REVOKED_MAX: usize = 256;

/// Whose proof it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prover {
    /// The holder of a ticket of this name.
    Holder(String),
    Revoked,
    Nobody,
}

/// Why a ticket is not added or withdrawn; its words are for whoever asked.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    #[error("a ticket's name has 1 to {TICKET_NAME_BYTES_MAX} letters, digits, '-', '_' or '.'")]
    Name,
    #[error("there is a ticket '{0}' already")]
    Taken(String),
    #[error("there are {TICKETS_MAX} tickets, which is the most")]
    Full,
    #[error("there is no ticket '{0}'")]
    Missing(String),
    #[error("the owner's ticket dies with its server and not before")]
    Owner,
}

pub struct Tickets {
    live: BTreeMap<String, Secret>,
    revoked: VecDeque<Secret>,
}

impl Tickets {
    pub fn of_owner(secret: Secret) -> Self {
        Self { live: BTreeMap::from([(OWNER.to_owned(), secret)]), revoked: VecDeque::new() }
    }

    pub fn add(&mut self, name: &str, secret: Secret) -> Result<(), TicketError> {
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        if name.is_empty() || name.len() > TICKET_NAME_BYTES_MAX || !name.chars().all(allowed) {
            return Err(TicketError::Name);
        }
        if self.live.contains_key(name) {
            return Err(TicketError::Taken(name.to_owned()));
        }
        if self.live.len() == TICKETS_MAX {
            return Err(TicketError::Full);
        }
        self.live.insert(name.to_owned(), secret);
        Ok(())
    }

    pub fn revoke(&mut self, name: &str) -> Result<(), TicketError> {
        if name == OWNER {
            return Err(TicketError::Owner);
        }
        let secret = self.live.remove(name).ok_or_else(|| TicketError::Missing(name.to_owned()))?;
        if self.revoked.len() == REVOKED_MAX {
            self.revoked.pop_front();
        }
        self.revoked.push_back(secret);
        Ok(())
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.live.keys().map(String::as_str)
    }

    /// Every secret is tried, so that the time tells nobody which one it was.
    pub fn prover(&self, exported: &Exported, proof: &[u8; 32]) -> Prover {
        let proves = |secret: &Secret| keys::is_proven(secret, exported, &[], proof);
        let mut prover = Prover::Nobody;
        for secret in &self.revoked {
            if proves(secret) {
                prover = Prover::Revoked;
            }
        }
        for (name, secret) in &self.live {
            if proves(secret) {
                prover = Prover::Holder(name.clone());
            }
        }
        prover
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(byte: u8) -> Secret {
        Secret([byte; 32])
    }

    #[test]
    fn a_proof_is_its_holders_until_it_is_withdrawn() {
        let mut tickets = Tickets::of_owner(secret(1));
        tickets.add("bob", secret(2)).unwrap();
        let exported = [7; 32];
        let prover =
            |tickets: &Tickets, byte| tickets.prover(&exported, &keys::prove(&secret(byte), &exported, &[]));
        assert_eq!(prover(&tickets, 1), Prover::Holder(OWNER.into()));
        assert_eq!(prover(&tickets, 2), Prover::Holder("bob".into()));
        assert_eq!(prover(&tickets, 3), Prover::Nobody);
        tickets.revoke("bob").unwrap();
        assert_eq!(prover(&tickets, 2), Prover::Revoked);
        assert_eq!(tickets.names().collect::<Vec<_>>(), [OWNER]);
    }

    #[test]
    fn each_rule_of_the_names_is_kept() {
        let mut tickets = Tickets::of_owner(secret(1));
        for wrong in ["", "a b", "a\x1b", &"x".repeat(TICKET_NAME_BYTES_MAX + 1)] {
            assert_eq!(tickets.add(wrong, secret(2)), Err(TicketError::Name));
        }
        assert_eq!(tickets.add(OWNER, secret(2)), Err(TicketError::Taken(OWNER.into())));
        assert_eq!(tickets.revoke(OWNER), Err(TicketError::Owner));
        assert_eq!(tickets.revoke("eve"), Err(TicketError::Missing("eve".into())));
        for number in 1..TICKETS_MAX {
            tickets.add(&number.to_string(), secret(3)).unwrap();
        }
        assert_eq!(tickets.add("late", secret(2)), Err(TicketError::Full));
    }
}
