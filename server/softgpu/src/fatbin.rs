//! The container in which nvcc packs one program for many devices, and the choice of what to run. Reads bytes that a program handed
//! over, so nothing in it is believed. It knows no PTX and no driver.

use std::borrow::Cow;

/// The first word of a container.
pub const MAGIC: u32 = 0xBA55_ED50;
/// Bytes that say how long a container is.
pub const HEADER_BYTES: usize = 16;
/// The first word of what nvcc makes of a container for the linker, and of what the runtime hands over.
pub const WRAPPER_MAGIC: u32 = 0x4662_43B1;

/// No text or image that a compiler makes is larger.
const UNPACKED_LIMIT: usize = 1 << 30;

const ENTRY_BYTES: usize = 64;
const KIND_PTX: u16 = 1;
const KIND_ELF: u16 = 2;
const FLAG_LZ4: u64 = 0x2000;
const FLAG_ZSTD: u64 = 0x8000;
/// For one device only (`sm_90a`), or for one family (`sm_100f`).
const FLAGS_NARROW: u64 = 0x10_0000 | 0x20_0000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FatbinError {
    #[error("{0:#x} is no fatbin")]
    Magic(u32),
    #[error("an entry at byte {at} needs {needs} bytes, the container has {has}")]
    Cut { at: usize, needs: usize, has: usize },
    #[error("an entry unpacks to {got} bytes, it promises {promised}")]
    Size { promised: usize, got: usize },
    #[error("an entry does not unpack")]
    Packed,
}

/// The length of a container, header included, as its header says.
pub fn container_bytes(header: &[u8; HEADER_BYTES]) -> Result<usize, FatbinError> {
    let magic = u32_at(header, 0);
    if magic != MAGIC {
        return Err(FatbinError::Magic(magic));
    }
    let header_bytes = usize::from(u16_at(header, 6));
    let entries = usize::try_from(u64_at(header, 8)).unwrap_or(usize::MAX);
    let bytes = header_bytes.saturating_add(entries);
    if header_bytes < HEADER_BYTES || bytes > UNPACKED_LIMIT {
        return Err(FatbinError::Cut { at: 0, needs: bytes, has: UNPACKED_LIMIT });
    }
    Ok(bytes)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    Ptx,
    Elf,
}

/// One program in a container, still packed.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    pub code: Code,
    /// 86 for `sm_86`.
    pub target: u32,
    pub flags: u64,
    payload: &'a [u8],
    unpacked_bytes: usize,
}

/// The entries of one container.
pub fn entries(container: &[u8]) -> Result<Vec<Entry<'_>>, FatbinError> {
    let header = container.first_chunk::<HEADER_BYTES>().ok_or(FatbinError::Cut {
        at: 0,
        needs: HEADER_BYTES,
        has: container.len(),
    })?;
    let end = container_bytes(header)?;
    let mut at = usize::from(u16_at(header, 6));
    let mut found = Vec::new();
    let has = container.len();
    while at < end.min(has) {
        let entry = container.get(at..).filter(|rest| rest.len() >= ENTRY_BYTES);
        let entry = entry.ok_or(FatbinError::Cut { at, needs: ENTRY_BYTES, has })?;
        let header_bytes = u32_at(entry, 4) as usize;
        let padded = usize::try_from(u64_at(entry, 8)).unwrap_or(usize::MAX);
        let needs = header_bytes.saturating_add(padded);
        if header_bytes < ENTRY_BYTES || needs > entry.len() {
            return Err(FatbinError::Cut { at, needs, has });
        }
        found.extend(read_entry(&entry[..needs], header_bytes));
        at += needs;
    }
    Ok(found)
}

/// An entry of a kind that we know.
fn read_entry(entry: &[u8], header_bytes: usize) -> Option<Entry<'_>> {
    let code = match u16_at(entry, 0) {
        KIND_PTX => Code::Ptx,
        KIND_ELF => Code::Elf,
        _ => return None,
    };
    let padded = &entry[header_bytes..];
    let packed_bytes = u32_at(entry, 16) as usize;
    let payload = if packed_bytes == 0 { padded } else { padded.get(..packed_bytes)? };
    let unpacked_bytes = usize::try_from(u64_at(entry, 56)).unwrap_or(usize::MAX);
    Some(Entry { code, target: u32_at(entry, 28), flags: u64_at(entry, 40), payload, unpacked_bytes })
}

impl<'a> Entry<'a> {
    pub fn unpack(&self) -> Result<Cow<'a, [u8]>, FatbinError> {
        if self.flags & (FLAG_LZ4 | FLAG_ZSTD) == 0 {
            return Ok(Cow::Borrowed(self.payload));
        }
        let promised = self.unpacked_bytes;
        if promised > UNPACKED_LIMIT {
            return Err(FatbinError::Size { promised, got: 0 });
        }
        let bytes = if self.flags & FLAG_ZSTD != 0 {
            zstd::bulk::decompress(self.payload, promised).map_err(|_| FatbinError::Packed)?
        } else {
            lz4_flex::block::decompress(self.payload, promised).map_err(|_| FatbinError::Packed)?
        };
        if bytes.len() != promised {
            return Err(FatbinError::Size { promised, got: bytes.len() });
        }
        Ok(Cow::Owned(bytes))
    }

    fn is_narrow(&self) -> bool {
        self.flags & FLAGS_NARROW != 0
    }
}

/// The entry of that kind that suits a device of compute capability `capability` (86 for 8.6) best: the newest that is not newer
/// than the device, else the oldest there is. Forward compatibility is a rule of hardware; the engine runs what it can read.
pub fn choose<'e, 'a>(entries: &'e [Entry<'a>], code: Code, capability: u32) -> Option<&'e Entry<'a>> {
    let all = || entries.iter().filter(|entry| entry.code == code);
    let fits = all().filter(|entry| entry.target <= capability && !entry.is_narrow());
    fits.max_by_key(|entry| entry.target)
        .or_else(|| all().min_by_key(|entry| (entry.target, entry.is_narrow())))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An entry as nvcc writes it: kind, target, flags, payload, unpacked size.
    fn entry(kind: u16, target: u32, flags: u64, payload: &[u8], unpacked: usize) -> Vec<u8> {
        let padded = payload.len().next_multiple_of(8);
        let mut bytes = vec![0; ENTRY_BYTES + padded];
        bytes[..2].copy_from_slice(&kind.to_le_bytes());
        bytes[4..8].copy_from_slice(&(ENTRY_BYTES as u32).to_le_bytes());
        bytes[8..16].copy_from_slice(&(padded as u64).to_le_bytes());
        if flags & (FLAG_LZ4 | FLAG_ZSTD) != 0 {
            bytes[16..20].copy_from_slice(&(payload.len() as u32).to_le_bytes());
            bytes[56..64].copy_from_slice(&(unpacked as u64).to_le_bytes());
        }
        bytes[28..32].copy_from_slice(&target.to_le_bytes());
        bytes[40..48].copy_from_slice(&flags.to_le_bytes());
        bytes[ENTRY_BYTES..ENTRY_BYTES + payload.len()].copy_from_slice(payload);
        bytes
    }

    fn container(entries: &[Vec<u8>]) -> Vec<u8> {
        let body = entries.concat();
        let mut bytes = Vec::new();
        bytes.extend(MAGIC.to_le_bytes());
        bytes.extend(1u16.to_le_bytes());
        bytes.extend((HEADER_BYTES as u16).to_le_bytes());
        bytes.extend((body.len() as u64).to_le_bytes());
        bytes.extend(body);
        bytes
    }

    const TEXT: &[u8] = b".version 8.0\n.target sm_80\n.address_size 64\n";

    #[test]
    fn both_packings_unpack_to_the_same_text() {
        let lz4 = lz4_flex::block::compress(TEXT);
        let zstd = zstd::bulk::compress(TEXT, 3).unwrap();
        let bytes = container(&[
            entry(KIND_PTX, 80, 0x11, TEXT, 0),
            entry(KIND_PTX, 80, 0x11 | FLAG_LZ4, &lz4, TEXT.len()),
            entry(KIND_PTX, 80, 0x11 | FLAG_ZSTD, &zstd, TEXT.len()),
        ]);
        for entry in entries(&bytes).unwrap() {
            assert!(entry.unpack().unwrap().starts_with(TEXT));
        }
    }

    #[test]
    fn the_newest_that_is_not_too_new_is_chosen_and_else_the_oldest() {
        let bytes = container(&[
            entry(KIND_ELF, 86, 0x11, &[0; 8], 0),
            entry(KIND_PTX, 120, 0x11, TEXT, 0),
            entry(KIND_PTX, 75, 0x11, TEXT, 0),
            entry(KIND_PTX, 80, 0x11, TEXT, 0),
        ]);
        let entries = entries(&bytes).unwrap();
        assert_eq!(choose(&entries, Code::Ptx, 86).unwrap().target, 80);
        assert_eq!(choose(&entries, Code::Ptx, 60).unwrap().target, 75);
        assert_eq!(choose(&entries, Code::Ptx, 130).unwrap().target, 120);
        assert!(choose(&entries[..1], Code::Ptx, 86).is_none(), "a cubin is no PTX");
    }

    #[test]
    fn no_container_however_cut_is_read_beyond_its_end() {
        let zstd = zstd::bulk::compress(TEXT, 3).unwrap();
        let whole = container(&[entry(KIND_PTX, 80, 0x11 | FLAG_ZSTD, &zstd, TEXT.len())]);
        for length in 0..whole.len() {
            if let Ok(entries) = entries(&whole[..length]) {
                assert!(entries.is_empty(), "cut at {length}");
            }
        }
        for place in 0..whole.len() {
            let mut garbled = whole.clone();
            garbled[place] ^= 0xFF;
            for entry in entries(&garbled).unwrap_or_default() {
                let _ = entry.unpack();
            }
        }
    }
}
