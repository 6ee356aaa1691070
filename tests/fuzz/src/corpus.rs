//! Inputs in files: `corpus/TARGET/NAME`. One that broke something stays there, named for what it broke.

use std::fs;
use std::path::PathBuf;

/// Larger ones are no good to begin from, and are not committed.
pub const INPUT_BYTES_MAX: usize = 64 << 10;

/// Every input of a target, in the order of their names.
pub fn of(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut inputs: Vec<(String, Vec<u8>)> = files
        .map(|file| file.expect("an entry of a folder of ours"))
        .map(|file| {
            let bytes = fs::read(file.path()).expect("a file of ours");
            (file.file_name().to_string_lossy().into_owned(), bytes)
        })
        .collect();
    inputs.sort();
    assert!(inputs.iter().all(|(_, bytes)| bytes.len() <= INPUT_BYTES_MAX), "{target}: a large input");
    inputs
}
