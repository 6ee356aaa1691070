// Asks for everything that a server could answer too long, with a wall behind each buffer and marks before it; goes on after errors.
//
//   believes      prints each call's code; returns 2 when one was refused, 3 when a byte was written that was not asked for
#include "kernels.h"

#include <sys/mman.h>
#include <unistd.h>

enum { BYTES = 5000, MARK = 0x5a, BEFORE = 64 };

static size_t page;
static int refused;

struct walled {
    unsigned char *from;
    size_t bytes;
};

// Ends where memory ends that may be written.
static struct walled walled(size_t bytes) {
    size_t room = (bytes + BEFORE + page - 1) / page * page;
    unsigned char *start = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(start + room, page, PROT_NONE);
    memset(start, MARK, room);
    return (struct walled){start + room - bytes, bytes};
}

static void keeps(const char *what, struct walled buffer, CUresult result) {
    int broken = 0;
    for (int i = 1; i <= BEFORE; i++) broken += buffer.from[-i] != MARK;
    // A call that failed outright has brought nothing.
    printf("%s: %s\n", what, name_of(result));
    refused += result != CUDA_SUCCESS;
    if (broken) printf("%s wrote before its buffer\n", what), exit(3);
}

// `value` has so many bytes, and `second` is its second half.
#define ASK(size, call)                                                                                                \
    do {                                                                                                               \
        struct walled out = walled(size);                                                                              \
        void *value = out.from, *second = out.from + (size) / 2;                                                       \
        (void)second;                                                                                                  \
        keeps(#call, out, call);                                                                                       \
    } while (0)

static void questions(CUcontext context, CUstream stream, CUevent event, CUfunction function) {
    ASK(16, cuMemGetInfo(value, second));
    ASK(4, cuFuncGetAttribute(value, CU_FUNC_ATTRIBUTE_NUM_REGS, function));
    ASK(4, cuOccupancyMaxActiveBlocksPerMultiprocessor(value, function, 64, 0));
    ASK(8, cuOccupancyMaxPotentialBlockSize(value, second, function, NULL, 0, 0));
    ASK(8, cuCtxGetLimit(value, CU_LIMIT_STACK_SIZE));
    ASK(4, cuStreamGetPriority(stream, value));
    ASK(4, cuStreamGetFlags(stream, value));
    ASK(4, cuEventElapsedTime(value, event, event));
    ASK(4, cuCtxGetCacheConfig(value));
    ASK(4, cuCtxGetApiVersion(context, value));
    ASK(8, cuCtxGetStreamPriorityRange(value, second));
    ASK(8, cuOccupancyAvailableDynamicSMemPerBlock(value, function, 1, 64));
    printf("cuEventQuery: %s\n", name_of(cuEventQuery(event)));
    printf("cuStreamQuery: %s\n", name_of(cuStreamQuery(stream)));
}

static void pools(CUstream stream, CUdevice device) {
    CUmemoryPool pool;
    CUdeviceptr pooled = 0;
    if (cuDeviceGetDefaultMemPool(&pool, device)) return;
    printf("cuMemAllocAsync: %s\n", name_of(cuMemAllocAsync(&pooled, BYTES, stream)));
    ASK(8, cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, value));
    if (pooled) printf("cuMemFreeAsync: %s\n", name_of(cuMemFreeAsync(pooled, stream)));
}

int main(void) {
    page = sysconf(_SC_PAGESIZE);
    CUdevice device;
    CUcontext context;
    CUmodule module;
    CUstream stream;
    CUevent event;
    CUdeviceptr to, counter;
    size_t bytes;
    CHECK(cuInit(0));
    CHECK(cuDeviceGet(&device, 0));
    ASK(100, cuDeviceGetName(value, 100, device));
    ASK(16, cuDeviceGetUuid(value, device));
    ASK(8, cuDeviceTotalMem(value, device));
    ASK(32, cuDeviceGetPCIBusId(value, 32, device));
    CHECK(cuDevicePrimaryCtxRetain(&context, device));
    CHECK(cuCtxSetCurrent(context));
    CHECK(cuModuleLoadData(&module, KERNELS));
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CHECK(cuEventCreate(&event, CU_EVENT_DEFAULT));
    CHECK(cuMemAlloc(&to, 2 * BYTES));
    CHECK(cuModuleGetGlobal(&counter, &bytes, module, "counter"));
    CHECK(launch(function_of(module, "fill"), stream, to, 7, BYTES / 4));
    CHECK(cuEventRecord(event, stream));
    printf("cuEventSynchronize: %s\n", name_of(cuEventSynchronize(event)));
    questions(context, stream, event, function_of(module, "fill"));
    pools(stream, device);
    struct walled down = walled(BYTES), strided = walled(BYTES), pinned = walled(BYTES), later = walled(BYTES);
    keeps("cuMemcpyDtoH", down, cuMemcpyDtoH(down.from, to, BYTES));
    CUDA_MEMCPY2D box = {.srcMemoryType = CU_MEMORYTYPE_DEVICE, .srcDevice = to, .srcPitch = 100, .dstMemoryType = CU_MEMORYTYPE_HOST,
                         .dstHost = strided.from, .dstPitch = 100, .WidthInBytes = 60, .Height = 50};
    keeps("cuMemcpy2D", strided, cuMemcpy2D(&box));
    for (int row = 0; row < 50; row++)
        for (int at = 60; at < 100; at++)
            if (strided.from[row * 100 + at] != MARK) printf("cuMemcpy2D wrote between its rows\n"), exit(3);
    unsigned char *whole = pinned.from - (size_t)pinned.from % page;
    if (cuMemHostRegister(whole, pinned.from + BYTES - whole, 0) == CUDA_SUCCESS) {
        CUresult landed = cuMemcpyDtoHAsync(pinned.from, to, BYTES, stream);
        CUresult waited = cuStreamSynchronize(stream);
        keeps("cuMemcpyDtoHAsync", pinned, landed ? landed : waited);
    }
    keeps("cuMemcpyDtoHAsync, pageable", later, cuMemcpyDtoHAsync(later.from, to, BYTES, stream));
    printf("cuStreamSynchronize: %s\n", name_of(cuStreamSynchronize(stream)));
    printf("cuCtxSynchronize: %s\n", name_of(cuCtxSynchronize()));
    CUresult end = cuMemFree(to);
    printf("cuMemFree: %s\n", name_of(end));
    return refused || cuCtxSynchronize() ? 2 : 0;
}
