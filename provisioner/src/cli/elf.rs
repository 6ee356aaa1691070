//! The name that a shared library gives itself, which decides whether glibc takes it for the one that a program asks for.

/// The SONAME of a 64-bit little-endian ELF file, if it has one. Whatever is malformed has none.
pub fn soname(file: &[u8]) -> Option<String> {
    const MAGIC: &[u8] = b"\x7fELF\x02\x01";
    if !file.starts_with(MAGIC) {
        return None;
    }
    let headers = Headers { file, at: u64_at(file, 32)?, size: u16_at(file, 54)?, count: u16_at(file, 56)? };
    let dynamic = headers.find(PT_DYNAMIC)?;
    let entries = file.get(dynamic.offset..dynamic.offset.checked_add(dynamic.bytes)?)?;
    let value_of = |tag| {
        let entry = entries.chunks_exact(16).find(|entry| u64_at(entry, 0) == Some(tag))?;
        u64_at(entry, 8)
    };
    let strings = headers.offset_of(value_of(DT_STRTAB)?)?;
    let start = strings.checked_add(usize::try_from(value_of(DT_SONAME)?).ok()?)?;
    let name = file.get(start..)?.split(|&byte| byte == 0).next()?;
    String::from_utf8(name.to_vec()).ok()
}

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const DT_STRTAB: u64 = 5;
const DT_SONAME: u64 = 14;

struct Headers<'a> {
    file: &'a [u8],
    at: u64,
    size: u16,
    count: u16,
}

struct Segment {
    kind: u32,
    offset: usize,
    address: u64,
    bytes: usize,
}

impl Headers<'_> {
    fn all(&self) -> impl Iterator<Item = Segment> {
        (0..u64::from(self.count)).filter_map(|index| {
            let at = usize::try_from(self.at.checked_add(index * u64::from(self.size))?).ok()?;
            let header = self.file.get(at..)?;
            Some(Segment {
                kind: u32::from_le_bytes(header.get(..4)?.try_into().ok()?),
                offset: usize::try_from(u64_at(header, 8)?).ok()?,
                address: u64_at(header, 16)?,
                bytes: usize::try_from(u64_at(header, 32)?).ok()?,
            })
        })
    }

    fn find(&self, kind: u32) -> Option<Segment> {
        self.all().find(|segment| segment.kind == kind)
    }

    /// Where in the file an address of the loaded library lies.
    fn offset_of(&self, address: u64) -> Option<usize> {
        let within = |segment: &Segment| {
            address.checked_sub(segment.address).is_some_and(|into| into < segment.bytes as u64)
        };
        let segment = self.all().filter(|segment| segment.kind == PT_LOAD).find(within)?;
        segment.offset.checked_add(usize::try_from(address - segment.address).ok()?)
    }
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_real_library_is_read() {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let libc = maps
            .lines()
            .find_map(|line| line.split_whitespace().last().filter(|path| path.ends_with("/libc.so.6")));
        let file = std::fs::read(libc.unwrap()).unwrap();
        assert_eq!(soname(&file).as_deref(), Some("libc.so.6"));
        // Cut off anywhere, it is still read without a panic.
        for length in (0..file.len()).step_by(4093) {
            let _ = soname(&file[..length]);
        }
        let program = std::fs::read("/proc/self/exe").unwrap();
        assert_eq!(soname(&program), None);
        assert_eq!(soname(b"not a library"), None);
    }
}
