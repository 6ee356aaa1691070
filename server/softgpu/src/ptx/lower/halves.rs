//! Comparisons of 16-bit floats, one or two in a register: made of what there is for one, so that no lane function is needed.

use super::super::PtxError;
use super::super::alu;
use super::super::ir::*;
use super::super::parse::Operand;
use super::Body;

/// 1.0 as the two formats have it.
const ONE_F16: u64 = 0x3c00;
const ONE_BF16: u64 = 0x3f80;

impl<'t, 'p: 't> Body<'_, 'p, 't> {
    /// `setp.lt.f16x2 p|q, a, b;` `set.lt.f16x2.f16x2 d, a, b;` `set.lt.u32.bf16x2 d, a, b;` and the same for one number.
    pub(super) fn compare_halves(&mut self, mods: &[&str], operands: &[Operand<'t>]) -> Result<(), PtxError> {
        let opcode = mods.join(".");
        let ty = mods.last().copied().unwrap_or("");
        let one_ty = ty.trim_end_matches("x2");
        let Some(run) = mods.get(1).and_then(|cmp| alu::compare(cmp, one_ty, mods.contains(&"ftz"))) else {
            return self.unsupported(&opcode);
        };
        let with = self.combination(mods, operands.get(3))?;
        let (a, b) = (self.source(operands.get(1), "b32")?, self.source(operands.get(2), "b32")?);
        let is_pair = one_ty != ty;
        if mods[0] == "setp" {
            let (p, q) = match operands.first() {
                Some(Operand::Pair(p, q)) => (self.wanted_pred(p)?, self.wanted_pred(q)?),
                Some(Operand::Name(p)) => (self.wanted_pred(p)?, None),
                other => return self.fail(format!("{other:?} where a predicate was expected")),
            };
            // Of one number the second predicate is the complement, of a pair it is the upper number's.
            let complement = if is_pair { None } else { q };
            self.emit(Op::Compare { run, a, b, with, to: Outcome::Preds(p, complement) });
            if let (true, Some(q)) = (is_pair, q) {
                let (a, b) = (self.upper(a)?, self.upper(b)?);
                self.emit(Op::Compare { run, a, b, with, to: Outcome::Preds(Some(q), None) });
            }
            return Ok(());
        }
        let holds = match mods[mods.len() - 2] {
            "f16" | "f16x2" => ONE_F16,
            "bf16" | "bf16x2" => ONE_BF16,
            "u16" | "s16" => 0xffff,
            "u32" | "s32" if is_pair => 0xffff,
            "u32" | "s32" => 0xffff_ffff,
            _ => return self.unsupported(&opcode),
        };
        let d = self.destination(operands.first())?;
        let low = self.chosen(run, [a, b], with, holds);
        if !is_pair {
            return self.alu_to("mov.b32", d, [low, ZERO, ZERO]);
        }
        let (a, b) = (self.upper(a)?, self.upper(b)?);
        let high = self.chosen(run, [a, b], with, holds << 16);
        self.alu_to("or.b32", d, [low, high, ZERO])
    }

    /// A row that holds this number where the comparison holds, and 0 elsewhere.
    fn chosen(&mut self, run: alu::CompareFn, [a, b]: [Reg; 2], with: Option<Combine>, holds: u64) -> Reg {
        let (p, d) = (self.new_pred(), self.new_reg());
        self.emit(Op::Compare { run, a, b, with, to: Outcome::Preds(Some(p), None) });
        let holds = self.constant(holds);
        self.emit(Op::Select { d, a: holds, b: ZERO, p });
        d
    }

    /// The upper number of a pair, where the lower one stands.
    fn upper(&mut self, pair: Reg) -> Result<Reg, PtxError> {
        let (d, sixteen) = (self.new_reg(), self.constant(16));
        self.alu_to("shr.b32", d, [pair, sixteen, ZERO])?;
        Ok(d)
    }
}
