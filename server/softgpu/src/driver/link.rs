//! The linker, as far as one text goes: a program that only wants its PTX made into something loadable gets it back. Several
//! texts, and compiled objects, are not linked.

use std::sync::{Arc, Mutex};

use farwarp_face::*;
use once_cell::sync::OnceCell;

use crate::driver::edge::{Result, bytes_at};
use crate::driver::handles::{Handle, Handles};
use crate::driver::image;
use crate::driver::ranges::lock;

pub static LINKS: Handles<Link> = Handles::new();

/// CU_JIT_INPUT_PTX; the others are compiled code.
const INPUT_PTX: u32 = 1;
const INPUTS: u32 = 6;
/// The longest text that a compiler makes is a twentieth of this.
const TEXT_LIMIT: usize = 1 << 29;

pub struct Link {
    pub handle: Handle,
    text: Mutex<Option<Vec<u8>>>,
    /// The program reads it until the link is destroyed.
    output: OnceCell<Vec<u8>>,
}

impl Link {
    pub fn create() -> Arc<Link> {
        LINKS.add(|handle| Link { handle, text: Mutex::default(), output: OnceCell::new() })
    }

    pub fn find(handle: Handle) -> Result<Arc<Link>> {
        LINKS.get(handle).ok_or(CUDA_ERROR_INVALID_HANDLE)
    }

    pub fn add(&self, kind: u32, data: u64, bytes: usize) -> Result {
        if data == 0 || bytes == 0 || bytes > TEXT_LIMIT || kind >= INPUTS {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        if kind != INPUT_PTX {
            return Err(CUDA_ERROR_NOT_SUPPORTED);
        }
        let mut text = lock(&self.text);
        if text.is_some() {
            return Err(CUDA_ERROR_NOT_SUPPORTED);
        }
        let mut added = bytes_at(data, bytes);
        added.truncate(added.iter().position(|byte| *byte == 0).unwrap_or(bytes));
        image::from_text(&String::from_utf8_lossy(&added))?;
        added.push(0);
        *text = Some(added);
        Ok(())
    }

    /// Where the result lies, and its length.
    pub fn complete(&self) -> Result<(u64, usize)> {
        let text = lock(&self.text).clone().ok_or(CUDA_ERROR_INVALID_VALUE)?;
        let output = self.output.get_or_init(|| text);
        Ok((output.as_ptr().expose_provenance() as u64, output.len()))
    }
}
