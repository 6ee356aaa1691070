//! A device: its identity and its memory account. What it says of itself stands in `attributes`.

mod attributes;

use std::sync::atomic::{AtomicU64, Ordering};

use farwarp_face::*;
use farwarp_protocol::meter::Ask;

use crate::driver::context::Primary;
use crate::driver::edge::Result;
use crate::driver::meter;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ComputeCapability {
    pub major: i32,
    pub minor: i32,
}

#[derive(Debug)]
pub struct Device {
    /// As the program counts. Identity is from `index`, so that a hidden neighbour changes nothing.
    pub ordinal: i32,
    index: usize,
    pub capability: ComputeCapability,
    pub memory_bytes: u64,
    used_bytes: AtomicU64,
    pub primary: Primary,
}

impl Device {
    pub fn new(index: usize, memory_bytes: u64, capability: ComputeCapability) -> Device {
        Device {
            ordinal: index as i32,
            index,
            capability,
            memory_bytes,
            used_bytes: AtomicU64::new(0),
            primary: Primary::new(),
        }
    }

    pub fn name(&self) -> &'static str {
        "farwarp software GPU"
    }

    /// The same on every machine: nothing distinguishes one software GPU from another but its place.
    pub fn uuid(&self) -> [u8; 16] {
        let mut uuid = *b"farwarp-softgpu\0";
        uuid[15] = self.index as u8;
        uuid
    }

    /// As NVIDIA's tools print it, and `CUDA_VISIBLE_DEVICES` spells it.
    pub fn uuid_text(&self) -> String {
        let hex: String = self.uuid().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("GPU-{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    /// No such bus exists; programs only want the numbers to differ.
    pub fn pci_bus(&self) -> i32 {
        self.index as i32 + 1
    }

    pub fn pci_text(&self) -> String {
        format!("0000:{:02X}:00.0", self.pci_bus())
    }

    /// What nobody has, in this process or, where somebody counts for several, in any of them.
    pub fn free_bytes(&self) -> u64 {
        match meter::ask(self.ask(0, 0)) {
            Some(answer) => answer.free_bytes,
            None => self.memory_bytes - self.used_bytes.load(Ordering::Relaxed),
        }
    }

    /// Puts `bytes` on the account, or says that there are no more.
    pub fn charge(&self, bytes: u64) -> Result {
        let of_process = self.used_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(bytes).filter(|used| *used <= self.memory_bytes)
        });
        of_process.map_err(|_| CUDA_ERROR_OUT_OF_MEMORY)?;
        if meter::ask(self.ask(bytes, 0)).is_some_and(|answer| !answer.granted) {
            self.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(CUDA_ERROR_OUT_OF_MEMORY);
        }
        Ok(())
    }

    pub fn refund(&self, bytes: u64) {
        self.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
        meter::ask(self.ask(0, bytes));
    }

    fn ask(&self, take_bytes: u64, give_bytes: u64) -> Ask {
        Ask { device: self.index as u32, memory_bytes: self.memory_bytes, take_bytes, give_bytes }
    }
}
