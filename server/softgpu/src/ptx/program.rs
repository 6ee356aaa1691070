//! The index of a PTX text: what it holds and where, without parsing any body. Texts reach 21 MB, and one program
//! uses a few entries of them.

use std::collections::HashMap;

use super::PtxError;
use super::lex::{Lexer, Token};

/// Code addresses start here: above every address that a host process can have. A function's number is added, times
/// [`FUNCTION_STRIDE`].
pub const FUNCTION_WINDOW: u64 = 3 << 48;
/// Functions are this far apart, so that no code pointer looks misaligned.
pub const FUNCTION_STRIDE: u64 = 16;
/// Largest variable that a text may declare: what a device of today can hold. Keeps arithmetic far from overflow.
const VARIABLE_BYTES_MAX: u64 = 1 << 40;

/// An indexed PTX text.
#[derive(Debug)]
pub struct Program {
    text: String,
    entries: Vec<EntryInfo>,
    entry_index: HashMap<String, usize>,
    variables: Vec<Variable>,
    pub(super) shared: Vec<SharedVariable>,
    pub(super) functions: Vec<Function>,
    function_index: HashMap<String, usize>,
}

/// What is known of an entry before it is compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryInfo {
    pub name: String,
    pub params: Vec<ParamInfo>,
    pub param_bytes: u32,
    /// The product of `.maxntid` or `.reqntid`.
    pub max_threads: Option<u32>,
    pub required_threads: Option<[u32; 3]>,
    pub min_blocks: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParamInfo {
    pub offset: u32,
    pub size: u32,
    pub align: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    Global,
    Const,
}

/// A variable of module scope, for which the driver makes memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    pub name: String,
    pub space: Space,
    pub size: u64,
    pub align: u64,
    /// The first bytes; what is missing up to `size` is zero.
    pub init: Vec<u8>,
    pub relocations: Vec<Reloc>,
    pub managed: bool,
    pub external: bool,
}

/// `width` bytes at `offset` become `(address of symbol + addend) >> shift`. The symbol may also be a function:
/// [`Program::function_address`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloc {
    pub offset: u64,
    pub symbol: String,
    pub addend: i64,
    pub width: u8,
    pub shift: u8,
}

/// A `.shared` variable of module scope; each entry that names it has its own.
#[derive(Debug, Clone)]
pub struct SharedVariable {
    pub name: String,
    pub size: u64,
    pub align: u64,
    /// `.extern`: begins where the launch's dynamic shared memory does.
    pub dynamic: bool,
}

/// An entry or function: its signature, and where its body is.
#[derive(Debug)]
pub struct Function {
    pub name: String,
    pub entry: bool,
    pub returns: Vec<ParamDecl>,
    pub params: Vec<ParamDecl>,
    /// Byte after `{`, and its line. `None`: declared only.
    pub body: Option<(usize, u32)>,
}

/// One formal parameter; `offset` is its place in the parameter block.
#[derive(Debug, Clone)]
pub struct ParamDecl {
    pub name: String,
    pub offset: u32,
    pub size: u32,
    pub align: u32,
    /// An array, or declared by `.param`: it has an address. Otherwise a `.reg` of this type.
    pub register: Option<String>,
}

impl Program {
    /// Finds entries, functions and variables.
    pub fn index(text: &str) -> Result<Program, PtxError> {
        let text = text.trim_end_matches('\0');
        let mut program = Program {
            text: text.to_owned(),
            entries: Vec::new(),
            entry_index: HashMap::new(),
            variables: Vec::new(),
            shared: Vec::new(),
            functions: Vec::new(),
            function_index: HashMap::new(),
        };
        let mut lexer = Lexer::new(text, 0, 1);
        let mut versioned = false;
        loop {
            match lexer.next()? {
                Token::End if versioned => return Ok(program),
                Token::End => return lexer.fail("no .version: this is no PTX"),
                Token::Word(".version") => {
                    versioned = true;
                    lexer.next()?;
                }
                Token::Word(".target") => {
                    lexer.word()?;
                    while lexer.accept(b',')? {
                        lexer.word()?;
                    }
                }
                Token::Word(".address_size") => {
                    if lexer.integer()? != 64 {
                        return lexer.fail("only 64-bit addresses are supported");
                    }
                }
                Token::Word(word) => program.module_directive(word, &mut lexer)?,
                Token::Mark(b';') => {}
                Token::Mark(b'@') => lexer.skip_line()?,
                other => return lexer.fail(format!("{other:?} at module scope")),
            }
        }
    }

    pub fn entries(&self) -> impl Iterator<Item = &EntryInfo> {
        self.entries.iter()
    }

    pub fn entry(&self, name: &str) -> Option<&EntryInfo> {
        self.entry_index.get(name).map(|&i| &self.entries[i])
    }

    /// Variables in `.global` and `.const`, in the order of the text.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// What a pointer to this function holds, for relocations that name one. Valid within this program.
    pub fn function_address(&self, name: &str) -> Option<u64> {
        self.function_number(name).map(|n| FUNCTION_WINDOW + n as u64 * FUNCTION_STRIDE)
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn function_number(&self, name: &str) -> Option<usize> {
        self.function_index.get(name).copied()
    }

    fn module_directive(&mut self, word: &str, lexer: &mut Lexer) -> Result<(), PtxError> {
        let mut external = false;
        let mut word = word;
        while matches!(word, ".visible" | ".weak" | ".common" | ".extern") {
            external |= word == ".extern";
            word = lexer.word()?;
        }
        match word {
            ".entry" => self.function(lexer, true),
            ".func" => self.function(lexer, false),
            ".global" | ".const" | ".shared" => self.variable(word, lexer, external),
            ".file" | ".loc" => lexer.skip_line(),
            ".section" => {
                while lexer.next()? != Token::Mark(b'{') {
                    if lexer.peek()? == Token::End {
                        return lexer.fail("`.section` without a body");
                    }
                }
                lexer.skip_body()
            }
            // References to textures name hardware that is not here; an entry that uses one fails by the symbol's name.
            ".tex" | ".pragma" | ".alias" => skip_to_semicolon(lexer),
            _ => lexer.fail(format!("`{word}` at module scope")),
        }
    }

    fn function(&mut self, lexer: &mut Lexer, entry: bool) -> Result<(), PtxError> {
        while matches!(lexer.peek()?, Token::Word(".attribute")) {
            lexer.next()?;
            skip_parentheses(lexer)?;
        }
        let returns = if lexer.peek()? == Token::Mark(b'(') { formal_params(lexer)? } else { Vec::new() };
        let name = lexer.word()?.to_owned();
        let params = if lexer.peek()? == Token::Mark(b'(') { formal_params(lexer)? } else { Vec::new() };
        let mut info = EntryInfo {
            name: name.clone(),
            params: params
                .iter()
                .map(|p| ParamInfo { offset: p.offset, size: p.size, align: p.align })
                .collect(),
            param_bytes: params.last().map_or(0, |p| p.offset + p.size),
            max_threads: None,
            required_threads: None,
            min_blocks: None,
        };
        let mut function = Function { name, entry, returns, params, body: None };
        loop {
            match lexer.next()? {
                Token::Mark(b';') => break,
                Token::Mark(b'{') => {
                    function.body = Some((lexer.position(), lexer.line()));
                    lexer.skip_body()?;
                    break;
                }
                Token::Word(word) => entry_directive(word, lexer, &mut info)?,
                Token::Text(_) | Token::Int(_) | Token::Mark(b',') => {}
                other => return lexer.fail(format!("{other:?} after the parameters of `{}`", function.name)),
            }
        }
        self.add_function(function, info);
        Ok(())
    }

    /// A definition takes the place of a declaration; of two definitions (`.weak`) the first stays.
    fn add_function(&mut self, function: Function, info: EntryInfo) {
        let (name, defined) = (function.name.clone(), function.body.is_some());
        if function.entry && defined && !self.entry_index.contains_key(&name) {
            self.entry_index.insert(name.clone(), self.entries.len());
            self.entries.push(info);
        }
        match self.function_index.get(&name) {
            Some(&number) => {
                if self.functions[number].body.is_none() {
                    self.functions[number] = function;
                }
            }
            None => {
                self.function_index.insert(name, self.functions.len());
                self.functions.push(function);
            }
        }
    }

    fn variable(&mut self, space: &str, lexer: &mut Lexer, external: bool) -> Result<(), PtxError> {
        let mut decl = VariableDecl::default();
        decl.read_head(lexer)?;
        loop {
            let mut one = decl.clone();
            one.read_name(lexer)?;
            if lexer.accept(b'=')? {
                one.read_initialiser(lexer)?;
            }
            let size = one.size();
            if size > VARIABLE_BYTES_MAX {
                return lexer.fail(format!("`{}` has {size} bytes", one.name));
            }
            if space == ".shared" {
                self.shared.push(SharedVariable {
                    name: one.name,
                    size,
                    align: one.align,
                    dynamic: external,
                });
            } else if !self.variables.iter().any(|v| v.name == one.name && !v.external) {
                self.variables.retain(|v| v.name != one.name);
                self.variables.push(Variable {
                    name: one.name,
                    space: if space == ".const" { Space::Const } else { Space::Global },
                    size,
                    align: one.align,
                    init: one.init,
                    relocations: one.relocations,
                    managed: one.managed,
                    external,
                });
            }
            match lexer.next()? {
                Token::Mark(b';') => return Ok(()),
                Token::Mark(b',') => {}
                other => return lexer.fail(format!("{other:?} in a declaration")),
            }
        }
    }
}

/// A variable declaration being read: at module scope, in a body, or a parameter.
#[derive(Debug, Clone, Default)]
pub struct VariableDecl {
    pub name: String,
    pub ty: String,
    pub align: u64,
    pub managed: bool,
    /// Bytes of one element, and of a scalar in it (`.v2 .f32`: 8 and 4).
    pub element: u64,
    scalar: u64,
    dims: Vec<u64>,
    pub array: bool,
    pub init: Vec<u8>,
    pub relocations: Vec<Reloc>,
}

impl VariableDecl {
    /// Everything before the name: alignment, attributes, vector, type.
    pub fn read_head(&mut self, lexer: &mut Lexer) -> Result<(), PtxError> {
        let (mut vector, mut pointer) = (1, false);
        while let Token::Word(word) = lexer.peek()? {
            if !word.starts_with('.') {
                break;
            }
            lexer.next()?;
            match word {
                // After `.ptr` the alignment is that of what is pointed to.
                ".align" => {
                    let align = lexer.integer()?;
                    if !(1..=4096).contains(&align) || align & (align - 1) != 0 {
                        return lexer.fail(format!("alignment {align}"));
                    }
                    if !pointer {
                        self.align = align as u64;
                    }
                }
                ".ptr" => pointer = true,
                ".attribute" => {
                    let mut ahead = lexer.clone();
                    ahead.expect(b'(')?;
                    self.managed |= ahead.next()? == Token::Word(".managed");
                    skip_parentheses(lexer)?;
                }
                ".v2" => vector = 2,
                ".v4" => vector = 4,
                _ => match scalar_bytes(&word[1..]) {
                    Some(bytes) if !pointer || self.ty.is_empty() => {
                        self.scalar = bytes;
                        self.ty = word[1..].to_owned();
                    }
                    _ if pointer => {}
                    _ => return lexer.fail(format!("`{word}` is no type")),
                },
            }
        }
        if self.scalar == 0 {
            return lexer.fail("declaration without a type");
        }
        self.element = self.scalar * vector;
        self.align = self.align.max(if self.align == 0 { self.element } else { 1 });
        Ok(())
    }

    /// The name and its array dimensions.
    pub fn read_name(&mut self, lexer: &mut Lexer) -> Result<(), PtxError> {
        self.name = lexer.word()?.to_owned();
        while lexer.accept(b'[')? {
            self.array = true;
            let dim = if lexer.peek()? == Token::Mark(b']') { 0 } else { lexer.integer()? };
            if dim < 0 {
                return lexer.fail(format!("array of {dim} elements"));
            }
            self.dims.push(dim as u64);
            lexer.expect(b']')?;
        }
        Ok(())
    }

    /// Total bytes. An array without a length is as long as its initialiser.
    pub fn size(&self) -> u64 {
        let declared = self.dims.iter().fold(self.element, |all, &dim| all.saturating_mul(dim));
        declared.max(self.init.len() as u64)
    }

    fn read_initialiser(&mut self, lexer: &mut Lexer) -> Result<(), PtxError> {
        let mut depth = 0u32;
        loop {
            match lexer.peek()? {
                Token::Mark(b'{') => {
                    lexer.next()?;
                    depth += 1;
                }
                Token::Mark(b'}') if depth > 0 => {
                    lexer.next()?;
                    depth -= 1;
                }
                Token::Mark(b',') if depth > 0 => {
                    lexer.next()?;
                }
                Token::End => return lexer.fail("initialiser is never closed"),
                _ => self.read_value(lexer)?,
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    fn read_value(&mut self, lexer: &mut Lexer) -> Result<(), PtxError> {
        let negative = lexer.accept(b'-')?;
        let width = self.scalar as usize;
        let value = match lexer.next()? {
            Token::Int(mask) if lexer.peek()? == Token::Mark(b'(') => {
                lexer.expect(b'(')?;
                let symbol = lexer.word()?.to_owned();
                let addend = optional_addend(lexer)?;
                lexer.expect(b')')?;
                self.relocate(symbol, addend, (mask as u64).trailing_zeros() as u8);
                0
            }
            Token::Int(value) if matches!(self.ty.as_str(), "f32" | "f64") => {
                float_bits(value as f64, width, negative)
            }
            Token::Int(value) => {
                if negative {
                    value.wrapping_neg() as u64
                } else {
                    value as u64
                }
            }
            Token::Float32(bits) if width == 4 => u64::from(bits) ^ (u64::from(negative) << 31),
            Token::Float32(bits) => float_bits(f64::from(f32::from_bits(bits)), width, negative),
            Token::Float64(bits) => float_bits(f64::from_bits(bits), width, negative),
            Token::Word("generic") => {
                lexer.expect(b'(')?;
                let symbol = lexer.word()?.to_owned();
                lexer.expect(b')')?;
                let addend = optional_addend(lexer)?;
                self.relocate(symbol, addend, 0);
                0
            }
            Token::Word(symbol) => {
                let addend = optional_addend(lexer)?;
                self.relocate(symbol.to_owned(), addend, 0);
                0
            }
            other => return lexer.fail(format!("{other:?} in an initialiser")),
        };
        self.init.extend_from_slice(&value.to_le_bytes()[..width.min(8)]);
        Ok(())
    }

    fn relocate(&mut self, symbol: String, addend: i64, shift: u8) {
        self.relocations.push(Reloc {
            offset: self.init.len() as u64,
            symbol,
            addend,
            width: self.scalar as u8,
            shift,
        });
    }
}

/// Bytes of a scalar type by name without its dot.
pub fn scalar_bytes(name: &str) -> Option<u64> {
    Some(match name {
        "b8" | "u8" | "s8" => 1,
        "b16" | "u16" | "s16" | "f16" | "bf16" => 2,
        "b32" | "u32" | "s32" | "f32" | "f16x2" | "bf16x2" | "tf32" => 4,
        "b64" | "u64" | "s64" | "f64" => 8,
        "b128" => 16,
        _ => return None,
    })
}

fn float_bits(value: f64, width: usize, negative: bool) -> u64 {
    let value = if negative { -value } else { value };
    if width == 4 { u64::from((value as f32).to_bits()) } else { value.to_bits() }
}

fn optional_addend(lexer: &mut Lexer) -> Result<i64, PtxError> {
    match lexer.peek()? {
        Token::Mark(b'+') => {
            lexer.next()?;
            lexer.integer()
        }
        Token::Mark(b'-') => lexer.integer(),
        _ => Ok(0),
    }
}

/// `(.param .u64 a, .param .align 8 .b8 b[24])`, laid out one after another as CUDA does.
pub fn formal_params(lexer: &mut Lexer) -> Result<Vec<ParamDecl>, PtxError> {
    lexer.expect(b'(')?;
    let mut params = Vec::new();
    let mut offset = 0u64;
    while !lexer.accept(b')')? {
        let space = lexer.word()?;
        if !matches!(space, ".param" | ".reg") {
            return lexer.fail(format!("`{space}` in a parameter list"));
        }
        let mut decl = VariableDecl::default();
        decl.read_head(lexer)?;
        decl.read_name(lexer)?;
        offset = offset.next_multiple_of(decl.align);
        let size = decl.size();
        let end = offset.saturating_add(size);
        if end > u64::from(u16::MAX) {
            return lexer.fail(format!("parameters of {end} bytes"));
        }
        params.push(ParamDecl {
            name: decl.name,
            offset: offset as u32,
            size: size as u32,
            align: decl.align as u32,
            register: (space == ".reg").then_some(decl.ty),
        });
        offset = end;
        if !lexer.accept(b',')? {
            lexer.expect(b')')?;
            break;
        }
    }
    Ok(params)
}

fn entry_directive(word: &str, lexer: &mut Lexer, info: &mut EntryInfo) -> Result<(), PtxError> {
    match word {
        ".maxntid" | ".reqntid" => {
            let mut dims = [1u32; 3];
            for (axis, dim) in dims.iter_mut().enumerate() {
                if axis > 0 && !lexer.accept(b',')? {
                    break;
                }
                *dim = match u32::try_from(lexer.integer()?) {
                    Ok(dim) if dim > 0 => dim,
                    _ => return lexer.fail(format!("`{word}` of no threads")),
                };
            }
            info.max_threads = Some(dims.iter().fold(1u32, |all, &dim| all.saturating_mul(dim)));
            if word == ".reqntid" {
                info.required_threads = Some(dims);
            }
            Ok(())
        }
        ".minnctapersm" => {
            info.min_blocks = u32::try_from(lexer.integer()?).ok();
            Ok(())
        }
        // Hints for code generation, with their arguments skipped by the caller.
        ".maxnreg"
        | ".pragma"
        | ".noreturn"
        | ".maxclusterrank"
        | ".abi_preserve"
        | ".abi_preserve_control"
        | ".language" => Ok(()),
        _ => lexer.fail(format!("`{word}` is not supported on an entry")),
    }
}

fn skip_parentheses(lexer: &mut Lexer) -> Result<(), PtxError> {
    lexer.expect(b'(')?;
    let mut depth = 1;
    while depth > 0 {
        match lexer.next()? {
            Token::Mark(b'(') => depth += 1,
            Token::Mark(b')') => depth -= 1,
            Token::End => return lexer.fail("`(` is never closed"),
            _ => {}
        }
    }
    Ok(())
}

fn skip_to_semicolon(lexer: &mut Lexer) -> Result<(), PtxError> {
    loop {
        match lexer.next()? {
            Token::Mark(b';') => return Ok(()),
            Token::End => return lexer.fail("`;` is missing"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = ".version 9.0\n.target sm_75\n.address_size 64\n";

    fn index(rest: &str) -> Result<Program, PtxError> {
        Program::index(&format!("{HEAD}{rest}"))
    }

    #[test]
    fn parameters_are_laid_out_as_cuda_lays_them_out() {
        let program = index(
            ".visible .entry k(.param .u8 a, .param .align 4 .b8 b[20], .param .f64 c,
              .param .u64 .ptr .global .align 16 d) .maxntid 32, 4 { ret; }",
        )
        .unwrap();
        let info = program.entry("k").unwrap();
        let layout: Vec<_> = info.params.iter().map(|p| (p.offset, p.size, p.align)).collect();
        assert_eq!(layout, [(0, 1, 1), (4, 20, 4), (24, 8, 8), (32, 8, 8)]);
        assert_eq!((info.param_bytes, info.max_threads), (40, Some(128)));
    }

    #[test]
    fn initialisers_become_bytes_and_relocations() {
        let program = index(
            ".global .align 4 .u32 a[4] = {1, -2, 0x10};
             .const .f32 f = 0f3F800000;
             .global .u64 p[3] = {a, generic(a)+8, 7};
             .global .align 8 .b8 q[2] = {0xFF(a), 0xFF00(a)};
             .global .attribute(.managed) .u32 m;
             .extern .shared .align 16 .b8 s[];",
        )
        .unwrap();
        let v = program.variables();
        assert_eq!(v[0].init, [1u32, -2i32 as u32, 16].map(u32::to_le_bytes).concat());
        assert_eq!(
            (v[0].size, v[1].space, v[1].init.as_slice()),
            (16, Space::Const, &[0, 0, 0x80, 0x3f][..])
        );
        let relocs: Vec<_> = v[2].relocations.iter().map(|r| (r.offset, r.addend, r.width)).collect();
        assert_eq!(relocs, [(0, 0, 8), (8, 8, 8)]);
        assert_eq!(v[3].relocations.iter().map(|r| r.shift).collect::<Vec<_>>(), [0, 8]);
        assert!(v[4].managed && program.shared[0].dynamic);
    }

    #[test]
    fn functions_have_addresses_that_no_memory_has() {
        let program = index(".func f() { ret; } .visible .entry k() { ret; }").unwrap();
        assert!(program.function_address("f").unwrap() >= 1 << 48);
        assert_eq!(program.function_address("g"), None);
    }

    #[test]
    fn malformed_modules_are_errors_with_their_line() {
        for (text, line) in [
            (".visible .entry k(.param .u64 a { }", 4),
            (".global .u32 a = {1, 2", 4),
            ("\n\n.frobnicate 3;", 6),
            (".entry k() { ", 4),
            (".global .align 3 .u32 a;", 4),
            (".entry k(.param .b8 a[99999]) {}", 4),
            (".global .b8 a[9000000000000000000][3];", 4),
        ] {
            match index(text) {
                Err(PtxError::Syntax { line: found, .. }) => assert_eq!(found, line, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        assert!(Program::index("hello").is_err());
        assert!(Program::index("").is_err());
    }
}
