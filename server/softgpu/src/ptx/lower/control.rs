//! Branches, calls, and the ends of threads.

use super::super::PtxError;
use super::super::ir::*;
use super::super::parse::Operand;
use super::{Body, Name};

impl<'t, 'p: 't> Body<'_, 'p, 't> {
    pub(super) fn control(&mut self, opcode: &str, operands: &[Operand<'t>]) -> Result<(), PtxError> {
        match opcode.split('.').next().unwrap_or(opcode) {
            "bra" => match operands {
                [Operand::Name(label)] => {
                    self.jump(vec![label]);
                    self.emit(Op::Branch { to: 0 });
                    Ok(())
                }
                _ => self.fail("`bra` takes one label".into()),
            },
            "brx" => self.branch_indexed(operands),
            "call" => self.call(operands),
            "ret" if self.entry => {
                self.emit(Op::Exit);
                Ok(())
            }
            "ret" => {
                self.emit(Op::Return);
                Ok(())
            }
            "exit" => {
                self.emit(Op::Exit);
                Ok(())
            }
            _ => {
                self.emit(Op::Trap);
                Ok(())
            }
        }
    }

    fn jump(&mut self, labels: Vec<&'t str>) {
        self.jumps.push((self.whole.code.len(), labels, self.line));
    }

    fn branch_indexed(&mut self, operands: &[Operand<'t>]) -> Result<(), PtxError> {
        let [index, Operand::Name(list)] = operands else {
            return self.fail("`brx.idx` takes an index and a list".into());
        };
        let Some(labels) = self.branch_targets.get(list).cloned() else { return self.unknown(list) };
        let index = self.source(Some(index), "u32")?;
        self.jump(labels);
        self.emit(Op::BranchIndexed { index, to: Box::new([]) });
        Ok(())
    }

    /// Labels are known once the whole body was read.
    pub(super) fn resolve_jumps(&mut self) -> Result<(), PtxError> {
        for (at, labels, line) in std::mem::take(&mut self.jumps) {
            let mut found = Vec::with_capacity(labels.len());
            for label in labels {
                match self.labels.get(label) {
                    Some(target) => found.push(*target),
                    None => return Err(PtxError::UnknownSymbol { line, symbol: label.to_owned() }),
                }
            }
            match &mut self.whole.code[at].op {
                Op::Branch { to } => *to = found[0],
                Op::BranchIndexed { to, .. } => *to = found.into(),
                _ => return Err(PtxError::Syntax { line, what: "a label that nothing branches to".into() }),
            }
        }
        Ok(())
    }

    /// `call (returns), target, (arguments), prototype;` of which only the target must be there.
    fn call(&mut self, operands: &[Operand<'t>]) -> Result<(), PtxError> {
        let (returns, rest) = match operands {
            [Operand::List(list), rest @ ..] => (self.frame_variables(list)?, rest),
            rest => (Vec::new(), rest),
        };
        let [Operand::Name(target), rest @ ..] = rest else {
            return self.fail("`call` without a target".into());
        };
        let args = match rest {
            [Operand::List(list), ..] => self.frame_variables(list)?,
            _ => Vec::new(),
        };
        let target = self.target(target)?;
        self.emit(Op::Call { target, args: args.into(), returns: returns.into() });
        Ok(())
    }

    fn target(&mut self, name: &'t str) -> Result<Target, PtxError> {
        if let Some(Name::Reg(reg)) = self.look_up(name) {
            self.whole.indirect = true;
            return Ok(Target::Pointer(reg));
        }
        match name {
            "vprintf" => return Ok(Target::Builtin(Builtin::Printf)),
            "__assertfail" => return Ok(Target::Builtin(Builtin::AssertFail)),
            "cudaGraphSetConditional" => return Ok(Target::Builtin(Builtin::SetConditional)),
            "malloc" | "free" if self.is_declared_only(name) => {
                self.whole.heap = true;
                let builtin = if name == "malloc" { Builtin::Malloc } else { Builtin::Free };
                return Ok(Target::Builtin(builtin));
            }
            _ => {}
        }
        let program = self.whole.program;
        match program.function_number(name) {
            Some(number) if program.functions[number].body.is_some() => {
                Ok(Target::Function(self.whole.place_of(number)))
            }
            Some(_) => self.unsupported(&format!("the function `{name}`")),
            None => self.unknown(name),
        }
    }

    /// A function of this name without a body, which CUDA's runtime is to provide.
    fn is_declared_only(&self, name: &str) -> bool {
        let program = self.whole.program;
        program.function_number(name).is_none_or(|number| program.functions[number].body.is_none())
    }

    fn frame_variables(&self, list: &[Operand<'t>]) -> Result<Vec<FrameVar>, PtxError> {
        let variable = |operand: &Operand<'t>| match operand {
            Operand::Name(name) => match self.look_up(name) {
                Some(Name::Frame(variable)) => Ok(variable),
                _ => self.unsupported(&format!("the argument `{name}`, which is no .param variable")),
            },
            other => self.unsupported(&format!("the argument {other:?}")),
        };
        list.iter().map(variable).collect()
    }
}
