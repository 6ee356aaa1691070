// When host memory is read and written: pinned buffers that earlier work still fills, bytes that arrive before anything that comes after
// them is done, copies that return before they are done, copies between devices.
#include "kernels.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { N = 300000, BYTES = N * 4, ROUNDS = 20 };

static CUfunction fill, triple, wait_for;
static CUstream stream;
static CUcontext context;

static int wrong(const uint32_t *found, uint32_t expected) {
    int count = 0;
    for (int i = 0; i < N; i++) count += found[i] != expected;
    return count;
}

// Down into a pinned buffer and up again from it, in one stream and without waiting: what goes up is what came down.
static void down_and_up(uint32_t *pinned, CUdeviceptr first, CUdeviceptr second) {
    static uint32_t found[N];
    int bad = 0;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < N; i++) pinned[i] = 0xbad;
        CHECK(launch(fill, stream, first, round, N));
        CHECK(cuMemcpyDtoHAsync(pinned, first, BYTES, stream));
        CHECK(cuMemcpyHtoDAsync(second, pinned, BYTES, stream));
        CHECK(launch(triple, stream, second, 1, N));
        CHECK(cuMemcpyDtoHAsync(pinned, second, BYTES, stream));
        CHECK(cuMemcpyHtoDAsync(first, pinned, BYTES, stream));
        CHECK(cuStreamSynchronize(stream));
        bad += wrong(pinned, 3 * round + 1);
        CHECK(cuMemcpyDtoH(found, first, BYTES));
        bad += wrong(found, 3 * round + 1);
    }
    hold("what came down into pinned memory is what goes up from it", bad == 0);
}

static uint32_t next_value;
static void write_buffer(void *buffer) {
    usleep(2000);
    for (int i = 0; i < N; i++) ((uint32_t *)buffer)[i] = next_value;
    next_value++;
}

// A function of the host fills the buffer that the next copy reads.
static void filled_by_host(uint32_t *pinned, CUdeviceptr memory) {
    static uint32_t found[N];
    int bad = 0;
    next_value = 100;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        CHECK(cuLaunchHostFunc(stream, write_buffer, pinned));
        CHECK(cuMemcpyHtoDAsync(memory, pinned, BYTES, stream));
        CHECK(launch(triple, stream, memory, 0, N));
        if (round % 4 == 3) {
            CHECK(cuStreamSynchronize(stream));
            CHECK(cuMemcpyDtoH(found, memory, BYTES));
            bad += wrong(found, 3 * (100 + round));
        }
    }
    CHECK(cuLaunchHostFunc(NULL, write_buffer, pinned));
    CHECK(cuMemcpyHtoD(memory, pinned, BYTES));
    CHECK(cuMemcpyDtoH(found, memory, BYTES));
    bad += wrong(found, 100 + ROUNDS);
    hold("a copy reads what a function of the host has written before it", bad == 0);
}

static atomic_int seen_wrong;
static void read_buffer(void *buffer) {
    seen_wrong += wrong(buffer, 55);
}

// Everything that says that a copy is done says it after the bytes have arrived.
static void arrives_first(uint32_t *pinned, CUdeviceptr memory) {
    CUevent event;
    CUstream other;
    int bad = 0;
    CHECK(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
    CHECK(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
    for (uint32_t round = 0; round < 6 * ROUNDS; round++) {
        memset(pinned, 0xff, BYTES);
        CHECK(launch(fill, stream, memory, round, N));
        CHECK(cuMemcpyDtoHAsync(pinned, memory, BYTES, stream));
        CHECK(cuEventRecord(event, stream));
        switch (round % 6) {
        case 0: CHECK(cuEventSynchronize(event)); break;
        case 1: while (cuEventQuery(event) == CUDA_ERROR_NOT_READY) {} break;
        case 2: while (cuStreamQuery(stream) == CUDA_ERROR_NOT_READY) {} break;
        case 3: CHECK(cuStreamWaitEvent(other, event, 0)); CHECK(cuStreamSynchronize(other)); break;
        case 4: CHECK(cuCtxSynchronize()); break;
        default: CHECK(cuStreamSynchronize(stream)); break;
        }
        bad += wrong(pinned, round);
    }
    CHECK(launch(fill, stream, memory, 55, N));
    CHECK(cuMemcpyDtoHAsync(pinned, memory, BYTES, stream));
    CHECK(cuLaunchHostFunc(stream, read_buffer, pinned));
    CHECK(cuStreamSynchronize(stream));
    hold("bytes are there when anything says so", bad == 0);
    hold("and when a function of the host runs behind them", seen_wrong == 0);
    CHECK(cuEventDestroy(event));
    CHECK(cuStreamDestroy(other));
}

// A copy behind a kernel that waits for the program: asynchronous, or this never ends.
static void returns_early(uint32_t *pinned, CUdeviceptr memory) {
    CUdeviceptr word = words(1);
    CUstream other;
    CUevent event;
    CHECK(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
    CHECK(cuEventCreate(&event, 0));
    CHECK(cuMemsetD32(word, 0, 1));
    CHECK(cuCtxSynchronize());
    memset(pinned, 0, BYTES);
    void *parameters[] = {&word};
    CHECK(cuLaunchKernel(wait_for, 1, 1, 1, 1, 1, 1, 0, stream, parameters, NULL));
    CHECK(launch(fill, stream, memory, 77, N));
    CHECK(cuMemcpyDtoHAsync(pinned, memory, BYTES, stream));
    CHECK(cuEventRecord(event, stream));
    hold("a copy to pinned memory does not wait", cuEventQuery(event) == CUDA_ERROR_NOT_READY && wrong(pinned, 0) == 0);
    // Others go on meanwhile.
    CUdeviceptr second = words(N);
    CHECK(launch(fill, other, second, 5, N));
    CHECK(cuStreamSynchronize(other));
    CHECK(cuMemsetD32Async(word, 1, 1, other));
    CHECK(cuEventSynchronize(event));
    hold("and arrives later", wrong(pinned, 77) == 0);
    CHECK(cuMemFree(word));
    CHECK(cuMemFree(second));
    CHECK(cuStreamDestroy(other));
    CHECK(cuEventDestroy(event));
}

// A synchronous copy from pinned memory is over when it returns, also for streams that do not wait for the default one.
static void over_when_back(uint32_t *pinned, CUdeviceptr memory) {
    static uint32_t found[N];
    int bad = 0;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < N; i++) pinned[i] = round;
        CHECK(cuMemcpyHtoD(memory, pinned, BYTES));
        CHECK(launch(triple, stream, memory, 2, N));
        CHECK(cuStreamSynchronize(stream));
        CHECK(cuMemcpyDtoH(found, memory, BYTES));
        bad += wrong(found, 3 * round + 2);
    }
    hold("a synchronous copy comes before whatever is called after it", bad == 0);
}

static void freed_on_the_way(CUdeviceptr memory) {
    for (int i = 0; i < ROUNDS; i++) {
        void *pinned;
        CHECK(cuMemAllocHost(&pinned, BYTES));
        CHECK(launch(fill, stream, memory, 1, N));
        CHECK(cuMemcpyDtoHAsync(pinned, memory, BYTES, stream));
        CHECK(cuMemcpyHtoDAsync(memory, pinned, BYTES, stream));
        CHECK(cuMemFreeHost(pinned));
    }
    CHECK(cuStreamSynchronize(stream));
    hold("memory that copies still use may be freed", 1);
}

static void kinds(CUdeviceptr memory) {
    void *plain = malloc(BYTES), *kinds[4];
    uint32_t *found = malloc(BYTES);
    CHECK(cuMemHostAlloc(&kinds[0], BYTES, CU_MEMHOSTALLOC_PORTABLE));
    CHECK(cuMemHostAlloc(&kinds[1], BYTES, CU_MEMHOSTALLOC_WRITECOMBINED));
    CHECK(cuMemHostAlloc(&kinds[2], BYTES, 0));
    CHECK(cuMemHostRegister(plain, BYTES, CU_MEMHOSTREGISTER_PORTABLE));
    kinds[3] = plain;
    int bad = 0;
    for (uint32_t i = 0; i < 4; i++)
        for (uint32_t j = 0; j < 4; j++) {
            for (int k = 0; k < N; k++) ((uint32_t *)kinds[i])[k] = 10 * i + j;
            CHECK(cuMemcpyAsync(memory, (CUdeviceptr)kinds[i], BYTES, stream));
            CHECK(cuMemcpyAsync((CUdeviceptr)kinds[j], memory, BYTES, stream));
            CHECK(cuMemcpyAsync((CUdeviceptr)found, (CUdeviceptr)kinds[j], BYTES, stream));
            CHECK(cuStreamSynchronize(stream));
            bad += wrong(found, 10 * i + j);
        }
    hold("pinned, portable, write-combined and registered memory", bad == 0);
    for (int i = 0; i < 3; i++) CHECK(cuMemFreeHost(kinds[i]));
    CHECK(cuMemHostUnregister(plain));
    free(plain), free(found);
}

// Through pinned memory and straight, plainly and as peers; there and back again.
static void two_devices(uint32_t *pinned) {
    CUcontext second;
    CUdeviceptr here = words(N), there;
    static uint32_t found[N];
    CHECK(cuCtxGetCurrent(&context));
    CHECK(cuDevicePrimaryCtxRetain(&second, 1));
    CHECK(cuCtxSetCurrent(second));
    CUstream other;
    CUevent came;
    CHECK(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
    there = words(N);
    CHECK(cuCtxSetCurrent(context));
    CHECK(cuEventCreate(&came, CU_EVENT_DISABLE_TIMING));
    int bad = 0;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        CHECK(launch(fill, stream, here, round, N));
        CHECK(cuMemcpyDtoHAsync(pinned, here, BYTES, stream));
        CHECK(cuEventRecord(came, stream));
        CHECK(cuCtxSetCurrent(second));
        CHECK(cuStreamWaitEvent(other, came, 0));
        CHECK(cuMemcpyHtoDAsync(there, pinned, BYTES, other));
        CHECK(cuMemcpyDtoHAsync(found, there, BYTES, other));
        CHECK(cuStreamSynchronize(other));
        CHECK(cuCtxSetCurrent(context));
        bad += wrong(found, round);
    }
    hold("between devices through pinned memory", bad == 0);
    CHECK(launch(fill, stream, here, 42, N));
    CHECK(cuMemcpyPeerAsync(there, second, here, context, BYTES, stream));
    CHECK(cuMemsetD32Async(here, 0, N, stream));
    CHECK(cuMemcpyPeerAsync(here, context, there, second, BYTES, stream));
    CHECK(cuStreamSynchronize(stream));
    CHECK(cuMemcpyDtoH(found, here, BYTES));
    hold("between devices as peers", wrong(found, 42) == 0);
    CHECK(cuMemsetD32(here, 43, N));
    CHECK(cuMemcpy(there, here, BYTES));
    CHECK(cuCtxSynchronize());
    CHECK(cuMemcpy((CUdeviceptr)found, there, BYTES));
    hold("between devices by address alone", wrong(found, 43) == 0);
    CHECK(cuMemFree(here));
    CHECK(cuMemFree(there));
    CHECK(cuDevicePrimaryCtxRelease(1));
}

static void batches(uint32_t *pinned, CUdeviceptr first, CUdeviceptr second) {
    static uint32_t found[N];
    for (int i = 0; i < N; i++) pinned[i] = (uint32_t)i;
    CUdeviceptr to[] = {first, first + 400, first + 4096}, from[] = {(CUdeviceptr)pinned, (CUdeviceptr)(pinned + 100), (CUdeviceptr)(pinned + 1024)};
    size_t sizes[] = {400, 3696, BYTES - 4096}, begin = 0;
    CUmemcpyAttributes attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_STREAM;
    CHECK(cuMemcpyBatchAsync(to, from, sizes, 3, &attributes, &begin, 1, stream));
    CUdeviceptr down[] = {(CUdeviceptr)found};
    size_t whole[] = {BYTES};
    CHECK(cuMemcpyBatchAsync(&second, &first, whole, 1, &attributes, &begin, 1, stream));
    CHECK(cuMemcpyBatchAsync(down, &second, whole, 1, &attributes, &begin, 1, stream));
    CHECK(cuStreamSynchronize(stream));
    hold("copies in batches", !memcmp(found, pinned, BYTES));
    expect("a batch in the default stream", CUDA_ERROR_INVALID_VALUE, cuMemcpyBatchAsync(to, from, sizes, 3, &attributes, &begin, 1, NULL));
}

int main(void) {
    CUmodule module = begin();
    int devices;
    fill = function_of(module, "fill"), triple = function_of(module, "triple"), wait_for = function_of(module, "wait");
    uint32_t *pinned;
    CUdeviceptr first = words(N), second = words(N);
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CHECK(cuMemAllocHost((void **)&pinned, BYTES));
    down_and_up(pinned, first, second);
    filled_by_host(pinned, first);
    arrives_first(pinned, first);
    returns_early(pinned, first);
    over_when_back(pinned, first);
    freed_on_the_way(first);
    kinds(first);
    batches(pinned, first, second);
    CHECK(cuDeviceGetCount(&devices));
    if (devices > 1) two_devices(pinned);
    CHECK(cuMemFreeHost(pinned));
    printf("host_memory: %d unexpected\n", failures);
    return failures != 0;
}
