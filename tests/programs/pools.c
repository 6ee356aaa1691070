// Memory in stream order: the device's pool, pools of one's own, what they keep, who may use it.
#include "kernels.h"

static CUmodule module;
static CUfunction fill;

static uint64_t number_of(CUmemoryPool pool, CUmemPool_attribute which) {
    uint64_t value = ~0ull;
    CHECK(cuMemPoolGetAttribute(pool, which, &value));
    return value;
}

static CUmemoryPool new_pool(CUdevice device, size_t most) {
    CUmemoryPool pool;
    CUmemPoolProps props = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
                            .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device},
                            .maxSize = most};
    CHECK(cuMemPoolCreate(&pool, &props));
    return pool;
}

static void in_one_stream(CUstream stream) {
    CUdeviceptr memory;
    uint32_t found[1000];
    CHECK(cuMemAllocAsync(&memory, sizeof found, stream));
    CHECK(launch(fill, stream, memory, 17, 1000));
    CHECK(cuMemcpyDtoHAsync(found, memory, sizeof found, stream));
    CHECK(cuMemFreeAsync(memory, stream));
    expect("freed twice", CUDA_ERROR_INVALID_VALUE, cuMemFreeAsync(memory, stream));
    CHECK(cuStreamSynchronize(stream));
    hold("what was computed in it", found[0] == 17 && found[999] == 17);
    expect("no bytes", CUDA_ERROR_INVALID_VALUE, cuMemAllocAsync(&memory, 0, stream));
    expect("more than there is", CUDA_ERROR_OUT_OF_MEMORY, cuMemAllocAsync(&memory, 1ull << 50, stream));
    expect("freed in order, allocated at once", CUDA_ERROR_INVALID_VALUE, cuMemFreeAsync(words(4), stream));
}

static void across_streams(CUstream stream) {
    CUstream other;
    CUevent event;
    CUdeviceptr memory, second;
    uint32_t found[256];
    CHECK(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
    CHECK(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
    CHECK(cuMemAllocAsync(&memory, sizeof found, stream));
    CHECK(cuEventRecord(event, stream));
    CHECK(cuStreamWaitEvent(other, event, 0));
    CHECK(launch(fill, other, memory, 23, 256));
    CHECK(cuMemcpyDtoHAsync(found, memory, sizeof found, other));
    CHECK(cuMemFreeAsync(memory, other));
    CHECK(cuMemAllocAsync(&second, sizeof found, other));
    CHECK(cuMemFree(second));
    CHECK(cuCtxSynchronize());
    hold("allocated in one stream, used and freed in another", found[255] == 23);
    expect("freed already", CUDA_ERROR_INVALID_VALUE, cuMemFree(second));
    CHECK(cuStreamDestroy(other));
}

static void what_is_known(CUdevice device, CUstream stream) {
    CUmemoryPool current, pool;
    CUdeviceptr memory;
    CUmemorytype type = 0;
    size_t size = 0;
    CHECK(cuDeviceGetMemPool(&current, device));
    CHECK(cuMemAllocAsync(&memory, 300, stream));
    CHECK(cuPointerGetAttribute(&pool, CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE, memory + 1));
    CHECK(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, memory + 299));
    CHECK(cuPointerGetAttribute(&size, CU_POINTER_ATTRIBUTE_RANGE_SIZE, memory));
    hold("an address knows its pool, kind and size", pool == current && type == CU_MEMORYTYPE_DEVICE && size == 300);
    expect("the byte after the last", CUDA_ERROR_INVALID_VALUE, cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, memory + 300));
    CHECK(cuMemFreeAsync(memory, stream));
}

static void of_ones_own(CUdevice device, CUstream stream) {
    CUmemoryPool pool = new_pool(device, 0), first, current;
    CUdeviceptr memory[3];
    uint64_t keep = ~0ull;
    int on = 5;
    CHECK(cuDeviceGetDefaultMemPool(&first, device));
    for (int i = 0; i < 3; i++) CHECK(cuMemAllocFromPoolAsync(&memory[i], 1 << 20, pool, stream));
    uint64_t used = number_of(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT), reserved = number_of(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT);
    hold("used is what was allocated, and reserved no less", used == 3 << 20 && reserved >= used);
    for (int i = 0; i < 3; i++) CHECK(cuMemFreeAsync(memory[i], stream));
    CHECK(cuStreamSynchronize(stream));
    hold("a threshold of nothing keeps nothing", number_of(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT) == 0 &&
                                                     number_of(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT) == 0);
    hold("the highest is remembered", number_of(pool, CU_MEMPOOL_ATTR_USED_MEM_HIGH) == used);
    CHECK(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_HIGH, &(uint64_t){0}));
    hold("until it is taken back", number_of(pool, CU_MEMPOOL_ATTR_USED_MEM_HIGH) == 0);
    CHECK(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &keep));
    // A program that allocates and frees in a loop, without ever waiting, needs no more than one round of it.
    for (int i = 0; i < 2000; i++) {
        CHECK(cuMemAllocFromPoolAsync(&memory[0], 1 << 20, pool, stream));
        if (i % 100 == 0) CHECK(cuMemsetD8Async(memory[0], i, 1 << 20, stream));
        CHECK(cuMemFreeAsync(memory[0], stream));
    }
    CHECK(cuStreamSynchronize(stream));
    reserved = number_of(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT);
    hold("a loop reuses what it freed, and the pool keeps it", reserved > 0 && reserved < 64 << 20);
    CHECK(cuMemPoolTrimTo(pool, 0));
    hold("until it is trimmed", number_of(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT) == 0);
    CHECK(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC, &(int){0}));
    CHECK(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC, &on));
    hold("a way of reuse is switched off", on == 0);
    expect("a sum that is set", CUDA_ERROR_INVALID_VALUE, cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &keep));
    expect("an attribute that is none", CUDA_ERROR_INVALID_VALUE, cuMemPoolGetAttribute(pool, 99, &keep));
    CHECK(cuDeviceSetMemPool(device, pool));
    CHECK(cuMemAllocAsync(&memory[0], 64, stream));
    hold("the device allocates from it", number_of(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT) > 0);
    CHECK(cuMemPoolDestroy(pool));
    CHECK(cuDeviceGetMemPool(&current, device));
    hold("the device falls back to its first pool", current == first);
    CHECK(launch(fill, stream, memory[0], 3, 16));
    CHECK(cuMemFreeAsync(memory[0], stream));
    CHECK(cuStreamSynchronize(stream));
    expect("a pool destroyed twice", CUDA_ERROR_INVALID_VALUE, cuMemPoolDestroy(pool));
    expect("the device's first pool destroyed", CUDA_ERROR_INVALID_VALUE, cuMemPoolDestroy(first));
    pool = new_pool(device, 4 << 20);
    expect("more than a pool may have", CUDA_ERROR_OUT_OF_MEMORY, cuMemAllocFromPoolAsync(&memory[0], 8 << 20, pool, stream));
    CHECK(cuMemPoolDestroy(pool));
    CUmemPoolProps props = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED, .handleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR,
                            .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device}};
    expect("a pool for other processes", CUDA_ERROR_NOT_SUPPORTED, cuMemPoolCreate(&pool, &props));
}

static void between_devices(CUstream stream) {
    CUcontext here, there;
    CUdeviceptr memory;
    CUmodule copy;
    CUstream far;
    CUmemAccess_flags flags = 9;
    CUmemoryPool pool = new_pool(0, 0), other;
    CUmemLocation second = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 1};
    CUmemAccessDesc wish = {.location = second, .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    uint32_t found[64];
    CHECK(cuCtxGetCurrent(&here));
    CHECK(cuMemPoolGetAccess(&flags, pool, &second));
    hold("the other device is not let in", flags == CU_MEM_ACCESS_FLAGS_PROT_NONE);
    CHECK(cuMemPoolSetAccess(pool, &wish, 1));
    CHECK(cuMemPoolGetAccess(&flags, pool, &second));
    hold("until it is", flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
    wish.location.id = 0;
    wish.flags = CU_MEM_ACCESS_FLAGS_PROT_NONE;
    expect("its own device shut out", CUDA_ERROR_INVALID_VALUE, cuMemPoolSetAccess(pool, &wish, 1));
    CHECK(cuMemAllocFromPoolAsync(&memory, sizeof found, pool, stream));
    CHECK(cuStreamSynchronize(stream));
    CHECK(cuDevicePrimaryCtxRetain(&there, 1));
    CHECK(cuCtxPushCurrent(there));
    CHECK(cuModuleLoadData(&copy, KERNELS));
    CHECK(cuStreamCreate(&far, 0));
    CHECK(launch(function_of(copy, "fill"), far, memory, 77, 64));
    CHECK(cuStreamSynchronize(far));
    CHECK(cuDeviceGetMemPool(&other, 1));
    hold("each device has a pool of its own", other != pool);
    expect("a pool of another device", CUDA_ERROR_INVALID_VALUE, cuDeviceSetMemPool(1, pool));
    CHECK(cuCtxPopCurrent(&there));
    CHECK(cuMemcpyDtoH(found, memory, sizeof found));
    hold("what the other device wrote", found[63] == 77);
    CHECK(cuMemFreeAsync(memory, stream));
    CHECK(cuMemPoolDestroy(pool));
}

int main(void) {
    CUdevice device = 0;
    CUstream stream;
    int supported = 0, devices = 0;
    module = begin();
    fill = function_of(module, "fill");
    CHECK(cuDeviceGetAttribute(&supported, CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED, device));
    hold("the device says so", supported == 1);
    CHECK(cuStreamCreate(&stream, 0));
    in_one_stream(stream);
    in_one_stream(NULL);
    in_one_stream(CU_STREAM_PER_THREAD);
    across_streams(stream);
    what_is_known(device, stream);
    of_ones_own(device, stream);
    CHECK(cuDeviceGetCount(&devices));
    if (devices > 1) between_devices(stream);
    printf("pools: %d unexpected\n", failures);
    return failures != 0;
}
