//! One body of PTX into statements. Grammar only: what an opcode means, and what a name stands for, is `lower`'s.

use super::PtxError;
use super::lex::{Lexer, Token};
use super::program::{VariableDecl, formal_params};

/// Scopes may nest this deep; compilers make one or two levels.
const SCOPE_DEPTH_MAX: u32 = 64;

/// One item of a body, in the order of the text.
#[derive(Debug)]
pub struct Item<'a> {
    pub line: u32,
    pub kind: ItemKind<'a>,
}

#[derive(Debug)]
pub enum ItemKind<'a> {
    Open,
    Close,
    Label(&'a str),
    /// `.reg .b32 %r<5>`: `%r0` to `%r4`; without a count, one register of that name.
    Registers {
        ty: &'a str,
        name: &'a str,
        count: Option<u32>,
    },
    /// A variable in `.local`, `.shared` or `.param`.
    Variable {
        space: &'a str,
        decl: VariableDecl,
        external: bool,
    },
    /// `name: .branchtargets a, b;`
    BranchTargets {
        name: &'a str,
        labels: Vec<&'a str>,
    },
    /// `name: .callprototype (…) _ (…);` A call through a pointer repeats what it says.
    Prototype,
    Instruction(Statement<'a>),
}

/// `@!%p1 add.s32 %r1, %r2, 3;`
#[derive(Debug)]
pub struct Statement<'a> {
    /// The predicate's name, and whether it is negated.
    pub guard: Option<(&'a str, bool)>,
    pub opcode: &'a str,
    pub operands: Vec<Operand<'a>>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Operand<'a> {
    Name(&'a str),
    /// `!%p1`
    Not(&'a str),
    /// `symbol+4`
    Offset(&'a str, i64),
    Int(i64),
    Float32(u32),
    Float64(u64),
    /// `[base+offset]`; no base: an absolute address.
    Address(Option<&'a str>, i64),
    /// `[texture, {x, y}]`
    Image(&'a str, Vec<Operand<'a>>),
    /// `{a, b}`
    Vector(Vec<Operand<'a>>),
    /// `a|b`
    Pair(&'a str, &'a str),
    /// `(a, b)`, of calls
    List(Vec<Operand<'a>>),
    /// `_`
    Sink,
    /// A form that only instructions have which the engine does not: said when the opcode is looked at.
    Other,
}

/// Reads a whole body; the lexer stands after its `{`.
pub fn body(mut lexer: Lexer<'_>) -> Result<Vec<Item<'_>>, PtxError> {
    let mut items = Vec::new();
    let mut depth = 0u32;
    loop {
        let token = lexer.next()?;
        let line = lexer.line();
        let kind = match token {
            Token::Mark(b'}') if depth == 0 => return Ok(items),
            Token::Mark(b'}') => {
                depth -= 1;
                ItemKind::Close
            }
            Token::Mark(b'{') => {
                depth += 1;
                if depth > SCOPE_DEPTH_MAX {
                    return lexer.fail("scopes nest too deep");
                }
                ItemKind::Open
            }
            Token::Mark(b';') => continue,
            Token::Mark(b'@') => {
                let negated = lexer.accept(b'!')?;
                let guard = Some((lexer.word()?, negated));
                let opcode = lexer.word()?;
                ItemKind::Instruction(statement(&mut lexer, guard, opcode)?)
            }
            Token::Word(word) if word.starts_with('.') => {
                directive(&mut lexer, word, line, &mut items)?;
                continue;
            }
            Token::Word(word) if lexer.accept(b':')? => labelled(&mut lexer, word)?,
            Token::Word(word) => ItemKind::Instruction(statement(&mut lexer, None, word)?),
            other => return lexer.fail(format!("{other:?} where a statement was expected")),
        };
        items.push(Item { line, kind });
    }
}

/// One instruction without its guard, at which the lexer stands.
pub fn one<'a>(lexer: &mut Lexer<'a>) -> Result<Statement<'a>, PtxError> {
    let opcode = lexer.word()?;
    statement(lexer, None, opcode)
}

fn labelled<'a>(lexer: &mut Lexer<'a>, name: &'a str) -> Result<ItemKind<'a>, PtxError> {
    match lexer.peek()? {
        Token::Word(".branchtargets") => {
            lexer.next()?;
            let mut labels = vec![lexer.word()?];
            while lexer.accept(b',')? {
                labels.push(lexer.word()?);
            }
            lexer.expect(b';')?;
            Ok(ItemKind::BranchTargets { name, labels })
        }
        Token::Word(".callprototype") => {
            lexer.next()?;
            if lexer.peek()? == Token::Mark(b'(') {
                formal_params(lexer)?;
            }
            skip_to_semicolon(lexer)?;
            Ok(ItemKind::Prototype)
        }
        _ => Ok(ItemKind::Label(name)),
    }
}

fn directive<'a>(
    lexer: &mut Lexer<'a>,
    word: &'a str,
    line: u32,
    items: &mut Vec<Item<'a>>,
) -> Result<(), PtxError> {
    match word {
        ".reg" => registers(lexer, line, items),
        ".local" | ".shared" | ".param" => variables(lexer, word, line, false, items),
        ".extern" => {
            let space = lexer.word()?;
            variables(lexer, space, line, true, items)
        }
        ".loc" => lexer.skip_line(),
        ".pragma" | ".calltargets" => skip_to_semicolon(lexer),
        _ => lexer.fail(format!("`{word}` in a body")),
    }
}

fn registers<'a>(lexer: &mut Lexer<'a>, line: u32, items: &mut Vec<Item<'a>>) -> Result<(), PtxError> {
    let Some(ty) = lexer.word()?.strip_prefix('.') else {
        return lexer.fail("`.reg` without a type");
    };
    loop {
        let name = lexer.word()?;
        let count = if lexer.accept(b'<')? {
            let count = lexer.integer()?;
            lexer.expect(b'>')?;
            match u32::try_from(count) {
                Ok(count) => Some(count),
                Err(_) => return lexer.fail(format!("{count} registers")),
            }
        } else {
            None
        };
        items.push(Item { line, kind: ItemKind::Registers { ty, name, count } });
        if !lexer.accept(b',')? {
            return lexer.expect(b';');
        }
    }
}

fn variables<'a>(
    lexer: &mut Lexer<'a>,
    space: &'a str,
    line: u32,
    external: bool,
    items: &mut Vec<Item<'a>>,
) -> Result<(), PtxError> {
    let mut head = VariableDecl::default();
    head.read_head(lexer)?;
    loop {
        let mut decl = head.clone();
        decl.read_name(lexer)?;
        items.push(Item { line, kind: ItemKind::Variable { space, decl, external } });
        if !lexer.accept(b',')? {
            return lexer.expect(b';');
        }
    }
}

fn statement<'a>(
    lexer: &mut Lexer<'a>,
    guard: Option<(&'a str, bool)>,
    opcode: &'a str,
) -> Result<Statement<'a>, PtxError> {
    let mut operands = Vec::new();
    if !lexer.accept(b';')? {
        loop {
            operands.push(operand(lexer, 0)?);
            match lexer.next()? {
                Token::Mark(b';') => break,
                Token::Mark(b',') => {}
                other => return lexer.fail(format!("{other:?} after an operand of `{opcode}`")),
            }
        }
    }
    Ok(Statement { guard, opcode, operands })
}

fn operand<'a>(lexer: &mut Lexer<'a>, depth: u32) -> Result<Operand<'a>, PtxError> {
    if depth > 4 {
        return lexer.fail("operands nest too deep");
    }
    match lexer.next()? {
        Token::Word(name) => {
            if lexer.accept(b'|')? {
                return Ok(Operand::Pair(name, lexer.word()?));
            }
            match lexer.peek()? {
                _ if name == "_" => Ok(Operand::Sink),
                Token::Mark(b'+') => {
                    lexer.next()?;
                    Ok(Operand::Offset(name, lexer.integer()?))
                }
                Token::Mark(b'-') => Ok(Operand::Offset(name, lexer.integer()?)),
                _ => Ok(Operand::Name(name)),
            }
        }
        Token::Int(value) => Ok(Operand::Int(value)),
        Token::Float32(bits) => Ok(Operand::Float32(bits)),
        Token::Float64(bits) => Ok(Operand::Float64(bits)),
        Token::Mark(b'-') => match lexer.next()? {
            Token::Int(value) => Ok(Operand::Int(value.wrapping_neg())),
            Token::Float32(bits) => Ok(Operand::Float32(bits ^ 1 << 31)),
            Token::Float64(bits) => Ok(Operand::Float64(bits ^ 1 << 63)),
            other => lexer.fail(format!("{other:?} after `-`")),
        },
        Token::Mark(b'!') => Ok(Operand::Not(lexer.word()?)),
        Token::Mark(b'[') => address(lexer),
        Token::Mark(b'{') => Ok(Operand::Vector(several(lexer, b'}', depth)?)),
        Token::Mark(b'(') => Ok(Operand::List(several(lexer, b')', depth)?)),
        other => lexer.fail(format!("{other:?} where an operand was expected")),
    }
}

fn several<'a>(lexer: &mut Lexer<'a>, close: u8, depth: u32) -> Result<Vec<Operand<'a>>, PtxError> {
    let mut operands = Vec::new();
    if lexer.accept(close)? {
        return Ok(operands);
    }
    loop {
        operands.push(operand(lexer, depth + 1)?);
        if !lexer.accept(b',')? {
            lexer.expect(close)?;
            return Ok(operands);
        }
    }
}

/// `[%rd1]`, `[%rd1+16]`, `[symbol+-4]`, `[4096]`, `[texture, {x, y}]`; longer tensor coordinates and multicast forms are `Other`.
fn address<'a>(lexer: &mut Lexer<'a>) -> Result<Operand<'a>, PtxError> {
    let (base, mut offset) = match lexer.peek()? {
        Token::Word(name) => {
            lexer.next()?;
            (Some(name), 0)
        }
        _ => (None, lexer.integer()?),
    };
    match lexer.peek()? {
        Token::Mark(b'+') => {
            lexer.next()?;
            offset = lexer.integer()?.wrapping_add(offset);
        }
        Token::Mark(b'-') => offset = lexer.integer()?.wrapping_add(offset),
        _ => {}
    }
    if lexer.accept(b']')? {
        return Ok(Operand::Address(base, offset));
    }
    if let (Some(name), 0) = (base, offset)
        && lexer.accept(b',')?
        && lexer.peek()? == Token::Mark(b'{')
    {
        lexer.next()?;
        let coordinates = several(lexer, b'}', 0)?;
        if lexer.accept(b']')? {
            return Ok(Operand::Image(name, coordinates));
        }
    }
    while lexer.next()? != Token::Mark(b']') {
        if lexer.peek()? == Token::End {
            return lexer.fail("`[` is never closed");
        }
    }
    Ok(Operand::Other)
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

    fn one(text: &str) -> Statement<'_> {
        match body(Lexer::new(text, 0, 1)).unwrap().pop().unwrap().kind {
            ItemKind::Instruction(statement) => statement,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn operands_of_every_form_are_read() {
        let statement = one("@!%p1 op.x %r1|%p2, {%a, _}, [%rd1+-8], !%p, sym+4, -0f3F800000, (a, 1), _; }");
        assert_eq!((statement.guard, statement.opcode), (Some(("%p1", true)), "op.x"));
        assert_eq!(
            statement.operands,
            [
                Operand::Pair("%r1", "%p2"),
                Operand::Vector(vec![Operand::Name("%a"), Operand::Sink]),
                Operand::Address(Some("%rd1"), -8),
                Operand::Not("%p"),
                Operand::Offset("sym", 4),
                Operand::Float32(0xbf80_0000),
                Operand::List(vec![Operand::Name("a"), Operand::Int(1)]),
                Operand::Sink,
            ]
        );
    }

    #[test]
    fn a_statement_keeps_its_line() {
        let items = body(Lexer::new("\n ret;\n\n exit; }", 0, 10)).unwrap();
        assert_eq!(items.iter().map(|i| i.line).collect::<Vec<_>>(), [11, 13]);
    }

    #[test]
    fn broken_bodies_are_errors_and_not_panics() {
        for text in [
            "add",
            "add a b;",
            "{",
            "[",
            "add [a;",
            "@p",
            "L: .branchtargets",
            ".reg .b32 r<-1>; }",
            "add {{{{{{a",
        ] {
            assert!(body(Lexer::new(text, 0, 1)).is_err(), "{text}");
        }
    }
}
