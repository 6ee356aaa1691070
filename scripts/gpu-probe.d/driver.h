/* What the probe knows of the driver's interface: types, the constants it uses, and one pointer for each function.
 *
 * A machine with a driver need not have NVIDIA's headers, or has older ones, so the few types are declared here.
 * With -DPROBE_CHECK_HEADER they come from cuda.h instead, and the compiler holds api.inc to NVIDIA's prototypes. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef PROBE_CHECK_HEADER
#include <cuda.h>
#else
typedef int CUdevice;
typedef unsigned long long CUdeviceptr, CUmemGenericAllocationHandle, CUtexObject, CUsurfObject;
typedef uint32_t cuuint32_t;
typedef uint64_t cuuint64_t;

#define OPAQUE(name) typedef struct name##_opaque *name;
OPAQUE(CUcontext) OPAQUE(CUmodule) OPAQUE(CUfunction) OPAQUE(CUlibrary) OPAQUE(CUkernel) OPAQUE(CUarray)
OPAQUE(CUmipmappedArray) OPAQUE(CUtexref) OPAQUE(CUsurfref) OPAQUE(CUevent) OPAQUE(CUstream) OPAQUE(CUgraph)
OPAQUE(CUgraphNode) OPAQUE(CUgraphExec) OPAQUE(CUmemoryPool) OPAQUE(CUlinkState)

/* Enumerations cross the boundary as 32-bit numbers, and the probe passes numbers that no header names. */
typedef unsigned int CUresult, CUarray_format, CUdevice_P2PAttribute, CUdevice_attribute, CUdriverProcAddressQueryResult,
    CUexecAffinityType, CUfunc_cache, CUfunctionLoadingState, CUfunction_attribute, CUgraphMem_attribute, CUjitInputType,
    CUjit_option, CUlaunchAttributeID, CUlibraryOption, CUlimit, CUmemAccess_flags, CUmemAllocationGranularity_flags,
    CUmemAllocationHandleType, CUmemAllocationType, CUmemLocationType, CUmemPool_attribute, CUmem_advise,
    CUmem_range_attribute, CUmemorytype, CUmoduleLoadingMode, CUpointer_attribute, CUstreamBatchMemOpType,
    CUstreamCaptureMode, CUstreamCaptureStatus;

typedef void (*CUhostFn)(void *data);
typedef void (*CUstreamCallback)(CUstream stream, CUresult status, void *data);
typedef size_t (*CUoccupancyB2DSize)(int block_size);

typedef struct { char bytes[16]; } CUuuid;
typedef struct { char reserved[64]; } CUipcMemHandle, CUipcEventHandle;
typedef struct { unsigned char reserved[64]; } CUmemPoolPtrExportData;
typedef struct { int values[14]; } CUdevprop;
typedef struct { CUmemLocationType type; int id; } CUmemLocation;
typedef struct { CUmemLocation location; CUmemAccess_flags flags; } CUmemAccessDesc;

typedef struct {
    CUmemAllocationType type;
    CUmemAllocationHandleType requestedHandleTypes;
    CUmemLocation location;
    void *win32HandleMetaData;
    struct {
        unsigned char compressionType, gpuDirectRDMACapable;
        unsigned short usage;
        unsigned char reserved[4];
    } allocFlags;
} CUmemAllocationProp;

typedef struct {
    CUmemAllocationType allocType;
    CUmemAllocationHandleType handleTypes;
    CUmemLocation location;
    void *win32SecurityAttributes;
    size_t maxSize;
    unsigned short usage;
    unsigned char gpuDirectRDMACapable, reserved[53];
} CUmemPoolProps;

/* Waiting and writing have the same fields. */
struct stream_value_operation {
    CUstreamBatchMemOpType operation;
    CUdeviceptr address;
    union { cuuint32_t value; cuuint64_t value64; };
    unsigned int flags;
    CUdeviceptr alias;
};
typedef union {
    CUstreamBatchMemOpType operation;
    struct stream_value_operation waitValue, writeValue;
    struct { CUstreamBatchMemOpType operation; unsigned int flags; } flushRemoteWrites, memoryBarrier;
    cuuint64_t pad[6];
} CUstreamBatchMemOpParams;

typedef struct {
    size_t srcXInBytes, srcY;
    CUmemorytype srcMemoryType;
    const void *srcHost;
    CUdeviceptr srcDevice;
    CUarray srcArray;
    size_t srcPitch, dstXInBytes, dstY;
    CUmemorytype dstMemoryType;
    void *dstHost;
    CUdeviceptr dstDevice;
    CUarray dstArray;
    size_t dstPitch, WidthInBytes, Height;
} CUDA_MEMCPY2D;

typedef struct {
    size_t srcXInBytes, srcY, srcZ, srcLOD;
    CUmemorytype srcMemoryType;
    const void *srcHost;
    CUdeviceptr srcDevice;
    CUarray srcArray;
    void *reserved0;
    size_t srcPitch, srcHeight, dstXInBytes, dstY, dstZ, dstLOD;
    CUmemorytype dstMemoryType;
    void *dstHost;
    CUdeviceptr dstDevice;
    CUarray dstArray;
    void *reserved1;
    size_t dstPitch, dstHeight, WidthInBytes, Height, Depth;
} CUDA_MEMCPY3D;

typedef struct { size_t Width, Height; CUarray_format Format; unsigned int NumChannels; } CUDA_ARRAY_DESCRIPTOR;
typedef struct { CUlaunchAttributeID id; char pad[4]; union { char pad[64]; int cooperative; void *pointer; } value; } CUlaunchAttribute;

typedef struct {
    unsigned int gridDimX, gridDimY, gridDimZ, blockDimX, blockDimY, blockDimZ, sharedMemBytes;
    CUstream hStream;
    CUlaunchAttribute *attrs;
    unsigned int numAttrs;
} CUlaunchConfig;

typedef struct {
    CUfunction func;
    unsigned int gridDimX, gridDimY, gridDimZ, blockDimX, blockDimY, blockDimZ, sharedMemBytes;
    void **kernelParams, **extra;
    CUkernel kern;
    CUcontext ctx;
} CUDA_KERNEL_NODE_PARAMS;

typedef struct { CUhostFn fn; void *userData; } CUDA_HOST_NODE_PARAMS;
#endif

/* The calls that the probe makes. */
struct driver {
#define API(name, types) CUresult(*name) types;
#include "api.inc"
#undef API
};
extern struct driver cu;

/* A symbol that the driver does not have; no CUresult is as large. */
#define NO_SYMBOL 0x7fffffffu

/* Calls a driver function, or says NO_SYMBOL. */
#define CALL(name, ...) (cu.name ? (CUresult)cu.name(__VA_ARGS__) : NO_SYMBOL)

/* Opens the driver and finds the functions; ends the process with a message if it cannot be opened. */
void open_driver(const char *path);
void *driver_symbol(const char *name);

/* cuInit, device 0 and its primary context, current in this thread; the first code that is not 0. */
CUresult make_context(CUcontext *context);
