//! Who counts device memory beyond this process: the gate, where this driver serves one of several sessions; else nobody.

use std::fs::File;
use std::io::{Read, Write};
use std::sync::Mutex;

use farwarp_face::*;
use farwarp_protocol::codec::{decode, encode};
use farwarp_protocol::meter::{Answer, Ask, MESSAGE_BYTES_MAX};
use once_cell::sync::OnceCell;

use crate::driver::edge::Result;
use crate::driver::ranges::lock;
use crate::driver::{pages, settings};

/// Asks, where there is somebody to ask. A gate that is gone grants nothing.
pub fn ask(ask: Ask) -> Option<Answer> {
    let meter = METER.get_or_init(|| {
        let descriptor = settings::meter()?;
        pages::duplicate(descriptor).ok().map(Mutex::new)
    });
    let mut meter = lock(meter.as_ref()?);
    Some(exchange(&mut meter, &ask).unwrap_or(Answer { granted: false, free_bytes: 0 }))
}

static METER: OnceCell<Option<Mutex<File>>> = OnceCell::new();

fn exchange(meter: &mut File, ask: &Ask) -> Result<Answer> {
    let mut message = [0; MESSAGE_BYTES_MAX];
    // One packet each way.
    let length = meter.write(&encode(ask)).and_then(|_| meter.read(&mut message));
    let length = length.map_err(|_| CUDA_ERROR_OUT_OF_MEMORY)?;
    decode(&message[..length]).map_err(|_| CUDA_ERROR_OUT_OF_MEMORY)
}
