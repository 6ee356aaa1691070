//! Which instructions a text has, found without parsing it: a module is refused when it is loaded, not when it is launched. Each opcode
//! is decoded once, from where it first stands, with names that stand for nothing; what only its operands decide is met later.

use super::PtxError;
use super::lex::Lexer;
use super::lower::Lowering;
use super::parse;
use super::program::Program;
use std::collections::HashSet;

impl Program {
    /// Fails with the first instruction that the engine does not have.
    pub fn check_opcodes(&self) -> Result<(), PtxError> {
        let mut seen = HashSet::new();
        for function in &self.functions {
            let Some((position, line)) = function.body else { continue };
            let mut unsupported = Ok(());
            each_statement(self.text(), position, &mut |opcode, at| {
                if unsupported.is_ok() && seen.insert(opcode) {
                    unsupported = self.check_one(position, line, at);
                }
            });
            unsupported?;
        }
        Ok(())
    }

    fn check_one(&self, body: usize, body_line: u32, at: usize) -> Result<(), PtxError> {
        let lines = self.text().as_bytes()[body..at].iter().filter(|byte| **byte == b'\n').count() as u32;
        let mut lexer = Lexer::new(self.text(), at, body_line + lines);
        // Whatever else is wrong is said, with more knowledge, when the entry is compiled.
        let Ok(statement) = parse::one(&mut lexer) else { return Ok(()) };
        // Where control goes is a question of names.
        if matches!(statement.opcode.split('.').next(), Some("bra" | "brx" | "call")) {
            return Ok(());
        }
        match Lowering::new(self, &|_| Some(0)).try_one(&statement, body_line + lines) {
            Err(error @ PtxError::Unsupported { .. }) => Err(error),
            _ => Ok(()),
        }
    }
}

/// Calls `found` with each instruction's opcode and where it stands, in a body that begins there.
fn each_statement<'t>(text: &'t str, position: usize, found: &mut dyn FnMut(&'t str, usize)) {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (position, 1u32);
    let find = |from: usize, wanted: u8| bytes[from..].iter().position(|byte| *byte == wanted);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return,
            b'}' => depth -= 1,
            b'/' if bytes.get(at + 1) == Some(&b'/') => at += find(at, b'\n').unwrap_or(bytes.len() - at - 1),
            b'/' if bytes.get(at + 1) == Some(&b'*') => at += text[at..].find("*/").map_or(0, |end| end + 1),
            // A guard, which is no part of the opcode.
            b'@' => at += bytes[at..].iter().take_while(|byte| !byte.is_ascii_whitespace()).count() - 1,
            byte if is_of_word(*byte) => {
                let word = bytes[at..].iter().take_while(|byte| is_of_word(**byte)).count();
                let behind = bytes[at + word..].iter().find(|byte| !byte.is_ascii_whitespace());
                let name = &text[at..at + word];
                let is_label = behind == Some(&b':') || name.ends_with(':');
                let end = match name {
                    _ if is_label => Some(word),
                    ".loc" | ".file" => find(at, b'\n'),
                    _ => find(at, b';'),
                };
                if !is_label && !name.starts_with('.') {
                    found(name, at);
                }
                at += end.unwrap_or(bytes.len() - at - 1);
            }
            _ => {}
        }
        at += 1;
    }
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'$' | b'%' | b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opcodes(body: &str) -> Vec<&str> {
        let mut found = Vec::new();
        each_statement(body, 0, &mut |opcode, _| found.push(opcode));
        found
    }

    #[test]
    fn opcodes_are_found_behind_guards_labels_comments_and_directives() {
        let body = ".reg .b32 %r<4>; .loc 1 2 3\n// add;\n$L_1: @!%p1 mov.u32 %r1, 4;\n{ call (r), f, (a); }\n/* x; */
            mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%a}, {%b};\nL: ret; } not.here;";
        assert_eq!(
            opcodes(body),
            ["mov.u32", "call", "mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64", "ret"]
        );
    }

    #[test]
    fn bodies_that_never_end_are_read_to_their_end() {
        for body in ["add", "@", "{", "/* ", "// ", ".loc 1", "L:", "a;\n@%p", ".reg"] {
            opcodes(body);
        }
    }

    #[test]
    fn an_instruction_that_is_not_built_is_named_with_its_line() {
        let text = |opcode: &str| {
            format!(
                ".version 8.0\n.target sm_86\n.address_size 64\n.visible .entry e()\n{{\n ret;\n{opcode};\n}}"
            )
        };
        let check = |opcode: &str| Program::index(&text(opcode)).unwrap().check_opcodes();
        let line = 7;
        for opcode in ["wgmma.fence.sync.aligned", "sust.p.2d.v4.b32.trap [s, {%a,%b}], {%c,%d,%e,%f}"] {
            assert!(
                matches!(check(opcode), Err(PtxError::Unsupported { line: found, .. }) if found == line),
                "{opcode}"
            );
        }
        for opcode in
            ["add.s32 %r1, %r2, 4", "@%p bra L", "call (r), f, (a)", "ld.global.v4.f32 {%a,%b,%c,%d}, [x+4]"]
        {
            assert_eq!(check(opcode), Ok(()), "{opcode}");
        }
    }
}
