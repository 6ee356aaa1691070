//! f16 and bf16, single and in pairs: computed in wider arithmetic and rounded once.

use super::float::{flagged, two_sum};
use super::lanes::define;
use super::value::{BF16, F16, Float, Pair};
use super::{Alu, Opcode, Round};

pub fn find(op: &Opcode) -> Option<Alu> {
    if !matches!(op.round, None | Some(Round::Nearest)) {
        return None;
    }
    match op.ty() {
        "f16" => single_f16(op),
        "f16x2" => pair_f16(op),
        "bf16" if !op.ftz => single_bf16(op),
        "bf16x2" if !op.ftz => pair_bf16(op),
        _ => None,
    }
}

/// The operations of one element.
trait Half: Float {
    fn map(self, f: impl Fn(f32) -> f32) -> Self;
    fn zip(self, b: Self, f: impl Fn(f32, f32) -> f32) -> Self;
    fn mul(self, b: Self) -> Self;
    fn fma(self, b: Self, c: Self) -> Self;
}

macro_rules! half {
    ($($t:ident, |$x:ident| $product:expr;)+) => { $(
        impl Half for $t {
            #[inline(always)]
            fn map(self, f: impl Fn(f32) -> f32) -> Self {
                $t(f(self.0))
            }
            #[inline(always)]
            fn zip(self, b: Self, f: impl Fn(f32, f32) -> f32) -> Self {
                $t(f(self.0, b.0))
            }
            #[inline(always)]
            fn mul(self, b: Self) -> Self {
                let $x = (self.0, b.0);
                $t($product)
            }
            #[inline(always)]
            fn fma(self, b: Self, c: Self) -> Self {
                $t(fma_to_odd(self.0, b.0, c.0))
            }
        }
    )+ };
}
half! {
    // Exact in f32.
    F16, |x| x.0 * x.1;
    // Not where f32 ends.
    BF16, |x| fma_to_odd(x.0, x.1, -0.0);
}

impl<T: Half> Half for Pair<T> {
    #[inline(always)]
    fn map(self, f: impl Fn(f32) -> f32) -> Self {
        Pair(self.0.map(&f), self.1.map(&f))
    }
    #[inline(always)]
    fn zip(self, b: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Pair(self.0.zip(b.0, &f), self.1.zip(b.1, &f))
    }
    #[inline(always)]
    fn mul(self, b: Self) -> Self {
        Pair(self.0.mul(b.0), self.1.mul(b.1))
    }
    #[inline(always)]
    fn fma(self, b: Self, c: Self) -> Self {
        Pair(self.0.fma(b.0, c.0), self.1.fma(b.1, c.1))
    }
}

/// a × b + c in f32, the last bit odd if anything was lost: rounding that to 16 bits is rounding the exact value.
/// (An f32 rounded to nearest even would be rounded twice.)
#[inline(always)]
fn fma_to_odd(a: f32, b: f32, c: f32) -> f32 {
    let (sum, lost) = two_sum(f64::from(a) * f64::from(b), c.into());
    let narrowed = sum as f32;
    // The exact value less `narrowed`: its sign is all that matters.
    let rest = (sum - f64::from(narrowed)) + lost;
    let is_inexact = rest != 0.0;
    let is_too_great = if narrowed.is_sign_negative() { rest > 0.0 } else { rest < 0.0 };
    let odd = narrowed.to_bits().wrapping_sub(is_too_great.into()) | u32::from(is_inexact);
    if narrowed.is_finite() { f32::from_bits(odd) } else { narrowed }
}

macro_rules! family {
    ($($function:ident: $t:ty;)+) => { $(
        fn $function(op: &Opcode) -> Option<Alu> {
            macro_rules! unary {
                ($f:expr) => {{
                    define!(Local, true, |a: $t| a.map($f));
                    flagged::<$t, Local>(op)
                }};
            }
            macro_rules! binary {
                ($f:expr) => {{
                    define!(Local, true, |a: $t, b: $t| a.zip(b, $f));
                    flagged::<$t, Local>(op)
                }};
            }
            Some(match op.name() {
                "add" => binary!(|x, y| x + y),
                "sub" => binary!(|x, y| x - y),
                "mul" => {
                    define!(Local, true, |a: $t, b: $t| a.mul(b));
                    flagged::<$t, Local>(op)
                }
                "fma" => {
                    define!(Local, true, |a: $t, b: $t, c: $t| a.fma(b, c));
                    flagged::<$t, Local>(op)
                }
                "fma.relu" => {
                    define!(Local, true, |a: $t, b: $t, c: $t| a.fma(b, c).map(relu));
                    flagged::<$t, Local>(op)
                }
                "neg" => unary!(|x: f32| -x),
                "abs" => unary!(f32::abs),
                "min" => binary!(lesser),
                "max" => binary!(greater),
                "min.NaN" => binary!(|x, y| if x.is_nan() || y.is_nan() { f32::NAN } else { lesser(x, y) }),
                "max.NaN" => binary!(|x, y| if x.is_nan() || y.is_nan() { f32::NAN } else { greater(x, y) }),
                "ex2.approx" => unary!(f32::exp2),
                "tanh.approx" => unary!(f32::tanh),
                _ => return None,
            })
        }
    )+ };
}
family! {
    single_f16: F16; pair_f16: Pair<F16>; single_bf16: BF16; pair_bf16: Pair<BF16>;
}

/// Negative becomes +0, NaN stays.
#[inline(always)]
fn relu(x: f32) -> f32 {
    if x <= 0.0 { 0.0 } else { x }
}

#[inline(always)]
fn lesser(x: f32, y: f32) -> f32 {
    if x < y || y.is_nan() || x == y && x.is_sign_negative() { x } else { y }
}

#[inline(always)]
fn greater(x: f32, y: f32) -> f32 {
    if x > y || y.is_nan() || x == y && x.is_sign_positive() { x } else { y }
}
