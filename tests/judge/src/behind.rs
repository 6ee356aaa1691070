//! The driver behind, and the folder that holds this library, that driver and the docket.
#![allow(unsafe_code)] // asks where this library lies, and loads another one.

use libloading::Library;
use once_cell::sync::Lazy;
use std::ffi::{CStr, CString, OsStr, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The name of the driver behind, in this library's folder.
const BEHIND: &str = "behind";

static DRIVER: Lazy<Option<Library>> = Lazy::new(|| {
    let path = folder()?.join(BEHIND);
    // SAFETY: the test put a libcuda there.
    unsafe { Library::new(path.canonicalize().ok()?) }.ok()
});

/// Where a function of the driver behind begins.
pub fn address(name: &str) -> Option<usize> {
    let name = CString::new(name).ok()?;
    // SAFETY: only the address is taken here.
    let symbol = unsafe { DRIVER.as_ref()?.get::<unsafe extern "C" fn()>(name.as_bytes_with_nul()) };
    symbol.ok().map(|symbol| *symbol as usize)
}

/// The folder of this library.
pub fn folder() -> Option<PathBuf> {
    let mut found = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: `found` is writable, and filled in where the call says so; its name lives as long as this library.
    let name = unsafe {
        let ours: fn() -> Option<PathBuf> = folder;
        if libc::dladdr(ours as *const c_void, found.as_mut_ptr()) == 0 {
            return None;
        }
        CStr::from_ptr(found.assume_init().dli_fname)
    };
    Some(Path::new(OsStr::from_bytes(name.to_bytes())).parent()?.to_owned())
}
