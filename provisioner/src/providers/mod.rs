//! Who rents machines out: one file a company. Only [`local`] is built; the other names are known and say so.

pub mod local;

use std::sync::Arc;

use crate::config::Config;
use crate::provider::Provider;
use local::Local;

/// Names that will mean something, in the order in which they are offered.
pub const NOT_BUILT_YET: [&str; 13] = [
    "ssh",
    "docker",
    "slurm",
    "exec",
    "vast",
    "runpod",
    "lambda",
    "paperspace",
    "digitalocean",
    "aws",
    "gcp",
    "azure",
    "kubernetes",
];

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownProvider {
    #[error("provider '{0}' is not built yet; 'local' is the only one")]
    NotBuilt(String),
    #[error("there is no provider '{0}'; 'local' is the only one built")]
    Unknown(String),
}

pub fn check_name(name: &str) -> Result<(), UnknownProvider> {
    match name {
        local::NAME => Ok(()),
        _ if NOT_BUILT_YET.contains(&name) => Err(UnknownProvider::NotBuilt(name.into())),
        _ => Err(UnknownProvider::Unknown(name.into())),
    }
}

/// The providers as they are configured now.
pub trait Providers: Send + Sync {
    fn get(&self, name: &str, config: &Config) -> Result<Arc<dyn Provider>, UnknownProvider>;
}

/// Those of this build.
pub struct Built {
    pub places: local::Places,
}

impl Providers for Built {
    fn get(&self, name: &str, config: &Config) -> Result<Arc<dyn Provider>, UnknownProvider> {
        check_name(name)?;
        Ok(Arc::new(Local::new(self.places.clone(), &config.provider.local)))
    }
}
