//! Extended-precision arithmetic: the instructions that read or write the carry.

use super::{LANES, Lanes};

/// The carry is a lane register of 0 or 1, read and written in the lanes of the mask.
pub type CarryFn = fn(d: &mut Lanes, carry: &mut Lanes, a: &Lanes, b: &Lanes, c: &Lanes, mask: u32);

/// The function of a full opcode and how many sources it takes.
pub fn carry(opcode: &str) -> Option<(CarryFn, u8)> {
    let mut parts = opcode.split('.').peekable();
    let base = parts.next()?;
    let half = parts.next_if(|p| matches!(*p, "lo" | "hi"));
    let writes = parts.next_if_eq(&"cc").is_some();
    let ty = parts.next()?;
    let reads = base.ends_with('c');
    if parts.next().is_some() || !(reads || writes) {
        return None;
    }
    let kind = match (base, half) {
        ("add" | "addc", None) => ADD,
        ("sub" | "subc", None) => SUB,
        ("mad" | "madc", Some("lo")) => MAD_LO,
        ("mad" | "madc", Some("hi")) => MAD_HI,
        _ => return None,
    };
    let function: CarryFn = match ty {
        "u32" => choose::<Unsigned32>(kind, reads, writes),
        "s32" => choose::<Signed32>(kind, reads, writes),
        "u64" => choose::<Unsigned64>(kind, reads, writes),
        "s64" => choose::<Signed64>(kind, reads, writes),
        _ => return None,
    };
    Some((function, if kind >= MAD_LO { 3 } else { 2 }))
}

const ADD: u8 = 0;
const SUB: u8 = 1;
const MAD_LO: u8 = 2;
const MAD_HI: u8 = 3;

fn choose<T: Width>(kind: u8, reads: bool, writes: bool) -> CarryFn {
    match kind {
        ADD => flags::<T, ADD>(reads, writes),
        SUB => flags::<T, SUB>(reads, writes),
        MAD_LO => flags::<T, MAD_LO>(reads, writes),
        _ => flags::<T, MAD_HI>(reads, writes),
    }
}

fn flags<T: Width, const KIND: u8>(reads: bool, writes: bool) -> CarryFn {
    match (reads, writes) {
        (false, _) => step::<T, KIND, false, true>,
        (true, false) => step::<T, KIND, true, false>,
        (true, true) => step::<T, KIND, true, true>,
    }
}

/// What the sum needs of an operand type: its width, and the upper half of its product.
trait Width {
    const MAX: u64;
    fn high(a: u64, b: u64) -> u64;
}

macro_rules! widths {
    ($($name:ident: $t:ident, $double:ident, $max:expr;)+) => { $(
        struct $name;
        impl Width for $name {
            const MAX: u64 = $max;
            #[inline(always)]
            fn high(a: u64, b: u64) -> u64 {
                ((a as $t as $double).wrapping_mul(b as $t as $double) >> $t::BITS) as u64
            }
        }
    )+ };
}
widths! {
    Unsigned32: u32, u64, u32::MAX as u64;
    Signed32: i32, i64, u32::MAX as u64;
    Unsigned64: u64, u128, u64::MAX;
    Signed64: i64, i128, u64::MAX;
}

/// A subtraction adds the complement, as the hardware does: its carry is 1 where nothing was borrowed. PTX's text speaks of a
/// borrow, which is the same to `subc`; but `addc` after `sub.cc` reads this bit, and NVIDIA's 128-bit division does that.
fn step<T: Width, const KIND: u8, const READS: bool, const WRITES: bool>(
    d: &mut Lanes,
    carry: &mut Lanes,
    a: &Lanes,
    b: &Lanes,
    c: &Lanes,
    mask: u32,
) {
    for l in (0..LANES).filter(|l| mask >> l & 1 != 0) {
        let (x, y) = match KIND {
            ADD => (a[l] & T::MAX, b[l] & T::MAX),
            SUB => (a[l] & T::MAX, !b[l] & T::MAX),
            MAD_LO => (a[l].wrapping_mul(b[l]) & T::MAX, c[l] & T::MAX),
            _ => (T::high(a[l], b[l]) & T::MAX, c[l] & T::MAX),
        };
        let carried = if READS { carry[l] & 1 } else { u64::from(KIND == SUB) };
        let sum = u128::from(x) + u128::from(y) + u128::from(carried);
        d[l] = sum as u64 & T::MAX;
        if WRITES {
            carry[l] = u64::from(sum > u128::from(T::MAX));
        }
    }
}
