//! Where the product and the compiled programs are. What scripts/test names in the environment, or else the clone's own folders.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Household;

/// How a program comes by its libcuda.so.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Road {
    /// The software GPU in the program's own process: what the driver does with nothing between.
    Direct,
    /// Shim, network and server, as a person uses it: preloaded, with no other configuration.
    Remote,
}

pub struct Product {
    dist: PathBuf,
    programs: PathBuf,
}

impl Product {
    /// Panics, with the remedy, where it has not been built: a test without its subject must not pass.
    pub fn find() -> Self {
        let product = Self {
            dist: folder("FARWARP_DIST", "dist"),
            programs: folder("FARWARP_PROGRAMS", ".work/programs"),
        };
        assert!(product.shim().is_file(), "{} is missing: run scripts/build", product.shim().display());
        product
    }

    pub fn dist(&self) -> &Path {
        &self.dist
    }

    /// The library that is preloaded.
    pub fn shim(&self) -> PathBuf {
        self.dist.join("lib/farwarp/libcuda.so.1")
    }

    pub fn program(&self, name: &str) -> PathBuf {
        let path = self.programs.join(name);
        assert!(path.is_file(), "{} is missing: run scripts/programs", path.display());
        path
    }

    /// The program, on this road, in this household.
    pub fn on(&self, road: Road, household: &Household, program: &Path) -> Command {
        let mut command = household.command(program);
        match road {
            Road::Direct => command.env("LD_LIBRARY_PATH", self.dist.join("lib/farwarp/softgpu")),
            Road::Remote => command.env("LD_PRELOAD", self.shim()),
        };
        command
    }
}

/// The root of the clone.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the clone").to_owned()
}

fn folder(variable: &str, usual: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| root().join(usual), PathBuf::from)
}
