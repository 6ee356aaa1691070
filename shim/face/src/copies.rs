//! What `CUDA_MEMCPY2D` and its kin say: read field by field, with every enum as the integer that it is in C, and reckoned out.
//! Whether the memory is there is for others to see.

use farwarp_protocol::boxes::{Block, Shape};

/// Where one side of a copy is, as the call says; `Unified` leaves it to the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Host,
    Device,
    Unified,
}

/// One side of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Memory {
        side: Side,
        block: Block,
    },
    /// An array, and where in it.
    Array {
        array: u64,
        x_bytes: u64,
        y: u64,
        z: u64,
    },
}

/// A copy as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoxCopy {
    pub to: Place,
    pub from: Place,
    pub shape: Shape,
}

/// One side of `CUDA_MEMCPY2D`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Side2D {
    pub x_bytes: u64,
    pub y: u64,
    pub memory_type: u32,
    pub host: u64,
    pub device: u64,
    pub array: u64,
    pub pitch: u64,
}

/// `CUDA_MEMCPY2D`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Memcpy2D {
    pub from: Side2D,
    pub to: Side2D,
    pub width_bytes: u64,
    pub height: u64,
}

/// One side of `CUDA_MEMCPY3D`, and of `CUDA_MEMCPY3D_PEER`, which has a context where the other is reserved.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Side3D {
    pub x_bytes: u64,
    pub y: u64,
    pub z: u64,
    pub lod: u64,
    pub memory_type: u32,
    pub host: u64,
    pub device: u64,
    pub array: u64,
    pub context: u64,
    pub pitch: u64,
    pub height: u64,
}

/// `CUDA_MEMCPY3D` and `CUDA_MEMCPY3D_PEER`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Memcpy3D {
    pub from: Side3D,
    pub to: Side3D,
    pub width_bytes: u64,
    pub height: u64,
    pub depth: u64,
}

/// One side of `CUDA_MEMCPY3D_BATCH_OP`: a pointer with its row length and layer height, or an array and where in it.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Operand3D {
    pub kind: u32,
    pub pointer: u64,
    pub row_bytes: u64,
    pub layer_rows: u64,
    pub room: u64,
}

/// `CUDA_MEMCPY3D_BATCH_OP`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct BatchOp3D {
    pub from: Operand3D,
    pub to: Operand3D,
    pub extent: [u64; 3],
    pub access_order: u32,
    pub flags: u32,
}

impl BatchOp3D {
    /// None where it cannot be reckoned, is empty, or is between arrays, of which batches know none yet.
    pub fn read(&self) -> Option<BoxCopy> {
        let [width, height, depth] = self.extent;
        let shape = Shape { width, height, depth };
        if shape.is_empty() {
            return None;
        }
        Some(BoxCopy { to: self.to.read(shape)?, from: self.from.read(shape)?, shape })
    }
}

impl Operand3D {
    fn read(&self, shape: Shape) -> Option<Place> {
        const POINTER: u32 = 1;
        let Operand3D { kind, pointer, row_bytes, layer_rows, .. } = *self;
        let or = |said: u64, least: u64| if said == 0 { least } else { said };
        let block =
            Block { start: pointer, pitch: or(row_bytes, shape.width), rows: or(layer_rows, shape.height) };
        let apart = block.pitch >= shape.width && block.rows >= shape.height;
        (kind == POINTER && apart).then_some(Place::Memory { side: Side::Unified, block })
    }
}

impl Place {
    pub fn linear(side: Side, start: u64) -> Place {
        Place::Memory { side, block: Block::linear(start) }
    }
}

impl BoxCopy {
    pub fn linear(to: u64, to_side: Side, from: u64, from_side: Side, bytes: u64) -> BoxCopy {
        let shape = Shape::linear(bytes);
        BoxCopy { to: Place::linear(to_side, to), from: Place::linear(from_side, from), shape }
    }
}

impl Memcpy2D {
    /// None where it cannot be reckoned: CUDA_ERROR_INVALID_VALUE.
    pub fn read(&self) -> Option<BoxCopy> {
        let shape = Shape { width: self.width_bytes, height: self.height, depth: 1 };
        Some(BoxCopy { to: self.to.read(shape)?, from: self.from.read(shape)?, shape })
    }
}

impl Side2D {
    fn read(&self, shape: Shape) -> Option<Place> {
        let whole = Side3D {
            x_bytes: self.x_bytes,
            y: self.y,
            z: 0,
            lod: 0,
            memory_type: self.memory_type,
            host: self.host,
            device: self.device,
            array: self.array,
            context: 0,
            pitch: self.pitch,
            height: 0,
        };
        whole.read(shape)
    }
}

impl Memcpy3D {
    /// None where it cannot be reckoned: CUDA_ERROR_INVALID_VALUE.
    pub fn read(&self) -> Option<BoxCopy> {
        let shape = Shape { width: self.width_bytes, height: self.height, depth: self.depth };
        Some(BoxCopy { to: self.to.read(shape)?, from: self.from.read(shape)?, shape })
    }
}

impl Side3D {
    fn read(&self, shape: Shape) -> Option<Place> {
        if self.lod != 0 {
            return None;
        }
        let (base, side) = match self.memory_type {
            1 => (self.host, Side::Host),
            2 => (self.device, Side::Device),
            3 => {
                let Side3D { array, x_bytes, y, z, .. } = *self;
                return Some(Place::Array { array, x_bytes, y, z });
            }
            4 => (self.device, Side::Unified),
            _ => return None,
        };
        let block = self.block(base, shape)?;
        Some(Place::Memory { side, block })
    }

    fn block(&self, base: u64, shape: Shape) -> Option<Block> {
        let pitch = self.row_bytes(shape)?;
        // Without a height the slices follow each other without a gap.
        let rows = if self.height == 0 { shape.height } else { self.height };
        if shape.depth > 1 && rows < self.y.checked_add(shape.height)? {
            return None;
        }
        let before = self.z.checked_mul(rows)?.checked_add(self.y)?.checked_mul(pitch)?;
        let start = base.checked_add(before)?.checked_add(self.x_bytes)?;
        Some(Block { start, pitch, rows })
    }

    /// A pitch of 0 means rows without a gap.
    fn row_bytes(&self, shape: Shape) -> Option<u64> {
        let needed = self.x_bytes.checked_add(shape.width)?;
        match self.pitch {
            0 => Some(needed),
            pitch if pitch < needed && (shape.height > 1 || shape.depth > 1) => None,
            pitch => Some(pitch),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(memory_type: u32, start: u64, pitch: u64, height: u64) -> Side3D {
        Side3D {
            x_bytes: 3,
            y: 2,
            z: 1,
            lod: 0,
            memory_type,
            host: start,
            device: start,
            array: 9,
            context: 0,
            pitch,
            height,
        }
    }

    fn read(from: Side3D) -> Option<Place> {
        let to = side(1, 0, 0, 0);
        Memcpy3D { from, to, width_bytes: 10, height: 4, depth: 1 }.read().map(|copy| copy.from)
    }

    #[test]
    fn offsets_are_counted_in_bytes_rows_and_slices() {
        let block = Block { start: 1000 + (6 + 2) * 32 + 3, pitch: 32, rows: 6 };
        assert_eq!(read(side(2, 1000, 32, 6)), Some(Place::Memory { side: Side::Device, block }));
        assert_eq!(read(side(3, 0, 0, 0)), Some(Place::Array { array: 9, x_bytes: 3, y: 2, z: 1 }));
    }

    #[test]
    fn what_cannot_be_reckoned_is_no_copy() {
        for from in [
            side(0, 0, 32, 6),
            side(5, 0, 32, 6),
            side(1, 0, 12, 6),
            side(1, u64::MAX, 32, 6),
            side(1, 0, u64::MAX, 6),
            side(1, 0, 1 << 40, 1 << 40),
            Side3D { x_bytes: u64::MAX, ..side(1, 0, 0, 6) },
            Side3D { y: u64::MAX, ..side(1, 0, 32, 6) },
            Side3D { lod: 1, ..side(1, 0, 32, 6) },
        ] {
            assert_eq!(read(from), None, "{from:?}");
        }
    }
}
