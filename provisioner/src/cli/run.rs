//! `farwarp run` and `farwarp env`: the variables with which a program finds our libcuda.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, ensure};
use clap::Args;

use super::installed::Installed;
use super::{Wanted, print, print_json};

#[derive(Args)]
pub struct Run {
    #[command(flatten)]
    wanted: Wanted,
    /// The program and its arguments.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

#[derive(Args)]
pub struct Env {
    #[command(flatten)]
    wanted: Wanted,
    /// One JSON document instead of lines for a shell.
    #[arg(long)]
    json: bool,
}

impl Run {
    /// Becomes the program.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        // A name that no provider has is better said now than by the program's first CUDA call.
        if let Some(named) = self.wanted.wish()?.provider {
            named.split(',').try_for_each(|name| crate::providers::check_name(name.trim()))?;
        }
        let variables = variables(&self.wanted)?;
        let (program, arguments) = self.command.split_first().context("there is no command")?;
        let error = Command::new(program).args(arguments).envs(variables).exec();
        Err(error).with_context(|| program.to_string_lossy().into_owned())
    }
}

impl Env {
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let variables = variables(&self.wanted)?;
        if self.json {
            let object = variables
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string_lossy().into()))
                .collect();
            return print_json(&serde_json::Value::Object(object));
        }
        let line = |(name, value): &(&str, OsString)| format!("export {name}={}\n", quoted(value));
        print(&variables.iter().map(line).collect::<String>())
    }
}

fn variables(wanted: &Wanted) -> anyhow::Result<Vec<(&'static str, OsString)>> {
    let installed = Installed::find()?;
    let libcuda = installed.libcuda();
    ensure!(libcuda.is_file(), "{} is missing; scripts/build makes it", libcuda.display());
    let mut variables = vec![
        ("LD_PRELOAD", in_front(libcuda.as_os_str(), std::env::var_os("LD_PRELOAD"))),
        ("LD_LIBRARY_PATH", in_front(installed.libraries().as_os_str(), std::env::var_os("LD_LIBRARY_PATH"))),
    ];
    let mut add = |name, value: Option<String>| variables.extend(value.map(|value| (name, value.into())));
    add("FARWARP_GPU", wanted.gpu.clone());
    add("FARWARP_PROVIDER", wanted.provider.clone());
    add("FARWARP_QUIET_AFTER", wanted.quiet.map(|ms| format!("{ms}ms")));
    Ok(variables)
}

/// First in a list that colons separate, and only once.
fn in_front(first: &OsStr, list: Option<OsString>) -> OsString {
    let mut all = first.to_owned();
    for entry in std::env::split_paths(&list.unwrap_or_default()) {
        if entry != Path::new(first) && !entry.as_os_str().is_empty() {
            all.push(":");
            all.push(entry);
        }
    }
    all
}

/// For any POSIX shell.
fn quoted(value: &OsStr) -> String {
    format!("'{}'", value.to_string_lossy().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_front_is_there_once() {
        let list = |text: &str| in_front("/f".as_ref(), Some(text.into())).into_string().unwrap();
        assert_eq!(in_front("/f".as_ref(), None), "/f");
        assert_eq!(list(""), "/f");
        assert_eq!(list("/a:/b"), "/f:/a:/b");
        assert_eq!(list("/f:/a:/f"), "/f:/a");
    }

    #[test]
    fn a_value_survives_any_shell() {
        assert_eq!(quoted("/it's here/x".as_ref()), r"'/it'\''s here/x'");
    }
}
