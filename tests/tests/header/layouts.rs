//! The structs that cross the C boundary: as large and with every field where the installed header has it.

use crate::toolkit;
use cudarc::driver::sys;
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
    let there = asked_of_the_compiler(&figures);
    assert_eq!(figures.len(), there.len());
    for (figure, there) in figures.iter().zip(there) {
        assert_eq!(figure.here, there, "{}", figure.expression);
    }
}

/// A field whose name Rust keeps for itself has an underscore after it.
fn in_c(field: &str) -> &str {
    field.trim_end_matches('_')
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
    let compiled =
        Command::new("cc").arg("-I").arg(toolkit::include()).arg("-o").arg(&program).arg(&source).output();
    let compiled = compiled.expect("the C compiler must run");
    assert!(compiled.status.success(), "cc: {}", String::from_utf8_lossy(&compiled.stderr));
    let output = Command::new(&program).output().expect("the program runs");
    let lines = String::from_utf8(output.stdout).expect("digits");
    lines.lines().map(|line| line.parse().expect("a number")).collect()
}
