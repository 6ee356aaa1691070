//! `config.toml`: what people choose. Everything has a default; nothing that is not understood is passed over.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use farwarp_agent_client::{Paths, milliseconds};
use farwarp_protocol::agent::Wish;
use serde::{Deserialize, Deserializer};

use crate::lease::Rules;
use crate::providers;

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
    pub provider: String,
    pub gpu: Option<String>,
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
        for profile in config.profiles.values() {
            providers::check_name(&profile.provider)?;
        }
        Ok(config)
    }

    /// The chosen profile, with what a client wishes in its place.
    pub fn profile_for(&self, wish: &Wish) -> Result<Profile, ConfigError> {
        let mut profile = self.profiles.get(&self.profile).cloned().unwrap_or_default();
        if let Some(provider) = &wish.provider {
            providers::check_name(provider)?;
            profile.provider.clone_from(provider);
        }
        profile.gpu = wish.gpu.clone().or(profile.gpu);
        profile.quiet = wish.quiet_ms.unwrap_or(profile.quiet);
        Ok(profile)
    }
}

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
            provider: providers::local::NAME.into(),
            gpu: None,
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

/// A quiet period shorter than this would end a server between two calls of a program that works.
pub const QUIET_MIN_MS: u64 = 200;

impl Profile {
    pub fn rules(&self, boot_timeout_ms: u64) -> Rules {
        let mut rules = Rules {
            boot_timeout_ms,
            quiet_ms: 0,
            hold_ms: match self.hold {
                Hold::Never => None,
                Hold::For(ms) => Some(ms),
            },
            silent_ms: 60_000,
            drain_ms: 10_000,
            // A local server boots in milliseconds, a rented one tells its provider's own pace.
            poll_ms: 20,
            observe_ms: 0,
            verify_ms: 5_000,
        };
        rules.set_quiet(self.quiet);
        rules
    }
}

impl Rules {
    /// Sets the quiet period, and looks often enough to keep it: four times within it, but not busier than ten times a second.
    pub fn set_quiet(&mut self, quiet_ms: u64) {
        self.quiet_ms = quiet_ms.max(QUIET_MIN_MS);
        self.observe_ms = (self.quiet_ms / 4).clamp(100, 5_000);
    }
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
        assert_eq!((profile.provider.as_str(), profile.quiet), ("local", 60_000));
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
        assert_eq!(profile.rules(9).hold_ms, None);
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_place() {
        let unknown = parse("[profiles.x]\nquite = '5m'").unwrap_err();
        assert!(unknown.contains("quite") && unknown.contains("line 2"), "{unknown}");
        let unitless = parse("[profiles.x]\nquiet = '5'").unwrap_err();
        assert!(unitless.contains("'5' is no time"), "{unitless}");
        assert!(parse("profile = 'day'").unwrap_err().contains("no profile 'day'"));
        let unbuilt = parse("[profiles.x]\nprovider = 'vast'").unwrap_err();
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
            let rules = Profile { quiet, ..Profile::default() }.rules(1);
            assert!(rules.observe_ms * 2 <= rules.quiet_ms && rules.observe_ms >= 100, "{rules:?}");
        }
    }
}
