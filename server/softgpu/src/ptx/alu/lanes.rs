//! From an operation on one lane to a [`LaneFn`](super::LaneFn).

use super::{Alu, LANES, LaneFn, Lanes, wide};

/// One lane's arithmetic, as a type, so that it is compiled into each loop that runs it. Must not panic.
pub trait Op {
    const SOURCES: u8;
    /// Cheap and common: worth a second copy for wide vectors, and worth computing in lanes that are masked off.
    const HOT: bool;
    fn apply(a: u64, b: u64, c: u64) -> u64;
}

pub fn alu<O: Op>() -> Alu {
    let run: LaneFn = if O::HOT && wide::is_available() { wide::run::<O> } else { plain::<O> };
    Alu { run, sources: O::SOURCES }
}

fn plain<O: Op>(d: &mut Lanes, a: &Lanes, b: &Lanes, c: &Lanes, mask: u32) {
    if mask == u32::MAX {
        for l in 0..LANES {
            d[l] = O::apply(a[l], b[l], c[l]);
        }
        return;
    }
    let mut left = mask;
    while left != 0 {
        let l = left.trailing_zeros() as usize;
        d[l] = O::apply(a[l], b[l], c[l]);
        left &= left - 1;
    }
}

/// The branch-free form: all lanes are computed, those of the mask are kept.
#[inline(always)]
pub fn blended<O: Op>(d: &mut Lanes, a: &Lanes, b: &Lanes, c: &Lanes, mask: u32) {
    if mask == u32::MAX {
        for l in 0..LANES {
            d[l] = O::apply(a[l], b[l], c[l]);
        }
    } else {
        for l in 0..LANES {
            let result = O::apply(a[l], b[l], c[l]);
            d[l] = if mask >> l & 1 != 0 { result } else { d[l] };
        }
    }
}

/// `op!(|a: u32, b: u32| a + b)` is an [`Alu`]; `hot!` the same for the common ones; `define!` only the type.
macro_rules! define {
    ($name:ident, $hot:literal, |$($x:ident: $t:ty),+| $body:expr) => {
        struct $name;
        impl crate::ptx::alu::lanes::Op for $name {
            const SOURCES: u8 = [$(stringify!($x)),+].len() as u8;
            const HOT: bool = $hot;
            #[inline(always)]
            fn apply(a: u64, b: u64, c: u64) -> u64 {
                use crate::ptx::alu::value::Value;
                crate::ptx::alu::lanes::bind!([a, b, c] $($x: $t),+);
                Value::lane($body)
            }
        }
    };
}
macro_rules! bind {
    ([$a:ident, $b:ident, $c:ident] $x:ident: $t:ty) => {
        let ($x, _, _) = (<$t as Value>::of($a), $b, $c);
    };
    ([$a:ident, $b:ident, $c:ident] $x:ident: $t:ty, $y:ident: $u:ty) => {
        let ($x, $y, _) = (<$t as Value>::of($a), <$u as Value>::of($b), $c);
    };
    ([$a:ident, $b:ident, $c:ident] $x:ident: $t:ty, $y:ident: $u:ty, $z:ident: $v:ty) => {
        let ($x, $y, $z) = (<$t as Value>::of($a), <$u as Value>::of($b), <$v as Value>::of($c));
    };
}
macro_rules! op {
    (|$($x:ident: $t:ty),+| $body:expr) => {{
        crate::ptx::alu::lanes::define!(Local, false, |$($x: $t),+| $body);
        crate::ptx::alu::lanes::alu::<Local>()
    }};
}
macro_rules! hot {
    (|$($x:ident: $t:ty),+| $body:expr) => {{
        crate::ptx::alu::lanes::define!(Local, true, |$($x: $t),+| $body);
        crate::ptx::alu::lanes::alu::<Local>()
    }};
}
pub(super) use {bind, define, hot, op};
