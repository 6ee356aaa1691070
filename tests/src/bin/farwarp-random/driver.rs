//! The functions of the driver API that random programs call, found by name in whatever libcuda.so.1 the process gets.
#![allow(unsafe_code)] // Calls a libcuda by the signatures of cuda.h

use std::ffi::{c_char, c_void};
use std::fmt;

use cudarc::driver::sys;
use libloading::Library;

pub type Code = i32;
pub type Handle = u64;

pub const NOT_READY: Code = 600;

/// A call that did not succeed, by its name.
pub struct Refused {
    pub function: &'static str,
    pub code: Code,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} returned {}", self.function, self.code)
    }
}

/// A stream as it is passed: the handle, and whether by the function for which none means the thread's own.
#[derive(Clone, Copy)]
pub struct Stream {
    pub handle: Handle,
    pub own: bool,
}

macro_rules! driver {
    ($(fn $name:ident = $symbol:literal $(| $own:literal)? ($($arg:ident: $kind:ty),* $(,)?);)*) => {
        /// Each as it is, and with the thread's own default stream.
        pub struct Driver {
            $($name: [unsafe extern "C" fn($($kind),*) -> Code; 2],)*
        }

        impl Driver {
            pub fn open() -> Result<Driver, libloading::Error> {
                // SAFETY: a libcuda.so.1, whose functions have the signatures of cuda.h. It stays open as long as the process.
                unsafe {
                    let library: &'static Library = Box::leak(Box::new(Library::new("libcuda.so.1")?));
                    Ok(Driver { $($name: {
                        let names = [$symbol, $($own)?];
                        [*library.get(names[0])?, *library.get(names[names.len() - 1])?]
                    },)* })
                }
            }

            $(
                /// # Safety
                /// Each pointer points to what the function reads or writes, for as long as it does so.
                #[allow(clippy::too_many_arguments)]
                pub unsafe fn $name(&self, own: bool, $($arg: $kind),*) -> Result<(), Refused> {
                    // SAFETY: the caller's promise.
                    match unsafe { (self.$name[usize::from(own)])($($arg),*) } {
                        0 => Ok(()),
                        code => Err(Refused { function: stringify!($name), code }),
                    }
                }
            )*
        }
    };
}

driver! {
    fn init = "cuInit"(flags: u32);
    fn retain = "cuDevicePrimaryCtxRetain"(context: *mut Handle, device: i32);
    fn set_current = "cuCtxSetCurrent"(context: Handle);
    fn synchronize_context = "cuCtxSynchronize"();
    fn load = "cuModuleLoadData"(module: *mut Handle, image: *const c_void);
    fn function = "cuModuleGetFunction"(function: *mut Handle, module: Handle, name: *const c_char);

    fn allocate = "cuMemAlloc_v2"(address: *mut u64, bytes: usize);
    fn free = "cuMemFree_v2"(address: u64);
    fn allocate_host = "cuMemHostAlloc"(address: *mut u64, bytes: usize, flags: u32);
    fn free_host = "cuMemFreeHost"(address: u64);
    fn register = "cuMemHostRegister_v2"(address: u64, bytes: usize, flags: u32);
    fn unregister = "cuMemHostUnregister"(address: u64);
    fn allocate_async = "cuMemAllocAsync" | "cuMemAllocAsync_ptsz"(address: *mut u64, bytes: usize, stream: Handle);
    fn free_async = "cuMemFreeAsync" | "cuMemFreeAsync_ptsz"(address: u64, stream: Handle);

    fn stream_create = "cuStreamCreateWithPriority"(stream: *mut Handle, flags: u32, priority: i32);
    fn stream_destroy = "cuStreamDestroy_v2"(stream: Handle);
    fn stream_synchronize = "cuStreamSynchronize" | "cuStreamSynchronize_ptsz"(stream: Handle);
    fn stream_query = "cuStreamQuery" | "cuStreamQuery_ptsz"(stream: Handle);
    fn wait_event = "cuStreamWaitEvent" | "cuStreamWaitEvent_ptsz"(stream: Handle, event: Handle, flags: u32);
    fn host_function = "cuLaunchHostFunc" | "cuLaunchHostFunc_ptsz"(
        stream: Handle, function: unsafe extern "C" fn(*mut c_void), data: *mut c_void,
    );
    fn begin_capture = "cuStreamBeginCapture_v2" | "cuStreamBeginCapture_v2_ptsz"(stream: Handle, mode: u32);
    fn end_capture = "cuStreamEndCapture" | "cuStreamEndCapture_ptsz"(stream: Handle, graph: *mut Handle);

    fn event_create = "cuEventCreate"(event: *mut Handle, flags: u32);
    fn event_destroy = "cuEventDestroy_v2"(event: Handle);
    fn event_record = "cuEventRecord" | "cuEventRecord_ptsz"(event: Handle, stream: Handle);
    fn event_synchronize = "cuEventSynchronize"(event: Handle);
    fn event_query = "cuEventQuery"(event: Handle);

    fn launch = "cuLaunchKernel" | "cuLaunchKernel_ptsz"(
        function: Handle, grid_x: u32, grid_y: u32, grid_z: u32, block_x: u32, block_y: u32, block_z: u32, shared_bytes: u32,
        stream: Handle, params: *mut *mut c_void, extra: *mut *mut c_void,
    );

    fn copy_up = "cuMemcpyHtoD_v2" | "cuMemcpyHtoD_v2_ptds"(to: u64, from: u64, bytes: usize);
    fn copy_down = "cuMemcpyDtoH_v2" | "cuMemcpyDtoH_v2_ptds"(to: u64, from: u64, bytes: usize);
    fn copy_across = "cuMemcpyDtoD_v2" | "cuMemcpyDtoD_v2_ptds"(to: u64, from: u64, bytes: usize);
    fn copy = "cuMemcpy" | "cuMemcpy_ptds"(to: u64, from: u64, bytes: usize);
    fn copy_up_async = "cuMemcpyHtoDAsync_v2" | "cuMemcpyHtoDAsync_v2_ptsz"(to: u64, from: u64, bytes: usize, stream: Handle);
    fn copy_down_async = "cuMemcpyDtoHAsync_v2" | "cuMemcpyDtoHAsync_v2_ptsz"(to: u64, from: u64, bytes: usize, stream: Handle);
    fn copy_across_async = "cuMemcpyDtoDAsync_v2" | "cuMemcpyDtoDAsync_v2_ptsz"(to: u64, from: u64, bytes: usize, stream: Handle);
    fn copy_async = "cuMemcpyAsync" | "cuMemcpyAsync_ptsz"(to: u64, from: u64, bytes: usize, stream: Handle);
    fn copy_2d = "cuMemcpy2D_v2" | "cuMemcpy2D_v2_ptds"(copy: *const sys::CUDA_MEMCPY2D);
    fn copy_2d_unaligned = "cuMemcpy2DUnaligned_v2" | "cuMemcpy2DUnaligned_v2_ptds"(copy: *const sys::CUDA_MEMCPY2D);
    fn copy_2d_async = "cuMemcpy2DAsync_v2" | "cuMemcpy2DAsync_v2_ptsz"(copy: *const sys::CUDA_MEMCPY2D, stream: Handle);
    fn copy_3d = "cuMemcpy3D_v2" | "cuMemcpy3D_v2_ptds"(copy: *const sys::CUDA_MEMCPY3D);
    fn copy_3d_async = "cuMemcpy3DAsync_v2" | "cuMemcpy3DAsync_v2_ptsz"(copy: *const sys::CUDA_MEMCPY3D, stream: Handle);

    fn set_8 = "cuMemsetD8_v2" | "cuMemsetD8_v2_ptds"(to: u64, value: u8, count: usize);
    fn set_16 = "cuMemsetD16_v2" | "cuMemsetD16_v2_ptds"(to: u64, value: u16, count: usize);
    fn set_32 = "cuMemsetD32_v2" | "cuMemsetD32_v2_ptds"(to: u64, value: u32, count: usize);
    fn set_8_async = "cuMemsetD8Async" | "cuMemsetD8Async_ptsz"(to: u64, value: u8, count: usize, stream: Handle);
    fn set_16_async = "cuMemsetD16Async" | "cuMemsetD16Async_ptsz"(to: u64, value: u16, count: usize, stream: Handle);
    fn set_32_async = "cuMemsetD32Async" | "cuMemsetD32Async_ptsz"(to: u64, value: u32, count: usize, stream: Handle);
    fn set_rows_8 = "cuMemsetD2D8_v2" | "cuMemsetD2D8_v2_ptds"(to: u64, pitch: usize, value: u8, width: usize, height: usize);
    fn set_rows_16 = "cuMemsetD2D16_v2" | "cuMemsetD2D16_v2_ptds"(to: u64, pitch: usize, value: u16, width: usize, height: usize);
    fn set_rows_32 = "cuMemsetD2D32_v2" | "cuMemsetD2D32_v2_ptds"(to: u64, pitch: usize, value: u32, width: usize, height: usize);
    fn set_rows_8_async = "cuMemsetD2D8Async" | "cuMemsetD2D8Async_ptsz"(
        to: u64, pitch: usize, value: u8, width: usize, height: usize, stream: Handle,
    );
    fn set_rows_16_async = "cuMemsetD2D16Async" | "cuMemsetD2D16Async_ptsz"(
        to: u64, pitch: usize, value: u16, width: usize, height: usize, stream: Handle,
    );
    fn set_rows_32_async = "cuMemsetD2D32Async" | "cuMemsetD2D32Async_ptsz"(
        to: u64, pitch: usize, value: u32, width: usize, height: usize, stream: Handle,
    );

    fn graph_create = "cuGraphCreate"(graph: *mut Handle, flags: u32);
    fn graph_destroy = "cuGraphDestroy"(graph: Handle);
    fn graph_instantiate = "cuGraphInstantiateWithFlags"(exec: *mut Handle, graph: Handle, flags: u64);
    fn graph_launch = "cuGraphLaunch" | "cuGraphLaunch_ptsz"(exec: Handle, stream: Handle);
    fn exec_destroy = "cuGraphExecDestroy"(exec: Handle);
    fn add_kernel = "cuGraphAddKernelNode_v2"(
        node: *mut Handle, graph: Handle, after: *const Handle, count: usize, params: *const sys::CUDA_KERNEL_NODE_PARAMS,
    );
    fn add_copy = "cuGraphAddMemcpyNode"(
        node: *mut Handle, graph: Handle, after: *const Handle, count: usize, params: *const sys::CUDA_MEMCPY3D, context: Handle,
    );
    fn add_set = "cuGraphAddMemsetNode"(
        node: *mut Handle, graph: Handle, after: *const Handle, count: usize, params: *const sys::CUDA_MEMSET_NODE_PARAMS,
        context: Handle,
    );
    fn add_host = "cuGraphAddHostNode"(
        node: *mut Handle, graph: Handle, after: *const Handle, count: usize, params: *const sys::CUDA_HOST_NODE_PARAMS,
    );
}
