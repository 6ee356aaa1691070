//! One target, fed by libFuzzer: FARWARP_FUZZ_TARGET says which. Built and run by `scripts/soak.d/fuzz`.

#![no_main]

use std::sync::OnceLock;

use farwarp_fuzz::target::{Target, named};
use libfuzzer_sys::fuzz_target;

static TARGET: OnceLock<&'static Target> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| {
    let target = TARGET.get_or_init(|| named(&std::env::var("FARWARP_FUZZ_TARGET").expect("FARWARP_FUZZ_TARGET")));
    (target.run)(bytes);
});
