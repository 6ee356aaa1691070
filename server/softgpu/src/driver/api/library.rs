//! Library management.

use std::ffi::c_char;

use farwarp_face::*;

use crate::driver::current::{current, working};
use crate::driver::edge::{Out, Result, Text, api};
use crate::driver::function::Function;
use crate::driver::image;
use crate::driver::jit_log::JitLog;
use crate::driver::library::{Kernel, Library};
use crate::driver::machine::{device, machine};

use super::execution::put_parameter;
use super::module::put_variable;

api! {
    // But for the log, the options steer a compiler that is not here, or let the image be kept where it is; it is read at once.
    fn cuLibraryLoadData(
        out: Out<u64>,
        code: u64,
        jit_options: u64,
        jit_values: u64,
        jit_count: u32,
        _options: u64,
        _values: u64,
        _count: u32,
    ) {
        out.require()?;
        if code == 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let capability = working()?.devices[0].capability;
        let log = JitLog::of(jit_count, jit_options, jit_values)?;
        out.put(Library::load(log.told(image::read(code, capability))?).handle)
    }

    fn cuLibraryLoadFromFile(
        out: Out<u64>,
        path: Text,
        jit_options: u64,
        jit_values: u64,
        jit_count: u32,
        _options: u64,
        _values: u64,
        _count: u32,
    ) {
        out.require()?;
        let capability = working()?.devices[0].capability;
        let log = JitLog::of(jit_count, jit_options, jit_values)?;
        out.put(Library::load(log.told(image::read_file(&path.get()?, capability))?).handle)
    }

    fn cuLibraryUnload(library: u64) {
        working()?;
        Library::find(library)?.unload();
        Ok(())
    }

    fn cuLibraryGetKernel(out: Out<u64>, library: u64, name: Text) {
        out.require()?;
        working()?;
        out.put(Library::find(library)?.kernel(&name.get()?)?.handle)
    }

    fn cuLibraryGetKernelCount(count: Out<u32>, library: u64) {
        machine()?;
        count.put(Library::find(library)?.image.entries().len() as u32)
    }

    fn cuLibraryEnumerateKernels(kernels: Out<u64>, count: u32, library: u64) {
        kernels.require()?;
        machine()?;
        let library = Library::find(library)?;
        for (index, entry) in library.image.entries().iter().take(count as usize).enumerate() {
            kernels.put_at(index, library.kernel(&entry.name)?.handle);
        }
        Ok(())
    }

    fn cuLibraryGetModule(module: Out<u64>, library: u64) {
        module.require()?;
        module.put(Library::find(library)?.module_in(&*current()?)?.handle)
    }

    fn cuLibraryGetGlobal(address: Out<u64>, bytes: Out<usize>, library: u64, name: Text) {
        let module = Library::find(library)?.module_in(&*current()?)?;
        put_variable(&module.variables, &name.get()?, address, bytes)
    }

    // Needs no context: the runtime asks before it has made one.
    fn cuLibraryGetManaged(address: Out<u64>, bytes: Out<usize>, library: u64, name: Text) {
        machine()?;
        put_variable(Library::find(library)?.managed()?, &name.get()?, address, bytes)
    }

    fn cuLibraryGetUnifiedFunction(_out: Out<u64>, library: u64, _name: Text) {
        machine()?;
        Library::find(library)?;
        Err(CUDA_ERROR_NOT_FOUND)
    }

    fn cuKernelGetFunction(function: Out<u64>, kernel: u64) {
        function.require()?;
        function.put(Kernel::find(kernel)?.function_in(&*current()?)?.handle)
    }

    fn cuKernelGetLibrary(library: Out<u64>, kernel: u64) {
        machine()?;
        library.put(Kernel::find(kernel)?.library)
    }

    fn cuKernelGetAttribute(value: Out<i32>, attribute: u32, kernel: u64, dev: i32) {
        let capability = device(dev)?.capability;
        let function = on_device(kernel, dev)?;
        value.put(function.attribute(attribute, capability.major * 10 + capability.minor)?)
    }

    fn cuKernelSetAttribute(attribute: u32, value: i32, kernel: u64, dev: i32) {
        on_device(kernel, dev)?.set_attribute(attribute, value)
    }

    fn cuKernelSetCacheConfig(kernel: u64, config: u32, dev: i32) {
        device(dev)?;
        Kernel::find(kernel)?;
        if config < super::context::CACHE_CONFIGS { Ok(()) } else { Err(CUDA_ERROR_INVALID_VALUE) }
    }

    fn cuKernelGetName(name: Out<*const c_char>, kernel: u64) {
        machine()?;
        name.put(Kernel::find(kernel)?.name.as_ptr())
    }

    // The image says so, before any context is there.
    fn cuKernelGetParamInfo(kernel: u64, index: usize, offset: Out<usize>, size: Out<usize>) {
        machine()?;
        let kernel = Kernel::find(kernel)?;
        let library = kernel.library()?;
        put_parameter(library.image.entry(&kernel.name.to_string_lossy())?, index, offset, size)
    }

    fn cuKernelGetParamCount(kernel: u64, count: Out<usize>) {
        let kernel = Kernel::find(kernel)?;
        let library = kernel.library()?;
        count.put(library.image.entry(&kernel.name.to_string_lossy())?.params.len())
    }
}

/// A kernel's function in the current context, which must be of that device.
fn on_device(kernel: u64, dev: i32) -> Result<std::sync::Arc<Function>> {
    device(dev)?;
    let context = current()?;
    if context.device.ordinal != dev {
        return Err(CUDA_ERROR_INVALID_DEVICE);
    }
    Kernel::find(kernel)?.function_in(&context)
}
