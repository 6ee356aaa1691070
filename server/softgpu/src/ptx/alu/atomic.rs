//! The scalar step of atom, red and redux: the new value from the old one and the operands. The interpreter makes
//! it atomic.

use super::value::{BF16, F16, Pair, Value};

pub type AtomFn = fn(old: u64, b: u64, c: u64) -> u64;

pub fn atom(op: &str, ty: &str) -> Option<AtomFn> {
    match ty {
        "u32" => bitwise_u32(op).or_else(|| ordered_u32(op)).or_else(|| wrapping(op)),
        "s32" => bitwise_u32(op).or_else(|| ordered_s32(op)),
        "b32" => bitwise_u32(op),
        "u64" => bitwise_u64(op).or_else(|| ordered_u64(op)),
        "s64" => bitwise_u64(op).or_else(|| ordered_s64(op)),
        "b64" => bitwise_u64(op),
        "b16" | "u16" | "s16" if matches!(op, "cas" | "exch") => bitwise_u16(op),
        "b128" => None,
        _ => float(op, ty),
    }
}

macro_rules! step {
    ($t:ty, |$old:ident, $b:ident| $body:expr) => {
        |old, b, _| {
            let ($old, $b) = (<$t as Value>::of(old), <$t as Value>::of(b));
            <$t as Value>::lane($body)
        }
    };
}

macro_rules! bitwise {
    ($($function:ident: $t:ident;)+) => { $(
        fn $function(op: &str) -> Option<AtomFn> {
            Some(match op {
                "and" => step!($t, |old, b| old & b),
                "or" => step!($t, |old, b| old | b),
                "xor" => step!($t, |old, b| old ^ b),
                "exch" => |_, b, _| b as $t as u64,
                "cas" => |old, b, c| if old as $t == b as $t { c as $t as u64 } else { old as $t as u64 },
                _ => return None,
            })
        }
    )+ };
}
bitwise! { bitwise_u16: u16; bitwise_u32: u32; bitwise_u64: u64; }

macro_rules! ordered {
    ($($function:ident: $t:ident;)+) => { $(
        fn $function(op: &str) -> Option<AtomFn> {
            Some(match op {
                "add" => step!($t, |old, b| old.wrapping_add(b)),
                "min" => step!($t, |old, b| old.min(b)),
                "max" => step!($t, |old, b| old.max(b)),
                _ => return None,
            })
        }
    )+ };
}
ordered! { ordered_u32: u32; ordered_s32: i32; ordered_u64: u64; ordered_s64: i64; }

/// Counters that start over at the bound.
fn wrapping(op: &str) -> Option<AtomFn> {
    Some(match op {
        "inc" => step!(u32, |old, bound| if old >= bound { 0 } else { old + 1 }),
        "dec" => step!(u32, |old, bound| if old == 0 || old > bound { bound } else { old - 1 }),
        _ => return None,
    })
}

fn float(op: &str, ty: &str) -> Option<AtomFn> {
    Some(match (op, ty) {
        ("add", "f32") => step!(f32, |old, b| old + b),
        ("add", "f64") => step!(f64, |old, b| old + b),
        ("add", "f16") => step!(F16, |old, b| F16(old.0 + b.0)),
        ("add", "bf16") => step!(BF16, |old, b| BF16(old.0 + b.0)),
        ("add", "f16x2") => step!(Pair<F16>, |old, b| Pair(F16(old.0.0 + b.0.0), F16(old.1.0 + b.1.0))),
        ("add", "bf16x2") => step!(Pair<BF16>, |old, b| Pair(BF16(old.0.0 + b.0.0), BF16(old.1.0 + b.1.0))),
        _ => return None,
    })
}
