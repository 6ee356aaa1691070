//! Loads, stores, atomics and addresses.

use super::super::PtxError;
use super::super::alu;
use super::super::ir::*;
use super::super::parse::Operand;
use super::super::program::scalar_bytes;
use super::{Body, Name};

impl<'t, 'p: 't> Body<'_, 'p, 't> {
    pub(super) fn memory(&mut self, opcode: &str, operands: &[Operand<'t>]) -> Result<(), PtxError> {
        let mods: Vec<&str> = opcode.split('.').collect();
        match mods[0] {
            "ld" | "ldu" => self.load(opcode, &mods, operands),
            "st" => self.store(opcode, &mods, operands),
            "atom" | "red" => self.atomic(opcode, &mods, operands),
            "cp" => self.copy_async(opcode, &mods, operands),
            "cvta" => self.convert_address(opcode, &mods, operands),
            _ => self.is_space(opcode, &mods, operands),
        }
    }

    /// Space, element and order of an access, by its modifiers.
    fn access(&self, opcode: &str, mods: &[&str]) -> Result<Access, PtxError> {
        let mut access = Access {
            space: Space::Generic,
            bytes: 0,
            count: 1,
            address: ZERO,
            offset: 0,
            ordered: false,
            waits: false,
        };
        for (index, modifier) in mods.iter().enumerate().skip(1) {
            match *modifier {
                "shared" | "shared::cta" => access.space = Space::Shared,
                "local" => access.space = Space::Local,
                "param" | "param::entry" | "param::func" => access.space = Space::Param,
                "v2" => access.count = 2,
                "v4" => access.count = 4,
                "acquire" | "release" | "acq_rel" | "sc" => (access.ordered, access.waits) = (true, true),
                "volatile" | "relaxed" | "mmio" => access.waits = true,
                "global" | "const" | "weak" | "nc" | "gpu" | "sys" | "cta" | "cluster" | "ca" | "cg"
                | "cs" | "lu" | "cv" | "wb" | "wt" | "unified" | "noftz" | "level" => {}
                "shared::cluster" => access.space = Space::Shared,
                hint if hint.starts_with('L') && hint.contains("::") => {}
                hint if hint.starts_with("evict") || hint.starts_with("no_allocate") => {}
                ty if index == mods.len() - 1 => match scalar_bytes(ty) {
                    Some(bytes @ 1..=8) => access.bytes = bytes as u8,
                    _ => return self.unsupported(opcode),
                },
                _ if matches!(mods[0], "atom" | "red") => {}
                _ => return self.unsupported(opcode),
            }
        }
        if access.bytes == 0 { self.unsupported(opcode) } else { Ok(access) }
    }

    /// Fills in where an access goes; names decide the space of parameters.
    pub(super) fn addressed(
        &mut self,
        mut access: Access,
        operand: Option<&Operand<'t>>,
    ) -> Result<Access, PtxError> {
        let Some(Operand::Address(base, offset)) = operand else {
            return self.fail(format!("{operand:?} where an address was expected"));
        };
        access.offset = *offset;
        let Some(name) = base else { return Ok(access) };
        match self.is_frame_or_param(name) {
            Some(Name::Frame(variable)) => {
                access.space = Space::Local;
                let d = self.new_reg();
                self.emit_unguarded(Op::FrameAddress { d, offset: variable.offset });
                access.address = d;
            }
            Some(Name::Param(at)) => {
                access.space = Space::Param;
                access.offset += i64::from(at);
            }
            _ => access.address = self.value_of(name, 0)?,
        }
        // A function's own parameters lie in its frame.
        if access.space == Space::Param && !self.entry {
            access.space = Space::Local;
        }
        Ok(access)
    }

    /// An address may be worked out in lanes that do not use it.
    fn emit_unguarded(&mut self, op: Op) {
        let guard = self.guard.take();
        self.emit(op);
        self.guard = guard;
    }

    fn load(&mut self, opcode: &str, mods: &[&str], operands: &[Operand<'t>]) -> Result<(), PtxError> {
        let mut access = self.access(opcode, mods)?;
        let mut d = [SINK; 4];
        match operands.first() {
            Some(Operand::Vector(parts)) => {
                access.count = self.vector_len(parts)?;
                for (place, part) in d.iter_mut().zip(parts) {
                    *place = self.destination(Some(part))?;
                }
            }
            first => d[0] = self.destination(first)?,
        }
        let access = self.addressed(access, operands.get(1))?;
        let signed = mods.last().is_some_and(|ty| ty.starts_with('s'));
        self.emit(Op::Load { access, d, signed });
        Ok(())
    }

    fn store(&mut self, opcode: &str, mods: &[&str], operands: &[Operand<'t>]) -> Result<(), PtxError> {
        let mut access = self.access(opcode, mods)?;
        let ty = mods.last().copied().unwrap_or("");
        let mut s = [ZERO; 4];
        match operands.get(1) {
            Some(Operand::Vector(parts)) => {
                access.count = self.vector_len(parts)?;
                for (place, part) in s.iter_mut().zip(parts) {
                    *place = self.source(Some(part), ty)?;
                }
            }
            value => s[0] = self.source(value, ty)?,
        }
        let access = self.addressed(access, operands.first())?;
        self.emit(Op::Store { access, s });
        Ok(())
    }

    /// `atom.global.add.u32 d, [a], b;` and `red` without d; `cas` has a second value.
    fn atomic(&mut self, opcode: &str, mods: &[&str], operands: &[Operand<'t>]) -> Result<(), PtxError> {
        const OPERATIONS: &[&str] = &["add", "min", "max", "inc", "dec", "and", "or", "xor", "exch", "cas"];
        let ty = mods.last().copied().unwrap_or("");
        let operation = mods.iter().find(|modifier| OPERATIONS.contains(modifier));
        let Some(run) = operation.and_then(|operation| alu::atom(operation, ty)) else {
            return self.unsupported(opcode);
        };
        let mut access = self.access(opcode, mods)?;
        access.waits = true;
        let (d, rest) = match mods[0] {
            "atom" => (self.destination(operands.first())?, operands.get(1..).unwrap_or(&[])),
            _ => (SINK, operands),
        };
        let b = self.source(rest.get(1), ty)?;
        let c = if operation == Some(&"cas") { self.source(rest.get(2), ty)? } else { ZERO };
        let access = self.addressed(access, rest.first())?;
        self.emit(Op::Atom { access, run, d, b, c });
        Ok(())
    }

    /// `cp.async` copies when it is asked to; so there is nothing left to wait for.
    fn copy_async(&mut self, opcode: &str, mods: &[&str], operands: &[Operand<'t>]) -> Result<(), PtxError> {
        if mods.get(1) != Some(&"async") {
            return self.unsupported(opcode);
        }
        if mods.contains(&"commit_group") || mods.contains(&"wait_group") || mods.contains(&"wait_all") {
            self.emit(Op::Nothing);
            return Ok(());
        }
        let (Some(Operand::Address(Some(to), to_offset)), Some(Operand::Address(Some(from), from_offset))) =
            (operands.first(), operands.get(1))
        else {
            return self.unsupported(opcode);
        };
        let Some(Operand::Int(bytes @ (4 | 8 | 16))) = operands.get(2) else {
            return self.unsupported(opcode);
        };
        if mods.contains(&"bulk") {
            return self.unsupported(opcode);
        }
        let source_bytes = match operands.get(3) {
            Some(size) => self.source(Some(size), "u32")?,
            None => self.constant(*bytes as u64),
        };
        let (to, from) = (self.value_of(to, 0)?, self.value_of(from, 0)?);
        let (to_offset, from_offset) = (*to_offset, *from_offset);
        self.emit(Op::CopyAsync { to, to_offset, from, from_offset, bytes: *bytes as u32, source_bytes });
        Ok(())
    }

    /// `cvta.shared.u64` adds the window's address, `cvta.to.shared.u64` takes it away.
    fn convert_address(
        &mut self,
        opcode: &str,
        mods: &[&str],
        operands: &[Operand<'t>],
    ) -> Result<(), PtxError> {
        let to = mods.contains(&"to");
        let window = mods.iter().find_map(|space| match *space {
            "shared" | "shared::cta" => Some(SHARED_WINDOW),
            "local" => Some(LOCAL_WINDOW),
            "global" | "const" => Some(0),
            _ => None,
        });
        let Some(window) = window else { return self.unsupported(opcode) };
        let d = self.destination(operands.first())?;
        let a = self.source(operands.get(1), "u64")?;
        let window = self.constant(window);
        self.alu_to(if to { "sub.s64" } else { "add.s64" }, d, [a, window, ZERO])
    }

    fn is_space(&mut self, opcode: &str, mods: &[&str], operands: &[Operand<'t>]) -> Result<(), PtxError> {
        let (d, _) = self.pred_source(operands.first())?;
        let a = self.source(operands.get(1), "u64")?;
        let space = match mods.get(1) {
            Some(&("shared" | "shared::cta" | "shared::cluster")) => Space::Shared,
            Some(&"local") => Space::Local,
            Some(&"global") => Space::Generic,
            Some(&("const" | "param")) => {
                self.emit(Op::PredSet { d, value: false });
                return Ok(());
            }
            _ => return self.unsupported(opcode),
        };
        self.emit(Op::IsSpace { space, d, a });
        Ok(())
    }
}
