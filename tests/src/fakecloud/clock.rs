//! One clock for the cloud and for the agent that rents from it, in a file: either the machine's own, or one that stands still.

use std::fs;
use std::path::{Path, PathBuf};

use farwarp_provisioner::clock::{Clock, SystemClock};

/// Where a stopped clock's calendar stands when its steady clock stands at 0.
const EPOCH_WALL_MS: u64 = 1_700_000_000_000;

#[derive(Debug, Clone)]
pub struct SharedClock {
    path: PathBuf,
}

impl SharedClock {
    pub fn create(path: &Path) -> Self {
        let clock = Self::open(path);
        clock.write("runs");
        clock
    }

    pub fn open(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// From now on it shows this, until it is moved.
    pub fn stop_at(&self, ms: u64) {
        self.write(&ms.to_string());
    }

    pub fn advance(&self, ms: u64) {
        self.stop_at(self.now() + ms);
    }

    fn write(&self, text: &str) {
        let fresh = self.path.with_extension("fresh");
        fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, &self.path)).expect("a file of our own");
    }

    fn stopped_at(&self) -> Option<u64> {
        fs::read_to_string(&self.path).ok()?.parse().ok()
    }
}

impl Clock for SharedClock {
    fn now(&self) -> u64 {
        self.stopped_at().unwrap_or_else(|| SystemClock.now())
    }

    fn wall(&self) -> u64 {
        self.stopped_at().map_or_else(|| SystemClock.wall(), |ms| EPOCH_WALL_MS + ms)
    }
}
