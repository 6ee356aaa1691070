//! What streams and graphs do to memory: which bytes each piece of work reads and writes, and what becomes of them.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use crate::program::Kind;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub buffer: usize,
    pub offset: usize,
}

/// Kernels count in words of 32 bits.
#[derive(Debug, Clone, Copy)]
pub enum Work {
    Kernel {
        kernel: Kernel,
        to: Place,
        words: usize,
        value: u32,
    },
    /// to[i] = 3 * from[i] + i
    Mix {
        to: Place,
        from: Place,
        words: usize,
    },
    /// to[0] += from[0] + from[1] + …
    Sum {
        to: Place,
        from: Place,
        words: usize,
    },
    Copy {
        to: Place,
        from: Place,
        shape: Shape,
    },
    /// Elements of 1, 2 or 4 bytes; the shape's width is in bytes.
    Set {
        to: Place,
        shape: Shape,
        element: usize,
        value: u32,
    },
    /// A function of the host, which sleeps first: to[i] = 3 * to[i] + value
    Host {
        to: Place,
        words: usize,
        value: u32,
        sleep_us: u64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// to[i] = value
    Fill,
    /// to[i] = 3 * to[i] + value
    Triple,
    /// The same after having turned in circles for so many turns.
    Slow { turns: u32 },
}

/// Bytes in rows in planes. A line is one row of one plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pub width: usize,
    pub height: usize,
    pub depth: usize,
    pub to_pitch: usize,
    pub from_pitch: usize,
}

pub struct Access {
    pub buffer: usize,
    pub bytes: Range<usize>,
    pub writes: bool,
}

/// A byte that nothing has written yet.
const UNDEFINED: u16 = 0x100;

#[derive(Clone)]
pub struct Buffer {
    pub kind: Kind,
    /// Of a pool, and freed in a stream's order.
    pub pooled: bool,
    bytes: Vec<u16>,
}

pub type Memory = BTreeMap<usize, Buffer>;

/// Why it has no result: a byte is read that nothing has written.
pub struct Undefined {
    pub buffer: usize,
}

impl Shape {
    pub fn line(width: usize) -> Self {
        Shape { width, height: 1, depth: 1, to_pitch: width, from_pitch: width }
    }

    pub fn is_line(&self) -> bool {
        self.height == 1 && self.depth == 1
    }

    /// From the first byte to behind the last.
    fn span(&self, pitch: usize) -> usize {
        (self.height * self.depth - 1) * pitch + self.width
    }

    fn rows(&self) -> Range<usize> {
        0..self.height * self.depth
    }
}

impl Work {
    /// What it touches. Rectangles and boxes count with all that lies between their rows.
    pub fn accesses(&self) -> Vec<Access> {
        let access = |place: Place, length, writes| Access {
            buffer: place.buffer,
            bytes: place.offset..place.offset + length,
            writes,
        };
        match *self {
            Work::Kernel { to, words, .. } | Work::Host { to, words, .. } => {
                vec![access(to, 4 * words, true)]
            }
            Work::Mix { to, from, words } => {
                vec![access(from, 4 * words, false), access(to, 4 * words, true)]
            }
            Work::Sum { to, from, words } => vec![access(from, 4 * words, false), access(to, 4, true)],
            Work::Copy { to, from, shape } => {
                vec![
                    access(from, shape.span(shape.from_pitch), false),
                    access(to, shape.span(shape.to_pitch), true),
                ]
            }
            Work::Set { to, shape, .. } => vec![access(to, shape.span(shape.to_pitch), true)],
        }
    }

    /// Whether their order matters.
    pub fn conflicts(&self, other: &Work) -> bool {
        let (mine, theirs) = (self.accesses(), other.accesses());
        mine.iter().any(|mine| theirs.iter().any(|theirs| mine.conflicts(theirs)))
    }

    /// Does it.
    pub fn apply(&self, memory: &mut Memory) -> Result<(), Undefined> {
        match *self {
            Work::Kernel { kernel: Kernel::Fill, to, words, value } => {
                (0..words).for_each(|i| put(memory, to, i, value));
            }
            Work::Kernel { to, words, value, .. } | Work::Host { to, words, value, .. } => {
                for i in 0..words {
                    let old = word(memory, to, i)?;
                    put(memory, to, i, old.wrapping_mul(3).wrapping_add(value));
                }
            }
            Work::Mix { to, from, words } => {
                for i in 0..words {
                    let old = word(memory, from, i)?;
                    put(memory, to, i, old.wrapping_mul(3).wrapping_add(i as u32));
                }
            }
            Work::Sum { to, from, words } => {
                let mut sum = word(memory, to, 0)?;
                for i in 0..words {
                    sum = sum.wrapping_add(word(memory, from, i)?);
                }
                put(memory, to, 0, sum);
            }
            Work::Copy { to, from, shape } => {
                for row in shape.rows() {
                    let start = from.offset + row * shape.from_pitch;
                    let bytes = memory[&from.buffer].bytes[start..start + shape.width].to_vec();
                    if bytes.contains(&UNDEFINED) {
                        return Err(Undefined { buffer: from.buffer });
                    }
                    let start = to.offset + row * shape.to_pitch;
                    bytes_of(memory, to)[start..start + shape.width].copy_from_slice(&bytes);
                }
            }
            Work::Set { to, shape, element, value } => {
                let pattern = value.to_le_bytes();
                for row in shape.rows() {
                    let start = to.offset + row * shape.to_pitch;
                    let row = &mut bytes_of(memory, to)[start..start + shape.width];
                    row.iter_mut()
                        .enumerate()
                        .for_each(|(at, byte)| *byte = u16::from(pattern[at % element]));
                }
            }
        }
        Ok(())
    }
}

impl Access {
    pub fn conflicts(&self, other: &Access) -> bool {
        self.buffer == other.buffer
            && (self.writes || other.writes)
            && self.bytes.start < other.bytes.end
            && other.bytes.start < self.bytes.end
    }
}

impl Buffer {
    pub fn new(kind: Kind, pooled: bool, bytes: usize) -> Self {
        Buffer { kind, pooled, bytes: vec![UNDEFINED; bytes] }
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What the host writes: each word the value plus its place.
    pub fn write(&mut self, value: u32) {
        for (i, word) in self.bytes.chunks_exact_mut(4).enumerate() {
            let bytes = value.wrapping_add(i as u32).to_le_bytes();
            word.iter_mut().zip(bytes).for_each(|(to, byte)| *to = u16::from(byte));
        }
    }

    pub fn expected(&self) -> Expected {
        Expected(self.bytes.clone())
    }
}

/// What a buffer must hold.
pub struct Expected(Vec<u16>);

impl Expected {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The first byte that is another, in words. What nothing has written may be anything.
    pub fn differs(&self, found: &[u8]) -> Option<String> {
        let wrong =
            |(expected, found): &(&u16, &u8)| **expected != UNDEFINED && **expected != u16::from(**found);
        let at = self.0.iter().zip(found).position(|pair| wrong(&pair))?;
        let count = self.0.iter().zip(found).filter(wrong).count();
        let word = at / 4 * 4;
        let expected: Vec<u8> = self.0[word..].iter().take(4).map(|byte| *byte as u8).collect();
        let found = &found[word..(word + 4).min(found.len())];
        Some(format!("{count} bytes are wrong, the first at {at}: {found:02x?} instead of {expected:02x?}"))
    }
}

fn bytes_of(memory: &mut Memory, place: Place) -> &mut [u16] {
    &mut memory.get_mut(&place.buffer).expect("the model has looked").bytes
}

fn word(memory: &Memory, place: Place, index: usize) -> Result<u32, Undefined> {
    let start = place.offset + 4 * index;
    let bytes = &memory[&place.buffer].bytes[start..start + 4];
    if bytes.contains(&UNDEFINED) {
        return Err(Undefined { buffer: place.buffer });
    }
    Ok(u32::from_le_bytes([bytes[0] as u8, bytes[1] as u8, bytes[2] as u8, bytes[3] as u8]))
}

fn put(memory: &mut Memory, place: Place, index: usize, value: u32) {
    let start = place.offset + 4 * index;
    let bytes = &mut bytes_of(memory, place)[start..start + 4];
    bytes.iter_mut().zip(value.to_le_bytes()).for_each(|(to, byte)| *to = u16::from(byte));
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Work::Kernel { kernel, to, words, value } => {
                write!(f, "{kernel:?} {to} words={words} value={value:#x}")
            }
            Work::Mix { to, from, words } => write!(f, "Mix {to} <- {from} words={words}"),
            Work::Sum { to, from, words } => write!(f, "Sum {to} <- {from} words={words}"),
            Work::Copy { to, from, shape } => write!(f, "copy {to} <- {from} {shape}"),
            Work::Set { to, shape, element, value } => {
                write!(f, "set{} {to} {shape} value={value:#x}", 8 * element)
            }
            Work::Host { to, words, value, sleep_us } => {
                write!(f, "host function {to} words={words} value={value:#x} sleeps {sleep_us} us")
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b{}+{}", self.buffer, self.offset)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shape { width, height, depth, to_pitch, from_pitch } = self;
        match self.is_line() {
            true => write!(f, "bytes={width}"),
            false => write!(f, "{width}x{height}x{depth} pitches={to_pitch},{from_pitch}"),
        }
    }
}
