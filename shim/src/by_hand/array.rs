//! Arrays: what each is like is known here, so questions about them and the bounds of copies cost no message.
#![allow(unsafe_code)]
// reads the program's structs and writes answers where it wants them.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use crate::call::in_context_hearing;
use crate::here::give;
use crate::objects::{Array, born};
use crate::transfer::Pace::{self, Asynchronous, Synchronous};
use crate::transfer::Transfer;
use cudarc::driver::sys::{CUDA_ARRAY_DESCRIPTOR, CUDA_ARRAY3D_DESCRIPTOR};
use farwarp_face::copies::{BoxCopy, Place, Side};
use farwarp_protocol::arrays::{ArrayLevel, ArrayNew, Descriptor2D, Descriptor3D};
use farwarp_protocol::boxes::Shape;
use farwarp_protocol::call::{ARRAY_CREATE, ARRAY_DESTROY, ARRAY_LEVEL};
use farwarp_protocol::codec::encode;
use farwarp_protocol::error::{CUDA_ERROR_INVALID_HANDLE, CUDA_ERROR_INVALID_VALUE, Code};
use farwarp_protocol::handle::Id;
use farwarp_protocol::param::STREAM_NULL;
use std::ffi::c_void;

const _: () = {
    use cudarc::driver::sys;
    use farwarp_protocol::arrays;
    assert!(size_of::<Descriptor2D>() == size_of::<CUDA_ARRAY_DESCRIPTOR>());
    assert!(size_of::<Descriptor3D>() == size_of::<CUDA_ARRAY3D_DESCRIPTOR>());
    assert!(size_of::<arrays::ResourceDesc>() == size_of::<sys::CUDA_RESOURCE_DESC>());
    assert!(size_of::<arrays::TextureDesc>() == size_of::<sys::CUDA_TEXTURE_DESC>());
    assert!(size_of::<arrays::ViewDesc>() == size_of::<sys::CUDA_RESOURCE_VIEW_DESC>());
};

/// Reads a struct of the program's as one whose every field may hold any number.
pub unsafe fn read<C, M: Copy>(from: *const C) -> Result<M, Code> {
    const { assert!(size_of::<C>() == size_of::<M>()) };
    if from.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    Ok(unsafe { from.cast::<M>().read_unaligned() })
}

pub unsafe fn cuArrayCreate_v2(
    array: *mut u64,
    descriptor: *const CUDA_ARRAY_DESCRIPTOR,
) -> Result<(), Code> {
    let descriptor: Descriptor2D = unsafe { read(descriptor)? };
    unsafe { create(array, descriptor.widened(), 0) }
}

pub unsafe fn cuArray3DCreate_v2(
    array: *mut u64,
    descriptor: *const CUDA_ARRAY3D_DESCRIPTOR,
) -> Result<(), Code> {
    unsafe { create(array, read(descriptor)?, 0) }
}

pub unsafe fn cuMipmappedArrayCreate(
    array: *mut u64,
    descriptor: *const CUDA_ARRAY3D_DESCRIPTOR,
    levels: u32,
) -> Result<(), Code> {
    let descriptor: Descriptor3D = unsafe { read(descriptor)? };
    if levels == 0 || !descriptor.is_valid() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    unsafe { create(array, descriptor, levels.min(descriptor.levels_max())) }
}

unsafe fn create(to: *mut u64, descriptor: Descriptor3D, levels: u32) -> Result<(), Code> {
    let (shim, context) = in_context_hearing()?;
    if to.is_null() || !descriptor.is_valid() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let made = Array { context, descriptor, levels: vec![None; levels as usize], whole: None };
    let id = {
        let mut objects = shim.objects();
        born(if levels == 0 { objects.arrays.insert(made) } else { objects.mipmapped.insert(made) })?
    };
    let new = ArrayNew { array: id, descriptor, levels };
    if let Err(code) = shim.remote.ask(ARRAY_CREATE, &[&encode(&new)]).and_then(|answer| answer.check()) {
        let mut objects = shim.objects();
        objects.arrays.remove(id);
        objects.mipmapped.remove(id);
        return Err(code);
    }
    unsafe { give(to, id.0) }
}

/// A level has one handle, however often it is asked for.
pub unsafe fn cuMipmappedArrayGetLevel(to: *mut u64, array: u64, level: u32) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    let whole = Id(array);
    let id = {
        let mut objects = shim.objects();
        let found = objects.mipmapped.get(whole).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
        let known = *found.levels.get(level as usize).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        match known {
            Some(id) => id,
            None => {
                let (context, descriptor) = (found.context, found.descriptor.level(level));
                let made = Array { context, descriptor, levels: Vec::new(), whole: Some(whole) };
                let id = born(objects.arrays.insert(made))?;
                // Told under the lock: nobody shall name it before the server knows it.
                shim.remote.tell(ARRAY_LEVEL, &[&encode(&ArrayLevel { whole, level, array: id })])?;
                if let Some(found) = objects.mipmapped.get_mut(whole) {
                    found.levels[level as usize] = Some(id);
                }
                id
            }
        }
    };
    unsafe { give(to, id.0) }
}

pub unsafe fn cuArrayDestroy(array: u64) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    let id = Id(array);
    {
        let mut objects = shim.objects();
        let found = objects.arrays.get(id).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
        if found.whole.is_some() {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        objects.arrays.remove(id);
    }
    shim.remote.ask(ARRAY_DESTROY, &[&encode(&id)])?.check()
}

pub unsafe fn cuMipmappedArrayDestroy(array: u64) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    let id = Id(array);
    {
        let mut objects = shim.objects();
        let gone = objects.mipmapped.remove(id).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
        for level in gone.levels.into_iter().flatten() {
            objects.arrays.remove(level);
        }
    }
    shim.remote.ask(ARRAY_DESTROY, &[&encode(&id)])?.check()
}

pub unsafe fn cuArrayGetDescriptor_v2(to: *mut CUDA_ARRAY_DESCRIPTOR, array: u64) -> Result<(), Code> {
    unsafe { give(to.cast(), descriptor(array)?.narrowed()) }
}

pub unsafe fn cuArray3DGetDescriptor_v2(to: *mut CUDA_ARRAY3D_DESCRIPTOR, array: u64) -> Result<(), Code> {
    unsafe { give(to.cast(), descriptor(array)?) }
}

fn descriptor(array: u64) -> Result<Descriptor3D, Code> {
    let (shim, _) = in_context_hearing()?;
    let objects = shim.objects();
    Ok(objects.arrays.get(Id(array)).ok_or(CUDA_ERROR_INVALID_HANDLE)?.descriptor)
}

fn within(array: u64, offset: usize) -> Place {
    Place::Array { array, x_bytes: offset as u64, y: 0, z: 0 }
}

fn copy(to: Place, from: Place, bytes: usize, stream: u64, pace: Pace) -> Result<(), Code> {
    let shape = Shape::linear(bytes as u64);
    Transfer::new(BoxCopy { to, from, shape }, stream, pace)?.issue()
}

pub unsafe fn cuMemcpyDtoA_v2(to: u64, offset: usize, from: u64, bytes: usize) -> Result<(), Code> {
    copy(within(to, offset), Place::linear(Side::Device, from), bytes, STREAM_NULL, Synchronous)
}

pub unsafe fn cuMemcpyAtoD_v2(to: u64, from: u64, offset: usize, bytes: usize) -> Result<(), Code> {
    copy(Place::linear(Side::Device, to), within(from, offset), bytes, STREAM_NULL, Synchronous)
}

pub unsafe fn cuMemcpyHtoA_v2(to: u64, offset: usize, from: *const c_void, bytes: usize) -> Result<(), Code> {
    copy(within(to, offset), Place::linear(Side::Host, from as u64), bytes, STREAM_NULL, Synchronous)
}

pub unsafe fn cuMemcpyHtoAAsync_v2(
    to: u64,
    offset: usize,
    from: *const c_void,
    bytes: usize,
    stream: u64,
) -> Result<(), Code> {
    copy(within(to, offset), Place::linear(Side::Host, from as u64), bytes, stream, Asynchronous)
}

pub unsafe fn cuMemcpyAtoH_v2(to: *mut c_void, from: u64, offset: usize, bytes: usize) -> Result<(), Code> {
    copy(Place::linear(Side::Host, to as u64), within(from, offset), bytes, STREAM_NULL, Synchronous)
}

pub unsafe fn cuMemcpyAtoHAsync_v2(
    to: *mut c_void,
    from: u64,
    offset: usize,
    bytes: usize,
    stream: u64,
) -> Result<(), Code> {
    copy(Place::linear(Side::Host, to as u64), within(from, offset), bytes, stream, Asynchronous)
}

pub unsafe fn cuMemcpyAtoA_v2(
    to: u64,
    to_offset: usize,
    from: u64,
    from_offset: usize,
    bytes: usize,
) -> Result<(), Code> {
    copy(within(to, to_offset), within(from, from_offset), bytes, STREAM_NULL, Synchronous)
}
