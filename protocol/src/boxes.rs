//! Boxes of bytes, as copies move them: rows of equal length, some bytes apart, and slices of rows. A box that is two-dimensional has one
//! slice, one that is linear one row. Nothing here knows whose memory it is.

use crate::codec::{Decode, Encode};

/// Where a box begins in memory, and how its rows and slices lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Block {
    pub start: u64,
    /// From one row to the next.
    pub pitch: u64,
    /// Rows from one slice to the next.
    pub rows: u64,
}

/// How much is moved: bytes a row, rows a slice, slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Shape {
    pub width: u64,
    pub height: u64,
    pub depth: u64,
}

/// A part of a shape: where in it, and how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    pub x: u64,
    pub y: u64,
    pub z: u64,
    pub shape: Shape,
}

impl Block {
    pub fn linear(start: u64) -> Block {
        Block { start, pitch: 0, rows: 0 }
    }

    /// From the first byte to behind the last, if there is such a number: what must be reachable. The shape is not empty.
    pub fn span(&self, shape: Shape) -> Option<u64> {
        let rows = self.rows.checked_mul(shape.depth.checked_sub(1)?)?;
        let rows = rows.checked_add(shape.height.checked_sub(1)?)?;
        let bytes = rows.checked_mul(self.pitch)?.checked_add(shape.width)?;
        self.start.checked_add(bytes)?;
        Some(bytes)
    }

    /// Where a row begins. Within a shape whose [`Block::span`] is known this cannot overflow.
    pub fn row(&self, slice: u64, row: u64) -> u64 {
        self.start + (slice * self.rows + row) * self.pitch
    }

    /// The same rows and slices, beginning at a part.
    pub fn at(&self, part: &Part) -> Block {
        Block { start: self.row(part.z, part.y) + part.x, ..*self }
    }

    /// Whether a box of this shape has no gaps here.
    pub fn is_dense(&self, shape: Shape) -> bool {
        (shape.height == 1 || self.pitch == shape.width)
            && (shape.depth == 1
                || self.pitch.checked_mul(self.rows) == shape.width.checked_mul(shape.height))
    }
}

impl Shape {
    pub fn linear(width: u64) -> Shape {
        Shape { width, height: 1, depth: 1 }
    }

    pub fn is_empty(&self) -> bool {
        self.width == 0 || self.height == 0 || self.depth == 0
    }

    /// All bytes that move, if there is such a number.
    pub fn bytes(&self) -> Option<u64> {
        self.width.checked_mul(self.height)?.checked_mul(self.depth)
    }

    /// The box without gaps that these bytes fill from `start` on.
    pub fn dense(&self, start: u64) -> Block {
        Block { start, pitch: self.width, rows: self.height }
    }

    /// Parts of at most `most` bytes each, in order: whole slices where they fit, else whole rows, else pieces of rows.
    pub fn parts(self, most: u64) -> Parts {
        let fits = |one: u64, count: u64| most.checked_div(one).unwrap_or(0).clamp(1, count.max(1));
        let width = self.width.min(most);
        let height = if width < self.width { 1 } else { fits(width, self.height) };
        let depth = if height < self.height { 1 } else { fits(width.saturating_mul(height), self.depth) };
        Parts { whole: self, step: Shape { width, height, depth }, x: 0, y: 0, z: 0, done: self.is_empty() }
    }
}

pub struct Parts {
    whole: Shape,
    step: Shape,
    x: u64,
    y: u64,
    z: u64,
    done: bool,
}

impl Iterator for Parts {
    type Item = Part;

    fn next(&mut self) -> Option<Part> {
        if self.done {
            return None;
        }
        let Parts { whole, step, x, y, z, .. } = *self;
        let shape = Shape {
            width: step.width.min(whole.width - x),
            height: step.height.min(whole.height - y),
            depth: step.depth.min(whole.depth - z),
        };
        self.x += shape.width;
        if self.x == whole.width {
            (self.x, self.y) = (0, y + shape.height);
        }
        if self.y == whole.height {
            (self.y, self.z) = (0, z + shape.depth);
        }
        self.done = self.z == whole.depth;
        Some(Part { x, y, z, shape })
    }
}

/// The same bytes of two boxes in fewer, longer rows, where both sides allow it.
pub fn flatten(a: Block, b: Block, shape: Shape) -> (Block, Block, Shape) {
    let linear = |bytes| (Block::linear(a.start), Block::linear(b.start), Shape::linear(bytes));
    match shape.bytes() {
        Some(bytes) if a.is_dense(shape) && b.is_dense(shape) => linear(bytes),
        _ => (a, b, shape),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_every_byte_once_and_none_is_too_large() {
        for (width, height, depth) in [(1, 1, 1), (10, 7, 5), (100, 3, 2), (33, 1, 9), (1, 50, 3), (64, 2, 2)]
        {
            for most in [1, 7, 32, 64, 100, 10_000] {
                let whole = Shape { width, height, depth };
                let mut seen = vec![0u8; whole.bytes().unwrap() as usize];
                let dense = whole.dense(0);
                for part in whole.parts(most) {
                    assert!(part.shape.bytes().unwrap() <= most, "{whole:?} by {most}: {part:?}");
                    let block = dense.at(&part);
                    for z in 0..part.shape.depth {
                        for y in 0..part.shape.height {
                            let from = block.row(z, y) as usize;
                            seen[from..from + part.shape.width as usize]
                                .iter_mut()
                                .for_each(|count| *count += 1);
                        }
                    }
                }
                assert!(seen.iter().all(|count| *count == 1), "{whole:?} by {most}");
            }
        }
    }

    #[test]
    fn a_box_that_runs_around_the_world_has_no_span() {
        let shape = Shape { width: 16, height: 4, depth: 2 };
        assert_eq!(Block { start: 100, pitch: 32, rows: 10 }.span(shape), Some(13 * 32 + 16));
        for block in [
            Block { start: u64::MAX - 8, pitch: 32, rows: 10 },
            Block { start: 0, pitch: u64::MAX, rows: 10 },
            Block { start: 0, pitch: 1 << 40, rows: 1 << 40 },
            Block { start: 0, pitch: 32, rows: u64::MAX },
        ] {
            assert_eq!(block.span(shape), None, "{block:?}");
        }
        assert_eq!(Block::linear(0).span(Shape { height: 0, ..shape }), None);
    }

    #[test]
    fn dense_boxes_become_one_row() {
        let shape = Shape { width: 16, height: 4, depth: 2 };
        let dense = shape.dense(1000);
        assert_eq!(flatten(dense, shape.dense(0), shape).2, Shape::linear(128));
        assert_eq!(flatten(dense, Block { start: 0, pitch: 17, rows: 4 }, shape).2, shape);
        assert_eq!(flatten(dense, Block { start: 0, pitch: 16, rows: 5 }, shape).2, shape);
    }
}
