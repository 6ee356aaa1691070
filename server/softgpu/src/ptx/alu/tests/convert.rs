//! cvt between every kind of pair.

use super::*;

#[test]
fn integers_extend_by_the_sign_of_their_type() {
    assert_eq!(run("cvt.s64.s32", 0xdead_ffff_ffff, 0, 0), u64::MAX);
    assert_eq!(run("cvt.u64.u32", 0xdead_ffff_ffff, 0, 0), 0xffff_ffff);
    assert_eq!(run("cvt.s32.s8", 0x1280, 0, 0), 0xffff_ff80);
    assert_eq!(run("cvt.u32.u16", 0xf_8000, 0, 0), 0x8000);
    assert_eq!(run("cvt.u16.u32", 0xabcd_1234, 0, 0), 0x1234);
    assert_eq!(run("cvt.s16.s8", 0x80, 0, 0) & 0xffff, 0xff80);
    assert_eq!(run("cvt.s8.s32", 0x1_0080, 0, 0), 0xffff_ff80, "a narrow signed result is sign-extended");
    assert_eq!(run("cvt.u32.u64", u64::MAX, 0, 0), 0xffff_ffff);
    assert_eq!(run("cvt.u64.s32", 0xffff_ffff, 0, 0), u64::MAX);
}

#[test]
fn saturation_clamps_integers_to_the_destination() {
    assert_eq!(run("cvt.sat.u8.s32", 0xffff_ffff, 0, 0), 0);
    assert_eq!(run("cvt.sat.u8.s32", 300, 0, 0), 255);
    assert_eq!(run("cvt.sat.s8.s32", 300, 0, 0), 127);
    assert_eq!(run("cvt.sat.s8.s32", (-300i32) as u32 as u64, 0, 0), 0xffff_ff80);
    assert_eq!(run("cvt.sat.s32.u64", u64::MAX, 0, 0), 0x7fff_ffff);
    assert_eq!(run("cvt.sat.u64.s64", u64::MAX, 0, 0), 0);
}

#[test]
fn floats_become_integers_by_mode_and_clamp() {
    let f = |x: f32| u64::from(x.to_bits());
    for (opcode, x, expected) in [
        ("cvt.rni.s32.f32", 2.5, 2),
        ("cvt.rni.s32.f32", 3.5, 4),
        ("cvt.rzi.s32.f32", -2.7, -2i32 as u32 as u64),
        ("cvt.rmi.s32.f32", -2.1, -3i32 as u32 as u64),
        ("cvt.rpi.s32.f32", 2.1, 3),
        ("cvt.rzi.u32.f32", -1.0, 0),
        ("cvt.rzi.s32.f32", 1e20, 0x7fff_ffff),
        ("cvt.rzi.s32.f32", f32::NEG_INFINITY, 0x8000_0000),
        ("cvt.rzi.u64.f32", 1e30, u64::MAX),
        ("cvt.rni.sat.s8.f32", -1000.0, 0xffff_ff80),
        ("cvt.rni.sat.s8.f32", 1000.0, 127),
        ("cvt.rzi.u16.f32", 70000.0, 0xffff),
        ("cvt.rpi.ftz.s32.f32", f32::from_bits(1), 0),
        ("cvt.rpi.s32.f32", f32::from_bits(1), 1),
        ("cvt.rmi.s64.f32", -0.5, u64::MAX),
    ] {
        assert_eq!(run(opcode, f(x), 0, 0), expected, "{opcode} {x}");
    }
    assert_eq!(run("cvt.rzi.s32.f64", (-3.9f64).to_bits(), 0, 0), -3i32 as u32 as u64);
    assert_eq!(run("cvt.rzi.s64.f64", 9.3e18f64.to_bits(), 0, 0), i64::MAX as u64);
    assert_eq!(run("cvt.rzi.s32.f16", 0xc500, 0, 0), -5i32 as u32 as u64);
    assert!(alu("cvt.s32.f32").is_none(), "a mode is needed");
}

#[test]
fn nan_becomes_zero_or_the_top_bit_of_64() {
    let nan = u64::from(f32::NAN.to_bits());
    assert_eq!(run("cvt.rzi.s32.f32", nan, 0, 0), 0);
    assert_eq!(run("cvt.rzi.u8.f32", nan, 0, 0), 0);
    assert_eq!(run("cvt.rzi.s64.f32", nan, 0, 0), 1 << 63);
    assert_eq!(run("cvt.rzi.u32.f64", f64::NAN.to_bits(), 0, 0), 1 << 31);
}

#[test]
fn integers_become_floats_rounded_once() {
    let f = |opcode: &str, x: u64| f32::from_bits(run(opcode, x, 0, 0) as u32);
    assert_eq!(f("cvt.rn.f32.s32", 0xffff_ffff), -1.0);
    assert_eq!(f("cvt.rn.f32.u32", 0xffff_ffff), 4_294_967_296.0);
    assert_eq!(f("cvt.rz.f32.u32", 0xffff_ffff), 4_294_967_040.0);
    assert_eq!(f("cvt.rn.f32.s16", 0x1_8000), -32768.0);
    assert_eq!(f("cvt.rp.f32.s32", 0x0100_0001), 16_777_218.0);
    assert_eq!(f("cvt.rn.f32.u64", u64::MAX), 1.844_674_4e19);
    assert_eq!(f64::from_bits(run("cvt.rn.f64.s64", u64::MAX, 0, 0)), -1.0);
    assert_eq!(f64::from_bits(run("cvt.rm.f64.u64", u64::MAX, 0, 0)), 18_446_744_073_709_549_568.0);
    assert_eq!(run("cvt.rn.f16.s32", 2049, 0, 0), 0x6800);
    assert_eq!(run("cvt.rn.f16.s32", 100_000, 0, 0), 0x7c00);
    assert_eq!(run("cvt.rn.bf16.s32", 257, 0, 0), 0x4380);
}

#[test]
fn floats_round_to_integral_values_in_place() {
    assert_eq!(run_f32("cvt.rmi.f32.f32", -0.5, 0.0, 0.0), -1.0);
    assert!(run_f32("cvt.rpi.f32.f32", -0.5, 0.0, 0.0).is_sign_negative());
    assert_eq!(run_f32("cvt.rni.f32.f32", 0.5, 0.0, 0.0), 0.0);
    assert_eq!(run_f32("cvt.rzi.f32.f32", f32::MAX, 0.0, 0.0), f32::MAX);
    assert_eq!(run_f64("cvt.rzi.f64.f64", 1e300, 0.0, 0.0), 1e300);
    assert_eq!(run_f64("cvt.rmi.f64.f64", -2.5, 0.0, 0.0), -3.0);
    assert_eq!(run("cvt.rni.f16.f16", 0x3e00, 0, 0), 0x4000);
}

#[test]
fn narrowing_obeys_the_mode_and_flushes_by_side() {
    let x = 1.0 + f64::EPSILON;
    let narrow =
        |mode: &str, x: f64| f32::from_bits(run(&format!("cvt.{mode}.f32.f64"), x.to_bits(), 0, 0) as u32);
    assert_eq!(narrow("rn", x), 1.0);
    assert_eq!(narrow("rp", x), 1f32.next_up());
    assert_eq!(narrow("rz", -x), -1.0);
    assert_eq!(narrow("rm", -x), -1f32.next_up());
    assert_eq!(narrow("rz", 1e300), f32::MAX);
    assert_eq!(narrow("rn.ftz", 1e-40), 0.0);
    assert!(narrow("rn", 1e-40) > 0.0);
    let wide = |opcode: &str| f64::from_bits(run(opcode, 1, 0, 0));
    assert!(wide("cvt.f64.f32") > 0.0 && wide("cvt.ftz.f64.f32") == 0.0);
}

/// Each f16 and bf16 through f32 and back, and each f32 near the edges against the exact engine.
#[test]
fn sixteen_bit_floats_convert_exactly_and_round_once() {
    use crate::ptx::alu::exact::{Binary16, Brain16, narrow};
    for bits in 0..=0xffffu64 {
        for (wide, back, infinity) in
            [("cvt.f32.f16", "cvt.rn.f16.f32", 0x7c00), ("cvt.f32.bf16", "cvt.rn.bf16.f32", 0x7f80)]
        {
            if bits % 7 != 0 && bits & 0x7c00 != 0 {
                continue; // all subnormals, a seventh of the rest: the promise is the same, and this runs unoptimised
            }
            let f = alu(wide).unwrap().run;
            let g = alu(back).unwrap().run;
            let (mut x, mut y) = ([0; LANES], [0; LANES]);
            f(&mut x, &[bits; LANES], &[0; LANES], &[0; LANES], 1);
            g(&mut y, &x, &[0; LANES], &[0; LANES], 1);
            let expected = if bits & 0x7fff > infinity { 0x7fff } else { bits };
            assert_eq!(if expected == 0x7fff { y[0] & 0x7fff } else { y[0] }, expected, "{wide} {bits:#x}");
        }
    }
    let mut random = Bits(13);
    for i in 0..40_000u64 {
        // Exponents around the whole range of f16, with ties often.
        let mut bits = random.next() as u32;
        if i % 2 == 0 {
            bits = bits & 0x8fff_ffff | 0x3000_0000;
        }
        if i % 3 == 0 {
            bits = bits & !0x1fff | (i as u32 & 1) << 12;
        }
        let x = f32::from_bits(bits);
        if x.is_nan() {
            continue;
        }
        assert_eq!(
            run("cvt.rn.f16.f32", bits.into(), 0, 0),
            narrow::<Binary16>(x.into(), Round::Nearest),
            "{x:e}"
        );
        assert_eq!(
            run("cvt.rn.bf16.f32", bits.into(), 0, 0),
            narrow::<Brain16>(x.into(), Round::Nearest),
            "{x:e}"
        );
    }
    assert_eq!(run("cvt.rz.f16.f32", 65535f32.to_bits().into(), 0, 0), 0x7bff);
    assert_eq!(run("cvt.rn.f16.f32", 65520f32.to_bits().into(), 0, 0), 0x7c00);
    assert_eq!(run("cvt.rn.f16.f64", (1.0 + 0.000_488_281_25 + 1e-12f64).to_bits(), 0, 0), 0x3c01);
}

#[test]
fn packing_puts_the_first_source_above() {
    let f = |x: f32| u64::from(x.to_bits());
    assert_eq!(run("cvt.rn.f16x2.f32", f(1.0), f(2.0), 0), 0x3c00_4000);
    assert_eq!(run("cvt.rn.bf16x2.f32", f(1.0), f(2.0), 0), 0x3f80_4000);
    assert_eq!(run("cvt.rn.relu.f16x2.f32", f(-1.0), f(2.0), 0), 0x4000);
    assert_eq!(run("cvt.rn.satfinite.e4m3x2.f32", f(1.0), f(1000.0), 0), 0x387e);
    assert_eq!(run("cvt.rn.satfinite.e4m3x2.f32", f(f32::NAN), f(-0.001_953_125), 0), 0x7f81);
    assert_eq!(run("cvt.rn.satfinite.e5m2x2.f32", f(-1.0), f(1e9), 0), 0xbc7b);
    assert_eq!(run("cvt.rn.f16x2.e4m3x2", 0x3881, 0, 0), 0x3c00_9800);
    assert_eq!(run("cvt.rn.f16x2.e5m2x2", 0x7cbc, 0, 0), 0x7c00_bc00);
    assert_eq!(run("cvt.rn.satfinite.e4m3x2.f16x2", 0x3c00_4000, 0, 0), 0x3840);
    assert_eq!(run("cvt.rna.tf32.f32", 0x3f80_1000, 0, 0), 0x3f80_2000);
    assert_eq!(run("cvt.rn.tf32.f32", 0x3f80_1000, 0, 0), 0x3f80_0000);
    assert_eq!(run("cvt.rn.tf32.f32", 0xff80_0000, 0, 0), 0xff80_0000);
}

#[test]
fn what_ptx_does_not_have_is_not_found() {
    for opcode in [
        "",
        "add",
        "add.f128",
        "cvt.rn",
        "cvt.f32.f64",
        "cvt.u32.s32.s32",
        "and.rn.b32",
        "mov.pred",
        "frob.s32",
    ] {
        assert!(alu(opcode).is_none(), "{opcode}");
    }
}

/// The straight-line opcodes of the shipped libraries and compilers that were looked at, each with its arity.
#[test]
fn each_straight_line_opcode_seen_in_the_wild_is_found() {
    let unary = "abs.f32 abs.f64 abs.ftz.f32 abs.s32 brev.b32 clz.b32 clz.b64 popc.b32 bfind.shiftamt.u32 \
        cvt.f32.bf16 cvt.f32.f16 cvt.f64.f32 cvt.ftz.sat.f32.f32 cvt.rmi.f32.f32 cvt.rn.bf16.f64 cvt.rn.f16.f64 \
        cvt.rn.f16.s32 cvt.rn.f32.f64 cvt.rn.f32.s16 cvt.rn.f32.u16 cvt.rn.f64.u64 cvt.rn.ftz.f32.f64 \
        cvt.rn.tf32.f32 cvt.rn.f16x2.e4m3x2 cvt.rni.ftz.s32.f32 cvt.rni.sat.s8.f32 cvt.rzi.f64.f64 cvt.rzi.s32.f16 \
        cvt.u16.u8 cvt.s8.s32 cvt.sat.f32.f32 ex2.approx.ftz.f32 lg2.approx.f32 neg.bf16 neg.f16 neg.ftz.f32 \
        neg.s16 not.b16 rcp.approx.ftz.f64 rcp.rn.f32 rcp.rn.f64 rsqrt.approx.f64 sqrt.rn.ftz.f32 tanh.approx.f32 \
        mov.b16 mov.b32 mov.b64 mov.f32 mov.f64 mov.u16 mov.u32 mov.u64";
    let binary = "add.bf16 add.bf16x2 add.f16x2 add.ftz.f32 add.rn.f64 add.s16 add.s64 and.b64 copysign.f64 \
        cvt.rn.bf16x2.f32 cvt.rn.f16x2.f32 cvt.rn.satfinite.e4m3x2.f32 cvt.rn.satfinite.e5m2x2.f32 div.approx.f32 \
        div.full.f32 div.rn.f32 div.rn.f64 div.s32 div.u64 max.NaN.f32 max.ftz.f32 max.s16x2 max.u16x2 min.f64 \
        mul.bf16 mul.f16x2 mul.hi.u32 mul.lo.s16 mul.lo.s64 mul.rn.ftz.f32 mul.wide.s16 mul.wide.u32 or.b16 rem.s32 \
        shl.b16 shr.s16 shr.u64 sub.ftz.f32 xor.b64";
    let ternary = "bfe.s32 bfe.u32 dp4a.s32.s32 fma.rm.f32 fma.rm.ftz.f32 fma.rn.bf16 fma.rn.f16x2 fma.rn.f64 \
        fma.rn.ftz.f32 mad.lo.s32 mad.lo.s64 mad.wide.s32 mad.wide.u32 prmt.b32";
    for (opcodes, sources) in [(unary, 1), (binary, 2), (ternary, 3)] {
        for opcode in opcodes.split_whitespace() {
            assert_eq!(alu(opcode).map(|a| a.sources), Some(sources), "{opcode}");
        }
    }
}
