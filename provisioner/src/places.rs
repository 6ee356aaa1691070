//! The directories of this user's farwarp as they can really be used: where HOME is read-only, the runtime directory stands in.

use std::path::{Path, PathBuf};

use farwarp_agent_client::Paths;
use rustix::fs::{Access, access};

use crate::providers::local;

/// Set so in every environment that names nothing else.
pub fn paths() -> Paths {
    Paths::from_env(|name| std::env::var_os(name))
}

#[derive(Debug, Clone)]
pub struct State {
    pub dir: PathBuf,
    /// Why it is not where it should be.
    pub warning: Option<String>,
}

impl State {
    /// Makes the state directory, or the one that stands in for it.
    pub fn prepare(paths: &Paths) -> anyhow::Result<Self> {
        let wanted = paths.state.as_deref();
        match wanted.map_or(Err("neither HOME nor FARWARP_STATE is set".into()), usable) {
            Ok(dir) => Ok(Self { dir, warning: None }),
            Err(why) => {
                let dir = usable(&paths.runtime.join("state")).map_err(anyhow::Error::msg)?;
                let warning = format!("{why}; leases are kept in {}, which a reboot empties", dir.display());
                Ok(Self { dir, warning: Some(warning) })
            }
        }
    }

    pub fn agent_log(&self) -> PathBuf {
        self.dir.join("agent.log")
    }

    pub fn logs(&self) -> PathBuf {
        self.dir.join("logs")
    }

    /// For provider `local`, whose server lies beside this program.
    pub fn local(&self) -> std::io::Result<local::Places> {
        let server = std::env::current_exe()?.with_file_name("farwarp-server");
        Ok(local::Places { server, tickets: self.dir.join("tickets"), logs: self.logs() })
    }
}

fn usable(dir: &Path) -> Result<PathBuf, String> {
    let unusable = |error: String| format!("{}: {error}", dir.display());
    farwarp_agent_client::private_directory(dir).map_err(|error| error.to_string())?;
    access(dir, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| unusable(error.to_string()))?;
    Ok(dir.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_usable_home_the_runtime_directory_stands_in_and_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let mut paths = Paths::from_env(|_| None);
        paths.runtime = dir.path().join("run");
        for state in [None, Some(PathBuf::from("/proc/no/such/place"))] {
            paths.state = state;
            let prepared = State::prepare(&paths).unwrap();
            assert_eq!(prepared.dir, paths.runtime.join("state"));
            assert!(prepared.warning.unwrap().contains("which a reboot empties"));
        }
        paths.state = Some(dir.path().join("home/state"));
        let prepared = State::prepare(&paths).unwrap();
        assert_eq!((prepared.dir, prepared.warning), (dir.path().join("home/state"), None));
    }
}
