//! What is known of an image without loading it: that it is whole, and holds no address.
//!
//! A driver gets an image without its length and believes what its headers say. So whoever takes one from elsewhere must have
//! compared them with the bytes that came.

/// `__fatBinC_Wrapper_t`: two words, and then addresses of the process that it was made in.
pub const WRAPPER_MAGIC: u32 = 0x4662_43b1;
pub const FATBIN_MAGIC: u32 = 0xba55_ed50;
pub const ELF_MAGIC: u32 = u32::from_le_bytes(*b"\x7fELF");

const FATBIN_HEADER_BYTES: usize = 16;
const ELF_HEADER_BYTES: usize = 64;
const ELF_CLASS_64: u8 = 2;
/// Of ELF's section types, the one that occupies no bytes of the file.
const SECTION_NO_BITS: u32 = 8;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    #[error("an image that is a wrapper: it holds addresses of another process")]
    Wrapper,
    #[error("an image whose headers name byte {says}, of {has} bytes")]
    Cut { says: u64, has: u64 },
    #[error("an ELF image that is not of 64 bits")]
    NotElf64,
}

/// Whether a driver that believes the image's headers stays within its bytes. Text ends where its bytes do, if a NUL follows them.
pub fn check_whole(image: &[u8]) -> Result<(), ImageError> {
    let has = image.len() as u64;
    let says = match u32_at(image, 0) {
        Some(WRAPPER_MAGIC) => return Err(ImageError::Wrapper),
        Some(FATBIN_MAGIC) => fatbin_end(image).unwrap_or(FATBIN_HEADER_BYTES as u64),
        Some(ELF_MAGIC) => elf_end(image)?,
        _ => return Ok(()),
    };
    if says <= has { Ok(()) } else { Err(ImageError::Cut { says, has }) }
}

/// The header says its own length and that of what follows.
fn fatbin_end(image: &[u8]) -> Option<u64> {
    let header = u64::from(u16_at(image, 6)?).max(FATBIN_HEADER_BYTES as u64);
    Some(header.saturating_add(u64_at(image, 8)?))
}

/// The last byte that a table of the file names.
fn elf_end(image: &[u8]) -> Result<u64, ImageError> {
    let has = image.len() as u64;
    let cut = |says: u64| ImageError::Cut { says, has };
    if image.len() < ELF_HEADER_BYTES {
        return Err(cut(ELF_HEADER_BYTES as u64));
    }
    if image[4] != ELF_CLASS_64 {
        return Err(ImageError::NotElf64);
    }
    let half = |at: usize| u64::from(u16_at(image, at).unwrap_or(0));
    let long = |at: usize| u64_at(image, at).unwrap_or(u64::MAX);
    let (sections, section_bytes, section_count) = (long(0x28), half(0x3a), half(0x3c));
    let tables = [
        long(0x20).saturating_add(half(0x36) * half(0x38)),
        sections.saturating_add(section_bytes * section_count),
    ];
    let mut end = tables[0].max(tables[1]);
    if end > has {
        return Err(cut(end));
    }
    for index in 0..section_count {
        // Within the image, as the table's end is.
        let section = (sections + index * section_bytes) as usize;
        let kind = u32_at(image, section + 4).ok_or_else(|| cut(has + 1))?;
        let (offset, bytes) = (long(section + 0x18), long(section + 0x20));
        if kind != SECTION_NO_BITS {
            end = end.max(offset.saturating_add(bytes));
        }
    }
    Ok(end)
}

fn u16_at(image: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*image.get(at..)?.first_chunk()?))
}

fn u32_at(image: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*image.get(at..)?.first_chunk()?))
}

fn u64_at(image: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*image.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fatbin(says: u64, has: usize) -> Vec<u8> {
        let mut image = FATBIN_MAGIC.to_le_bytes().to_vec();
        image.extend([1, 0, 16, 0]);
        image.extend(says.to_le_bytes());
        image.resize(has, 0);
        image
    }

    fn elf(edit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut image = ELF_MAGIC.to_le_bytes().to_vec();
        image.resize(ELF_HEADER_BYTES + 64, 0);
        image[4] = ELF_CLASS_64;
        image[0x28..0x30].copy_from_slice(&64u64.to_le_bytes());
        image[0x3a] = 64;
        image[0x3c] = 1;
        edit(&mut image);
        image
    }

    #[test]
    fn an_image_whose_headers_say_more_than_came_is_refused() {
        assert_eq!(check_whole(&fatbin(84, 100)), Ok(()));
        assert_eq!(check_whole(&fatbin(85, 100)), Err(ImageError::Cut { says: 101, has: 100 }));
        assert!(check_whole(&fatbin(u64::MAX, 100)).is_err());
        assert!(check_whole(&FATBIN_MAGIC.to_le_bytes()).is_err());
        assert_eq!(check_whole(&elf(|_| ())), Ok(()));
        assert!(check_whole(&elf(|image| image[0x3c] = 2)).is_err());
        assert!(check_whole(&elf(|image| image[64 + 0x20] = 200)).is_err());
        assert!(check_whole(&elf(|image| image[0x28..0x30].fill(0xff))).is_err());
        assert_eq!(check_whole(&elf(|image| image[4] = 1)), Err(ImageError::NotElf64));
        assert!(check_whole(&ELF_MAGIC.to_le_bytes()).is_err());
        assert_eq!(check_whole(b".version 8.0"), Ok(()));
        assert_eq!(check_whole(b""), Ok(()));
    }

    #[test]
    fn an_image_with_an_address_in_it_is_refused() {
        assert_eq!(check_whole(&WRAPPER_MAGIC.to_le_bytes()), Err(ImageError::Wrapper));
    }
}
