//! The driver library, loaded by absolute path: NVIDIA's or the software GPU's, through the same code.
#![allow(unsafe_code)] // loads a library and calls its functions.

use farwarp_graphs::mirror;
use farwarp_protocol::arrays::{Descriptor3D, ResourceDesc, TextureDesc, ViewDesc};
use farwarp_protocol::call::MemoryOperation;
use farwarp_protocol::error::{CUDA_ERROR_NOT_SUPPORTED, Code};
use libloading::Library;
use std::ffi::{CString, c_char, c_void};
use std::path::Path;

/// A call that the driver refused.
pub type Outcome = Result<(), Code>;

fn outcome(code: Code) -> Outcome {
    if code == 0 { Ok(()) } else { Err(code) }
}

macro_rules! driver {
    ($(fn $name:ident($($arg:ident: $kind:ty),* $(,)?);)*) => {
        /// The functions that the server calls by hand. One that the library lacks answers CUDA_ERROR_NOT_SUPPORTED.
        #[allow(non_snake_case)]
        pub struct Driver {
            library: Library,
            $($name: Option<unsafe extern "C" fn($($kind),*) -> Code>,)*
        }

        impl Driver {
            fn bind(library: Library) -> Driver {
                Driver {
                    // SAFETY: the type is that of the function with this name in cuda.h, which the table's parity test holds.
                    $($name: unsafe { library.get(stringify!($name)) }.ok().map(|symbol| *symbol),)*
                    library,
                }
            }

            $(
                /// # Safety
                /// Each pointer is NULL where the function allows that, or points to what it reads or writes.
                #[allow(non_snake_case, clippy::too_many_arguments)]
                pub unsafe fn $name(&self, $($arg: $kind),*) -> Outcome {
                    match self.$name {
                        // SAFETY: the caller's promise is the function's own.
                        Some(function) => outcome(unsafe { function($($arg),*) }),
                        None => Err(CUDA_ERROR_NOT_SUPPORTED),
                    }
                }
            )*
        }
    };
}

driver! {
    fn cuInit(flags: u32);
    fn cuDriverGetVersion(version: *mut i32);
    fn cuModuleGetLoadingMode(mode: *mut u32);
    fn cuDeviceGetCount(count: *mut i32);
    fn cuDeviceGetName(name: *mut c_char, room: i32, device: i32);
    fn cuDeviceGetUuid_v2(uuid: *mut [u8; 16], device: i32);
    fn cuDeviceGetLuid(luid: *mut [u8; 8], mask: *mut u32, device: i32);
    fn cuDeviceTotalMem_v2(bytes: *mut usize, device: i32);
    fn cuDeviceGetAttribute(value: *mut i32, which: u32, device: i32);
    fn cuDeviceGetPCIBusId(text: *mut c_char, room: i32, device: i32);
    fn cuDeviceGetP2PAttribute(value: *mut i32, which: u32, from: i32, to: i32);
    fn cuDeviceCanAccessPeer(can: *mut i32, from: i32, to: i32);
    fn cuDeviceGetExecAffinitySupport(supported: *mut i32, kind: u32, device: i32);
    fn cuDevicePrimaryCtxRetain(context: *mut u64, device: i32);
    fn cuDevicePrimaryCtxRelease_v2(device: i32);
    fn cuDevicePrimaryCtxSetFlags_v2(device: i32, flags: u32);
    fn cuCtxCreate_v2(context: *mut u64, flags: u32, device: i32);
    fn cuCtxDestroy_v2(context: u64);
    fn cuCtxSetCurrent(context: u64);
    fn cuCtxEnablePeerAccess(peer: u64, flags: u32);
    fn cuCtxDisablePeerAccess(peer: u64);
    fn cuCtxGetStreamPriorityRange(least: *mut i32, greatest: *mut i32);
    fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize);
    fn cuMemAlloc_v2(address: *mut u64, bytes: usize);
    fn cuMemFree_v2(address: u64);
    fn cuMemGetAllocationGranularity(bytes: *mut usize, properties: *const AllocationProperties, option: u32);
    fn cuMemAddressReserve(address: *mut u64, bytes: usize, alignment: usize, hint: u64, flags: u64);
    fn cuMemAddressFree(address: u64, bytes: usize);
    fn cuMemCreate(handle: *mut u64, bytes: usize, properties: *const AllocationProperties, flags: u64);
    fn cuMemRelease(handle: u64);
    fn cuMemMap(address: u64, bytes: usize, offset: usize, handle: u64, flags: u64);
    fn cuMemUnmap(address: u64, bytes: usize);
    fn cuMemExportToShareableHandle(shareable: *mut c_void, handle: u64, kind: u32, flags: u64);
    fn cuMemImportFromShareableHandle(handle: *mut u64, shareable: *mut c_void, kind: u32);
    fn cuMemSetAccess(address: u64, bytes: usize, access: *const Access, count: usize);
    fn cuMemHostAlloc(address: *mut *mut c_void, bytes: usize, flags: u32);
    fn cuMemcpyHtoDAsync_v2(to: u64, from: *const c_void, bytes: usize, stream: u64);
    fn cuMemcpyDtoHAsync_v2(to: *mut c_void, from: u64, bytes: usize, stream: u64);
    fn cuMemcpyDtoDAsync_v2(to: u64, from: u64, bytes: usize, stream: u64);
    fn cuMemcpyPeer(to: u64, to_context: u64, from: u64, from_context: u64, bytes: usize);
    fn cuMemcpy3DPeer(copy: *const Memcpy3D);
    fn cuMemcpyPeerAsync(to: u64, to_context: u64, from: u64, from_context: u64, bytes: usize, stream: u64);
    fn cuMemcpy3DAsync_v2(copy: *const Memcpy3D, stream: u64);
    fn cuMemcpy3DPeerAsync(copy: *const Memcpy3D, stream: u64);
    fn cuArray3DCreate_v2(array: *mut u64, descriptor: *const Descriptor3D);
    fn cuArrayDestroy(array: u64);
    fn cuMipmappedArrayCreate(array: *mut u64, descriptor: *const Descriptor3D, levels: u32);
    fn cuMipmappedArrayGetLevel(level: *mut u64, array: u64, number: u32);
    fn cuMipmappedArrayDestroy(array: u64);
    fn cuTexObjectCreate(
        object: *mut u64, resource: *const ResourceDesc, description: *const TextureDesc, view: *const ViewDesc,
    );
    fn cuTexObjectDestroy(object: u64);
    fn cuSurfObjectCreate(object: *mut u64, resource: *const ResourceDesc);
    fn cuSurfObjectDestroy(object: u64);
    fn cuMemsetD2D8Async(to: u64, pitch: usize, value: u8, count: usize, rows: usize, stream: u64);
    fn cuMemsetD2D16Async(to: u64, pitch: usize, value: u16, count: usize, rows: usize, stream: u64);
    fn cuMemsetD2D32Async(to: u64, pitch: usize, value: u32, count: usize, rows: usize, stream: u64);
    fn cuMemsetD8Async(to: u64, value: u8, count: usize, stream: u64);
    fn cuMemsetD16Async(to: u64, value: u16, count: usize, stream: u64);
    fn cuMemsetD32Async(to: u64, value: u32, count: usize, stream: u64);
    fn cuStreamCreate(stream: *mut u64, flags: u32);
    fn cuStreamCreateWithPriority(stream: *mut u64, flags: u32, priority: i32);
    fn cuStreamDestroy_v2(stream: u64);
    fn cuPointerGetAttribute(value: *mut c_void, which: u32, address: u64);
    fn cuLibraryGetManaged(address: *mut u64, bytes: *mut usize, library: u64, name: *const c_char);
    fn cuStreamIsCapturing(stream: u64, status: *mut u32);
    fn cuStreamWaitEvent(stream: u64, event: u64, flags: u32);
    fn cuStreamWaitValue32_v2(stream: u64, address: u64, value: u32, flags: u32);
    fn cuEventCreate(event: *mut u64, flags: u32);
    fn cuEventDestroy_v2(event: u64);
    fn cuEventRecord(event: u64, stream: u64);
    fn cuEventQuery(event: u64);
    fn cuEventSynchronize(event: u64);
    fn cuModuleLoadDataEx(module: *mut u64, image: *const c_void, count: u32, options: *mut u32, values: *mut *mut c_void);
    fn cuModuleUnload(module: u64);
    fn cuModuleGetFunction(function: *mut u64, module: u64, name: *const c_char);
    fn cuModuleGetGlobal_v2(address: *mut u64, bytes: *mut usize, module: u64, name: *const c_char);
    fn cuModuleGetFunctionCount(count: *mut u32, module: u64);
    fn cuModuleEnumerateFunctions(functions: *mut u64, count: u32, module: u64);
    fn cuLibraryLoadData(
        library: *mut u64, code: *const c_void, jit_options: *mut u32, jit_values: *mut *mut c_void, jit_count: u32,
        options: *mut u32, values: *mut *mut c_void, count: u32,
    );
    fn cuLibraryUnload(library: u64);
    fn cuLibraryGetKernel(kernel: *mut u64, library: u64, name: *const c_char);
    fn cuLibraryGetModule(module: *mut u64, library: u64);
    fn cuLibraryGetGlobal(address: *mut u64, bytes: *mut usize, library: u64, name: *const c_char);
    fn cuLibraryGetKernelCount(count: *mut u32, library: u64);
    fn cuLibraryEnumerateKernels(kernels: *mut u64, count: u32, library: u64);
    fn cuKernelGetFunction(function: *mut u64, kernel: u64);
    fn cuKernelGetName(name: *mut *const c_char, kernel: u64);
    fn cuKernelGetParamInfo(kernel: u64, index: usize, offset: *mut usize, bytes: *mut usize);
    fn cuKernelGetAttribute(value: *mut i32, which: u32, kernel: u64, device: i32);
    fn cuFuncGetName(name: *mut *const c_char, function: u64);
    fn cuFuncGetParamInfo(function: u64, index: usize, offset: *mut usize, bytes: *mut usize);
    fn cuFuncGetAttribute(value: *mut i32, which: u32, function: u64);
    fn cuMemPoolCreate(pool: *mut u64, properties: *const PoolProperties);
    fn cuMemPoolDestroy(pool: u64);
    fn cuMemPoolTrimTo(pool: u64, keep_bytes: usize);
    fn cuMemPoolSetAttribute(pool: u64, which: u32, value: *const u64);
    fn cuMemPoolGetAttribute(pool: u64, which: u32, value: *mut u64);
    fn cuMemPoolSetAccess(pool: u64, map: *const Access, count: usize);
    fn cuMemPoolGetAccess(flags: *mut u32, pool: u64, location: *const [u32; 2]);
    fn cuMemAllocFromPoolAsync(address: *mut u64, bytes: usize, pool: u64, stream: u64);
    fn cuMemFreeAsync(address: u64, stream: u64);
    fn cuDeviceGetDefaultMemPool(pool: *mut u64, device: i32);
    fn cuLinkCreate_v2(count: u32, options: *mut u32, values: *mut *mut c_void, link: *mut u64);
    fn cuLinkAddData_v2(
        link: u64, kind: u32, data: *mut c_void, bytes: usize, name: *const c_char, count: u32, options: *mut u32,
        values: *mut *mut c_void,
    );
    fn cuLinkComplete(link: u64, image: *mut *mut c_void, bytes: *mut usize);
    fn cuLinkDestroy(link: u64);
    fn cuOccupancyMaxPotentialBlockSizeWithFlags(
        grid: *mut i32, block: *mut i32, function: u64, shared_bytes_of: Option<extern "C" fn(i32) -> usize>, shared_bytes: usize,
        limit: i32, flags: u32,
    );
    fn cuOccupancyMaxPotentialClusterSize(size: *mut i32, function: u64, config: *const LaunchConfig);
    fn cuOccupancyMaxActiveClusters(count: *mut i32, function: u64, config: *const LaunchConfig);
    fn cuStreamGetAttribute(stream: u64, attribute: u32, value: *mut [u8; 64]);
    fn cuStreamSetAttribute(stream: u64, attribute: u32, value: *const [u8; 64]);
    fn cuStreamCopyAttributes(to: u64, from: u64);
    fn cuStreamBatchMemOp_v2(stream: u64, count: u32, list: *const MemOp, flags: u32);
    fn cuGraphCreate(graph: *mut u64, flags: u32);
    fn cuGraphDestroy(graph: u64);
    fn cuGraphAddKernelNode_v2(node: *mut u64, graph: u64, after: *const u64, count: usize, params: *const mirror::Kernel);
    fn cuGraphKernelNodeSetAttribute(node: u64, attribute: u32, value: *const [u8; 64]);
    fn cuGraphAddMemcpyNode(node: *mut u64, graph: u64, after: *const u64, count: usize, params: *const mirror::Copy, context: u64);
    fn cuGraphAddMemsetNode(node: *mut u64, graph: u64, after: *const u64, count: usize, params: *const mirror::FillV1, context: u64);
    fn cuGraphAddEmptyNode(node: *mut u64, graph: u64, after: *const u64, count: usize);
    fn cuGraphAddEventRecordNode(node: *mut u64, graph: u64, after: *const u64, count: usize, event: u64);
    fn cuGraphAddEventWaitNode(node: *mut u64, graph: u64, after: *const u64, count: usize, event: u64);
    fn cuGraphAddBatchMemOpNode(
        node: *mut u64, graph: u64, after: *const u64, count: usize, params: *const mirror::MemoryOperations,
    );
    fn cuGraphAddNode_v2(
        node: *mut u64, graph: u64, after: *const u64, data: *const [u8; 8], count: usize, params: *mut mirror::NodeParams,
    );
    fn cuGraphAddDependencies_v2(graph: u64, from: *const u64, to: *const u64, data: *const [u8; 8], count: usize);
    fn cuGraphConditionalHandleCreate(handle: *mut u64, graph: u64, context: u64, default: u32, flags: u32);
    fn cuGraphInstantiateWithFlags(exec: *mut u64, graph: u64, flags: u64);
    fn cuGraphExecKernelNodeSetParams_v2(exec: u64, node: u64, params: *const mirror::Kernel);
    fn cuGraphExecMemcpyNodeSetParams(exec: u64, node: u64, params: *const mirror::Copy, context: u64);
    fn cuGraphExecMemsetNodeSetParams(exec: u64, node: u64, params: *const mirror::FillV1, context: u64);
    fn cuGraphExecEventRecordNodeSetEvent(exec: u64, node: u64, event: u64);
    fn cuGraphExecEventWaitNodeSetEvent(exec: u64, node: u64, event: u64);
    fn cuGraphExecBatchMemOpNodeSetParams(exec: u64, node: u64, params: *const mirror::MemoryOperations);
    fn cuGraphNodeSetEnabled(exec: u64, node: u64, enabled: u32);
    fn cuGraphUpload(exec: u64, stream: u64);
    fn cuGraphLaunch(exec: u64, stream: u64);
    fn cuGraphExecDestroy(exec: u64);
    fn cuLaunchKernelEx(config: *const LaunchConfig, function: u64, params: *mut *mut c_void, extra: *mut *mut c_void);
}

/// `CUmemAllocationProp`, its enums as integers.
#[repr(C)]
pub struct AllocationProperties {
    pub kind: u32,
    pub requested_handle_types: u32,
    pub location_kind: u32,
    pub location: i32,
    pub win32_handle: *mut c_void,
    pub flags: [u8; 8],
}

/// `CUmemPoolProps`, its enums as integers.
#[repr(C)]
pub struct PoolProperties {
    pub kind: u32,
    pub handle_types: u32,
    pub location_kind: u32,
    pub location: i32,
    pub win32_security: *mut c_void,
    pub max_bytes: u64,
    pub usage: u16,
    pub reserved: [u8; 54],
}

/// `CUmemAccessDesc`, its enums as integers.
#[repr(C)]
pub struct Access {
    pub location_kind: u32,
    pub location: i32,
    pub flags: u32,
}

/// One side of a [`Memcpy3D`].
#[repr(C)]
pub struct Side3D {
    pub x_bytes: u64,
    pub y: u64,
    pub z: u64,
    pub lod: u64,
    pub memory_type: u32,
    pub host: *mut c_void,
    pub device: u64,
    pub array: u64,
    /// Reserved in `CUDA_MEMCPY3D`.
    pub context: u64,
    pub pitch: u64,
    pub height: u64,
}

/// `CUDA_MEMCPY3D` and `CUDA_MEMCPY3D_PEER`, their enums as integers.
#[repr(C)]
pub struct Memcpy3D {
    pub source: Side3D,
    pub destination: Side3D,
    pub width_bytes: u64,
    pub height: u64,
    pub depth: u64,
}

/// `CUlaunchConfig`, its attributes' enums as integers.
#[repr(C)]
pub struct LaunchConfig {
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub shared_bytes: u32,
    pub stream: u64,
    pub attributes: *const LaunchAttribute,
    pub attribute_count: u32,
}

/// `CUlaunchAttribute`.
#[repr(C)]
pub struct LaunchAttribute {
    pub id: u32,
    pub padding: [u8; 4],
    pub value: [u8; 64],
}

/// `CUstreamBatchMemOpParams` as a wait or a write; the others are its first two numbers alone.
#[repr(C)]
pub struct MemOp {
    operation: u32,
    flags_if_bare: u32,
    address: u64,
    value: u64,
    flags: u32,
    padding: u32,
    /// Where a driver would write an alias of the address; it is told of none.
    alias: u64,
    room: u64,
}

impl MemOp {
    pub fn new(operation: &MemoryOperation, bare: bool) -> MemOp {
        let MemoryOperation { operation, address, value, flags } = *operation;
        let flags_if_bare = if bare { flags } else { 0 };
        MemOp { operation, flags_if_bare, address, value, flags, padding: 0, alias: 0, room: 0 }
    }
}

const _: () = {
    use cudarc::driver::sys;
    assert!(size_of::<AllocationProperties>() == size_of::<sys::CUmemAllocationProp>());
    assert!(size_of::<Access>() == size_of::<sys::CUmemAccessDesc>());
    assert!(size_of::<Memcpy3D>() == size_of::<sys::CUDA_MEMCPY3D>());
    assert!(size_of::<Memcpy3D>() == size_of::<sys::CUDA_MEMCPY3D_PEER>());
    assert!(size_of::<PoolProperties>() == size_of::<sys::CUmemPoolProps>());
    assert!(size_of::<MemOp>() == size_of::<sys::CUstreamBatchMemOpParams>());
    assert!(size_of::<LaunchConfig>() == size_of::<sys::CUlaunchConfig>());
    assert!(size_of::<LaunchAttribute>() == size_of::<sys::CUlaunchAttribute>());
};

/// `CU_MEM_ALLOCATION_TYPE_PINNED` and `CU_MEM_LOCATION_TYPE_DEVICE`.
const ALLOCATION_PINNED: u32 = 1;
pub const LOCATION_DEVICE: u32 = 1;

impl AllocationProperties {
    pub fn on(device: i32) -> AllocationProperties {
        AllocationProperties {
            kind: ALLOCATION_PINNED,
            requested_handle_types: 0,
            location_kind: LOCATION_DEVICE,
            location: device,
            win32_handle: std::ptr::null_mut(),
            flags: [0; 8],
        }
    }
}

impl Driver {
    pub fn load(path: &Path) -> Result<Driver, libloading::Error> {
        // SAFETY: whoever started the server chose this library; that it is a libcuda is all that can be asked of it.
        Ok(Driver::bind(unsafe { Library::new(path) }?))
    }

    /// The address of any function of the library, for the rows that need no code of their own.
    pub fn address(&self, name: &str) -> Option<usize> {
        let name = CString::new(name).ok()?;
        // SAFETY: only the address is taken here; who calls it gives it its type.
        let symbol = unsafe { self.library.get::<unsafe extern "C" fn()>(name.as_bytes_with_nul()) };
        symbol.ok().map(|symbol| *symbol as usize)
    }
}
