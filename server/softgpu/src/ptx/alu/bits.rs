//! Logic, shifts, and the instructions that pick bits apart.

use super::lanes::{hot, op};
use super::{Alu, LANES, Lanes, Opcode};

pub fn find(op: &Opcode) -> Option<Alu> {
    if !op.is_plain() {
        return None;
    }
    match op.ty() {
        "b16" => logic16(op.name()),
        "b32" => logic32(op.name()),
        "b64" => logic64(op.name()),
        _ => None,
    }
    .or_else(|| fields(&op.text))
    .or_else(|| permute(&op.text))
}

macro_rules! logic {
    ($($function:ident: $t:ident;)+) => { $(
        fn $function(name: &str) -> Option<Alu> {
            Some(match name {
                "and" => hot!(|a: $t, b: $t| a & b),
                "or" => hot!(|a: $t, b: $t| a | b),
                "xor" => hot!(|a: $t, b: $t| a ^ b),
                "not" => hot!(|a: $t| !a),
                "cnot" => op!(|a: $t| (a == 0) as $t),
                "shl" => hot!(|a: $t, n: u32| if n < $t::BITS { a << n } else { 0 }),
                "shr" => hot!(|a: $t, n: u32| if n < $t::BITS { a >> n } else { 0 }),
                "clz" => op!(|a: $t| a.leading_zeros()),
                "popc" => op!(|a: $t| a.count_ones()),
                "brev" => op!(|a: $t| a.reverse_bits()),
                _ => return None,
            })
        }
    )+ };
}
logic! { logic16: u16; logic32: u32; logic64: u64; }

fn fields(text: &str) -> Option<Alu> {
    Some(match text {
        "bfe.u32" => hot!(|a: u32, p: u32, n: u32| extract(u64::from(a), p, n) as u32),
        "bfe.s32" => op!(|a: i32, p: u32, n: u32| extract_signed(i64::from(a), p, n, 31) as i32),
        "bfe.u64" => op!(|a: u64, p: u32, n: u32| extract(a, p, n)),
        "bfe.s64" => op!(|a: i64, p: u32, n: u32| extract_signed(a, p, n, 63)),
        "bfind.u32" => op!(|a: u32| 31u32.wrapping_sub(a.leading_zeros())),
        "bfind.u64" => op!(|a: u64| 63u32.wrapping_sub(a.leading_zeros())),
        "bfind.s32" => op!(|a: i32| 31u32.wrapping_sub((a ^ a >> 31).leading_zeros())),
        "bfind.s64" => op!(|a: i64| 63u32.wrapping_sub((a ^ a >> 63).leading_zeros())),
        "bfind.shiftamt.u32" => op!(|a: u32| shift_amount(a.leading_zeros(), 32)),
        "bfind.shiftamt.u64" => op!(|a: u64| shift_amount(a.leading_zeros(), 64)),
        "bfind.shiftamt.s32" => op!(|a: i32| shift_amount((a ^ a >> 31).leading_zeros(), 32)),
        "bfind.shiftamt.s64" => op!(|a: i64| shift_amount((a ^ a >> 63).leading_zeros(), 64)),
        "shf.l.wrap.b32" => hot!(|a: u32, b: u32, n: u32| (join(a, b) << (n & 31) >> 32) as u32),
        "shf.r.wrap.b32" => hot!(|a: u32, b: u32, n: u32| (join(a, b) >> (n & 31)) as u32),
        "shf.l.clamp.b32" => op!(|a: u32, b: u32, n: u32| (join(a, b) << n.min(32) >> 32) as u32),
        "shf.r.clamp.b32" => op!(|a: u32, b: u32, n: u32| (join(a, b) >> n.min(32)) as u32),
        "szext.clamp.u32" => op!(|a: u32, n: u32| low_bits(n) & a),
        "szext.wrap.u32" => op!(|a: u32, n: u32| low_bits(n & 31) & a),
        "szext.clamp.s32" => op!(|a: u32, n: u32| sign_extend(a, n.min(32))),
        "szext.wrap.s32" => op!(|a: u32, n: u32| sign_extend(a, n & 31)),
        "bmsk.clamp.b32" => op!(|p: u32, n: u32| low_bits(n).checked_shl(p).unwrap_or(0)),
        "bmsk.wrap.b32" => op!(|p: u32, n: u32| low_bits(n & 31) << (p & 31)),
        "fns.b32" => op!(|a: u32, base: u32, n: i32| nth_set(a, base, n)),
        _ => return None,
    })
}

/// `n` bits from position `p`; both count modulo 256, as PTX says.
#[inline(always)]
fn extract(a: u64, p: u32, n: u32) -> u64 {
    let (p, n) = (p & 255, n & 255);
    let shifted = if p < 64 { a >> p } else { 0 };
    if n < 64 { shifted & ((1 << n) - 1) } else { shifted }
}

/// Beyond the operand, and beyond the field, stands the field's sign: the bit at min(p + n - 1, `top`).
fn extract_signed(a: i64, p: u32, n: u32, top: u32) -> i64 {
    let (p, n) = (p & 255, n & 255);
    if n == 0 {
        return 0;
    }
    let sign = -(a >> (p + n - 1).min(top) & 1);
    let shifted = if p <= top { a >> p } else { sign };
    if n > 63 || p + n > top {
        if p <= top { shifted } else { sign }
    } else {
        shifted & ((1 << n) - 1) | sign << n
    }
}

fn shift_amount(leading_zeros: u32, bits: u32) -> u32 {
    if leading_zeros == bits { u32::MAX } else { leading_zeros }
}

#[inline(always)]
fn join(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn low_bits(n: u32) -> u32 {
    if n < 32 { (1 << n) - 1 } else { u32::MAX }
}

fn sign_extend(a: u32, n: u32) -> u32 {
    if n == 0 { 0 } else { ((a << (32 - n)) as i32 >> (32 - n)) as u32 }
}

/// The position of the n-th set bit from `base` on: upward for n > 0, downward for n < 0, `base` itself for 0.
fn nth_set(a: u32, base: u32, n: i32) -> u32 {
    let is_set = |&p: &u32| a >> p & 1 != 0;
    match n {
        _ if base > 31 => None,
        0 => Some(base).filter(is_set),
        1.. => (base..32).filter(is_set).nth(n as usize - 1),
        _ => (0..=base).rev().filter(is_set).nth(n.unsigned_abs() as usize - 1),
    }
    .unwrap_or(u32::MAX)
}

fn permute(text: &str) -> Option<Alu> {
    Some(match text.strip_prefix("prmt.b32")? {
        "" => op!(|a: u32, b: u32, s: u32| pick(a, b, |i| s >> (4 * i) & 15)),
        ".f4e" => op!(|a: u32, b: u32, s: u32| pick(a, b, |i| i + (s & 3))),
        ".b4e" => op!(|a: u32, b: u32, s: u32| pick(a, b, |i| (s & 3).wrapping_sub(i) & 7)),
        ".rc8" => op!(|a: u32, b: u32, s: u32| pick(a, b, |_| s & 3)),
        ".ecl" => op!(|a: u32, b: u32, s: u32| pick(a, b, |i| i.max(s & 3))),
        ".ecr" => op!(|a: u32, b: u32, s: u32| pick(a, b, |i| i.min(s & 3))),
        ".rc16" => op!(|a: u32, b: u32, s: u32| pick(a, b, |i| (s & 1) * 2 + (i & 1))),
        _ => return None,
    })
}

/// Bytes 0 to 3 come from `a`, 4 to 7 from `b`; selector bit 3 spreads the byte's sign instead.
fn pick(a: u32, b: u32, selector: impl Fn(u32) -> u32) -> u32 {
    (0..4).fold(0, |word, i| {
        let s = selector(i);
        let byte = (join(a, b) >> (8 * (s & 7))) as u8;
        let byte = if s & 8 != 0 { (byte as i8 >> 7) as u8 } else { byte };
        word | u32::from(byte) << (8 * i)
    })
}

/// Any function of three bits a lane, by its truth table.
pub fn lop3(d: &mut Lanes, a: &Lanes, b: &Lanes, c: &Lanes, table: u8, mask: u32) {
    let mut result = [0; LANES];
    for row in (0..8).filter(|row| table >> row & 1 != 0) {
        let inverted = |bit: u8| if row >> bit & 1 != 0 { 0 } else { u64::MAX };
        let (x, y, z) = (inverted(2), inverted(1), inverted(0));
        for l in 0..LANES {
            result[l] |= (a[l] ^ x) & (b[l] ^ y) & (c[l] ^ z);
        }
    }
    for l in 0..LANES {
        d[l] = if mask >> l & 1 != 0 { result[l] & 0xffff_ffff } else { d[l] };
    }
}

/// Like [`super::LaneFn`] with a fourth source.
pub type FourFn = fn(d: &mut Lanes, a: &Lanes, b: &Lanes, c: &Lanes, e: &Lanes, mask: u32);

/// The instructions of four register sources: bfi.
pub fn four(opcode: &str) -> Option<FourFn> {
    match opcode {
        "bfi.b32" => Some(insert::<32>),
        "bfi.b64" => Some(insert::<64>),
        _ => None,
    }
}

/// Puts the low `n` bits of `a` at position `p` of `b`.
fn insert<const BITS: u32>(d: &mut Lanes, a: &Lanes, b: &Lanes, p: &Lanes, n: &Lanes, mask: u32) {
    for l in (0..LANES).filter(|l| mask >> l & 1 != 0) {
        let (p, n) = (p[l] as u32 & 255, n[l] as u32 & 255);
        let ones = if n < 64 { (1u64 << n) - 1 } else { u64::MAX };
        let field = ones.checked_shl(p).unwrap_or(0);
        let merged = a[l].checked_shl(p).unwrap_or(0) & field | b[l] & !field;
        d[l] = merged & (u64::MAX >> (64 - BITS));
    }
}
