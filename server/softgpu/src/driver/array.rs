//! Arrays: memory that kernels reach through textures and surfaces only. Here they lie row by row without gaps, in the arena like any
//! other memory, and no kernel is let in by address.

use std::sync::Arc;

use farwarp_face::*;
use farwarp_protocol::arrays::Descriptor3D;
use farwarp_protocol::boxes::{Block, Shape};

use crate::driver::context::{self, Context};
use crate::driver::edge::Result;
use crate::driver::handles::{Handle, Handles, fresh};
use crate::driver::ranges::{Kind, Range};
use crate::driver::{arena, memory, stream};
use crate::ptx::{Format, Image};

pub static ARRAYS: Handles<Array> = Handles::new();
pub static MIPMAPPED: Handles<Mipmapped> = Handles::new();

pub struct Array {
    pub handle: Handle,
    pub descriptor: Descriptor3D,
    context: Handle,
    start: u64,
    /// A level goes with the mipmapped array that it is of.
    is_level: bool,
    _memory: Arc<Held>,
}

pub struct Mipmapped {
    pub handle: Handle,
    pub levels: Vec<Arc<Array>>,
    context: Handle,
}

/// Memory of an array, for as long as anything reads it: the array, and textures of it.
struct Held(Arc<Range>);

impl Drop for Held {
    fn drop(&mut self) {
        memory::strike(&self.0);
    }
}

impl Array {
    pub fn find(handle: Handle) -> Result<Arc<Array>> {
        ARRAYS.get(handle).ok_or(CUDA_ERROR_INVALID_HANDLE)
    }

    /// As kernels see it.
    pub fn image(&self) -> Option<Image> {
        let descriptor = &self.descriptor;
        Some(Image {
            start: self.start,
            width: descriptor.width,
            height: descriptor.rows(),
            depth: descriptor.slices(),
            pitch: descriptor.row_bytes(),
            format: Format::of(descriptor.format)?,
            channels: descriptor.channels as u8,
        })
    }
}

pub fn create(context: &Context, descriptor: Descriptor3D) -> Result<Arc<Array>> {
    if !descriptor.is_valid() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let held = hold(context, descriptor.bytes())?;
    Ok(made(context.handle, descriptor, held.0.start, false, held))
}

fn hold(context: &Context, bytes: Option<u64>) -> Result<Arc<Held>> {
    let bytes = bytes.ok_or(CUDA_ERROR_OUT_OF_MEMORY)?;
    Ok(Arc::new(Held(memory::allocate(context, bytes, arena::ALIGNMENT, Kind::Array)?)))
}

fn made(
    context: Handle,
    descriptor: Descriptor3D,
    start: u64,
    is_level: bool,
    memory: Arc<Held>,
) -> Arc<Array> {
    ARRAYS.add(|handle| Array { handle, descriptor, context, start, is_level, _memory: memory })
}

/// The caller's own wait is for everything that may still use it.
pub fn destroy(handle: Handle) -> Result {
    let array = Array::find(handle)?;
    if array.is_level {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    stream::synchronize_all(&*context::find(array.context)?)?;
    ARRAYS.remove(handle);
    Ok(())
}

pub fn create_mipmapped(context: &Context, whole: Descriptor3D, levels: u32) -> Result<Arc<Mipmapped>> {
    if !whole.is_valid() || levels == 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let levels: Vec<Descriptor3D> =
        (0..levels.min(whole.levels_max())).map(|level| whole.level(level)).collect();
    let room = |level: &Descriptor3D| level.bytes()?.checked_next_multiple_of(arena::ALIGNMENT);
    let bytes = levels.iter().try_fold(0u64, |sum, level| sum.checked_add(room(level)?));
    let held = hold(context, bytes)?;
    let mut start = held.0.start;
    let make = |level: &Descriptor3D| {
        let array = made(context.handle, *level, start, true, held.clone());
        start += room(level).unwrap_or(0);
        array
    };
    let levels = levels.iter().map(make).collect();
    let handle = fresh();
    Ok(MIPMAPPED.add_as(handle, Mipmapped { handle, levels, context: context.handle }))
}

pub fn destroy_mipmapped(handle: Handle) -> Result {
    let whole = MIPMAPPED.get(handle).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
    stream::synchronize_all(&*context::find(whole.context)?)?;
    MIPMAPPED.remove(handle);
    for level in &whole.levels {
        ARRAYS.remove(level.handle);
    }
    Ok(())
}

/// A box inside an array, as memory.
pub fn block(handle: Handle, at: [u64; 3], shape: Shape) -> Result<Block> {
    let array = Array::find(handle)?;
    if array.descriptor.holds(at, shape) {
        Ok(array.descriptor.block(array.start, at))
    } else {
        Err(CUDA_ERROR_INVALID_VALUE)
    }
}

/// Arrays die with their context.
pub fn forget_context(context: Handle) {
    MIPMAPPED.remove_all(|whole| whole.context == context);
    ARRAYS.remove_all(|array| array.context == context);
}
