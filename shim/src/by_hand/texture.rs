//! Texture and surface objects: kernels get the driver's own number, so each is asked for; what it was made of is remembered here.
#![allow(unsafe_code)]
// reads the program's structs and writes answers where it wants them.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use super::array::read;
use crate::call::in_context_hearing;
use crate::here::give;
use crate::objects::{SurfaceObject, TextureObject};
use crate::state::Shim;
use cudarc::driver::sys::{CUDA_RESOURCE_DESC, CUDA_RESOURCE_VIEW_DESC, CUDA_TEXTURE_DESC};
use farwarp_protocol::arrays::{Resource, ResourceDesc, SURFACE, TextureDesc, TextureNew, ViewDesc};
use farwarp_protocol::call::op;
use farwarp_protocol::codec::encode;
use farwarp_protocol::error::{CUDA_ERROR_INVALID_HANDLE, CUDA_ERROR_INVALID_VALUE, Code};

/// What the program names must be there; the server would take anything else for a lie.
fn checked(shim: &Shim, desc: &ResourceDesc) -> Result<Resource, Code> {
    let resource = Resource::read(desc).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    let objects = shim.objects();
    match resource {
        Resource::Array(id) => drop(objects.arrays.get(id).ok_or(CUDA_ERROR_INVALID_HANDLE)?),
        Resource::Mipmapped(id) => drop(objects.mipmapped.get(id).ok_or(CUDA_ERROR_INVALID_HANDLE)?),
        Resource::Linear { .. } | Resource::Pitch { .. } => {}
    }
    drop(objects);
    if let Some((address, bytes)) = resource.memory().ok_or(CUDA_ERROR_INVALID_VALUE)? {
        shim.memory().device(address, bytes)?;
    }
    Ok(resource)
}

pub unsafe fn cuTexObjectCreate(
    object: *mut u64,
    resource: *const CUDA_RESOURCE_DESC,
    description: *const CUDA_TEXTURE_DESC,
    view: *const CUDA_RESOURCE_VIEW_DESC,
) -> Result<(), Code> {
    let (shim, context) = in_context_hearing()?;
    let resource: ResourceDesc = unsafe { read(resource)? };
    let description: TextureDesc = unsafe { read(description)? };
    let view: Option<ViewDesc> = if view.is_null() { None } else { Some(unsafe { read(view)? }) };
    if object.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let new = TextureNew { resource: checked(shim, &resource)?, description, view };
    let made: u64 = shim.remote.ask(op("cuTexObjectCreate"), &[&encode(&new)])?.value()?;
    shim.objects().textures.insert(made, TextureObject { context, resource, description, view });
    unsafe { give(object, made) }
}

pub unsafe fn cuTexObjectDestroy(object: u64) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    shim.objects().textures.remove(&object).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    shim.remote.tell(op("cuTexObjectDestroy"), &[&encode(&object)])
}

fn texture(object: u64) -> Result<TextureObject, Code> {
    let (shim, _) = in_context_hearing()?;
    shim.objects().textures.get(&object).copied().ok_or(CUDA_ERROR_INVALID_VALUE)
}

pub unsafe fn cuTexObjectGetResourceDesc(to: *mut CUDA_RESOURCE_DESC, object: u64) -> Result<(), Code> {
    unsafe { give(to.cast(), texture(object)?.resource) }
}

pub unsafe fn cuTexObjectGetTextureDesc(to: *mut CUDA_TEXTURE_DESC, object: u64) -> Result<(), Code> {
    unsafe { give(to.cast(), texture(object)?.description) }
}

pub unsafe fn cuTexObjectGetResourceViewDesc(
    to: *mut CUDA_RESOURCE_VIEW_DESC,
    object: u64,
) -> Result<(), Code> {
    unsafe { give(to.cast(), texture(object)?.view.ok_or(CUDA_ERROR_INVALID_VALUE)?) }
}

pub unsafe fn cuSurfObjectCreate(object: *mut u64, resource: *const CUDA_RESOURCE_DESC) -> Result<(), Code> {
    let (shim, context) = in_context_hearing()?;
    let desc: ResourceDesc = unsafe { read(resource)? };
    if object.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let resource = checked(shim, &desc)?;
    let Resource::Array(array) = resource else { return Err(CUDA_ERROR_INVALID_VALUE) };
    let fit = shim.objects().arrays.get(array).is_some_and(|array| array.descriptor.has(SURFACE));
    if !fit {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let made: u64 = shim.remote.ask(op("cuSurfObjectCreate"), &[&encode(&resource)])?.value()?;
    shim.objects().surfaces.insert(made, SurfaceObject { context, resource: desc });
    unsafe { give(object, made) }
}

pub unsafe fn cuSurfObjectDestroy(object: u64) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    shim.objects().surfaces.remove(&object).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    shim.remote.tell(op("cuSurfObjectDestroy"), &[&encode(&object)])
}

pub unsafe fn cuSurfObjectGetResourceDesc(to: *mut CUDA_RESOURCE_DESC, object: u64) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    let found = shim.objects().surfaces.get(&object).map(|surface| surface.resource);
    unsafe { give(to.cast(), found.ok_or(CUDA_ERROR_INVALID_VALUE)?) }
}
