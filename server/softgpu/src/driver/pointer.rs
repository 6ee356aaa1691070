//! What is known of an address: `cuPointerGetAttribute` and its kin.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use farwarp_face::*;

use crate::driver::edge::{Out, Result};
use crate::driver::ranges::{self, Access, Kind, Range};

const MEMORYTYPE_HOST: u32 = 1;
const MEMORYTYPE_DEVICE: u32 = 2;

const ACCESS_NONE: u32 = 0;
const ACCESS_READ: u32 = 1;
const ACCESS_READ_WRITE: u32 = 3;

const POSIX_FILE_DESCRIPTOR: u64 = 1;

/// No device: what a list of attributes says of an address that the driver does not know.
const INVALID_DEVICE: i32 = -2;

/// An answer, as wide as the header says that the caller's variable is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Number(u32),
    Signed(i32),
    Long(u64),
    Flag(u8),
}

impl Answer {
    pub fn put(self, out: Out<std::ffi::c_void>) -> Result {
        match self {
            Answer::Number(value) => out.put_as(value),
            Answer::Signed(value) => out.put_as(value),
            Answer::Long(value) => out.put_as(value),
            Answer::Flag(value) => out.put_as(value),
        }
    }

    fn is_of(attribute: u32) -> Result<Answer> {
        Ok(match attribute {
            1 | 3 | 4 | 7 | 11 | 12 | 14 | 17..=20 => Answer::Long(0),
            2 | 16 => Answer::Number(0),
            6 | 8 | 10 | 13 | 15 | 21 => Answer::Flag(0),
            9 => Answer::Signed(0),
            // In no domain by itself.
            22 => Answer::Signed(-1),
            5 => return Err(CUDA_ERROR_NOT_SUPPORTED),
            _ => return Err(CUDA_ERROR_INVALID_VALUE),
        })
    }
}

/// One attribute of a known address.
pub fn attribute(attribute: u32, address: u64) -> Result<Answer> {
    Answer::is_of(attribute)?;
    let range = ranges::find(address).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    of_range(attribute, address, &range)
}

/// The same, with a neutral answer where there is none.
pub fn attribute_or_nothing(attribute: u32, address: u64) -> Result<Answer> {
    let nothing = match (attribute, Answer::is_of(attribute)?) {
        (9, _) => Answer::Signed(INVALID_DEVICE),
        (_, nothing) => nothing,
    };
    match ranges::find(address) {
        Some(range) => of_range(attribute, address, &range).or(Ok(nothing)),
        None => Ok(nothing),
    }
}

fn of_range(attribute: u32, address: u64, range: &Arc<Range>) -> Result<Answer> {
    let flag = |truth: bool| Answer::Flag(truth.into());
    Ok(match attribute {
        1 => Answer::Long(range.context),
        2 => Answer::Number(if range.is_host() { MEMORYTYPE_HOST } else { MEMORYTYPE_DEVICE }),
        3 => Answer::Long(address),
        4 if range.is_host() || range.is_managed() => Answer::Long(address),
        4 => return Err(CUDA_ERROR_INVALID_VALUE),
        6 => flag(range.sync_memops.load(Ordering::Relaxed)),
        7 => Answer::Long(range.id),
        8 => flag(range.is_managed()),
        9 => Answer::Signed(range.device),
        11 | 19 => Answer::Long(range.start),
        12 | 18 => Answer::Long(range.bytes),
        13 => flag(true),
        14 => Answer::Long(handle_types(range)),
        16 => Answer::Number(access_flags(range)),
        20 => Answer::Long(range.id),
        17 => match &range.kind {
            Kind::Pooled { pool } => Answer::Long(pool.handle),
            _ => Answer::is_of(attribute)?,
        },
        10 | 15 | 21 | 22 => Answer::is_of(attribute)?,
        _ => return Err(CUDA_ERROR_INVALID_VALUE),
    })
}

fn handle_types(range: &Range) -> u64 {
    match &range.kind {
        Kind::Mapped { physical, .. } if physical.shareable => POSIX_FILE_DESCRIPTOR,
        _ => 0,
    }
}

fn access_flags(range: &Range) -> u32 {
    match range.access_of(range.device) {
        None => ACCESS_NONE,
        Some(Access::Read) => ACCESS_READ,
        Some(Access::ReadWrite) => ACCESS_READ_WRITE,
    }
}
