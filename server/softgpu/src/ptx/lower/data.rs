//! Arithmetic, comparisons, selections and moves.

use super::super::PtxError;
use super::super::alu;
use super::super::ir::*;
use super::super::parse::Operand;
use super::super::program::scalar_bytes;
use super::{Body, Name};

impl<'t, 'p: 't> Body<'_, 'p, 't> {
    pub(super) fn data(&mut self, opcode: &str, operands: &[Operand<'t>]) -> Result<(), PtxError> {
        let mods: Vec<&str> = opcode.split('.').collect();
        let ty = mods.last().copied().unwrap_or("");
        match mods[0] {
            "setp" | "set" if matches!(ty, "f16" | "f16x2" | "bf16" | "bf16x2") => {
                self.compare_halves(&mods, operands)
            }
            "setp" | "set" => self.compare(&mods, operands),
            "testp" => self.test(opcode, &mods, operands),
            "selp" => {
                let d = self.destination(operands.first())?;
                let a = self.source(operands.get(1), ty)?;
                let b = self.source(operands.get(2), ty)?;
                let (p, negate) = self.pred_source(operands.get(3))?;
                let (a, b) = if negate { (b, a) } else { (a, b) };
                self.emit(Op::Select { d, a, b, p });
                Ok(())
            }
            "slct" => self.select_by_sign(&mods, operands),
            "and" | "or" | "xor" | "not" | "mov" if ty == "pred" => self.predicate(mods[0], operands),
            "mov" => self.mov(opcode, ty, operands),
            "lop3" => self.lop3(opcode, operands),
            "createpolicy" => {
                // A cache policy is a hint; any number names one.
                let d = self.destination(operands.first())?;
                self.alu_to("mov.b64", d, [ZERO; 3])
            }
            _ if alu::carry(opcode).is_some() => self.carry(opcode, ty, operands),
            _ if alu::four(opcode).is_some() => self.four(opcode, ty, operands),
            _ => self.arithmetic(opcode, &mods, operands),
        }
    }

    fn arithmetic(&mut self, opcode: &str, mods: &[&str], operands: &[Operand<'t>]) -> Result<(), PtxError> {
        let Some(alu) = alu::alu(opcode) else { return self.unsupported(opcode) };
        let ty = mods.last().copied().unwrap_or("");
        let mut sources = [ZERO; 3];
        for (index, source) in sources.iter_mut().take(alu.sources as usize).enumerate() {
            // The amount of a shift is 32 bits wide whatever is shifted.
            let literal = if matches!(mods[0], "shl" | "shr") && index == 1 { "u32" } else { ty };
            *source = self.source(operands.get(index + 1), literal)?;
        }
        // A second destination (`|p`) exists for a few opcodes that the engine does not have.
        let d = match operands.first() {
            Some(Operand::Pair(..)) => return self.unsupported(&format!("{opcode} with two destinations")),
            first => self.destination(first)?,
        };
        self.alu_run(alu.run, d, sources);
        Ok(())
    }

    pub(super) fn alu_to(&mut self, opcode: &str, d: Reg, sources: [Reg; 3]) -> Result<(), PtxError> {
        let Some(alu) = alu::alu(opcode) else { return self.unsupported(opcode) };
        self.alu_run(alu.run, d, sources);
        Ok(())
    }

    fn alu_run(&mut self, run: alu::LaneFn, d: Reg, [a, b, c]: [Reg; 3]) {
        // What nobody wants is still worked out, into a row that nobody reads.
        let d = if d == SINK { self.new_reg() } else { d };
        let apart = d != a && d != b && d != c;
        self.emit(Op::Alu { run, d, a, b, c, apart });
    }

    fn carry(&mut self, opcode: &str, ty: &str, operands: &[Operand<'t>]) -> Result<(), PtxError> {
        let Some((run, count)) = alu::carry(opcode) else { return self.unsupported(opcode) };
        let carry = match self.carry {
            Some(carry) => carry,
            None => *self.carry.insert(self.registers),
        };
        self.registers = self.registers.max(carry + 1);
        let d = self.destination(operands.first())?;
        let mut sources = [ZERO; 3];
        for (index, source) in sources.iter_mut().take(count as usize).enumerate() {
            *source = self.source(operands.get(index + 1), ty)?;
        }
        let [a, b, c] = sources;
        self.emit(Op::Carry { run, carry, d, a, b, c });
        Ok(())
    }

    fn four(&mut self, opcode: &str, ty: &str, operands: &[Operand<'t>]) -> Result<(), PtxError> {
        let Some(run) = alu::four(opcode) else { return self.unsupported(opcode) };
        let d = self.destination(operands.first())?;
        let mut s = [ZERO; 4];
        for (index, source) in s.iter_mut().enumerate() {
            *source = self.source(operands.get(index + 1), ty)?;
        }
        self.emit(Op::Four { run, d, s });
        Ok(())
    }

    fn lop3(&mut self, opcode: &str, operands: &[Operand<'t>]) -> Result<(), PtxError> {
        let [d, a, b, c, Operand::Int(table)] = operands else { return self.unsupported(opcode) };
        let d = self.destination(Some(d))?;
        let (a, b, c) =
            (self.source(Some(a), "b32")?, self.source(Some(b), "b32")?, self.source(Some(c), "b32")?);
        self.emit(Op::Lop3 { table: *table as u8, d, a, b, c });
        Ok(())
    }

    /// `setp.lt.and.ftz.f32 p|q, a, b, !c` and `set.lt.u32.f32 d, a, b`.
    fn compare(&mut self, mods: &[&str], operands: &[Operand<'t>]) -> Result<(), PtxError> {
        let opcode = mods.join(".");
        let ty = mods.last().copied().unwrap_or("");
        let ftz = mods.contains(&"ftz");
        let Some(run) = mods.get(1).and_then(|cmp| alu::compare(cmp, ty, ftz)) else {
            return self.unsupported(&opcode);
        };
        let a = self.source(operands.get(1), ty)?;
        let b = self.source(operands.get(2), ty)?;
        let with = self.combination(mods, operands.get(3))?;
        let to = if mods[0] == "setp" {
            match operands.first() {
                Some(Operand::Pair(p, q)) => Outcome::Preds(self.wanted_pred(p)?, self.wanted_pred(q)?),
                Some(Operand::Name(p)) => Outcome::Preds(self.wanted_pred(p)?, None),
                other => return self.fail(format!("{other:?} where a predicate was expected")),
            }
        } else {
            let d = self.destination(operands.first())?;
            let float = mods.len() >= 2 && mods[mods.len() - 2] == "f32";
            if float { Outcome::Float(d) } else { Outcome::Mask(d) }
        };
        self.emit(Op::Compare { run, a, b, with, to });
        Ok(())
    }

    /// The predicate that a comparison's outcome is combined with, if its modifiers say so.
    pub(super) fn combination(
        &mut self,
        mods: &[&str],
        operand: Option<&Operand<'t>>,
    ) -> Result<Option<Combine>, PtxError> {
        let logic = mods.iter().find_map(|modifier| match *modifier {
            "and" => Some(Logic::And),
            "or" => Some(Logic::Or),
            "xor" => Some(Logic::Xor),
            _ => None,
        });
        let Some(logic) = logic else { return Ok(None) };
        let (p, negate) = self.pred_source(operand)?;
        Ok(Some(Combine { logic, p, negate }))
    }

    pub(super) fn wanted_pred(&self, name: &str) -> Result<Option<Pred>, PtxError> {
        if name == "_" { Ok(None) } else { self.pred_named(name).map(Some) }
    }

    fn test(&mut self, opcode: &str, mods: &[&str], operands: &[Operand<'t>]) -> Result<(), PtxError> {
        let [_, property, ty] = mods else { return self.unsupported(opcode) };
        let Some(run) = alu::test(property, ty) else { return self.unsupported(opcode) };
        let a = self.source(operands.get(1), ty)?;
        let (d, _) = self.pred_source(operands.first())?;
        self.emit(Op::Test { run, a, d });
        Ok(())
    }

    /// `slct.f32.s32 d, a, b, c`: a where c is not negative.
    fn select_by_sign(&mut self, mods: &[&str], operands: &[Operand<'t>]) -> Result<(), PtxError> {
        let ty = mods.last().copied().unwrap_or("");
        let Some(run) = alu::compare("ge", ty, mods.contains(&"ftz")) else {
            return self.unsupported(&mods.join("."));
        };
        let d = self.destination(operands.first())?;
        let a = self.source(operands.get(1), mods[1])?;
        let b = self.source(operands.get(2), mods[1])?;
        let c = self.source(operands.get(3), ty)?;
        let p = self.new_pred();
        self.emit(Op::Compare { run, a: c, b: ZERO, with: None, to: Outcome::Preds(Some(p), None) });
        self.emit(Op::Select { d, a, b, p });
        Ok(())
    }

    fn predicate(&mut self, head: &str, operands: &[Operand<'t>]) -> Result<(), PtxError> {
        let d = match operands.first() {
            Some(Operand::Name(name)) => self.pred_named(name)?,
            other => return self.fail(format!("{other:?} where a predicate was expected")),
        };
        let a = self.plain_pred(operands.get(1))?;
        let logic = match head {
            "and" => Logic::And,
            "or" => Logic::Or,
            "xor" => Logic::Xor,
            "not" => {
                self.emit(Op::PredNot { d, a });
                return Ok(());
            }
            _ => {
                self.emit(Op::PredLogic { logic: Logic::Or, d, a, b: a });
                return Ok(());
            }
        };
        let b = self.plain_pred(operands.get(2))?;
        self.emit(Op::PredLogic { logic, d, a, b });
        Ok(())
    }

    /// A predicate as it is, also where the operand negates one.
    fn plain_pred(&mut self, operand: Option<&Operand<'t>>) -> Result<Pred, PtxError> {
        let (p, negate) = self.pred_source(operand)?;
        if !negate {
            return Ok(p);
        }
        let d = self.new_pred();
        self.emit(Op::PredNot { d, a: p });
        Ok(d)
    }

    fn mov(&mut self, opcode: &str, ty: &str, operands: &[Operand<'t>]) -> Result<(), PtxError> {
        let [to, from] = operands else { return self.fail("`mov` takes two operands".into()) };
        let bits = scalar_bytes(ty).map_or(0, |bytes| bytes * 8);
        if let Operand::Vector(parts) = to {
            let mut d = [SINK; 4];
            let count = self.vector_len(parts)?;
            for (place, part) in d.iter_mut().zip(parts) {
                *place = self.destination(Some(part))?;
            }
            let a = self.source(Some(from), ty)?;
            self.emit(Op::Unpack { d, count, bits: (bits / u64::from(count)) as u8, a });
            return Ok(());
        }
        if let Operand::Vector(parts) = from {
            let d = self.destination(Some(to))?;
            let mut s = [ZERO; 4];
            let count = self.vector_len(parts)?;
            for (place, part) in s.iter_mut().zip(parts) {
                *place = self.source(Some(part), ty)?;
            }
            self.emit(Op::Pack { d, s, count, bits: (bits / u64::from(count)) as u8 });
            return Ok(());
        }
        // `mov.b32 %r, sym` may name what is in the frame: value_of turns that into an address.
        let d = self.destination(Some(to))?;
        let a = self.source(Some(from), ty)?;
        self.alu_to(opcode, d, [a, ZERO, ZERO])
    }

    pub(super) fn vector_len(&self, parts: &[Operand<'t>]) -> Result<u8, PtxError> {
        match parts.len() {
            count @ (1 | 2 | 4) => Ok(count as u8),
            count => self.fail(format!("a vector of {count}")),
        }
    }

    pub(super) fn is_frame_or_param(&self, name: &str) -> Option<Name> {
        self.look_up(name).filter(|found| matches!(found, Name::Frame(_) | Name::Param(_)))
    }
}
