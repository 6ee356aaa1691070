//! What a server on a rented machine is: the seed of its key and the secret of its owner's ticket, both chosen by who rents it.
//!
//! So a client can pin the server before the machine exists, and the machine holds nothing that opens anything but itself.

use std::fmt;
use std::str::FromStr;

use farwarp_protocol::ticket::{Secret, Ticket, TicketError};

use crate::keys::{self, KeyPair};

/// Carries an identity to a server, in the form of its `Display`.
pub const VARIABLE: &str = "FARWARP_IDENTITY";

#[derive(Clone)]
pub struct Identity {
    seed: Secret,
    secret: Secret,
}

impl Identity {
    pub fn generate() -> Self {
        Self { seed: Secret(keys::random()), secret: Secret(keys::random()) }
    }

    pub fn keys(&self) -> KeyPair {
        KeyPair::from_seed(&self.seed.0)
    }

    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// The ticket of the server that has this identity and is reached there.
    pub fn ticket(&self, address: String) -> Ticket {
        Ticket { address, key: self.keys().pin(), secret: self.secret.clone() }
    }
}

/// `SEED:SECRET`, each 64 hexadecimal digits. It writes both down; `Debug` writes neither.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.seed.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(":")?;
        self.secret.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(…)")
    }
}

impl FromStr for Identity {
    type Err = TicketError;

    fn from_str(text: &str) -> Result<Self, TicketError> {
        let (seed, secret) = text.trim().split_once(':').ok_or(TicketError::Missing { field: "secret" })?;
        Ok(Self { seed: seed.parse()?, secret: secret.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_survives_a_variable_and_keeps_its_pin() {
        let identity = Identity::generate();
        let read: Identity = format!("{identity}\n").parse().unwrap();
        assert_eq!(read.keys().pin(), identity.keys().pin());
        assert_eq!(read.secret().0, identity.secret().0);
        assert_eq!(identity.ticket("h:1".into()).key, identity.keys().pin());
        assert_ne!(Identity::generate().keys().pin(), identity.keys().pin());
        // Vast takes at most so many bytes in a variable.
        assert!(identity.to_string().len() <= 256);
    }

    #[test]
    fn an_identity_is_printed_only_to_be_written_down() {
        let identity = Identity::generate();
        assert!(!format!("{identity:?}").contains(&identity.to_string()[..8]));
        for wrong in ["", "ab:cd", &"a".repeat(129)] {
            assert!(wrong.parse::<Identity>().is_err(), "{wrong}");
        }
    }
}
