//! f32 and f64: arithmetic in every rounding mode, minima, the transcendental approximations.

use std::marker::PhantomData;

use super::exact::{Binary32, Binary64, Exact, Target};
use super::lanes::{Op, alu, define, hot};
use super::value::{Float, Value};
use super::{Alu, Opcode, Round};

pub fn find(op: &Opcode) -> Option<Alu> {
    match op.ty() {
        "f32" => arithmetic_f32(op).or_else(|| unrounded_f32(op)).or_else(|| approximation(op)),
        "f64" if !op.sat => arithmetic_f64(op).or_else(|| unrounded_f64(op)),
        _ => None,
    }
}

/// A rounding mode as a type.
pub trait Mode {
    const ROUND: Round;
}
macro_rules! modes {
    ($($t:ident),+) => { $(
        pub struct $t;
        impl Mode for $t {
            const ROUND: Round = Round::$t;
        }
    )+ };
}
modes!(Nearest, Zero, Down, Up, Away);

/// `O` with subnormal sources of type `S` read as zero.
pub struct FlushIn<S, O>(PhantomData<(S, O)>);
/// `O` with a subnormal result of type `D` written as zero.
pub struct FlushOut<D, O>(PhantomData<(D, O)>);
/// `O` with its result of type `D` clamped into [0, 1].
pub struct Saturate<D, O>(PhantomData<(D, O)>);

impl<S: Float, O: Op> Op for FlushIn<S, O> {
    const SOURCES: u8 = O::SOURCES;
    const HOT: bool = O::HOT;
    #[inline(always)]
    fn apply(a: u64, b: u64, c: u64) -> u64 {
        O::apply(S::of(a).flushed().lane(), S::of(b).flushed().lane(), S::of(c).flushed().lane())
    }
}

impl<D: Float, O: Op> Op for FlushOut<D, O> {
    const SOURCES: u8 = O::SOURCES;
    const HOT: bool = O::HOT;
    #[inline(always)]
    fn apply(a: u64, b: u64, c: u64) -> u64 {
        D::of(O::apply(a, b, c)).flushed().lane()
    }
}

impl<D: Float, O: Op> Op for Saturate<D, O> {
    const SOURCES: u8 = O::SOURCES;
    const HOT: bool = O::HOT;
    #[inline(always)]
    fn apply(a: u64, b: u64, c: u64) -> u64 {
        D::of(O::apply(a, b, c)).saturated().lane()
    }
}

/// `O`, an operation within type `T`, with the modifiers `.ftz` and `.sat` of the opcode.
pub fn flagged<T: Float, O: Op>(op: &Opcode) -> Alu {
    match (op.ftz, op.sat) {
        (false, false) => alu::<O>(),
        (false, true) => alu::<Saturate<T, O>>(),
        (true, false) => alu::<FlushOut<T, FlushIn<T, O>>>(),
        (true, true) => alu::<Saturate<T, FlushOut<T, FlushIn<T, O>>>>(),
    }
}

/// The operation named `$f` of [`Rounded`], in the mode and with the modifiers of the opcode.
macro_rules! rounded {
    ($op:expr, $t:ident, $f:ident($($x:ident),+)) => {
        match $op.round.unwrap_or(Round::Nearest) {
            Round::Nearest => {
                define!(Local, true, |$($x: $t),+| Rounded::$f::<Nearest>($($x),+));
                flagged::<$t, Local>($op)
            }
            Round::Zero => {
                define!(Local, false, |$($x: $t),+| Rounded::$f::<Zero>($($x),+));
                flagged::<$t, Local>($op)
            }
            Round::Down => {
                define!(Local, false, |$($x: $t),+| Rounded::$f::<Down>($($x),+));
                flagged::<$t, Local>($op)
            }
            Round::Up => {
                define!(Local, false, |$($x: $t),+| Rounded::$f::<Up>($($x),+));
                flagged::<$t, Local>($op)
            }
            Round::Away => return None,
        }
    };
}

/// Results rounded once in the mode `M`: natively to nearest, otherwise in f64 or through [`Exact`].
trait Rounded: Sized {
    fn add<M: Mode>(self, b: Self) -> Self;
    fn sub<M: Mode>(self, b: Self) -> Self;
    fn mul<M: Mode>(self, b: Self) -> Self;
    fn fma<M: Mode>(self, b: Self, c: Self) -> Self;
    fn div<M: Mode>(self, b: Self) -> Self;
    fn rcp<M: Mode>(self) -> Self;
    fn sqrt<M: Mode>(self) -> Self;
}

/// An operation without rounding, with the flags of the opcode.
macro_rules! flag {
    ($op:expr, $t:ident, $hot:literal, |$($x:ident: $v:ty),+| $body:expr) => {{
        define!(Local, $hot, |$($x: $v),+| $body);
        flagged::<$t, Local>($op)
    }};
}
macro_rules! exact {
    ($x:expr) => {
        Exact::from(f64::from($x))
    };
}
macro_rules! settle {
    ($t:ident, $target:ident, $mode:ident, $exact:expr) => {
        <$t as Value>::of($exact.round(&$target::FORMAT, $mode::ROUND))
    };
}
/// A number before NaN, and -0 before +0.
macro_rules! lesser {
    ($a:ident, $b:ident) => {
        if $a < $b || $b.is_nan() || $a == $b && $a.is_sign_negative() { $a } else { $b }
    };
}
macro_rules! greater {
    ($a:ident, $b:ident) => {
        if $a > $b || $b.is_nan() || $a == $b && $a.is_sign_positive() { $a } else { $b }
    };
}
macro_rules! either_nan {
    ($a:ident, $b:ident, $number:expr) => {
        if $a.is_nan() || $b.is_nan() { $a + $b } else { $number }
    };
}

macro_rules! rounded_type {
    ($t:ident, $target:ident, $mul:ident, $fma:ident, $arithmetic:ident, $unrounded:ident) => {
        impl Rounded for $t {
            #[inline(always)]
            fn add<M: Mode>(self, b: $t) -> $t {
                if M::ROUND == Round::Nearest { self + b } else { self.fma::<M>(1.0, b) }
            }
            #[inline(always)]
            fn sub<M: Mode>(self, b: $t) -> $t {
                self.add::<M>(-b)
            }
            #[inline(always)]
            fn mul<M: Mode>(self, b: $t) -> $t {
                if M::ROUND == Round::Nearest || !(self.is_finite() && b.is_finite()) {
                    return self * b;
                }
                $mul::<M>(self, b)
            }
            #[inline(always)]
            fn fma<M: Mode>(self, b: $t, c: $t) -> $t {
                if M::ROUND == Round::Nearest || !(self.is_finite() && b.is_finite() && c.is_finite()) {
                    return self.mul_add(b, c);
                }
                $fma::<M>(self, b, c)
            }
            #[inline(always)]
            fn div<M: Mode>(self, b: $t) -> $t {
                let nearest = self / b;
                if M::ROUND == Round::Nearest || !(self.is_finite() && b.is_finite()) || b == 0.0 {
                    return nearest;
                }
                settle!($t, $target, M, exact!(self).div(exact!(b)))
            }
            #[inline(always)]
            fn rcp<M: Mode>(self) -> $t {
                (1.0 as $t).div::<M>(self)
            }
            #[inline(always)]
            fn sqrt<M: Mode>(self) -> $t {
                let nearest = $t::sqrt(self);
                if M::ROUND == Round::Nearest || !nearest.is_finite() {
                    return nearest;
                }
                settle!($t, $target, M, exact!(self).sqrt())
            }
        }

        fn $arithmetic(op: &Opcode) -> Option<Alu> {
            if op.ftz && stringify!($t) == "f64" {
                return None;
            }
            Some(match op.name() {
                "add" => rounded!(op, $t, add(a, b)),
                "sub" => rounded!(op, $t, sub(a, b)),
                "mul" => rounded!(op, $t, mul(a, b)),
                "fma" | "mad" => rounded!(op, $t, fma(a, b, c)),
                "div" if op.round.is_some() => rounded!(op, $t, div(a, b)),
                "sqrt" if op.round.is_some() => rounded!(op, $t, sqrt(a)),
                "rcp" if op.round.is_some() => rounded!(op, $t, rcp(a)),
                _ => return None,
            })
        }

        /// What needs no rounding.
        fn $unrounded(op: &Opcode) -> Option<Alu> {
            if op.round.is_some() {
                return None;
            }
            Some(match op.name() {
                "neg" => flag!(op, $t, true, |a: $t| -a),
                "abs" => flag!(op, $t, true, |a: $t| a.abs()),
                "min" => flag!(op, $t, true, |a: $t, b: $t| lesser!(a, b)),
                "max" => flag!(op, $t, true, |a: $t, b: $t| greater!(a, b)),
                "min.NaN" => flag!(op, $t, true, |a: $t, b: $t| either_nan!(a, b, lesser!(a, b))),
                "max.NaN" => flag!(op, $t, true, |a: $t, b: $t| either_nan!(a, b, greater!(a, b))),
                "copysign" if op.is_plain() => hot!(|a: $t, b: $t| b.copysign(a)),
                "rcp.approx" => flag!(op, $t, false, |a: $t| 1.0 / a),
                "rsqrt.approx" => flag!(op, $t, false, |a: $t| 1.0 / a.sqrt()),
                _ => return None,
            })
        }
    };
}

rounded_type!(f32, Binary32, mul_f32, fma_f32, arithmetic_f32, unrounded_f32);
rounded_type!(f64, Binary64, mul_f64, fma_f64, arithmetic_f64, unrounded_f64);

/// The product of two f32 is exact in f64.
#[inline(always)]
fn mul_f32<M: Mode>(a: f32, b: f32) -> f32 {
    directed::<M>(f64::from(a) * f64::from(b), 0.0)
}

#[inline(always)]
fn fma_f32<M: Mode>(a: f32, b: f32, c: f32) -> f32 {
    let (product, c) = (f64::from(a) * f64::from(b), f64::from(c));
    let (sum, lost) = two_sum(product, c);
    if sum == 0.0 && M::ROUND == Round::Down {
        return if product.is_sign_positive() && c.is_sign_positive() { 0.0 } else { -0.0 };
    }
    directed::<M>(sum, lost)
}

/// The sum as rounded, and exactly what the rounding lost.
#[inline(always)]
pub fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}

/// `sum + lost`, where `lost` is less than the last bit of `sum`, as an f32: the nearest one or its neighbour.
#[inline(always)]
fn directed<M: Mode>(sum: f64, lost: f64) -> f32 {
    let nearest = sum as f32;
    let rest = (sum - f64::from(nearest)) + lost;
    let is_down = M::ROUND == Round::Down || M::ROUND == Round::Zero && nearest > 0.0;
    let is_up = M::ROUND == Round::Up || M::ROUND == Round::Zero && nearest < 0.0;
    if is_down && rest < 0.0 {
        nearest.next_down()
    } else if is_up && rest > 0.0 {
        nearest.next_up()
    } else {
        nearest
    }
}

fn mul_f64<M: Mode>(a: f64, b: f64) -> f64 {
    settle!(f64, Binary64, M, exact!(a).mul(exact!(b)))
}

fn fma_f64<M: Mode>(a: f64, b: f64, c: f64) -> f64 {
    settle!(f64, Binary64, M, exact!(a).mul(exact!(b)).add(exact!(c), M::ROUND))
}

/// Computed in f32 by the host's library: more precise than the hardware's tables, never bit for bit the same.
fn approximation(op: &Opcode) -> Option<Alu> {
    if op.round.is_some() {
        return None;
    }
    Some(match op.name() {
        "div.approx" | "div.full" => flag!(op, f32, true, |a: f32, b: f32| a / b),
        "sqrt.approx" => flag!(op, f32, true, |a: f32| a.sqrt()),
        "sin.approx" => flag!(op, f32, false, |a: f32| a.sin()),
        "cos.approx" => flag!(op, f32, false, |a: f32| a.cos()),
        "lg2.approx" => flag!(op, f32, false, |a: f32| a.log2()),
        "ex2.approx" => flag!(op, f32, false, |a: f32| a.exp2()),
        "tanh.approx" => flag!(op, f32, false, |a: f32| a.tanh()),
        _ => return None,
    })
}
