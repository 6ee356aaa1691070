//! Texture and surface object management.

use farwarp_face::*;
use farwarp_protocol::arrays::{ResourceDesc, TextureDesc, ViewDesc};

use crate::driver::current::current;
use crate::driver::edge::{In, Out, api};
use crate::driver::texture::{self, SURFACES, TEXTURES};

api! {
    fn cuTexObjectCreate(
        object: Out<u64>,
        resource: In<ResourceDesc>,
        description: In<TextureDesc>,
        view: In<ViewDesc>,
    ) {
        let context = current()?;
        object.require()?;
        let view = if view.is_null() { None } else { Some(view.get()?) };
        object.put(texture::create(&context, resource.get()?, description.get()?, view)?.handle)
    }

    fn cuTexObjectDestroy(object: u64) {
        current()?;
        TEXTURES.remove(object).map(drop).ok_or(CUDA_ERROR_INVALID_VALUE)
    }

    fn cuTexObjectGetResourceDesc(resource: Out<ResourceDesc>, object: u64) {
        current()?;
        resource.put(TEXTURES.get(object).ok_or(CUDA_ERROR_INVALID_VALUE)?.resource)
    }

    fn cuTexObjectGetTextureDesc(description: Out<TextureDesc>, object: u64) {
        current()?;
        description.put(TEXTURES.get(object).ok_or(CUDA_ERROR_INVALID_VALUE)?.description)
    }

    fn cuTexObjectGetResourceViewDesc(view: Out<ViewDesc>, object: u64) {
        current()?;
        let texture = TEXTURES.get(object).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        view.put(texture.view.ok_or(CUDA_ERROR_INVALID_VALUE)?)
    }

    fn cuSurfObjectCreate(object: Out<u64>, resource: In<ResourceDesc>) {
        let context = current()?;
        object.require()?;
        object.put(texture::create_surface(&context, resource.get()?)?.handle)
    }

    fn cuSurfObjectDestroy(object: u64) {
        current()?;
        SURFACES.remove(object).map(drop).ok_or(CUDA_ERROR_INVALID_VALUE)
    }

    fn cuSurfObjectGetResourceDesc(resource: Out<ResourceDesc>, object: u64) {
        current()?;
        resource.put(SURFACES.get(object).ok_or(CUDA_ERROR_INVALID_VALUE)?.resource)
    }
}
