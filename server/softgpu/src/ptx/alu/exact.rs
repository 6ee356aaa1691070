//! Floating point done in integers and rounded once, in any mode and to any format: what the host's own
//! arithmetic, which only rounds to nearest even, cannot do. Slow and exact; the common cases do not come here.

use super::Round;

/// ±mantissa × 2^exponent. The mantissa's last bit also stands for "and something below it" where more than
/// 128 bits would be needed; operations keep enough bits above it that no rounding sees a difference.
#[derive(Debug, Clone, Copy)]
pub struct Exact {
    pub negative: bool,
    pub mantissa: u128,
    pub exponent: i32,
}

/// A binary interchange format, or something like one.
pub struct Format {
    /// Significant bits, the implicit one included.
    pub precision: u32,
    pub exponent_bits: u32,
    /// Of the smallest normal number.
    pub least_exponent: i32,
    /// Bits of the largest finite value, of infinity and of NaN.
    pub greatest: u64,
    pub infinity: u64,
    pub nan: u64,
    /// Overflow and infinity give the largest finite value.
    pub is_finite_only: bool,
}

/// A format as a type, so that conversions are compiled for it.
pub trait Target {
    const FORMAT: Format;
}

macro_rules! targets {
    ($($(#[$doc:meta])* $t:ident($p:literal, $e:literal, $least:literal, $max:literal, $inf:literal, $nan:literal, $finite:literal);)+) => { $(
        $(#[$doc])*
        pub struct $t;
        impl Target for $t {
            const FORMAT: Format = Format {
                precision: $p, exponent_bits: $e, least_exponent: $least,
                greatest: $max, infinity: $inf, nan: $nan, is_finite_only: $finite,
            };
        }
    )+ };
}
targets! {
    Binary64(53, 11, -1022, 0x7fef_ffff_ffff_ffff, 0x7ff0_0000_0000_0000, 0x7ff8_0000_0000_0000, false);
    Binary32(24, 8, -126, 0x7f7f_ffff, 0x7f80_0000, 0x7fff_ffff, false);
    Binary16(11, 5, -14, 0x7bff, 0x7c00, 0x7fff, false);
    Brain16(8, 8, -126, 0x7f7f, 0x7f80, 0x7fff, false);
    /// Without the 13 zero bits that a tf32 register has below.
    Tensor32(11, 8, -126, 0x3_fbff, 0x3_fc00, 0x3_ffff, false);
    E4M3(4, 4, -6, 0x7e, 0x7e, 0x7f, true);
    E5M2(3, 5, -14, 0x7b, 0x7b, 0x7f, true);
}

/// `x` in the format of `T`.
pub fn narrow<T: Target>(x: f64, round: Round) -> u64 {
    let format = &T::FORMAT;
    if x.is_nan() {
        format.nan
    } else if x.is_infinite() {
        format.infinity | u64::from(x < 0.0) << format.sign_bit()
    } else {
        Exact::from(x).round(format, round)
    }
}

impl Format {
    fn sign_bit(&self) -> u32 {
        self.precision - 1 + self.exponent_bits
    }
}

impl From<f64> for Exact {
    /// Of a finite number.
    fn from(x: f64) -> Exact {
        let bits = x.to_bits();
        let (biased, fraction) = ((bits >> 52 & 0x7ff) as i32, bits & ((1 << 52) - 1));
        let mantissa = if biased == 0 { fraction } else { fraction | 1 << 52 };
        Exact { negative: x.is_sign_negative(), mantissa: mantissa.into(), exponent: biased.max(1) - 1075 }
    }
}

impl Exact {
    /// A sum of zero is -0 when rounding down, unless both terms are +0; +0 otherwise, unless both are -0.
    pub fn add(self, other: Exact, round: Round) -> Exact {
        if self.mantissa == 0 && other.mantissa == 0 || self.is_opposite(&other) {
            let negative = if self.negative == other.negative { self.negative } else { round == Round::Down };
            return Exact { negative, mantissa: 0, exponent: 0 };
        }
        if self.mantissa == 0 || other.mantissa == 0 {
            return if self.mantissa == 0 { other } else { self };
        }
        let (x, y) = (self.aligned_left(), other.aligned_left());
        let (big, small) = if x.exponent >= y.exponent { (x, y) } else { (y, x) };
        let shifted = shift_right(small.mantissa, (big.exponent - small.exponent) as u32);
        let (negative, mantissa) = if big.negative == small.negative {
            (big.negative, big.mantissa + shifted)
        } else if big.mantissa >= shifted {
            (big.negative, big.mantissa - shifted)
        } else {
            (small.negative, shifted - big.mantissa)
        };
        Exact { negative, mantissa, exponent: big.exponent }
    }

    /// Of factors of at most 64 bits.
    pub fn mul(self, other: Exact) -> Exact {
        Exact {
            negative: self.negative != other.negative,
            mantissa: self.mantissa * other.mantissa,
            exponent: self.exponent + other.exponent,
        }
    }

    /// By a divisor that is not zero, of at most 64 bits, as the dividend.
    pub fn div(self, other: Exact) -> Exact {
        let x = self.aligned_left();
        let (quotient, rest) = (x.mantissa / other.mantissa, x.mantissa % other.mantissa);
        Exact {
            negative: self.negative != other.negative,
            mantissa: quotient | u128::from(rest != 0),
            exponent: x.exponent - other.exponent,
        }
    }

    /// Of a number that is not negative.
    pub fn sqrt(self) -> Exact {
        let mut x = self.aligned_left();
        if x.exponent % 2 != 0 {
            (x.mantissa, x.exponent) = (x.mantissa >> 1, x.exponent + 1);
        }
        let root = x.mantissa.isqrt();
        let mantissa = root | u128::from(root * root != x.mantissa);
        Exact { negative: self.negative, mantissa, exponent: x.exponent / 2 }
    }

    /// The bits of the nearest value of the format, as the mode means nearest.
    pub fn round(self, format: &Format, round: Round) -> u64 {
        let sign = u64::from(self.negative) << format.sign_bit();
        if self.mantissa == 0 {
            return sign;
        }
        let top = 127 - self.mantissa.leading_zeros() as i32;
        let fraction_bits = format.precision as i32 - 1;
        let quantum = (self.exponent + top).max(format.least_exponent) - fraction_bits;
        let shift = quantum - self.exponent;
        let (kept, rest, half) = match shift {
            ..=0 => (self.mantissa << -shift, 0, 1),
            1..=127 => (self.mantissa >> shift, self.mantissa & ((1 << shift) - 1), 1 << (shift - 1)),
            _ => (0, 1, 2),
        };
        let is_up = match round {
            Round::Nearest => rest > half || rest == half && kept & 1 != 0,
            Round::Away => rest >= half,
            Round::Zero => false,
            Round::Down => self.negative && rest != 0,
            Round::Up => !self.negative && rest != 0,
        };
        // A carry out of the fraction moves into the exponent by itself, and out of subnormals likewise.
        let biased = (quantum + fraction_bits - format.least_exponent) as u64;
        let bits = (biased << fraction_bits) + kept as u64 + u64::from(is_up);
        if bits <= format.greatest {
            return sign | bits;
        }
        let is_toward_zero = match round {
            Round::Nearest | Round::Away => false,
            Round::Zero => true,
            Round::Down => !self.negative,
            Round::Up => self.negative,
        };
        sign | if is_toward_zero || format.is_finite_only { format.greatest } else { format.infinity }
    }

    /// The leading bit at 125: room for a carry, and 72 bits below any f64's last.
    fn aligned_left(self) -> Exact {
        if self.mantissa == 0 {
            return self;
        }
        let shift = self.mantissa.leading_zeros() as i32 - 2;
        Exact { mantissa: self.mantissa << shift, exponent: self.exponent - shift, ..self }
    }

    fn is_opposite(&self, other: &Exact) -> bool {
        let (x, y) = (self.aligned_left(), other.aligned_left());
        x.negative != y.negative && x.mantissa == y.mantissa && x.exponent == y.exponent
    }
}

/// What falls out stays visible in the last bit.
fn shift_right(mantissa: u128, shift: u32) -> u128 {
    if shift > 127 {
        return 1;
    }
    mantissa >> shift | u128::from(mantissa & ((1 << shift) - 1) != 0)
}
