//! Modules: an image in a context, with memory for its variables and functions by name.

use std::collections::HashMap;
use std::ffi::CString;
use std::sync::{Arc, Mutex};

use farwarp_face::*;

use crate::driver::context::Context;
use crate::driver::device::Device;
use crate::driver::edge::Result;
use crate::driver::function::{FUNCTIONS, Function, Settings};
use crate::driver::handles::{Handle, Handles};
use crate::driver::image::Image;
use crate::driver::machine::device;
use crate::driver::ranges::{Kind, Range, lock};
use crate::driver::{library, memory, transfer};
use crate::ptx::Variable;

pub static MODULES: Handles<Module> = Handles::new();

pub struct Module {
    pub handle: Handle,
    pub context: Handle,
    pub image: Arc<Image>,
    pub variables: Arc<Variables>,
    functions: Mutex<HashMap<String, Arc<Function>>>,
}

/// The memory of a module's variables. It lives as long as anything that may still run reaches it.
#[derive(Default)]
pub struct Variables {
    by_name: HashMap<String, Arc<Range>>,
    /// The managed variables of a library, which all its modules have in common.
    shared: Option<Arc<Variables>>,
}

impl Module {
    pub fn load(context: &Context, image: Arc<Image>) -> Result<Arc<Module>> {
        Module::load_with(context, image, None)
    }

    /// The same, with variables that are there already.
    pub fn load_with(
        context: &Context,
        image: Arc<Image>,
        shared: Option<Arc<Variables>>,
    ) -> Result<Arc<Module>> {
        let variables = Variables { by_name: HashMap::new(), shared };
        let own = |variable: &Variable| variables.shared.is_none() || !variable.managed;
        let own: Vec<&Variable> = image.variables().iter().filter(|variable| own(variable)).collect();
        let variables = Arc::new(variables.place(&image, &own, context.device, context.handle)?);
        let context = context.handle;
        Ok(MODULES.add(|handle| Module { handle, context, image, variables, functions: Mutex::default() }))
    }

    pub fn find(handle: Handle) -> Result<Arc<Module>> {
        MODULES.get(handle).ok_or(CUDA_ERROR_INVALID_HANDLE)
    }

    /// The function of that name, under one handle however often it is asked for.
    pub fn function(&self, name: &str) -> Result<Arc<Function>> {
        self.function_with(name, Settings::default)
    }

    /// The same, with settings that it shares with a library's kernel.
    pub fn function_with(
        &self,
        name: &str,
        settings: impl FnOnce() -> Arc<Settings>,
    ) -> Result<Arc<Function>> {
        let mut functions = lock(&self.functions);
        if let Some(function) = functions.get(name) {
            return Ok(function.clone());
        }
        let entry = self.image.entry(name)?.clone();
        let c_name = CString::new(name).map_err(|_| CUDA_ERROR_NOT_FOUND)?;
        let function = FUNCTIONS.add(|handle| {
            Function::new(
                handle,
                self.handle,
                self.context,
                &self.image,
                &self.variables,
                entry,
                c_name,
                settings(),
            )
        });
        functions.insert(name.to_owned(), function.clone());
        Ok(function)
    }

    /// Ends the names of the module and its functions. What was launched before still runs to its end.
    pub fn unload(&self) {
        MODULES.remove(self.handle);
        let functions = std::mem::take(&mut *lock(&self.functions));
        for function in functions.values() {
            FUNCTIONS.remove(function.handle);
        }
    }
}

impl Variables {
    /// The managed variables of an image, which belong to no context.
    pub fn managed(image: &Image) -> Result<Variables> {
        let managed: Vec<&Variable> = image.variables().iter().filter(|variable| variable.managed).collect();
        Variables::default().place(image, &managed, device(0)?, 0)
    }

    fn place(
        mut self,
        image: &Image,
        variables: &[&Variable],
        device: &Device,
        context: Handle,
    ) -> Result<Variables> {
        let here = variables.iter().filter(|variable| !variable.external && variable.size > 0);
        for variable in here {
            let kind = Kind::Variable { managed: variable.managed };
            let range = memory::allocate_on(device, context, variable.size, variable.align, kind)?;
            self.by_name.insert(variable.name.clone(), range);
        }
        for variable in variables {
            self.initialize(image, variable)?;
        }
        Ok(self)
    }

    /// Writes a variable's first value: its bytes, zeros, and the addresses it names.
    fn initialize(&self, image: &Image, variable: &Variable) -> Result {
        let Some(range) = self.by_name.get(&variable.name) else { return Ok(()) };
        let mut bytes = variable.init.clone();
        bytes.resize(variable.size as usize, 0);
        for relocation in &variable.relocations {
            let symbol = &relocation.symbol;
            let address = self.address(symbol).or_else(|| image.function_address(symbol));
            let address = address.ok_or(CUDA_ERROR_INVALID_PTX)?;
            let value = (address.wrapping_add_signed(relocation.addend) >> relocation.shift).to_le_bytes();
            let (at, width) = (relocation.offset as usize, usize::from(relocation.width).min(value.len()));
            let place = bytes.get_mut(at..at + width).ok_or(CUDA_ERROR_INVALID_PTX)?;
            place.copy_from_slice(&value[..width]);
        }
        transfer::write(range.start, &bytes);
        Ok(())
    }

    pub fn get(&self, name: &str) -> Option<&Arc<Range>> {
        let shared = || self.shared.as_ref().and_then(|shared| shared.get(name));
        self.by_name.get(name).or_else(shared)
    }

    pub fn address(&self, name: &str) -> Option<u64> {
        self.get(name).map(|range| range.start)
    }
}

impl Drop for Variables {
    fn drop(&mut self) {
        self.by_name.values().for_each(|range| memory::strike(range));
    }
}

pub fn forget_context(context: Handle) {
    for module in MODULES.remove_all(|module| module.context == context) {
        module.unload();
    }
    library::forget_context(context);
}
