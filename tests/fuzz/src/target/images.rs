//! Programs for a GPU, as the software GPU reads them.

use farwarp_softgpu::ptx::{Program, compile};
use farwarp_softgpu::{cubin as elf, fatbin as container};
use std::sync::Arc;

pub const FATBIN_WORDS: &[&[u8]] =
    &[b"\x50\xed\x55\xba", b"\x7fELF", b".version 7.0", b"\x28\xb5\x2f\xfd", &[1, 0, 1, 1], &[2, 0, 1, 1]];
pub const CUBIN_WORDS: &[&[u8]] =
    &[b"\x7fELF\x02\x01\x01", b".nv.info.", b".symtab", b".strtab", &[4, 0x17, 12, 0], &[0xbe, 0]];
pub const PTX_WORDS: &[&[u8]] = &[
    b".version 7.0",
    b".target sm_75",
    b".address_size 64",
    b".visible .entry k(",
    b".param .u64 p",
    b".reg .b32 %r<4>;",
    b".reg .pred %p<4>;",
    b".shared .align 4 .b8 s[64];",
    b".global .u32 g = 7;",
    b".const ",
    b".extern ",
    b".func (.param .b32 r) f(",
    b"ld.param.u64 %rd1, [p];",
    b"st.global.u32 [%rd1], %r1;",
    b"mad.lo.s32 %r1, %r2, %r3, 4;",
    b"setp.lt.s32 %p1, %r1, %r2;",
    b"@%p1 bra L;",
    b"L:",
    b"call (r), f, (x);",
    b"call.uni ",
    b"ret;",
    b"bar.sync 0;",
    b"shfl.sync.down.b32 %r1|%p1, %r2, 1, 31, -1;",
    b"atom.global.add.u32 ",
    b"cvt.rn.f32.s32 ",
    b"mov.u32 %r1, %tid.x;",
    b"{",
    b"}",
    b"(",
    b")",
    b"[",
    b"]",
    b"<",
    b">",
    b",",
    b";",
    b"0x",
    b"0f3F800000",
    b"0d",
    b"-",
    b"!",
    b"|",
    b"%",
    b"4294967296",
    b"18446744073709551615",
    b"99999999999999999999",
    b"/*",
    b"*/",
    b"//",
    b"\"",
    b"generic(",
    b".align 4096",
    b".v4.f32 ",
    b".section ",
    b".pragma \"nounroll\";",
    b".maxntid 1024, 1, 1",
    b".loc 1 2 3",
    b".file 1 \"f\"",
    b".branchtargets ",
    b".callprototype ",
];

/// A text that is printed back for its error must stay short.
const ERROR_BYTES_MAX: usize = 64 << 10;

pub fn fatbin(bytes: &[u8]) {
    if let Some(header) = bytes.first_chunk() {
        let _length = container::container_bytes(header);
    }
    let Ok(entries) = container::entries(bytes) else { return };
    for code in [container::Code::Ptx, container::Code::Elf] {
        for target in [52, 75, 90, 120] {
            let _chosen = container::choose(&entries, code, target);
        }
    }
    // A few: an input may hold thousands, each of which unpacks the same.
    for entry in entries.iter().take(4) {
        if let Ok(program) = entry.unpack() {
            match entry.code {
                container::Code::Ptx => {
                    ptx(&program[..program.len().min(super::super::corpus::INPUT_BYTES_MAX)])
                }
                container::Code::Elf => cubin(&program),
            }
        }
    }
}

pub fn cubin(bytes: &[u8]) {
    if let Some(header) = bytes.first_chunk() {
        let _length = elf::image_bytes(header);
    }
    if let Some(cubin) = elf::read(bytes) {
        let held: usize = cubin.variables.iter().map(|variable| variable.first.len()).sum();
        // Symbols may share bytes, so several may name the same; each is no longer than the file.
        assert!(
            cubin.variables.iter().all(|variable| variable.first.len() <= bytes.len()),
            "{held} bytes out of {}",
            bytes.len()
        );
    }
}

/// Finds what the text holds, and decodes each entry.
pub fn ptx(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let program = match Program::index(&text) {
        Ok(program) => Arc::new(program),
        Err(error) => return assert!(error.to_string().len() < ERROR_BYTES_MAX),
    };
    let names: Vec<String> = program.entries().map(|entry| entry.name.clone()).collect();
    for name in &names {
        assert!(program.entry(name).is_some(), "an entry that was found is there");
        // Variables lie somewhere, but for one that does not.
        let addresses = |name: &str| (!name.ends_with("nowhere")).then_some(0x7f00_0000_0000);
        if let Err(error) = compile(&program, name, &addresses) {
            assert!(error.to_string().len() < ERROR_BYTES_MAX);
        }
    }
    for variable in program.variables() {
        program.function_address(&variable.name);
    }
}
