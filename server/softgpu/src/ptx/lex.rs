//! PTX text into tokens. Knows words, numbers, strings, comments; nothing of grammar.

use super::PtxError;

/// One token. Opcodes with their modifiers (`ld.global.L2::128B.u32`), directives (`.reg`), registers (`%r1`, `%tid.x`)
/// and symbols are each one word.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Token<'a> {
    Word(&'a str),
    /// As written: a decimal or hexadecimal integer, wrapped into 64 bits.
    Int(i64),
    /// `0f…` keeps its 32 bits, `0d…` and decimal fractions their 64.
    Float32(u32),
    Float64(u64),
    Text(&'a str),
    Mark(u8),
    End,
}

/// Reads tokens, knows the line, and can be copied to look ahead.
#[derive(Clone)]
pub struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: u32,
}

impl<'a> Lexer<'a> {
    /// Starts at byte `at`, which is on line `line`.
    pub fn new(text: &'a str, at: usize, line: u32) -> Self {
        Self { text, at, line }
    }

    pub fn line(&self) -> u32 {
        self.line
    }

    pub fn position(&self) -> usize {
        self.at
    }

    pub fn fail<T>(&self, what: impl Into<String>) -> Result<T, PtxError> {
        Err(PtxError::Syntax { line: self.line, what: what.into() })
    }

    pub fn peek(&self) -> Result<Token<'a>, PtxError> {
        self.clone().next()
    }

    /// Consumes the mark if it is next.
    pub fn accept(&mut self, mark: u8) -> Result<bool, PtxError> {
        let mut ahead = self.clone();
        let hit = ahead.next()? == Token::Mark(mark);
        if hit {
            *self = ahead;
        }
        Ok(hit)
    }

    pub fn expect(&mut self, mark: u8) -> Result<(), PtxError> {
        match self.next()? {
            Token::Mark(m) if m == mark => Ok(()),
            other => self.fail(format!("expected `{}`, found {other:?}", mark as char)),
        }
    }

    pub fn word(&mut self) -> Result<&'a str, PtxError> {
        match self.next()? {
            Token::Word(word) => Ok(word),
            other => self.fail(format!("expected a name, found {other:?}")),
        }
    }

    /// An integer with an optional sign.
    pub fn integer(&mut self) -> Result<i64, PtxError> {
        let negative = self.accept(b'-')?;
        match self.next()? {
            Token::Int(value) => Ok(if negative { value.wrapping_neg() } else { value }),
            other => self.fail(format!("expected an integer, found {other:?}")),
        }
    }

    /// The next token; `End` at the end of the text, again and again.
    pub fn next(&mut self) -> Result<Token<'a>, PtxError> {
        self.skip_blank()?;
        let bytes = self.text.as_bytes();
        let Some(&first) = bytes.get(self.at) else { return Ok(Token::End) };
        match first {
            b'0'..=b'9' => self.number(),
            b'"' => self.string(),
            _ if is_word_start(first) => Ok(self.take_word()),
            0x21..=0x7e => {
                self.at += 1;
                Ok(Token::Mark(first))
            }
            _ => self.fail(format!("stray byte {first:#04x}")),
        }
    }

    /// Skips a body whose `{` has been consumed, up to and including its `}`, without making tokens.
    pub fn skip_body(&mut self) -> Result<(), PtxError> {
        let bytes = self.text.as_bytes();
        let (mut depth, opened) = (1u32, self.line);
        while let Some(&byte) = bytes.get(self.at) {
            match byte {
                b'\n' => self.line += 1,
                b'{' => depth += 1,
                b'}' => depth -= 1,
                b'/' if matches!(bytes.get(self.at + 1), Some(b'/' | b'*')) => {
                    self.skip_blank()?;
                    continue;
                }
                b'"' => {
                    self.string()?;
                    continue;
                }
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
        self.fail(format!("`{{` of line {opened} is never closed"))
    }

    /// Directives of debug information end with their line.
    pub fn skip_line(&mut self) -> Result<(), PtxError> {
        let line = self.line;
        loop {
            let mut ahead = self.clone();
            if ahead.next()? == Token::End || ahead.line != line {
                return Ok(());
            }
            *self = ahead;
        }
    }

    fn skip_blank(&mut self) -> Result<(), PtxError> {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            match byte {
                b'\n' => {
                    self.line += 1;
                    self.at += 1;
                }
                b' ' | b'\t' | b'\r' | 0x0b | 0x0c => self.at += 1,
                b'/' if bytes.get(self.at + 1) == Some(&b'/') => {
                    let rest = &bytes[self.at..];
                    self.at += rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
                }
                b'/' if bytes.get(self.at + 1) == Some(&b'*') => {
                    let Some(length) = self.text[self.at..].find("*/") else {
                        return self.fail("comment is never closed");
                    };
                    let comment = &bytes[self.at..self.at + length];
                    self.line += comment.iter().filter(|&&b| b == b'\n').count() as u32;
                    self.at += length + 2;
                }
                _ => break,
            }
        }
        Ok(())
    }

    fn take_word(&mut self) -> Token<'a> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        self.at += 1;
        while let Some(&byte) = bytes.get(self.at) {
            if is_word_part(byte) {
                self.at += 1;
            } else if byte == b':' && bytes.get(self.at + 1) == Some(&b':') {
                self.at += 2;
            } else {
                break;
            }
        }
        Token::Word(&self.text[start..self.at])
    }

    fn string(&mut self) -> Result<Token<'a>, PtxError> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let mut at = start;
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'\\' => at += 1,
                b'\n' => break,
                b'"' => {
                    self.at = at + 1;
                    return Ok(Token::Text(&self.text[start..at]));
                }
                _ => {}
            }
            at += 1;
        }
        self.fail("string is never closed")
    }

    fn number(&mut self) -> Result<Token<'a>, PtxError> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let hex = |c: u8| c.is_ascii_hexdigit();
        let bits = |word: &str, digits: usize| -> Option<u64> {
            (word.len() == digits + 2).then(|| u64::from_str_radix(&word[2..], 16).ok()).flatten()
        };
        let mut end = start + 1;
        let kind = if first_is_zero(bytes, start) { bytes.get(end).copied().unwrap_or(0) } else { 0 };
        let decimal_end = |mut end: usize| {
            while let Some(&c) = bytes.get(end) {
                let exponent_sign =
                    matches!(c, b'+' | b'-') && matches!(bytes[end - 1], b'e' | b'E') && end > start + 1;
                if !(c.is_ascii_digit() || matches!(c, b'.' | b'e' | b'E') || exponent_sign) {
                    break;
                }
                end += 1;
            }
            end
        };
        let radix = match kind {
            b'f' | b'F' | b'd' | b'D' | b'x' | b'X' | b'b' | b'B' => {
                end += 1;
                while bytes.get(end).copied().is_some_and(hex) {
                    end += 1;
                }
                if matches!(kind, b'b' | b'B') { 2 } else { 16 }
            }
            _ => {
                end = decimal_end(end);
                10
            }
        };
        let word = &self.text[start..end];
        self.at = end;
        let token = match kind {
            b'f' | b'F' => bits(word, 8).map(|b| Token::Float32(b as u32)),
            b'd' | b'D' => bits(word, 16).map(Token::Float64),
            b'x' | b'X' | b'b' | b'B' => {
                u64::from_str_radix(&word[2..], radix).ok().map(|v| Token::Int(v as i64))
            }
            _ if word.contains(['.', 'e', 'E']) => {
                word.parse::<f64>().ok().map(|v| Token::Float64(v.to_bits()))
            }
            _ if word.len() > 1 && word.starts_with('0') => {
                u64::from_str_radix(word, 8).ok().map(|v| Token::Int(v as i64))
            }
            _ => word.parse::<u64>().ok().map(|v| Token::Int(v as i64)),
        };
        if matches!(token, Some(Token::Int(_))) && bytes.get(self.at) == Some(&b'U') {
            self.at += 1;
        }
        match token {
            Some(token) => Ok(token),
            None => self.fail(format!("`{word}` is no number")),
        }
    }
}

fn first_is_zero(bytes: &[u8], at: usize) -> bool {
    bytes[at] == b'0'
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'$' | b'%' | b'.')
}

fn is_word_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'%' | b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<Token<'_>> {
        let mut lexer = Lexer::new(text, 0, 1);
        let mut tokens = Vec::new();
        loop {
            match lexer.next().unwrap() {
                Token::End => return tokens,
                token => tokens.push(token),
            }
        }
    }

    #[test]
    fn numbers_of_every_spelling_are_read() {
        assert_eq!(
            all("0 12 0x1F 017 0b101 0f3F800000 0d3FF0000000000000 1.5 2e3 7U 18446744073709551615"),
            [
                Token::Int(0),
                Token::Int(12),
                Token::Int(31),
                Token::Int(15),
                Token::Int(5),
                Token::Float32(0x3f80_0000),
                Token::Float64(0x3ff0_0000_0000_0000),
                Token::Float64(1.5f64.to_bits()),
                Token::Float64(2000f64.to_bits()),
                Token::Int(7),
                Token::Int(-1),
            ]
        );
    }

    #[test]
    fn an_opcode_with_double_colons_is_one_word_and_a_label_is_not() {
        assert_eq!(
            all("ld.global.L2::128B.u32 $L__1:"),
            [Token::Word("ld.global.L2::128B.u32"), Token::Word("$L__1"), Token::Mark(b':')]
        );
    }

    #[test]
    fn lines_are_counted_through_comments() {
        let mut lexer = Lexer::new("a // x\n/* y\n y */ b \"}\"", 0, 1);
        lexer.next().unwrap();
        lexer.next().unwrap();
        assert_eq!(lexer.line(), 3);
    }

    #[test]
    fn unfinished_things_are_errors_and_not_panics() {
        for text in ["\"abc", "/* abc", "0f12", "0x", "09", "é"] {
            let mut lexer = Lexer::new(text, 0, 1);
            assert!(lexer.next().is_err(), "{text}");
        }
    }

    #[test]
    fn a_body_is_skipped_over_braces_in_comments_and_strings() {
        let text = "{ // }\n { \"}\" } /* } */ } after";
        let mut lexer = Lexer::new(text, 1, 1);
        lexer.skip_body().unwrap();
        assert_eq!(lexer.word().unwrap(), "after");
        assert!(Lexer::new("{ {", 1, 1).skip_body().is_err());
    }
}
