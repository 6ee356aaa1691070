//! `config.toml`: what people choose. Everything has a default; nothing that is not understood is passed over.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use farwarp_agent_client::{Paths, milliseconds};
use farwarp_protocol::agent::Wish;
use serde::{Deserialize, Deserializer};

use crate::cost::MicroDollars;
use crate::lease::Rules;
use crate::provider::Need;
use crate::providers;

mod exec;
mod money;
mod rented;

pub use exec::Exec;
pub use money::{Budget, dollars};
pub use rented::{Delivery, Rented};

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The profile that counts; `FARWARP_PROVIDER` and its like change single values of it.
    pub profile: String,
    #[serde(rename = "profiles")]
    pub profiles: BTreeMap<String, Profile>,
    pub provider: ProviderTables,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Profile {
    /// One name, or several: then what is likely to cost least is taken from all of them.
    #[serde(deserialize_with = "one_or_several")]
    pub provider: Vec<String>,
    pub gpu: Option<String>,
    /// At least so much memory of the device, and of the machine.
    #[serde(deserialize_with = "optional_size")]
    pub vram: Option<u64>,
    #[serde(deserialize_with = "optional_size")]
    pub ram: Option<u64>,
    /// For an hour.
    #[serde(deserialize_with = "money::optional_price")]
    pub max_price: Option<MicroDollars>,
    /// Part of what the provider calls the place.
    pub region: Option<String>,
    /// Machines that may be taken away at any time will do.
    pub spot: bool,
    pub trust: Trust,
    /// The CUDA version that the machine's driver has to know.
    #[serde(deserialize_with = "optional_version")]
    pub cuda: Option<u32>,
    #[serde(deserialize_with = "money::budget")]
    pub budget: Budget,
    /// A server is destroyed when nothing was computed on it for so long.
    #[serde(deserialize_with = "time")]
    pub quiet: u64,
    /// The same, while a client that does nothing holds device memory.
    pub hold: Hold,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProviderTables {
    pub local: Local,
    pub vast: Rented,
    pub exec: Exec,
}

/// Whose machines will do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// Those that the provider vouches for.
    #[default]
    Verified,
    Any,
}

/// The times of a lease that its provider decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    pub boot_timeout: u64,
    pub ttl: u64,
    pub resume_grace: u64,
    pub verify: u64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Local {
    /// Beside the `farwarp` command unless named.
    pub server: Option<PathBuf>,
    /// The libcuda that the server loads; by default it chooses.
    pub driver: Option<PathBuf>,
    #[serde(deserialize_with = "time")]
    pub boot_timeout: u64,
    /// The server ends itself when no agent has renewed it for so long.
    #[serde(deserialize_with = "time")]
    pub ttl: u64,
    /// A session outlives its connection for so long.
    #[serde(deserialize_with = "time")]
    pub resume_grace: u64,
}

/// How long memory is held for a client that does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    Never,
    For(u64),
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {path}: {error}", path = path.display())]
    Read { path: PathBuf, error: std::io::Error },
    #[error("{path}: {error}", path = path.display())]
    Malformed { path: PathBuf, error: String },
    #[error("{path}: there is no profile '{name}'", path = path.display())]
    NoProfile { path: PathBuf, name: String },
    #[error("{path}: provider.{provider}: {fault}", path = path.display())]
    Impossible { path: PathBuf, provider: &'static str, fault: String },
    #[error(transparent)]
    Provider(#[from] providers::UnknownProvider),
}

impl Config {
    /// The user's file, or the defaults where there is none. Read anew for each lease, so that a change counts at once.
    pub fn load(paths: &Paths) -> Result<Self, ConfigError> {
        let Some(path) = &paths.config else { return Ok(Self::default()) };
        match std::fs::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !paths.config_is_named => {
                Ok(Self::default())
            }
            Err(error) => Err(ConfigError::Read { path: path.clone(), error }),
            Ok(text) => Self::parse(&text, path),
        }
    }

    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let error = error.to_string().trim_end().to_owned();
            ConfigError::Malformed { path: path.to_owned(), error }
        })?;
        if !config.profiles.contains_key(&config.profile) && config.profile != DEFAULT_PROFILE {
            return Err(ConfigError::NoProfile { path: path.to_owned(), name: config.profile });
        }
        for name in config.profiles.values().flat_map(|profile| &profile.provider) {
            providers::check_name(name)?;
        }
        if config
            .profiles
            .values()
            .any(|profile| profile.provider.iter().any(|name| name == providers::exec::NAME))
            && let Some(name) = config.provider.exec.missing()
        {
            let fault = format!("there is no '{name}'");
            let provider = providers::exec::NAME;
            return Err(ConfigError::Impossible { path: path.to_owned(), provider, fault });
        }
        if let Some(fault) = config.provider.vast.fault() {
            let provider = providers::vast::NAME;
            return Err(ConfigError::Impossible { path: path.to_owned(), provider, fault });
        }
        Ok(config)
    }

    /// The chosen profile, with what a client wishes in its place.
    pub fn profile_for(&self, wish: &Wish) -> Result<Profile, ConfigError> {
        let mut profile = self.profiles.get(&self.profile).cloned().unwrap_or_default();
        if let Some(named) = &wish.provider {
            profile.provider = named.split(',').map(|name| name.trim().to_owned()).collect();
            profile.provider.iter().try_for_each(|name| providers::check_name(name))?;
        }
        profile.gpu = wish.gpu.clone().or(profile.gpu);
        profile.quiet = wish.quiet_ms.unwrap_or(profile.quiet);
        Ok(profile)
    }
}

impl ProviderTables {
    pub fn terms(&self, provider: &str) -> Terms {
        match provider {
            providers::vast::NAME => self.vast.terms(),
            providers::exec::NAME => self.exec.terms(),
            _ => self.local.terms(),
        }
    }
}

impl Local {
    pub fn terms(&self) -> Terms {
        let Self { boot_timeout, ttl, resume_grace, .. } = *self;
        Terms { boot_timeout, ttl, resume_grace, verify: VERIFY_MS }
    }
}

/// Between two lists of the processes of this machine, which do not lag.
const VERIFY_MS: u64 = 5_000;

const DEFAULT_PROFILE: &str = "default";

impl Default for Config {
    fn default() -> Self {
        Self {
            profile: DEFAULT_PROFILE.into(),
            profiles: BTreeMap::new(),
            provider: ProviderTables::default(),
        }
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            provider: vec![providers::local::NAME.into()],
            gpu: None,
            vram: None,
            ram: None,
            max_price: None,
            region: None,
            spot: false,
            trust: Trust::Verified,
            cuda: None,
            budget: Budget::default(),
            quiet: 60_000,
            hold: Hold::For(60 * 60_000),
        }
    }
}

impl Default for Local {
    fn default() -> Self {
        Self { server: None, driver: None, boot_timeout: 30_000, ttl: 15 * 60_000, resume_grace: 2 * 60_000 }
    }
}

/// A server is not looked at more often, nor more seldom.
const OBSERVE_MIN_MS: u64 = 100;
const OBSERVE_MAX_MS: u64 = 5_000;

/// A quiet period shorter than this would end a server between two calls of a program that works.
pub const QUIET_MIN_MS: u64 = 200;

impl Profile {
    pub fn need(&self) -> Need {
        Need {
            gpu: self.gpu.clone(),
            vram_mb: self.vram.map(|bytes| bytes >> 20),
            ram_mb: self.ram.map(|bytes| bytes >> 20),
            max_per_hour: self.max_price,
            region: self.region.clone(),
            spot: self.spot,
            untrusted: self.trust == Trust::Any,
            cuda: self.cuda,
        }
    }

    pub fn rules(&self, terms: &Terms, poll_ms: u64) -> Rules {
        let mut rules = Rules {
            // Each look renews the server's limit: three of them before it is over.
            observe_max_ms: (terms.ttl / 3).clamp(OBSERVE_MIN_MS, OBSERVE_MAX_MS),
            boot_timeout_ms: terms.boot_timeout,
            quiet_ms: 0,
            hold_ms: match self.hold {
                Hold::Never => None,
                Hold::For(ms) => Some(ms),
            },
            silent_ms: 60_000,
            drain_ms: 10_000,
            poll_ms,
            observe_ms: 0,
            verify_ms: terms.verify,
        };
        rules.set_quiet(self.quiet);
        rules
    }
}

impl Rules {
    /// Sets the quiet period, and looks often enough to keep it: four times within it, but not busier than ten times a second.
    pub fn set_quiet(&mut self, quiet_ms: u64) {
        self.quiet_ms = quiet_ms.max(QUIET_MIN_MS);
        self.observe_ms = (self.quiet_ms / 4).clamp(OBSERVE_MIN_MS, self.observe_max_ms);
    }
}

fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    use serde::de::Error;
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        One(String),
        Several(Vec<String>),
    }
    match Written::deserialize(deserializer) {
        Ok(Written::One(name)) => Ok(vec![name]),
        Ok(Written::Several(names)) if !names.is_empty() => Ok(names),
        _ => Err(D::Error::custom("provider is \"vast\", or a list like [\"vast\", \"aws\"]")),
    }
}

fn optional_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    use serde::de::Error;
    let text = String::deserialize(deserializer)?;
    let gigabytes = text.trim().trim_end_matches('B').trim_end_matches('i').strip_suffix('G');
    let bytes = gigabytes.and_then(|number| number.trim().parse::<u64>().ok()?.checked_mul(1 << 30));
    bytes.map(Some).ok_or_else(|| D::Error::custom(format!("'{text}' is no size; write \"24 GB\"")))
}

/// As cuda.h counts: 12080 for 12.8.
fn optional_version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    use serde::de::Error;
    let text = String::deserialize(deserializer)?;
    let version = text.split_once('.').and_then(|(major, minor)| {
        let (major, minor): (u32, u32) = (major.parse().ok()?, minor.parse().ok()?);
        (major < 100 && minor < 100).then_some(major * 1_000 + minor * 10)
    });
    version.map(Some).ok_or_else(|| D::Error::custom(format!("'{text}' is no CUDA version; write \"12.8\"")))
}

fn optional_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    time(deserializer).map(Some)
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    parse_time(&String::deserialize(deserializer)?)
}

fn parse_time<E: serde::de::Error>(text: &str) -> Result<u64, E> {
    milliseconds(text)
        .ok_or_else(|| E::custom(format!("'{text}' is no time; write it like \"30s\", \"15m\" or \"2h\"")))
}

impl<'de> Deserialize<'de> for Hold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "never" => Ok(Self::Never),
            text => Ok(Self::For(parse_time(text)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("/c.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_file_means_the_defaults() {
        let config = parse("").unwrap();
        assert_eq!(config, Config::default());
        let profile = config.profile_for(&Wish::default()).unwrap();
        assert_eq!((profile.provider, profile.quiet), (vec!["local".to_owned()], 60_000));
    }

    #[test]
    fn a_profile_is_chosen_and_a_wish_comes_before_it() {
        let text =
            "profile = 'night'\n[profiles.night]\nquiet = '5m'\nhold = 'never'\n[provider.local]\nttl = '1m'";
        let config = parse(text).unwrap();
        assert_eq!(config.provider.local.ttl, 60_000);
        let wish = Wish { quiet_ms: Some(7_000), ..Wish::default() };
        let profile = config.profile_for(&wish).unwrap();
        assert_eq!((profile.quiet, profile.hold), (7_000, Hold::Never));
        assert_eq!(profile.rules(&Local::default().terms(), 9).hold_ms, None);
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_place() {
        let unknown = parse("[profiles.x]\nquite = '5m'").unwrap_err();
        assert!(unknown.contains("quite") && unknown.contains("line 2"), "{unknown}");
        let unitless = parse("[profiles.x]\nquiet = '5'").unwrap_err();
        assert!(unitless.contains("'5' is no time"), "{unitless}");
        assert!(parse("profile = 'day'").unwrap_err().contains("no profile 'day'"));
        let unbuilt = parse("[profiles.x]\nprovider = 'runpod'").unwrap_err();
        assert!(unbuilt.contains("not built yet"), "{unbuilt}");
        let nonsense = parse("[profiles.x]\nprovider = 'cloudy'").unwrap_err();
        assert!(nonsense.contains("no provider 'cloudy'"), "{nonsense}");
    }

    #[test]
    fn a_file_that_was_named_has_to_be_there() {
        let mut paths = Paths::from_env(|_| None);
        assert_eq!(Config::load(&paths).unwrap(), Config::default());
        paths.config = Some("/there/is/none.toml".into());
        assert_eq!(Config::load(&paths).unwrap(), Config::default());
        paths.config_is_named = true;
        assert!(matches!(Config::load(&paths), Err(ConfigError::Read { .. })));
    }

    #[test]
    fn a_server_is_observed_several_times_within_its_quiet_period() {
        for quiet in [1, 500, 2_000, 60_000, 3_600_000] {
            let rules = Profile { quiet, ..Profile::default() }.rules(&Local::default().terms(), 1);
            assert!(rules.observe_ms * 2 <= rules.quiet_ms && rules.observe_ms >= 100, "{rules:?}");
        }
    }
}
