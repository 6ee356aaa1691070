//! Functions that can be launched: what they need, what was set for them, and their compiled form.

use std::ffi::CString;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex};

use farwarp_face::*;
use once_cell::sync::OnceCell;

use crate::driver::context::Context;
use crate::driver::edge::Result;
use crate::driver::handles::{Handle, Handles};
use crate::driver::image::{Compiled, Image};
use crate::driver::library::Kernel;
use crate::driver::limits;
use crate::driver::module::Variables;
use crate::ptx::{EntryInfo, KernelInfo, Space};

pub static FUNCTIONS: Handles<Function> = Handles::new();

pub struct Function {
    pub handle: Handle,
    pub module: Handle,
    pub context: Handle,
    pub entry: EntryInfo,
    /// `cuFuncGetName` hands out a pointer to it.
    pub name: CString,
    pub variables: Arc<Variables>,
    pub settings: Arc<Settings>,
    pub prepared: Mutex<Prepared>,
    image: Arc<Image>,
    compiled: OnceCell<Compiled>,
}

/// What `cuFuncSetAttribute` has set.
#[derive(Debug)]
pub struct Settings {
    pub max_dynamic_shared_bytes: AtomicI32,
    carveout: AtomicI32,
    non_portable_cluster: AtomicI32,
    cluster_policy: AtomicI32,
    cluster: [AtomicI32; 3],
}

/// What `cuFuncSet…` and `cuParamSet…` have prepared for the next launch.
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

impl Prepared {
    pub fn resize(&mut self, bytes: usize) -> Result {
        if bytes > limits::KERNEL_PARAM_BYTES {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        self.params.resize(bytes, 0);
        Ok(())
    }

    /// Parameters may be set before their size is.
    pub fn write(&mut self, offset: i32, value: &[u8]) -> Result {
        let at = usize::try_from(offset).map_err(|_| CUDA_ERROR_INVALID_VALUE)?;
        let end = at + value.len();
        self.resize(end.max(self.params.len()))?;
        self.params[at..end].copy_from_slice(value);
        Ok(())
    }
}

/// No preference for how much of a cache is shared memory.
const CARVEOUT_DEFAULT: i32 = -1;

impl Settings {
    pub fn default() -> Arc<Settings> {
        Arc::new(Settings {
            max_dynamic_shared_bytes: AtomicI32::new(limits::SHARED_PER_BLOCK_BYTES),
            carveout: AtomicI32::new(CARVEOUT_DEFAULT),
            non_portable_cluster: AtomicI32::new(0),
            cluster_policy: AtomicI32::new(0),
            cluster: [const { AtomicI32::new(0) }; 3],
        })
    }
}

impl Function {
    #[expect(clippy::too_many_arguments, reason = "a function is made in one place, of what a module knows")]
    pub fn new(
        handle: Handle,
        module: Handle,
        context: Handle,
        image: &Arc<Image>,
        variables: &Arc<Variables>,
        entry: EntryInfo,
        name: CString,
        settings: Arc<Settings>,
    ) -> Function {
        let (image, variables) = (image.clone(), variables.clone());
        Function {
            handle,
            module,
            context,
            entry,
            name,
            variables,
            settings,
            prepared: Mutex::default(),
            image,
            compiled: OnceCell::new(),
        }
    }

    /// The compiled form, made at first use.
    pub fn compiled(&self) -> Result<&Compiled> {
        self.compiled
            .get_or_try_init(|| self.image.compile(&self.entry.name, &|name| self.variables.address(name)))
    }

    pub fn info(&self) -> Result<&KernelInfo> {
        Ok(&self.compiled()?.info)
    }

    pub fn is_loaded(&self) -> bool {
        self.compiled.get().is_some()
    }

    /// `CUfunction_attribute`.
    pub fn attribute(&self, attribute: u32, capability: i32) -> Result<i32> {
        let info = self.info()?;
        let settings = &self.settings;
        Ok(match attribute {
            0 => info.max_threads_per_block as i32,
            1 => info.static_shared_bytes as i32,
            2 => self.constant_bytes(),
            3 => info.local_bytes as i32,
            4 => info.registers as i32,
            5 | 6 => capability,
            7 => 0,
            8 => {
                let rest = limits::SHARED_PER_BLOCK_BYTES - info.static_shared_bytes as i32;
                let set = settings.max_dynamic_shared_bytes.load(Ordering::Relaxed);
                if set == limits::SHARED_PER_BLOCK_BYTES { rest.max(0) } else { set }
            }
            9 => settings.carveout.load(Ordering::Relaxed),
            10 => 0,
            11..=13 => settings.cluster[attribute as usize - 11].load(Ordering::Relaxed),
            14 => settings.non_portable_cluster.load(Ordering::Relaxed),
            15 => settings.cluster_policy.load(Ordering::Relaxed),
            16 | 17 => 0,
            _ => return Err(CUDA_ERROR_INVALID_VALUE),
        })
    }

    pub fn set_attribute(&self, attribute: u32, value: i32) -> Result {
        let settings = &self.settings;
        let place = match attribute {
            8 => {
                let room = limits::SHARED_PER_BLOCK_OPTIN_BYTES - self.info()?.static_shared_bytes as i32;
                if !(0..=room).contains(&value) {
                    return Err(CUDA_ERROR_INVALID_VALUE);
                }
                &settings.max_dynamic_shared_bytes
            }
            9 if (CARVEOUT_DEFAULT..=100).contains(&value) => &settings.carveout,
            11..=13 if value >= 0 => &settings.cluster[attribute as usize - 11],
            14 if (0..=1).contains(&value) => &settings.non_portable_cluster,
            15 if (0..=2).contains(&value) => &settings.cluster_policy,
            _ => return Err(CUDA_ERROR_INVALID_VALUE),
        };
        place.store(value, Ordering::Relaxed);
        Ok(())
    }

    /// Bytes of the module's `__constant__` variables.
    fn constant_bytes(&self) -> i32 {
        let variables = self.image.variables().iter();
        let constants = variables.filter(|variable| variable.space == Space::Const && !variable.external);
        constants.map(|variable| variable.size as i32).sum()
    }
}

/// A function by the handle of a function, or of a library's kernel, which means its function in `context`: the runtime
/// hands either to a launch.
pub fn launchable(handle: Handle, context: &Context) -> Result<Arc<Function>> {
    match FUNCTIONS.get(handle) {
        Some(function) => Ok(function),
        None => Kernel::find(handle)?.function_in(context),
    }
}
