//! Modules, libraries, and what is found in them.
#![allow(unsafe_code)] // calls the driver.

use super::image::take_image;
use crate::driver::Driver;
use crate::executor::{Call, Executor, Reply};
use crate::refusal::Refusal;
use farwarp_protocol::call::{
    Attributes, FindFunction, FindVariable, JIT_OPTIONS_CROSSING, JitOptions, KernelFunction, Layout,
    LibraryModule, LoadLibrary, LoadModule, Loaded, Range, Unload, Variable,
};
use farwarp_protocol::codec::{decode, encode};
use farwarp_protocol::error::Code;
use farwarp_protocol::handle::{Id, ObjectKind};
use farwarp_protocol::limits::{KERNELS_WITH_LOAD_MAX, NAME_BYTES_MAX};
use std::ffi::{CStr, CString, c_char, c_void};

/// Parameters of a kernel: the smallest is one byte of CUDA's largest buffer, but a driver that never says stop must be stopped.
const PARAMS_MAX: usize = 4096;
/// `CUfunction_attribute`s asked for; the header knows 16.
const FUNCTION_ATTRIBUTES: u32 = 24;
/// Longest compiler log that goes back.
const LOG_BYTES_MAX: u32 = 64 << 10;

/// The compiler's options as the driver takes them, with log buffers of our own.
pub struct Jit {
    pub options: Vec<u32>,
    pub values: Vec<*mut c_void>,
    info_log: Vec<u8>,
    error_log: Vec<u8>,
}

// SAFETY: the values are numbers, or point into the logs beside them.
unsafe impl Send for Jit {}

impl Jit {
    pub fn new(wished: &JitOptions) -> Result<Jit, Refusal> {
        let room = |bytes: u32| vec![0u8; bytes.min(LOG_BYTES_MAX) as usize];
        let mut jit = Jit {
            options: Vec::new(),
            values: Vec::new(),
            info_log: room(wished.info_log_bytes),
            error_log: room(wished.error_log_bytes),
        };
        for (option, value) in &wished.values {
            if !JIT_OPTIONS_CROSSING.contains(option) {
                return Err(Refusal::JitOption { option: *option });
            }
            jit.options.push(*option);
            jit.values.push(*value as *mut c_void);
        }
        // CU_JIT_INFO_LOG_BUFFER and its size, CU_JIT_ERROR_LOG_BUFFER and its size.
        for (option, log) in [(3, &mut jit.info_log), (5, &mut jit.error_log)] {
            if !log.is_empty() {
                jit.options.extend([option, option + 1]);
                jit.values.extend([log.as_mut_ptr().cast(), log.len() as *mut c_void]);
            }
        }
        Ok(jit)
    }

    fn loaded(&self, functions: Option<Vec<(String, Layout)>>) -> Loaded {
        let (info_log, error_log) = self.logs();
        Loaded { functions, info_log, error_log }
    }

    /// What the compiler has said so far.
    pub fn logs(&self) -> (String, String) {
        let text = |log: &[u8]| {
            let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
            String::from_utf8_lossy(&log[..end]).into_owned()
        };
        (text(&self.info_log), text(&self.error_log))
    }
}

pub fn load_module(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let LoadModule { upload, module, fatbin: _, jit } = decode(call.body)?;
    executor.objects.check_new(module, ObjectKind::Module)?;
    let mut jit = Jit::new(&jit)?;
    executor.enter(call)?;
    let (image, _) = take_image(executor, upload)?;
    let driver = executor.driver;
    let mut raw = 0;
    // SAFETY: the image is ours, ends with a NUL, and outlives the call; options and values are equally many.
    let outcome = unsafe {
        let (options, values) = (jit.options.as_mut_ptr(), jit.values.as_mut_ptr());
        driver.cuModuleLoadDataEx(&mut raw, image.as_ptr().cast(), jit.options.len() as u32, options, values)
    };
    let functions = outcome.ok().and_then(|()| functions_of_module(driver, raw).ok());
    if outcome.is_ok() {
        executor.objects.born(module, raw, call.asker.context);
    }
    Ok(Reply::Now(outcome.err().unwrap_or(0), encode(&jit.loaded(functions))))
}

pub fn load_library(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let LoadLibrary { upload, library, jit } = decode(call.body)?;
    executor.objects.check_new(library, ObjectKind::Library)?;
    let mut jit = Jit::new(&jit)?;
    // A library belongs to no context, so a load before the first one is lawful.
    if call.asker.context != Id(0) {
        executor.enter(call)?;
    }
    let (image, _) = take_image(executor, upload)?;
    let driver = executor.driver;
    let mut raw = 0;
    let (none, no_values) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: as for a module. No library option says that the image stays, so the driver copies what it needs.
    let outcome = unsafe {
        let (options, values) = (jit.options.as_mut_ptr(), jit.values.as_mut_ptr());
        let count = jit.options.len() as u32;
        driver.cuLibraryLoadData(&mut raw, image.as_ptr().cast(), options, values, count, none, no_values, 0)
    };
    let functions = outcome.ok().and_then(|()| kernels_of_library(driver, raw).ok());
    if outcome.is_ok() {
        executor.objects.born(library, raw, Id(0));
    }
    Ok(Reply::Now(outcome.err().unwrap_or(0), encode(&jit.loaded(functions))))
}

/// Names and layouts of a module's functions; an error if there are too many, or the driver cannot list them.
fn functions_of_module(driver: &Driver, module: u64) -> Result<Vec<(String, Layout)>, Code> {
    let mut count = 0;
    // SAFETY: `count` is writable; so are `count` handles.
    unsafe {
        driver.cuModuleGetFunctionCount(&mut count, module)?;
        let mut functions = vec![0; within(count)?];
        driver.cuModuleEnumerateFunctions(functions.as_mut_ptr(), count, module)?;
        functions
            .into_iter()
            .map(|function| {
                let mut name = std::ptr::null();
                driver.cuFuncGetName(&mut name, function)?;
                Ok((
                    text(name),
                    layout(|index, at, bytes| driver.cuFuncGetParamInfo(function, index, at, bytes)),
                ))
            })
            .collect()
    }
}

fn kernels_of_library(driver: &Driver, library: u64) -> Result<Vec<(String, Layout)>, Code> {
    let mut count = 0;
    // SAFETY: `count` is writable; so are `count` handles.
    unsafe {
        driver.cuLibraryGetKernelCount(&mut count, library)?;
        let mut kernels = vec![0; within(count)?];
        driver.cuLibraryEnumerateKernels(kernels.as_mut_ptr(), count, library)?;
        kernels
            .into_iter()
            .map(|kernel| {
                let mut name = std::ptr::null();
                driver.cuKernelGetName(&mut name, kernel)?;
                Ok((
                    text(name),
                    layout(|index, at, bytes| driver.cuKernelGetParamInfo(kernel, index, at, bytes)),
                ))
            })
            .collect()
    }
}

fn within(count: u32) -> Result<usize, Code> {
    match count as usize {
        count @ 0..=KERNELS_WITH_LOAD_MAX => Ok(count),
        _ => Err(farwarp_protocol::error::CUDA_ERROR_NOT_SUPPORTED),
    }
}

/// # Safety
/// A NUL-terminated name of the driver's.
unsafe fn text(name: *const c_char) -> String {
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
}

/// The driver answers for each parameter in turn and refuses the one after the last.
fn layout(mut of: impl FnMut(usize, *mut usize, *mut usize) -> Result<(), Code>) -> Layout {
    let params = (0..PARAMS_MAX).map_while(|index| {
        let (mut offset, mut bytes) = (0, 0);
        of(index, &mut offset, &mut bytes).ok()?;
        Some((offset as u32, bytes as u32))
    });
    Layout { params: params.collect() }
}

pub fn unload(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let Unload { object } = decode(call.body)?;
    if call.asker.context != Id(0) {
        executor.enter(call)?;
    }
    let driver = executor.driver;
    let is_library = object.kind() == Some(ObjectKind::Library);
    let kind = if is_library { ObjectKind::Library } else { ObjectKind::Module };
    executor.objects.get(object, kind)?;
    // The module of a library is the library's.
    if executor.objects.parent(object).and_then(Id::kind) == Some(ObjectKind::Library) {
        return Err(Refusal::NotItsOwn { id: object });
    }
    let raw = executor.objects.remove(object, kind)?;
    executor.ranges.parent_gone(object);
    let objects = &executor.objects;
    executor.shared.lock().gone(None, |parent| objects.is_live(parent));
    // SAFETY: what this session loaded, and nobody names any more.
    Ok(unsafe { if is_library { driver.cuLibraryUnload(raw) } else { driver.cuModuleUnload(raw) } }.into())
}

pub fn find_function(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let FindFunction { within, name, found } = decode(call.body)?;
    let name = checked_name(name)?;
    let driver = executor.driver;
    let mut raw = 0;
    if within.kind() == Some(ObjectKind::Library) {
        let library = executor.objects.get(within, ObjectKind::Library)?;
        executor.objects.check_new(found, ObjectKind::Kernel)?;
        // SAFETY: a live library, a NUL-terminated name, a writable handle.
        let outcome = unsafe { driver.cuLibraryGetKernel(&mut raw, library, name.as_ptr()) };
        return Ok(outcome
            .map(|()| {
                executor.objects.born(found, raw, within);
                // SAFETY: the places to write are `layout`'s own.
                encode(&layout(|index, at, bytes| unsafe {
                    driver.cuKernelGetParamInfo(raw, index, at, bytes)
                }))
            })
            .into());
    }
    let module = executor.objects.get(within, ObjectKind::Module)?;
    executor.objects.check_new(found, ObjectKind::Function)?;
    executor.enter(call)?;
    // SAFETY: as above, for a module.
    let outcome = unsafe { driver.cuModuleGetFunction(&mut raw, module, name.as_ptr()) };
    Ok(outcome
        .map(|()| {
            executor.objects.born(found, raw, within);
            // SAFETY: the places to write are `layout`'s own.
            encode(&layout(|index, at, bytes| unsafe { driver.cuFuncGetParamInfo(raw, index, at, bytes) }))
        })
        .into())
}

pub fn find_variable(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let FindVariable { within, name } = decode(call.body)?;
    let name = checked_name(name)?;
    executor.enter(call)?;
    let driver = executor.driver;
    let (mut address, mut bytes) = (0, 0);
    // SAFETY: a live module or library, a NUL-terminated name, two writable numbers.
    let outcome = unsafe {
        if within.kind() == Some(ObjectKind::Library) {
            let library = executor.objects.get(within, ObjectKind::Library)?;
            driver.cuLibraryGetGlobal(&mut address, &mut bytes, library, name.as_ptr())
        } else {
            let module = executor.objects.get(within, ObjectKind::Module)?;
            driver.cuModuleGetGlobal_v2(&mut address, &mut bytes, module, name.as_ptr())
        }
    };
    Ok(outcome.map(|()| encode(&found_variable(executor, within, address, bytes))).into())
}

/// A managed variable of a library, which has it before any context is there.
pub fn find_managed(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let FindVariable { within, name } = decode(call.body)?;
    let name = checked_name(name)?;
    let library = executor.objects.get(within, ObjectKind::Library)?;
    if call.asker.context != Id(0) {
        executor.enter(call)?;
    }
    let (mut address, mut bytes) = (0, 0);
    // SAFETY: a live library, a NUL-terminated name, two writable numbers.
    let outcome =
        unsafe { executor.driver.cuLibraryGetManaged(&mut address, &mut bytes, library, name.as_ptr()) };
    Ok(outcome.map(|()| encode(&found_variable(executor, within, address, bytes))).into())
}

fn found_variable(executor: &mut Executor, within: Id, address: u64, bytes: usize) -> Variable {
    let range = Range { address, bytes: bytes as u64 };
    let managed = super::is_managed(executor, address);
    // The driver's word stands; a managed variable is one range however it was found.
    let known = executor.shared.lock().find(address).is_some();
    if !known {
        executor.ranges.born(range, within);
    }
    if managed {
        executor.shared.lock().found_managed(range, within);
    }
    Variable { range, managed }
}

pub fn checked_name(name: String) -> Result<CString, Refusal> {
    let got = name.len() as u64;
    if got > NAME_BYTES_MAX as u64 {
        return Err(Refusal::TooMuch { what: "bytes of a name", got, max: NAME_BYTES_MAX as u64 });
    }
    CString::new(name).map_err(|_| Refusal::BadName)
}

pub fn library_module(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let LibraryModule { library, module } = decode(call.body)?;
    let raw_library = executor.objects.get(library, ObjectKind::Library)?;
    executor.objects.check_new(module, ObjectKind::Module)?;
    executor.enter(call)?;
    let mut raw = 0;
    // SAFETY: a live library and a writable handle.
    let outcome = unsafe { executor.driver.cuLibraryGetModule(&mut raw, raw_library) };
    // It is unloaded with its library, never by itself.
    Ok(outcome.map(|()| executor.objects.born(module, raw, library)).into())
}

pub fn kernel_function(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let KernelFunction { kernel, function } = decode(call.body)?;
    let raw_kernel = executor.objects.get(kernel, ObjectKind::Kernel)?;
    executor.objects.check_new(function, ObjectKind::Function)?;
    executor.enter(call)?;
    let mut raw = 0;
    // SAFETY: a live kernel and a writable handle.
    let outcome = unsafe { executor.driver.cuKernelGetFunction(&mut raw, raw_kernel) };
    Ok(outcome.map(|()| executor.objects.born(function, raw, kernel)).into())
}

pub fn function_attributes(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let id: Id = decode(call.body)?;
    let raw = executor.launchable(id)?;
    executor.enter(call)?;
    let device = executor.context(call.asker.context)?.device;
    let driver = executor.driver;
    let ask = |which| {
        let mut value = 0;
        // SAFETY: a live function or kernel and a writable number.
        unsafe {
            match id.kind() {
                Some(ObjectKind::Kernel) => driver.cuKernelGetAttribute(&mut value, which, raw, device)?,
                _ => driver.cuFuncGetAttribute(&mut value, which, raw)?,
            }
        }
        Ok(value)
    };
    Ok(Reply::Now(0, encode(&Attributes { values: (0..FUNCTION_ATTRIBUTES).map(ask).collect() })))
}
