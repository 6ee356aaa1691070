//! `farwarp init`: asks for a provider and its key, tries the key, and writes the configuration.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use clap::Args;

use super::print;
use crate::config::Config;
use crate::http::Network;
use crate::places;
use crate::providers::{self, Built, Providers, vast};

#[derive(Args)]
pub struct Init {
    /// Who rents machines out; asked for if it is not given.
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// A file that holds the account's key; asked for if it is needed and not given.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The address of the provider's API, where that is not the usual one.
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Replace a configuration that is there.
    #[arg(long)]
    force: bool,
}

impl Init {
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let paths = places::paths();
        let path = paths.config.clone().context("neither HOME nor FARWARP_CONFIG is set")?;
        if path.exists() && !self.force {
            bail!("{} is there already; --force replaces it", path.display());
        }
        let named = match &self.provider {
            Some(name) => name.clone(),
            None => ask("Who rents machines out (local, vast, exec)? ")?,
        };
        providers::check_name(&named)?;
        ensure!(
            named != providers::exec::NAME,
            "the commands of 'exec' are written by hand: see docs/exec.md"
        );
        let text = self.text(&named, &path)?;
        let config = Config::parse(&text, &path)?;
        let places = places::State::prepare(&paths)?.local()?;
        let provider = Built { places, http: Arc::new(Network::new()) }.get(&named, &config)?;
        // Nothing is written that does not work.
        let account = provider.preflight().with_context(|| named.clone())?;
        write_private(&path, text.as_bytes())?;
        let balance = account.balance.map_or(String::new(), |balance| format!(", {balance} left"));
        print(&format!("{}: {named} as {}{balance}\n", path.display(), account.name))
    }

    fn text(&self, provider: &str, config: &Path) -> anyhow::Result<String> {
        let mut text = format!("[profiles.default]\nprovider = \"{provider}\"\n");
        if provider == vast::NAME {
            let key_file = match &self.key_file {
                Some(file) => std::path::absolute(file)?,
                None => {
                    let file = config.with_file_name(format!("{provider}.key"));
                    let key = ask("The account's key: ")?;
                    write_private(&file, key.as_bytes())?;
                    file
                }
            };
            let quoted = |value: &str| toml::Value::String(value.to_owned()).to_string();
            text.push_str(&format!(
                "\n[provider.{provider}]\nkey_file = {}\n",
                quoted(&key_file.to_string_lossy())
            ));
            if let Some(endpoint) = &self.endpoint {
                text.push_str(&format!("endpoint = {}\n", quoted(endpoint)));
            }
        }
        Ok(text)
    }
}

fn ask(question: &str) -> anyhow::Result<String> {
    eprint!("{question}");
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let answer = line.trim();
    ensure!(!answer.is_empty(), "there was no answer");
    Ok(answer.to_owned())
}

fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let shown = || path.display().to_string();
    fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).with_context(shown)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(shown)?;
    file.write_all(bytes).with_context(shown)
}
