// A libcuda.so.1 that executes nothing: what a call, a launch or a copy costs on the road, with no GPU at its end.
//
// Device memory is memory of the process, at the address that was asked for; copies are memcpy, at once; a launch only returns; every
// event has happened. It knows one device, checks nothing, and is for the benchmark's own program. Nobody else should load it.
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_FOUND = 500 };
enum { GRANULE_BYTES = 2 << 20, PAGE_BYTES = 4096 };
#define DEVICE_BYTES ((size_t)16 << 30)

typedef int Code;
typedef uint64_t Handle;

#define ANSWER(name, ...) \
    __attribute__((visibility("default"))) Code name(__VA_ARGS__)

// Handles are counted; nothing lies behind one.
static Handle fresh(void) {
    static Handle last = 0x1000;
    return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

static Code give(Handle *handle) {
    *handle = fresh();
    return SUCCESS;
}

// --- the device

ANSWER(cuInit, unsigned flags) { return flags ? INVALID_VALUE : SUCCESS; }
ANSWER(cuDriverGetVersion, int *version) { return *version = 13020, SUCCESS; }
ANSWER(cuModuleGetLoadingMode, unsigned *mode) { return *mode = 2, SUCCESS; }
ANSWER(cuDeviceGetCount, int *count) { return *count = 1, SUCCESS; }
ANSWER(cuDeviceGet, int *device, int ordinal) { return *device = ordinal, SUCCESS; }
ANSWER(cuDeviceGetName, char *name, int room, int device) {
    snprintf(name, room, "a stand-in that executes nothing");
    return SUCCESS;
}
ANSWER(cuDeviceGetUuid_v2, void *uuid, int device) { return memset(uuid, 0x5a, 16), SUCCESS; }
ANSWER(cuDeviceTotalMem_v2, size_t *bytes, int device) { return *bytes = DEVICE_BYTES, SUCCESS; }
ANSWER(cuDeviceGetPCIBusId, char *text, int room, int device) {
    snprintf(text, room, "0000:00:00.0");
    return SUCCESS;
}
ANSWER(cuDeviceGetAttribute, int *value, unsigned which, int device) {
    // By CUdevice_attribute's numbers: the limits of a launch, the warp, compute capability 8.0, virtual memory.
    switch (which) {
    case 1: case 2: case 3: *value = 1024; break;
    case 4: *value = 64; break;
    case 5: *value = INT32_MAX; break;
    case 6: case 7: *value = 65535; break;
    case 8: *value = 48 << 10; break;
    case 10: *value = 32; break;
    case 75: *value = 8; break;
    case 102: *value = 1; break;
    default: *value = 0;
    }
    return SUCCESS;
}

// --- contexts, streams, events: all there, always ready

ANSWER(cuDevicePrimaryCtxRetain, Handle *context, int device) { return *context = 0x100, SUCCESS; }
ANSWER(cuDevicePrimaryCtxRelease_v2, int device) { return SUCCESS; }
ANSWER(cuDevicePrimaryCtxSetFlags_v2, int device, unsigned flags) { return SUCCESS; }
ANSWER(cuCtxCreate_v2, Handle *context, unsigned flags, int device) { return give(context); }
ANSWER(cuCtxDestroy_v2, Handle context) { return SUCCESS; }
ANSWER(cuCtxSetCurrent, Handle context) { return SUCCESS; }
ANSWER(cuCtxSynchronize, void) { return SUCCESS; }
ANSWER(cuCtxGetStreamPriorityRange, int *least, int *greatest) { return *least = *greatest = 0, SUCCESS; }
ANSWER(cuStreamCreate, Handle *stream, unsigned flags) { return give(stream); }
ANSWER(cuStreamCreateWithPriority, Handle *stream, unsigned flags, int priority) { return give(stream); }
ANSWER(cuStreamDestroy_v2, Handle stream) { return SUCCESS; }
ANSWER(cuStreamWaitValue32_v2, Handle stream, Handle address, uint32_t value, unsigned flags) { return SUCCESS; }
ANSWER(cuEventCreate, Handle *event, unsigned flags) { return give(event); }
ANSWER(cuEventDestroy_v2, Handle event) { return SUCCESS; }
ANSWER(cuEventRecord, Handle event, Handle stream) { return SUCCESS; }
ANSWER(cuEventQuery, Handle event) { return SUCCESS; }
ANSWER(cuEventSynchronize, Handle event) { return SUCCESS; }

// --- memory

ANSWER(cuMemGetInfo_v2, size_t *available, size_t *total) {
    *available = *total = DEVICE_BYTES;
    return SUCCESS;
}

static void *pages(void *at, size_t bytes, int where) {
    void *got = mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | where, -1, 0);
    return got == MAP_FAILED ? NULL : got;
}

ANSWER(cuMemAlloc_v2, Handle *address, size_t bytes) {
    *address = (Handle)(uintptr_t)pages(NULL, bytes, 0);
    return *address ? SUCCESS : OUT_OF_MEMORY;
}
// What was allocated stays until the process ends, which is soon.
ANSWER(cuMemFree_v2, Handle address) { return SUCCESS; }
ANSWER(cuMemHostAlloc, void **address, size_t bytes, unsigned flags) {
    return posix_memalign(address, PAGE_BYTES, bytes) ? OUT_OF_MEMORY : SUCCESS;
}
ANSWER(cuMemGetAllocationGranularity, size_t *bytes, const void *properties, unsigned option) {
    return *bytes = GRANULE_BYTES, SUCCESS;
}
ANSWER(cuMemAddressReserve, Handle *address, size_t bytes, size_t alignment, Handle wanted, uint64_t flags) {
    *address = (Handle)(uintptr_t)pages((void *)(uintptr_t)wanted, bytes, wanted ? MAP_FIXED_NOREPLACE : 0);
    return *address ? SUCCESS : OUT_OF_MEMORY;
}
ANSWER(cuMemAddressFree, Handle address, size_t bytes) { return munmap((void *)(uintptr_t)address, bytes), SUCCESS; }
ANSWER(cuMemCreate, Handle *handle, size_t bytes, const void *properties, uint64_t flags) { return give(handle); }
ANSWER(cuMemRelease, Handle handle) { return SUCCESS; }
ANSWER(cuMemMap, Handle address, size_t bytes, size_t offset, Handle handle, uint64_t flags) { return SUCCESS; }
ANSWER(cuMemUnmap, Handle address, size_t bytes) { return SUCCESS; }
ANSWER(cuMemSetAccess, Handle address, size_t bytes, const void *access, size_t count) { return SUCCESS; }

static Code copy(Handle to, Handle from, size_t bytes) {
    memcpy((void *)(uintptr_t)to, (const void *)(uintptr_t)from, bytes);
    return SUCCESS;
}

ANSWER(cuMemcpyHtoD_v2, Handle to, const void *from, size_t bytes) { return copy(to, (uintptr_t)from, bytes); }
ANSWER(cuMemcpyDtoH_v2, void *to, Handle from, size_t bytes) { return copy((uintptr_t)to, from, bytes); }
ANSWER(cuMemcpyHtoDAsync_v2, Handle to, const void *from, size_t bytes, Handle stream) {
    return copy(to, (uintptr_t)from, bytes);
}
ANSWER(cuMemcpyDtoHAsync_v2, void *to, Handle from, size_t bytes, Handle stream) {
    return copy((uintptr_t)to, from, bytes);
}
ANSWER(cuMemcpyDtoDAsync_v2, Handle to, Handle from, size_t bytes, Handle stream) { return copy(to, from, bytes); }
ANSWER(cuMemsetD32Async, Handle to, unsigned value, size_t count, Handle stream) { return SUCCESS; }

// --- modules: every image holds the kernels of the benchmark's own module, and only their parameters are known

struct kernel {
    const char *name;
    int params;
    struct { size_t offset, bytes; } param[3];
};

static struct kernel kernels[] = {
    {"plain", 3, {{0, 8}, {8, 8}, {16, 4}}},
    {"wide", 1, {{0, 116}}},
    {"lanes", 2, {{0, 8}, {8, 4}}},
};
enum { KERNELS = sizeof kernels / sizeof *kernels };

static Handle handle_of(int index) { return (Handle)(uintptr_t)&kernels[index]; }
static struct kernel *kernel_of(Handle handle) { return (struct kernel *)(uintptr_t)handle; }

ANSWER(cuModuleLoadDataEx, Handle *module, const void *image, unsigned count, unsigned *options, void **values) {
    return give(module);
}
ANSWER(cuModuleLoadData, Handle *module, const void *image) { return give(module); }
ANSWER(cuModuleUnload, Handle module) { return SUCCESS; }
ANSWER(cuModuleGetFunctionCount, unsigned *count, Handle module) { return *count = KERNELS, SUCCESS; }
ANSWER(cuModuleEnumerateFunctions, Handle *functions, unsigned count, Handle module) {
    for (unsigned index = 0; index < count && index < KERNELS; index++) functions[index] = handle_of(index);
    return SUCCESS;
}
ANSWER(cuModuleGetFunction, Handle *function, Handle module, const char *name) {
    for (int index = 0; index < KERNELS; index++) {
        if (strcmp(kernels[index].name, name) == 0) return *function = handle_of(index), SUCCESS;
    }
    return NOT_FOUND;
}
ANSWER(cuFuncGetName, const char **name, Handle function) { return *name = kernel_of(function)->name, SUCCESS; }
ANSWER(cuFuncGetParamInfo, Handle function, size_t index, size_t *offset, size_t *bytes) {
    struct kernel *kernel = kernel_of(function);
    if (index >= (size_t)kernel->params) return INVALID_VALUE;
    *offset = kernel->param[index].offset;
    *bytes = kernel->param[index].bytes;
    return SUCCESS;
}
ANSWER(cuFuncGetAttribute, int *value, unsigned which, Handle function) { return *value = 0, SUCCESS; }
ANSWER(cuLaunchKernelEx, const void *config, Handle function, void **params, void **extra) { return SUCCESS; }
ANSWER(cuLaunchKernel, Handle function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
       unsigned block_y, unsigned block_z, unsigned shared_bytes, Handle stream, void **params, void **extra) {
    return SUCCESS;
}
