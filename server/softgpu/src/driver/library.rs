//! Libraries: code that belongs to no context. A kernel of one becomes a function of a context when it is first used there.

use std::collections::HashMap;
use std::ffi::CString;
use std::sync::{Arc, Mutex, Weak};

use farwarp_face::*;
use once_cell::sync::OnceCell;

use crate::driver::context::Context;
use crate::driver::edge::Result;
use crate::driver::function::{Function, Settings};
use crate::driver::handles::{Handle, Handles};
use crate::driver::image::Image;
use crate::driver::module::{Module, Variables};
use crate::driver::ranges::lock;

pub static LIBRARIES: Handles<Library> = Handles::new();
pub static KERNELS: Handles<Kernel> = Handles::new();

pub struct Library {
    pub handle: Handle,
    pub image: Arc<Image>,
    kernels: Mutex<HashMap<String, Arc<Kernel>>>,
    /// The library's module in each context that has used it.
    modules: Mutex<HashMap<Handle, Arc<Module>>>,
    managed: OnceCell<Arc<Variables>>,
}

pub struct Kernel {
    pub handle: Handle,
    pub library: Handle,
    pub name: CString,
    owner: Weak<Library>,
    /// By device: attributes are set for a kernel on a device, and hold in all its contexts.
    settings: Mutex<HashMap<i32, Arc<Settings>>>,
}

impl Library {
    pub fn load(image: Arc<Image>) -> Arc<Library> {
        LIBRARIES.add(|handle| Library {
            handle,
            image,
            kernels: Mutex::default(),
            modules: Mutex::default(),
            managed: OnceCell::new(),
        })
    }

    pub fn find(handle: Handle) -> Result<Arc<Library>> {
        LIBRARIES.get(handle).ok_or(CUDA_ERROR_INVALID_HANDLE)
    }

    pub fn kernel(self: &Arc<Library>, name: &str) -> Result<Arc<Kernel>> {
        let mut kernels = lock(&self.kernels);
        if let Some(kernel) = kernels.get(name) {
            return Ok(kernel.clone());
        }
        self.image.entry(name)?;
        let c_name = CString::new(name).map_err(|_| CUDA_ERROR_NOT_FOUND)?;
        let kernel = KERNELS.add(|handle| Kernel {
            handle,
            library: self.handle,
            name: c_name,
            owner: Arc::downgrade(self),
            settings: Mutex::default(),
        });
        kernels.insert(name.to_owned(), kernel.clone());
        Ok(kernel)
    }

    /// The library's module in a context.
    pub fn module_in(&self, context: &Context) -> Result<Arc<Module>> {
        let mut modules = lock(&self.modules);
        if let Some(module) = modules.get(&context.handle) {
            return Ok(module.clone());
        }
        let module = Module::load_with(context, self.image.clone(), Some(self.managed()?.clone()))?;
        modules.insert(context.handle, module.clone());
        Ok(module)
    }

    /// The managed variables: the same for every context, and there before any.
    pub fn managed(&self) -> Result<&Arc<Variables>> {
        self.managed.get_or_try_init(|| Variables::managed(&self.image).map(Arc::new))
    }

    pub fn unload(&self) {
        LIBRARIES.remove(self.handle);
        for kernel in std::mem::take(&mut *lock(&self.kernels)).values() {
            KERNELS.remove(kernel.handle);
        }
        for module in std::mem::take(&mut *lock(&self.modules)).values() {
            module.unload();
        }
    }
}

impl Kernel {
    pub fn find(handle: Handle) -> Result<Arc<Kernel>> {
        KERNELS.get(handle).ok_or(CUDA_ERROR_INVALID_HANDLE)
    }

    pub fn function_in(&self, context: &Context) -> Result<Arc<Function>> {
        let library = self.owner.upgrade().ok_or(CUDA_ERROR_INVALID_HANDLE)?;
        let module = library.module_in(context)?;
        module.function_with(&self.name.to_string_lossy(), || self.settings_on(context.device.ordinal))
    }

    pub fn library(&self) -> Result<Arc<Library>> {
        self.owner.upgrade().ok_or(CUDA_ERROR_INVALID_HANDLE)
    }

    fn settings_on(&self, device: i32) -> Arc<Settings> {
        lock(&self.settings).entry(device).or_insert_with(Settings::default).clone()
    }
}

pub fn forget_context(context: Handle) {
    for library in LIBRARIES.all() {
        lock(&library.modules).remove(&context);
    }
}
