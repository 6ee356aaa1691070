//! Pinned host memory through which copies go: the GPU reads and writes it while the executor goes on.
#![allow(unsafe_code)] // owns raw memory of the driver's.

use crate::driver::Driver;
use farwarp_protocol::error::Code;
use farwarp_protocol::limits::PIECE_BYTES;
use std::ffi::c_void;
use std::sync::{Arc, Mutex};

/// Pieces of one context that are usually under way at one time, both directions together: enough to keep a GPU's copy engines busy.
pub const PIECES_USUAL: usize = 48;
/// Where streams are held up there may be more: what is queued behind a function of the host must not wait for it.
pub const PIECES_MAX: usize = 512;

/// One piece, lent.
pub struct Piece {
    memory: *mut u8,
    home: Arc<Mutex<Vec<usize>>>,
}

// SAFETY: the memory belongs to whoever holds the piece, and to nobody else.
unsafe impl Send for Piece {}

pub struct Staging {
    driver: &'static Driver,
    free: Arc<Mutex<Vec<usize>>>,
    all: Vec<*mut c_void>,
}

// SAFETY: the addresses are only handed to the driver, whose functions any thread may call.
unsafe impl Send for Staging {}

impl Staging {
    pub fn new(driver: &'static Driver) -> Staging {
        Staging { driver, free: Arc::default(), all: Vec::new() }
    }

    /// A free piece, or `None` when so many as `most` are under way. Its context is current.
    pub fn take(&mut self, most: usize) -> Result<Option<Piece>, Code> {
        if let Some(address) = self.free.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop() {
            return Ok(Some(Piece { memory: address as *mut u8, home: self.free.clone() }));
        }
        if self.all.len() >= most {
            return Ok(None);
        }
        const PORTABLE: u32 = 1;
        let mut address = std::ptr::null_mut();
        // SAFETY: `address` is writable.
        unsafe { self.driver.cuMemHostAlloc(&mut address, PIECE_BYTES, PORTABLE)? };
        self.all.push(address);
        Ok(Some(Piece { memory: address.cast(), home: self.free.clone() }))
    }
}

impl Piece {
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: PIECE_BYTES of pinned memory, ours alone; what the GPU writes into it has been waited for.
        unsafe { std::slice::from_raw_parts_mut(self.memory, PIECE_BYTES) }
    }

    pub fn address(&self) -> *mut c_void {
        self.memory.cast()
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.home.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(self.memory as usize);
    }
}
