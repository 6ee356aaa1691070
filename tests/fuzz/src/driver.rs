//! Feeds a target for a time: first its corpus, then what is made of that. An input that breaks it is written down and named.

use std::fmt;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::mutator::{Chance, mutated};

/// An input that takes longer on a busy machine makes its reader work without bound.
const INPUT_TIME_MAX: Duration = Duration::from_secs(10);

/// What is fed.
pub struct Feed<'a> {
    pub name: &'a str,
    pub run: &'a dyn Fn(&[u8]),
    pub words: &'a [&'a [u8]],
    pub corpus: Vec<Vec<u8>>,
}

/// How a target ended: after so many inputs, or at this one.
#[derive(Debug)]
pub struct Broken {
    pub input: Vec<u8>,
    pub inputs: u64,
    pub why: String,
}

/// The inputs that it was fed. The same seed feeds the same; the time says how many.
pub fn feed(feed: &Feed<'_>, seed: u64, time: Duration) -> Result<u64, Broken> {
    let began = Instant::now();
    let (mut chance, mut inputs) = (Chance(seed), 0);
    for input in &feed.corpus {
        inputs += 1;
        one(feed, input, inputs)?;
    }
    while began.elapsed() < time {
        inputs += 1;
        one(feed, &mutated(&feed.corpus, feed.words, &mut chance), inputs)?;
    }
    Ok(inputs)
}

fn one(feed: &Feed<'_>, input: &[u8], inputs: u64) -> Result<(), Broken> {
    let began = Instant::now();
    let broken = |why| Broken { input: input.to_vec(), inputs, why };
    catch_unwind(AssertUnwindSafe(|| (feed.run)(input))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        broken(text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.into())).unwrap_or_default())
    })?;
    match began.elapsed() {
        took if took > INPUT_TIME_MAX => Err(broken(format!("it took {took:?}"))),
        _ => Ok(()),
    }
}

impl Broken {
    /// Writes the input down, for whoever mends what it broke; its place is in the words.
    pub fn told(&self, target: &str) -> String {
        let place = std::env::temp_dir().join(format!("farwarp-fuzz-{target}-{}", std::process::id()));
        let written = fs::write(&place, &self.input).map(|()| PathBuf::from(&place));
        format!(
            "{target}: {self}\nthe input: {written:?}; mended, it belongs into tests/fuzz/corpus/{target}/"
        )
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "input {} of {} bytes: {}", self.inputs, self.input.len(), self.why)
    }
}
