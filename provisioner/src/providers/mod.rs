//! Who rents machines out: one file a company. The names that are not built are known and say so.

pub mod exec;
pub mod local;
pub mod vast;

use std::sync::Arc;

use crate::config::Config;
use crate::http::Http;
use crate::provider::Provider;
use exec::Exec;
use local::Local;
use vast::Vast;

/// The names that mean something, in the order in which they are offered.
pub const BUILT: [&str; 3] = [local::NAME, vast::NAME, exec::NAME];

/// Names that will mean something.
pub const NOT_BUILT_YET: [&str; 11] = [
    "ssh",
    "docker",
    "slurm",
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
    #[error("provider '{0}' is not built yet; those that are: {built}", built = BUILT.join(", "))]
    NotBuilt(String),
    #[error("there is no provider '{0}'; those built: {built}", built = BUILT.join(", "))]
    Unknown(String),
}

pub fn check_name(name: &str) -> Result<(), UnknownProvider> {
    match name {
        _ if BUILT.contains(&name) => Ok(()),
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
    pub http: Arc<dyn Http>,
}

impl Providers for Built {
    fn get(&self, name: &str, config: &Config) -> Result<Arc<dyn Provider>, UnknownProvider> {
        check_name(name)?;
        Ok(match name {
            exec::NAME => Arc::new(Exec::new(&config.provider.exec)),
            vast::NAME => Arc::new(Vast::new(self.http.clone(), &config.provider.vast)),
            _ => Arc::new(Local::new(self.places.clone(), &config.provider.local)),
        })
    }
}
