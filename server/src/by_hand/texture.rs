//! Texture and surface objects. Kernels get the driver's own number, which the session may then name.
#![allow(unsafe_code)] // calls the driver.

use crate::executor::{Call, Executor, Reply};
use crate::refusal::Refusal;
use farwarp_protocol::arrays::{Resource, ResourceDesc, TextureNew};
use farwarp_protocol::codec::{decode, encode};
use farwarp_protocol::error::{CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_OUT_OF_MEMORY};
use farwarp_protocol::handle::ObjectKind;
use std::collections::HashSet;

/// Objects of one session; a device has no more descriptors than that.
const OBJECTS_MAX: usize = 1 << 20;

/// The driver's numbers of a session's objects.
#[derive(Default)]
pub struct Textures {
    textures: HashSet<u64>,
    surfaces: HashSet<u64>,
}

impl Executor {
    /// The driver's struct for what a client names.
    fn resource(&self, resource: &Resource) -> Result<Option<ResourceDesc>, Refusal> {
        let raw = match *resource {
            Resource::Array(array) => self.objects.get(array, ObjectKind::Array)?,
            Resource::Mipmapped(array) => self.objects.get(array, ObjectKind::MipmappedArray)?,
            Resource::Linear { .. } | Resource::Pitch { .. } => 0,
        };
        let Some(memory) = resource.memory() else { return Ok(None) };
        if let Some((address, bytes)) = memory {
            self.ranges.check(address, bytes)?;
        }
        Ok(Some(resource.write(raw)))
    }
}

pub fn texture_create(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let TextureNew { resource, description, view } = decode(call.body)?;
    executor.enter(call)?;
    let Some(resource) = executor.resource(&resource)? else {
        return Ok(Reply::Now(CUDA_ERROR_INVALID_VALUE, Vec::new()));
    };
    if executor.textures.textures.len() == OBJECTS_MAX {
        return Ok(Reply::Now(CUDA_ERROR_OUT_OF_MEMORY, Vec::new()));
    }
    let view = view.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let mut object = 0;
    // SAFETY: a place to write; structs of ours, which name only what is this session's.
    let outcome = unsafe { executor.driver.cuTexObjectCreate(&mut object, &resource, &description, view) };
    Ok(outcome
        .map(|()| {
            executor.textures.textures.insert(object);
            encode(&object)
        })
        .into())
}

pub fn texture_destroy(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let object: u64 = decode(call.body)?;
    executor.enter(call)?;
    if !executor.textures.textures.remove(&object) {
        return Ok(Reply::Now(CUDA_ERROR_INVALID_VALUE, Vec::new()));
    }
    // SAFETY: an object that this session made and has not destroyed.
    Ok(unsafe { executor.driver.cuTexObjectDestroy(object) }.into())
}

pub fn surface_create(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let resource: Resource = decode(call.body)?;
    executor.enter(call)?;
    let Some(resource) = executor.resource(&resource)? else {
        return Ok(Reply::Now(CUDA_ERROR_INVALID_VALUE, Vec::new()));
    };
    if executor.textures.surfaces.len() == OBJECTS_MAX {
        return Ok(Reply::Now(CUDA_ERROR_OUT_OF_MEMORY, Vec::new()));
    }
    let mut object = 0;
    // SAFETY: as above.
    let outcome = unsafe { executor.driver.cuSurfObjectCreate(&mut object, &resource) };
    Ok(outcome
        .map(|()| {
            executor.textures.surfaces.insert(object);
            encode(&object)
        })
        .into())
}

pub fn surface_destroy(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let object: u64 = decode(call.body)?;
    executor.enter(call)?;
    if !executor.textures.surfaces.remove(&object) {
        return Ok(Reply::Now(CUDA_ERROR_INVALID_VALUE, Vec::new()));
    }
    // SAFETY: as above.
    Ok(unsafe { executor.driver.cuSurfObjectDestroy(object) }.into())
}
