//! What the shim remembers of the objects that the program made, so that it can check handles and answer questions
//! about them without asking.

use crate::by_hand::Options;
use farwarp_protocol::arrays::{Descriptor3D, ResourceDesc, TextureDesc, ViewDesc};
use farwarp_protocol::call::{Attributes, Layout};
use farwarp_protocol::error::{CUDA_ERROR_INVALID_HANDLE, CUDA_ERROR_OUT_OF_MEMORY, Code};
use farwarp_protocol::handle::{Id, ObjectKind, Slab};
use std::collections::HashMap;
use std::ffi::CString;
use std::sync::Arc;

pub struct Objects {
    pub streams: Slab<Stream>,
    pub events: Slab<Event>,
    pub modules: Slab<Module>,
    pub libraries: Slab<Library>,
    pub functions: Slab<Function>,
    pub kernels: Slab<Kernel>,
    pub links: Slab<Link>,
    pub pools: Slab<Pool>,
    pub physicals: Slab<Physical>,
    pub arrays: Slab<Array>,
    pub mipmapped: Slab<Array>,
    /// By the driver's own numbers.
    pub textures: HashMap<u64, TextureObject>,
    pub surfaces: HashMap<u64, SurfaceObject>,
    /// By the program's device ordinal, once they were asked for.
    pub pools_of_devices: HashMap<i32, PoolsOfDevice>,
    /// CUDA never gives two streams of a process the same number.
    next_stream_number: u64,
}

pub struct Stream {
    pub context: Id,
    pub flags: u32,
    pub priority: i32,
    pub number: u64,
}

pub struct Event {
    pub context: Id,
}

pub struct Module {
    pub context: Id,
    pub names: Names,
    /// The library whose module this is, if it is one's.
    pub library: Option<Id>,
}

pub struct Library {
    pub names: Names,
    /// Its module in each context that asked for it.
    pub modules: HashMap<Id, Id>,
}

/// The functions of an image by name, as far as the shim knows them.
#[derive(Default)]
pub struct Names {
    /// Every function there is, when the load told.
    pub layouts: Option<HashMap<String, Arc<Layout>>>,
    /// In the order of the image.
    pub order: Vec<String>,
    /// What was found already: the same name gives the same handle.
    pub found: HashMap<String, Id>,
    /// Variables asked for already: (address, bytes).
    pub variables: HashMap<String, (u64, u64)>,
}

pub struct Function {
    pub module: Id,
    pub name: CString,
    pub layout: Arc<Layout>,
    pub attributes: Option<Attributes>,
    pub prepared: Prepared,
    pub accepted: Shape,
}

/// A link under way, and the logs that its maker wants.
pub struct Link {
    pub context: Id,
    pub options: Options,
    /// What the linker made; the program reads it until it destroys the link.
    pub output: Option<Vec<u8>>,
}

/// Physical memory on a device of the program's, as it was made.
pub struct Physical {
    pub device: i32,
    pub bytes: u64,
    pub handle_types: u32,
    pub compression: u8,
    pub usage: u16,
    /// How often it must be released, and how many mappings show it: it goes when both are nothing.
    pub names: u32,
    pub shown: u32,
}

/// An array, a level of one, or one of several levels.
pub struct Array {
    pub context: Id,
    pub descriptor: Descriptor3D,
    /// The levels that were asked for, of those that there are.
    pub levels: Vec<Option<Id>>,
    /// Of what it is a level.
    pub whole: Option<Id>,
}

#[derive(Clone, Copy)]
pub struct TextureObject {
    pub context: Id,
    pub resource: ResourceDesc,
    pub description: TextureDesc,
    pub view: Option<ViewDesc>,
}

pub struct SurfaceObject {
    pub context: Id,
    pub resource: ResourceDesc,
}

/// A pool of stream-ordered memory, on a device of the program's.
pub struct Pool {
    pub device: i32,
}

/// The pool that a device began with, and the one that it allocates from.
#[derive(Clone, Copy)]
pub struct PoolsOfDevice {
    pub default: Id,
    pub current: Id,
}

/// What cuFuncSet… and cuParamSet… have prepared for the next launch of a function.
#[derive(Clone)]
pub struct Prepared {
    pub block: [u32; 3],
    pub shared_bytes: u32,
    pub params: Vec<u8>,
}

impl Default for Prepared {
    fn default() -> Prepared {
        Prepared { block: [1; 3], shared_bytes: 0, params: Vec::new() }
    }
}

pub struct Kernel {
    pub library: Id,
    pub name: CString,
    pub layout: Arc<Layout>,
    pub attributes: Option<Attributes>,
    pub accepted: Shape,
    /// Its function in each context that asked for it.
    pub functions: HashMap<Id, Id>,
}

/// What a launch asks for of what its function decides: its registers, its settings, how many of its blocks find room at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shape {
    pub threads: u64,
    pub shared_bytes: u32,
    /// Of a cooperative grid; else 0.
    pub blocks_at_once: u64,
}

impl Shape {
    /// No part of it is more than the other's.
    pub fn is_within(&self, other: &Shape) -> bool {
        self.threads <= other.threads
            && self.shared_bytes <= other.shared_bytes
            && self.blocks_at_once <= other.blocks_at_once
    }
}

impl Objects {
    pub fn new() -> Objects {
        Objects {
            streams: Slab::new(ObjectKind::Stream),
            events: Slab::new(ObjectKind::Event),
            modules: Slab::new(ObjectKind::Module),
            libraries: Slab::new(ObjectKind::Library),
            functions: Slab::new(ObjectKind::Function),
            kernels: Slab::new(ObjectKind::Kernel),
            links: Slab::new(ObjectKind::LinkState),
            pools: Slab::new(ObjectKind::MemPool),
            physicals: Slab::new(ObjectKind::AllocationHandle),
            arrays: Slab::new(ObjectKind::Array),
            mipmapped: Slab::new(ObjectKind::MipmappedArray),
            textures: HashMap::new(),
            surfaces: HashMap::new(),
            pools_of_devices: HashMap::new(),
            next_stream_number: 1,
        }
    }

    pub fn new_stream(&mut self, context: Id, flags: u32, priority: i32) -> Result<Id, Code> {
        let number = self.next_stream_number;
        self.next_stream_number += 1;
        born(self.streams.insert(Stream { context, flags, priority, number }))
    }

    /// Everything that dies with a context.
    pub fn context_gone(&mut self, context: Id) {
        self.streams.remove_where(|stream| stream.context == context);
        self.events.remove_where(|event| event.context == context);
        self.links.remove_where(|link| link.context == context);
        self.arrays.remove_where(|array| array.context == context);
        self.mipmapped.remove_where(|array| array.context == context);
        self.textures.retain(|_, texture| texture.context != context);
        self.surfaces.retain(|_, surface| surface.context != context);
        for module in self.modules.remove_where(|module| module.context == context) {
            self.functions.remove_where(|function| function.module == module);
        }
        let libraries: Vec<Id> = self.libraries.iter().map(|(id, _)| id).collect();
        for id in libraries {
            if let Some(library) = self.libraries.get_mut(id) {
                library.modules.remove(&context);
            }
        }
        let kernels: Vec<Id> = self.kernels.iter().map(|(id, _)| id).collect();
        for id in kernels {
            if let Some(kernel) = self.kernels.get_mut(id) {
                kernel.functions.remove(&context);
            }
        }
    }

    /// The largest launch of it, part by part, of which the driver has said that it is not too large.
    pub fn accepted(&mut self, launchable: u64) -> Option<&mut Shape> {
        let id = Id(launchable);
        match self.functions.get_mut(id) {
            Some(function) => Some(&mut function.accepted),
            None => self.kernels.get_mut(id).map(|kernel| &mut kernel.accepted),
        }
    }

    /// The layout and name of whatever may be launched: a function, or a kernel where CUDA takes one for it.
    pub fn layout(&self, launchable: u64) -> Result<Arc<Layout>, Code> {
        let id = Id(launchable);
        let function = self.functions.get(id).map(|function| &function.layout);
        function
            .or_else(|| self.kernels.get(id).map(|kernel| &kernel.layout))
            .cloned()
            .ok_or(CUDA_ERROR_INVALID_HANDLE)
    }
}

/// An id that was to be given, or the error for when there are too many objects.
pub fn born(id: Option<Id>) -> Result<Id, Code> {
    id.ok_or(CUDA_ERROR_OUT_OF_MEMORY)
}

impl Names {
    pub fn new(functions: Option<Vec<(String, Layout)>>) -> Names {
        let Some(functions) = functions else { return Names::default() };
        Names {
            order: functions.iter().map(|(name, _)| name.clone()).collect(),
            layouts: Some(functions.into_iter().map(|(name, layout)| (name, Arc::new(layout))).collect()),
            ..Names::default()
        }
    }
}
