//! What the 64 bits of a lane mean as each PTX type, and the properties of the numeric types that the families use.

pub trait Value: Copy {
    fn of(lane: u64) -> Self;
    fn lane(self) -> u64;
}

macro_rules! integers {
    ($($t:ident as $unsigned:ident),+) => { $(
        impl Value for $t {
            #[inline(always)]
            fn of(lane: u64) -> $t {
                lane as $t
            }
            #[inline(always)]
            fn lane(self) -> u64 {
                self as $unsigned as u64
            }
        }
    )+ };
}
integers!(u8 as u8, u16 as u16, u32 as u32, u64 as u64, i8 as u8, i16 as u16, i32 as u32, i64 as u64);

macro_rules! floats {
    ($($t:ident in $bits:ident),+) => { $(
        impl Value for $t {
            #[inline(always)]
            fn of(lane: u64) -> $t {
                $t::from_bits(lane as $bits)
            }
            #[inline(always)]
            fn lane(self) -> u64 {
                self.to_bits() as u64
            }
        }
    )+ };
}
floats!(f32 in u32, f64 in u64);

/// An f16 register: widened to f32 when read, rounded to nearest even when written.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct F16(pub f32);
/// A bf16 register, likewise.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct BF16(pub f32);
/// Two values in the halves of 32 bits, the low one first.
#[derive(Debug, Clone, Copy)]
pub struct Pair<T>(pub T, pub T);

impl Value for F16 {
    #[inline(always)]
    fn of(lane: u64) -> F16 {
        // The exponent is rebiased by a multiplication, which also normalises subnormals.
        let magnitude = f32::from_bits((lane as u32 & 0x7fff) << 13) * f32::from_bits((254 - 15) << 23);
        let special = if lane & 0x7c00 == 0x7c00 { 0x7f80_0000 } else { 0 };
        F16(f32::from_bits(magnitude.to_bits() | special | (lane as u32 & 0x8000) << 16))
    }
    #[inline(always)]
    fn lane(self) -> u64 {
        let bits = self.0.to_bits();
        let magnitude = bits & 0x7fff_ffff;
        // Adding a half aligns a subnormal's last bit with an f32's, so the addition rounds it.
        let subnormal = (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0x3f00_0000);
        let normal = magnitude.wrapping_add(0xc800_0fff + (magnitude >> 13 & 1)) >> 13;
        let special = if magnitude > 0x7f80_0000 { 0x7fff } else { 0x7c00 };
        let finite = if magnitude < 0x3880_0000 { subnormal } else { normal };
        let rounded = if magnitude >= 0x4780_0000 { special } else { finite };
        u64::from(rounded | bits >> 16 & 0x8000)
    }
}

impl Value for BF16 {
    #[inline(always)]
    fn of(lane: u64) -> BF16 {
        BF16(f32::from_bits((lane as u32) << 16))
    }
    #[inline(always)]
    fn lane(self) -> u64 {
        let bits = self.0.to_bits();
        let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
        u64::from(if self.0.is_nan() { 0x7fff } else { rounded })
    }
}

impl<T: Value> Value for Pair<T> {
    #[inline(always)]
    fn of(lane: u64) -> Pair<T> {
        Pair(T::of(lane & 0xffff), T::of(lane >> 16 & 0xffff))
    }
    #[inline(always)]
    fn lane(self) -> u64 {
        self.0.lane() | self.1.lane() << 16
    }
}

/// A floating type whose operations this engine computes natively.
pub trait Float: Value {
    fn flushed(self) -> Self;
    fn saturated(self) -> Self;
}

macro_rules! float_traits {
    ($($t:ident),+) => { $(
        impl Float for $t {
            /// A subnormal becomes zero of its sign.
            #[inline(always)]
            fn flushed(self) -> $t {
                if self.abs() < $t::MIN_POSITIVE { (0.0 as $t).copysign(self) } else { self }
            }
            /// Into [0, 1]; NaN becomes +0.
            #[inline(always)]
            fn saturated(self) -> $t {
                if self > 0.0 { if self < 1.0 { self } else { 1.0 } } else { 0.0 }
            }
        }
    )+ };
}
float_traits!(f32, f64);

macro_rules! half_traits {
    ($($t:ident),+) => { $(
        impl Float for $t {
            #[inline(always)]
            fn flushed(self) -> $t {
                let least = if stringify!($t) == "F16" { 6.103_515_6e-5 } else { f32::MIN_POSITIVE };
                if self.0.abs() < least { $t(0f32.copysign(self.0)) } else { self }
            }
            #[inline(always)]
            fn saturated(self) -> $t {
                $t(self.0.saturated())
            }
        }
    )+ };
}
half_traits!(F16, BF16);

impl<T: Float> Float for Pair<T> {
    #[inline(always)]
    fn flushed(self) -> Self {
        Pair(self.0.flushed(), self.1.flushed())
    }
    #[inline(always)]
    fn saturated(self) -> Self {
        Pair(self.0.saturated(), self.1.saturated())
    }
}
