//! The structs that cross the C boundary: as large and with every field where the installed header has it.

use crate::toolkit;
use cudarc::driver::sys;
use farwarp_protocol::param::{DevPtr, DevPtrV1, Device, Event, Function, HostPtr, Kind, Launchable, Stream};
use farwarp_protocol::table;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::mem::{offset_of, size_of};
use std::process::Command;

/// What Rust says, and the C expression that must say the same.
struct Figure {
    expression: String,
    here: usize,
}

macro_rules! figures {
    ($($name:ident { $($field:ident),* $(,)? })*) => {
        vec![$(
            Figure { expression: format!("sizeof({})", stringify!($name)), here: size_of::<sys::$name>() },
            $(Figure {
                expression: format!("offsetof({}, {})", stringify!($name), in_c(stringify!($field))),
                here: offset_of!(sys::$name, $field),
            },)*
        )*]
    };
}

#[test]
fn structs_lie_in_memory_as_the_header_has_them() {
    let figures = figures! {
        CUuuid { bytes }
        CUdevprop {
            maxThreadsPerBlock, maxThreadsDim, maxGridSize, sharedMemPerBlock, totalConstantMemory, SIMDWidth, memPitch,
            regsPerBlock, clockRate, textureAlign,
        }
        CUctxCreateParams { execAffinityParams, numExecAffinityParams, cigParams }
        CUexecAffinityParam { type_, param }
        CUlaunchConfig {
            gridDimX, gridDimY, gridDimZ, blockDimX, blockDimY, blockDimZ, sharedMemBytes, hStream, attrs, numAttrs,
        }
        CUlaunchAttribute { id, value }
        CUlaunchAttributeValue {}
        CUmemLocation { type_ }
        CUmemAccessDesc { location, flags }
        CUmemAllocationProp { type_, requestedHandleTypes, location, win32HandleMetaData, allocFlags }
        CUmemPoolProps { allocType, handleTypes, location, win32SecurityAttributes, maxSize, usage }
        CUgraphEdgeData { from_port, to_port, type_, reserved }
        CUipcMemHandle { reserved }
        CUipcEventHandle { reserved }
        CUDA_MEMCPY2D {
            srcXInBytes, srcY, srcMemoryType, srcHost, srcDevice, srcArray, srcPitch, dstXInBytes, dstY, dstMemoryType,
            dstHost, dstDevice, dstArray, dstPitch, WidthInBytes, Height,
        }
        CUDA_MEMCPY3D {
            srcXInBytes, srcY, srcZ, srcLOD, srcMemoryType, srcHost, srcDevice, srcArray, srcPitch, srcHeight,
            dstXInBytes, dstY, dstZ, dstLOD, dstMemoryType, dstHost, dstDevice, dstArray, dstPitch, dstHeight,
            WidthInBytes, Height, Depth,
        }
    };
    assert_all(&figures);
}

/// A field whose name Rust keeps for itself has an underscore after it.
fn in_c(field: &str) -> &str {
    field.trim_end_matches('_')
}

macro_rules! sizes {
    ($($kind:ty = $c:literal),* $(,)?) => {
        vec![$(Figure { expression: format!("sizeof({})", $c), here: size_of::<<$kind as Kind>::C>() }),*]
    };
}

/// Exports and calls of the driver are typed by the kinds' C types, which are plain numbers.
#[test]
fn kinds_are_passed_as_wide_as_their_c_types() {
    let mut figures = sizes! {
        i32 = "int", u32 = "unsigned int", u64 = "unsigned long long", usize = "size_t", f32 = "float", u16 = "unsigned short",
        Device = "CUdevice", DevPtr = "CUdeviceptr", DevPtrV1 = "CUdeviceptr_v1",
        Stream = "CUstream", Event = "CUevent", Function = "CUfunction", Launchable = "CUfunction", HostPtr = "void *",
    };
    let kinds = table::rows().flat_map(|row| row.args).map(|arg| arg.kind.replace(' ', ""));
    let enums: BTreeSet<String> = kinds.filter_map(|kind| enum_in(&kind)).collect();
    assert!(enums.len() > 40, "only {} enums stand in the table", enums.len());
    // The profiler's header is not in the wheels.
    let enums = enums.into_iter().filter(|name| name != "CUoutput_mode");
    figures
        .extend(enums.map(|name| Figure { expression: format!("sizeof({name})"), here: size_of::<u32>() }));
    assert_all(&figures);
}

fn enum_in(kind: &str) -> Option<String> {
    let (_, rest) = kind.split_once("Enum<")?;
    Some(rest.trim_end_matches('>').to_owned())
}

fn assert_all(figures: &[Figure]) {
    let there = asked_of_the_compiler(figures);
    assert_eq!(figures.len(), there.len());
    for (figure, there) in figures.iter().zip(there) {
        assert_eq!(figure.here, there, "{}", figure.expression);
    }
}

fn asked_of_the_compiler(figures: &[Figure]) -> Vec<usize> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let source = folder.path().join("layouts.c");
    let program = folder.path().join("layouts");
    let mut text =
        "#include <cuda.h>\n#include <stddef.h>\n#include <stdio.h>\nint main(void) {\n".to_owned();
    for figure in figures {
        writeln!(text, "    printf(\"%zu\\n\", (size_t)({}));", figure.expression).expect("strings grow");
    }
    text += "    return 0;\n}\n";
    std::fs::write(&source, text).expect("the folder is writable");
    let mut compiler = Command::new("cc");
    // The macro declares the 32-bit types of old functions, too.
    compiler.arg("-D__CUDA_API_VERSION_INTERNAL").arg("-I").arg(toolkit::include());
    let compiled = compiler.arg("-o").arg(&program).arg(&source).output();
    let compiled = compiled.expect("the C compiler must run");
    assert!(compiled.status.success(), "cc: {}", String::from_utf8_lossy(&compiled.stderr));
    let output = Command::new(&program).output().expect("the program runs");
    let lines = String::from_utf8(output.stdout).expect("digits");
    lines.lines().map(|line| line.parse().expect("a number")).collect()
}
