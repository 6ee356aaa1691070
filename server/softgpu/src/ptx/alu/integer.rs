//! Integer arithmetic of every width: add to mad, division, minima, the small dot products, and register copies.

use super::lanes::{hot, op};
use super::value::Pair;
use super::{Alu, Opcode};

pub fn find(op: &Opcode) -> Option<Alu> {
    if op.sat && op.round.is_none() && !op.ftz {
        return saturating(&op.text);
    }
    if !op.is_plain() {
        return None;
    }
    let (name, ty) = (op.name(), op.ty());
    let found = match ty {
        "u16" => modular16(name).or_else(|| ordered_u16(name)),
        "s16" => modular16(name).or_else(|| ordered_s16(name)),
        "u32" => modular32(name).or_else(|| ordered_u32(name)),
        "s32" => modular32(name).or_else(|| ordered_s32(name)),
        "u64" => modular64(name).or_else(|| ordered_u64(name)),
        "s64" => modular64(name).or_else(|| ordered_s64(name)),
        "u16x2" | "s16x2" => pairs(name, ty),
        _ => None,
    };
    found.or_else(|| copy(name, ty)).or_else(|| special(&op.text))
}

/// `mov`, and the operations that do not care for the sign.
macro_rules! modular {
    ($($function:ident: $t:ident;)+) => { $(
        fn $function(name: &str) -> Option<Alu> {
            Some(match name {
                "add" => hot!(|a: $t, b: $t| a.wrapping_add(b)),
                "sub" => hot!(|a: $t, b: $t| a.wrapping_sub(b)),
                "mul.lo" => hot!(|a: $t, b: $t| a.wrapping_mul(b)),
                "mad.lo" => hot!(|a: $t, b: $t, c: $t| a.wrapping_mul(b).wrapping_add(c)),
                "neg" => hot!(|a: $t| a.wrapping_neg()),
                _ => return None,
            })
        }
    )+ };
}
modular! { modular16: u16; modular32: u32; modular64: u64; }

fn copy(name: &str, ty: &str) -> Option<Alu> {
    Some(match (name, ty) {
        ("mov", "b8" | "u8" | "s8") => hot!(|a: u8| a),
        ("mov", "b16" | "u16" | "s16" | "f16" | "bf16") => hot!(|a: u16| a),
        ("mov", "b32" | "u32" | "s32" | "f32" | "f16x2" | "bf16x2") => hot!(|a: u32| a),
        ("mov", "b64" | "u64" | "s64" | "f64") => hot!(|a: u64| a),
        _ => return None,
    })
}

/// What hardware answers for a division by zero: all ones, and the dividend as remainder.
macro_rules! ordered {
    ($($function:ident: $t:ident, twice $double:ident;)+) => { $(
        fn $function(name: &str) -> Option<Alu> {
            Some(match name {
                "min" => hot!(|a: $t, b: $t| a.min(b)),
                "max" => hot!(|a: $t, b: $t| a.max(b)),
                "min.relu" if $t::MIN != 0 => op!(|a: $t, b: $t| a.min(b).max(0)),
                "max.relu" if $t::MIN != 0 => op!(|a: $t, b: $t| a.max(b).max(0)),
                "div" => op!(|a: $t, b: $t| if b == 0 { !0 } else { a.wrapping_div(b) }),
                "rem" => op!(|a: $t, b: $t| if b == 0 { a } else { a.wrapping_rem(b) }),
                "mul.hi" => hot!(|a: $t, b: $t| high!(a, b, $t, $double)),
                "mad.hi" => op!(|a: $t, b: $t, c: $t| high!(a, b, $t, $double).wrapping_add(c)),
                "sad" => op!(|a: $t, b: $t, c: $t| c.wrapping_add(a.abs_diff(b) as $t)),
                "abs" if $t::MIN != 0 => hot!(|a: $t| a.abs_diff(0) as $t),
                "shr" => hot!(|a: $t, n: u32| if n < $t::BITS { a >> n } else { a >> ($t::BITS - 1) >> 1 }),
                _ => return wide::$function(name),
            })
        }
    )+ };
}
macro_rules! high {
    ($a:ident, $b:ident, $t:ident, $double:ident) => {
        (($a as $double).wrapping_mul($b as $double) >> $t::BITS) as $t
    };
}
ordered! {
    ordered_u16: u16, twice u32; ordered_s16: i16, twice i32;
    ordered_u32: u32, twice u64; ordered_s32: i32, twice i64;
    ordered_u64: u64, twice u128; ordered_s64: i64, twice i128;
}

/// Products of twice the width, which a 64-bit operand does not have.
mod wide {
    use super::{Alu, hot};

    macro_rules! products {
        ($($function:ident: $t:ident into $double:ident;)+) => { $(
            pub fn $function(name: &str) -> Option<Alu> {
                Some(match name {
                    "mul.wide" => hot!(|a: $t, b: $t| (a as $double).wrapping_mul(b as $double)),
                    "mad.wide" => hot!(|a: $t, b: $t, c: $double| (a as $double).wrapping_mul(b as $double).wrapping_add(c)),
                    _ => return None,
                })
            }
        )+ };
    }
    products! { ordered_u16: u16 into u32; ordered_s16: i16 into i32; ordered_u32: u32 into u64; ordered_s32: i32 into i64; }

    pub fn ordered_u64(_name: &str) -> Option<Alu> {
        None
    }
    pub fn ordered_s64(_name: &str) -> Option<Alu> {
        None
    }
}

fn saturating(text: &str) -> Option<Alu> {
    Some(match text {
        "add.s32" => op!(|a: i32, b: i32| a.saturating_add(b)),
        "sub.s32" => op!(|a: i32, b: i32| a.saturating_sub(b)),
        "mad.hi.s32" => op!(|a: i32, b: i32, c: i32| high!(a, b, i32, i64).saturating_add(c)),
        "mad24.hi.s32" => op!(|a: i32, b: i32, c: i32| ((product24s(a, b) >> 16) as i32).saturating_add(c)),
        _ => return None,
    })
}

macro_rules! halves {
    ($t:ident, |$x:ident, $y:ident| $body:expr) => {
        op!(|a: Pair<$t>, b: Pair<$t>| {
            let f = |$x: $t, $y: $t| $body;
            Pair(f(a.0, b.0), f(a.1, b.1))
        })
    };
}

fn pairs(name: &str, ty: &str) -> Option<Alu> {
    Some(match (name, ty) {
        ("add", _) => halves!(u16, |x, y| x.wrapping_add(y)),
        ("sub", _) => halves!(u16, |x, y| x.wrapping_sub(y)),
        ("min", "u16x2") => halves!(u16, |x, y| x.min(y)),
        ("max", "u16x2") => halves!(u16, |x, y| x.max(y)),
        ("min", "s16x2") => halves!(i16, |x, y| x.min(y)),
        ("max", "s16x2") => halves!(i16, |x, y| x.max(y)),
        ("min.relu", "s16x2") => halves!(i16, |x, y| x.min(y).max(0)),
        ("max.relu", "s16x2") => halves!(i16, |x, y| x.max(y).max(0)),
        _ => return None,
    })
}

fn special(text: &str) -> Option<Alu> {
    Some(match text {
        "mul24.lo.u32" => op!(|a: u32, b: u32| product24u(a, b) as u32),
        "mul24.hi.u32" => op!(|a: u32, b: u32| (product24u(a, b) >> 16) as u32),
        "mul24.lo.s32" => op!(|a: i32, b: i32| product24s(a, b) as i32),
        "mul24.hi.s32" => op!(|a: i32, b: i32| (product24s(a, b) >> 16) as i32),
        "mad24.lo.u32" => op!(|a: u32, b: u32, c: u32| (product24u(a, b) as u32).wrapping_add(c)),
        "mad24.hi.u32" => op!(|a: u32, b: u32, c: u32| ((product24u(a, b) >> 16) as u32).wrapping_add(c)),
        "mad24.lo.s32" => op!(|a: i32, b: i32, c: i32| (product24s(a, b) as i32).wrapping_add(c)),
        "mad24.hi.s32" => op!(|a: i32, b: i32, c: i32| ((product24s(a, b) >> 16) as i32).wrapping_add(c)),
        "dp4a.u32.u32" => op!(|a: u32, b: u32, c: u32| dot4(a, b, c, unsigned8, unsigned8)),
        "dp4a.u32.s32" => op!(|a: u32, b: u32, c: u32| dot4(a, b, c, unsigned8, signed8)),
        "dp4a.s32.u32" => op!(|a: u32, b: u32, c: u32| dot4(a, b, c, signed8, unsigned8)),
        "dp4a.s32.s32" => op!(|a: u32, b: u32, c: u32| dot4(a, b, c, signed8, signed8)),
        "dp2a.lo.u32.u32" => op!(|a: u32, b: u32, c: u32| dot2(a, b, c, unsigned16, unsigned8)),
        "dp2a.lo.u32.s32" => op!(|a: u32, b: u32, c: u32| dot2(a, b, c, unsigned16, signed8)),
        "dp2a.lo.s32.u32" => op!(|a: u32, b: u32, c: u32| dot2(a, b, c, signed16, unsigned8)),
        "dp2a.lo.s32.s32" => op!(|a: u32, b: u32, c: u32| dot2(a, b, c, signed16, signed8)),
        "dp2a.hi.u32.u32" => op!(|a: u32, b: u32, c: u32| dot2(a, b >> 16, c, unsigned16, unsigned8)),
        "dp2a.hi.u32.s32" => op!(|a: u32, b: u32, c: u32| dot2(a, b >> 16, c, unsigned16, signed8)),
        "dp2a.hi.s32.u32" => op!(|a: u32, b: u32, c: u32| dot2(a, b >> 16, c, signed16, unsigned8)),
        "dp2a.hi.s32.s32" => op!(|a: u32, b: u32, c: u32| dot2(a, b >> 16, c, signed16, signed8)),
        _ => return None,
    })
}

fn product24u(a: u32, b: u32) -> u64 {
    u64::from(a & 0xff_ffff) * u64::from(b & 0xff_ffff)
}

fn product24s(a: i32, b: i32) -> i64 {
    i64::from(a << 8 >> 8) * i64::from(b << 8 >> 8)
}

/// Sums wrap, so one function serves the signed and the unsigned accumulator.
fn dot4(a: u32, b: u32, c: u32, left: fn(u32) -> i32, right: fn(u32) -> i32) -> u32 {
    (0..4).fold(c, |sum, byte| sum.wrapping_add((left(a >> (8 * byte)) * right(b >> (8 * byte))) as u32))
}

fn dot2(a: u32, b: u32, c: u32, left: fn(u32) -> i32, right: fn(u32) -> i32) -> u32 {
    (0..2).fold(c, |sum, i| sum.wrapping_add((left(a >> (16 * i)) * right(b >> (8 * i))) as u32))
}

fn unsigned8(x: u32) -> i32 {
    i32::from(x as u8)
}
fn signed8(x: u32) -> i32 {
    i32::from(x as i8)
}
fn unsigned16(x: u32) -> i32 {
    i32::from(x as u16)
}
fn signed16(x: u32) -> i32 {
    i32::from(x as i16)
}
