//! Texture and surface objects: what a number that kernels are given stands for.

use std::sync::Arc;

use farwarp_face::*;
use farwarp_protocol::arrays::{
    ResourceDesc, SURFACE, TextureDesc, ViewDesc, channel_bytes, resource, texture,
};

use crate::driver::array::{Array, MIPMAPPED, Mipmapped};
use crate::driver::context::Context;
use crate::driver::edge::Result;
use crate::driver::handles::{Handle, Handles};
use crate::driver::ranges;
use crate::ptx::{Edge, Format, Image, Sampler, Surface, Texture};

pub static TEXTURES: Handles<TextureObject> = Handles::new();
pub static SURFACES: Handles<SurfaceObject> = Handles::new();

pub struct TextureObject {
    pub handle: Handle,
    pub resource: ResourceDesc,
    pub description: TextureDesc,
    pub view: Option<ViewDesc>,
    context: Handle,
    read: Read,
    sampler: Sampler,
}

/// What is read: levels, the largest first, and what keeps their memory or says where it must be live.
struct Read {
    levels: Vec<Image>,
    memory: Option<(u64, u64)>,
    _kept: Kept,
}

enum Kept {
    Array(#[allow(dead_code)] Arc<Array>),         // keeps it
    Mipmapped(#[allow(dead_code)] Arc<Mipmapped>), // keeps it
    Nothing,
}

pub struct SurfaceObject {
    pub handle: Handle,
    pub resource: ResourceDesc,
    context: Handle,
    image: Image,
    _kept: Arc<Array>,
}

impl Texture for TextureObject {
    fn levels(&self) -> &[Image] {
        &self.read.levels
    }

    fn sampler(&self) -> &Sampler {
        &self.sampler
    }

    fn memory(&self) -> Option<(u64, u64)> {
        self.read.memory
    }
}

impl Surface for SurfaceObject {
    fn image(&self) -> &Image {
        &self.image
    }
}

pub fn create(
    context: &Context,
    resource: ResourceDesc,
    description: TextureDesc,
    view: Option<ViewDesc>,
) -> Result<Arc<TextureObject>> {
    if view.is_some_and(|view| view.format != 0 || view.first_level != 0 || view.first_layer != 0) {
        return Err(CUDA_ERROR_NOT_SUPPORTED);
    }
    let read = read(&resource)?;
    let format = read.levels.first().ok_or(CUDA_ERROR_INVALID_VALUE)?.format;
    let sampler = sampler(&description, &resource, format)?;
    let context = context.handle;
    Ok(TEXTURES.add(|handle| TextureObject { handle, resource, description, view, context, read, sampler }))
}

fn read(resource: &ResourceDesc) -> Result<Read> {
    let [first, format_and_channels, third, fourth, fifth, ..] = resource.body;
    let (format, channels) = (format_and_channels as u32, (format_and_channels >> 32) as u32);
    let linear = |width: u64, height: u64, pitch: u64, bytes: u64| {
        let known = Format::of(format).filter(|_| matches!(channels, 1 | 2 | 4) && width > 0 && height > 0);
        let format = known.ok_or(CUDA_ERROR_INVALID_VALUE)?;
        if !ranges::cover(first, bytes) {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let image = Image { start: first, width, height, depth: 1, pitch, format, channels: channels as u8 };
        Ok(Read { levels: vec![image], memory: Some((first, bytes)), _kept: Kept::Nothing })
    };
    let element = channel_bytes(format).unwrap_or(1) * u64::from(channels.max(1));
    match resource.kind {
        resource::ARRAY => {
            let array = Array::find(first)?;
            let image = array.image().ok_or(CUDA_ERROR_INVALID_VALUE)?;
            Ok(Read { levels: vec![image], memory: None, _kept: Kept::Array(array) })
        }
        resource::MIPMAPPED => {
            let whole = MIPMAPPED.get(first).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
            let levels = whole.levels.iter().filter_map(|level| level.image()).collect();
            Ok(Read { levels, memory: None, _kept: Kept::Mipmapped(whole) })
        }
        resource::LINEAR => linear(third / element, 1, third, third),
        resource::PITCH => {
            let (width, height, pitch) = (third, fourth, fifth);
            let row = width.checked_mul(element).ok_or(CUDA_ERROR_INVALID_VALUE)?;
            let before = height.saturating_sub(1).checked_mul(pitch).ok_or(CUDA_ERROR_INVALID_VALUE)?;
            if pitch < row {
                return Err(CUDA_ERROR_INVALID_VALUE);
            }
            linear(width, height, pitch, before.checked_add(row).ok_or(CUDA_ERROR_INVALID_VALUE)?)
        }
        _ => Err(CUDA_ERROR_INVALID_VALUE),
    }
}

fn sampler(description: &TextureDesc, resource: &ResourceDesc, format: Format) -> Result<Sampler> {
    use texture::*;
    let edge = |mode: u32| match mode {
        0 => Ok(Edge::Wrap),
        1 => Ok(Edge::Clamp),
        2 => Ok(Edge::Mirror),
        3 => Ok(Edge::Border),
        _ => Err(CUDA_ERROR_INVALID_VALUE),
    };
    let has = |flag: u32| description.flags & flag != 0;
    if description.flags & !(READ_AS_INTEGER | NORMALIZED | SRGB | DISABLE_TRILINEAR | SEAMLESS) != 0
        || description.filter > LINEAR
        || description.mipmap_filter > LINEAR
    {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    if has(SRGB) {
        return Err(CUDA_ERROR_NOT_SUPPORTED);
    }
    let [x, y, z] = description.address;
    let floats = matches!(format, Format::F16 | Format::F32);
    let as_integer = has(READ_AS_INTEGER) && !floats;
    // Linear memory is read by numbers; what is an integer has nothing between.
    let linear = description.filter == LINEAR && resource.kind != resource::LINEAR;
    if linear && (as_integer || matches!(format, Format::U32 | Format::S32)) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    Ok(Sampler {
        edges: [edge(x)?, edge(y)?, edge(z)?],
        linear,
        mipmap_linear: description.mipmap_filter == LINEAR,
        normalized: has(NORMALIZED),
        as_integer,
        level_bias: description.level_bias,
        level_min: description.level_min,
        level_max: description.level_max,
        border: description.border,
    })
}

/// A surface is an array that was made for it.
pub fn create_surface(context: &Context, resource: ResourceDesc) -> Result<Arc<SurfaceObject>> {
    if resource.kind != resource::ARRAY {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let array = Array::find(resource.body[0])?;
    let image = array.image().filter(|_| array.descriptor.has(SURFACE)).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    let context = context.handle;
    Ok(SURFACES.add(|handle| SurfaceObject { handle, resource, context, image, _kept: array }))
}

pub fn forget_context(context: Handle) {
    TEXTURES.remove_all(|texture| texture.context == context);
    SURFACES.remove_all(|surface| surface.context == context);
}
