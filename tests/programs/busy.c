// Threads that copy both ways, launch, set and order streams by events until they are told to stop; every byte is checked.
//
//   busy FILE      says that it runs, and goes on until FILE exists
#include "kernels.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { THREADS = 4, WORDS_MAX = 96 << 10, TOUCHED = 3000, SET = 100 };

static CUcontext context;
static CUmodule module;
static const char *stop;
static atomic_int running, rounds, wrong;

static uint32_t chance(uint32_t *state) {
    *state ^= *state << 13, *state ^= *state >> 17, *state ^= *state << 5;
    return *state;
}

struct work {
    uint32_t *up, *down, *expected;
    CUdeviceptr first, second;
    CUstream one, two;
    CUevent done;
    CUfunction triple, add;
};

// Up on one stream, computed there, copied to the second buffer on the other, and down from both.
static void work_round(struct work *at, uint32_t *state) {
    uint32_t n = TOUCHED + SET + chance(state) % (WORDS_MAX - TOUCHED - SET), plus = chance(state);
    for (uint32_t i = 0; i < n; i++) at->expected[i] = at->up[i] = chance(state);
    CHECK(cuMemcpyHtoDAsync(at->first, at->up, n * sizeof *at->up, at->one));
    // The bytes were taken; what the program does with them now is nobody's business.
    memset(at->up, 0xee, n * sizeof *at->up);
    CHECK(launch(at->triple, at->one, at->first, plus, TOUCHED));
    CHECK(cuMemsetD32Async(at->first + 4ull * TOUCHED, plus, SET, at->one));
    CHECK(cuEventRecord(at->done, at->one));
    CHECK(cuStreamWaitEvent(at->two, at->done, 0));
    CHECK(cuMemcpyDtoDAsync(at->second, at->first, n * sizeof *at->up, at->two));
    CHECK(launch(at->add, at->two, at->second, 1, TOUCHED));
    for (uint32_t i = 0; i < TOUCHED; i++) at->expected[i] = 3 * at->expected[i] + plus + 1;
    for (uint32_t i = TOUCHED; i < TOUCHED + SET; i++) at->expected[i] = plus;
    CHECK(cuMemcpyDtoHAsync(at->down, at->second, n * sizeof *at->up, at->two));
    // Later on the same stream, so it must not be seen.
    CHECK(cuMemsetD32Async(at->second, 0xdead, n, at->two));
    CHECK(cuStreamSynchronize(at->two));
    for (uint32_t i = 0; i < n; i++) wrong += at->down[i] != at->expected[i];
    CHECK(cuMemcpyDtoH(at->down, at->first, n * sizeof *at->up));
    for (uint32_t i = 0; i < n; i++) wrong += at->down[i] != at->expected[i] - (i < TOUCHED);
}

static void *work(void *number) {
    struct work at;
    uint32_t state = 2463534242u + (uint32_t)(intptr_t)number;
    CHECK(cuCtxSetCurrent(context));
    at.up = malloc(WORDS_MAX * sizeof(uint32_t));
    at.down = malloc(WORDS_MAX * sizeof(uint32_t));
    at.expected = malloc(WORDS_MAX * sizeof(uint32_t));
    at.first = words(WORDS_MAX), at.second = words(WORDS_MAX);
    CHECK(cuStreamCreate(&at.one, CU_STREAM_NON_BLOCKING));
    CHECK(cuStreamCreate(&at.two, CU_STREAM_NON_BLOCKING));
    CHECK(cuEventCreate(&at.done, CU_EVENT_DISABLE_TIMING));
    at.triple = function_of(module, "triple"), at.add = function_of(module, "add");
    for (int first = 1, last = 0; !last; first = 0) {
        last = !access(stop, F_OK);
        work_round(&at, &state);
        rounds++;
        if (first && ++running == THREADS) printf("it runs\n"), fflush(stdout);
    }
    CHECK(cuEventDestroy(at.done));
    CHECK(cuStreamDestroy(at.one));
    CHECK(cuStreamDestroy(at.two));
    CHECK(cuMemFree(at.first));
    CHECK(cuMemFree(at.second));
    free(at.up), free(at.down), free(at.expected);
    return NULL;
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    stop = arguments[1];
    module = begin();
    CHECK(cuCtxGetCurrent(&context));
    pthread_t threads[THREADS];
    for (intptr_t i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, work, (void *)i);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    printf("busy: rounds=%d, wrong=%d\n", rounds, wrong);
    return wrong != 0;
}
