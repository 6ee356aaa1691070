//! f32, f64, f16, bf16: rounding modes, flags, NaN, comparisons.

use super::*;

const MODES: [&str; 4] = ["rn", "rz", "rm", "rp"];

/// Numbers of all magnitudes, specials among them.
fn floats32() -> Vec<f32> {
    let mut bits = Bits(1);
    let random = (0..30).map(|_| f32::from_bits(bits.next() as u32)).collect::<Vec<_>>();
    let edges = [0.0, 1.0, 3.0, f32::MIN_POSITIVE, f32::from_bits(1), f32::MAX, f32::INFINITY, f32::NAN];
    let near = [1.0 + f32::EPSILON, 0.1, 1e-20, 1e20, 1.5e-39, 1e38];
    let all = edges.into_iter().chain(near).chain(random);
    all.flat_map(|x| [x, -x]).collect()
}

#[test]
fn every_mode_rounds_products_and_fused_sums_as_the_exact_engine_does() {
    use crate::ptx::alu::exact::{Binary32, Exact, Target};
    let values = floats32();
    let mut bits = Bits(3);
    let rounds = [Round::Nearest, Round::Zero, Round::Down, Round::Up];
    for (mode, round) in MODES.into_iter().zip(rounds) {
        for i in 0..8000 {
            let [a, b, mut c] = [0; 3].map(|_| values[bits.next() as usize % values.len()]);
            if i % 2 == 0 {
                c = -(a * b); // near or full cancellation
            }
            if !(a.is_finite() && b.is_finite() && c.is_finite()) {
                continue;
            }
            let [x, y, z] = [a, b, c].map(|v| Exact::from(f64::from(v)));
            let check = |opcode: &str, exact: Exact| {
                let (got, expected) =
                    (run_f32(opcode, a, b, c).to_bits(), exact.round(&Binary32::FORMAT, round));
                assert_eq!(u64::from(got), expected, "{opcode} {a:e} {b:e} {c:e}");
            };
            check(&format!("mul.{mode}.f32"), x.mul(y));
            check(&format!("add.{mode}.f32"), x.add(y, round));
            check(&format!("fma.{mode}.f32"), x.mul(y).add(z, round));
        }
    }
}

/// The exact engine and the host agree where both can answer: at nearest, f64 through all exponents.
#[test]
fn the_exact_engine_agrees_with_the_host_at_nearest() {
    use crate::ptx::alu::exact::{Binary64, Exact, Target};
    let mut bits = Bits(5);
    let round = |x: Exact| f64::from_bits(x.round(&Binary64::FORMAT, Round::Nearest));
    let mut compared = 0;
    for i in 0..20_000u64 {
        let [mut a, mut b, mut c] = [0; 3].map(|_| f64::from_bits(bits.next()));
        if i % 2 == 0 {
            // Alike exponents, where cancellation and ties live.
            [a, b, c] = [a, b, c].map(|x| f64::from_bits(x.to_bits() & !(0x7fe << 52) | 0x3fe << 52));
            c *= if i % 4 == 0 { -1e-16 } else { -0.9 };
        }
        if !(a.is_finite() && b.is_finite() && c.is_finite()) || b == 0.0 {
            continue;
        }
        let [x, y, z] = [a, b, c].map(Exact::from);
        assert_eq!(round(x.add(y, Round::Nearest)).to_bits(), (a + b).to_bits(), "{a:e} + {b:e}");
        assert_eq!(round(x.mul(y)).to_bits(), (a * b).to_bits(), "{a:e} * {b:e}");
        assert_eq!(round(x.div(y)).to_bits(), (a / b).to_bits(), "{a:e} / {b:e}");
        let fused = round(x.mul(y).add(z, Round::Nearest));
        assert_eq!(fused.to_bits(), a.mul_add(b, c).to_bits(), "{a:e} * {b:e} + {c:e}");
        assert_eq!(round(Exact::from(a.abs()).sqrt()).to_bits(), a.abs().sqrt().to_bits(), "sqrt {a:e}");
        compared += 1;
    }
    assert!(compared > 15_000);
}

#[test]
fn directed_modes_bracket_the_exact_value_in_both_widths() {
    let third = |mode: &str| run_f64(&format!("div.{mode}.f64"), 1.0, 3.0, 0.0);
    assert!(third("rm") < third("rp") && third("rz") == third("rm"));
    assert_eq!(third("rm").next_up(), third("rp"));
    assert_eq!(run_f64("div.rz.f64", -1.0, 3.0, 0.0), -third("rm"));
    assert_eq!(run_f64("rcp.rp.f64", 3.0, 0.0, 0.0), third("rp"));
    assert_eq!(run_f64("add.rp.f64", 1.0, 1e-300, 0.0), 1f64.next_up());
    assert_eq!(run_f64("add.rm.f64", 1.0, -1e-300, 0.0), 1f64.next_down());
    assert_eq!(run_f64("sub.rz.f64", 1.0, 1e-300, 0.0), 1f64.next_down());
    assert_eq!(run_f64("sqrt.rm.f64", 2.0, 0.0, 0.0).next_up(), run_f64("sqrt.rp.f64", 2.0, 0.0, 0.0));
    assert_eq!(run_f32("sqrt.rz.f32", 4.0, 0.0, 0.0), 2.0);
    assert_eq!(run_f64("mul.rz.f64", f64::MAX, 2.0, 0.0), f64::MAX);
    assert_eq!(run_f64("mul.rp.f64", f64::MAX, -2.0, 0.0), -f64::MAX);
    assert_eq!(run_f64("mul.rm.f64", f64::MAX, -2.0, 0.0), f64::NEG_INFINITY);
    assert_eq!(run_f64("mul.rp.f64", f64::from_bits(1), 0.25, 0.0), f64::from_bits(1));
    assert_eq!(run_f64("div.rz.f64", 1.0, 0.0, 0.0), f64::INFINITY);
    assert!(run_f64("sqrt.rm.f64", -1.0, 0.0, 0.0).is_nan());
}

#[test]
fn an_exact_zero_is_negative_only_when_rounding_down() {
    assert!(run_f32("add.rm.f32", 1.0, -1.0, 0.0).is_sign_negative());
    assert!(run_f32("add.rz.f32", 1.0, -1.0, 0.0).is_sign_positive());
    assert!(run_f32("add.rm.f32", 0.0, 0.0, 0.0).is_sign_positive());
    assert!(run_f32("add.rp.f32", -0.0, -0.0, 0.0).is_sign_negative());
    assert!(run_f32("fma.rm.f32", 2.0, 3.0, -6.0).is_sign_negative());
}

/// e^x as compilers write it for fast math: the addition must drop the fraction downward.
#[test]
fn the_magic_addition_of_expf_floors() {
    for (x, floor) in [(2.7f32, 2.0f32), (-2.3, -3.0), (5.0, 5.0)] {
        assert_eq!(run_f32("fma.rm.ftz.f32", x, 1.0, 12_582_912.0) - 12_582_912.0, floor);
    }
}

#[test]
fn subnormals_survive_without_ftz_and_not_with_it() {
    let tiny = f32::from_bits(1);
    assert_eq!(run_f32("add.f32", tiny, 0.0, 0.0), tiny);
    assert_eq!(run_f32("add.ftz.f32", tiny, 0.0, 0.0), 0.0);
    assert!(run_f32("add.ftz.f32", -tiny, -0.0, 0.0).is_sign_negative());
    assert_eq!(run_f32("mul.ftz.f32", f32::MIN_POSITIVE, 0.5, 0.0), 0.0);
    assert_eq!(run_f32("mul.f32", f32::MIN_POSITIVE, 0.5, 0.0), f32::MIN_POSITIVE / 2.0);
    assert_eq!(run_f32("fma.rn.ftz.f32", tiny, 1e30, 1.0), 1.0);
    assert!(alu("add.ftz.f64").is_none());
}

#[test]
fn saturation_clamps_into_zero_to_one_and_swallows_nan() {
    assert_eq!(run_f32("add.sat.f32", 0.7, 0.7, 0.0), 1.0);
    assert_eq!(run_f32("add.sat.f32", -0.7, 0.0, 0.0).to_bits(), 0);
    assert_eq!(run_f32("mul.sat.f32", f32::NAN, 1.0, 0.0).to_bits(), 0);
    assert_eq!(run_f32("fma.rn.sat.f32", 0.5, 0.5, 0.25), 0.5);
    assert_eq!(run_f32("cvt.sat.f32.f32", -0.0, 0.0, 0.0).to_bits(), 0);
    assert_eq!(run_f32("cvt.ftz.sat.f32.f32", f32::from_bits(1), 0.0, 0.0).to_bits(), 0);
}

#[test]
fn minima_prefer_numbers_and_order_zeros() {
    let nan = f32::NAN;
    assert_eq!(run_f32("min.f32", nan, 1.0, 0.0), 1.0);
    assert_eq!(run_f32("max.f32", 1.0, nan, 0.0), 1.0);
    assert!(run_f32("max.f32", nan, nan, 0.0).is_nan());
    assert!(run_f32("min.NaN.f32", nan, 1.0, 0.0).is_nan());
    assert!(run_f32("max.NaN.f32", 1.0, nan, 0.0).is_nan());
    assert_eq!(run_f32("max.NaN.f32", 1.0, 2.0, 0.0), 2.0);
    for (a, b) in [(0.0, -0.0), (-0.0, 0.0)] {
        assert!(run_f32("min.f32", a, b, 0.0).is_sign_negative());
        assert!(run_f32("max.f32", a, b, 0.0).is_sign_positive());
        assert!(run_f64("min.f64", a.into(), b.into(), 0.0).is_sign_negative());
    }
    assert_eq!(run_f64("max.f64", f64::NAN, -1.0, 0.0), -1.0);
}

#[test]
fn signs_are_bits() {
    assert_eq!(run32("neg.f32", 0, 0, 0), 0x8000_0000);
    assert_eq!(run32("abs.f32", 0xffc0_0000, 0, 0), 0x7fc0_0000);
    assert_eq!(run_f32("copysign.f32", -1.0, 5.0, 0.0), -5.0);
    assert_eq!(run_f64("copysign.f64", 1.0, -5.0, 0.0), 5.0);
    assert_eq!(run_f64("neg.f64", 2.0, 0.0, 0.0), -2.0);
}

#[test]
fn approximations_are_close() {
    for (opcode, x, expected) in [
        ("rcp.approx.ftz.f32", 3.0, 1.0 / 3.0),
        ("rsqrt.approx.f32", 4.0, 0.5),
        ("sqrt.approx.f32", 2.0, 2f32.sqrt()),
        ("sin.approx.f32", 1.0, 0.841_471),
        ("cos.approx.ftz.f32", 1.0, 0.540_302_3),
        ("lg2.approx.f32", 8.0, 3.0),
        ("ex2.approx.ftz.f32", -1.0, 0.5),
        ("tanh.approx.f32", 0.5, 0.462_117_16),
    ] {
        let got = run_f32(opcode, x, 0.0, 0.0);
        assert!((got - expected).abs() <= 2.0 * f32::EPSILON * expected.abs(), "{opcode} {x}: {got}");
    }
    assert_eq!(run_f32("ex2.approx.ftz.f32", -130.0, 0.0, 0.0), 0.0);
    assert_eq!(run_f32("div.full.f32", 6.0, 3.0, 0.0), 2.0);
    assert_eq!(run_f64("rcp.approx.ftz.f64", 4.0, 0.0, 0.0), 0.25);
    assert_eq!(run_f64("rsqrt.approx.f64", 4.0, 0.0, 0.0), 0.5);
}

#[test]
fn ordered_and_unordered_comparisons_differ_in_nan_alone() {
    let pairs = [(1.0, 2.0), (2.0, 1.0), (1.0, 1.0), (f64::NAN, 1.0), (1.0, f64::NAN), (0.0, -0.0)];
    for (cmp, expected) in [
        ("eq", 0b100100),
        ("ne", 0b000011),
        ("lt", 0b000001),
        ("le", 0b100101),
        ("gt", 0b000010),
        ("ge", 0b100110),
        ("equ", 0b111100),
        ("neu", 0b011011),
        ("ltu", 0b011001),
        ("leu", 0b111101),
        ("gtu", 0b011010),
        ("geu", 0b111110),
        ("num", 0b100111),
        ("nan", 0b011000),
    ] {
        let outcome = |ty: &str, bits: fn(f64) -> u64| {
            let (mut a, mut b) = ([0; LANES], [0; LANES]);
            for (l, &(x, y)) in pairs.iter().enumerate() {
                (a[l], b[l]) = (bits(x), bits(y));
            }
            compare(cmp, ty, false).unwrap()(&a, &b) & 0x3f
        };
        assert_eq!(outcome("f64", f64::to_bits), expected, "{cmp}.f64");
        assert_eq!(outcome("f32", |x| u64::from((x as f32).to_bits()) | 1 << 40), expected, "{cmp}.f32");
        assert_eq!(outcome("f16", |x| half(x, 11, 5)), expected, "{cmp}.f16");
        assert_eq!(outcome("bf16", |x| half(x, 8, 8)), expected, "{cmp}.bf16");
    }
    let (tiny, zero) = ([1; LANES], [0; LANES]);
    assert_eq!(compare("gt", "f32", false).unwrap()(&tiny, &zero), u32::MAX);
    assert_eq!(compare("gt", "f32", true).unwrap()(&tiny, &zero), 0);
}

/// Of 0, ±1, 2 and NaN only, from the layout of the format.
fn half(x: f64, precision: u32, exponent_bits: u32) -> u64 {
    let bias = (1u64 << (exponent_bits - 1)) - 1;
    let magnitude = match x.abs() {
        0.0 => 0,
        1.0 => bias << (precision - 1),
        2.0 => (bias + 1) << (precision - 1),
        _ => 0x7fff,
    };
    magnitude | u64::from(x.is_sign_negative()) << 15
}

#[test]
fn properties_of_numbers_are_told_apart() {
    let values = [1.0, f32::INFINITY, f32::NAN, f32::from_bits(1), 0.0];
    let mut lanes = [0; LANES];
    for (lane, x) in lanes.iter_mut().zip(values) {
        *lane = u64::from(x.to_bits());
    }
    for (property, expected) in [
        ("finite", 0b11001),
        ("infinite", 0b00010),
        ("number", 0b11011),
        ("notanumber", 0b00100),
        ("normal", 0b00001),
        ("subnormal", 0b01000),
    ] {
        assert_eq!(test(property, "f32").unwrap()(&lanes) & 0x1f, expected, "{property}");
    }
    assert!(test("finite", "s32").is_none());
}

/// Against the exact engine, over all magnitudes: 16-bit arithmetic is rounded once.
#[test]
fn half_precision_is_rounded_once() {
    use crate::ptx::alu::exact::{Binary16, Brain16, Exact, Target};
    use crate::ptx::alu::value::{BF16, F16, Value};
    let mut bits = Bits(11);
    for i in 0..20_000 {
        let [mut a, mut b, mut c] = [0; 3].map(|_| bits.next() & 0xffff);
        if i % 3 == 0 {
            [a, b, c] = [a, b, c].map(|x| x & 0x87ff); // subnormal and small
        }
        for (ty, widen, format) in [
            ("f16", (|x| F16::of(x).0) as fn(u64) -> f32, Binary16::FORMAT),
            ("bf16", |x| BF16::of(x).0, Brain16::FORMAT),
        ] {
            let [x, y, z] = [a, b, c].map(|v| f64::from(widen(v)));
            if !(x.is_finite() && y.is_finite() && z.is_finite()) {
                continue;
            }
            let [x, y, z] = [x, y, z].map(Exact::from);
            let nearest = Round::Nearest;
            let check = |opcode: &str, exact: Exact| {
                let got = run(&format!("{opcode}.{ty}"), a, b, c);
                assert_eq!(got, exact.round(&format, nearest), "{opcode}.{ty} {a:#x} {b:#x} {c:#x}");
                let pair = run(&format!("{opcode}.{ty}x2"), a << 16 | b, b << 16 | b, c << 16 | c);
                assert_eq!(pair >> 16, got, "{opcode}.{ty}x2");
            };
            check("add", x.add(y, nearest));
            check("mul", x.mul(y));
            check("fma.rn", x.mul(y).add(z, nearest));
        }
    }
}

#[test]
fn half_minima_and_signs() {
    assert_eq!(run("neg.f16", 0x3c00, 0, 0), 0xbc00);
    assert_eq!(run("abs.bf16", 0xbf80, 0, 0), 0x3f80);
    assert_eq!(run("max.f16x2", 0x3c00_7e00, 0x4000_3c00, 0), 0x4000_3c00);
    assert_eq!(run("max.NaN.f16x2", 0x3c00_7e00, 0x4000_3c00, 0), 0x4000_7fff);
    assert_eq!(run("add.sat.f16", 0x3c00, 0x3c00, 0), 0x3c00);
    assert_eq!(run("fma.rn.relu.f16", 0xbc00, 0x3c00, 0), 0);
    assert_eq!(run("ex2.approx.f16", 0x4000, 0, 0), 0x4400);
}
