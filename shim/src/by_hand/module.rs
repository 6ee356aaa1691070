//! Modules, libraries, and what is found in them. A load brings the names and parameter layouts of all its functions along, so
//! that finding one costs nothing more.
#![allow(unsafe_code)]
// reads names and options, writes handles.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc, clippy::too_many_arguments)]

use super::image::{self, Image};
use crate::call::{in_context, in_context_hearing};
use crate::here::{give, give_text};
use crate::memory::MemoryKind;
use crate::objects::{Function, Kernel, Library, Module, Names, Prepared, born};
use crate::shared;
use crate::state::{Shim, shim};
use farwarp_protocol::call::{
    Attributes, FIND_FUNCTION, FUNCTION_ATTRIBUTES, FindFunction, JIT_OPTIONS_CROSSING, JitOptions,
    KERNEL_FUNCTION, KernelFunction, LIBRARY_MODULE, LOAD_LIBRARY, LOAD_MODULE, Layout, LibraryModule,
    LoadLibrary, LoadModule, Loaded, UNLOAD, Unload,
};
use farwarp_protocol::codec::{decode, encode};
use farwarp_protocol::error::{
    CUDA_ERROR_FILE_NOT_FOUND, CUDA_ERROR_INVALID_HANDLE, CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_NOT_FOUND,
    CUDA_ERROR_NOT_PERMITTED, CUDA_ERROR_UNKNOWN, Code,
};
use farwarp_protocol::handle::Id;
use farwarp_protocol::limits::NAME_BYTES_MAX;
use std::ffi::{CStr, CString, c_char, c_void};
use std::sync::Arc;

/// Options of the compiler whose value is a buffer or its size.
mod jit {
    pub const INFO_LOG_BUFFER: u32 = 3;
    pub const INFO_LOG_BUFFER_SIZE_BYTES: u32 = 4;
    pub const ERROR_LOG_BUFFER: u32 = 5;
    pub const ERROR_LOG_BUFFER_SIZE_BYTES: u32 = 6;
}

/// The options of a load as the program passed them: its buffers for the logs stay here.
pub struct Options {
    pub crossing: JitOptions,
    info_log: *mut c_char,
    error_log: *mut c_char,
}

// SAFETY: the addresses of the program's buffers are only followed while a call that may fill them is being made.
unsafe impl Send for Options {}

impl Options {
    /// # Safety
    /// The program vouches for `count` elements behind pointers that are not NULL.
    pub unsafe fn read(count: u32, options: *const u32, values: *const *mut c_void) -> Options {
        let mut read = Options {
            crossing: JitOptions::default(),
            info_log: std::ptr::null_mut(),
            error_log: std::ptr::null_mut(),
        };
        // cuBLASLt passes a count of one with no values.
        if options.is_null() || values.is_null() {
            return read;
        }
        for index in 0..count as usize {
            let (option, value) =
                unsafe { (options.add(index).read_unaligned(), values.add(index).read_unaligned()) };
            match option {
                jit::INFO_LOG_BUFFER => read.info_log = value.cast(),
                jit::ERROR_LOG_BUFFER => read.error_log = value.cast(),
                jit::INFO_LOG_BUFFER_SIZE_BYTES => read.crossing.info_log_bytes = value as usize as u32,
                jit::ERROR_LOG_BUFFER_SIZE_BYTES => read.crossing.error_log_bytes = value as usize as u32,
                plain if JIT_OPTIONS_CROSSING.contains(&plain) => {
                    read.crossing.values.push((plain, value as u64));
                }
                // Names and addresses of symbols for the linker, and what nobody knows: pointers do not cross.
                _ => {}
            }
        }
        read
    }

    /// # Safety
    /// The program's buffers for the logs are still there.
    pub unsafe fn deliver_logs(&self, info_log: &str, error_log: &str) {
        let logs = [
            (self.info_log, self.crossing.info_log_bytes, info_log),
            (self.error_log, self.crossing.error_log_bytes, error_log),
        ];
        for (to, room, text) in logs {
            if !to.is_null() && room > 0 {
                // The room is what the program said it is.
                let _ = unsafe { give_text(to, room as i32, text) };
            }
        }
    }
}

pub unsafe fn cuModuleLoadDataEx(
    module: *mut u64,
    image: *const c_void,
    count: u32,
    options: *const u32,
    values: *const *mut c_void,
) -> Result<(), Code> {
    if module.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    unsafe {
        let options = Options::read(count, options, values);
        give(module, load_module(image::find(image)?, &options)?.0)
    }
}

pub unsafe fn cuModuleLoadData(module: *mut u64, image: *const c_void) -> Result<(), Code> {
    unsafe { cuModuleLoadDataEx(module, image, 0, std::ptr::null(), std::ptr::null()) }
}

pub unsafe fn cuModuleLoadFatBinary(module: *mut u64, image: *const c_void) -> Result<(), Code> {
    unsafe { cuModuleLoadData(module, image) }
}

/// The file is the client's: its bytes cross, its name does not.
pub unsafe fn cuModuleLoad(module: *mut u64, path: *const c_char) -> Result<(), Code> {
    let bytes = unsafe { read_file(path)? };
    unsafe { cuModuleLoadData(module, bytes.as_ptr().cast()) }
}

/// What the table CUDART_INTERFACE loads.
pub fn load_fatbin(image: *const c_void) -> Result<Id, Code> {
    let mut module = 0;
    // SAFETY: the runtime vouches for its image.
    unsafe { cuModuleLoadData(&mut module, image)? };
    Ok(Id(module))
}

fn load_module(image: Image, options: &Options) -> Result<Id, Code> {
    let (shim, context) = in_context_hearing()?;
    let (bytes, fatbin) = match image {
        Image::Plain(bytes) => (bytes, false),
        Image::Fatbin(bytes) => (bytes, true),
    };
    let upload = image::upload(shim, bytes)?;
    let id = born(shim.objects().modules.insert(Module { context, names: Names::default(), library: None }))?;
    let load = LoadModule { upload, module: id, fatbin, jit: options.crossing.clone() };
    let result = finish_load(shim, LOAD_MODULE, &encode(&load), options);
    let mut objects = shim.objects();
    match result {
        Ok(names) => {
            if let Some(module) = objects.modules.get_mut(id) {
                module.names = names;
            }
            Ok(id)
        }
        Err(code) => {
            objects.modules.remove(id);
            Err(code)
        }
    }
}

fn finish_load(shim: &Shim, op: u32, body: &[u8], options: &Options) -> Result<Names, Code> {
    let answer = shim.remote.ask(op, &[body])?;
    // The logs come also with a failure; then they are what it is for.
    let loaded: Loaded = match decode(&answer.body) {
        Ok(loaded) => loaded,
        Err(_) => return Err(answer.check().err().unwrap_or_else(|| answer.malformed())),
    };
    if loaded.functions.iter().flatten().any(|(_, layout)| !layout.is_plausible()) {
        return Err(answer.malformed());
    }
    unsafe { options.deliver_logs(&loaded.info_log, &loaded.error_log) };
    answer.check()?;
    Ok(Names::new(loaded.functions))
}

pub unsafe fn cuModuleUnload(module: u64) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    let id = Id(module);
    let mut objects = shim.objects();
    // A library's module goes with its library.
    if objects.modules.get(id).ok_or(CUDA_ERROR_INVALID_HANDLE)?.library.is_some() {
        return Err(CUDA_ERROR_NOT_PERMITTED);
    }
    objects.modules.remove(id);
    drop(objects);
    unload(shim, id)
}

pub unsafe fn cuLibraryLoadData(
    library: *mut u64,
    code: *const c_void,
    jit_options: *const u32,
    jit_values: *const *mut c_void,
    jit_count: u32,
    _library_options: *const u32,
    _library_values: *const *mut c_void,
    _library_count: u32,
) -> Result<(), Code> {
    // Library options say that the image stays where it is, or that functions must be loaded at once: neither matters here,
    // as the bytes have crossed before this returns.
    let shim = shim()?;
    if library.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let options = unsafe { Options::read(jit_count, jit_options, jit_values) };
    let (Image::Plain(bytes) | Image::Fatbin(bytes)) = unsafe { image::find(code)? };
    let upload = image::upload(shim, bytes)?;
    let id = born(
        shim.objects().libraries.insert(Library { names: Names::default(), modules: Default::default() }),
    )?;
    let load = LoadLibrary { upload, library: id, jit: options.crossing.clone() };
    match finish_load(shim, LOAD_LIBRARY, &encode(&load), &options) {
        Ok(names) => {
            if let Some(library) = shim.objects().libraries.get_mut(id) {
                library.names = names;
            }
            unsafe { give(library, id.0) }
        }
        Err(code) => {
            shim.objects().libraries.remove(id);
            Err(code)
        }
    }
}

pub unsafe fn cuLibraryLoadFromFile(
    library: *mut u64,
    path: *const c_char,
    jit_options: *const u32,
    jit_values: *const *mut c_void,
    jit_count: u32,
    library_options: *const u32,
    library_values: *const *mut c_void,
    library_count: u32,
) -> Result<(), Code> {
    unsafe {
        let bytes = read_file(path)?;
        let image = bytes.as_ptr().cast();
        cuLibraryLoadData(
            library,
            image,
            jit_options,
            jit_values,
            jit_count,
            library_options,
            library_values,
            library_count,
        )
    }
}

pub unsafe fn cuLibraryUnload(library: u64) -> Result<(), Code> {
    let shim = shim()?;
    let id = Id(library);
    {
        let mut objects = shim.objects();
        let gone = objects.libraries.remove(id).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
        for module in gone.modules.into_values() {
            objects.modules.remove(module);
            objects.functions.remove_where(|function| function.module == module);
        }
        objects.kernels.remove_where(|kernel| kernel.library == id);
    }
    unload(shim, id)
}

fn unload(shim: &Shim, id: Id) -> Result<(), Code> {
    shim.objects().functions.remove_where(|function| function.module == id);
    let answer = shim.remote.ask(UNLOAD, &[&encode(&Unload { object: id })])?;
    shared::gone(shim, id);
    let (variable, managed) =
        (MemoryKind::Variable { module: id }, MemoryKind::ManagedVariable { module: id });
    shim.memory().remove_where(|allocation| allocation.kind == variable || allocation.kind == managed);
    answer.check()
}

pub unsafe fn cuModuleGetFunction(function: *mut u64, module: u64, name: *const c_char) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    if function.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let (text, module) = (unsafe { read_name(name)? }, Id(module));
    let mut objects = shim.objects();
    let names = &objects.modules.get(module).ok_or(CUDA_ERROR_INVALID_HANDLE)?.names;
    if let Some(found) = names.found.get(&text) {
        return unsafe { give(function, found.0) };
    }
    let known = names.known(&text)?;
    let name = CString::new(text.clone()).map_err(|_| CUDA_ERROR_INVALID_VALUE)?;
    let new = Function {
        module,
        name,
        layout: Arc::default(),
        attributes: None,
        prepared: Prepared::default(),
        accepted: Default::default(),
    };
    let id = born(objects.functions.insert(new))?;
    drop(objects);
    let layout = find_function(shim, module, &text, id, known)
        .inspect_err(|_| drop(shim.objects().functions.remove(id)))?;
    let mut objects = shim.objects();
    if let Some(function) = objects.functions.get_mut(id) {
        function.layout = layout;
    }
    if let Some(module) = objects.modules.get_mut(module) {
        module.names.found.insert(text, id);
    }
    unsafe { give(function, id.0) }
}

pub unsafe fn cuLibraryGetKernel(kernel: *mut u64, library: u64, name: *const c_char) -> Result<(), Code> {
    let shim = shim()?;
    if kernel.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let (text, library) = (unsafe { read_name(name)? }, Id(library));
    let mut objects = shim.objects();
    let names = &objects.libraries.get(library).ok_or(CUDA_ERROR_INVALID_HANDLE)?.names;
    if let Some(found) = names.found.get(&text) {
        return unsafe { give(kernel, found.0) };
    }
    let known = names.known(&text)?;
    let name = CString::new(text.clone()).map_err(|_| CUDA_ERROR_INVALID_VALUE)?;
    let new = Kernel {
        library,
        name,
        layout: Arc::default(),
        attributes: None,
        accepted: Default::default(),
        functions: Default::default(),
    };
    let id = born(objects.kernels.insert(new))?;
    drop(objects);
    let layout = find_function(shim, library, &text, id, known)
        .inspect_err(|_| drop(shim.objects().kernels.remove(id)))?;
    let mut objects = shim.objects();
    if let Some(kernel) = objects.kernels.get_mut(id) {
        kernel.layout = layout;
    }
    if let Some(library) = objects.libraries.get_mut(library) {
        library.names.found.insert(text, id);
    }
    unsafe { give(kernel, id.0) }
}

/// Tells the server which id a function shall have, when its layout is known; asks for the layout too when it is not.
fn find_function(
    shim: &Shim,
    within: Id,
    name: &str,
    found: Id,
    known: Option<Arc<Layout>>,
) -> Result<Arc<Layout>, Code> {
    let find = encode(&FindFunction { within, name: name.to_owned(), found });
    match known {
        Some(layout) => shim.remote.tell(FIND_FUNCTION, &[&find]).map(|()| layout),
        None => {
            let answer = shim.remote.ask(FIND_FUNCTION, &[&find])?;
            let layout = answer.value::<Layout>()?;
            if layout.is_plausible() { Ok(Arc::new(layout)) } else { Err(answer.malformed()) }
        }
    }
}

impl Names {
    /// The layout of a function, if the load told; an error if the load told of all and this is none of them.
    fn known(&self, name: &str) -> Result<Option<Arc<Layout>>, Code> {
        match &self.layouts {
            Some(layouts) => layouts.get(name).cloned().map(Some).ok_or(CUDA_ERROR_NOT_FOUND),
            None => Ok(None),
        }
    }
}

pub unsafe fn cuLibraryGetModule(module: *mut u64, library: u64) -> Result<(), Code> {
    let (shim, context) = in_context_hearing()?;
    if module.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let library = Id(library);
    let mut objects = shim.objects();
    let known = objects.libraries.get(library).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
    if let Some(known) = known.modules.get(&context) {
        return unsafe { give(module, known.0) };
    }
    let names =
        Names { order: known.names.order.clone(), layouts: known.names.layouts.clone(), ..Names::default() };
    let id = born(objects.modules.insert(Module { context, names, library: Some(library) }))?;
    drop(objects);
    let answer = shim.remote.ask(LIBRARY_MODULE, &[&encode(&LibraryModule { library, module: id })])?;
    let mut objects = shim.objects();
    if let Err(code) = answer.check() {
        objects.modules.remove(id);
        return Err(code);
    }
    if let Some(library) = objects.libraries.get_mut(library) {
        library.modules.insert(context, id);
    }
    unsafe { give(module, id.0) }
}

pub unsafe fn cuKernelGetFunction(function: *mut u64, kernel: u64) -> Result<(), Code> {
    let (shim, context) = in_context_hearing()?;
    if function.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let kernel = Id(kernel);
    let mut objects = shim.objects();
    let known = objects.kernels.get(kernel).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
    if let Some(known) = known.functions.get(&context) {
        return unsafe { give(function, known.0) };
    }
    let new = Function {
        module: known.library,
        name: known.name.clone(),
        layout: known.layout.clone(),
        attributes: None,
        prepared: Prepared::default(),
        accepted: Default::default(),
    };
    let id = born(objects.functions.insert(new))?;
    drop(objects);
    let answer = shim.remote.ask(KERNEL_FUNCTION, &[&encode(&KernelFunction { kernel, function: id })])?;
    let mut objects = shim.objects();
    if let Err(code) = answer.check() {
        objects.functions.remove(id);
        return Err(code);
    }
    if let Some(kernel) = objects.kernels.get_mut(kernel) {
        kernel.functions.insert(context, id);
    }
    unsafe { give(function, id.0) }
}

pub unsafe fn cuModuleGetFunctionCount(count: *mut u32, module: u64) -> Result<(), Code> {
    let (shim, _) = in_context()?;
    let objects = shim.objects();
    let names = &objects.modules.get(Id(module)).ok_or(CUDA_ERROR_INVALID_HANDLE)?.names;
    unsafe { give(count, names.count()?) }
}

pub unsafe fn cuLibraryGetKernelCount(count: *mut u32, library: u64) -> Result<(), Code> {
    let shim = shim()?;
    let objects = shim.objects();
    let names = &objects.libraries.get(Id(library)).ok_or(CUDA_ERROR_INVALID_HANDLE)?.names;
    unsafe { give(count, names.count()?) }
}

impl Names {
    fn count(&self) -> Result<u32, Code> {
        let layouts = self.layouts.as_ref().ok_or(farwarp_protocol::error::CUDA_ERROR_NOT_SUPPORTED)?;
        Ok(layouts.len() as u32)
    }
}

pub unsafe fn cuModuleEnumerateFunctions(functions: *mut u64, count: u32, module: u64) -> Result<(), Code> {
    let (shim, _) = in_context()?;
    let names = shim.objects().modules.get(Id(module)).ok_or(CUDA_ERROR_INVALID_HANDLE)?.names.order.clone();
    if functions.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    for (index, name) in names.iter().take(count as usize).enumerate() {
        let name = CString::new(name.as_str()).map_err(|_| CUDA_ERROR_UNKNOWN)?;
        unsafe { cuModuleGetFunction(functions.add(index), module, name.as_ptr())? };
    }
    Ok(())
}

pub unsafe fn cuLibraryEnumerateKernels(kernels: *mut u64, count: u32, library: u64) -> Result<(), Code> {
    let shim = shim()?;
    let names =
        shim.objects().libraries.get(Id(library)).ok_or(CUDA_ERROR_INVALID_HANDLE)?.names.order.clone();
    if kernels.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    for (index, name) in names.iter().take(count as usize).enumerate() {
        let name = CString::new(name.as_str()).map_err(|_| CUDA_ERROR_UNKNOWN)?;
        unsafe { cuLibraryGetKernel(kernels.add(index), library, name.as_ptr())? };
    }
    Ok(())
}

pub unsafe fn cuFuncGetParamInfo(
    function: u64,
    index: usize,
    offset: *mut usize,
    bytes: *mut usize,
) -> Result<(), Code> {
    let layout = shim()?.objects().layout(function)?;
    let (at, size) = layout.params.get(index).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    unsafe {
        give(offset, *at as usize)?;
        // The size may be unwanted.
        if bytes.is_null() { Ok(()) } else { give(bytes, *size as usize) }
    }
}

pub unsafe fn cuKernelGetParamInfo(
    kernel: u64,
    index: usize,
    offset: *mut usize,
    bytes: *mut usize,
) -> Result<(), Code> {
    unsafe { cuFuncGetParamInfo(kernel, index, offset, bytes) }
}

pub unsafe fn cuFuncGetParamCount(function: u64, count: *mut usize) -> Result<(), Code> {
    unsafe { give(count, shim()?.objects().layout(function)?.params.len()) }
}

pub unsafe fn cuKernelGetParamCount(kernel: u64, count: *mut usize) -> Result<(), Code> {
    unsafe { cuFuncGetParamCount(kernel, count) }
}

/// Asked of the server at the first question about a function, all attributes at once.
pub unsafe fn cuFuncGetAttribute(value: *mut i32, which: u32, function: u64) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    if value.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let id = Id(function);
    let known = {
        let objects = shim.objects();
        objects.layout(function)?;
        let function = objects.functions.get(id).map(|function| function.attributes.clone());
        function.or_else(|| objects.kernels.get(id).map(|kernel| kernel.attributes.clone())).flatten()
    };
    let attributes = match known {
        Some(known) => known,
        None => {
            let asked: Attributes = shim.remote.ask(FUNCTION_ATTRIBUTES, &[&encode(&id)])?.value()?;
            remember(shim, id, Some(asked.clone()));
            asked
        }
    };
    let found = attributes.values.get(which as usize).copied().unwrap_or(Err(CUDA_ERROR_INVALID_VALUE))?;
    unsafe { give(value, found) }
}

pub unsafe fn cuKernelGetAttribute(
    value: *mut i32,
    which: u32,
    kernel: u64,
    device: i32,
) -> Result<(), Code> {
    shim()?.device(device)?;
    unsafe { cuFuncGetAttribute(value, which, kernel) }
}

/// What was known of a function's attributes is no longer so once one was set.
pub fn remember(shim: &Shim, id: Id, attributes: Option<Attributes>) {
    let mut objects = shim.objects();
    if let Some(function) = objects.functions.get_mut(id) {
        function.attributes = attributes;
    } else if let Some(kernel) = objects.kernels.get_mut(id) {
        kernel.attributes = attributes;
    }
}

pub unsafe fn read_name(name: *const c_char) -> Result<String, Code> {
    if name.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let bytes = unsafe { CStr::from_ptr(name) }.to_bytes();
    // No symbol of a module is empty, endless, or other than text.
    if bytes.is_empty() || bytes.len() > NAME_BYTES_MAX {
        return Err(CUDA_ERROR_NOT_FOUND);
    }
    String::from_utf8(bytes.to_vec()).map_err(|_| CUDA_ERROR_NOT_FOUND)
}

/// A file's bytes with a NUL behind them, as PTX needs it.
pub unsafe fn read_file(path: *const c_char) -> Result<Vec<u8>, Code> {
    use std::os::unix::ffi::OsStrExt;
    if path.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let path = std::ffi::OsStr::from_bytes(unsafe { CStr::from_ptr(path) }.to_bytes());
    let mut bytes = std::fs::read(path).map_err(|_| CUDA_ERROR_FILE_NOT_FOUND)?;
    bytes.push(0);
    Ok(bytes)
}
