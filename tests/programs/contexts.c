// Contexts: many of them, a stack for each thread, one that floats from thread to thread, their limits and settings, primary ones that are
// kept, released and reset, and what becomes of what lives in one that is destroyed.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations" // bank sizes
#include "kernels.h"

#include <pthread.h>

enum { MANY = 12, N = 1000 };

static CUdevice device;

static CUcontext made(unsigned flags) {
    CUcontext context;
    CHECK(cuCtxCreate(&context, NULL, flags, device));
    return context;
}

static CUcontext current(void) {
    CUcontext context;
    CHECK(cuCtxGetCurrent(&context));
    return context;
}

static int computes(uint32_t value) {
    static __thread uint32_t found[N];
    CUmodule module;
    CUdeviceptr memory = words(N);
    CHECK(cuModuleLoadData(&module, KERNELS));
    CHECK(launch(function_of(module, "fill"), NULL, memory, value, N));
    CHECK(cuMemcpyDtoH(found, memory, sizeof found));
    CHECK(cuMemFree(memory));
    CHECK(cuModuleUnload(module));
    return found[0] == value && found[N - 1] == value;
}

static void stacks(void) {
    CUcontext contexts[MANY], popped;
    int right = 1, computed = 1;
    for (int i = 0; i < MANY; i++) contexts[i] = made(0);
    hold("a context is current once it is made", current() == contexts[MANY - 1]);
    for (int i = MANY - 1; i >= 0; i--) {
        right &= current() == contexts[i];
        computed &= computes(100 + i);
        CHECK(cuCtxPopCurrent(&popped));
        right &= popped == contexts[i];
    }
    hold("contexts are popped in the order of a stack", right);
    hold("and compute, each of them", computed);
    hold("under the last there is none", current() == NULL);
    expect("popping what is not there", CUDA_ERROR_INVALID_CONTEXT, cuCtxPopCurrent(&popped));
    expect("memory without a context", CUDA_ERROR_INVALID_CONTEXT, cuMemAlloc(&(CUdeviceptr){0}, 16));
    CHECK(cuCtxPushCurrent(contexts[0]));
    CHECK(cuCtxPushCurrent(contexts[1]));
    CHECK(cuCtxSetCurrent(contexts[2]));
    hold("setting replaces the top", current() == contexts[2]);
    CHECK(cuCtxPopCurrent(&popped));
    hold("and nothing below it", popped == contexts[2] && current() == contexts[0]);
    CHECK(cuCtxPushCurrent(contexts[0]));
    CHECK(cuCtxPopCurrent(NULL));
    hold("one context may stand on a stack twice", current() == contexts[0]);
    CHECK(cuCtxSetCurrent(NULL));
    hold("setting none pops", current() == NULL);
    for (int i = 0; i < MANY; i++) CHECK(cuCtxDestroy(contexts[i]));
    expect("destroying one again", CUDA_ERROR_CONTEXT_IS_DESTROYED, cuCtxDestroy(contexts[0]) ? CUDA_ERROR_CONTEXT_IS_DESTROYED : CUDA_SUCCESS);
}

static CUcontext floating;
static void *other_thread(void *value) {
    if (current() != NULL) return "the thread began with a context";
    CHECK(cuCtxPushCurrent(floating));
    if (!computes((uint32_t)(uintptr_t)value)) return "wrong words";
    CHECK(cuCtxPopCurrent(NULL));
    return NULL;
}

static void floats(void) {
    pthread_t threads[4];
    void *said;
    int right = 1;
    floating = made(0);
    CHECK(cuCtxPopCurrent(NULL));
    for (uintptr_t i = 0; i < 4; i++) pthread_create(&threads[i], NULL, other_thread, (void *)(i + 1));
    for (int i = 0; i < 4; i++) pthread_join(threads[i], &said), right &= said == NULL;
    hold("four threads compute in one context", right);
    CHECK(cuCtxDestroy(floating));
}

static void settings(void) {
    CUcontext first = made(CU_CTX_SCHED_YIELD), second = made(CU_CTX_SCHED_BLOCKING_SYNC);
    CUfunc_cache cache;
    unsigned flags, version;
    size_t before, value;
    CHECK(cuCtxGetFlags(&flags));
    hold("a context knows its flags", (flags & CU_CTX_SCHED_MASK) == CU_CTX_SCHED_BLOCKING_SYNC);
    CHECK(cuCtxGetApiVersion(second, &version));
    hold("and its version", version >= 3010);
    for (int limit = CU_LIMIT_STACK_SIZE; limit <= CU_LIMIT_MALLOC_HEAP_SIZE; limit++) {
        CHECK(cuCtxSetCurrent(first));
        CHECK(cuCtxGetLimit(&before, limit));
        CHECK(cuCtxSetCurrent(second));
        CHECK(cuCtxSetLimit(limit, before * 2));
        CHECK(cuCtxGetLimit(&value, limit));
        int larger = value >= before * 2;
        CHECK(cuCtxSetCurrent(first));
        CHECK(cuCtxGetLimit(&value, limit));
        printf("  limit %d: of one context only: %s\n", limit, larger && value == before ? "yes" : "NO");
        failures += !(larger && value == before);
    }
    expect("a limit that is none", CUDA_ERROR_UNSUPPORTED_LIMIT, cuCtxSetLimit(77, 1) ? CUDA_ERROR_UNSUPPORTED_LIMIT : CUDA_SUCCESS);
    printf("  said of it: %s\n", name_of(cuCtxSetLimit(77, 1)));
    CHECK(cuCtxSetCacheConfig(CU_FUNC_CACHE_PREFER_L1));
    CHECK(cuCtxGetCacheConfig(&cache));
    printf("  cache preference here %d", cache);
    CHECK(cuCtxSetCurrent(second));
    CHECK(cuCtxGetCacheConfig(&cache));
    printf(", in another context %d\n", cache);
    expect("a preference that is none", CUDA_ERROR_INVALID_VALUE, cuCtxSetCacheConfig(9));
    CUsharedconfig shared;
    printf("  bank size set: %s", name_of(cuCtxSetSharedMemConfig(CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE)));
    printf(", got: %s\n", name_of(cuCtxGetSharedMemConfig(&shared)));
    CHECK(cuCtxDestroy(second));
    CHECK(cuCtxDestroy(first));
}

// Streams, events, modules, memory and graphs of a context are gone with it, also while they are at work.
static void with_children(void) {
    CUcontext context = made(0), beside = made(0);
    CUdeviceptr kept = words(N), memory;
    CUstream stream;
    CUevent event;
    CUgraph graph;
    CUgraphExec exec;
    uint32_t found;
    size_t free_before, free_after, total;
    CHECK(cuMemsetD32(kept, 5, N));
    CHECK(cuCtxSetCurrent(context));
    CHECK(cuMemGetInfo(&free_before, &total));
    memory = words(1 << 20);
    CUmodule module;
    CHECK(cuModuleLoadData(&module, KERNELS));
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CHECK(cuEventCreate(&event, 0));
    CHECK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
    CHECK(launch(function_of(module, "triple"), stream, memory, 1, 1 << 20));
    CHECK(cuStreamEndCapture(stream, &graph));
    CHECK(cuGraphInstantiate(&exec, graph, 0));
    CHECK(cuMemsetD32Async(memory, 1, 1 << 20, stream));
    for (int i = 0; i < 5; i++) CHECK(cuGraphLaunch(exec, stream));
    CHECK(cuEventRecord(event, stream));
    CHECK(cuCtxDestroy(context));
    expect("its stream", CUDA_ERROR_INVALID_HANDLE, cuStreamQuery(stream) ? CUDA_ERROR_INVALID_HANDLE : CUDA_SUCCESS);
    CHECK(cuCtxSetCurrent(beside));
    hold("its event is gone", cuEventQuery(event) != CUDA_SUCCESS);
    hold("its memory is nobody's", cuMemcpyDtoH(&found, memory, 4) != CUDA_SUCCESS);
    CHECK(cuMemcpyDtoH(&found, kept + 4 * (N - 1), 4));
    hold("what is another context's is as it was", found == 5 && computes(6));
    CHECK(cuMemGetInfo(&free_after, &total));
    hold("and its memory is free again", free_after >= free_before);
    CHECK(cuGraphDestroy(graph));
    CHECK(cuCtxDestroy(beside));
}

static void primary(CUdevice of) {
    CUcontext first, second;
    CUdeviceptr memory;
    unsigned flags;
    int active;
    CHECK(cuDevicePrimaryCtxSetFlags(of, CU_CTX_SCHED_SPIN));
    CHECK(cuDevicePrimaryCtxGetState(of, &flags, &active));
    printf("  device %d: primary context active=%d flags=%u\n", of, active, flags & CU_CTX_SCHED_MASK);
    CHECK(cuDevicePrimaryCtxRetain(&first, of));
    CHECK(cuDevicePrimaryCtxRetain(&second, of));
    hold("it is one, however often it is retained", first == second);
    CHECK(cuCtxSetCurrent(first));
    hold("it computes", computes(7));
    CHECK(cuDevicePrimaryCtxRelease(of));
    hold("and goes on while somebody retains it", computes(8));
    memory = words(N);
    CHECK(cuMemsetD32(memory, 1, N));
    CHECK(cuDevicePrimaryCtxReset(of));
    CHECK(cuDevicePrimaryCtxGetState(of, &flags, &active));
    printf("  after a reset active=%d flags=%u, memory: %s\n", active, flags & CU_CTX_SCHED_MASK, name_of(cuMemAlloc(&memory, 16)));
    CHECK(cuDevicePrimaryCtxRetain(&second, of));
    CHECK(cuCtxSetCurrent(second));
    hold("retained again it computes again", computes(9));
    hold("what lived in it is gone", cuMemsetD32(memory, 1, N) != CUDA_SUCCESS);
    expect("destroying it", CUDA_ERROR_INVALID_CONTEXT, cuCtxDestroy(second));
    CHECK(cuDevicePrimaryCtxRelease(of));
    CHECK(cuDevicePrimaryCtxGetState(of, &flags, &active));
    printf("  released active=%d, once more: %s\n", active, name_of(cuDevicePrimaryCtxRelease(of)));
    CHECK(cuCtxSetCurrent(NULL));
}

int main(void) {
    int devices;
    CHECK(cuInit(0));
    CHECK(cuDeviceGetCount(&devices));
    CHECK(cuDeviceGet(&device, 0));
    stacks();
    floats();
    settings();
    with_children();
    for (int of = 0; of < devices; of++) primary(of);
    // The same on the last device, beside contexts of the first.
    CUcontext beside = made(0);
    device = devices - 1;
    with_children();
    CHECK(cuCtxDestroy(beside));
    printf("contexts: %d unexpected\n", failures);
    return failures != 0;
}
