//! Promises of the lane functions: edge values of each family.

mod convert;
mod float;
mod integer;

use super::*;

/// The opcode on the sources in one lane, checked to be the same in each lane and under a sparse mask, where the
/// other lanes must keep what they had.
fn run(opcode: &str, a: u64, b: u64, c: u64) -> u64 {
    let function = alu(opcode).unwrap_or_else(|| panic!("{opcode} is not supported")).run;
    let (a, b, c) = ([a; LANES], [b; LANES], [c; LANES]);
    let mut full = [0x5555; LANES];
    function(&mut full, &a, &b, &c, u32::MAX);
    assert!(full.iter().all(|&d| d == full[0]), "{opcode}: lanes differ: {full:x?}");
    let mut sparse = [0x5555; LANES];
    function(&mut sparse, &a, &b, &c, 0x8000_0101);
    for (l, &d) in sparse.iter().enumerate() {
        let expected = if 0x8000_0101u32 >> l & 1 != 0 { full[0] } else { 0x5555 };
        assert_eq!(d, expected, "{opcode}: lane {l} under a mask");
    }
    full[0]
}

/// As [`run`], with bits above the operands' width that must not matter.
fn run32(opcode: &str, a: u32, b: u32, c: u32) -> u32 {
    let dirt = 0xdead_beef_0000_0000;
    let clean = run(opcode, a.into(), b.into(), c.into());
    assert_eq!(clean, run(opcode, dirt | u64::from(a), dirt | u64::from(b), dirt | u64::from(c)), "{opcode}");
    assert_eq!(clean >> 32, 0, "{opcode} leaves bits above 32");
    clean as u32
}

fn run_f32(opcode: &str, a: f32, b: f32, c: f32) -> f32 {
    f32::from_bits(run32(opcode, a.to_bits(), b.to_bits(), c.to_bits()))
}

fn run_f64(opcode: &str, a: f64, b: f64, c: f64) -> f64 {
    f64::from_bits(run(opcode, a.to_bits(), b.to_bits(), c.to_bits()))
}

/// A deterministic stream of bits (a multiplicative congruence, upper bits mixed down).
struct Bits(u64);
impl Bits {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 ^ self.0 >> 29
    }
}
