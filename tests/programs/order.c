// What CUDA promises about order: within a stream, across streams by events, with functions of the program's in between, and what
// events say about it.
#include "kernels.h"

#include <stdatomic.h>
#include <unistd.h>

enum { N = 20000, ROUNDS = 20 };

static CUfunction fill, add, triple;
static atomic_int turn;
static int out_of_turn;

static void host_function(void *expected) {
    if (atomic_fetch_add(&turn, 1) != (int)(intptr_t)expected) out_of_turn++;
}

static void slow_host_function(void *done) {
    usleep(100000);
    atomic_store((atomic_int *)done, 1);
}

static CUstream called_stream;
static CUresult called_status = -1;
static void callback(CUstream stream, CUresult status, void *expected) {
    called_stream = stream, called_status = status;
    host_function(expected);
}

static int wrong_in(CUdeviceptr memory, uint32_t expected) {
    static uint32_t value[N];
    CHECK(cuMemcpyDtoH(value, memory, sizeof value));
    int wrong = 0;
    for (int i = 0; i < N; i++) wrong += value[i] != expected;
    return wrong;
}

static void within_a_stream(CUstream stream, CUdeviceptr memory) {
    uint32_t expected = 0;
    CHECK(launch(fill, stream, memory, 0, N));
    for (uint32_t i = 0; i < ROUNDS; i++) {
        CHECK(launch(i % 3 ? triple : add, stream, memory, i, N));
        expected = (i % 3 ? 3 * expected : expected) + i;
    }
    CHECK(cuStreamSynchronize(stream));
    hold("kernels of a stream run one after the other", wrong_in(memory, expected) == 0);
}

static void functions_of_the_host(CUstream stream, CUdeviceptr memory) {
    atomic_store(&turn, 0);
    for (intptr_t i = 0; i < 3 * ROUNDS; i += 3) {
        CHECK(cuLaunchHostFunc(stream, host_function, (void *)i));
        CHECK(launch(fill, stream, memory, (uint32_t)i, N));
        CHECK(cuStreamAddCallback(stream, callback, (void *)(i + 1), 0));
        CHECK(cuLaunchHostFunc(stream, host_function, (void *)(i + 2)));
    }
    CHECK(cuStreamSynchronize(stream));
    hold("functions of the host all ran, each in its turn", atomic_load(&turn) == 3 * ROUNDS && out_of_turn == 0);
    hold("a callback hears of its stream", called_stream == stream && called_status == CUDA_SUCCESS);

    static atomic_int done;
    CHECK(cuLaunchHostFunc(stream, slow_host_function, &done));
    CHECK(launch(fill, stream, memory, 77, N));
    hold("a stream whose function runs is not ready", cuStreamQuery(stream) == CUDA_ERROR_NOT_READY);
    CHECK(cuStreamSynchronize(stream));
    hold("what is behind a function waits for it", atomic_load(&done) && wrong_in(memory, 77) == 0);
}

static void across_streams(CUdeviceptr memory) {
    CUstream first, second;
    CUevent event, back;
    CHECK(cuStreamCreate(&first, CU_STREAM_NON_BLOCKING));
    CHECK(cuStreamCreate(&second, CU_STREAM_NON_BLOCKING));
    CHECK(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
    CHECK(cuEventCreate(&back, CU_EVENT_DEFAULT));
    static atomic_int done;
    int wrong = 0;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        if (i == 0) CHECK(cuLaunchHostFunc(first, slow_host_function, &done));
        CHECK(launch(fill, first, memory, i, N));
        CHECK(cuEventRecord(event, first));
        CHECK(cuStreamWaitEvent(second, event, 0));
        CHECK(launch(triple, second, memory, 5, N));
        CHECK(cuEventRecord(back, second));
        CHECK(cuStreamWaitEvent(first, back, 0));
        CHECK(launch(add, first, memory, 1, N));
        // The event may be recorded again at once: what waits for it waits for what it was.
        if (i % 5 == 0) {
            CHECK(cuStreamSynchronize(first));
            wrong += wrong_in(memory, 3 * i + 6);
        }
    }
    CHECK(cuStreamSynchronize(first));
    hold("events order streams", wrong + wrong_in(memory, 3 * (ROUNDS - 1) + 6) == 0);
    CHECK(cuStreamDestroy(first));
    CHECK(cuStreamDestroy(second));
    CHECK(cuEventDestroy(event));
    CHECK(cuEventDestroy(back));
}

static void the_default_stream(CUdeviceptr memory) {
    CUstream blocking;
    CHECK(cuStreamCreate(&blocking, CU_STREAM_DEFAULT));
    static atomic_int done;
    CHECK(cuLaunchHostFunc(blocking, slow_host_function, &done));
    CHECK(launch(fill, blocking, memory, 1, N));
    CHECK(launch(triple, NULL, memory, 1, N));
    CHECK(launch(triple, blocking, memory, 2, N));
    CHECK(launch(triple, CU_STREAM_LEGACY, memory, 3, N));
    CHECK(launch(triple, CU_STREAM_PER_THREAD, memory, 4, N));
    CHECK(launch(triple, CU_STREAM_LEGACY, memory, 5, N));
    hold("the default stream waits for the others, and they for it", wrong_in(memory, ((14 * 3 + 3) * 3 + 4) * 3 + 5) == 0);
    CHECK(cuStreamDestroy(blocking));
}

static void events(CUstream stream, CUdeviceptr memory) {
    CUevent before, after;
    CHECK(cuEventCreate(&before, CU_EVENT_DEFAULT));
    CHECK(cuEventCreate(&after, CU_EVENT_BLOCKING_SYNC));
    static atomic_int done;
    CHECK(cuEventRecord(before, stream));
    CHECK(cuLaunchHostFunc(stream, slow_host_function, &done));
    CHECK(launch(fill, stream, memory, 3, N));
    CHECK(cuEventRecord(after, stream));
    float ms = -1;
    hold("an event that is ahead is not ready", cuEventQuery(after) == CUDA_ERROR_NOT_READY);
    hold("nor is the time to it", cuEventElapsedTime(&ms, before, after) == CUDA_ERROR_NOT_READY);
    CHECK(cuEventSynchronize(after));
    hold("its synchronise waits", atomic_load(&done) == 1);
    hold("then it is ready", cuEventQuery(after) == CUDA_SUCCESS);
    CHECK(cuEventElapsedTime(&ms, before, after));
    hold("and the time is what went by", ms >= 99 && ms < 20000);
    CHECK(cuEventDestroy(before));
    CHECK(cuEventDestroy(after));
}

int main(void) {
    CUmodule module = begin();
    fill = function_of(module, "fill"), add = function_of(module, "add"), triple = function_of(module, "triple");
    CUdeviceptr memory = words(N);
    CUstream stream;
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    within_a_stream(stream, memory);
    within_a_stream(NULL, memory);
    within_a_stream(CU_STREAM_PER_THREAD, memory);
    functions_of_the_host(stream, memory);
    across_streams(memory);
    the_default_stream(memory);
    events(stream, memory);
    // Destroyed with work in it: the work is done nevertheless.
    CHECK(launch(fill, stream, memory, 9, N));
    CHECK(cuStreamDestroy(stream));
    CHECK(cuCtxSynchronize());
    hold("a destroyed stream finishes its work", wrong_in(memory, 9) == 0);
    printf("order: %d unexpected\n", failures);
    return failures != 0;
}
