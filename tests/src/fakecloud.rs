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
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

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
        std::fs::write(&server, &release().bytes).expect("a file of our own");
        std::fs::set_permissions(&server, PermissionsExt::from_mode(0o755)).expect("a file of our own");
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
        Self { sha256: release().sha256.clone(), folder, address, world, ends }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lines of a configuration that rents here, and nowhere else.
    pub fn config(&self, profile: &str) -> String {
        let (url, key, sha256) = (self.url(), self.key_file().display().to_string(), &self.sha256);
        format!(
            "[profiles.default]\nprovider = 'vast'\n{profile}\n[provider.vast]\nendpoint = '{url}'\nkey_file = '{key}'\nimage = 'a-test'\n\
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

    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// From now on machines find the server where it lies, as on a host that has the image.
    pub fn fast_boxes(&self) {
        self.world().image_has_server = true;
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

/// What a release would hold: the server without its debug information, and its hash.
struct Release {
    bytes: Vec<u8>,
    sha256: String,
}

/// Made once for all clouds of a test run.
fn release() -> &'static Release {
    static RELEASE: OnceLock<Release> = OnceLock::new();
    RELEASE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("farwarp-server");
        let server = Product::find().dist().join("bin/farwarp-server");
        let done = Command::new("strip").arg("--strip-unneeded").arg("-o").arg(&path).arg(server).status();
        assert!(done.is_ok_and(|status| status.success()), "strip does not work");
        let hash = Command::new("sha256sum").arg(&path).output().expect("sha256sum");
        Release {
            bytes: std::fs::read(&path).expect("it was just made"),
            sha256: String::from_utf8_lossy(&hash.stdout).chars().take(64).collect(),
        }
    })
}
