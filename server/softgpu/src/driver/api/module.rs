//! Module management.

use farwarp_face::*;

use crate::driver::current::{current, current_in_any_state, working};
use crate::driver::edge::{Out, Result, Text, api};
use crate::driver::image;
use crate::driver::jit_log::JitLog;
use crate::driver::link::{LINKS, Link};
use crate::driver::machine::machine;
use crate::driver::module::{Module, Variables};

api! {
    fn cuModuleLoad(out: Out<u64>, path: Text) {
        out.require()?;
        let context = current()?;
        let image = image::read_file(&path.get()?, context.device.capability)?;
        out.put(Module::load(&context, image)?.handle)
    }

    fn cuModuleLoadData(out: Out<u64>, image: u64) {
        load(out, image)
    }

    fn cuModuleLoadDataEx(out: Out<u64>, image: u64, count: u32, options: u64, values: u64) {
        // But for its log, options steer a compiler that is not here.
        JitLog::of(count, options, values)?.told(load(out, image))
    }

    fn cuModuleLoadFatBinary(out: Out<u64>, image: u64) {
        load(out, image)
    }

    fn cuModuleUnload(module: u64) {
        current_in_any_state()?;
        working()?;
        Module::find(module)?.unload();
        Ok(())
    }

    fn cuModuleGetLoadingMode(mode: Out<u32>) {
        machine()?;
        mode.put(LAZY_LOADING)
    }

    fn cuModuleGetFunction(out: Out<u64>, module: u64, name: Text) {
        out.require()?;
        current()?;
        out.put(Module::find(module)?.function(&name.get()?)?.handle)
    }

    fn cuModuleGetFunctionCount(count: Out<u32>, module: u64) {
        current()?;
        count.put(Module::find(module)?.image.entries().len() as u32)
    }

    fn cuModuleEnumerateFunctions(functions: Out<u64>, count: u32, module: u64) {
        functions.require()?;
        current()?;
        let module = Module::find(module)?;
        for (index, entry) in module.image.entries().iter().take(count as usize).enumerate() {
            functions.put_at(index, module.function(&entry.name)?.handle);
        }
        Ok(())
    }

    fn cuModuleGetGlobal_v2(address: Out<u64>, bytes: Out<usize>, module: u64, name: Text) {
        current()?;
        if address.require().is_err() && bytes.require().is_err() {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        put_variable(&Module::find(module)?.variables, &name.get()?, address, bytes)
    }

    fn cuLinkCreate_v2(_count: u32, _options: u64, _values: u64, out: Out<u64>) {
        create_link(out)
    }

    fn cuLinkCreate(_count: u32, _options: u64, _values: u64, out: Out<u64>) {
        create_link(out)
    }

    fn cuLinkAddData_v2(
        link: u64,
        kind: u32,
        data: u64,
        bytes: usize,
        _name: u64,
        _count: u32,
        _options: u64,
        _values: u64,
    ) {
        current()?;
        Link::find(link)?.add(kind, data, bytes)
    }

    fn cuLinkAddData(
        link: u64,
        kind: u32,
        data: u64,
        bytes: usize,
        _name: u64,
        _count: u32,
        _options: u64,
        _values: u64,
    ) {
        current()?;
        Link::find(link)?.add(kind, data, bytes)
    }

    fn cuLinkAddFile_v2(link: u64, kind: u32, path: Text, _count: u32, _options: u64, _values: u64) {
        add_file(link, kind, path)
    }

    fn cuLinkAddFile(link: u64, kind: u32, path: Text, _count: u32, _options: u64, _values: u64) {
        add_file(link, kind, path)
    }

    fn cuLinkComplete(link: u64, image: Out<u64>, bytes: Out<usize>) {
        image.require()?;
        current()?;
        let (address, length) = Link::find(link)?.complete()?;
        bytes.put_if_wanted(length);
        image.put(address)
    }

    fn cuLinkDestroy(link: u64) {
        machine()?;
        LINKS.remove(link).map(drop).ok_or(CUDA_ERROR_INVALID_HANDLE)
    }
}

/// CU_MODULE_LAZY_LOADING: an entry is parsed at its first use.
const LAZY_LOADING: u32 = 2;

fn create_link(out: Out<u64>) -> Result {
    out.require()?;
    current()?;
    out.put(Link::create().handle)
}

fn add_file(link: u64, kind: u32, path: Text) -> Result {
    current()?;
    let link = Link::find(link)?;
    let input = std::fs::read(path.get()?).map_err(|_| CUDA_ERROR_FILE_NOT_FOUND)?;
    link.add(kind, input.as_ptr().expose_provenance() as u64, input.len())
}

fn load(out: Out<u64>, image: u64) -> Result {
    out.require()?;
    if image == 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let context = current()?;
    let image = image::read(image, context.device.capability)?;
    out.put(Module::load(&context, image)?.handle)
}

pub(super) fn put_variable(
    variables: &Variables,
    name: &str,
    address: Out<u64>,
    bytes: Out<usize>,
) -> Result {
    let variable = variables.get(name).ok_or(CUDA_ERROR_NOT_FOUND)?;
    address.put_if_wanted(variable.start);
    bytes.put_if_wanted(variable.bytes as usize);
    Ok(())
}
