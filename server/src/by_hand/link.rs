//! Links: what the client adds, and what the driver's linker makes of it.
#![allow(unsafe_code)] // calls the driver.

use super::image::take_image;
use super::module::{Jit, checked_name};
use crate::executor::{Call, Executor, Reply};
use crate::refusal::Refusal;
use farwarp_protocol::call::{JitOptions, LinkAdd, LinkOutput};
use farwarp_protocol::codec::{decode, encode};
use farwarp_protocol::error::CUDA_ERROR_INVALID_VALUE;
use farwarp_protocol::handle::{Id, ObjectKind};
use farwarp_protocol::limits::PIECE_BYTES;
use std::collections::HashMap;

/// Links of one session that are under way at one time.
const LINKS_MAX: u64 = 256;

/// The links of a session, by their ids.
#[derive(Default)]
pub struct Links {
    live: HashMap<Id, Link>,
}

struct Link {
    context: Id,
    /// The driver writes into its logs until the link is destroyed.
    jit: Jit,
    /// Inputs, which some drivers read as late as the link itself.
    inputs: Vec<Vec<u64>>,
    /// Where the driver keeps what it made, as long as the link lives.
    made: Option<(usize, usize)>,
}

impl Links {
    pub fn context_gone(&mut self, context: Id) {
        self.live.retain(|_, link| link.context != context);
    }

    fn get(&mut self, id: Id) -> Result<&mut Link, Refusal> {
        self.live.get_mut(&id).ok_or(Refusal::NoSuchObject { id, kind: ObjectKind::LinkState })
    }
}

pub fn link_create(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let (id, wished): (Id, JitOptions) = decode(call.body)?;
    executor.objects.check_new(id, ObjectKind::LinkState)?;
    let got = executor.links.live.len() as u64 + 1;
    if got > LINKS_MAX {
        return Err(Refusal::TooMuch { what: "links under way", got, max: LINKS_MAX });
    }
    executor.enter(call)?;
    let mut jit = Jit::new(&wished)?;
    let mut raw = 0;
    // SAFETY: options and values are equally many and live, with the logs, as long as the link.
    let outcome = unsafe {
        let (options, values) = (jit.options.as_mut_ptr(), jit.values.as_mut_ptr());
        executor.driver.cuLinkCreate_v2(jit.options.len() as u32, options, values, &mut raw)
    };
    if outcome.is_ok() {
        let context = call.asker.context;
        executor.objects.born(id, raw, context);
        executor.links.live.insert(id, Link { context, jit, inputs: Vec::new(), made: None });
    }
    Ok(outcome.into())
}

pub fn link_add(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let LinkAdd { link: id, upload, kind, name, jit } = decode(call.body)?;
    let raw = executor.objects.get(id, ObjectKind::LinkState)?;
    let name = checked_name(name)?;
    let mut wished = Jit::new(&JitOptions { info_log_bytes: 0, error_log_bytes: 0, ..jit })?;
    executor.enter(call)?;
    let (input, bytes) = take_image(executor, upload)?;
    let driver = executor.driver;
    let link = executor.links.get(id)?;
    // SAFETY: input and name are ours; options and values are equally many. The input lives as long as the link.
    let outcome = unsafe {
        let (options, values) = (wished.options.as_mut_ptr(), wished.values.as_mut_ptr());
        let (count, data) = (wished.options.len() as u32, input.as_ptr().cast_mut().cast());
        driver.cuLinkAddData_v2(raw, kind, data, bytes, name.as_ptr(), count, options, values)
    };
    link.inputs.push(input);
    Ok(Reply::Now(outcome.err().unwrap_or(0), encode(&link.output(0))))
}

/// Links at the first question, which begins at nothing; later ones fetch the rest.
pub fn link_complete(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let (id, at): (Id, u64) = decode(call.body)?;
    let raw = executor.objects.get(id, ObjectKind::LinkState)?;
    executor.enter(call)?;
    let driver = executor.driver;
    let link = executor.links.get(id)?;
    if at == 0 {
        let (mut image, mut bytes) = (std::ptr::null_mut(), 0);
        // SAFETY: a live link and two places to write.
        if let Err(code) = unsafe { driver.cuLinkComplete(raw, &mut image, &mut bytes) } {
            return Ok(Reply::Now(code, encode(&link.output(0))));
        }
        link.made = Some((image as usize, bytes));
    }
    let Some((image, bytes)) = link.made else { return Ok(Reply::Now(CUDA_ERROR_INVALID_VALUE, Vec::new())) };
    let mut reply = encode(&link.output(bytes as u64));
    let from = (at as usize).min(bytes);
    let piece = (bytes - from).min(PIECE_BYTES);
    let start: *const u8 = std::ptr::with_exposed_provenance(image);
    // SAFETY: the driver keeps so many bytes there until the link is destroyed.
    reply.extend_from_slice(unsafe { std::slice::from_raw_parts(start.add(from), piece) });
    Ok(Reply::Now(0, reply))
}

pub fn link_destroy(executor: &mut Executor, call: &Call) -> Result<Reply, Refusal> {
    let id: Id = decode(call.body)?;
    let raw = executor.objects.remove(id, ObjectKind::LinkState)?;
    if call.asker.context != Id(0) {
        executor.enter(call)?;
    }
    // SAFETY: a link that this session made and nobody names any more; what the driver still reads goes after it.
    let outcome = unsafe { executor.driver.cuLinkDestroy(raw) };
    executor.links.live.remove(&id);
    Ok(outcome.into())
}

impl Link {
    fn output(&self, bytes: u64) -> LinkOutput {
        let (info_log, error_log) = self.jit.logs();
        LinkOutput { bytes, info_log, error_log }
    }
}
