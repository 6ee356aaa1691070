//! What can be said of a provider that rents machines out over the network, and of how the server gets onto its machines.

use std::path::PathBuf;

use serde::Deserialize;

use super::{Terms, optional_time, time};

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rented {
    /// The address of its API, where that is not the usual one.
    pub endpoint: Option<String>,
    /// A file that holds the account's key.
    pub key_file: Option<PathBuf>,
    /// The container image, or the machine's image.
    pub image: Option<String>,
    pub disk_gb: u64,
    /// Where a machine fetches the server, unless its image has it.
    pub server_url: Option<String>,
    /// The SHA-256 of the server; one that has another is not run.
    pub server_sha256: Option<String>,
    #[serde(deserialize_with = "time")]
    pub boot_timeout: u64,
    /// A machine ends itself when no agent has renewed it for so long.
    #[serde(deserialize_with = "time")]
    pub ttl: u64,
    #[serde(deserialize_with = "time")]
    pub resume_grace: u64,
    /// Between two looks at a machine that boots.
    #[serde(deserialize_with = "optional_time")]
    pub poll: Option<u64>,
    /// Between two attempts to destroy, and between the two lists that prove that a machine is gone.
    #[serde(deserialize_with = "time")]
    pub verify: u64,
}

/// How the server gets onto a machine.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Delivery {
    pub server_url: Option<String>,
    pub server_sha256: Option<String>,
}

impl Default for Rented {
    fn default() -> Self {
        Self {
            endpoint: None,
            key_file: None,
            image: None,
            disk_gb: 8,
            server_url: None,
            server_sha256: None,
            boot_timeout: 10 * 60_000,
            ttl: 10 * 60_000,
            resume_grace: 2 * 60_000,
            poll: None,
            verify: 5_000,
        }
    }
}

impl Rented {
    pub fn terms(&self) -> Terms {
        Terms {
            boot_timeout: self.boot_timeout,
            ttl: self.ttl,
            resume_grace: self.resume_grace,
            verify: self.verify,
        }
    }

    pub fn delivery(&self) -> Delivery {
        Delivery { server_url: self.server_url.clone(), server_sha256: self.server_sha256.clone() }
    }

    /// Why this cannot be meant, if it cannot.
    pub fn fault(&self) -> Option<String> {
        let is_sha256 = |text: &String| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match (&self.server_url, &self.server_sha256) {
            (Some(_), None) => {
                Some("server_url needs server_sha256: nothing is run whose hash is unknown".into())
            }
            (_, Some(hash)) if !is_sha256(hash) => {
                Some(format!("server_sha256 is 64 hexadecimal digits, not '{hash}'"))
            }
            // A session that outlived its machine's own limit would be lost without a word.
            _ if self.resume_grace >= self.ttl => Some("resume_grace has to be shorter than ttl".into()),
            _ => None,
        }
    }
}
