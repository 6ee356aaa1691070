// Eight threads, each with streams of its own and with its own default stream, one context for all.
#include "kernels.h"

#include <pthread.h>

enum { THREADS = 8, ROUNDS = 30, N = 4000 };

static CUcontext context;
static CUmodule module;
static int wrong_of[THREADS];

static void *work(void *number) {
    static uint32_t values[THREADS][2][N];
    intptr_t me = (intptr_t)number;
    uint32_t(*value)[N] = values[me];
    CUstream stream;
    CHECK(cuCtxSetCurrent(context));
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CUfunction fill = function_of(module, "fill"), triple = function_of(module, "triple");
    CUdeviceptr memory[2] = {words(N), words(N)};
    CUstream streams[2] = {stream, CU_STREAM_PER_THREAD};
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t mine = (uint32_t)me * 1000 + round;
        for (int i = 0; i < 2; i++) {
            CHECK(launch(fill, streams[i], memory[i], mine, N));
            CHECK(launch(triple, streams[i], memory[i], (uint32_t)i, N));
            CHECK(cuMemcpyDtoHAsync(value[i], memory[i], sizeof value[i], streams[i]));
        }
        for (int i = 0; i < 2; i++) {
            CHECK(cuStreamSynchronize(streams[i]));
            for (int at = 0; at < N; at++) wrong_of[me] += value[i][at] != 3 * mine + (uint32_t)i;
        }
        if (round % 7 == 0) {
            CHECK(cuMemFree(memory[0]));
            memory[0] = words(N);
        }
    }
    CHECK(cuStreamDestroy(stream));
    for (int i = 0; i < 2; i++) CHECK(cuMemFree(memory[i]));
    return NULL;
}

int main(void) {
    module = begin();
    CHECK(cuCtxGetCurrent(&context));
    int wrong = 0;
    for (int generation = 0; generation < 2; generation++) {
        pthread_t threads[THREADS];
        for (intptr_t i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, work, (void *)i);
        for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL), wrong += wrong_of[i];
    }
    printf("threads: 2 generations of %d, wrong=%d\n", THREADS, wrong);
    return wrong != 0;
}
