//! An unmodified client of the driver API: cudarc's safe layer, which loads libcuda by itself and compares what it computes.
//! It knows nothing of farwarp.
#![allow(unsafe_code)] // A launch is unsafe in cudarc: only the kernel knows what its parameters mean.

use cudarc::driver::{CudaContext, DriverError, LaunchConfig, PushKernelArg};
use cudarc::nvrtc::Ptx;

/// sum[i] = a[i] + b[i], for i < n
const VECTOR_ADD: &str = "
.version 7.0
.target sm_75
.address_size 64

.visible .entry vector_add(
    .param .u64 a,
    .param .u64 b,
    .param .u64 sum,
    .param .u32 n
)
{
    .reg .pred  %outside;
    .reg .u32   %block, %size, %thread, %i, %n;
    .reg .u64   %a, %b, %sum, %offset;
    .reg .f32   %x, %y;

    ld.param.u64    %a, [a];
    ld.param.u64    %b, [b];
    ld.param.u64    %sum, [sum];
    ld.param.u32    %n, [n];
    mov.u32         %block, %ctaid.x;
    mov.u32         %size, %ntid.x;
    mov.u32         %thread, %tid.x;
    mad.lo.u32      %i, %block, %size, %thread;
    setp.ge.u32     %outside, %i, %n;
    @%outside bra   DONE;
    mul.wide.u32    %offset, %i, 4;
    add.u64         %a, %a, %offset;
    add.u64         %b, %b, %offset;
    add.u64         %sum, %sum, %offset;
    ld.global.f32   %x, [%a];
    ld.global.f32   %y, [%b];
    add.f32         %x, %x, %y;
    st.global.f32   [%sum], %x;
DONE:
    ret;
}
";

const ELEMENTS: usize = 70_001;

fn main() -> Result<(), DriverError> {
    let context = CudaContext::new(0)?;
    let kernel = context.load_module(Ptx::from_src(VECTOR_ADD))?.load_function("vector_add")?;
    let stream = context.new_stream()?;

    let a: Vec<f32> = (0..ELEMENTS).map(|i| i as f32).collect();
    let b: Vec<f32> = (0..ELEMENTS).map(|i| 0.25 * (i % 7) as f32).collect();
    let device_a = stream.clone_htod(&a)?;
    let device_b = stream.clone_htod(&b)?;
    let mut device_sum = stream.alloc_zeros::<f32>(ELEMENTS)?;
    let n = ELEMENTS as u32;
    let began = stream.record_event(Some(cudarc::driver::sys::CUevent_flags::CU_EVENT_DEFAULT))?;
    let mut launch = stream.launch_builder(&kernel);
    launch.arg(&device_a).arg(&device_b).arg(&mut device_sum).arg(&n);
    // SAFETY: the parameters are those of the entry above, and each buffer holds n floats.
    unsafe { launch.launch(LaunchConfig::for_num_elems(n)) }?;
    let ended = stream.record_event(Some(cudarc::driver::sys::CUevent_flags::CU_EVENT_DEFAULT))?;
    let sum = stream.clone_dtoh(&device_sum)?;
    stream.synchronize()?;

    let wrong = (0..ELEMENTS).filter(|&i| sum[i] != a[i] + b[i]).count();
    let backwards = began.elapsed_ms(&ended)? < 0.0;
    let absent = context.load_module(Ptx::from_src(VECTOR_ADD))?.load_function("absent").err();
    println!(
        "cudarc_client: {ELEMENTS} elements, wrong={wrong}, time runs backwards={backwards}, absent function: {absent:?}"
    );
    assert!(wrong == 0 && !backwards && absent.is_some());
    Ok(())
}
