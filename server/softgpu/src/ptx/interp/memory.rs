//! Loads, stores and atomics: each address is held against what the kernel may touch before it is followed.
#![allow(unsafe_code)] // follows device addresses, which are addresses of this process, once the driver called them live.
#![allow(clippy::too_many_arguments)] // the parts of one instruction, already taken apart

use super::super::alu::{AtomFn, LANES};
use super::super::ir::*;
use super::super::{Fault, MemRange, Memory, Surface, Texture};
use super::{Env, Path, Warp, each};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering, fence};

/// How much of its turn a volatile load costs: it may be looking for what another warp writes.
const LOOKS_LIKE_WAITING: u32 = 32;

/// Shared memory of a block.
pub struct Shared {
    words: Vec<u64>,
    bytes: usize,
}

impl Shared {
    pub fn new(bytes: usize) -> Shared {
        Shared { words: vec![0; bytes.div_ceil(8)], bytes }
    }

    pub fn len(&self) -> usize {
        self.bytes
    }

    fn base(&mut self) -> *mut u8 {
        self.words.as_mut_ptr().cast()
    }
}

/// Local memory of a warp's threads: one stretch a lane.
#[derive(Default)]
pub struct Local {
    words: Vec<u64>,
    /// Bytes of one lane.
    stride: usize,
}

impl Local {
    pub fn grow(&mut self, bytes: usize) {
        let stride = bytes.next_multiple_of(8);
        if stride <= self.stride {
            return;
        }
        let (old, new) = (self.stride / 8, stride / 8);
        let mut words = vec![0; new * LANES];
        for lane in 0..LANES {
            words[lane * new..][..old].copy_from_slice(&self.words[lane * old..][..old]);
        }
        (self.words, self.stride) = (words, stride);
    }

    /// `bytes` at `offset` of one lane's memory, if they are inside it.
    fn at(&mut self, lane: usize, offset: u64, bytes: usize) -> Option<*mut u8> {
        let offset = usize::try_from(offset).ok()?;
        let end = offset.checked_add(bytes)?;
        if end > self.stride {
            return None;
        }
        // SAFETY: the lane's stretch begins at lane * stride and the bytes end within it.
        Some(unsafe { self.words.as_mut_ptr().cast::<u8>().add(lane * self.stride + offset) })
    }

    pub fn copy(&mut self, lane: usize, from: u32, to: u32, bytes: u32) {
        let (Some(source), Some(target)) =
            (self.at(lane, from.into(), bytes as usize), self.at(lane, to.into(), bytes as usize))
        else {
            return;
        };
        // SAFETY: both lie in this lane's memory; they may overlap.
        unsafe { std::ptr::copy(source, target, bytes as usize) };
    }

    pub fn write_u32(&mut self, lane: usize, offset: u32, value: u32) {
        if let Some(at) = self.at(lane, offset.into(), 4) {
            // SAFETY: four bytes within the lane's memory, at any alignment.
            unsafe { at.cast::<u32>().write_unaligned(value) };
        }
    }

    pub fn write_u64(&mut self, lane: usize, offset: u32, value: u64) {
        if let Some(at) = self.at(lane, offset.into(), 8) {
            // SAFETY: eight bytes within the lane's memory, at any alignment.
            unsafe { at.cast::<u64>().write_unaligned(value) };
        }
    }

    pub fn read_u64(&mut self, lane: usize, offset: u32) -> u64 {
        // SAFETY: eight bytes within the lane's memory, at any alignment.
        self.at(lane, offset.into(), 8).map_or(0, |at| unsafe { at.cast::<u64>().read_unaligned() })
    }
}

/// The last ranges that the driver called live, asked again when its book changes.
pub struct Ranges {
    memory: Arc<dyn Memory>,
    generation: u64,
    recent: [MemRange; RECENT],
    next: usize,
}

/// Ranges remembered: a kernel of the usual kind works on two or three arrays.
const RECENT: usize = 4;
const NO_RANGE: MemRange = MemRange { start: 0, end: 0, writable: false };

impl Ranges {
    pub fn new(memory: Arc<dyn Memory>) -> Ranges {
        let generation = memory.generation().load(Ordering::Acquire);
        Ranges { memory, generation, recent: [NO_RANGE; RECENT], next: 0 }
    }

    /// A texture object, if the memory that it reads may be touched.
    pub(super) fn texture(&mut self, object: u64) -> Option<Arc<dyn Texture>> {
        let texture = self.memory.texture(object)?;
        let live = match texture.memory() {
            Some((start, bytes)) => start.checked_add(bytes).is_some_and(|end| self.allow(start, end, false)),
            None => true,
        };
        live.then_some(texture)
    }

    pub(super) fn surface(&self, object: u64) -> Option<Arc<dyn Surface>> {
        self.memory.surface(object)
    }

    /// Whether all of `[first, end)` may be touched.
    fn allow(&mut self, first: u64, end: u64, write: bool) -> bool {
        let generation = self.memory.generation().load(Ordering::Acquire);
        if generation != self.generation {
            (self.generation, self.recent) = (generation, [NO_RANGE; RECENT]);
        }
        let fits = |range: &MemRange| range.start <= first && end <= range.end && (range.writable || !write);
        if self.recent.iter().any(fits) {
            return true;
        }
        let Some(range) = self.memory.range(first) else { return false };
        self.recent[self.next] = range;
        self.next = (self.next + 1) % RECENT;
        fits(&range)
    }
}

/// Where one lane's access goes, once it is allowed.
#[derive(Clone, Copy)]
struct Place {
    at: *mut u8,
    /// Other threads of this process may touch it at the same time.
    contended: bool,
}

impl Warp {
    fn place(
        &mut self,
        env: &mut Env,
        lane: usize,
        address: u64,
        access: &Access,
        write: bool,
        line: u32,
    ) -> Result<Place, Fault> {
        let bytes = usize::from(access.bytes) * usize::from(access.count);
        let illegal = Fault::IllegalAddress { address, bytes: bytes as u32, write, line };
        if !address.is_multiple_of(bytes as u64) {
            return Err(Fault::MisalignedAddress { address, bytes: bytes as u32, line });
        }
        let window = |base: u64| address.checked_sub(base).filter(|offset| *offset < WINDOW_BYTES);
        let (shared, local) = match access.space {
            Space::Shared => (Some(address as u32 as u64), None),
            Space::Local => (None, Some(address)),
            _ => (window(SHARED_WINDOW), window(LOCAL_WINDOW)),
        };
        if let Some(offset) = shared {
            if offset as usize + bytes > env.shared.len() {
                return Err(illegal);
            }
            // SAFETY: just seen to be inside the block's shared memory.
            return Ok(Place { at: unsafe { env.shared.base().add(offset as usize) }, contended: false });
        }
        if let Some(offset) = local {
            // A generic address of a local variable also comes as an offset into the window.
            let at = self.local.at(lane, offset, bytes).ok_or(illegal)?;
            return Ok(Place { at, contended: false });
        }
        let allowed =
            address.checked_add(bytes as u64).is_some_and(|end| env.ranges.allow(address, end, write));
        if allowed { Ok(Place { at: address as *mut u8, contended: true }) } else { Err(illegal) }
    }

    /// One value at a generic address.
    pub(super) fn read(
        &mut self,
        env: &mut Env,
        lane: usize,
        address: u64,
        bytes: u8,
        line: u32,
    ) -> Result<u64, Fault> {
        self.read_in(env, lane, Space::Generic, address, bytes, line)
    }

    pub(super) fn read_in(
        &mut self,
        env: &mut Env,
        lane: usize,
        space: Space,
        address: u64,
        bytes: u8,
        line: u32,
    ) -> Result<u64, Fault> {
        let place = self.place(env, lane, address, &one(space, bytes), false, line)?;
        // SAFETY: `place` allowed it.
        Ok(unsafe { get(place.at, bytes) })
    }

    pub(super) fn write_in(
        &mut self,
        env: &mut Env,
        lane: usize,
        space: Space,
        address: u64,
        (bytes, value): (u8, u64),
        line: u32,
    ) -> Result<(), Fault> {
        let place = self.place(env, lane, address, &one(space, bytes), true, line)?;
        // SAFETY: `place` allowed it.
        unsafe { write(place.at, bytes, value) };
        Ok(())
    }

    pub(super) fn load(
        &mut self,
        env: &mut Env,
        path: &Path,
        mask: u32,
        access: &Access,
        d: &[Reg; 4],
        signed: bool,
        line: u32,
    ) -> Result<u32, Fault> {
        if access.space == Space::Param {
            self.load_param(env, path, mask, access, d, signed, line)?;
            return Ok(0);
        }
        let addresses = *self.row(path, access.address);
        let mut values = [[0u64; LANES]; 4];
        let size = usize::from(access.bytes);
        let mut fault = None;
        each(mask, |lane| {
            let address = addresses[lane].wrapping_add_signed(access.offset);
            match self.place(env, lane, address, access, false, line) {
                Ok(place) => {
                    for (index, values) in values.iter_mut().take(access.count as usize).enumerate() {
                        // SAFETY: `place` allowed `count` elements of `size` bytes here, aligned.
                        let value = unsafe { get(place.at.add(index * size), access.bytes) };
                        values[lane] = if signed { extend(value, access.bytes) } else { value };
                    }
                }
                Err(met) => fault = fault.take().or(Some(met)),
            }
        });
        if let Some(fault) = fault {
            return Err(fault);
        }
        if access.ordered {
            fence(Ordering::SeqCst);
        }
        for (d, values) in d.iter().zip(&values).take(access.count as usize) {
            self.put(path, mask, *d, values);
        }
        Ok(if access.waits { LOOKS_LIKE_WAITING } else { 0 })
    }

    /// The entry's parameters: the same for all lanes, unless an address was reckoned.
    fn load_param(
        &mut self,
        env: &Env,
        path: &Path,
        mask: u32,
        access: &Access,
        d: &[Reg; 4],
        signed: bool,
        line: u32,
    ) -> Result<(), Fault> {
        let addresses = *self.row(path, access.address);
        let size = usize::from(access.bytes);
        for (index, d) in d.iter().take(access.count as usize).enumerate() {
            let mut values = [0u64; LANES];
            for (lane, value) in values.iter_mut().enumerate().filter(|(lane, _)| mask >> lane & 1 == 1) {
                let at =
                    addresses[lane].wrapping_add_signed(access.offset).wrapping_add((index * size) as u64);
                let bytes = usize::try_from(at).ok().and_then(|at| env.params.get(at..at.checked_add(size)?));
                let Some(bytes) = bytes else {
                    return Err(Fault::IllegalAddress {
                        address: at,
                        bytes: size as u32,
                        write: false,
                        line,
                    });
                };
                let mut word = [0; 8];
                word[..size].copy_from_slice(bytes);
                *value = u64::from_le_bytes(word);
                if signed {
                    *value = extend(*value, access.bytes);
                }
            }
            self.put(path, mask, *d, &values);
        }
        Ok(())
    }

    pub(super) fn store(
        &mut self,
        env: &mut Env,
        path: &Path,
        mask: u32,
        access: &Access,
        s: &[Reg; 4],
        line: u32,
    ) -> Result<(), Fault> {
        if access.space == Space::Param {
            return Err(Fault::IllegalInstruction { what: "a store to the entry's parameters".into(), line });
        }
        let addresses = *self.row(path, access.address);
        let values: [[u64; LANES]; 4] = s.map(|s| *self.row(path, s));
        let size = usize::from(access.bytes);
        if access.ordered {
            fence(Ordering::SeqCst);
        }
        let mut fault = None;
        each(mask, |lane| {
            let address = addresses[lane].wrapping_add_signed(access.offset);
            match self.place(env, lane, address, access, true, line) {
                Ok(place) => {
                    for (index, values) in values.iter().take(access.count as usize).enumerate() {
                        // SAFETY: `place` allowed `count` elements of `size` bytes here, aligned.
                        unsafe { write(place.at.add(index * size), access.bytes, values[lane]) };
                    }
                }
                Err(met) => fault = fault.take().or(Some(met)),
            }
        });
        fault.map_or(Ok(()), Err)
    }

    pub(super) fn atom(
        &mut self,
        env: &mut Env,
        path: &Path,
        mask: u32,
        access: &Access,
        run: AtomFn,
        d: Reg,
        [b, c]: [Reg; 2],
        line: u32,
    ) -> Result<(), Fault> {
        let addresses = *self.row(path, access.address);
        let (b, c) = (*self.row(path, b), *self.row(path, c));
        let mut old = [0u64; LANES];
        let mut fault = None;
        each(mask, |lane| {
            let address = addresses[lane].wrapping_add_signed(access.offset);
            match self.place(env, lane, address, access, true, line) {
                Ok(place) => {
                    // SAFETY: `place` allowed one element here, aligned.
                    old[lane] = unsafe { exchange(place, access.bytes, |old| run(old, b[lane], c[lane])) }
                }
                Err(met) => fault = fault.take().or(Some(met)),
            }
        });
        if let Some(fault) = fault {
            return Err(fault);
        }
        self.put(path, mask, d, &old);
        Ok(())
    }

    pub(super) fn copy_async(
        &mut self,
        env: &mut Env,
        path: &Path,
        mask: u32,
        op: &Op,
        line: u32,
    ) -> Result<(), Fault> {
        let Op::CopyAsync { to, to_offset, from, from_offset, bytes, source_bytes } = op else {
            return Ok(());
        };
        let access = |space| Access { count: *bytes as u8, ..one(space, 1) };
        let (to, from, sizes) =
            (*self.row(path, *to), *self.row(path, *from), *self.row(path, *source_bytes));
        let mut fault = None;
        each(mask, |lane| {
            let copied = (sizes[lane] as u32).min(*bytes) as usize;
            let target = to[lane].wrapping_add_signed(*to_offset);
            let source = from[lane].wrapping_add_signed(*from_offset);
            let mut piece = [0u8; 16];
            let outcome =
                self.place(env, lane, target, &access(Space::Shared), true, line).and_then(|target| {
                    if copied > 0 {
                        let place = self.place(env, lane, source, &access(Space::Generic), false, line)?;
                        // SAFETY: `place` allowed `bytes` here, of which `copied` are read.
                        unsafe { std::ptr::copy_nonoverlapping(place.at, piece.as_mut_ptr(), copied) };
                    }
                    // SAFETY: `place` allowed `bytes` here.
                    unsafe { std::ptr::copy_nonoverlapping(piece.as_ptr(), target.at, *bytes as usize) };
                    Ok(())
                });
            fault = fault.take().or(outcome.err());
        });
        fault.map_or(Ok(()), Err)
    }
}

/// One element, plainly.
fn one(space: Space, bytes: u8) -> Access {
    Access { space, bytes, count: 1, address: ZERO, offset: 0, ordered: false, waits: false }
}

/// # Safety
/// `bytes` readable bytes at `at`, aligned to their number.
#[inline(always)]
unsafe fn get(at: *mut u8, bytes: u8) -> u64 {
    // SAFETY: the caller's promise. Volatile, because other threads of the process may write at the same time, as they may on
    // a GPU; the value is then the old or the new one.
    unsafe {
        match bytes {
            1 => u64::from(at.read_volatile()),
            2 => u64::from(at.cast::<u16>().read_volatile()),
            4 => u64::from(at.cast::<u32>().read_volatile()),
            _ => at.cast::<u64>().read_volatile(),
        }
    }
}

/// # Safety
/// `bytes` writable bytes at `at`, aligned to their number.
#[inline(always)]
unsafe fn write(at: *mut u8, bytes: u8, value: u64) {
    // SAFETY: as for `get`.
    unsafe {
        match bytes {
            1 => at.write_volatile(value as u8),
            2 => at.cast::<u16>().write_volatile(value as u16),
            4 => at.cast::<u32>().write_volatile(value as u32),
            _ => at.cast::<u64>().write_volatile(value),
        }
    }
}

/// Puts `f` of the old value in its place, and returns the old one.
///
/// # Safety
/// `bytes` readable and writable bytes at the place, aligned to their number.
unsafe fn exchange(place: Place, bytes: u8, f: impl Fn(u64) -> u64) -> u64 {
    macro_rules! swap {
        ($atomic:ty, $plain:ty) => {{
            // SAFETY: the caller's promise; all that touch it at the same time do so by atomics or volatile accesses.
            let word = unsafe { <$atomic>::from_ptr(place.at.cast()) };
            let swapped =
                word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |old| Some(f(u64::from(old)) as $plain));
            u64::from(swapped.unwrap_or_else(|old| old))
        }};
    }
    if !place.contended {
        // SAFETY: the caller's promise; a block's shared and a lane's local memory belong to this thread.
        return unsafe {
            let old = get(place.at, bytes);
            write(place.at, bytes, f(old));
            old
        };
    }
    match bytes {
        2 => swap!(AtomicU16, u16),
        4 => swap!(AtomicU32, u32),
        _ => swap!(AtomicU64, u64),
    }
}

fn extend(value: u64, bytes: u8) -> u64 {
    let unused = 64 - u32::from(bytes) * 8;
    ((value << unused) as i64 >> unused) as u64
}
