//! Variables of modules and libraries: found by name, on the device's side; a managed one is here as well.
#![allow(unsafe_code)]
// reads names, writes answers.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use super::module::read_name;
use crate::call::in_context_hearing;
use crate::here::give;
use crate::memory::MemoryKind;
use crate::shared;
use crate::state::{Shim, shim};
use farwarp_protocol::call::{ADOPT, FIND_MANAGED, FIND_VARIABLE, FindVariable, Range, Variable};
use farwarp_protocol::codec::encode;
use farwarp_protocol::error::{
    CUDA_ERROR_INVALID_HANDLE, CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_MAP_FAILED, Code,
};
use farwarp_protocol::handle::{Id, ObjectKind};
use std::ffi::c_char;

pub unsafe fn cuModuleGetGlobal_v2(
    address: *mut u64,
    bytes: *mut usize,
    module: u64,
    name: *const c_char,
) -> Result<(), Code> {
    let (shim, context) = in_context_hearing()?;
    let name = unsafe { read_name(name)? };
    let id = Id(module);
    let cached =
        shim.objects().modules.get(id).ok_or(CUDA_ERROR_INVALID_HANDLE)?.names.variables.get(&name).copied();
    let found = match cached {
        Some(found) => found,
        None => {
            let found = find_variable(shim, context, id, name.clone())?;
            if let Some(module) = shim.objects().modules.get_mut(id) {
                module.names.variables.insert(name, found);
            }
            found
        }
    };
    unsafe { give_variable(address, bytes, found) }
}

pub unsafe fn cuLibraryGetGlobal(
    address: *mut u64,
    bytes: *mut usize,
    library: u64,
    name: *const c_char,
) -> Result<(), Code> {
    let (shim, context) = in_context_hearing()?;
    let name = unsafe { read_name(name)? };
    let id = Id(library);
    // A library's variables live in each context by themselves.
    let key = format!("{:x} {name}", context.0);
    let cached =
        shim.objects().libraries.get(id).ok_or(CUDA_ERROR_INVALID_HANDLE)?.names.variables.get(&key).copied();
    let found = match cached {
        Some(found) => found,
        None => {
            let found = find_variable(shim, context, id, name)?;
            if let Some(library) = shim.objects().libraries.get_mut(id) {
                library.names.variables.insert(key, found);
            }
            found
        }
    };
    unsafe { give_variable(address, bytes, found) }
}

/// A library's managed variable is the same for all contexts, and is there before any.
pub unsafe fn cuLibraryGetManaged(
    address: *mut u64,
    bytes: *mut usize,
    library: u64,
    name: *const c_char,
) -> Result<(), Code> {
    let shim = shim()?;
    let name = unsafe { read_name(name)? };
    let within = Id(library);
    let cached = {
        let objects = shim.objects();
        let names = &objects.libraries.get(within).ok_or(CUDA_ERROR_INVALID_HANDLE)?.names;
        names.variables.get(&name).copied()
    };
    let found = match cached {
        Some(found) => found,
        None => {
            let find = FindVariable { within, name: name.clone() };
            let Variable { range, .. } = shim.remote.ask(FIND_MANAGED, &[&encode(&find)])?.value()?;
            add_managed(shim, range, within, Id(0), 0)
                .inspect_err(|code| complain_of_place(*code, &name, range))?;
            let found = (range.address, range.bytes);
            if let Some(library) = shim.objects().libraries.get_mut(within) {
                library.names.variables.insert(name, found);
            }
            found
        }
    };
    unsafe { give_variable(address, bytes, found) }
}

fn find_variable(shim: &Shim, context: Id, within: Id, name: String) -> Result<(u64, u64), Code> {
    let find = FindVariable { within, name: name.clone() };
    let Variable { range, managed } = shim.remote.ask(FIND_VARIABLE, &[&encode(&find)])?.value()?;
    let device = shim.contexts().get(context)?.device;
    let added = if managed {
        // Those of a library outlive contexts.
        let context = if within.kind() == Some(ObjectKind::Library) { Id(0) } else { context };
        add_managed(shim, range, within, context, device)
    } else {
        shim.memory().add(range, MemoryKind::Variable { module: within }, context, device)
    };
    added.inspect_err(|code| complain_of_place(*code, &name, range))?;
    Ok((range.address, range.bytes))
}

/// A variable that the program reads and writes at the device's address: it gets pages for it here.
fn add_managed(shim: &Shim, range: Range, within: Id, context: Id, device: i32) -> Result<(), Code> {
    let kind = MemoryKind::ManagedVariable { module: within };
    {
        let mut memory = shim.memory();
        if memory.find(range.address).is_some_and(|found| found.kind == kind) {
            return Ok(());
        }
        memory.add(range, kind, context, device)?;
    }
    shared::adopt(shim, range, [within, context]);
    shim.remote.ask(ADOPT, &[&encode(&range.address)])?.check()
}

fn complain_of_place(code: Code, name: &str, range: Range) {
    if code == CUDA_ERROR_MAP_FAILED {
        crate::state::complain(&format!(
            "variable {name} lies at {:#x} on the device, where this process has something else",
            range.address
        ));
    }
}

unsafe fn give_variable(address: *mut u64, bytes: *mut usize, found: (u64, u64)) -> Result<(), Code> {
    if address.is_null() && bytes.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    unsafe {
        if !address.is_null() {
            give(address, found.0)?;
        }
        if !bytes.is_null() {
            give(bytes, found.1 as usize)?;
        }
    }
    Ok(())
}
