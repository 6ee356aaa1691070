// Allocation and free: what the books say, that freed memory is nobody's before its kernels are done, and that running out is reported
// by the call that allocates. With arguments: `model SECONDS` and `rounds COUNT` and `hold MIB`.
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

static atomic_int stop, bad;
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

// Takes so many MiB in pieces and keeps them until it is told to go, or says that there is no more.
static void hold_memory(int mib) {
    CUdeviceptr piece;
    CUresult result = CUDA_SUCCESS;
    for (int taken = 0; taken < mib && result == CUDA_SUCCESS; taken += 16) {
        result = cuMemAlloc(&piece, 16 * MIB);
        if (result == CUDA_SUCCESS) CHECK(launch(fill, NULL, piece, 1, 4 * MIB));
    }
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
    else if (count > 2 && !strcmp(arguments[1], "hold")) { hold_memory(number); return 0; }
    else books(), exhaustion(), early_reuse(), deaths();
    printf("allocations: %d unexpected\n", failures);
    return failures != 0;
}
