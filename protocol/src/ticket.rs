//! A ticket: all that a client needs to reach one server and to be believed by it.
//!
//! It is one line, so that it fits into a variable, a file or a message:
//! `farwarp://HOST:PORT?key=HEX&secret=HEX`. Whoever holds it may use the server; nothing here prints the secret except
//! `Display`, whose purpose is to write the ticket down.

use std::fmt;
use std::str::FromStr;

/// SHA-256 of a server's public key (its SubjectPublicKeyInfo); the client talks to nobody else.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyPin(pub [u8; 32]);

/// Thirty-two random bytes that prove something. Not to be compared, but used as the key of a MAC.
#[derive(Clone)]
pub struct Secret(pub [u8; 32]);

#[derive(Clone)]
pub struct Ticket {
    /// `HOST:PORT`; the host is an address or a name, an IPv6 address stands in brackets.
    pub address: String,
    pub key: KeyPin,
    pub secret: Secret,
}

/// A longer line is no ticket: 253 bytes of host name, the port, twice 64 hexadecimal digits and the words between.
pub const TICKET_BYTES_MAX: usize = 512;

const SCHEME: &str = "farwarp://";

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    #[error("a ticket begins with {SCHEME}")]
    Scheme,
    #[error("a ticket has at most {TICKET_BYTES_MAX} bytes, this has {bytes}")]
    TooLong { bytes: usize },
    #[error("a ticket names HOST:PORT, this names '{address}'")]
    Address { address: String },
    #[error("the ticket has no {field}=")]
    Missing { field: &'static str },
    #[error("the ticket has {field}= twice")]
    Twice { field: &'static str },
    #[error("{field}= of a ticket is 64 hexadecimal digits")]
    Hex { field: &'static str },
    #[error("a ticket has no field '{field}'")]
    Unknown { field: String },
}

impl FromStr for Ticket {
    type Err = TicketError;

    /// The one line that a ticket is; blanks and a newline around it are forgiven, because it often comes from a file.
    fn from_str(line: &str) -> Result<Self, TicketError> {
        let line = line.trim();
        if line.len() > TICKET_BYTES_MAX {
            return Err(TicketError::TooLong { bytes: line.len() });
        }
        let rest = line.strip_prefix(SCHEME).ok_or(TicketError::Scheme)?;
        let (address, fields) = rest.split_once('?').ok_or(TicketError::Missing { field: "key" })?;
        let (mut key, mut secret) = (None, None);
        for field in fields.split('&') {
            match field.split_once('=') {
                Some(("key", digits)) => once(&mut key, "key", digits)?,
                Some(("secret", digits)) => once(&mut secret, "secret", digits)?,
                other => {
                    let field = other.map_or(field, |(name, _)| name).to_owned();
                    return Err(TicketError::Unknown { field });
                }
            }
        }
        Ok(Ticket {
            address: checked_address(address)?,
            key: KeyPin(key.ok_or(TicketError::Missing { field: "key" })?),
            secret: Secret(secret.ok_or(TicketError::Missing { field: "secret" })?),
        })
    }
}

fn once(slot: &mut Option<[u8; 32]>, field: &'static str, digits: &str) -> Result<(), TicketError> {
    match slot.replace(from_hex(digits).ok_or(TicketError::Hex { field })?) {
        None => Ok(()),
        Some(_) => Err(TicketError::Twice { field }),
    }
}

fn checked_address(address: &str) -> Result<String, TicketError> {
    let refused = || TicketError::Address { address: address.to_owned() };
    let (host, port) = address.rsplit_once(':').ok_or_else(refused)?;
    let bare_ipv6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
    // It is printed where it cannot be reached, and goes to the resolver: neither is for anything but a name.
    let is_name =
        host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']' | '%'));
    match port.parse::<u16>() {
        Ok(port) if port != 0 && !host.is_empty() && !bare_ipv6 && is_name => Ok(address.to_owned()),
        _ => Err(refused()),
    }
}

/// A secret alone, as a file holds it: its digits, and whatever blanks an editor left around them.
impl FromStr for Secret {
    type Err = TicketError;

    fn from_str(digits: &str) -> Result<Self, TicketError> {
        from_hex(digits.trim()).map(Secret).ok_or(TicketError::Hex { field: "secret" })
    }
}

/// Writes the ticket down, secret included.
impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}?key={}&secret={}", self.address, Hex(&self.key.0), Hex(&self.secret.0))
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("address", &self.address)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for KeyPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Hex(&self.0))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn from_hex(digits: &str) -> Option<[u8; 32]> {
    let digits = digits.as_bytes();
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let (high, low) = (char::from(pair[0]).to_digit(16)?, char::from(pair[1]).to_digit(16)?);
        *byte = (high << 4 | low) as u8;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(address: &str) -> Ticket {
        Ticket { address: address.into(), key: KeyPin([0xa5; 32]), secret: Secret([0x3c; 32]) }
    }

    #[test]
    fn a_ticket_survives_being_written_down() {
        for address in ["127.0.0.1:4433", "[::1]:9", "gpu.example:65535"] {
            let read: Ticket = format!(" {}\n", ticket(address)).parse().unwrap();
            assert_eq!(read.address, address);
            assert_eq!(read.key, KeyPin([0xa5; 32]));
            assert_eq!(read.secret.0, [0x3c; 32]);
        }
    }

    #[test]
    fn debug_output_never_shows_the_secret() {
        assert!(!format!("{:?} {:?}", ticket("h:1"), ticket("h:1").secret).contains("3c"));
    }

    #[test]
    fn what_is_no_ticket_is_refused_by_the_rule_it_breaks() {
        let parse = |line: &str| line.parse::<Ticket>().unwrap_err();
        let (key, secret) = (format!("key={}", "ab".repeat(32)), format!("secret={}", "cd".repeat(32)));
        assert_eq!(parse("http://h:1"), TicketError::Scheme);
        assert_eq!(parse(&format!("farwarp://h:1?{key}")), TicketError::Missing { field: "secret" });
        assert_eq!(
            parse(&format!("farwarp://h:1?{key}&{key}&{secret}")),
            TicketError::Twice { field: "key" }
        );
        assert_eq!(parse("farwarp://h:1?key=12"), TicketError::Hex { field: "key" });
        assert_eq!(
            parse(&format!("farwarp://h:1?key={}", "+1".repeat(32))),
            TicketError::Hex { field: "key" }
        );
        assert_eq!(parse("farwarp://h:1?pin=1"), TicketError::Unknown { field: "pin".into() });
        for address in ["h", "h:", "h:0", "h:65536", ":1", "::1:1", "h\u{1b}[2J:1", "h&secret=:1", "a b:1"] {
            let refused = parse(&format!("farwarp://{address}?{key}&{secret}"));
            assert_eq!(refused, TicketError::Address { address: address.into() });
        }
        assert_eq!(parse(&"x".repeat(600)), TicketError::TooLong { bytes: 600 });
    }
}
