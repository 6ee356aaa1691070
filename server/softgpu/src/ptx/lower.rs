//! Statements into decoded instructions: names become rows and addresses, opcodes become lane functions.

mod control;
mod data;
mod halves;
mod matrix;
mod memory;
mod texture;
mod warp;

use super::PtxError;
use super::ir::*;
use super::lex::Lexer;
use super::parse::{self, Item, ItemKind, Operand, Statement};
use super::program::{Program, VariableDecl};
use std::collections::HashMap;

/// Rows that one function may have: a register file of 8 MiB a warp.
const REGISTERS_MAX: u32 = 1 << 15;

/// An entry and what it calls, being decoded.
pub struct Lowering<'p> {
    program: &'p Program,
    addresses: &'p dyn Fn(&str) -> Option<u64>,
    code: Vec<Inst>,
    functions: Vec<Function>,
    by_number: HashMap<usize, u32>,
    /// The program's numbers of functions named and not yet decoded, in the order of their places.
    wanted: Vec<usize>,
    shared: Shared,
    /// An indirect call was met: any function may be its target.
    indirect: bool,
    /// `malloc` or `free` was met.
    heap: bool,
}

/// Shared memory of the kernel: variables by name, and how far it is filled.
#[derive(Default)]
struct Shared {
    offsets: HashMap<String, u32>,
    bytes: u32,
    /// Names of `.extern` arrays, all of which begin where the launch's dynamic part does; patched in at the end.
    dynamic_align: u32,
    dynamic_users: Vec<(usize, usize)>,
}

pub struct Lowered {
    pub code: Vec<Inst>,
    pub functions: Vec<Function>,
    pub by_number: HashMap<usize, u32>,
    pub shared_bytes: u32,
    pub dynamic_shared: u32,
    pub heap: bool,
}

impl<'p> Lowering<'p> {
    pub fn new(program: &'p Program, addresses: &'p dyn Fn(&str) -> Option<u64>) -> Self {
        Lowering {
            program,
            addresses,
            code: Vec::new(),
            functions: Vec::new(),
            by_number: HashMap::new(),
            wanted: Vec::new(),
            shared: Shared::default(),
            indirect: false,
            heap: false,
        }
    }

    /// Decodes the entry and, after it, whatever it calls.
    pub fn lower_all(&mut self, entry: usize) -> Result<(), PtxError> {
        self.place_of(entry);
        let mut next = 0;
        loop {
            while let Some(number) = self.wanted.get(next).copied() {
                let function = Body::lower(self, number)?;
                self.functions.push(function);
                next += 1;
            }
            let defined = |number: &usize| self.program.functions[*number].body.is_some();
            let missing: Vec<usize> = (0..self.program.functions.len())
                .filter(|number| defined(number) && !self.program.functions[*number].entry)
                .filter(|number| !self.by_number.contains_key(number))
                .collect();
            if !self.indirect || missing.is_empty() {
                return Ok(());
            }
            for number in missing {
                self.place_of(number);
            }
        }
    }

    /// Whether this instruction is one that the engine has, by its opcode; its names need not exist.
    pub fn try_one<'t>(&mut self, statement: &Statement<'t>, line: u32) -> Result<(), PtxError>
    where
        'p: 't,
    {
        let mut body = Body::new(self, true, line);
        body.trial = true;
        body.instruction(statement)
    }

    /// A function's place in the kernel, which is promised now and filled later.
    fn place_of(&mut self, number: usize) -> u32 {
        let wanted = &mut self.wanted;
        *self.by_number.entry(number).or_insert_with(|| {
            wanted.push(number);
            wanted.len() as u32 - 1
        })
    }

    pub fn finish(mut self) -> Lowered {
        let dynamic_shared = self.shared.bytes.next_multiple_of(self.shared.dynamic_align.max(1));
        for (function, constant) in &self.shared.dynamic_users {
            self.functions[*function].constants[*constant].1 += dynamic_shared as u64;
        }
        Lowered {
            code: self.code,
            functions: self.functions,
            by_number: self.by_number,
            shared_bytes: self.shared.bytes,
            dynamic_shared,
            heap: self.heap,
        }
    }
}

impl Shared {
    fn add(&mut self, name: &str, bytes: u64, align: u64) -> u32 {
        let at = self.bytes.next_multiple_of(align.max(1) as u32);
        self.bytes = at.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        self.offsets.insert(name.to_owned(), at);
        at
    }
}

/// What a name in a body stands for.
#[derive(Debug, Clone)]
enum Name {
    Reg(Reg),
    Pred(Pred),
    Frame(FrameVar),
    /// A parameter of the entry.
    Param(u32),
    Shared(u32),
    DynamicShared,
}

/// One function's body, being decoded.
struct Body<'a, 'p, 't> {
    whole: &'a mut Lowering<'p>,
    entry: bool,
    /// Names by scope, innermost last; numbered registers by their prefix.
    scopes: Vec<HashMap<String, Name>>,
    ranges: Vec<HashMap<&'t str, (u32, u32, bool)>>,
    registers: u32,
    predicates: u32,
    constants: Vec<(Reg, u64)>,
    constant_rows: HashMap<u64, Reg>,
    dynamic_rows: HashMap<i64, Reg>,
    frame_bytes: u32,
    carry: Option<Reg>,
    labels: HashMap<&'t str, u32>,
    /// Instructions whose branch target is still a label.
    jumps: Vec<(usize, Vec<&'t str>, u32)>,
    branch_targets: HashMap<&'t str, Vec<&'t str>>,
    guard: Option<(Pred, bool)>,
    line: u32,
    /// Only the opcode is in question: names that nothing declares stand for anything.
    trial: bool,
}

impl<'a, 'p, 't> Body<'a, 'p, 't>
where
    'p: 't,
{
    fn new(whole: &'a mut Lowering<'p>, entry: bool, line: u32) -> Self {
        Body {
            whole,
            entry,
            scopes: vec![HashMap::new()],
            ranges: vec![HashMap::new()],
            registers: 1,
            predicates: 0,
            constants: vec![(ZERO, 0)],
            constant_rows: HashMap::from([(0, ZERO)]),
            dynamic_rows: HashMap::new(),
            frame_bytes: 0,
            carry: None,
            labels: HashMap::new(),
            jumps: Vec::new(),
            branch_targets: HashMap::new(),
            guard: None,
            line,
            trial: false,
        }
    }

    fn lower(whole: &'a mut Lowering<'p>, number: usize) -> Result<Function, PtxError> {
        let program: &'p Program = whole.program;
        let function = &program.functions[number];
        let Some((position, line)) = function.body else {
            return Err(PtxError::UnknownSymbol { line: 0, symbol: function.name.clone() });
        };
        let items = parse::body(Lexer::new(program.text(), position, line))?;
        let start = whole.code.len() as u32;
        let mut body = Body::new(whole, function.entry, line);
        let (mut params, mut returns) = (Vec::new(), Vec::new());
        for (declared, list) in [(&function.params, &mut params), (&function.returns, &mut returns)] {
            for param in declared {
                if param.register.is_some() {
                    return body.unsupported("a parameter in a register");
                }
                let name = if function.entry {
                    Name::Param(param.offset)
                } else {
                    let variable = body.frame_variable(param.size.into(), param.align.into())?;
                    list.push(variable);
                    Name::Frame(variable)
                };
                body.scopes[0].insert(param.name.clone(), name);
            }
        }
        // Branch targets may be declared after the branch that uses them.
        for item in &items {
            if let ItemKind::BranchTargets { name, labels } = &item.kind {
                body.branch_targets.insert(name, labels.clone());
            }
        }
        for item in &items {
            body.item(item)?;
        }
        // A body may end without saying so.
        body.line = items.last().map_or(line, |item| item.line);
        body.guard = None;
        body.emit(if function.entry { Op::Exit } else { Op::Return });
        body.resolve_jumps()?;
        Ok(Function {
            start,
            registers: body.registers,
            predicates: body.predicates,
            constants: body.constants,
            frame_bytes: body.frame_bytes.next_multiple_of(16),
            params,
            returns,
        })
    }

    fn item(&mut self, item: &Item<'t>) -> Result<(), PtxError> {
        self.line = item.line;
        match &item.kind {
            ItemKind::Open => {
                self.scopes.push(HashMap::new());
                self.ranges.push(HashMap::new());
            }
            ItemKind::Close => {
                self.scopes.pop();
                self.ranges.pop();
            }
            ItemKind::Label(name) => {
                let here = self.whole.code.len() as u32;
                self.labels.insert(name, here);
            }
            ItemKind::Registers { ty, name, count } => self.registers(ty, name, *count)?,
            ItemKind::Variable { space, decl, external } => self.variable(space, decl, *external)?,
            ItemKind::BranchTargets { .. } | ItemKind::Prototype => {}
            ItemKind::Instruction(statement) => self.instruction(statement)?,
        }
        Ok(())
    }

    fn registers(&mut self, ty: &str, name: &'t str, count: Option<u32>) -> Result<(), PtxError> {
        let predicate = ty == "pred";
        let rows = count.unwrap_or(1);
        let next = if predicate { &mut self.predicates } else { &mut self.registers };
        let first = *next;
        *next = match first.checked_add(rows).filter(|end| *end <= REGISTERS_MAX) {
            Some(end) => end,
            None => return self.fail(format!("more than {REGISTERS_MAX} registers")),
        };
        match count {
            Some(count) => drop(self.innermost_ranges().insert(name, (first, count, predicate))),
            None => {
                let named = if predicate { Name::Pred(first) } else { Name::Reg(first) };
                self.innermost().insert(name.to_owned(), named);
            }
        }
        Ok(())
    }

    fn variable(&mut self, space: &str, decl: &VariableDecl, external: bool) -> Result<(), PtxError> {
        let named = match (space, external) {
            (".shared", true) => {
                self.whole.shared.dynamic_align = self.whole.shared.dynamic_align.max(decl.align as u32);
                Name::DynamicShared
            }
            (".shared", false) => Name::Shared(self.whole.shared.add(&decl.name, decl.size(), decl.align)),
            _ => Name::Frame(self.frame_variable(decl.size(), decl.align)?),
        };
        self.innermost().insert(decl.name.clone(), named);
        Ok(())
    }

    fn frame_variable(&mut self, bytes: u64, align: u64) -> Result<FrameVar, PtxError> {
        const FRAME_BYTES_MAX: u64 = 512 << 10;
        let offset = u64::from(self.frame_bytes).next_multiple_of(align.max(1));
        let end = offset.saturating_add(bytes);
        if end > FRAME_BYTES_MAX {
            return self.fail(format!("a frame of {end} bytes, more than {FRAME_BYTES_MAX}"));
        }
        self.frame_bytes = end as u32;
        Ok(FrameVar { offset: offset as u32, bytes: bytes as u32 })
    }

    fn innermost(&mut self) -> &mut HashMap<String, Name> {
        if self.scopes.is_empty() {
            self.scopes.push(HashMap::new());
        }
        self.scopes.last_mut().expect("there is one scope at least")
    }

    fn innermost_ranges(&mut self) -> &mut HashMap<&'t str, (u32, u32, bool)> {
        if self.ranges.is_empty() {
            self.ranges.push(HashMap::new());
        }
        self.ranges.last_mut().expect("there is one scope at least")
    }

    fn instruction(&mut self, statement: &Statement<'t>) -> Result<(), PtxError> {
        self.guard = match statement.guard {
            Some((name, negated)) => Some((self.pred_named(name)?, negated)),
            None => None,
        };
        let opcode = statement.opcode;
        let head = opcode.split('.').next().unwrap_or(opcode);
        let operands = &statement.operands;
        match head {
            "bra" | "brx" | "call" | "ret" | "exit" | "trap" | "brkpt" => self.control(opcode, operands),
            "ld" | "ldu" | "st" | "atom" | "red" | "cp" | "cvta" | "isspacep" => {
                self.memory(opcode, operands)
            }
            "bar" | "barrier" | "shfl" | "vote" | "match" | "redux" | "activemask" | "elect" | "membar"
            | "fence" | "nanosleep" => self.warp(opcode, operands),
            "mma" | "wmma" | "ldmatrix" | "movmatrix" => self.matrix(opcode, operands),
            "tex" | "tld4" | "txq" | "suld" | "sust" | "suq" => self.image(opcode, operands),
            // Hints, and waiting for what was already done when it was asked for.
            "prefetch" | "prefetchu" | "pmevent" | "griddepcontrol" | "setmaxnreg" | "discard"
            | "applypriority" => {
                self.emit(Op::Nothing);
                Ok(())
            }
            _ => self.data(opcode, operands),
        }
    }

    fn emit(&mut self, op: Op) {
        self.whole.code.push(Inst { guard: self.guard, line: self.line, op });
    }

    // Names and operands.

    fn look_up(&self, name: &str) -> Option<Name> {
        for (scope, ranges) in self.scopes.iter().zip(&self.ranges).rev() {
            if let Some(found) = scope.get(name) {
                return Some(found.clone());
            }
            let digits = name.len() - name.bytes().rev().take_while(u8::is_ascii_digit).count();
            // `%rd<5>` declares `%rd0`…; a prefix may itself end in digits.
            for split in digits..name.len() {
                let Some((first, count, predicate)) = ranges.get(&name[..split]) else { continue };
                match name[split..].parse::<u32>() {
                    Ok(index) if index < *count && *predicate => return Some(Name::Pred(first + index)),
                    Ok(index) if index < *count => return Some(Name::Reg(first + index)),
                    _ => {}
                }
            }
        }
        None
    }

    fn pred_named(&self, name: &str) -> Result<Pred, PtxError> {
        match self.look_up(name) {
            Some(Name::Pred(pred)) => Ok(pred),
            _ if self.trial => Ok(0),
            _ => self.unknown(name),
        }
    }

    fn new_pred(&mut self) -> Pred {
        self.predicates += 1;
        self.predicates - 1
    }

    fn new_reg(&mut self) -> Reg {
        self.registers += 1;
        self.registers - 1
    }

    fn constant(&mut self, value: u64) -> Reg {
        if let Some(row) = self.constant_rows.get(&value) {
            return *row;
        }
        let row = self.new_reg();
        self.constants.push((row, value));
        self.constant_rows.insert(value, row);
        row
    }

    /// An offset from where dynamic shared memory begins, which is known only at the end.
    fn dynamic_shared(&mut self, offset: i64) -> Reg {
        if let Some(row) = self.dynamic_rows.get(&offset) {
            return *row;
        }
        let row = self.new_reg();
        self.whole.shared.dynamic_users.push((self.whole.functions.len(), self.constants.len()));
        self.constants.push((row, offset as u64));
        self.dynamic_rows.insert(offset, row);
        row
    }

    /// A register to write.
    fn destination(&self, operand: Option<&Operand<'t>>) -> Result<Reg, PtxError> {
        match operand {
            Some(Operand::Name(name)) => match self.look_up(name) {
                Some(Name::Reg(reg)) => Ok(reg),
                _ if self.trial => Ok(ZERO),
                _ => self.unknown(name),
            },
            Some(Operand::Sink) => Ok(SINK),
            other => self.fail(format!("{other:?} where a register was expected")),
        }
    }

    /// A row that holds the operand's value; `ty` says what a literal means.
    fn source(&mut self, operand: Option<&Operand<'t>>, ty: &str) -> Result<Reg, PtxError> {
        match operand {
            Some(Operand::Name(name)) => self.value_of(name, 0),
            Some(Operand::Offset(name, offset)) => self.value_of(name, *offset),
            Some(Operand::Int(value)) => {
                let value = match ty {
                    "f32" => u64::from((*value as f32).to_bits()),
                    "f64" => (*value as f64).to_bits(),
                    _ => *value as u64,
                };
                Ok(self.constant(value))
            }
            Some(Operand::Float32(bits)) if ty == "f64" => {
                Ok(self.constant(f64::from(f32::from_bits(*bits)).to_bits()))
            }
            Some(Operand::Float32(bits)) => Ok(self.constant(u64::from(*bits))),
            Some(Operand::Float64(bits)) if ty == "f32" => {
                Ok(self.constant(u64::from((f64::from_bits(*bits) as f32).to_bits())))
            }
            Some(Operand::Float64(bits)) => Ok(self.constant(*bits)),
            other => self.fail(format!("{other:?} where a value was expected")),
        }
    }

    fn value_of(&mut self, name: &'t str, offset: i64) -> Result<Reg, PtxError> {
        match self.look_up(name) {
            Some(Name::Reg(reg)) if offset == 0 => Ok(reg),
            Some(Name::Frame(variable)) => {
                let d = self.new_reg();
                let offset = (i64::from(variable.offset) + offset) as u32;
                self.emit(Op::FrameAddress { d, offset });
                Ok(d)
            }
            Some(Name::Param(at)) => Ok(self.constant((i64::from(at) + offset) as u64)),
            Some(Name::Shared(at)) => Ok(self.constant((i64::from(at) + offset) as u64)),
            Some(Name::DynamicShared) => Ok(self.dynamic_shared(offset)),
            _ if self.trial => Ok(ZERO),
            Some(_) => self.unknown(name),
            None => self.symbol(name, offset),
        }
    }

    /// Special registers, variables and functions of the module.
    fn symbol(&mut self, name: &'t str, offset: i64) -> Result<Reg, PtxError> {
        if let Some(which) = special(name) {
            let d = self.new_reg();
            self.emit(Op::Special { d, which });
            return Ok(d);
        }
        if name == "WARP_SZ" {
            return Ok(self.constant(32));
        }
        if let Some(at) = self.whole.shared.offsets.get(name).copied() {
            return Ok(self.constant((i64::from(at) + offset) as u64));
        }
        let program = self.whole.program;
        if let Some(variable) = program.shared.iter().find(|variable| variable.name == name) {
            if variable.dynamic {
                self.whole.shared.dynamic_align = self.whole.shared.dynamic_align.max(variable.align as u32);
                return Ok(self.dynamic_shared(offset));
            }
            let at = self.whole.shared.add(name, variable.size, variable.align);
            return Ok(self.constant((i64::from(at) + offset) as u64));
        }
        if let Some(address) = (self.whole.addresses)(name) {
            return Ok(self.constant(address.wrapping_add_signed(offset)));
        }
        if let (Some(number), Some(address)) = (program.function_number(name), program.function_address(name))
        {
            if program.functions[number].body.is_some() {
                self.whole.place_of(number);
            }
            return Ok(self.constant(address));
        }
        self.unknown(name)
    }

    fn pred_source(&mut self, operand: Option<&Operand<'t>>) -> Result<(Pred, bool), PtxError> {
        match operand {
            Some(Operand::Name(name)) => Ok((self.pred_named(name)?, false)),
            Some(Operand::Not(name)) => Ok((self.pred_named(name)?, true)),
            Some(Operand::Int(value)) => {
                let d = self.new_pred();
                self.emit(Op::PredSet { d, value: *value != 0 });
                Ok((d, false))
            }
            other => self.fail(format!("{other:?} where a predicate was expected")),
        }
    }

    // Errors.

    fn fail<T>(&self, what: String) -> Result<T, PtxError> {
        Err(PtxError::Syntax { line: self.line, what })
    }

    fn unsupported<T>(&self, what: &str) -> Result<T, PtxError> {
        Err(PtxError::Unsupported { line: self.line, what: what.to_owned() })
    }

    fn unknown<T>(&self, symbol: &str) -> Result<T, PtxError> {
        Err(PtxError::UnknownSymbol { line: self.line, symbol: symbol.to_owned() })
    }
}

fn special(name: &str) -> Option<Special> {
    let axis = |suffix: &str| match suffix {
        "x" => Some(0),
        "y" => Some(1),
        "z" => Some(2),
        _ => None,
    };
    let (base, suffix) = name.strip_prefix('%')?.split_once('.').unwrap_or((name.strip_prefix('%')?, ""));
    Some(match base {
        "tid" => Special::Tid(axis(suffix)?),
        "ntid" => Special::Ntid(axis(suffix)?),
        "ctaid" | "clusterid" => Special::Ctaid(axis(suffix)?),
        "nctaid" | "nclusterid" => Special::Nctaid(axis(suffix)?),
        "cluster_ctaid" => Special::Zero,
        "cluster_nctaid" => Special::One,
        "cluster_ctarank" => Special::Zero,
        "cluster_nctarank" => Special::One,
        "laneid" => Special::LaneId,
        "warpid" => Special::WarpId,
        "nwarpid" => Special::WarpCount,
        "smid" => Special::SmId,
        "nsmid" => Special::SmCount,
        "gridid" => Special::GridId,
        "clock" | "clock64" => Special::Clock,
        "clock_hi" => Special::ClockHigh,
        "globaltimer" | "globaltimer_lo" => Special::GlobalTimer,
        "globaltimer_hi" => Special::GlobalTimerHigh,
        "lanemask_eq" => Special::LanesEqual,
        "lanemask_lt" => Special::LanesLess,
        "lanemask_le" => Special::LanesLessEqual,
        "lanemask_gt" => Special::LanesGreater,
        "lanemask_ge" => Special::LanesGreaterEqual,
        "dynamic_smem_size" => Special::DynamicSharedBytes,
        "total_smem_size" | "aggr_smem_size" => Special::TotalSharedBytes,
        "envreg1" => Special::WorkspaceHigh,
        "envreg2" => Special::WorkspaceLow,
        other if other.starts_with("envreg") => Special::Zero,
        _ => return None,
    })
}
