//! Memory that the program and the GPU see at one address: managed memory and managed variables, and page-locked memory from when
//! a kernel can see it. The program's pages are ordinary ones. The server has device memory at the same number.
//!
//! Of each range there is a *twin* here, what both sides agreed on last. Before work goes to the GPU, what the program's bytes
//! differ from it in is sent ahead; what the GPU has changed comes before the answer that says how far it is. Pages are compared, never
//! protected, so system calls may write to them like any other.
#![allow(unsafe_code)] // reads and writes the program's memory where it said that the GPU may.

use crate::state::Shim;
use farwarp_protocol::call::{PATCH, Range, SHARE, UNSHARE};
use farwarp_protocol::client::Client;
use farwarp_protocol::codec::encode;
use farwarp_protocol::error::{CUDA_ERROR_MAP_FAILED, CUDA_ERROR_OUT_OF_MEMORY, Code};
use farwarp_protocol::handle::Id;
use farwarp_protocol::limits::{PIECE_BYTES, SHARED_BYTES_MAX, SHARED_RANGES_MAX};
use farwarp_protocol::patch::{self, PAGE_BYTES, PAGE_PATCH_BYTES_MAX, PatchError};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};

#[derive(Default)]
pub struct Twins {
    books: Mutex<Books>,
    /// Whether there ever was anything: who shares nothing pays nothing.
    used: AtomicBool,
    /// Changes have come that are not in their place, because the books were in use.
    waiting: AtomicBool,
}

#[derive(Default)]
struct Books {
    twins: BTreeMap<u64, Twin>,
    bytes: u64,
}

/// One range, and what both sides agreed on last.
struct Twin {
    range: Range,
    bytes: Box<[u8]>,
    /// It goes with any of these: a context, module or library.
    parents: [Id; 2],
}

impl Twins {
    pub fn are_used(&self) -> bool {
        self.used.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Puts what has come into its place, unless another thread has the books; then the end of the call sees to it.
    pub fn take(&self, client: &mut Client) {
        if !client.has_patches() {
            return;
        }
        match self.books.try_lock() {
            Ok(mut books) => books.take(client),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().take(client),
            Err(TryLockError::WouldBlock) => return self.waiting.store(true, Ordering::Release),
        }
        self.waiting.store(false, Ordering::Release);
    }
}

impl Books {
    fn add(&mut self, range: Range, parents: [Id; 2]) {
        let bytes = vec![0; range.bytes as usize].into();
        self.bytes += range.bytes;
        self.twins.insert(range.address, Twin { range, bytes, parents });
    }

    fn remove_where(&mut self, dies: impl Fn(&Twin) -> bool) {
        self.twins.retain(|_, twin| !dies(twin));
        self.bytes = self.twins.values().map(|twin| twin.range.bytes).sum();
    }

    fn take(&mut self, client: &mut Client) {
        while let Some(patch) = client.take_patch() {
            // A server writes into what is shared with it and nowhere else; of what is gone it may still speak.
            let put = patch::for_each(&patch, |address, bytes| {
                if let Some(twin) = self.twin_of(Range { address, bytes: bytes.len() as u64 }) {
                    let at = (address - twin.range.address) as usize;
                    twin.bytes[at..at + bytes.len()].copy_from_slice(bytes);
                    // SAFETY: the range is the program's memory, which it has shared and has not taken back.
                    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), address as *mut u8, bytes.len()) };
                }
                Ok::<(), PatchError>(())
            });
            if let Err(error) = put {
                crate::state::complain(&format!("the server sent {error}"));
            }
        }
    }

    fn twin_of(&mut self, range: Range) -> Option<&mut Twin> {
        let (_, twin) = self.twins.range_mut(..=range.address).next_back()?;
        twin.range.encloses(range).then_some(twin)
    }

    /// Sends what the program has changed.
    fn send(&mut self, shim: &Shim) -> Result<(), Code> {
        let mut patch = Vec::new();
        for twin in self.twins.values_mut() {
            let (start, bytes) = (twin.range.address, twin.range.bytes as usize);
            let mut at = 0;
            while at < bytes {
                let address = start + at as u64;
                let count = (bytes - at).min(PAGE_BYTES - address as usize % PAGE_BYTES);
                let before = &mut twin.bytes[at..at + count];
                at += count;
                // SAFETY: the range is the program's memory, which it has shared and has not taken back.
                if unsafe { differs(address, before) } {
                    // SAFETY: as above.
                    unsafe { append_page(&mut patch, address, before) };
                    if patch.len() > PIECE_BYTES - PAGE_PATCH_BYTES_MAX {
                        shim.remote.tell(PATCH, &[&patch])?;
                        patch.clear();
                    }
                }
            }
        }
        if patch.is_empty() { Ok(()) } else { shim.remote.tell(PATCH, &[&patch]) }
    }
}

/// # Safety
/// As many bytes as those of the twin can be read there.
unsafe fn differs(address: u64, twin: &[u8]) -> bool {
    // SAFETY: the caller's promise. Other threads of the program may write meanwhile: then either answer is right.
    unsafe { libc::memcmp(address as *const _, twin.as_ptr().cast(), twin.len()) != 0 }
}

/// # Safety
/// As for [`differs`].
unsafe fn append_page(patch: &mut Vec<u8>, address: u64, twin: &mut [u8]) {
    let mut now = [0; PAGE_BYTES];
    let now = &mut now[..twin.len()];
    // SAFETY: the caller's promise. What is compared and sent is this copy, whatever the program's other threads write.
    unsafe { std::ptr::copy_nonoverlapping(address as *const u8, now.as_mut_ptr(), now.len()) };
    patch::append(patch, address, twin, now);
    twin.copy_from_slice(now);
}

/// From now on the GPU sees this memory of the program's, which is in the books of allocations; its bytes go there with the next work.
pub fn share(shim: &Shim, address: u64) -> Result<(), Code> {
    let mut books = shim.remote.twins().lock();
    let (range, context) = {
        let memory = shim.memory();
        let found = memory.find(address).ok_or(CUDA_ERROR_MAP_FAILED)?;
        if found.shared {
            return Ok(());
        }
        (found.range, found.context)
    };
    if books.bytes.saturating_add(range.bytes) > SHARED_BYTES_MAX || books.twins.len() >= SHARED_RANGES_MAX {
        crate::state::complain(&format!(
            "memory that kernels see at the program's address is limited to {} GiB in {SHARED_RANGES_MAX} pieces",
            SHARED_BYTES_MAX >> 30
        ));
        return Err(CUDA_ERROR_OUT_OF_MEMORY);
    }
    let shared = shim.remote.ask_about(context, SHARE, &[&encode(&range)])?.check();
    if shared == Err(CUDA_ERROR_MAP_FAILED) {
        crate::state::complain(&format!(
            "kernels cannot see the {} bytes at {:#x}: the server has something else at that address",
            range.bytes, range.address
        ));
    }
    shared?;
    books.add(range, [context, Id(0)]);
    shim.remote.twins().used.store(true, Ordering::Release);
    shim.memory().set_shared(range.address);
    Ok(())
}

/// A managed variable that the server knows; its bytes come when it is asked for them.
pub fn adopt(shim: &Shim, range: Range, parents: [Id; 2]) {
    shim.remote.twins().lock().add(range, parents);
    shim.remote.twins().used.store(true, Ordering::Release);
}

/// The memory is the program's alone again, with all that the GPU has written there until now.
pub fn unshare(shim: &Shim, range: Range, context: Id) -> Result<(), Code> {
    let mut books = shim.remote.twins().lock();
    // One that is lost with its context needs no word.
    let gone = match shim.contexts().active(context) {
        Ok(_) => shim
            .remote
            .ask_about(context, UNSHARE, &[&encode(&range.address)])
            .and_then(|answer| answer.check()),
        Err(_) => Ok(()),
    };
    shim.remote.take_patches(|client| books.take(client));
    books.remove_where(|twin| twin.range == range);
    gone
}

/// All that was shared in a context, or by variables of a module or library, is gone with it.
pub fn gone(shim: &Shim, parent: Id) {
    shim.remote.twins().lock().remove_where(|twin| twin.parents.contains(&parent));
}

/// Sends what the program has changed, before work that may see it.
pub fn send(shim: &Shim) -> Result<(), Code> {
    if shim.remote.twins().are_used() { shim.remote.twins().lock().send(shim) } else { Ok(()) }
}

/// The same before a launch; page-locked memory that its parameters name is seen by a kernel from now on.
pub fn before_launch(shim: &Shim, params: &[u8]) -> Result<(), Code> {
    share_named(shim, params)?;
    send(shim)
}

/// Shares the page-locked memory that a kernel's parameters name.
pub fn share_named(shim: &Shim, params: &[u8]) -> Result<(), Code> {
    let unseen = {
        let memory = shim.memory();
        let Some(span) = memory.unseen() else { return Ok(()) };
        let words = params.chunks_exact(8).filter_map(|word| Some(u64::from_le_bytes(word.try_into().ok()?)));
        let named = words.filter(|word| span.contains(*word)).filter(|word| memory.is_unseen(*word));
        named.collect::<Vec<u64>>()
    };
    unseen.into_iter().try_for_each(|address| share(shim, address))
}

/// Shares page-locked memory that is used as if it were the device's.
pub fn share_if_unseen(shim: &Shim, address: u64) -> Result<(), Code> {
    let unseen = shim.memory().is_unseen(address);
    if unseen { share(shim, address) } else { Ok(()) }
}

/// At the end of each call, and before a function of the program's runs: what has come is in its place.
pub fn settle(shim: &Shim) {
    let twins = shim.remote.twins();
    if twins.waiting.load(Ordering::Acquire) {
        let mut books = twins.lock();
        shim.remote.take_patches(|client| {
            books.take(client);
            twins.waiting.store(false, Ordering::Release);
        });
    }
}

/// Says once why streams neither wait for values in memory that the host sees, nor write them: nobody would hear of them in time.
pub fn refuse_signals() {
    static SAID: std::sync::Once = std::sync::Once::new();
    SAID.call_once(|| {
        crate::state::complain(
            "streams cannot wait for values in mapped or managed memory, nor write them: host and device cannot signal each other \
             through it",
        );
    });
}
