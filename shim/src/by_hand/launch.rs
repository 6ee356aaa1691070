//! Launches. The parameters are gathered here, by the layout that came with the image, and travel as one buffer.
#![allow(unsafe_code)]
// reads the program's parameters, as the driver would.
// What the program vouches for to the driver, it vouches for here: each block without a note passes just that on.
#![allow(clippy::undocumented_unsafe_blocks)]
#![allow(non_snake_case, clippy::missing_safety_doc, clippy::too_many_arguments)]

use super::copy::checked;
use crate::call::in_context_hearing;
use crate::objects::Shape;
use crate::shared;
use crate::state::Shim;
use cudarc::driver::sys::CUlaunchConfig;
use farwarp_protocol::call::{LAUNCH, Launch, Layout};
use farwarp_protocol::codec::encode;
use farwarp_protocol::error::{
    CUDA_ERROR_INVALID_HANDLE, CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_NOT_SUPPORTED, Code,
};
use farwarp_protocol::handle::Id;
use farwarp_protocol::limits::KERNEL_PARAM_BYTES_MAX;
use std::ffi::c_void;

/// `CU_LAUNCH_PARAM_END`, `_BUFFER_POINTER` and `_BUFFER_SIZE`.
const EXTRA_END: usize = 0;
const EXTRA_BUFFER: usize = 1;
const EXTRA_SIZE: usize = 2;

/// Launch attributes that are plain values and may cross: cooperative, cluster dimension, its scheduling policy, programmatic
/// stream serialization, priority, memory sync domain, preferred shared memory carve-out and preferred cluster dimension.
const ATTRIBUTES_CROSSING: &[u32] = &[2, 4, 5, 6, 8, 10, 14, 11];
/// Attributes that only advise, about things which the server's caller cannot reach.
const ATTRIBUTES_IGNORED: &[u32] = &[0, 1];
const ATTRIBUTE_COOPERATIVE: u32 = 2;
/// The last that CUDA 13.5 knows.
const ATTRIBUTE_LAST: u32 = 18;
/// Attributes of one launch: more than there are kinds is no list of attributes.
const ATTRIBUTES_MAX: u32 = 32;

pub unsafe fn cuLaunchKernel(
    function: u64,
    grid_x: u32,
    grid_y: u32,
    grid_z: u32,
    block_x: u32,
    block_y: u32,
    block_z: u32,
    shared_bytes: u32,
    stream: u64,
    params: *const *mut c_void,
    extra: *const *mut c_void,
) -> Result<(), Code> {
    let launch = Launch {
        function: Id(function),
        grid: [grid_x, grid_y, grid_z],
        block: [block_x, block_y, block_z],
        shared_bytes,
        stream,
        attributes: Vec::new(),
    };
    unsafe { self::launch(launch, params, extra) }
}

pub unsafe fn cuLaunchCooperativeKernel(
    function: u64,
    grid_x: u32,
    grid_y: u32,
    grid_z: u32,
    block_x: u32,
    block_y: u32,
    block_z: u32,
    shared_bytes: u32,
    stream: u64,
    params: *const *mut c_void,
) -> Result<(), Code> {
    let mut cooperative = [0; 64];
    cooperative[0] = 1;
    let launch = Launch {
        function: Id(function),
        grid: [grid_x, grid_y, grid_z],
        block: [block_x, block_y, block_z],
        shared_bytes,
        stream,
        attributes: vec![(ATTRIBUTE_COOPERATIVE, cooperative)],
    };
    unsafe { self::launch(launch, params, std::ptr::null()) }
}

pub unsafe fn cuLaunchKernelEx(
    config: *const CUlaunchConfig,
    function: u64,
    params: *const *mut c_void,
    extra: *const *mut c_void,
) -> Result<(), Code> {
    unsafe { self::launch(configured(config, function)?, params, extra) }
}

/// A launch as a configuration describes it.
///
/// # Safety
/// The program vouches for a configuration that is not NULL, and for the attributes that it names.
pub unsafe fn configured(config: *const CUlaunchConfig, function: u64) -> Result<Launch, Code> {
    if config.is_null() {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let field = |field: *const u32| unsafe { field.read_unaligned() };
    // SAFETY: the program vouches for the struct; its attributes hold enums, so nothing but numbers is read from them.
    unsafe {
        Ok(Launch {
            function: Id(function),
            grid: [
                &raw const (*config).gridDimX,
                &raw const (*config).gridDimY,
                &raw const (*config).gridDimZ,
            ]
            .map(field),
            block: [
                &raw const (*config).blockDimX,
                &raw const (*config).blockDimY,
                &raw const (*config).blockDimZ,
            ]
            .map(field),
            shared_bytes: field(&raw const (*config).sharedMemBytes),
            stream: (&raw const (*config).hStream).cast::<u64>().read_unaligned(),
            attributes: attributes(
                (&raw const (*config).attrs).cast::<*const Attribute>().read_unaligned(),
                field(&raw const (*config).numAttrs),
            )?,
        })
    }
}

/// One block, or a grid, of what cuFuncSet… and cuParamSet… have prepared.
pub unsafe fn cuLaunch(function: u64) -> Result<(), Code> {
    unsafe { cuLaunchGridAsync(function, 1, 1, 0) }
}

pub unsafe fn cuLaunchGrid(function: u64, width: i32, height: i32) -> Result<(), Code> {
    unsafe { cuLaunchGridAsync(function, width, height, 0) }
}

pub unsafe fn cuLaunchGridAsync(function: u64, width: i32, height: i32, stream: u64) -> Result<(), Code> {
    let (shim, _) = in_context_hearing()?;
    let function = Id(function);
    let prepared = shim.objects().functions.get(function).ok_or(CUDA_ERROR_INVALID_HANDLE)?.prepared.clone();
    let side = |side: i32| u32::try_from(side).map_err(|_| CUDA_ERROR_INVALID_VALUE);
    let launch = Launch {
        function,
        grid: [side(width)?, side(height)?, 1],
        block: prepared.block,
        shared_bytes: prepared.shared_bytes,
        stream,
        attributes: Vec::new(),
    };
    let mut bytes = prepared.params.len();
    let extra = [
        EXTRA_BUFFER as *mut c_void,
        prepared.params.as_ptr().cast_mut().cast(),
        EXTRA_SIZE as *mut c_void,
        (&raw mut bytes).cast(),
        EXTRA_END as *mut c_void,
    ];
    // SAFETY: buffer and size live until the call returns, which copies them.
    unsafe { self::launch(launch, std::ptr::null(), extra.as_ptr()) }
}

/// `CUlaunchAttribute`, with its enum as the integer that it is.
#[repr(C)]
struct Attribute {
    id: u32,
    padding: [u8; 4],
    value: [u8; 64],
}

const _: () = assert!(size_of::<Attribute>() == size_of::<cudarc::driver::sys::CUlaunchAttribute>());

unsafe fn attributes(list: *const Attribute, count: u32) -> Result<Vec<(u32, [u8; 64])>, Code> {
    if count > ATTRIBUTES_MAX || (count > 0 && list.is_null()) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let mut crossing = Vec::new();
    for index in 0..count as usize {
        let attribute = unsafe { list.add(index).read_unaligned() };
        if ATTRIBUTES_CROSSING.contains(&attribute.id) {
            crossing.push((attribute.id, attribute.value));
        } else if attribute.id > ATTRIBUTE_LAST {
            return Err(CUDA_ERROR_INVALID_VALUE);
        } else if !ATTRIBUTES_IGNORED.contains(&attribute.id) {
            crate::state::note(&format!("launch attribute {} is not built yet", attribute.id));
            return Err(CUDA_ERROR_NOT_SUPPORTED);
        }
    }
    Ok(crossing)
}

unsafe fn launch(
    mut launch: Launch,
    params: *const *mut c_void,
    extra: *const *mut c_void,
) -> Result<(), Code> {
    let (shim, context) = in_context_hearing()?;
    let layout = shim.objects().layout(launch.function.0)?;
    check(shim, context, &launch)?;
    launch.stream = checked(shim, launch.stream)?;
    let buffer = match (params.is_null(), extra.is_null()) {
        (false, true) => unsafe { gather(&layout, params) }?,
        (true, false) => unsafe { packed(&layout, extra) }?,
        (true, true) if layout.params.is_empty() => Vec::new(),
        _ => return Err(CUDA_ERROR_INVALID_VALUE),
    };
    shared::before_launch(shim, &buffer)?;
    let shape = shape(&launch);
    if shape.is_within(&UNASKED)
        || shim.objects().accepted(launch.function.0).is_some_and(|accepted| shape.is_within(accepted))
    {
        return shim.remote.tell(LAUNCH, &[&encode(&launch), &buffer]);
    }
    shim.remote.ask(LAUNCH, &[&encode(&launch), &buffer])?.check()?;
    if let Some(accepted) = shim.objects().accepted(launch.function.0) {
        accepted.threads = accepted.threads.max(shape.threads);
        accepted.shared_bytes = accepted.shared_bytes.max(shape.shared_bytes);
        accepted.blocks_at_once = accepted.blocks_at_once.max(shape.blocks_at_once);
    }
    Ok(())
}

/// Larger launches may be too large for their function, and programs look for that error at once, to launch it smaller. So the
/// first of them waits for the driver's word. Below this the error comes with a later call: threads with more than 128
/// registers each, and static shared memory of which little is left, are rare.
const UNASKED: Shape = Shape { threads: 512, shared_bytes: 48 << 10, blocks_at_once: 0 };

fn shape(launch: &Launch) -> Shape {
    let product = |dims: [u32; 3]| dims.iter().map(|dim| u64::from(*dim)).product();
    let cooperative =
        launch.attributes.iter().any(|(id, value)| *id == ATTRIBUTE_COOPERATIVE && value[0] != 0);
    Shape {
        threads: product(launch.block),
        shared_bytes: launch.shared_bytes,
        blocks_at_once: if cooperative { product(launch.grid) } else { 0 },
    }
}

/// What the driver would refuse about the shape of a launch; what depends on the function's registers only the server knows.
pub fn check(shim: &Shim, context: Id, launch: &Launch) -> Result<(), Code> {
    use cudarc::driver::sys::CUdevice_attribute::*;
    let device = shim.device(shim.contexts().get(context)?.device)?;
    let limit = |which| crate::here::attribute(device, which as u32).unwrap_or(i32::MAX) as u64;
    let grid = [
        CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X,
        CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y,
        CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z,
    ];
    let block = [
        CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X,
        CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y,
        CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z,
    ];
    let fits = |dims: [u32; 3], limits: [_; 3]| {
        dims.into_iter().zip(limits).all(|(dim, which)| dim > 0 && dim as u64 <= limit(which))
    };
    let threads: u64 = launch.block.iter().map(|dim| *dim as u64).product();
    if fits(launch.grid, grid)
        && fits(launch.block, block)
        && threads <= limit(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK)
    {
        Ok(())
    } else {
        Err(CUDA_ERROR_INVALID_VALUE)
    }
}

/// From one pointer a parameter.
unsafe fn gather(layout: &Layout, params: *const *mut c_void) -> Result<Vec<u8>, Code> {
    let mut buffer = vec![0; layout.bytes()];
    for (index, (offset, bytes)) in layout.params.iter().enumerate() {
        // SAFETY: the program vouches for as many pointers as the kernel has parameters, each to one of the kernel's size.
        unsafe {
            let from = params.add(index).read_unaligned();
            if from.is_null() {
                return Err(CUDA_ERROR_INVALID_VALUE);
            }
            let to = &mut buffer[*offset as usize..][..*bytes as usize];
            std::ptr::copy_nonoverlapping(from.cast(), to.as_mut_ptr(), to.len());
        }
    }
    Ok(buffer)
}

/// From a buffer that the program packed itself.
unsafe fn packed(layout: &Layout, extra: *const *mut c_void) -> Result<Vec<u8>, Code> {
    let (mut buffer, mut bytes) = (std::ptr::null::<u8>(), None);
    let mut at = 0;
    loop {
        // SAFETY: the list ends with EXTRA_END, for which the program vouches; nothing is read behind it.
        let value = |index| unsafe { extra.add(index).read_unaligned() };
        match value(at) as usize {
            EXTRA_END => break,
            EXTRA_BUFFER => buffer = value(at + 1).cast(),
            EXTRA_SIZE => bytes = Some(unsafe { value(at + 1).cast::<usize>().read_unaligned() }),
            _ => return Err(CUDA_ERROR_INVALID_VALUE),
        }
        at += 2;
    }
    let bytes = bytes.filter(|bytes| *bytes <= KERNEL_PARAM_BYTES_MAX).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    if bytes < layout.bytes() || (buffer.is_null() && bytes > 0) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    // SAFETY: the program says that so many bytes lie there.
    Ok(if bytes == 0 { Vec::new() } else { unsafe { std::slice::from_raw_parts(buffer, bytes) }.to_vec() })
}
