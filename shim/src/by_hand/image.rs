//! Images arrive as bare pointers; how long one is must be found inside it. Then it goes up in pieces.
#![allow(unsafe_code)]
// reads the program's images, as the driver would.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]

use crate::state::Shim;
use farwarp_protocol::call::{IMAGE_PIECE, ImagePiece};
use farwarp_protocol::codec::encode;
use farwarp_protocol::error::{
    CUDA_ERROR_INVALID_IMAGE, CUDA_ERROR_INVALID_PTX, CUDA_ERROR_INVALID_VALUE, Code,
};
use farwarp_protocol::image::{ELF_MAGIC, FATBIN_MAGIC, WRAPPER_MAGIC, check_whole};
use farwarp_protocol::limits::{IMAGE_BYTES_MAX, PIECE_BYTES};
use std::ffi::c_void;
use std::sync::atomic::{AtomicU64, Ordering};

/// The bytes of an image.
pub enum Image<'a> {
    /// A cubin or PTX, as it lies there.
    Plain(&'a [u8]),
    /// A fatbin, out of its wrapper.
    Fatbin(&'a [u8]),
}

/// Finds out what lies at `image` and how long it is.
///
/// # Safety
/// The program vouches for an image of one of CUDA's formats, as it does to the driver; the result must not outlive it.
pub unsafe fn find<'a>(image: *const c_void) -> Result<Image<'a>, Code> {
    if image.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let base = image.cast::<u8>();
    // SAFETY: PTX is at least its NUL; a binary format has its magic. Bytes are read up to the first that decides.
    let magic = unsafe { word_or_text(base) };
    unsafe {
        match magic {
            Some(WRAPPER_MAGIC) => find(base.add(8).cast::<*const c_void>().read_unaligned()),
            Some(FATBIN_MAGIC) => bytes(base, fatbin_bytes(base)).map(Image::Fatbin),
            Some(ELF_MAGIC) => bytes(base, elf_bytes(base)?).map(Image::Plain),
            _ => {
                let text = libc::strnlen(base.cast(), IMAGE_BYTES_MAX);
                if text == 0 { Err(CUDA_ERROR_INVALID_PTX) } else { bytes(base, text + 1).map(Image::Plain) }
            }
        }
    }
}

unsafe fn bytes<'a>(base: *const u8, length: usize) -> Result<&'a [u8], Code> {
    if length > IMAGE_BYTES_MAX {
        return Err(CUDA_ERROR_INVALID_IMAGE);
    }
    // SAFETY: the format itself says that so many bytes follow.
    Ok(unsafe { std::slice::from_raw_parts(base, length) })
}

/// The first four bytes, unless a NUL ends the text before.
unsafe fn word_or_text(base: *const u8) -> Option<u32> {
    let mut word = [0; 4];
    for (index, byte) in word.iter_mut().enumerate() {
        // SAFETY: no byte before this one ended the text, so this one is there.
        *byte = unsafe { base.add(index).read() };
        if *byte == 0 {
            return None;
        }
    }
    Some(u32::from_le_bytes(word))
}

/// A fatbin is one or several containers back to back, behind a header that gives its own size and that of what follows.
unsafe fn fatbin_bytes(base: *const u8) -> usize {
    // SAFETY: the header's magic was seen.
    let (header, rest) = unsafe {
        (
            base.add(6).cast::<u16>().read_unaligned() as usize,
            base.add(8).cast::<u64>().read_unaligned() as usize,
        )
    };
    header.max(16).saturating_add(rest)
}

/// The end of the last section or table of an ELF64 file.
unsafe fn elf_bytes(base: *const u8) -> Result<usize, Code> {
    const CLASS_64: u8 = 2;
    // SAFETY: an ELF header is 64 bytes, and the tables lie where it says.
    unsafe {
        if base.add(4).read() != CLASS_64 {
            return Err(CUDA_ERROR_INVALID_IMAGE);
        }
        let half = |at: usize| base.add(at).cast::<u16>().read_unaligned() as usize;
        let long = |at: usize| base.add(at).cast::<u64>().read_unaligned() as usize;
        let (program_headers, section_headers) = (long(0x20), long(0x28));
        let (program_count, section_size, section_count) = (half(0x36) * half(0x38), half(0x3a), half(0x3c));
        let mut end =
            64.max(program_headers + program_count).max(section_headers + section_size * section_count);
        const NO_BITS: u32 = 8;
        for index in 0..section_count {
            let section = section_headers + index * section_size;
            let kind = base.add(section + 4).cast::<u32>().read_unaligned();
            if kind != NO_BITS {
                end = end.max(long(section + 0x18).saturating_add(long(section + 0x20)));
            }
        }
        Ok(end)
    }
}

/// Sends an image up and returns the number by which the load names it.
pub fn upload(shim: &Shim, image: &[u8]) -> Result<u64, Code> {
    // The server ends the session of a client whose image lies.
    check_whole(image).map_err(|_| CUDA_ERROR_INVALID_IMAGE)?;
    let upload = upload_bytes(shim, image)?;
    shim.remote.count_module_bytes(image.len());
    Ok(upload)
}

/// The same for a graph's plan, which is no module.
pub fn upload_plan(shim: &Shim, plan: &[u8]) -> Result<u64, Code> {
    upload_bytes(shim, plan)
}

fn upload_bytes(shim: &Shim, bytes: &[u8]) -> Result<u64, Code> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let upload = NEXT.fetch_add(1, Ordering::Relaxed);
    let header = encode(&ImagePiece { upload, image_bytes: bytes.len() as u64 });
    for piece in bytes.chunks(PIECE_BYTES) {
        shim.remote.tell(IMAGE_PIECE, &[&header, piece])?;
    }
    Ok(upload)
}
