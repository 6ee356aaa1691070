//! The header's structs, field by field, with every enum as the integer that it is in C: a program may write a number there that
//! no header of ours knows.

use cudarc::driver::sys;

/// `CUDA_KERNEL_NODE_PARAMS_v1`, with which the later ones begin.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct KernelV1 {
    pub function: u64,
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub shared_bytes: u32,
    pub params: u64,
    pub extra: u64,
}

/// `CUDA_KERNEL_NODE_PARAMS_v2`, and `_v3` without green contexts.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Kernel {
    pub base: KernelV1,
    pub kernel: u64,
    pub context: u64,
}

/// One side of `CUDA_MEMCPY3D`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct CopySide {
    pub x_bytes: u64,
    pub y: u64,
    pub z: u64,
    pub lod: u64,
    pub memory_type: u32,
    pub host: u64,
    pub device: u64,
    pub array: u64,
    pub reserved: u64,
    pub pitch: u64,
    pub height: u64,
}

#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Copy {
    pub from: CopySide,
    pub to: CopySide,
    pub shape: [u64; 3],
}

/// One side of `CUDA_MEMCPY2D`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct CopySide2D {
    pub x_bytes: u64,
    pub y: u64,
    pub memory_type: u32,
    pub host: u64,
    pub device: u64,
    pub array: u64,
    pub pitch: u64,
}

#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Copy2D {
    pub from: CopySide2D,
    pub to: CopySide2D,
    pub shape: [u64; 2],
}

/// `CUDA_MEMCPY_NODE_PARAMS`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct CopyNode {
    pub flags: i32,
    pub reserved: i32,
    pub context: u64,
    pub copy: Copy,
}

/// `CUDA_MEMSET_NODE_PARAMS_v1`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct FillV1 {
    pub address: u64,
    pub pitch: u64,
    pub value: u32,
    pub element_bytes: u32,
    pub width: u64,
    pub height: u64,
}

#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Fill {
    pub base: FillV1,
    pub context: u64,
}

/// `CUDA_HOST_NODE_PARAMS_v1`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct HostCall {
    pub function: u64,
    pub data: u64,
}

/// `CUDA_BATCH_MEM_OP_NODE_PARAMS`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct MemoryOperations {
    pub context: u64,
    pub count: u32,
    pub operations: u64,
    pub flags: u32,
}

/// `CUstreamBatchMemOpParams`: a union that begins with its tag. These are the fields of a wait and of a write.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct MemoryOperation {
    pub operation: u32,
    pub flags_if_bare: u32,
    pub address: u64,
    pub value: u64,
    pub flags: u32,
    pub pad: u32,
    pub alias: u64,
    pub room: u64,
}

/// `CUDA_CONDITIONAL_NODE_PARAMS`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Conditional {
    pub handle: u64,
    pub kind: u32,
    pub size: u32,
    pub graphs: u64,
    pub context: u64,
}

/// `CUDA_MEM_ALLOC_NODE_PARAMS_v1`, which begins with `CUmemPoolProps`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Allocation {
    pub kind: u32,
    pub handle_types: u32,
    pub location_kind: u32,
    pub location: i32,
    pub win32: u64,
    pub max_bytes: u64,
    pub usage: u16,
    pub reserved: [u8; 54],
    pub access: u64,
    pub access_count: u64,
    pub bytes: u64,
    pub address: u64,
}

/// `CUmemAccessDesc`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Access {
    pub location_kind: u32,
    pub location: i32,
    pub flags: u32,
}

/// `CUgraphNodeParams`: a tag and a union.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct NodeParams {
    pub node_type: u32,
    pub reserved: [u32; 3],
    pub body: [u64; 29],
    pub reserved2: u64,
}

impl NodeParams {
    /// The member of the union that a type of node has; each is made of whole words.
    pub fn of(node_type: u32, words: &[u64]) -> NodeParams {
        let mut params = NodeParams { node_type, reserved: [0; 3], body: [0; 29], reserved2: 0 };
        params.body[..words.len()].copy_from_slice(words);
        params
    }
}

impl Conditional {
    pub fn as_params(&self, node_type: u32) -> NodeParams {
        let kind_and_size = u64::from(self.size) << 32 | u64::from(self.kind);
        NodeParams::of(node_type, &[self.handle, kind_and_size, self.graphs, self.context])
    }

    pub fn from_params(params: &NodeParams) -> Conditional {
        let [handle, kind_and_size, graphs, context, ..] = params.body;
        Conditional {
            handle,
            kind: kind_and_size as u32,
            size: (kind_and_size >> 32) as u32,
            graphs,
            context,
        }
    }
}

/// `CUlaunchConfig`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct LaunchConfig {
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub shared_bytes: u32,
    pub stream: u64,
    pub attributes: u64,
    pub attribute_count: u32,
}

/// `CUlaunchAttribute`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct LaunchAttribute {
    pub id: u32,
    pub padding: u32,
    pub value: [u8; 64],
}

/// `CUDA_GRAPH_INSTANTIATE_PARAMS`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct InstantiateParams {
    pub flags: u64,
    pub upload_stream: u64,
    pub error_node: u64,
    pub result: u32,
}

/// `CUgraphExecUpdateResultInfo`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct UpdateResult {
    pub result: u32,
    pub error_node: u64,
    pub error_from: u64,
}

macro_rules! same_size {
    ($($ours:ty = $theirs:ty;)*) => { $(const _: () = assert!(size_of::<$ours>() == size_of::<$theirs>());)* };
}

same_size! {
    KernelV1 = sys::CUDA_KERNEL_NODE_PARAMS_v1;
    Kernel = sys::CUDA_KERNEL_NODE_PARAMS_v2;
    Copy = sys::CUDA_MEMCPY3D;
    Copy2D = sys::CUDA_MEMCPY2D;
    CopyNode = sys::CUDA_MEMCPY_NODE_PARAMS;
    FillV1 = sys::CUDA_MEMSET_NODE_PARAMS_v1;
    Fill = sys::CUDA_MEMSET_NODE_PARAMS_v2;
    HostCall = sys::CUDA_HOST_NODE_PARAMS_v1;
    MemoryOperations = sys::CUDA_BATCH_MEM_OP_NODE_PARAMS;
    MemoryOperation = sys::CUstreamBatchMemOpParams;
    Allocation = sys::CUDA_MEM_ALLOC_NODE_PARAMS_v1;
    Access = sys::CUmemAccessDesc;
    Conditional = sys::CUDA_CONDITIONAL_NODE_PARAMS;
    NodeParams = sys::CUgraphNodeParams;
    LaunchConfig = sys::CUlaunchConfig;
    LaunchAttribute = sys::CUlaunchAttribute;
    InstantiateParams = sys::CUDA_GRAPH_INSTANTIATE_PARAMS;
    UpdateResult = sys::CUgraphExecUpdateResultInfo;
}
