//! Each target for a fixed short time, or as long as FARWARP_FUZZ_SECONDS says for each; FARWARP_FUZZ_SEED gives other inputs.

use std::time::Duration;

use farwarp_fuzz::corpus;
use farwarp_fuzz::driver::{Feed, feed};
use farwarp_fuzz::target::TARGETS;

/// For each target in the default tests.
const TIME: Duration = Duration::from_millis(1000);
const SEED: u64 = 1;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[test]
fn no_input_breaks_a_reader() {
    let time = number("FARWARP_FUZZ_SECONDS").map_or(TIME, Duration::from_secs);
    let seed = number("FARWARP_FUZZ_SEED").unwrap_or(SEED);
    let (mut broken, mut sum) = (Vec::new(), 0);
    for target in TARGETS {
        let inputs = corpus::of(target.name).into_iter().map(|(_, bytes)| bytes).collect();
        let fed = Feed { name: target.name, run: &target.run, words: target.words, corpus: inputs };
        match feed(&fed, seed, time) {
            Ok(inputs) => {
                println!("{}: {inputs} inputs, {} of them in the corpus", target.name, fed.corpus.len());
                sum += inputs;
            }
            Err(found) => broken.push(found.told(target.name)),
        }
    }
    println!("{sum} inputs to {} targets in {time:?} each, seed {seed}", TARGETS.len());
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// A reader that believes a length is found out, and the same input breaks it again.
#[test]
fn a_planted_fault_is_found() {
    let believes = |bytes: &[u8]| {
        if let [b'L', length, rest @ ..] = bytes {
            let _believed = &rest[..usize::from(*length)];
        }
    };
    let planted = Feed { name: "planted", run: &believes, words: &[], corpus: vec![b"L\x03abc".to_vec()] };
    let broken = feed(&planted, SEED, Duration::from_secs(60)).expect_err("nothing was found in a minute");
    assert!(broken.why.contains("out of range"), "{broken}");
    assert_eq!(broken.input[0], b'L');
    let again = Feed { corpus: vec![broken.input], ..planted };
    assert_eq!(feed(&again, SEED, Duration::ZERO).expect_err("the same input breaks it").inputs, 1);
}
