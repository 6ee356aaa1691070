//! The lane loops once more, compiled for AVX2 and FMA, for hosts that have them.
#![allow(unsafe_code)]
// unsafe: a function with target features may only be called on a processor that has them.

use super::compare::{Relation, outcomes};
use super::lanes::{Op, blended};
use super::{CompareFn, Lanes};

#[cfg(target_arch = "x86_64")]
pub fn is_available() -> bool {
    // The standard library asks the processor once and remembers.
    std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
}

#[cfg(not(target_arch = "x86_64"))]
pub fn is_available() -> bool {
    false
}

/// Reached only through [`super::lanes::alu`], which asks [`is_available`] first.
pub fn run<O: Op>(d: &mut Lanes, a: &Lanes, b: &Lanes, c: &Lanes, mask: u32) {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn with_avx2<O: Op>(d: &mut Lanes, a: &Lanes, b: &Lanes, c: &Lanes, mask: u32) {
        blended::<O>(d, a, b, c, mask);
    }
    #[cfg(target_arch = "x86_64")]
    // SAFETY: `is_available` was true when this function was chosen, and processors do not lose features.
    unsafe {
        with_avx2::<O>(d, a, b, c, mask)
    }
    #[cfg(not(target_arch = "x86_64"))]
    blended::<O>(d, a, b, c, mask);
}

pub fn comparison<R: Relation>() -> CompareFn {
    if is_available() { compare::<R> } else { outcomes::<R> }
}

fn compare<R: Relation>(a: &Lanes, b: &Lanes) -> u32 {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn with_avx2<R: Relation>(a: &Lanes, b: &Lanes) -> u32 {
        outcomes::<R>(a, b)
    }
    #[cfg(target_arch = "x86_64")]
    // SAFETY: as above; only `comparison` hands this out.
    unsafe {
        with_avx2::<R>(a, b)
    }
    #[cfg(not(target_arch = "x86_64"))]
    outcomes::<R>(a, b)
}
