//! The driver of the abuse tests: the software GPU with a judge in front of it, who counts what reaches it.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use farwarp_protocol::{call, table};
use tempfile::TempDir;

use crate::Product;

/// As `tests/judge/src/docket.rs` has it, in words.
const TEXT_BYTES: usize = 2;
const TEXT: usize = 3;
const CALLS: usize = 34;

/// A driver that was not called for so long rests.
const REST: Duration = Duration::from_millis(10);

/// What the server does before it has looked at all that a call names: it touches nothing.
const HARMLESS: [&str; 1] = ["cuCtxSetCurrent"];

pub struct Judge {
    folder: TempDir,
    docket: File,
}

impl Judge {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("farwarp-judge-").tempdir().expect("a temporary folder");
        let product = Product::find();
        let softgpu = product.dist().join("lib/farwarp/softgpu/libcuda.so.1");
        let softgpu = softgpu.canonicalize().expect("the software GPU is built");
        fs::copy(product.program("judge.so"), folder.path().join("libcuda.so.1")).expect("a copy");
        std::os::unix::fs::symlink(softgpu, folder.path().join("behind")).expect("a link");
        let docket = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(folder.path().join("docket"))
            .expect("a file");
        docket.set_len(8 * (CALLS + table::rows().count()) as u64).expect("its size");
        Self { folder, docket }
    }

    /// The library, by an absolute path.
    pub fn driver(&self) -> PathBuf {
        self.folder.path().join("libcuda.so.1")
    }

    /// How many calls have reached the driver, all functions together, and how many of each.
    pub fn calls(&self) -> Vec<(&'static str, u64)> {
        let words = self.words(CALLS, table::rows().count());
        let names = table::rows().map(|row| row.name);
        names.zip(words).filter(|(name, count)| *count > 0 && !HARMLESS.contains(name)).collect()
    }

    pub fn count(&self) -> u64 {
        self.calls().iter().map(|(_, count)| count).sum()
    }

    /// The same once nothing reaches the driver any more: what waits for the GPU ends a little after the call that it was for.
    pub fn calls_at_rest(&self) -> Vec<(&'static str, u64)> {
        let mut before = self.calls();
        loop {
            sleep(REST);
            let now = self.calls();
            if now == before {
                return now;
            }
            before = now;
        }
    }

    /// The first argument that no driver ever gave, if there was one.
    pub fn objection(&self) -> Option<String> {
        let words = self.words(0, CALLS);
        if words[0] != 0 {
            assert_eq!(words[0], call::fingerprint(), "the judge has another table: run scripts/programs");
        }
        let bytes: Vec<u8> = words[TEXT..].iter().flat_map(|word| word.to_le_bytes()).collect();
        (words[1] > 0).then(|| {
            format!(
                "{} objections, first {}",
                words[1],
                String::from_utf8_lossy(&bytes[..words[TEXT_BYTES] as usize])
            )
        })
    }

    fn words(&self, from: usize, count: usize) -> Vec<u64> {
        let mut bytes = vec![0; 8 * count];
        self.docket.read_exact_at(&mut bytes, 8 * from as u64).expect("a file of ours can be read");
        let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        bytes.chunks(8).map(word).collect()
    }
}

impl Default for Judge {
    fn default() -> Self {
        Self::new()
    }
}
