// Allocation and free: what the books say, that freed memory is nobody's before its kernels are done, and that running out is reported
// by the call that allocates. With arguments: `model SECONDS`, `rounds COUNT`,
// `hold MIB [arena|pool|physical]`, `free`.
#include "kernels.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

enum { MIB = 1 << 20, THREADS = 8, LIVE = 24 };

static CUfunction fill, wait_for;
static CUcontext context;
static size_t free_bytes(void) {
    size_t free, total;
    CHECK(cuMemGetInfo(&free, &total));
    return free;
}

static void books(void) {
    size_t before = free_bytes(), size;
    CUdeviceptr small[3], large, base;
    for (int i = 0; i < 3; i++) CHECK(cuMemAlloc(&small[i], 1000));
    hold("small allocations lie apart", small[0] + 1000 <= small[1] || small[1] + 1000 <= small[0]);
    hold("and are aligned", small[0] % 512 == 0 && small[1] % 512 == 0 && small[2] % 512 == 0);
    CHECK(cuMemAlloc(&large, 100 * MIB + 5));
    CHECK(cuMemGetAddressRange(&base, &size, large + 17));
    hold("a range is as large as it was asked for", base == large && size == 100 * MIB + 5);
    CHECK(cuMemGetAddressRange(&base, &size, small[1] + 999));
    hold("a small one too", base == small[1] && size == 1000);
    hold("behind it is nothing", cuMemGetAddressRange(&base, &size, small[1] + 1000) == CUDA_ERROR_NOT_FOUND);
    printf("  in use: %zu\n", before - free_bytes());
    CHECK(cuMemFree(small[1]));
    hold("an address cannot be freed twice", cuMemFree(small[1]) == CUDA_ERROR_INVALID_VALUE);
    hold("nor in its middle", cuMemFree(large + 512) == CUDA_ERROR_INVALID_VALUE);
    hold("and copies to it are refused", cuMemsetD8(small[1], 0, 1) == CUDA_ERROR_INVALID_VALUE);
    CHECK(cuMemFree(small[0]));
    CHECK(cuMemFree(small[2]));
    CHECK(cuMemFree(large));
    printf("  in use after all is freed: %zu\n", before - free_bytes());
}

static void exhaustion(void) {
    size_t before = free_bytes(), total;
    CUdeviceptr blocks[4096], more;
    int count = 0;
    CUresult result;
    CHECK(cuMemGetInfo(&total, &total));
    while ((result = cuMemAlloc(&blocks[count], 64 * MIB)) == CUDA_SUCCESS && count < 4095) count++;
    hold("the call that allocates says that there is no memory", result == CUDA_ERROR_OUT_OF_MEMORY && count > 0);
    hold("too much for any device", cuMemAlloc(&more, (size_t)1 << 50) == CUDA_ERROR_OUT_OF_MEMORY);
    hold("and around the world", cuMemAlloc(&more, SIZE_MAX) == CUDA_ERROR_OUT_OF_MEMORY);
    CHECK(cuMemFree(blocks[--count]));
    CHECK(cuMemAlloc(&more, 64 * MIB));
    hold("what was freed can be had again", launch(fill, NULL, more, 3, MIB) == CUDA_SUCCESS);
    CHECK(cuMemFree(more));
    while (count) CHECK(cuMemFree(blocks[--count]));
    hold("nothing is lost", free_bytes() == before);
}

static CUdeviceptr awaited;
static void *let_go(void *unused) {
    CUstream stream;
    CHECK(cuCtxSetCurrent(context));
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    usleep(300000);
    CHECK(cuMemsetD32Async(awaited, 1, 1, stream));
    CHECK(cuStreamDestroy(stream));
    return unused;
}

// The kernel runs on while its memory is freed and others are allocated: none of them may be where it still writes.
static void early_reuse(void) {
    enum { WORDS = 256, OTHERS = 40 };
    CUstream busy;
    CUdeviceptr word = words(1), kept = words(WORDS), others[OTHERS];
    uint32_t found[WORDS];
    CHECK(cuMemsetD32(word, 0, 1));
    CHECK(cuCtxSynchronize());
    CHECK(cuStreamCreate(&busy, CU_STREAM_NON_BLOCKING));
    void *parameters[] = {&word};
    CHECK(cuLaunchKernel(wait_for, 1, 1, 1, 1, 1, 1, 0, busy, parameters, NULL));
    CHECK(launch(fill, busy, kept, 0xdead, WORDS));
    CUstream other;
    pthread_t releaser;
    CHECK(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
    CHECK(cuCtxGetCurrent(&context));
    awaited = word;
    // Directly, the free waits for the kernel, so somebody else lets it go.
    pthread_create(&releaser, NULL, let_go, NULL);
    CHECK(cuMemFree(kept));
    int wrong = 0;
    for (int i = 0; i < OTHERS; i++) {
        others[i] = words(WORDS);
        CHECK(cuMemsetD32Async(others[i], 7, WORDS, other));
    }
    CHECK(cuCtxSynchronize());
    for (int i = 0; i < OTHERS; i++) {
        CHECK(cuMemcpyDtoH(found, others[i], sizeof found));
        for (int j = 0; j < WORDS; j++) wrong += found[j] != 7;
        CHECK(cuMemFree(others[i]));
    }
    pthread_join(releaser, NULL);
    hold("memory that a kernel still uses is nobody else's", wrong == 0);
    CHECK(cuMemFree(word));
    CHECK(cuStreamDestroy(busy));
    CHECK(cuStreamDestroy(other));
}

static void deaths(void) {
    size_t before = free_bytes();
    CUcontext second;
    CUdeviceptr memory, stale;
    CUdevice device;
    CHECK(cuCtxGetDevice(&device));
    CHECK(cuCtxCreate(&second, NULL, 0, device));
    for (int i = 0; i < 10; i++) CHECK(cuMemAlloc(&memory, 3 * MIB));
    CHECK(cuMemAlloc(&stale, 100));
    CHECK(cuMemFree(memory));
    CHECK(cuCtxDestroy(second));
    hold("memory dies with its context", free_bytes() == before);
    hold("and cannot be freed afterwards", cuMemFree(stale) == CUDA_ERROR_INVALID_VALUE);
}

// Comes last: nothing that was made before lives on.
static void reset(void) {
    size_t before = free_bytes(), pitch;
    CUdeviceptr memory[4], pitched;
    CUdevice device;
    CHECK(cuCtxGetDevice(&device));
    for (int i = 0; i < 4; i++) CHECK(cuMemAlloc(&memory[i], 20 * MIB));
    CHECK(cuMemAllocPitch(&pitched, &pitch, 1001, 77, 4));
    hold("a pitch holds a row and suits the device", pitch >= 1001 && pitch % 512 == 0);
    CUDA_MEMCPY2D copy = {.srcMemoryType = CU_MEMORYTYPE_HOST, .dstMemoryType = CU_MEMORYTYPE_DEVICE};
    static char rows[77][1001], back[77][1001];
    for (int y = 0; y < 77; y++) memset(rows[y], y + 1, 1001);
    copy.srcHost = rows, copy.srcPitch = 1001, copy.dstDevice = pitched, copy.dstPitch = pitch;
    copy.WidthInBytes = 1001, copy.Height = 77;
    CHECK(cuMemcpy2D(&copy));
    for (int y = 0; y < 77; y++) CHECK(cuMemcpyDtoH(back[y], pitched + y * pitch, 1001));
    hold("rows lie a pitch apart", !memcmp(rows, back, sizeof rows));
    CHECK(cuDevicePrimaryCtxReset(device));
    expect("memory of a context that was reset", CUDA_ERROR_CONTEXT_IS_DESTROYED, cuMemFree(memory[0]));
    CUcontext again;
    CHECK(cuDevicePrimaryCtxRetain(&again, device));
    CHECK(cuCtxSetCurrent(again));
    hold("a reset frees all memory", free_bytes() >= before);
    hold("which is nobody's then", cuMemFree(memory[1]) == CUDA_ERROR_INVALID_VALUE);
    for (int i = 0; i < 4; i++) CHECK(cuMemAlloc(&memory[i], 20 * MIB));
    CHECK(cuMemsetD32(memory[3], 1, 5 * MIB));
    CHECK(cuCtxSynchronize());
}

static atomic_int stop, bad, made;
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static struct { CUdeviceptr start; size_t bytes; } live[THREADS][LIVE];

static void take_note(int thread, int place, CUdeviceptr start, size_t bytes) {
    pthread_mutex_lock(&guard);
    for (int i = 0; i < THREADS; i++)
        for (int j = 0; j < LIVE; j++)
            if (live[i][j].start && start < live[i][j].start + live[i][j].bytes && live[i][j].start < start + bytes) bad++;
    live[thread][place].start = start, live[thread][place].bytes = bytes;
    pthread_mutex_unlock(&guard);
}

// Every range is filled by a kernel of its own stream and read back before it is freed; a third is freed with the kernel on its way.
static void *life(void *argument) {
    int thread = (int)(intptr_t)argument;
    uint64_t state = (uint64_t)thread + 1;
    CUstream stream;
    CHECK(cuCtxSetCurrent(context));
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    static uint32_t found[THREADS][1 << 16];
    uint32_t values[LIVE] = {0};
    while (!stop) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        int place = (int)(state >> 33) % LIVE;
        if (!live[thread][place].start) {
            size_t count = 1 + (state >> 40) % (1 << 16);
            CUdeviceptr start;
            CHECK(cuMemAlloc(&start, 4 * count));
            made++;
            take_note(thread, place, start, 4 * count);
            values[place] = (uint32_t)state;
            CHECK(launch(fill, stream, start, values[place], (uint32_t)count));
            continue;
        }
        CUdeviceptr start = live[thread][place].start;
        size_t bytes = live[thread][place].bytes;
        if (state >> 60 < 11) {
            CHECK(cuMemcpyDtoHAsync(found[thread], start, bytes, stream));
            CHECK(cuStreamSynchronize(stream));
            for (size_t i = 0; i < bytes / 4; i++) if (found[thread][i] != values[place]) { bad++; break; }
        } else CHECK(launch(fill, stream, start, 0xdeadbeef, (uint32_t)(bytes / 4)));
        pthread_mutex_lock(&guard);
        live[thread][place].start = 0;
        pthread_mutex_unlock(&guard);
        CHECK(cuMemFree(start));
    }
    for (int place = 0; place < LIVE; place++) if (live[thread][place].start) CHECK(cuMemFree(live[thread][place].start));
    CHECK(cuStreamDestroy(stream));
    return NULL;
}

static void model(int seconds) {
    pthread_t threads[THREADS];
    size_t before = free_bytes();
    CHECK(cuCtxGetCurrent(&context));
    for (intptr_t i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, life, (void *)i);
    sleep((unsigned)seconds);
    stop = 1;
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    printf("  %d allocations by %d threads in %d s\n", made, THREADS, seconds);
    hold("no live range overlapped another or was written by a stranger", bad == 0);
    hold("nothing leaked", free_bytes() == before);
}

static void rounds(int count) {
    CUdeviceptr memory;
    for (int i = 0; i < count; i++) {
        CHECK(cuMemAlloc(&memory, 4096));
        CHECK(cuMemFree(memory));
    }
}

static CUresult take(const char *from, size_t bytes) {
    CUdeviceptr memory;
    CUdevice device;
    CHECK(cuCtxGetDevice(&device));
    CUmemLocation here = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device};
    CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = here};
    CUmemGenericAllocationHandle physical;
    if (!strcmp(from, "physical")) return cuMemCreate(&physical, bytes, &prop, 0);
    CUresult result = strcmp(from, "pool") ? cuMemAlloc(&memory, bytes) : cuMemAllocAsync(&memory, bytes, NULL);
    if (result == CUDA_SUCCESS) CHECK(launch(fill, NULL, memory, 1, (uint32_t)(bytes / 4)));
    return result;
}

// Takes so many MiB in pieces and keeps them until it is told to go, or says that there is no more.
static void hold_memory(int mib, const char *from) {
    CUresult result = CUDA_SUCCESS;
    for (int taken = 0; taken < mib && result == CUDA_SUCCESS; taken += 16) result = take(from, 16 * MIB);
    CUresult well = cuCtxSynchronize();
    printf("%s, %s\n", result == CUDA_SUCCESS ? "fits" : result == CUDA_ERROR_OUT_OF_MEMORY ? "does not fit" : "?", well ? "fault" : "no fault");
    fflush(stdout);
    getchar();
}

int main(int count, char **arguments) {
    CUmodule module = begin();
    fill = function_of(module, "fill"), wait_for = function_of(module, "wait");
    int number = count > 2 ? atoi(arguments[2]) : 0;
    if (count > 2 && !strcmp(arguments[1], "model")) model(number);
    else if (count > 2 && !strcmp(arguments[1], "rounds")) rounds(number);
    else if (count > 2 && !strcmp(arguments[1], "hold")) { hold_memory(number, count > 3 ? arguments[3] : "arena"); return 0; }
    else if (count > 1 && !strcmp(arguments[1], "free")) { printf("%zu\n", free_bytes() / MIB); return 0; }
    else books(), exhaustion(), early_reuse(), deaths(), reset();
    printf("allocations: %d unexpected\n", failures);
    return failures != 0;
}
