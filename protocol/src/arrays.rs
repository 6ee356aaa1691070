//! Arrays, and what texture and surface objects are made of: the header's structs, field by field, with every enum as the integer that it
//! is in C, and what they mean and how they cross. Whose memory it is, is for others to know.

use crate::boxes::{Block, Shape};
use crate::codec::{Decode, Encode};
use crate::handle::Id;

/// `CUDA_ARRAY_DESCRIPTOR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Descriptor2D {
    pub width: u64,
    pub height: u64,
    pub format: u32,
    pub channels: u32,
}

/// `CUDA_ARRAY3D_DESCRIPTOR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[repr(C)]
pub struct Descriptor3D {
    pub width: u64,
    pub height: u64,
    pub depth: u64,
    pub format: u32,
    pub channels: u32,
    pub flags: u32,
}

/// `CUDA_RESOURCE_DESC`: a tag and a union.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct ResourceDesc {
    pub kind: u32,
    pub body: [u64; 16],
    pub flags: u32,
}

/// `CUDA_TEXTURE_DESC`.
#[derive(Debug, Clone, Copy, PartialEq, Encode, Decode)]
#[repr(C)]
pub struct TextureDesc {
    pub address: [u32; 3],
    pub filter: u32,
    pub flags: u32,
    pub anisotropy: u32,
    pub mipmap_filter: u32,
    pub level_bias: f32,
    pub level_min: f32,
    pub level_max: f32,
    pub border: [f32; 4],
    pub reserved: [u32; 12],
}

/// `CUDA_RESOURCE_VIEW_DESC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[repr(C)]
pub struct ViewDesc {
    pub format: u32,
    pub width: u64,
    pub height: u64,
    pub depth: u64,
    pub first_level: u32,
    pub last_level: u32,
    pub first_layer: u32,
    pub last_layer: u32,
    pub reserved: [u32; 16],
}

/// `CUDA_ARRAY3D_…`: layers instead of a depth; surfaces may write; six faces; for gathering.
pub const LAYERED: u32 = 1;
pub const SURFACE: u32 = 2;
pub const CUBEMAP: u32 = 4;
pub const GATHER: u32 = 8;
/// Larger than any device has.
const EXTENT_MAX: u64 = 1 << 20;

/// `CUresourcetype`.
pub mod resource {
    pub const ARRAY: u32 = 0;
    pub const MIPMAPPED: u32 = 1;
    pub const LINEAR: u32 = 2;
    pub const PITCH: u32 = 3;
}

/// `CU_TRSF_…`.
pub mod texture {
    pub const READ_AS_INTEGER: u32 = 1;
    pub const NORMALIZED: u32 = 2;
    pub const SRGB: u32 = 0x10;
    pub const DISABLE_TRILINEAR: u32 = 0x20;
    pub const SEAMLESS: u32 = 0x40;
    /// `CUfilter_mode`.
    pub const LINEAR: u32 = 1;
}

/// Bytes of one channel in a `CUarray_format`; others belong to codecs and are not built.
pub fn channel_bytes(format: u32) -> Option<u64> {
    match format {
        0x01 | 0x08 => Some(1),
        0x02 | 0x09 | 0x10 => Some(2),
        0x03 | 0x0a | 0x20 => Some(4),
        _ => None,
    }
}

pub fn is_float(format: u32) -> bool {
    matches!(format, 0x10 | 0x20)
}

impl Descriptor2D {
    pub fn widened(&self) -> Descriptor3D {
        let Descriptor2D { width, height, format, channels } = *self;
        Descriptor3D { width, height, depth: 0, format, channels, flags: 0 }
    }
}

impl Descriptor3D {
    pub fn narrowed(&self) -> Descriptor2D {
        let Descriptor3D { width, height, format, channels, .. } = *self;
        Descriptor2D { width, height, format, channels }
    }

    /// Whether there can be such an array.
    pub fn is_valid(&self) -> bool {
        let extents = [self.width, self.height, self.depth];
        let known = channel_bytes(self.format).is_some() && matches!(self.channels, 1 | 2 | 4);
        let flags = self.flags & !(LAYERED | SURFACE | CUBEMAP | GATHER) == 0;
        let cube = !self.has(CUBEMAP)
            || (self.width == self.height
                && self.depth.is_multiple_of(6)
                && (self.has(LAYERED) || self.depth == 6));
        let layered = !(self.has(LAYERED) || self.has(CUBEMAP)) || self.depth > 0;
        let solid = self.depth == 0 || self.height > 0 || self.has(LAYERED);
        let sized = self.width > 0 && extents.into_iter().all(|extent| extent <= EXTENT_MAX);
        known && flags && cube && layered && solid && sized && self.bytes().is_some()
    }

    pub fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    pub fn element_bytes(&self) -> u64 {
        channel_bytes(self.format).unwrap_or(0) * u64::from(self.channels)
    }

    pub fn row_bytes(&self) -> u64 {
        self.width * self.element_bytes()
    }

    pub fn rows(&self) -> u64 {
        self.height.max(1)
    }

    /// Layers, faces, or the depth.
    pub fn slices(&self) -> u64 {
        self.depth.max(1)
    }

    pub fn bytes(&self) -> Option<u64> {
        self.row_bytes().checked_mul(self.rows())?.checked_mul(self.slices())
    }

    /// One level of a mipmapped array.
    pub fn level(&self, level: u32) -> Descriptor3D {
        let half = |extent: u64| if extent == 0 { 0 } else { (extent >> level).max(1) };
        let depth = if self.has(LAYERED | CUBEMAP) { self.depth } else { half(self.depth) };
        Descriptor3D { width: half(self.width), height: half(self.height), depth, ..*self }
    }

    /// How many levels there can be.
    pub fn levels_max(&self) -> u32 {
        let depth = if self.has(LAYERED | CUBEMAP) { 1 } else { self.depth };
        self.width.max(self.height).max(depth).ilog2() + 1
    }

    /// Whether a box lies inside, from that byte, row and slice on.
    pub fn holds(&self, [x_bytes, y, z]: [u64; 3], shape: Shape) -> bool {
        let fits = |at: u64, count: u64, of: u64| at.checked_add(count).is_some_and(|end| end <= of);
        fits(x_bytes, shape.width, self.row_bytes())
            && fits(y, shape.height, self.rows())
            && fits(z, shape.depth, self.slices())
    }

    /// The box's place in memory that holds the array row by row without gaps.
    pub fn block(&self, start: u64, [x_bytes, y, z]: [u64; 3]) -> Block {
        let (pitch, rows) = (self.row_bytes(), self.rows());
        Block { start: start + (z * rows + y) * pitch + x_bytes, pitch, rows }
    }
}

/// An array; a mipmapped one where there are levels.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ArrayNew {
    pub array: Id,
    pub descriptor: Descriptor3D,
    pub levels: u32,
}

/// A level of a mipmapped array, under an id of its own.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ArrayLevel {
    pub whole: Id,
    pub level: u32,
    pub array: Id,
}

/// Where in an array: bytes, rows, slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct ArrayPlace {
    pub array: Id,
    pub at: [u64; 3],
}

/// One side of a copy that stays on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Side {
    Memory(Block),
    Array(ArrayPlace),
}

/// A box of bytes into an array; they follow without gaps.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct BoxToArray {
    pub destination: ArrayPlace,
    pub shape: Shape,
    pub stream: u64,
    pub settled: bool,
}

/// A box of bytes out of an array, answered without gaps.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct BoxFromArray {
    pub source: ArrayPlace,
    pub shape: Shape,
    pub stream: u64,
}

/// A box from or to an array, or between two.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct BoxBetween {
    pub destination: Side,
    pub source: Side,
    pub shape: Shape,
    pub stream: u64,
}

/// What a texture or surface object is made of, by ids and addresses of the session's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum Resource {
    Array(Id),
    Mipmapped(Id),
    Linear { address: u64, format: u32, channels: u32, bytes: u64 },
    Pitch { address: u64, format: u32, channels: u32, width: u64, height: u64, pitch: u64 },
}

/// `cuTexObjectCreate`.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct TextureNew {
    pub resource: Resource,
    pub description: TextureDesc,
    pub view: Option<ViewDesc>,
}

impl Resource {
    /// What a struct of the program's says; nothing where it says what nobody knows.
    pub fn read(desc: &ResourceDesc) -> Option<Resource> {
        let [address, packed, third, height, pitch, ..] = desc.body;
        let (format, channels) = (packed as u32, (packed >> 32) as u32);
        Some(match desc.kind {
            resource::ARRAY => Resource::Array(Id(address)),
            resource::MIPMAPPED => Resource::Mipmapped(Id(address)),
            resource::LINEAR => Resource::Linear { address, format, channels, bytes: third },
            resource::PITCH => Resource::Pitch { address, format, channels, width: third, height, pitch },
            _ => return None,
        })
    }

    /// The struct, with the driver's handle where there is one.
    pub fn write(&self, raw: u64) -> ResourceDesc {
        let mut body = [0; 16];
        let packed = |format: u32, channels: u32| u64::from(channels) << 32 | u64::from(format);
        let kind = match *self {
            Resource::Array(_) => {
                body[0] = raw;
                resource::ARRAY
            }
            Resource::Mipmapped(_) => {
                body[0] = raw;
                resource::MIPMAPPED
            }
            Resource::Linear { address, format, channels, bytes } => {
                body[..3].copy_from_slice(&[address, packed(format, channels), bytes]);
                resource::LINEAR
            }
            Resource::Pitch { address, format, channels, width, height, pitch } => {
                body[..5].copy_from_slice(&[address, packed(format, channels), width, height, pitch]);
                resource::PITCH
            }
        };
        ResourceDesc { kind, body, flags: 0 }
    }

    /// The memory that it reads, where it is no array's: address and bytes.
    pub fn memory(&self) -> Option<Option<(u64, u64)>> {
        Some(match *self {
            Resource::Array(_) | Resource::Mipmapped(_) => None,
            Resource::Linear { address, bytes, .. } => Some((address, bytes)),
            Resource::Pitch { address, format, channels, width, height, pitch } => {
                let row = width.checked_mul(channel_bytes(format)?)?.checked_mul(channels.into())?;
                let before = height.checked_sub(1)?.checked_mul(pitch)?;
                Some((address, before.checked_add(row)?))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOAT: u32 = 0x20;

    fn array(width: u64, height: u64, depth: u64, flags: u32) -> Descriptor3D {
        Descriptor3D { width, height, depth, format: FLOAT, channels: 2, flags }
    }

    #[test]
    fn there_are_arrays_of_every_kind_and_none_of_no_kind() {
        for good in [
            array(9, 0, 0, 0),
            array(9, 7, 0, SURFACE),
            array(9, 7, 5, 0),
            array(9, 0, 3, LAYERED),
            array(9, 7, 3, LAYERED),
            array(8, 8, 6, CUBEMAP),
            array(8, 8, 12, CUBEMAP | LAYERED),
        ] {
            assert!(good.is_valid(), "{good:?}");
        }
        for bad in [
            array(0, 7, 0, 0),
            array(9, 0, 3, 0),
            array(9, 7, 0, LAYERED),
            array(8, 7, 6, CUBEMAP),
            array(8, 8, 5, CUBEMAP),
            array(9, 7, 0, 0x40),
            array(1 << 21, 0, 0, 0),
            Descriptor3D { channels: 3, ..array(9, 7, 0, 0) },
            Descriptor3D { format: 0xb0, ..array(9, 7, 0, 0) },
        ] {
            assert!(!bad.is_valid(), "{bad:?}");
        }
    }

    #[test]
    fn a_box_must_lie_inside_and_has_its_place() {
        let array = array(10, 4, 3, 0);
        let shape = Shape { width: 16, height: 2, depth: 1 };
        assert!(array.holds([64, 2, 2], shape));
        for outside in [[72, 2, 2], [64, 3, 2], [64, 2, 3], [u64::MAX, 0, 0]] {
            assert!(!array.holds(outside, shape), "{outside:?}");
        }
        assert_eq!(
            array.block(1000, [64, 2, 2]),
            Block { start: 1000 + (2 * 4 + 2) * 80 + 64, pitch: 80, rows: 4 }
        );
        assert_eq!((array.levels_max(), array.level(2).width, array.level(9).height), (4, 2, 1));
    }
}
