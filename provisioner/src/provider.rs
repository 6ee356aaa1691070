//! What every company that rents out machines can be asked, and what may come back.
//!
//! The methods block; each lease has a thread of its own. A provider keeps no state about leases: the ledger does.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use farwarp_link::identity::Identity;
use farwarp_protocol::ticket::Ticket;
use serde::{Deserialize, Serialize};

use crate::cost::{MicroDollars, Price};

pub trait Provider: Send + Sync {
    fn name(&self) -> &'static str;

    fn capabilities(&self) -> Capabilities;

    /// Whether the credentials are good and there is money, without spending any.
    fn preflight(&self) -> Result<Account, ProviderError>;

    /// What could be rented now. It may hold offers that do not fit: whoever chooses looks again.
    fn offers(&self, need: &Need) -> Result<Vec<Offer>, ProviderError>;

    /// Rents. The tag is on the machine from its first moment, so that `list` finds it even if this answer is lost.
    fn create(&self, offer: &Offer, order: &Order, identity: &Identity) -> Result<RemoteId, ProviderError>;

    /// How one machine is. A machine that the provider does not know is [`Condition::Absent`], not an error.
    fn poll(&self, remote: &RemoteId) -> Result<Condition, ProviderError>;

    /// Asks for the end of a machine; one that is gone already is a success.
    fn destroy(&self, remote: &RemoteId) -> Result<(), ProviderError>;

    /// Every machine of this owner, whatever its state, as long as it may cost something.
    fn list(&self, owner: &Owner) -> Result<Vec<Listed>, ProviderError>;

    /// The last bytes of what the machine has written.
    fn logs(&self, remote: &RemoteId, tail_bytes: usize) -> Result<String, ProviderError>;
}

/// What a provider can and cannot do; decides how much has to be done for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Datagrams reach the machine.
    pub udp: bool,
    /// A list names every machine that was ever created and not destroyed, also the one of a moment ago. Where it may lag,
    /// absence counts only after two lists some time apart.
    pub list_is_current: bool,
    /// A poll that says "absent" of a machine whose creation was answered is proof. Where it may lag, it is none.
    pub poll_is_current: bool,
    /// Repeating a create with the same tag makes no second machine.
    pub create_is_idempotent: bool,
    /// The provider itself ends the machine after [`Order::lifetime`].
    pub ends_by_itself: bool,
    /// The machine can end itself without a credential of the account.
    pub may_end_itself: bool,
    /// It has machines that may be taken away.
    pub spot: bool,
    /// What a machine writes is in a file of ours from the beginning.
    pub log_is_here: bool,
    /// Between two polls of a booting machine, as the provider bears it.
    pub poll_ms: u64,
}

/// Who pays, as the provider knows it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Account {
    pub name: String,
    /// Absent where the provider does not say.
    pub balance: Option<MicroDollars>,
}

/// What is looked for. Nothing said means nothing required.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Need {
    pub gpu: Option<String>,
    /// Of the device.
    pub vram_mb: Option<u64>,
    /// Of the machine.
    pub ram_mb: Option<u64>,
    pub max_per_hour: Option<MicroDollars>,
    /// Some part of what the provider calls the place.
    pub region: Option<String>,
    /// Machines that may be taken away will do.
    pub spot: bool,
    /// Machines that the provider does not vouch for will do.
    pub untrusted: bool,
    /// The CUDA version that the machine's driver must know, as cuda.h counts: 12080 for 12.8.
    pub cuda: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    /// The provider's own name for it, enough to create it.
    pub id: String,
    /// For people: "RTX 4090, 24 GB, Sweden".
    pub description: String,
    pub price: Price,
    /// The physical machine, where known: one that failed is not tried again.
    pub host: Option<String>,
    #[serde(default)]
    pub traits: Traits,
}

/// What is known of an offer beside its price. What is not known is not held against it, except trust.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Traits {
    pub gpu: Option<String>,
    pub vram_mb: Option<u64>,
    pub ram_mb: Option<u64>,
    pub region: Option<String>,
    pub spot: bool,
    pub trusted: bool,
    pub cuda: Option<u32>,
    /// How often of a thousand times such a machine does what it should.
    pub reliability_permille: Option<u32>,
}

/// Everything that a machine is given at birth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    pub tag: Tag,
    /// The server ends itself after this long, unless the agent renews it.
    pub ttl: Duration,
    /// The server ends itself after this long without a session.
    pub idle: Duration,
    pub resume_grace: Duration,
    /// Where the provider can end the machine by itself, it does so after this long.
    pub lifetime: Option<Duration>,
    pub environment: BTreeMap<String, String>,
    /// The server's program on this machine: that of the client's build, where it says which that is.
    #[serde(default)]
    pub server: Option<PathBuf>,
}

/// What a provider calls one machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RemoteId(pub String);

/// Whose machines: one a state directory, random. Others' machines are never touched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owner(pub String);

/// On every machine, in whatever field the provider keeps for such things: `farwarp:OWNER:LEASE`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tag {
    pub owner: Owner,
    pub lease: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub remote: RemoteId,
    pub tag: Tag,
}

/// How a server is reached.
#[derive(Debug, Clone)]
pub enum Reach {
    /// It made its own keys and wrote this down.
    Ticket(Ticket),
    /// `HOST:PORT`; it has the identity that it was given.
    Address(String),
}

#[derive(Debug, Clone)]
pub enum Condition {
    /// What the provider says of it, for people who wait.
    Booting(String),
    /// It runs, and this is how its server is reached.
    Running(Reach),
    /// It stopped by itself or was taken away. It may still cost something.
    Stopped(String),
    /// The provider does not know it any more.
    Absent,
}

/// One variant for each way to go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// Another offer may do.
    #[error("no capacity: {0}")]
    NoCapacity(String),
    #[error("quota: {0}")]
    Quota(String),
    #[error("not authorised: {0}")]
    Auth(String),
    #[error("balance: {0}")]
    Balance(String),
    #[error("asked too often{}", after.map_or(String::new(), |after| format!("; again in {} s", after.as_secs())))]
    RateLimited { after: Option<Duration> },
    /// Something is to be said in the configuration before anything can be rented here.
    #[error("not configured: {0}")]
    Unconfigured(String),
    /// Asking again in the same way will not help.
    #[error("{0}")]
    Refused(String),
    /// Asking again may help, and nothing was done.
    #[error("{0}")]
    Transient(String),
    /// The answer was lost: it may have been done.
    #[error("the answer was lost: {0}")]
    Lost(String),
    /// An error, and yet a machine that may cost something.
    #[error("{why} (the machine {remote} was made nevertheless)")]
    MadeButFailed { remote: RemoteId, why: String },
}

impl ProviderError {
    /// Whether other offers of the same provider are worth a try.
    pub fn concerns_the_account(&self) -> bool {
        use ProviderError::*;
        matches!(self, Quota(_) | Auth(_) | Balance(_) | RateLimited { .. } | Unconfigured(_))
    }
}

impl fmt::Display for RemoteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "farwarp:{}:{}", self.owner.0, self.lease)
    }
}

impl Tag {
    pub fn parse(text: &str) -> Option<Self> {
        let (owner, lease) = text.strip_prefix("farwarp:")?.split_once(':')?;
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (plain(owner) && plain(lease)).then(|| Self { owner: Owner(owner.into()), lease: lease.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_survives_being_written_down_and_nothing_else_is_one() {
        let tag = Tag { owner: Owner("abc1".into()), lease: "l7".into() };
        assert_eq!(Tag::parse(&tag.to_string()), Some(tag));
        for other in [
            "",
            "farwarp:",
            "farwarp:a",
            "farwarp:a:",
            "farwarp::b",
            "farwarp:a:b:c",
            "other:a:b",
            "farwarp:a:b c",
        ] {
            assert_eq!(Tag::parse(other), None, "{other}");
        }
    }
}
