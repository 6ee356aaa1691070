//! What has changed of memory that both sides hold a copy of: exactly the bytes that changed, so that what the other side has
//! changed beside them meanwhile stays.
//!
//! ```text
//! page     its address, and a bit for each of its lines that changed
//! line     a bit for each of its bytes that changed, and those bytes
//! ```

use crate::limits::ADDRESSES_END;

/// Changes are looked for and written page by page.
pub const PAGE_BYTES: usize = 4096;
const LINE_BYTES: usize = 64;
/// What one page can take in a patch: all its bytes, and what is said about them.
pub const PAGE_PATCH_BYTES_MAX: usize = 16 + PAGE_BYTES / LINE_BYTES * (8 + LINE_BYTES);

/// Why something is no patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    #[error("a patch that ends {missing} bytes early")]
    Short { missing: usize },
    #[error("a patch of {address:#x}, where no page of a process begins")]
    NoPage { address: u64 },
    #[error("a patch of the page at {address:#x} that says of nothing in it that it changed")]
    Nothing { address: u64 },
}

/// Appends what differs between two states of some bytes that begin at `address` and lie in one page.
pub fn append(patch: &mut Vec<u8>, address: u64, old: &[u8], new: &[u8]) {
    if old == new {
        return;
    }
    let within = address as usize % PAGE_BYTES;
    debug_assert!(old.len() == new.len() && within + new.len() <= PAGE_BYTES);
    patch.extend((address - within as u64).to_le_bytes());
    let bitmap_at = patch.len();
    patch.extend([0; 8]);
    let mut bitmap = 0u64;
    let mut at = 0;
    while at < new.len() {
        let place = within + at;
        let end = new.len().min(at + LINE_BYTES - place % LINE_BYTES);
        let (before, after) = (&old[at..end], &new[at..end]);
        if before != after {
            bitmap |= 1 << (place / LINE_BYTES);
            append_line(patch, place % LINE_BYTES, before, after);
        }
        at = end;
    }
    patch[bitmap_at..bitmap_at + 8].copy_from_slice(&bitmap.to_le_bytes());
}

fn append_line(patch: &mut Vec<u8>, within: usize, before: &[u8], after: &[u8]) {
    let mask_at = patch.len();
    patch.extend([0; 8]);
    let mut mask = 0u64;
    for (index, (before, after)) in before.iter().zip(after).enumerate() {
        if before != after {
            mask |= 1 << (within + index);
            patch.push(*after);
        }
    }
    patch[mask_at..mask_at + 8].copy_from_slice(&mask.to_le_bytes());
}

/// Hands each run of changed bytes to `take`, in the order of a patch: its address and the bytes.
pub fn for_each<E: From<PatchError>>(
    mut patch: &[u8],
    mut take: impl FnMut(u64, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    while !patch.is_empty() {
        let address = word(&mut patch)?;
        if !address.is_multiple_of(PAGE_BYTES as u64) || address >= ADDRESSES_END {
            return Err(PatchError::NoPage { address }.into());
        }
        let bitmap = word(&mut patch)?;
        if bitmap == 0 {
            return Err(PatchError::Nothing { address }.into());
        }
        for line in (0..64).filter(|line| bitmap >> line & 1 == 1) {
            let mut mask = word(&mut patch)?;
            if mask == 0 {
                return Err(PatchError::Nothing { address }.into());
            }
            let start = address + line * LINE_BYTES as u64;
            while mask != 0 {
                let first = mask.trailing_zeros();
                let count = (mask >> first).trailing_ones();
                take(start + u64::from(first), bytes(&mut patch, count as usize)?)?;
                mask &= !(u64::MAX >> (64 - count) << first);
            }
        }
    }
    Ok(())
}

fn word(patch: &mut &[u8]) -> Result<u64, PatchError> {
    let (word, rest) =
        patch.split_first_chunk().ok_or(PatchError::Short { missing: 8usize.saturating_sub(patch.len()) })?;
    *patch = rest;
    Ok(u64::from_le_bytes(*word))
}

fn bytes<'a>(patch: &mut &'a [u8], count: usize) -> Result<&'a [u8], PatchError> {
    let missing = count.saturating_sub(patch.len());
    let (bytes, rest) = patch.split_at_checked(count).ok_or(PatchError::Short { missing })?;
    *patch = rest;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = 0x7000_0000_1000;

    fn apply(patch: &[u8], memory: &mut [u8]) -> Result<(), PatchError> {
        for_each(patch, |address, bytes| {
            let at = (address - PAGE) as usize;
            memory[at..at + bytes.len()].copy_from_slice(bytes);
            Ok(())
        })
    }

    #[test]
    fn a_patch_makes_the_new_of_the_old_and_leaves_what_did_not_change() {
        let old: Vec<u8> = (0..PAGE_BYTES).map(|index| (index * 7) as u8).collect();
        for (start, step) in [(0, 1), (0, 2), (5, 1), (63, 64), (64, 64), (4095, 1), (1, 3), (100, 977)] {
            let mut new = old.clone();
            (start..PAGE_BYTES).step_by(step).for_each(|at| new[at] ^= 0x55);
            let mut patch = Vec::new();
            append(&mut patch, PAGE + start as u64, &old[start..], &new[start..]);
            assert!(patch.len() <= PAGE_PATCH_BYTES_MAX);
            // The other side has changed all other bytes meanwhile.
            let mut other: Vec<u8> = old.iter().map(|byte| byte ^ 0xff).collect();
            apply(&patch, &mut other).unwrap();
            for at in 0..PAGE_BYTES {
                let changed = at >= start && (at - start).is_multiple_of(step);
                assert_eq!(other[at], if changed { new[at] } else { old[at] ^ 0xff }, "{start} {step} {at}");
            }
        }
    }

    #[test]
    fn what_is_the_same_is_no_patch() {
        let mut patch = Vec::new();
        append(&mut patch, PAGE + 9, &[1, 2, 3], &[1, 2, 3]);
        assert!(patch.is_empty());
    }

    #[test]
    fn a_patch_that_was_cut_or_says_nothing_is_none() {
        let mut patch = Vec::new();
        append(&mut patch, PAGE, &[0; 200], &[1; 200]);
        let mut memory = [0; PAGE_BYTES];
        for cut in 1..patch.len() {
            assert!(matches!(apply(&patch[..cut], &mut memory), Err(PatchError::Short { .. })), "{cut}");
        }
        let said = |words: &[u64]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
        let mut wrong = |words: &[u64]| apply(&said(words), &mut memory).unwrap_err();
        assert_eq!(wrong(&[PAGE, 0]), PatchError::Nothing { address: PAGE });
        assert_eq!(wrong(&[PAGE, 1, 0]), PatchError::Nothing { address: PAGE });
        assert_eq!(wrong(&[PAGE + 8, 1]), PatchError::NoPage { address: PAGE + 8 });
        assert_eq!(wrong(&[u64::MAX - 4095, 1]), PatchError::NoPage { address: u64::MAX - 4095 });
        assert_eq!(wrong(&[PAGE, 1, u64::MAX]), PatchError::Short { missing: 64 });
    }
}
