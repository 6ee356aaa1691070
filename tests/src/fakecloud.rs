//! A cloud on this machine: it speaks vendors' HTTP, and what it rents out are processes that run the real server.
//!
//! It keeps the books: what exists, since when, and what it costs. Faults are scripted by who tests. It serves on loopback only.

pub mod clock;
pub mod faults;
mod http;
mod machine;
mod vast;
mod world;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;

use crate::Product;
use clock::SharedClock;
pub use faults::{CreateFault, Faults};
pub use world::{ACCOUNT_KEY, Offer, World};

pub struct FakeCloud {
    folder: TempDir,
    address: SocketAddr,
    world: Arc<Mutex<World>>,
    ends: Arc<AtomicBool>,
    sha256: String,
}

impl FakeCloud {
    /// One with offers, without faults, whose clock is the machine's until it is stopped.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("farwarp-cloud-").tempdir().expect("a temporary folder");
        let server = folder.path().join("farwarp-server");
        stripped(&server);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
        let address = listener.local_addr().expect("a bound socket has an address");
        let clock = SharedClock::create(&folder.path().join("clock"));
        let softgpu = Product::find().dist().join("lib/farwarp/softgpu");
        let world = World::new(format!("http://{address}"), folder.path().to_owned(), softgpu, clock);
        let world = Arc::new(Mutex::new(world));
        let ends = Arc::new(AtomicBool::new(false));
        let (shared, ending) = (world.clone(), ends.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ending.load(Ordering::Acquire) {
                    return;
                }
                let shared = shared.clone();
                std::thread::spawn(move || stream.map(|stream| http::serve(stream, &shared)));
            }
        });
        Self { sha256: sha256_of(&server), folder, address, world, ends }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lines of a configuration that rents here, and nowhere else.
    pub fn config(&self, profile: &str) -> String {
        let (url, key, sha256) = (self.url(), self.key_file().display().to_string(), &self.sha256);
        format!(
            "[profiles.default]\nprovider = 'vast'\n{profile}\n[provider.vast]\nendpoint = '{url}'\nkey_file = '{key}'\n\
             server_url = '{url}/farwarp-server'\nserver_sha256 = '{sha256}'\npoll = '100ms'\nverify = '200ms'\n\
             ttl = '1m'\nresume_grace = '20s'\nboot_timeout = '60s'\n"
        )
    }

    fn key_file(&self) -> PathBuf {
        let path = self.folder.path().join("key");
        std::fs::write(&path, ACCOUNT_KEY).expect("a file of our own");
        path
    }

    /// The file that an agent of the tests reads the time from.
    pub fn clock_file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FakeCloud {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.world().show_logs();
        }
        self.world().end_all();
        self.ends.store(true, Ordering::Release);
        // Wakes the one who accepts.
        let _ = std::net::TcpStream::connect(self.address);
    }
}

/// What a release would hold: the server without its debug information.
fn stripped(to: &std::path::Path) {
    let server = Product::find().dist().join("bin/farwarp-server");
    let done = Command::new("strip").arg("--strip-unneeded").arg("-o").arg(to).arg(server).status();
    assert!(done.is_ok_and(|status| status.success()), "strip does not work");
}

fn sha256_of(path: &std::path::Path) -> String {
    let output = Command::new("sha256sum").arg(path).output().expect("sha256sum");
    String::from_utf8_lossy(&output.stdout).chars().take(64).collect()
}
