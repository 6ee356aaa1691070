//! Where the agent's files are. Shim, command and agent must come to the same answer, so it is given here only.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The files of one user's farwarp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The agent's socket and locks; gone after a reboot.
    pub runtime: PathBuf,
    /// Leases, tickets, logs. `None` when the environment names no place: the runtime directory stands in.
    pub state: Option<PathBuf>,
    /// `None` when the environment names no place.
    pub config: Option<PathBuf>,
    /// FARWARP_CONFIG named the file, so it has to be there.
    pub config_is_named: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum PathsError {
    #[error("cannot make {path}: {error}", path = path.display())]
    Make { path: PathBuf, error: io::Error },
    #[error("{path} is not a directory", path = path.display())]
    NotADirectory { path: PathBuf },
    #[error("{path} belongs to user {owner}, not to {user}", path = path.display())]
    Foreign { path: PathBuf, owner: u32, user: u32 },
    #[error("{path} may be changed by others (mode {mode:03o}); it must be writable by its owner only", path = path.display())]
    Open { path: PathBuf, mode: u32 },
}

impl Paths {
    /// From the variables of this process, which a set-uid program must not believe: it passes `|_| None`.
    pub fn from_env(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let user = rustix::process::getuid().as_raw();
        let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        // Whoever starts the agent has another working directory than it.
        let named = |name: &str| set(name).map(|path| std::path::absolute(&path).unwrap_or(path));
        // XDG's rule: what is not absolute is to be ignored.
        let absolute = |name: &str| set(name).filter(|path| path.is_absolute());
        let home = absolute("HOME");
        let below_home = |xdg: &str, usual: &str| {
            absolute(xdg)
                .or_else(|| home.as_ref().map(|home| home.join(usual)))
                .map(|dir| dir.join("farwarp"))
        };
        let named_config = named("FARWARP_CONFIG");
        Self {
            runtime: named("FARWARP_RUNTIME")
                .unwrap_or_else(|| usual_runtime(absolute("XDG_RUNTIME_DIR"), user)),
            state: named("FARWARP_STATE").or_else(|| below_home("XDG_STATE_HOME", ".local/state")),
            config_is_named: named_config.is_some(),
            config: named_config
                .or_else(|| below_home("XDG_CONFIG_HOME", ".config").map(|dir| dir.join("config.toml"))),
        }
    }

    /// Makes the runtime directory if it is absent, and makes sure that nobody else can put a socket into it.
    pub fn prepare_runtime(&self) -> Result<(), PathsError> {
        private_directory(&self.runtime)
    }

    pub fn socket(&self) -> PathBuf {
        self.runtime.join(farwarp_protocol::agent::SOCKET_NAME)
    }
}

/// The session's runtime directory where there is one; else a directory in /tmp, which others cannot take over.
fn usual_runtime(xdg: Option<PathBuf>, user: u32) -> PathBuf {
    let session = [xdg, Some(PathBuf::from(format!("/run/user/{user}")))];
    let owned = |dir: &PathBuf| dir.metadata().is_ok_and(|meta| meta.is_dir() && meta.uid() == user);
    match session.into_iter().flatten().find(owned) {
        Some(dir) => dir.join("farwarp"),
        None => PathBuf::from(format!("/tmp/farwarp-{user}")),
    }
}

/// A directory that only this user can enter, made if it is absent.
pub fn private_directory(path: &Path) -> Result<(), PathsError> {
    let path = path.to_owned();
    match DirBuilder::new().mode(0o700).recursive(true).create(&path) {
        Ok(()) => {}
        // Where the last step is a link or a file, what stands there is judged below.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(PathsError::Make { path, error }),
    }
    let meta = match path.symlink_metadata() {
        Ok(meta) => meta,
        Err(error) => return Err(PathsError::Make { path, error }),
    };
    let user = rustix::process::getuid().as_raw();
    match (meta.is_dir(), meta.uid(), meta.mode() & 0o777) {
        (false, ..) => Err(PathsError::NotADirectory { path }),
        (_, owner, _) if owner != user => Err(PathsError::Foreign { path, owner, user }),
        (_, _, mode) if mode & 0o022 != 0 => Err(PathsError::Open { path, mode }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn paths(variables: &[(&str, &str)]) -> Paths {
        let variables: Vec<(String, OsString)> =
            variables.iter().map(|(name, value)| (name.to_string(), value.into())).collect();
        Paths::from_env(|name| variables.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone()))
    }

    #[test]
    fn overrides_come_before_xdg_and_xdg_before_home() {
        let all = paths(&[
            ("FARWARP_RUNTIME", "/r"),
            ("FARWARP_STATE", "/s"),
            ("FARWARP_CONFIG", "/c.toml"),
            ("HOME", "/h"),
            ("XDG_STATE_HOME", "/x"),
        ]);
        assert_eq!((all.runtime, all.state), ("/r".into(), Some("/s".into())));
        assert_eq!((all.config, all.config_is_named), (Some("/c.toml".into()), true));
        let xdg = paths(&[("HOME", "/h"), ("XDG_STATE_HOME", "/x"), ("XDG_CONFIG_HOME", "relative")]);
        assert_eq!(xdg.state, Some("/x/farwarp".into()));
        assert_eq!((xdg.config, xdg.config_is_named), (Some("/h/.config/farwarp/config.toml".into()), false));
    }

    #[test]
    fn without_any_variable_there_is_still_a_runtime_directory() {
        let user = rustix::process::getuid().as_raw();
        let none = paths(&[]);
        let usual = [format!("/run/user/{user}/farwarp"), format!("/tmp/farwarp-{user}")];
        assert!(usual.iter().any(|dir| none.runtime == Path::new(dir)), "{none:?}");
        assert_eq!((none.state, none.config), (None, None));
        let absent = paths(&[("XDG_RUNTIME_DIR", "/there/is/none")]);
        assert_eq!(absent.runtime, none.runtime);
    }

    #[test]
    fn a_runtime_directory_that_others_may_change_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let fresh = dir.path().join("a/b");
        private_directory(&fresh).unwrap();
        assert_eq!(fresh.metadata().unwrap().mode() & 0o777, 0o700);
        private_directory(&fresh).unwrap();
        std::fs::set_permissions(&fresh, PermissionsExt::from_mode(0o777)).unwrap();
        assert!(matches!(private_directory(&fresh), Err(PathsError::Open { mode: 0o777, .. })));
        let link = dir.path().join("link");
        symlink(dir.path(), &link).unwrap();
        assert!(matches!(private_directory(&link), Err(PathsError::NotADirectory { .. })));
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(private_directory(&file).is_err());
    }
}
