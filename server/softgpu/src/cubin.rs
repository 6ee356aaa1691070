//! What a cubin says of itself: the kernels in it, their parameters and resources, and its variables. Not their instructions,
//! which only hardware runs. Reads bytes that a program handed over, so nothing in it is believed.

/// The first word of an ELF file.
pub const MAGIC: u32 = u32::from_le_bytes(*b"\x7FELF");
/// Bytes of the header of a 64-bit ELF file.
pub const HEADER_BYTES: usize = 64;

const MACHINE_CUDA: u16 = 190;
const SECTION_BYTES: usize = 64;
const SYMBOL_BYTES: usize = 24;
const SECTION_SYMBOLS: u32 = 2;
const SECTION_WITHOUT_BYTES: u32 = 8;
/// In `st_other`: a kernel, and no function of the device.
const SYMBOL_KERNEL: u8 = 0x10;
const SYMBOL_OBJECT: u8 = 1;

/// Records of `.nv.info.<kernel>`.
const FORMAT_SIZED: u8 = 4;
const MAX_THREADS: u8 = 0x05;
const REQUIRED_THREADS: u8 = 0x10;
const PARAMETER: u8 = 0x17;
const PARAMETER_LARGE: u8 = 0x45;

/// No compiler makes a larger image.
const IMAGE_LIMIT: u64 = 1 << 30;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cubin {
    pub kernels: Vec<Kernel>,
    pub variables: Vec<Variable>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kernel {
    pub name: String,
    /// Offset and size, in order.
    pub params: Vec<(u32, u32)>,
    pub shared_bytes: u32,
    pub registers: u32,
    pub max_threads: Option<u32>,
    pub required_threads: Option<[u32; 3]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    pub name: String,
    pub bytes: u64,
    pub constant: bool,
    /// Empty where all is zero.
    pub first: Vec<u8>,
}

/// How many bytes an image has, as its header says: it ends with its last table.
pub fn image_bytes(header: &[u8; HEADER_BYTES]) -> Option<usize> {
    let table = |offset: usize, size: usize, count: usize| {
        let entries = u64::from(half(header, size)?) * u64::from(half(header, count)?);
        long(header, offset)?.checked_add(entries)
    };
    let end = table(0x28, 0x3A, 0x3C)?.max(table(0x20, 0x36, 0x38)?);
    (end <= IMAGE_LIMIT).then_some(end as usize)
}

/// Reads an image; `None` if it is no whole cubin.
pub fn read(image: &[u8]) -> Option<Cubin> {
    if word(image, 0)? != MAGIC || half(image, 0x12)? != MACHINE_CUDA {
        return None;
    }
    let sections = sections(image)?;
    let mut cubin = Cubin::default();
    for table in sections.iter().filter(|section| section.kind == SECTION_SYMBOLS) {
        let strings = sections.get(table.link as usize)?.bytes;
        for symbol in table.bytes.chunks_exact(SYMBOL_BYTES) {
            let name = text(strings, word(symbol, 0)? as usize)?;
            let section = sections.get(usize::from(half(symbol, 6)?));
            if symbol[5] & SYMBOL_KERNEL != 0 {
                cubin.kernels.push(kernel(&sections, name));
            } else if symbol[4] & 0xF == SYMBOL_OBJECT
                && let Some(section) = section
            {
                cubin.variables.extend(variable(section, name, long(symbol, 8)?, long(symbol, 16)?));
            }
        }
    }
    Some(cubin)
}

struct Section<'a> {
    name: String,
    kind: u32,
    link: u32,
    info: u32,
    size: u64,
    /// Empty where the file has none.
    bytes: &'a [u8],
}

fn sections(image: &[u8]) -> Option<Vec<Section<'_>>> {
    let (start, count) = (usize::try_from(long(image, 0x28)?).ok()?, usize::from(half(image, 0x3C)?));
    let headers = image.get(start..start.checked_add(count * SECTION_BYTES)?)?;
    let mut sections = Vec::new();
    for header in headers.chunks_exact(SECTION_BYTES) {
        let (kind, offset, size) = (word(header, 4)?, long(header, 24)?, long(header, 32)?);
        let bytes = if kind == SECTION_WITHOUT_BYTES {
            &[][..]
        } else {
            let end = offset.checked_add(size)?;
            image.get(usize::try_from(offset).ok()?..usize::try_from(end).ok()?)?
        };
        let (link, info) = (word(header, 40)?, word(header, 44)?);
        sections.push(Section { name: String::new(), kind, link, info, size, bytes });
    }
    let names = sections.get(usize::from(half(image, 0x3E)?))?.bytes;
    for (section, header) in sections.iter_mut().zip(headers.chunks_exact(SECTION_BYTES)) {
        section.name = text(names, word(header, 0)? as usize)?;
    }
    Some(sections)
}

fn kernel(sections: &[Section<'_>], name: String) -> Kernel {
    let find =
        |prefix: &str| sections.iter().find(|section| section.name.strip_prefix(prefix) == Some(&name));
    let mut kernel = Kernel {
        shared_bytes: find(".nv.shared.").map_or(0, |section| section.size as u32),
        registers: find(".text.").map_or(0, |section| section.info >> 24),
        ..Kernel::default()
    };
    if let Some(section) = find(".nv.info.") {
        read_info(section.bytes, &mut kernel);
    }
    kernel.params.sort_unstable();
    kernel.name = name;
    kernel
}

/// Until its end, or until the first record that is cut.
fn read_info(bytes: &[u8], kernel: &mut Kernel) -> Option<()> {
    let mut at = 0;
    while let (Some(format), Some(attribute)) = (bytes.get(at), bytes.get(at + 1)) {
        let inline = half(bytes, at + 2)?;
        at += 4;
        if *format != FORMAT_SIZED {
            continue;
        }
        let payload = bytes.get(at..at + usize::from(inline))?;
        at += payload.len();
        match *attribute {
            PARAMETER => kernel.params.push((half(payload, 6)?.into(), word(payload, 8)? >> 18)),
            PARAMETER_LARGE => kernel.params.push((half(payload, 6)?.into(), word(payload, 8)?)),
            MAX_THREADS => kernel.max_threads = Some(product(payload)?),
            REQUIRED_THREADS => {
                kernel.required_threads = Some([word(payload, 0)?, word(payload, 4)?, word(payload, 8)?]);
            }
            _ => {}
        }
    }
    Some(())
}

fn product(sides: &[u8]) -> Option<u32> {
    word(sides, 0)?.checked_mul(word(sides, 4)?)?.checked_mul(word(sides, 8)?)
}

fn variable(section: &Section<'_>, name: String, value: u64, bytes: u64) -> Option<Variable> {
    let constant = section.name.starts_with(".nv.constant3");
    if !constant && !section.name.starts_with(".nv.global") {
        return None;
    }
    let start = usize::try_from(value).ok()?;
    let first = section.bytes.get(start..start.checked_add(usize::try_from(bytes).ok()?)?);
    Some(Variable { name, bytes, constant, first: first.unwrap_or_default().to_vec() })
}

fn text(strings: &[u8], at: usize) -> Option<String> {
    let rest = strings.get(at..)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    Some(String::from_utf8_lossy(&rest[..end]).into_owned())
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_in_both_forms_and_in_order() {
        let mut bytes = vec![FORMAT_SIZED, PARAMETER, 12, 0];
        bytes.extend([0u8; 4]);
        bytes.extend([1, 0, 8, 0]);
        bytes.extend((8u32 << 18).to_le_bytes());
        // A record without a payload, which is stepped over.
        bytes.extend([1, 0x2A, 0, 0]);
        bytes.extend([FORMAT_SIZED, PARAMETER_LARGE, 12, 0]);
        bytes.extend([0u8; 4]);
        bytes.extend([0, 0, 0, 0]);
        bytes.extend(20_000u32.to_le_bytes());
        bytes.extend([FORMAT_SIZED, MAX_THREADS, 12, 0]);
        for side in [64u32, 2, 1] {
            bytes.extend(side.to_le_bytes());
        }
        let mut kernel = Kernel::default();
        assert_eq!(read_info(&bytes, &mut kernel), Some(()));
        assert_eq!(kernel.params, [(8, 8), (0, 20_000)]);
        assert_eq!(kernel.max_threads, Some(128));
    }

    #[test]
    fn what_is_no_cubin_is_refused_without_reading_beyond_it() {
        assert_eq!(read(b""), None);
        assert_eq!(read(b"\x7FELF"), None);
        let mut image = vec![0u8; 256];
        image[..4].copy_from_slice(b"\x7FELF");
        image[0x12..0x14].copy_from_slice(&MACHINE_CUDA.to_le_bytes());
        image[0x28..0x30].copy_from_slice(&u64::MAX.to_le_bytes());
        image[0x3C] = 3;
        assert_eq!(read(&image), None);
    }
}
