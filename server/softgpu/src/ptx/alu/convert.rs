//! cvt: between every pair of integer and floating types.
//!
//! An integer converts by its own type: the source's upper bits are ignored, the result is truncated, or clamped
//! under `.sat`. A float becomes the nearest integer of the mode, clamped to the destination's range.

use std::marker::PhantomData;

use super::exact::{Binary16, Binary32, Binary64, Brain16, Exact, Target, narrow};
use super::float::{Away, Down, FlushIn, FlushOut, Mode, Nearest, Saturate, Up, Zero};
use super::lanes::{Op, alu};
use super::value::{BF16, F16, Value};
use super::{Alu, Opcode, Round, packed};

pub fn find(op: &Opcode) -> Option<Alu> {
    let parts: Vec<&str> = op.text.split('.').collect();
    match parts[..] {
        ["cvt", to, from] => match (is_integer(to), is_integer(from)) {
            (true, true) if op.round.is_none() && !op.ftz => integers(op, to, from),
            (true, false) => to_integer(op, to, from),
            (false, true) => from_integer(op, to, from),
            (false, false) => floats(op, to, from),
            _ => None,
        }
        .or_else(|| packed::find(op, &[], to, from)),
        ["cvt", ref modifiers @ .., to, from] => packed::find(op, modifiers, to, from),
        _ => None,
    }
}

fn is_integer(ty: &str) -> bool {
    matches!(ty, "u8" | "s8" | "u16" | "s16" | "u32" | "s32" | "u64" | "s64")
}

/// Evaluates the expression with a PTX type's name bound to the Rust type.
macro_rules! with_integer {
    ($name:expr, $T:ident => $body:expr) => {
        match $name {
            "u8" => {
                type $T = u8;
                $body
            }
            "s8" => {
                type $T = i8;
                $body
            }
            "u16" => {
                type $T = u16;
                $body
            }
            "s16" => {
                type $T = i16;
                $body
            }
            "u32" => {
                type $T = u32;
                $body
            }
            "s32" => {
                type $T = i32;
                $body
            }
            "u64" => {
                type $T = u64;
                $body
            }
            "s64" => {
                type $T = i64;
                $body
            }
            _ => return None,
        }
    };
}
macro_rules! with_float {
    ($name:expr, $T:ident => $body:expr) => {
        match $name {
            "f16" => {
                type $T = F16;
                $body
            }
            "bf16" => {
                type $T = BF16;
                $body
            }
            "f32" => {
                type $T = f32;
                $body
            }
            "f64" => {
                type $T = f64;
                $body
            }
            _ => return None,
        }
    };
}
macro_rules! with_mode {
    ($round:expr, $M:ident => $body:expr) => {
        match $round {
            Round::Nearest => {
                type $M = Nearest;
                $body
            }
            Round::Zero => {
                type $M = Zero;
                $body
            }
            Round::Down => {
                type $M = Down;
                $body
            }
            Round::Up => {
                type $M = Up;
                $body
            }
            Round::Away => {
                type $M = Away;
                $body
            }
        }
    };
}

trait Integer: Value {
    const BITS: u32;
    /// As 64 bits, by the type's sign.
    fn extended(self) -> u64;
    fn wide(self) -> i128;
    /// A result in its register: the narrow signed types are sign-extended to 32 bits.
    fn register(bits: u64) -> u64;
    fn clamped(wide: i128) -> Self;
    fn of_float(x: f64) -> Self;
    fn to_f32(self) -> f32;
    fn to_f64(self) -> f64;
}

macro_rules! integer {
    ($($t:ident extends to $wide:ident in $register:ident;)+) => { $(
        impl Integer for $t {
            const BITS: u32 = $t::BITS;
            #[inline(always)]
            fn extended(self) -> u64 {
                self as $wide as u64
            }
            #[inline(always)]
            fn wide(self) -> i128 {
                self as i128
            }
            #[inline(always)]
            fn register(bits: u64) -> u64 {
                bits as $t as $register as u64
            }
            #[inline(always)]
            fn clamped(wide: i128) -> $t {
                wide.clamp($t::MIN as i128, $t::MAX as i128) as $t
            }
            #[inline(always)]
            fn of_float(x: f64) -> $t {
                x as $t
            }
            #[inline(always)]
            fn to_f32(self) -> f32 {
                self as f32
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
        }
    )+ };
}
integer! {
    u8 extends to u64 in u32; i8 extends to i64 in u32;
    u16 extends to u64 in u32; i16 extends to i64 in u32;
    u32 extends to u64 in u32; i32 extends to i64 in u32;
    u64 extends to u64 in u64; i64 extends to i64 in u64;
}

struct Truncate<S, D>(PhantomData<(S, D)>);
impl<S: Integer, D: Integer> Op for Truncate<S, D> {
    const SOURCES: u8 = 1;
    const HOT: bool = true;
    #[inline(always)]
    fn apply(a: u64, _: u64, _: u64) -> u64 {
        D::register(S::of(a).extended())
    }
}

struct Clamp<S, D>(PhantomData<(S, D)>);
impl<S: Integer, D: Integer> Op for Clamp<S, D> {
    const SOURCES: u8 = 1;
    const HOT: bool = false;
    #[inline(always)]
    fn apply(a: u64, _: u64, _: u64) -> u64 {
        D::register(D::clamped(S::of(a).wide()).lane())
    }
}

fn integers(op: &Opcode, to: &str, from: &str) -> Option<Alu> {
    Some(with_integer!(from, S => with_integer!(to, D => {
        if op.sat { alu::<Clamp<S, D>>() } else { alu::<Truncate<S, D>>() }
    })))
}

/// A floating source, exact in f64; and the native destinations, rounded to nearest.
trait Float: super::value::Float {
    type Format: Target;
    const IS_F64: bool;
    fn to_f64(self) -> f64;
}

macro_rules! float {
    ($($t:ident as $format:ident, |$x:ident| $wide:expr;)+) => { $(
        impl Float for $t {
            type Format = $format;
            const IS_F64: bool = <$format as Target>::FORMAT.precision == 53;
            #[inline(always)]
            fn to_f64(self) -> f64 {
                let $x = self;
                $wide
            }
        }
    )+ };
}
float! {
    f32 as Binary32, |x| f64::from(x);
    f64 as Binary64, |x| x;
    F16 as Binary16, |x| f64::from(x.0);
    BF16 as Brain16, |x| f64::from(x.0);
}

#[inline(always)]
fn integral<M: Mode>(x: f64) -> f64 {
    match M::ROUND {
        Round::Nearest => x.round_ties_even(),
        Round::Zero => x.trunc(),
        Round::Down => x.floor(),
        Round::Up => x.ceil(),
        Round::Away => x.round(),
    }
}

struct FloatToInteger<S, D, M>(PhantomData<(S, D, M)>);
impl<S: Float, D: Integer, M: Mode> Op for FloatToInteger<S, D, M> {
    const SOURCES: u8 = 1;
    const HOT: bool = true;
    /// NaN is 0, but 100…0 where a 64-bit type takes part: so PTX says.
    #[inline(always)]
    fn apply(a: u64, _: u64, _: u64) -> u64 {
        let x = S::of(a).to_f64();
        let nan = if S::IS_F64 || D::BITS == 64 { 1 << (D::BITS - 1) } else { 0 };
        D::register(if x.is_nan() { nan } else { D::of_float(integral::<M>(x)).lane() })
    }
}

/// `.sat` adds nothing: the result is clamped to the destination anyway.
fn to_integer(op: &Opcode, to: &str, from: &str) -> Option<Alu> {
    let round = op.round?;
    Some(with_float!(from, S => with_integer!(to, D => with_mode!(round, M => {
        flush_in::<FloatToInteger<S, D, M>>(op, from)
    }))))
}

fn flush_in<O: Op>(op: &Opcode, from: &str) -> Alu {
    if op.ftz && from == "f32" { alu::<FlushIn<f32, O>>() } else { alu::<O>() }
}

struct IntegerToF32<S>(PhantomData<S>);
impl<S: Integer> Op for IntegerToF32<S> {
    const SOURCES: u8 = 1;
    const HOT: bool = true;
    #[inline(always)]
    fn apply(a: u64, _: u64, _: u64) -> u64 {
        S::of(a).to_f32().lane()
    }
}

struct IntegerToF64<S>(PhantomData<S>);
impl<S: Integer> Op for IntegerToF64<S> {
    const SOURCES: u8 = 1;
    const HOT: bool = true;
    #[inline(always)]
    fn apply(a: u64, _: u64, _: u64) -> u64 {
        S::of(a).to_f64().lane()
    }
}

struct IntegerToFloat<S, D, M>(PhantomData<(S, D, M)>);
impl<S: Integer, D: Float, M: Mode> Op for IntegerToFloat<S, D, M> {
    const SOURCES: u8 = 1;
    const HOT: bool = false;
    #[inline(always)]
    fn apply(a: u64, _: u64, _: u64) -> u64 {
        let wide = S::of(a).wide();
        let exact = Exact { negative: wide < 0, mantissa: wide.unsigned_abs(), exponent: 0 };
        exact.round(&D::Format::FORMAT, M::ROUND)
    }
}

/// No result is subnormal, so `.ftz` adds nothing.
fn from_integer(op: &Opcode, to: &str, from: &str) -> Option<Alu> {
    let round = op.round?;
    Some(with_integer!(from, S => match (to, round) {
        ("f32", Round::Nearest) => saturated::<f32, IntegerToF32<S>>(op),
        ("f64", Round::Nearest) => saturated::<f64, IntegerToF64<S>>(op),
        _ => with_float!(to, D => with_mode!(round, M => saturated::<D, IntegerToFloat<S, D, M>>(op))),
    }))
}

fn saturated<D: Float, O: Op>(op: &Opcode) -> Alu {
    if op.sat { alu::<Saturate<D, O>>() } else { alu::<O>() }
}

macro_rules! native {
    ($($name:ident: $s:ty => $d:ty, |$x:ident| $body:expr;)+) => { $(
        struct $name;
        impl Op for $name {
            const SOURCES: u8 = 1;
            const HOT: bool = true;
            #[inline(always)]
            fn apply(a: u64, _: u64, _: u64) -> u64 {
                let $x = <$s as Value>::of(a);
                <$d as Value>::lane($body)
            }
        }
    )+ };
}
native! {
    F32ToF64: f32 => f64, |x| f64::from(x);
    F64ToF32: f64 => f32, |x| x as f32;
    F32ToF16: f32 => F16, |x| F16(x);
    F32ToBF16: f32 => BF16, |x| BF16(x);
    F16ToF32: F16 => f32, |x| x.0;
    BF16ToF32: BF16 => f32, |x| x.0;
}

struct Integral<T, M>(PhantomData<(T, M)>);
impl<T: Float, M: Mode> Op for Integral<T, M> {
    const SOURCES: u8 = 1;
    const HOT: bool = true;
    #[inline(always)]
    fn apply(a: u64, _: u64, _: u64) -> u64 {
        // An integral value below the precision of T is a value of T: nothing is rounded here.
        narrow_native::<T>(integral::<M>(T::of(a).to_f64()))
    }
}

#[inline(always)]
fn narrow_native<T: Float>(x: f64) -> u64 {
    match T::Format::FORMAT.precision {
        53 => x.lane(),
        24 => (x as f32).lane(),
        11 => F16(x as f32).lane(),
        _ => BF16(x as f32).lane(),
    }
}

struct Copy<T>(PhantomData<T>);
impl<T: Float> Op for Copy<T> {
    const SOURCES: u8 = 1;
    const HOT: bool = true;
    #[inline(always)]
    fn apply(a: u64, _: u64, _: u64) -> u64 {
        T::of(a).lane()
    }
}

struct Narrow<S, D, M>(PhantomData<(S, D, M)>);
impl<S: Float, D: Float, M: Mode> Op for Narrow<S, D, M> {
    const SOURCES: u8 = 1;
    const HOT: bool = false;
    #[inline(always)]
    fn apply(a: u64, _: u64, _: u64) -> u64 {
        narrow::<D::Format>(S::of(a).to_f64(), M::ROUND)
    }
}

fn floats(op: &Opcode, to: &str, from: &str) -> Option<Alu> {
    if to == from {
        return Some(with_float!(to, T => match op.round {
            None => flags::<T, Copy<T>>(op, to, from),
            Some(round) => with_mode!(round, M => flags::<T, Integral<T, M>>(op, to, from)),
        }));
    }
    Some(match (to, from, op.round) {
        ("f64", "f32", None) => flags::<f64, F32ToF64>(op, to, from),
        ("f32", "f64", Some(Round::Nearest)) => flags::<f32, F64ToF32>(op, to, from),
        ("f16", "f32", Some(Round::Nearest)) => flags::<F16, F32ToF16>(op, to, from),
        ("bf16", "f32", Some(Round::Nearest)) => flags::<BF16, F32ToBF16>(op, to, from),
        ("f32", "f16", None) => flags::<f32, F16ToF32>(op, to, from),
        ("f32", "bf16", None) => flags::<f32, BF16ToF32>(op, to, from),
        ("f64", "f16" | "bf16", None) => {
            with_float!(from, S => flags::<f64, Narrow<S, f64, Nearest>>(op, to, from))
        }
        (_, _, None) => return None,
        (_, _, Some(round)) => with_float!(from, S => with_float!(to, D => with_mode!(round, M => {
            flags::<D, Narrow<S, D, M>>(op, to, from)
        }))),
    })
}

/// `.ftz` concerns the f32 side of a conversion only.
fn flags<D: Float, O: Op>(op: &Opcode, to: &str, from: &str) -> Alu {
    match (op.ftz && from == "f32", op.ftz && to == "f32") {
        (false, false) => saturated::<D, O>(op),
        (true, false) => saturated::<D, FlushIn<f32, O>>(op),
        (false, true) => saturated::<D, FlushOut<f32, O>>(op),
        (true, true) => saturated::<D, FlushOut<f32, FlushIn<f32, O>>>(op),
    }
}
