//! The program's contexts: which there are, what each is like, and which of them are the devices' primary ones.

use farwarp_protocol::error::{
    CUDA_ERROR_CONTEXT_IS_DESTROYED, CUDA_ERROR_INVALID_CONTEXT, CUDA_ERROR_INVALID_DEVICE,
    CUDA_ERROR_OUT_OF_MEMORY, Code,
};
use farwarp_protocol::handle::{Id, ObjectKind, Slab};

pub struct Contexts {
    contexts: Slab<Context>,
    /// By the program's device ordinal. Its handle is known before the context is active, and stays the same.
    primaries: Vec<Primary>,
    next_number: u64,
}

pub struct Context {
    /// The program's device ordinal.
    pub device: i32,
    pub flags: u32,
    pub primary: bool,
    /// Whether the server has made it.
    pub active: bool,
    pub api_version: u32,
    /// CUDA's own number of a context, never given twice in a process.
    pub number: u64,
    /// How often it must be detached before it goes, if it is to go that way.
    pub attached: u32,
}

pub struct Primary {
    pub context: Id,
    pub retained: u32,
    pub flags: u32,
}

/// What a context created without a version says of itself.
const API_VERSION: u32 = 3020;

impl Contexts {
    /// One primary context for each device, none of them active.
    pub fn new(devices: usize) -> Contexts {
        let mut contexts =
            Contexts { contexts: Slab::new(ObjectKind::Context), primaries: Vec::new(), next_number: 1 };
        for device in 0..devices as i32 {
            let context = contexts.insert(device, 0, true).expect("an empty table has room for each device");
            contexts.primaries.push(Primary { context, retained: 0, flags: 0 });
        }
        contexts
    }

    pub fn create(&mut self, device: i32, flags: u32) -> Result<Id, Code> {
        self.insert(device, flags, false)
    }

    fn insert(&mut self, device: i32, flags: u32, primary: bool) -> Result<Id, Code> {
        let number = self.next_number;
        self.next_number += 1;
        self.contexts
            .insert(Context {
                device,
                flags,
                primary,
                active: !primary,
                api_version: API_VERSION,
                number,
                attached: 1,
            })
            .ok_or(CUDA_ERROR_OUT_OF_MEMORY)
    }

    /// Whatever the handle names, active or not.
    pub fn get(&self, context: Id) -> Result<&Context, Code> {
        self.contexts.get(context).ok_or(CUDA_ERROR_INVALID_CONTEXT)
    }

    /// A context in which things can be made: a primary one that nobody retains is as good as destroyed.
    pub fn active(&self, context: Id) -> Result<&Context, Code> {
        match self.contexts.get(context) {
            Some(found) if found.active => Ok(found),
            _ => Err(CUDA_ERROR_CONTEXT_IS_DESTROYED),
        }
    }

    pub fn get_mut(&mut self, context: Id) -> Result<&mut Context, Code> {
        self.contexts.get_mut(context).ok_or(CUDA_ERROR_INVALID_CONTEXT)
    }

    pub fn destroy(&mut self, context: Id) -> Option<Context> {
        self.contexts.remove(context)
    }

    pub fn primary(&mut self, device: i32) -> Result<&mut Primary, Code> {
        usize::try_from(device)
            .ok()
            .and_then(|device| self.primaries.get_mut(device))
            .ok_or(CUDA_ERROR_INVALID_DEVICE)
    }

    pub fn activate(&mut self, context: Id, flags: u32) {
        if let Some(context) = self.contexts.get_mut(context) {
            context.active = true;
            context.flags = flags;
        }
    }

    pub fn deactivate(&mut self, context: Id) {
        if let Some(context) = self.contexts.get_mut(context) {
            context.active = false;
        }
    }
}
