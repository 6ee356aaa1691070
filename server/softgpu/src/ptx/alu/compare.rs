//! The comparisons of setp and set, and the properties of testp: a bit a lane.

use super::value::{BF16, F16, Float, Value};
use super::{LANES, Lanes, wide};

/// Bit l of the result is lane l's outcome; all lanes are computed.
pub type CompareFn = fn(a: &Lanes, b: &Lanes) -> u32;

/// One lane's comparison, as a type.
pub trait Relation {
    fn holds(a: u64, b: u64) -> bool;
}

#[inline(always)]
pub fn outcomes<R: Relation>(a: &Lanes, b: &Lanes) -> u32 {
    let mut bits = 0;
    for l in 0..LANES {
        bits |= u32::from(R::holds(a[l], b[l])) << l;
    }
    bits
}

macro_rules! relation {
    ($t:ty, |$a:ident, $b:ident| $body:expr) => {{
        struct Local;
        impl Relation for Local {
            #[inline(always)]
            fn holds(a: u64, b: u64) -> bool {
                let ($a, $b) = (<$t as Value>::of(a), <$t as Value>::of(b));
                $body
            }
        }
        wide::comparison::<Local>()
    }};
}

/// By PTX's names for comparison and type; `None` where PTX has no such pair.
pub fn compare(cmp: &str, ty: &str, ftz: bool) -> Option<CompareFn> {
    match (ty, ftz) {
        ("f32", false) => float_f32(cmp),
        ("f32", true) => float_f32_ftz(cmp),
        ("f64", false) => float_f64(cmp),
        ("f16", false) => float_f16(cmp),
        ("f16", true) => float_f16_ftz(cmp),
        ("bf16", false) => float_bf16(cmp),
        (_, true) => None,
        ("u16", _) => integer_u16(cmp),
        ("s16", _) => integer_s16(cmp),
        ("u32", _) => integer_u32(cmp),
        ("s32", _) => integer_s32(cmp),
        ("u64", _) => integer_u64(cmp),
        ("s64", _) => integer_s64(cmp),
        ("b16", _) if matches!(cmp, "eq" | "ne") => integer_u16(cmp),
        ("b32", _) if matches!(cmp, "eq" | "ne") => integer_u32(cmp),
        ("b64", _) if matches!(cmp, "eq" | "ne") => integer_u64(cmp),
        _ => None,
    }
}

macro_rules! integers {
    ($($function:ident: $t:ident;)+) => { $(
        fn $function(cmp: &str) -> Option<CompareFn> {
            Some(match cmp {
                "eq" => relation!($t, |a, b| a == b),
                "ne" => relation!($t, |a, b| a != b),
                "lt" | "lo" => relation!($t, |a, b| a < b),
                "le" | "ls" => relation!($t, |a, b| a <= b),
                "gt" | "hi" => relation!($t, |a, b| a > b),
                "ge" | "hs" => relation!($t, |a, b| a >= b),
                _ => return None,
            })
        }
    )+ };
}
integers! {
    integer_u16: u16; integer_s16: i16; integer_u32: u32; integer_s32: i32; integer_u64: u64; integer_s64: i64;
}

/// The names with a final u hold also when a source is NaN.
macro_rules! floats {
    ($($function:ident: $t:ident, |$x:ident| $number:expr;)+) => { $(
        // "Not less" is what geu means, NaN included.
        #[allow(clippy::neg_cmp_op_on_partial_ord)]
        fn $function(cmp: &str) -> Option<CompareFn> {
            #[inline(always)]
            fn number($x: $t) -> impl PartialOrd {
                $number
            }
            Some(match cmp {
                "eq" => relation!($t, |a, b| number(a) == number(b)),
                "ne" => relation!($t, |a, b| number(a) < number(b) || number(a) > number(b)),
                "lt" => relation!($t, |a, b| number(a) < number(b)),
                "le" => relation!($t, |a, b| number(a) <= number(b)),
                "gt" => relation!($t, |a, b| number(a) > number(b)),
                "ge" => relation!($t, |a, b| number(a) >= number(b)),
                "equ" => relation!($t, |a, b| !(number(a) < number(b) || number(a) > number(b))),
                "neu" => relation!($t, |a, b| number(a) != number(b)),
                "ltu" => relation!($t, |a, b| !(number(a) >= number(b))),
                "leu" => relation!($t, |a, b| !(number(a) > number(b))),
                "gtu" => relation!($t, |a, b| !(number(a) <= number(b))),
                "geu" => relation!($t, |a, b| !(number(a) < number(b))),
                "num" => relation!($t, |a, b| number(a) == number(a) && number(b) == number(b)),
                "nan" => relation!($t, |a, b| number(a) != number(a) || number(b) != number(b)),
                _ => return None,
            })
        }
    )+ };
}
floats! {
    float_f32: f32, |x| x;
    float_f32_ftz: f32, |x| x.flushed();
    float_f64: f64, |x| x;
    float_f16: F16, |x| x.0;
    float_f16_ftz: F16, |x| x.flushed().0;
    float_bf16: BF16, |x| x.0;
}

/// testp: a property of one number.
pub fn test(property: &str, ty: &str) -> Option<fn(&Lanes) -> u32> {
    match ty {
        "f32" => test_f32(property),
        "f64" => test_f64(property),
        _ => None,
    }
}

macro_rules! tests {
    ($($function:ident: $t:ident;)+) => { $(
        fn $function(property: &str) -> Option<fn(&Lanes) -> u32> {
            macro_rules! property {
                ($f:expr) => {
                    |lanes| {
                        let holds: fn($t) -> bool = $f;
                        (0..LANES).fold(0, |bits, l| bits | u32::from(holds(<$t as Value>::of(lanes[l]))) << l)
                    }
                };
            }
            Some(match property {
                "finite" => property!(|x| x.is_finite()),
                "infinite" => property!(|x| x.is_infinite()),
                "number" => property!(|x| !x.is_nan()),
                "notanumber" => property!(|x| x.is_nan()),
                "normal" => property!(|x| x.is_normal()),
                "subnormal" => property!(|x| x.is_subnormal()),
                _ => return None,
            })
        }
    )+ };
}
tests! { test_f32: f32; test_f64: f64; }
