//! Where the parts of an installation lie: everything is found from this program's own place.

use std::path::PathBuf;

use anyhow::Context;

pub struct Installed {
    /// `dist`, or wherever it was copied to.
    prefix: PathBuf,
    pub command: PathBuf,
}

impl Installed {
    pub fn find() -> anyhow::Result<Self> {
        let command = std::env::current_exe().context("where this program lies is unknown")?;
        let prefix =
            command.parent().and_then(|bin| bin.parent()).context("this program lies in no directory")?;
        Ok(Self { prefix: prefix.to_owned(), command: command.clone() })
    }

    /// What applications load.
    pub fn libraries(&self) -> PathBuf {
        self.prefix.join("lib/farwarp")
    }

    pub fn libcuda(&self) -> PathBuf {
        self.libraries().join("libcuda.so.1")
    }

    pub fn server(&self) -> PathBuf {
        self.command.with_file_name("farwarp-server")
    }
}
