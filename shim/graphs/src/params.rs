//! What the header's structs say about nodes, as what nodes do, and back.
#![allow(unsafe_code)]
// follows the program's own pointers, as the driver would.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]

use crate::graph::{Does, Node};
use crate::host::Host;
use crate::mirror;
use farwarp_protocol::error::{CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_NOT_SUPPORTED, Code};
use farwarp_protocol::graph::{
    Copy, Fill, Kernel, MemoryOperation, MemoryOperations, OPERATIONS_MAX, Side, Work,
};
use farwarp_protocol::limits::KERNEL_PARAM_BYTES_MAX;

/// `CU_LAUNCH_PARAM_END`, `_BUFFER_POINTER` and `_BUFFER_SIZE`.
const EXTRA_END: u64 = 0;
const EXTRA_BUFFER: u64 = 1;
const EXTRA_SIZE: u64 = 2;
/// `CU_LAUNCH_ATTRIBUTE_COOPERATIVE`.
pub const COOPERATIVE: u32 = 2;
/// Attributes that are plain values: the shim's launches take the same.
pub const ATTRIBUTES_KNOWN: &[u32] = &[2, 4, 5, 6, 8, 10, 14, 11];
/// Attributes that only advise.
const ATTRIBUTES_IGNORED: &[u32] = &[0, 1, 3, 9];
const ATTRIBUTES_MAX: u32 = 32;
/// Elements of any array that a call takes; a larger count is garbage, and following it would end the program.
pub const LIST_MAX: usize = 1 << 20;

/// Reads a struct of the program's.
pub unsafe fn read<T: std::marker::Copy>(at: *const T) -> Result<T, Code> {
    if at.is_null() { Err(CUDA_ERROR_INVALID_VALUE) } else { Ok(unsafe { at.read_unaligned() }) }
}

/// Reads an array of the program's.
pub unsafe fn list<T: std::marker::Copy>(at: *const T, count: usize) -> Result<Vec<T>, Code> {
    if count > LIST_MAX || (count > 0 && at.is_null()) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    Ok((0..count).map(|index| unsafe { at.add(index).read_unaligned() }).collect())
}

/// Writes an answer; NULL is refused.
pub unsafe fn give<T>(to: *mut T, value: T) -> Result<(), Code> {
    if to.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    unsafe { to.write_unaligned(value) };
    Ok(())
}

pub unsafe fn give_if_wanted<T>(to: *mut T, value: T) {
    if !to.is_null() {
        unsafe { to.write_unaligned(value) };
    }
}

fn at<T>(address: u64) -> *const T {
    std::ptr::with_exposed_provenance(address as usize)
}

pub unsafe fn kernel(host: &dyn Host, params: &mirror::Kernel) -> Result<Kernel, Code> {
    let base = &params.base;
    let function = if base.function == 0 { params.kernel } else { base.function };
    let context = context(host, params.context)?;
    let layout = host.layout(function, context)?;
    let kernel = Kernel {
        function,
        context,
        grid: base.grid,
        block: base.block,
        shared_bytes: base.shared_bytes,
        attributes: Vec::new(),
        params: unsafe { parameters(&layout, base.params, base.extra) }?,
    };
    host.check_launch(&kernel)?;
    Ok(kernel)
}

/// The context that a node names; naming none means the current one.
pub fn context(host: &dyn Host, context: u64) -> Result<u64, Code> {
    if context == 0 {
        return host.context();
    }
    host.check_context(context)?;
    Ok(context)
}

/// The parameters' values, in one buffer.
pub unsafe fn parameters(layout: &[(u32, u32)], params: u64, extra: u64) -> Result<Vec<u8>, Code> {
    let bytes = layout.iter().map(|(offset, size)| *offset as usize + *size as usize).max().unwrap_or(0);
    match (params, extra) {
        (0, 0) if layout.is_empty() => Ok(Vec::new()),
        (0, 0) => Err(CUDA_ERROR_INVALID_VALUE),
        (_, 0) => {
            let mut buffer = vec![0; bytes];
            for (index, (offset, size)) in layout.iter().enumerate() {
                let value = unsafe { read(at::<u64>(params).add(index)) }?;
                if value == 0 {
                    return Err(CUDA_ERROR_INVALID_VALUE);
                }
                let to = &mut buffer[*offset as usize..][..*size as usize];
                // SAFETY: the program vouches for as many values as the kernel has parameters, each of its size.
                unsafe { std::ptr::copy_nonoverlapping(at::<u8>(value), to.as_mut_ptr(), to.len()) };
            }
            Ok(buffer)
        }
        (0, _) => unsafe { packed(extra, bytes) },
        _ => Err(CUDA_ERROR_INVALID_VALUE),
    }
}

/// A buffer that the program packed itself.
unsafe fn packed(extra: u64, least: usize) -> Result<Vec<u8>, Code> {
    let (mut buffer, mut bytes) = (0, None);
    let mut index = 0;
    loop {
        // SAFETY: the list ends with EXTRA_END, for which the program vouches; nothing is read behind it.
        let word = |index| unsafe { at::<u64>(extra).add(index).read_unaligned() };
        match word(index) {
            EXTRA_END => break,
            EXTRA_BUFFER => buffer = word(index + 1),
            EXTRA_SIZE => bytes = Some(unsafe { read(at::<usize>(word(index + 1))) }?),
            _ => return Err(CUDA_ERROR_INVALID_VALUE),
        }
        index += 2;
    }
    let bytes = bytes.filter(|bytes| *bytes <= KERNEL_PARAM_BYTES_MAX).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    if bytes < least || (buffer == 0 && bytes > 0) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    unsafe { list(at::<u8>(buffer), bytes) }
}

/// The attributes of a launch that is captured.
pub unsafe fn attributes(from: u64, count: u32) -> Result<Vec<(u32, [u8; 64])>, Code> {
    if count > ATTRIBUTES_MAX {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let mut known = Vec::new();
    for attribute in unsafe { list(at::<mirror::LaunchAttribute>(from), count as usize) }? {
        if ATTRIBUTES_KNOWN.contains(&attribute.id) {
            known.push((attribute.id, attribute.value));
        } else if !ATTRIBUTES_IGNORED.contains(&attribute.id) {
            return Err(CUDA_ERROR_NOT_SUPPORTED);
        }
    }
    Ok(known)
}

pub fn copy(host: &dyn Host, params: &mirror::Copy, context: u64) -> Result<Copy, Code> {
    let shape = params.shape;
    let to = side(host, &params.to, shape)?;
    let from = side(host, &params.from, shape)?;
    checked_copy(host, Copy { context, to, from, shape })
}

pub fn copy_2d(host: &dyn Host, params: &mirror::Copy2D, context: u64) -> Result<Copy, Code> {
    let widen = |side: &mirror::CopySide2D| mirror::CopySide {
        x_bytes: side.x_bytes,
        y: side.y,
        z: 0,
        lod: 0,
        memory_type: side.memory_type,
        host: side.host,
        device: side.device,
        array: side.array,
        reserved: 0,
        pitch: side.pitch,
        height: 0,
    };
    let [width, height] = params.shape;
    let params = mirror::Copy { from: widen(&params.from), to: widen(&params.to), shape: [width, height, 1] };
    copy(host, &params, context)
}

/// Holds the device's sides against what the device has; the host's are looked at when they are read.
pub fn checked_copy(host: &dyn Host, copy: Copy) -> Result<Copy, Code> {
    if copy.is_empty() {
        return Ok(copy);
    }
    for side in [&copy.to, &copy.from] {
        let bytes = side.span(copy.shape).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        if side.host {
            if side.address == 0 {
                return Err(CUDA_ERROR_INVALID_VALUE);
            }
        } else {
            host.check_device_memory(copy.context, side.address, bytes)?;
        }
    }
    Ok(copy)
}

fn side(host: &dyn Host, side: &mirror::CopySide, shape: [u64; 3]) -> Result<Side, Code> {
    let (base, is_host) = match side.memory_type {
        1 => (side.host, !host.is_device_memory(side.host)),
        2 => (side.device, false),
        3 => return Err(CUDA_ERROR_NOT_SUPPORTED),
        4 => (side.device, !host.is_device_memory(side.device)),
        _ => return Err(CUDA_ERROR_INVALID_VALUE),
    };
    let needed = side.x_bytes.checked_add(shape[0]).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    let several = shape[1].saturating_mul(shape[2]) > 1;
    let pitch = match side.pitch {
        0 => needed,
        pitch if pitch < needed && several => return Err(CUDA_ERROR_INVALID_VALUE),
        pitch => pitch,
    };
    let rows = if side.height == 0 { shape[1] } else { side.height };
    if side.lod != 0 || (shape[2] > 1 && rows < side.y.saturating_add(shape[1])) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let address = || {
        let offset = side.z.checked_mul(rows)?.checked_add(side.y)?.checked_mul(pitch)?;
        base.checked_add(offset)?.checked_add(side.x_bytes)
    };
    Ok(Side { host: is_host, address: address().ok_or(CUDA_ERROR_INVALID_VALUE)?, pitch, rows })
}

/// A copy of bytes in a row, each side being what its address says unless that is given.
pub fn linear(
    host: &dyn Host,
    context: u64,
    (to, to_host): (u64, Option<bool>),
    (from, from_host): (u64, Option<bool>),
    bytes: u64,
) -> Result<Copy, Code> {
    let side = |address, is_host: Option<bool>| Side {
        // No device address is ever a host address.
        host: is_host.unwrap_or(true) && !host.is_device_memory(address),
        address,
        pitch: bytes,
        rows: 1,
    };
    checked_copy(
        host,
        Copy { context, to: side(to, to_host), from: side(from, from_host), shape: [bytes, 1, 1] },
    )
}

pub fn fill(host: &dyn Host, params: &mirror::FillV1, context: u64) -> Result<Fill, Code> {
    let fill = Fill {
        context,
        address: params.address,
        pitch: params.pitch,
        value: params.value,
        element_bytes: params.element_bytes,
        width: params.width,
        height: params.height,
    };
    let row = fill.width.checked_mul(fill.element_bytes.into()).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    let whole = matches!(fill.element_bytes, 1 | 2 | 4)
        && fill.address.is_multiple_of(fill.element_bytes.into())
        && (fill.height <= 1 || (fill.pitch >= row && fill.pitch.is_multiple_of(fill.element_bytes.into())));
    if !whole || fill.width == 0 || fill.height == 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    host.check_device_memory(context, fill.address, fill.span().ok_or(CUDA_ERROR_INVALID_VALUE)?)?;
    Ok(fill)
}

pub fn host_call(params: &mirror::HostCall) -> Result<Work, Code> {
    if params.function == 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    Ok(Work::Host { function: params.function, data: params.data })
}

pub unsafe fn operations(
    host: &dyn Host,
    params: &mirror::MemoryOperations,
) -> Result<MemoryOperations, Code> {
    const WAIT_32: u32 = 1;
    const WRITE_32: u32 = 2;
    const FLUSH: u32 = 3;
    const WAIT_64: u32 = 4;
    const WRITE_64: u32 = 5;
    const BARRIER: u32 = 6;
    let context = context(host, params.context)?;
    if params.count as usize > OPERATIONS_MAX || params.flags != 0 {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let mut operations = Vec::with_capacity(params.count as usize);
    let given = unsafe { list(at::<mirror::MemoryOperation>(params.operations), params.count as usize) }?;
    for operation in given {
        let bytes = match operation.operation {
            WAIT_32 | WRITE_32 => 4,
            WAIT_64 | WRITE_64 => 8,
            FLUSH | BARRIER => 0,
            _ => return Err(CUDA_ERROR_NOT_SUPPORTED),
        };
        if bytes > 0 {
            if !operation.address.is_multiple_of(bytes) {
                return Err(CUDA_ERROR_INVALID_VALUE);
            }
            host.check_device_memory(context, operation.address, bytes)?;
        }
        operations.push(MemoryOperation {
            operation: operation.operation,
            address: operation.address,
            value: operation.value,
            flags: operation.flags,
        });
    }
    Ok(MemoryOperations { context, operations, flags: params.flags })
}

// What a node does, shown.

/// The struct of a kernel node. Its parameters lie in the node.
pub fn show_kernel(host: &dyn Host, node: &mut Node) -> Result<mirror::Kernel, Code> {
    let Does::Plain(Work::Kernel(kernel)) = &node.does else { return Err(CUDA_ERROR_INVALID_VALUE) };
    let layout = host.layout(kernel.function, kernel.context)?;
    node.shown.bytes = kernel.params.clone().into();
    let base = node.shown.bytes.as_ptr().expose_provenance() as u64;
    let inside = layout.iter().filter(|(offset, size)| (*offset + *size) as usize <= kernel.params.len());
    node.shown.words = inside.map(|(offset, _)| base + u64::from(*offset)).collect();
    Ok(mirror::Kernel {
        base: mirror::KernelV1 {
            function: kernel.function,
            grid: kernel.grid,
            block: kernel.block,
            shared_bytes: kernel.shared_bytes,
            params: node.shown.words.as_ptr().expose_provenance() as u64,
            extra: 0,
        },
        kernel: 0,
        context: kernel.context,
    })
}

pub fn show_copy(node: &Node) -> Result<(mirror::Copy, u64), Code> {
    let Does::Plain(Work::Copy(copy)) = &node.does else { return Err(CUDA_ERROR_INVALID_VALUE) };
    let side = |side: &Side| mirror::CopySide {
        x_bytes: 0,
        y: 0,
        z: 0,
        lod: 0,
        memory_type: if side.host { 1 } else { 2 },
        host: if side.host { side.address } else { 0 },
        device: if side.host { 0 } else { side.address },
        array: 0,
        reserved: 0,
        pitch: side.pitch,
        height: side.rows,
    };
    Ok((mirror::Copy { from: side(&copy.from), to: side(&copy.to), shape: copy.shape }, copy.context))
}

pub fn show_fill(node: &Node) -> Result<mirror::Fill, Code> {
    let Does::Plain(Work::Fill(fill)) = &node.does else { return Err(CUDA_ERROR_INVALID_VALUE) };
    Ok(mirror::Fill {
        base: mirror::FillV1 {
            address: fill.address,
            pitch: fill.pitch,
            value: fill.value,
            element_bytes: fill.element_bytes,
            width: fill.width,
            height: fill.height,
        },
        context: fill.context,
    })
}

pub fn show_host_call(node: &Node) -> Result<mirror::HostCall, Code> {
    match &node.does {
        Does::Plain(Work::Host { function, data }) => {
            Ok(mirror::HostCall { function: *function, data: *data })
        }
        _ => Err(CUDA_ERROR_INVALID_VALUE),
    }
}

pub fn show_operations(node: &mut Node) -> Result<mirror::MemoryOperations, Code> {
    let Does::Plain(Work::MemoryOperations(batch)) = &node.does else { return Err(CUDA_ERROR_INVALID_VALUE) };
    let shown = batch.operations.iter().map(|operation| mirror::MemoryOperation {
        operation: operation.operation,
        address: operation.address,
        value: operation.value,
        flags: operation.flags,
        ..Default::default()
    });
    node.shown.operations = shown.collect();
    Ok(mirror::MemoryOperations {
        context: batch.context,
        count: node.shown.operations.len() as u32,
        operations: node.shown.operations.as_ptr().expose_provenance() as u64,
        flags: batch.flags,
    })
}
