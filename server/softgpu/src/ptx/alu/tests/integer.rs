//! Integers, bits, comparisons of integers, carries, atomics.

use super::*;

#[test]
fn integer_arithmetic_wraps_in_its_width_and_ignores_what_is_above() {
    assert_eq!(run32("add.s32", u32::MAX, 2, 0), 1);
    assert_eq!(run32("sub.u32", 0, 1, 0), u32::MAX);
    assert_eq!(run("add.u16", 0xff_ffff, 1, 0), 0);
    assert_eq!(run("add.s64", u64::MAX, 1, 0), 0);
    assert_eq!(run32("mul.lo.s32", 0x8000_0001, 2, 0), 2);
    assert_eq!(run32("mad.lo.s32", (-3i32) as u32, 5, 7), (-8i32) as u32);
    assert_eq!(run("mad.lo.s64", u64::MAX, 3, 4), 1);
    assert_eq!(run32("neg.s32", i32::MIN as u32, 0, 0), i32::MIN as u32);
    assert_eq!(run32("abs.s32", i32::MIN as u32, 0, 0), i32::MIN as u32);
    assert_eq!(run32("abs.s32", (-5i32) as u32, 0, 0), 5);
}

#[test]
fn saturating_sums_stop_at_the_ends() {
    assert_eq!(run32("add.sat.s32", i32::MAX as u32, 1, 0), i32::MAX as u32);
    assert_eq!(run32("sub.sat.s32", i32::MIN as u32, 1, 0), i32::MIN as u32);
    assert!(alu("add.sat.u32").is_none(), "PTX has no such opcode");
}

#[test]
fn wide_and_high_products_keep_every_bit_of_every_width() {
    assert_eq!(run32("mul.wide.u16", 0xffff, 0xffff, 0), 0xfffe_0001);
    assert_eq!(run32("mul.wide.s16", 0xffff, 2, 0), (-2i32) as u32);
    assert_eq!(run("mul.wide.s32", 0xffff_ffff, 3, 0), (-3i64) as u64);
    assert_eq!(run("mul.wide.u32", 0xffff_ffff, 0xffff_ffff, 0), 0xffff_fffe_0000_0001);
    assert_eq!(run("mad.wide.s32", 0xffff_ffff, 3, 1 << 40), (1u64 << 40) - 3);
    assert_eq!(run("mad.wide.u32", 0xffff_ffff, 2, 1 << 63), (1 << 63) + 0x1_ffff_fffe);
    assert_eq!(run32("mul.hi.s32", 0xffff_ffff, 1, 0), 0xffff_ffff);
    assert_eq!(run32("mul.hi.u32", 0xffff_ffff, 0xffff_ffff, 0), 0xffff_fffe);
    assert_eq!(run("mul.hi.u64", u64::MAX, u64::MAX, 0), u64::MAX - 1);
    assert_eq!(run("mul.hi.s64", u64::MAX, 1, 0), u64::MAX);
    assert_eq!(run("mul.hi.u16", 0xffff, 0xffff, 0), 0xfffe);
    assert_eq!(run32("mad.hi.u32", 0x8000_0000, 4, 5), 7);
    assert!(alu("mul.wide.u64").is_none());
}

#[test]
fn no_division_panics() {
    assert_eq!(run32("div.s32", (-7i32) as u32, 2, 0), (-3i32) as u32);
    assert_eq!(run32("rem.s32", (-7i32) as u32, 2, 0), (-1i32) as u32);
    assert_eq!(run32("div.u32", 7, 0, 0), u32::MAX);
    assert_eq!(run32("rem.u32", 7, 0, 0), 7);
    assert_eq!(run32("div.s32", i32::MIN as u32, u32::MAX, 0), i32::MIN as u32);
    assert_eq!(run32("rem.s32", i32::MIN as u32, u32::MAX, 0), 0);
    assert_eq!(run("div.s64", i64::MIN as u64, u64::MAX, 0), i64::MIN as u64);
    assert_eq!(run("rem.s64", 9, 0, 0), 9);
    assert_eq!(run("div.u16", 0x1_0009, 2, 0), 4);
}

#[test]
fn minima_follow_the_sign_of_the_type() {
    assert_eq!(run32("min.s32", u32::MAX, 1, 0), u32::MAX);
    assert_eq!(run32("min.u32", u32::MAX, 1, 0), 1);
    assert_eq!(run32("max.s32", u32::MAX, 1, 0), 1);
    assert_eq!(run("max.s64", u64::MAX, 1, 0), 1);
    assert_eq!(run("min.s16", 0xffff, 1, 0), 0xffff);
    assert_eq!(run32("max.s16x2", 0xffff_0001, 0x0002_8000, 0), 0x0002_0001);
    assert_eq!(run32("min.u16x2", 0xffff_0001, 0x0002_8000, 0), 0x0002_0001);
    assert_eq!(run32("add.u16x2", 0xffff_ffff, 0x0001_0002, 0), 0x0000_0001);
    assert_eq!(run32("max.relu.s32", u32::MAX, u32::MAX, 0), 0);
    assert_eq!(run32("sad.s32", u32::MAX, 1, 10), 12);
    assert_eq!(run32("sad.u32", 1, 4, 10), 13);
}

#[test]
fn shifts_by_the_width_or_more_leave_zero_or_the_sign() {
    for (opcode, a, n, expected) in [
        ("shl.b32", 1, 31, 0x8000_0000),
        ("shl.b32", 1, 32, 0),
        ("shl.b32", 1, u64::MAX, 0),
        ("shr.u32", 0x8000_0000, 31, 1),
        ("shr.u32", 0x8000_0000, 32, 0),
        ("shr.s32", 0x8000_0000, 31, 0xffff_ffff),
        ("shr.s32", 0x8000_0000, 32, 0xffff_ffff),
        ("shr.s32", 0x7fff_ffff, 99, 0),
        ("shr.b32", 0x8000_0000, 4, 0x0800_0000),
        ("shl.b64", 1, 63, 1 << 63),
        ("shl.b64", 1, 64, 0),
        ("shr.s64", 1 << 63, 64, u64::MAX),
        ("shr.u64", 1 << 63, 63, 1),
        ("shl.b16", 0xffff, 8, 0xff00),
        ("shl.b16", 0xffff, 16, 0),
        ("shr.s16", 0x8000, 20, 0xffff),
        ("shr.u16", 0x1_8000, 15, 1),
    ] {
        assert_eq!(run(opcode, a, n, 0), expected, "{opcode} {a:#x} {n}");
    }
}

#[test]
fn logic_works_in_each_width() {
    assert_eq!(run32("and.b32", 0xff00_ff00, 0x0ff0_0ff0, 0), 0x0f00_0f00);
    assert_eq!(run("or.b64", 1 << 63, 1, 0), 1 << 63 | 1);
    assert_eq!(run("xor.b16", 0xffff, 0x00ff, 0), 0xff00);
    assert_eq!(run32("not.b32", 0, 0, 0), u32::MAX);
    assert_eq!(run("not.b16", 0, 0, 0), 0xffff);
    assert_eq!(run32("cnot.b32", 0, 0, 0), 1);
    assert_eq!(run32("cnot.b32", 7, 0, 0), 0);
    assert_eq!(run("mov.b16", 0xabcd_1234, 0, 0), 0x1234);
    assert_eq!(run32("mov.f32", 0x7fc0_1234, 0, 0), 0x7fc0_1234);
}

#[test]
fn counting_and_finding_bits_answers_for_zero_too() {
    assert_eq!(run32("clz.b32", 0, 0, 0), 32);
    assert_eq!(run("clz.b64", 1, 0, 0), 63);
    assert_eq!(run("popc.b64", u64::MAX, 0, 0), 64);
    assert_eq!(run32("brev.b32", 1, 0, 0), 0x8000_0000);
    assert_eq!(run32("bfind.u32", 0, 0, 0), u32::MAX);
    assert_eq!(run32("bfind.u32", 0x10, 0, 0), 4);
    assert_eq!(run32("bfind.s32", u32::MAX, 0, 0), u32::MAX);
    assert_eq!(run32("bfind.s32", 0xffff_fff0, 0, 0), 3);
    assert_eq!(run32("bfind.shiftamt.u32", 0x10, 0, 0), 27);
    assert_eq!(run("bfind.s64", 1 << 40, 0, 0), 40);
    assert_eq!(run32("fns.b32", 0b1011_0000, 4, 2), 5);
    assert_eq!(run32("fns.b32", 0b1011_0000, 7, -3i32 as u32), 4);
    assert_eq!(run32("fns.b32", 0b1011_0000, 6, 0), u32::MAX);
}

#[test]
fn bit_fields_may_reach_past_the_end() {
    assert_eq!(run32("bfe.u32", 0xabcd_1234, 8, 8), 0x12);
    assert_eq!(run32("bfe.u32", 0xabcd_1234, 24, 16), 0xab);
    assert_eq!(run32("bfe.u32", 0xabcd_1234, 40, 8), 0);
    assert_eq!(run32("bfe.u32", 0xabcd_1234, 0, 0), 0);
    assert_eq!(run32("bfe.u32", 0xabcd_1234, 0, 32), 0xabcd_1234);
    assert_eq!(run32("bfe.s32", 0x0000_0f00, 8, 4), u32::MAX);
    assert_eq!(run32("bfe.s32", 0x0000_0700, 8, 4), 7);
    assert_eq!(run32("bfe.s32", 0x8000_0000, 28, 8), 0xffff_fff8);
    assert_eq!(run32("bfe.s32", 0x8000_0000, 40, 8), u32::MAX);
    assert_eq!(run32("bfe.s32", 0x8000_0000, 4, 0), 0);
    assert_eq!(run("bfe.u64", u64::MAX, 60, 10), 0xf);
    assert_eq!(run("bfe.s64", 1 << 63, 62, 2), (-2i64) as u64);
}

#[test]
fn inserting_keeps_what_is_outside_the_field() {
    let insert = |opcode: &str, a: u64, b: u64, p: u64, n: u64| {
        let mut d = [0; LANES];
        four(opcode).unwrap()(&mut d, &[a; LANES], &[b; LANES], &[p; LANES], &[n; LANES], 2);
        assert_eq!(d[0], 0);
        d[1]
    };
    assert_eq!(insert("bfi.b32", 0xff, 0, 4, 4), 0xf0);
    assert_eq!(insert("bfi.b32", 0, 0xffff_ffff, 28, 8), 0x0fff_ffff);
    assert_eq!(insert("bfi.b32", 0xff, 0x1234, 32, 4), 0x1234);
    assert_eq!(insert("bfi.b32", 0xff, 0x1234, 3, 0), 0x1234);
    assert_eq!(insert("bfi.b64", 0xff, 0, 60, 8), 0xf << 60);
    assert_eq!(insert("bfi.b64", u64::MAX, 0, 0, 64), u64::MAX);
}

#[test]
fn bytes_are_permuted_by_selector_and_by_named_mode() {
    let (a, b) = (0x8322_1100, 0x7766_5544);
    assert_eq!(run32("prmt.b32", a, b, 0x7531), 0x7755_8311);
    assert_eq!(run32("prmt.b32", a, b, 0xb08f), 0xff00_0000);
    assert_eq!(run32("prmt.b32.f4e", a, b, 1), 0x4483_2211);
    assert_eq!(run32("prmt.b32.b4e", a, b, 1), 0x6677_0011);
    assert_eq!(run32("prmt.b32.rc8", a, b, 2), 0x2222_2222);
    assert_eq!(run32("prmt.b32.ecl", a, b, 2), 0x8322_2222);
    assert_eq!(run32("prmt.b32.ecr", a, b, 1), 0x1111_1100);
    assert_eq!(run32("prmt.b32.rc16", a, b, 1), 0x8322_8322);
}

#[test]
fn funnel_shifts_join_two_words() {
    assert_eq!(run32("shf.l.wrap.b32", 0x8000_0000, 1, 1), 3);
    assert_eq!(run32("shf.l.wrap.b32", 0x8000_0000, 1, 33), 3);
    assert_eq!(run32("shf.l.clamp.b32", 0x8000_0000, 1, 40), 0x8000_0000);
    assert_eq!(run32("shf.r.wrap.b32", 2, 1, 1), 0x8000_0001);
    assert_eq!(run32("shf.r.clamp.b32", 2, 1, 32), 1);
}

#[test]
fn masks_and_extensions_clamp_or_wrap_their_counts() {
    assert_eq!(run32("bmsk.clamp.b32", 4, 8, 0), 0xff0);
    assert_eq!(run32("bmsk.clamp.b32", 32, 8, 0), 0);
    assert_eq!(run32("bmsk.wrap.b32", 36, 40, 0), 0xff0);
    assert_eq!(run32("szext.clamp.s32", 0x0000_0080, 8, 0), 0xffff_ff80);
    assert_eq!(run32("szext.clamp.u32", 0xffff_ffff, 40, 0), 0xffff_ffff);
    assert_eq!(run32("szext.wrap.u32", 0xffff_ffff, 33, 0), 1);
}

#[test]
fn lop3_is_its_truth_table() {
    let (a, b, c) = (0xf0f0_1234u64, 0xcccc_5678, 0xaaaa_9abc);
    for (table, expected) in
        [(0x80, a & b & c), (0xfe, a | b | c), (0x96, a ^ b ^ c), (0xe4, (a & c) | (b & !c)), (0, 0)]
    {
        let mut d = [7; LANES];
        lop3(&mut d, &[a; LANES], &[b; LANES], &[c; LANES], table, 1);
        assert_eq!((d[0], d[1]), (expected, 7), "table {table:#x}");
    }
}

#[test]
fn short_products_and_dot_products_follow_their_signs() {
    assert_eq!(run32("mul24.lo.u32", 0xff00_0003, 0x0100_0005, 0), 15);
    assert_eq!(run32("mul24.hi.s32", 0x00ff_ffff, 0x10000, 0), u32::MAX);
    assert_eq!(run32("mad24.lo.s32", 0x00ff_ffff, 3, 5), 2);
    assert_eq!(run32("dp4a.s32.s32", 0xff02_03ff, 0x0101_0101, 10), 13);
    assert_eq!(run32("dp4a.u32.u32", 0xff02_03ff, 0x0101_0101, 0), 515);
    assert_eq!(run32("dp4a.u32.s32", 0x0000_00ff, 0x0000_00ff, 0), (-255i32) as u32);
    assert_eq!(run32("dp2a.lo.s32.s32", 0xffff_0002, 0x0304_0507, 0), 9);
    assert_eq!(run32("dp2a.hi.u32.u32", 0x0001_0002, 0x0304_0507, 0), 11);
}

#[test]
fn integer_comparisons_answer_for_all_lanes_at_once() {
    let mut a = [0u64; LANES];
    a[3] = 0xdead_0000_ffff_ffff;
    a[31] = 5;
    let zero = [0u64; LANES];
    let outcome = |cmp: &str, ty: &str| compare(cmp, ty, false).unwrap()(&a, &zero);
    assert_eq!(outcome("eq", "b32"), !(1 << 3 | 1 << 31));
    assert_eq!(outcome("lt", "s32"), 1 << 3);
    assert_eq!(outcome("gt", "u32"), 1 << 3 | 1 << 31);
    assert_eq!(outcome("hi", "u32"), 1 << 3 | 1 << 31);
    assert_eq!(outcome("ge", "s16"), !(1 << 3));
    assert_eq!(outcome("ne", "s64"), 1 << 3 | 1 << 31);
    assert_eq!(outcome("ls", "u64"), !(1 << 3 | 1 << 31));
    assert!(compare("lt", "b32", false).is_none());
    assert!(compare("equ", "s32", false).is_none());
}

/// 128-bit sums and products out of 32-bit steps, as compilers write them.
#[test]
fn carries_chain_sums_differences_and_products() {
    let mut bits = Bits(7);
    for _ in 0..100 {
        let (x, y) = (bits.next(), bits.next());
        let mut flag = [0; LANES];
        let mut step = |opcode: &str, a: u64, b: u64, c: u64| {
            let mut d = [0; LANES];
            carry(opcode).unwrap().0(&mut d, &mut flag, &[a; LANES], &[b; LANES], &[c; LANES], 4);
            assert_eq!((d[0], flag[0]), (0, 0), "{opcode} wrote outside its mask");
            d[2]
        };
        let low = step("add.cc.u32", x, y, 0);
        assert_eq!(step("addc.u32", x >> 32, y >> 32, 0) << 32 | low, x.wrapping_add(y));
        let low = step("sub.cc.u32", x, y, 0);
        assert_eq!(step("subc.u32", x >> 32, y >> 32, 0) << 32 | low, x.wrapping_sub(y));
        // The carry of a difference is what its sum with the complement carries: 1 where nothing was borrowed.
        step("sub.cc.u64", x, y, 0);
        assert_eq!(step("addc.u32", 0, 0, 0), u64::from(x >= y));
        let low = step("add.cc.u64", x, y, 0);
        let high = step("addc.cc.u64", 1, 2, 0);
        assert_eq!(u128::from(high) << 64 | u128::from(low), (1 << 64) + (2 << 64) + x as u128 + y as u128);
        let low = step("mad.lo.cc.u32", x, y, x >> 32);
        let high = step("madc.hi.u32", x, y, y >> 32);
        let product = (x & 0xffff_ffff) * (y & 0xffff_ffff);
        assert_eq!(high << 32 | low, product.wrapping_add(y >> 32 << 32 | x >> 32));
    }
    assert_eq!(carry("madc.hi.cc.u32").unwrap().1, 3);
    assert!(carry("add.u32").is_none() && carry("mul.lo.u32").is_none());
}

#[test]
fn atomic_steps_give_the_new_value() {
    let step = |op, ty, old, b, c| atom(op, ty).unwrap()(old, b, c);
    assert_eq!(step("add", "s32", 0xffff_ffff, 2, 0), 1);
    assert_eq!(step("min", "s32", 0xffff_ffff, 2, 0), 0xffff_ffff);
    assert_eq!(step("min", "u32", 0xffff_ffff, 2, 0), 2);
    assert_eq!(step("inc", "u32", 4, 5, 0), 5);
    assert_eq!(step("inc", "u32", 5, 5, 0), 0);
    assert_eq!(step("dec", "u32", 0, 5, 0), 5);
    assert_eq!(step("dec", "u32", 9, 5, 0), 5);
    assert_eq!(step("dec", "u32", 3, 5, 0), 2);
    assert_eq!(step("cas", "b32", 3, 3, 8), 8);
    assert_eq!(step("cas", "b64", 4, 3, 8), 4);
    assert_eq!(step("cas", "b16", 0x1_0003, 3, 8), 8);
    assert_eq!(step("exch", "b64", 4, u64::MAX, 0), u64::MAX);
    assert_eq!(f32::from_bits(step("add", "f32", 0x3f80_0000, 0x3f80_0000, 0) as u32), 2.0);
    assert_eq!(f64::from_bits(step("add", "f64", 1f64.to_bits(), 2f64.to_bits(), 0)), 3.0);
    assert_eq!(step("add", "f16x2", 0x3c00_4000, 0x3c00_3c00, 0), 0x4000_4200);
    assert_eq!(step("add", "bf16x2", 0x3f80_4000, 0x3f80_3f80, 0), 0x4000_4040);
    assert!(atom("inc", "s32").is_none());
}
