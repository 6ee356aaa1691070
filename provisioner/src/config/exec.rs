//! The commands of provider `exec`.

use serde::{Deserialize, Deserializer};

use super::{Delivery, Terms, time};
use crate::cost::MicroDollars;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Exec {
    pub create: String,
    pub status: String,
    pub destroy: String,
    pub list: String,
    /// Without it there is one offer, at `price`.
    pub offers: Option<String>,
    pub logs: Option<String>,
    /// Run on the machine, to end it.
    pub end: Option<String>,
    #[serde(deserialize_with = "price")]
    pub price: MicroDollars,
    pub server_url: Option<String>,
    pub server_sha256: Option<String>,
    /// A command that takes longer is ended; of a create it is then unknown what became of it.
    #[serde(deserialize_with = "time")]
    pub command_timeout: u64,
    #[serde(deserialize_with = "time")]
    pub boot_timeout: u64,
    #[serde(deserialize_with = "time")]
    pub ttl: u64,
    #[serde(deserialize_with = "time")]
    pub resume_grace: u64,
    #[serde(deserialize_with = "time")]
    pub poll: u64,
    #[serde(deserialize_with = "time")]
    pub verify: u64,
}

impl Default for Exec {
    fn default() -> Self {
        Self {
            create: String::new(),
            status: String::new(),
            destroy: String::new(),
            list: String::new(),
            offers: None,
            logs: None,
            end: None,
            price: MicroDollars(0),
            server_url: None,
            server_sha256: None,
            command_timeout: 10 * 60_000,
            boot_timeout: 10 * 60_000,
            ttl: 10 * 60_000,
            resume_grace: 2 * 60_000,
            poll: 10_000,
            verify: 5_000,
        }
    }
}

impl Exec {
    pub fn terms(&self) -> Terms {
        let Self { boot_timeout, ttl, resume_grace, verify, .. } = *self;
        Terms { boot_timeout, ttl, resume_grace, verify }
    }

    pub fn delivery(&self) -> Delivery {
        Delivery { server_url: self.server_url.clone(), server_sha256: self.server_sha256.clone() }
    }

    /// The command without which no machine would be rented that could not be ended.
    pub fn missing(&self) -> Option<&'static str> {
        let needed = [
            ("create", &self.create),
            ("status", &self.status),
            ("destroy", &self.destroy),
            ("list", &self.list),
        ];
        needed.into_iter().find(|(_, command)| command.trim().is_empty()).map(|(name, _)| name)
    }
}

fn price<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MicroDollars, D::Error> {
    Ok(super::money::optional_price(deserializer)?.unwrap_or_default())
}
