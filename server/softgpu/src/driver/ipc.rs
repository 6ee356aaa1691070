//! Memory of one process that another opens. A handle says where the arena's file can be found, and which part of it is meant; the other
//! process maps those pages. A handle of a process that is gone, or of one that has its number now, opens nothing.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::os::fd::AsRawFd;
use std::sync::Mutex;

use farwarp_face::*;
use farwarp_protocol::codec::{decode_prefix, encode};

use crate::driver::context::{self, Context};
use crate::driver::edge::Result;
use crate::driver::handles::Handle;
use crate::driver::machine::device;
use crate::driver::ranges::{Kind, Range, lock};
use crate::driver::{arena, memory, pages, ranges, stream};

/// `CUipcMemHandle`.
pub type MemoryHandle = [u8; 64];

/// With this begins every handle of this driver.
const MARK: u64 = u64::from_le_bytes(*b"softgpu\x01");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shown {
    process: u32,
    /// When the process began, which tells it from a later one of the same number.
    began: u64,
    descriptor: i32,
    offset: u64,
    bytes: u64,
    device: i32,
}

impl Shown {
    fn write(&self) -> MemoryHandle {
        let Shown { process, began, descriptor, offset, bytes, device } = *self;
        let encoded = encode(&(MARK, (process, began), descriptor, (offset, bytes), device));
        let mut handle = [0; 64];
        handle[..encoded.len()].copy_from_slice(&encoded);
        handle
    }

    fn read(handle: &MemoryHandle) -> Option<Shown> {
        type Fields = (u64, (u32, u64), i32, (u64, u64), i32);
        let (fields, _): (Fields, usize) = decode_prefix(handle).ok()?;
        let (mark, (process, began), descriptor, (offset, bytes), device) = fields;
        (mark == MARK && bytes > 0).then_some(Shown { process, began, descriptor, offset, bytes, device })
    }
}

/// What is open here, by handle and context: where, and how often.
type Open = HashMap<(MemoryHandle, Handle), (u64, u32)>;

static OPEN: Mutex<Option<Open>> = Mutex::new(None);

/// A handle for the allocation that an address lies in.
pub fn show(address: u64) -> Result<MemoryHandle> {
    let range = ranges::find(address).filter(|range| matches!(range.kind, Kind::Device));
    let range = range.ok_or(CUDA_ERROR_INVALID_VALUE)?;
    let (file, offset) = arena::file_of(range.start).ok_or(CUDA_ERROR_NOT_SUPPORTED)?;
    let process = std::process::id();
    let began = began(process).ok_or(CUDA_ERROR_OPERATING_SYSTEM)?;
    let (descriptor, bytes, device) = (file.as_raw_fd(), range.bytes, range.device);
    Ok(Shown { process, began, descriptor, offset, bytes, device }.write())
}

/// Where another process's memory lies here.
pub fn open(context: &Context, handle: MemoryHandle) -> Result<u64> {
    let shown = Shown::read(&handle).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
    device(shown.device).map_err(|_| CUDA_ERROR_INVALID_HANDLE)?;
    if shown.process == std::process::id() {
        // A process opens other processes' memory, not its own.
        return Err(CUDA_ERROR_INVALID_CONTEXT);
    }
    let mut open = lock(&OPEN);
    let open = open.get_or_insert_default();
    if let Some((address, count)) = open.get_mut(&(handle, context.handle)) {
        *count += 1;
        return Ok(*address);
    }
    let file = file_of(&shown).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
    let first = shown.offset / pages::PAGE_BYTES * pages::PAGE_BYTES;
    let end = shown.offset.checked_add(shown.bytes).ok_or(CUDA_ERROR_INVALID_HANDLE)?;
    let there = file.metadata().is_ok_and(|file| end <= file.len());
    if !there {
        return Err(CUDA_ERROR_INVALID_HANDLE);
    }
    let pages_bytes = end.next_multiple_of(pages::PAGE_BYTES) - first;
    let start = pages::show_anywhere(&file, first, pages_bytes)?;
    let address = start + (shown.offset - first);
    let kind = Kind::Opened { pages: start, pages_bytes };
    ranges::add(Range::new(address, shown.bytes, kind, context.device.ordinal, context.handle))?;
    open.insert((handle, context.handle), (address, 1));
    Ok(address)
}

/// Once less open; with the last, after all that may still use it.
pub fn close(address: u64) -> Result {
    let range = ranges::starting(address).filter(|range| matches!(range.kind, Kind::Opened { .. }));
    let range = range.ok_or(CUDA_ERROR_INVALID_VALUE)?;
    {
        let mut open = lock(&OPEN);
        let open = open.get_or_insert_default();
        let found = open.iter_mut().find(|(_, (at, _))| *at == address);
        let (key, (_, count)) = found.ok_or(CUDA_ERROR_INVALID_VALUE)?;
        *count -= 1;
        if *count > 0 {
            return Ok(());
        }
        let key = *key;
        open.remove(&key);
    }
    stream::synchronize_all(&*context::find(range.context)?)?;
    memory::strike(&range);
    Ok(())
}

/// What is open in a context is closed with it.
pub fn forget_context(context: Handle) {
    if let Some(open) = lock(&OPEN).as_mut() {
        open.retain(|(_, of), _| *of != context);
    }
}

/// The arena of the process that the handle names, if it is still that one.
fn file_of(shown: &Shown) -> Option<File> {
    let path = format!("/proc/{}/fd/{}", shown.process, shown.descriptor);
    let target = fs::read_link(&path).ok()?;
    let is_arena = target.to_str()?.starts_with("/memfd:farwarp-softgpu");
    let file = OpenOptions::new().read(true).write(true).open(&path).ok()?;
    // Asked after the open: a number that another process has by now shows another beginning.
    (is_arena && began(shown.process)? == shown.began).then_some(file)
}

/// When a process began, in the kernel's ticks since it booted.
fn began(process: u32) -> Option<u64> {
    const STARTED: usize = 19;
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Behind the name, which may hold anything, the state comes first.
    stat.rsplit_once(')')?.1.split_whitespace().nth(STARTED)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_has_room_and_a_process_its_beginning() {
        let shown = Shown {
            process: u32::MAX,
            began: u64::MAX,
            descriptor: i32::MAX,
            offset: u64::MAX,
            bytes: u64::MAX,
            device: i32::MAX,
        };
        assert_eq!(Shown::read(&shown.write()), Some(shown));
        assert_eq!(Shown::read(&[0; 64]), None);
        assert!(began(std::process::id()).is_some() && began(u32::MAX).is_none());
    }
}
