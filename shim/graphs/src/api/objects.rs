//! User objects, and figures about graph memory.
#![allow(unsafe_code)]
// calls functions of the program's, and writes answers where it wants them.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc)]

use crate::host::Host;
use crate::params::give;
use crate::state::state;
use crate::user_object::UserObject;
use farwarp_protocol::error::*;
use farwarp_protocol::handle::Id;
use std::ffi::c_void;

/// `CU_USER_OBJECT_NO_DESTRUCTOR_SYNC`, which must be given.
const NO_DESTRUCTOR_SYNC: u32 = 1;
/// `CU_GRAPH_USER_OBJECT_MOVE`.
const MOVE: u32 = 1;
const REFERENCES_MAX: u32 = i32::MAX as u32;

/// Calls the program's functions that come with the end of an object.
pub(super) fn destroy(destructors: &[(u64, u64)]) {
    for (function, data) in destructors {
        // SAFETY: the program gave this function for this object, which has just ended: it is called once.
        unsafe {
            let function: unsafe extern "C" fn(*mut c_void) =
                std::mem::transmute(*function as usize as *const c_void);
            function(*data as usize as *mut c_void);
        }
    }
}

pub unsafe fn cuUserObjectCreate(
    host: &dyn Host,
    object: *mut u64,
    pointer: *mut c_void,
    destructor: *const c_void,
    references: u32,
    flags: u32,
) -> Result<(), Code> {
    host.ready()?;
    let counted = (1..=REFERENCES_MAX).contains(&references);
    if object.is_null() || destructor.is_null() || !counted || flags != NO_DESTRUCTOR_SYNC {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let destroy = (destructor.expose_provenance() as u64, pointer.expose_provenance() as u64);
    let made = UserObject { destroy, references: references.into(), own: references.into() };
    let id = state().objects.insert(made).ok_or(CUDA_ERROR_OUT_OF_MEMORY)?;
    unsafe { give(object, id.0) }
}

pub unsafe fn cuUserObjectRetain(host: &dyn Host, object: u64, count: u32) -> Result<(), Code> {
    host.ready()?;
    counted(count)?;
    let mut state = state();
    state.retain_object(Id(object), count)?;
    if let Some(object) = state.objects.get_mut(Id(object)) {
        object.own += u64::from(count);
    }
    Ok(())
}

pub unsafe fn cuUserObjectRelease(host: &dyn Host, object: u64, count: u32) -> Result<(), Code> {
    host.ready()?;
    counted(count)?;
    let last = state().release_object(Id(object), count, true)?;
    destroy(last.as_slice());
    Ok(())
}

pub unsafe fn cuGraphRetainUserObject(
    host: &dyn Host,
    graph: u64,
    object: u64,
    count: u32,
    flags: u32,
) -> Result<(), Code> {
    host.ready()?;
    counted(count)?;
    if flags & !MOVE != 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let mut state = state();
    state.graph(graph)?;
    if flags & MOVE == 0 {
        state.retain_object(Id(object), count)?;
    } else {
        let object = state.objects.get_mut(Id(object)).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        object.own = object.own.checked_sub(count.into()).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    }
    *state.graph_mut(Id(graph))?.held.entry(Id(object)).or_default() += count;
    Ok(())
}

pub unsafe fn cuGraphReleaseUserObject(
    host: &dyn Host,
    graph: u64,
    object: u64,
    count: u32,
) -> Result<(), Code> {
    host.ready()?;
    counted(count)?;
    let mut state = state();
    state.graph(graph)?;
    let held = &mut state.graph_mut(Id(graph))?.held;
    let references = held.get_mut(&Id(object)).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    *references = references.checked_sub(count).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    if *references == 0 {
        held.remove(&Id(object));
    }
    let last = state.release_object(Id(object), count, false)?;
    drop(state);
    destroy(last.as_slice());
    Ok(())
}

fn counted(count: u32) -> Result<(), Code> {
    if (1..=REFERENCES_MAX).contains(&count) { Ok(()) } else { Err(CUDA_ERROR_INVALID_VALUE) }
}
