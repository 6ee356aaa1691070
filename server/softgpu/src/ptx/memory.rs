//! What a kernel may touch, as the driver tells it.
#![allow(unsafe_code)]
// unsafe: the trait is, because the interpreter dereferences what an implementer calls live.

use super::texture::{Surface, Texture};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// One live range of device-visible memory, `[start, end)`, at the same address in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemRange {
    pub start: u64,
    pub end: u64,
    pub writable: bool,
}

/// The driver's book of live ranges. Asked on each miss of a cached range.
///
/// # Safety
///
/// A range that was returned stays mapped, with at
/// least the access it names, until every grid has ended that was running when it died. (cuMemFree waits
/// for the device; a fault ends the context's grids before its memory goes.)
pub unsafe trait Memory: Send + Sync {
    /// The live range that holds `addr`, or `None`: an illegal address.
    fn range(&self, addr: u64) -> Option<MemRange>;
    /// What a texture object is.
    fn texture(&self, object: u64) -> Option<Arc<dyn Texture>>;
    /// What a surface object is.
    fn surface(&self, object: u64) -> Option<Arc<dyn Surface>>;
    /// Bumped whenever a range dies or is born: cached ranges are then dropped.
    fn generation(&self) -> &AtomicU64;
}
