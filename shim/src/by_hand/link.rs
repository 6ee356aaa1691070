//! Links. Inputs go up as images do; what the linker made comes back, and is the program's to read until it destroys the link.
#![allow(unsafe_code)]
// reads the program's inputs and writes answers where it wants them.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc, clippy::too_many_arguments)]

use super::image;
use super::module::{Options, read_file};
use crate::call::in_context_hearing;
use crate::here::give;
use crate::objects::{Link, born};
use crate::state::{Shim, shim};
use farwarp_protocol::call::{LinkAdd, LinkOutput, op};
use farwarp_protocol::codec::{decode, decode_prefix, encode};
use farwarp_protocol::error::{CUDA_ERROR_INVALID_HANDLE, CUDA_ERROR_INVALID_VALUE, Code};
use farwarp_protocol::handle::Id;
use farwarp_protocol::limits::{IMAGE_BYTES_MAX, NAME_BYTES_MAX};
use std::ffi::{CStr, c_char, c_void};

pub unsafe fn cuLinkCreate_v2(
    count: u32,
    options: *const u32,
    values: *const *mut c_void,
    link: *mut u64,
) -> Result<(), Code> {
    let (shim, context) = in_context_hearing()?;
    if link.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let options = unsafe { Options::read(count, options, values) };
    let crossing = options.crossing.clone();
    let id = born(shim.objects().links.insert(Link { context, options, output: None }))?;
    let made = shim.remote.ask(op("cuLinkCreate_v2"), &[&encode(&(id, crossing))]);
    if let Err(code) = made.and_then(|answer| answer.check()) {
        shim.objects().links.remove(id);
        return Err(code);
    }
    unsafe { give(link, id.0) }
}

pub unsafe fn cuLinkCreate(
    count: u32,
    options: *const u32,
    values: *const *mut c_void,
    link: *mut u64,
) -> Result<(), Code> {
    unsafe { cuLinkCreate_v2(count, options, values, link) }
}

pub unsafe fn cuLinkAddData_v2(
    link: u64,
    kind: u32,
    data: *const c_void,
    bytes: usize,
    name: *const c_char,
    count: u32,
    options: *const u32,
    values: *const *mut c_void,
) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    let id = known(shim, link)?;
    if data.is_null() || bytes == 0 || bytes > IMAGE_BYTES_MAX {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let name = if name.is_null() { String::new() } else { unsafe { text(name)? } };
    let input = unsafe { std::slice::from_raw_parts(data.cast(), bytes) };
    let upload = image::upload(shim, input)?;
    let jit = unsafe { Options::read(count, options, values) }.crossing;
    let add = LinkAdd { link: id, upload, kind, name, jit };
    let answer = shim.remote.ask(op("cuLinkAddData_v2"), &[&encode(&add)])?;
    if let Ok(output) = decode::<LinkOutput>(&answer.body) {
        deliver_logs(shim, id, &output);
    }
    answer.check()
}

pub unsafe fn cuLinkAddData(
    link: u64,
    kind: u32,
    data: *const c_void,
    bytes: usize,
    name: *const c_char,
    count: u32,
    options: *const u32,
    values: *const *mut c_void,
) -> Result<(), Code> {
    unsafe { cuLinkAddData_v2(link, kind, data, bytes, name, count, options, values) }
}

/// The file is the client's: its bytes cross, its name only for messages.
pub unsafe fn cuLinkAddFile_v2(
    link: u64,
    kind: u32,
    path: *const c_char,
    count: u32,
    options: *const u32,
    values: *const *mut c_void,
) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    known(shim, link)?;
    let file = unsafe { read_file(path)? };
    unsafe { cuLinkAddData_v2(link, kind, file.as_ptr().cast(), file.len(), path, count, options, values) }
}

pub unsafe fn cuLinkAddFile(
    link: u64,
    kind: u32,
    path: *const c_char,
    count: u32,
    options: *const u32,
    values: *const *mut c_void,
) -> Result<(), Code> {
    unsafe { cuLinkAddFile_v2(link, kind, path, count, options, values) }
}

pub unsafe fn cuLinkComplete(link: u64, image: *mut *mut c_void, bytes: *mut usize) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    let id = known(shim, link)?;
    if image.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let output = fetch(shim, id)?;
    let mut objects = shim.objects();
    let kept = objects.links.get_mut(id).ok_or(CUDA_ERROR_INVALID_HANDLE)?.output.insert(output);
    unsafe {
        give(image, kept.as_ptr().cast_mut().cast())?;
        // The length may be unwanted.
        if bytes.is_null() { Ok(()) } else { give(bytes, kept.len()) }
    }
}

/// The first question links; further ones fetch what did not fit into its answer.
fn fetch(shim: &Shim, id: Id) -> Result<Vec<u8>, Code> {
    let mut image: Vec<u8> = Vec::new();
    loop {
        let answer = shim.remote.ask(op("cuLinkComplete"), &[&encode(&(id, image.len() as u64))])?;
        let Ok((output, header)) = decode_prefix::<LinkOutput>(&answer.body) else {
            return Err(answer.check().err().unwrap_or_else(|| answer.malformed()));
        };
        deliver_logs(shim, id, &output);
        answer.check()?;
        let piece = &answer.body[header..];
        image.extend_from_slice(piece);
        // A server that sends nothing more, or more than it said, is not asked again.
        match image.len() as u64 {
            so_far if so_far == output.bytes => return Ok(image),
            so_far if so_far > output.bytes || piece.is_empty() => return Err(answer.malformed()),
            _ => {}
        }
    }
}

pub unsafe fn cuLinkDestroy(link: u64) -> Result<(), Code> {
    let shim = shim()?;
    let gone = shim.objects().links.remove(Id(link)).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
    drop(gone);
    shim.remote.tell(op("cuLinkDestroy"), &[&encode(&Id(link))])
}

fn known(shim: &Shim, link: u64) -> Result<Id, Code> {
    let id = Id(link);
    shim.objects().links.get(id).map(|_| id).ok_or(CUDA_ERROR_INVALID_HANDLE)
}

fn deliver_logs(shim: &Shim, id: Id, output: &LinkOutput) {
    if let Some(link) = shim.objects().links.get(id) {
        unsafe { link.options.deliver_logs(&output.info_log, &output.error_log) };
    }
}

unsafe fn text(name: *const c_char) -> Result<String, Code> {
    let bytes = unsafe { CStr::from_ptr(name) }.to_bytes();
    let cut = &bytes[..bytes.len().min(NAME_BYTES_MAX)];
    Ok(String::from_utf8_lossy(cut).into_owned())
}
