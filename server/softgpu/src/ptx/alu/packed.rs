//! cvt with two values in a register, into eight bits or tf32, and with relu.

use std::marker::PhantomData;

use super::exact::{Binary16, Brain16, E4M3, E5M2, Target, Tensor32, narrow};
use super::float::{Away, Mode, Nearest, Zero};
use super::lanes::{Op, alu, hot};
use super::value::{BF16, F16, Pair, Value};
use super::{Alu, Opcode, Round};

/// By the modifiers between `cvt` and the two types.
pub fn find(op: &Opcode, modifiers: &[&str], to: &str, from: &str) -> Option<Alu> {
    if op.ftz || op.sat {
        return None;
    }
    macro_rules! with_relu {
        ($relu:expr, $R:ident => $body:expr) => {
            if $relu {
                const $R: bool = true;
                $body
            } else {
                const $R: bool = false;
                $body
            }
        };
    }
    match (modifiers, to, from, op.round) {
        ([], "f16x2", "f32", Some(Round::Nearest)) => {
            return Some(hot!(|a: f32, b: f32| Pair(F16(b), F16(a))));
        }
        ([], "bf16x2", "f32", Some(Round::Nearest)) => {
            return Some(hot!(|a: f32, b: f32| Pair(BF16(b), BF16(a))));
        }
        _ => {}
    }
    let relu = modifiers.contains(&"relu");
    let is_finite = modifiers.contains(&"satfinite");
    if modifiers.iter().any(|m| !matches!(*m, "relu" | "satfinite")) {
        return None;
    }
    Some(with_relu!(relu, R => match (to, from, op.round?, is_finite) {
        ("f16x2", "f32", Round::Nearest, false) => alu::<Pack<Binary16, Nearest, R>>(),
        ("f16x2", "f32", Round::Zero, false) => alu::<Pack<Binary16, Zero, R>>(),
        ("bf16x2", "f32", Round::Nearest, false) => alu::<Pack<Brain16, Nearest, R>>(),
        ("bf16x2", "f32", Round::Zero, false) => alu::<Pack<Brain16, Zero, R>>(),
        ("e4m3x2", "f32", Round::Nearest, true) => alu::<Pack<E4M3, Nearest, R>>(),
        ("e5m2x2", "f32", Round::Nearest, true) => alu::<Pack<E5M2, Nearest, R>>(),
        ("e4m3x2", "f16x2", Round::Nearest, true) => alu::<NarrowPair<E4M3, R>>(),
        ("e5m2x2", "f16x2", Round::Nearest, true) => alu::<NarrowPair<E5M2, R>>(),
        ("f16x2", "e4m3x2", Round::Nearest, false) => alu::<WidenPair<E4M3, R>>(),
        ("f16x2", "e5m2x2", Round::Nearest, false) => alu::<WidenPair<E5M2, R>>(),
        ("f16", "f32", Round::Nearest, false) => alu::<Single<Binary16, Nearest, R, 0>>(),
        ("f16", "f32", Round::Zero, false) => alu::<Single<Binary16, Zero, R, 0>>(),
        ("bf16", "f32", Round::Nearest, false) => alu::<Single<Brain16, Nearest, R, 0>>(),
        ("bf16", "f32", Round::Zero, false) => alu::<Single<Brain16, Zero, R, 0>>(),
        ("tf32", "f32", Round::Away, false) => alu::<Single<Tensor32, Away, R, 13>>(),
        ("tf32", "f32", Round::Nearest, false) => alu::<Single<Tensor32, Nearest, R, 13>>(),
        ("tf32", "f32", Round::Zero, false) => alu::<Single<Tensor32, Zero, R, 13>>(),
        _ => return None,
    }))
}

/// Two f32 into the halves of one register, the first source above.
struct Pack<T, M, const RELU: bool>(PhantomData<(T, M)>);
impl<T: Target, M: Mode, const RELU: bool> Op for Pack<T, M, RELU> {
    const SOURCES: u8 = 2;
    const HOT: bool = false;
    #[inline(always)]
    fn apply(a: u64, b: u64, _: u64) -> u64 {
        let part = |lane| narrow::<T>(rectified::<RELU>(f32::of(lane).into()), M::ROUND);
        part(a) << bits::<T>() | part(b)
    }
}

/// A pair of f16 into a pair of narrower floats.
struct NarrowPair<T, const RELU: bool>(PhantomData<T>);
impl<T: Target, const RELU: bool> Op for NarrowPair<T, RELU> {
    const SOURCES: u8 = 1;
    const HOT: bool = false;
    #[inline(always)]
    fn apply(a: u64, _: u64, _: u64) -> u64 {
        let part = |lane| narrow::<T>(rectified::<RELU>(F16::of(lane).0.into()), Round::Nearest);
        part(a >> 16 & 0xffff) << bits::<T>() | part(a & 0xffff)
    }
}

/// A pair of eight-bit floats into a pair of f16, which hold them exactly.
struct WidenPair<T, const RELU: bool>(PhantomData<T>);
impl<T: Target, const RELU: bool> Op for WidenPair<T, RELU> {
    const SOURCES: u8 = 1;
    const HOT: bool = false;
    #[inline(always)]
    fn apply(a: u64, _: u64, _: u64) -> u64 {
        let part = |lane| narrow::<Binary16>(rectified::<RELU>(widen8::<T>(lane)), Round::Nearest);
        part(a >> 8 & 0xff) << 16 | part(a & 0xff)
    }
}

/// One f32 into 16 bits or tf32, with relu.
struct Single<T, M, const RELU: bool, const SHIFT: u32>(PhantomData<(T, M)>);
impl<T: Target, M: Mode, const RELU: bool, const SHIFT: u32> Op for Single<T, M, RELU, SHIFT> {
    const SOURCES: u8 = 1;
    const HOT: bool = false;
    #[inline(always)]
    fn apply(a: u64, _: u64, _: u64) -> u64 {
        narrow::<T>(rectified::<RELU>(f32::of(a).into()), M::ROUND) << SHIFT
    }
}

fn bits<T: Target>() -> u32 {
    T::FORMAT.precision + T::FORMAT.exponent_bits
}

fn rectified<const RELU: bool>(x: f64) -> f64 {
    if RELU && x <= 0.0 { 0.0 } else { x }
}

fn widen8<T: Target>(lane: u64) -> f64 {
    let format = &T::FORMAT;
    let fraction_bits = format.precision - 1;
    let (magnitude, fraction) = (lane & 0x7f, lane & ((1 << fraction_bits) - 1));
    let biased = (magnitude >> fraction_bits) as i32;
    let value = if magnitude > format.greatest {
        // e4m3 has only NaN above its greatest; e5m2 has infinity just above, then NaN.
        if fraction == 0 { f64::INFINITY } else { f64::NAN }
    } else {
        let significand = if biased == 0 { fraction } else { fraction | 1 << fraction_bits };
        significand as f64
            * f64::from(biased.max(1) + format.least_exponent - 1 - fraction_bits as i32).exp2()
    };
    if lane & 0x80 != 0 { -value } else { value }
}
