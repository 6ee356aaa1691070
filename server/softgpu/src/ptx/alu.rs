//! The straight-line arithmetic of the interpreter: pure functions over the lanes of a warp, chosen by opcode
//! text once, when an entry is lowered. Not here: whatever touches memory, control flow, predicates or other lanes.
//!
//! | part | what |
//! |---|---|
//! | [`lanes`] | an operation on one lane, made into one on 32; `wide` is the same code compiled for AVX2 |
//! | [`value`] | what a lane's 64 bits mean as each PTX type |
//! | `integer`, `bits`, `float`, `half`, `convert`, `packed` | the operations, one family a file |
//! | `exact` | floating point in integers, rounded once: directed modes and narrow formats |
//! | `matrix` | what a warp multiplies together, and which lane holds which element |
//! | `compare`, `carry`, `atomic` | comparisons, extended precision, the scalar step of atom and red |

mod atomic;
mod bits;
mod carry;
mod compare;
mod convert;
mod exact;
mod float;
mod half;
mod integer;
mod lanes;
mod matrix;
mod packed;
#[cfg(test)]
mod tests;
mod value;
mod wide;

pub use atomic::{AtomFn, atom};
pub use bits::{FourFn, four, lop3};
pub use carry::{CarryFn, carry};
pub use compare::{CompareFn, compare, test};
pub use matrix::{Arrangement, Cell, Element, Form, Matrix, Role, Sides, Sum, multiply};

pub const LANES: usize = 32;

/// One register of a warp: a value a lane, in its low bits. Upper bits beyond the type's width are unspecified
/// when read; functions write zero-extended values (cvt to .s8 and .s16: sign-extended to 32 bits, as PTX says).
pub type Lanes = [u64; LANES];

/// d, then the sources (unused ones are any register). Writes only the lanes of the mask.
pub type LaneFn = fn(d: &mut Lanes, a: &Lanes, b: &Lanes, c: &Lanes, mask: u32);

#[derive(Debug, Clone, Copy)]
pub struct Alu {
    pub run: LaneFn,
    pub sources: u8,
}

/// The lane function of a full opcode with its modifiers, `None` where there is none.
pub fn alu(opcode: &str) -> Option<Alu> {
    let op = Opcode::parse(opcode);
    integer::find(&op)
        .or_else(|| bits::find(&op))
        .or_else(|| float::find(&op))
        .or_else(|| half::find(&op))
        .or_else(|| convert::find(&op))
}

/// An opcode with the modifiers that every family shares taken out of its text.
struct Opcode {
    /// What is left: "add.f32", "mul.wide.s32", "cvt.s32.f32", "rcp.approx.f32".
    text: String,
    /// The last dot of `text` parts these: "mul.wide" and "s32".
    dot: usize,
    round: Option<Round>,
    ftz: bool,
    sat: bool,
}

/// To nearest even, toward zero, down, up: for floating results (`.rn`) and for integral ones (`.rni`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    Nearest,
    Zero,
    Down,
    Up,
    /// To nearest, ties away from zero: only `cvt.rna`.
    Away,
}

impl Opcode {
    fn parse(opcode: &str) -> Opcode {
        let mut op = Opcode { text: String::new(), dot: 0, round: None, ftz: false, sat: false };
        for part in opcode.split('.') {
            match part {
                "rn" | "rni" => op.round = Some(Round::Nearest),
                "rz" | "rzi" => op.round = Some(Round::Zero),
                "rm" | "rmi" => op.round = Some(Round::Down),
                "rp" | "rpi" => op.round = Some(Round::Up),
                "rna" => op.round = Some(Round::Away),
                "ftz" => op.ftz = true,
                "sat" => op.sat = true,
                _ => {
                    op.dot = op.text.len();
                    op.text.push_str(if op.text.is_empty() { "" } else { "." });
                    op.text.push_str(part);
                }
            }
        }
        op
    }

    fn name(&self) -> &str {
        &self.text[..self.dot]
    }

    fn ty(&self) -> &str {
        self.text[self.dot..].trim_start_matches('.')
    }

    /// Without modifier of rounding, flushing or saturation.
    fn is_plain(&self) -> bool {
        self.round.is_none() && !self.ftz && !self.sat
    }
}
