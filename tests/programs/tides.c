// Makes and destroys one of everything, round after round, until it is told to stop: what is left over after each would add up.
//
//   tides FILE [PAUSE_MS]      says that it runs, and goes on until FILE exists, with a pause after each round
#include "kernels.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { WORDS = 5000 };

static CUcontext context;
static atomic_int host_calls;

static void called(void *unused) {
    (void)unused;
    host_calls++;
}

static CUgraphExec captured(CUstream stream, CUfunction fill, CUdeviceptr to) {
    CUgraph graph;
    CUgraphExec exec;
    CHECK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
    CHECK(launch(fill, stream, to, 3, WORDS));
    CHECK(cuMemsetD32Async(to, 4, 10, stream));
    CHECK(cuStreamEndCapture(stream, &graph));
    CHECK(cuGraphInstantiate(&exec, graph, 0));
    CHECK(cuGraphDestroy(graph));
    return exec;
}

// On a thread of its own, which is one of the things that come and go.
static void *tide(void *wrong) {
    static uint32_t up[WORDS], down[WORDS];
    CUstream stream;
    CUevent event;
    CUdeviceptr to, pooled;
    CUmodule module;
    CUlibrary library;
    CUkernel kernel;
    void *pinned;
    CHECK(cuCtxSetCurrent(context));
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CHECK(cuEventCreate(&event, CU_EVENT_DEFAULT));
    CHECK(cuModuleLoadData(&module, KERNELS));
    CHECK(cuLibraryLoadData(&library, KERNELS, NULL, NULL, 0, NULL, NULL, 0));
    CHECK(cuLibraryGetKernel(&kernel, library, "add"));
    CHECK(cuMemAlloc(&to, sizeof up));
    CHECK(cuMemAllocAsync(&pooled, sizeof up, stream));
    CHECK(cuMemAllocHost(&pinned, sizeof up));
    for (int i = 0; i < WORDS; i++) up[i] = i;
    CHECK(cuMemcpyHtoDAsync(to, up, sizeof up, stream));
    CHECK(launch(function_of(module, "triple"), stream, to, 1, WORDS));
    CHECK(launch((CUfunction)kernel, stream, to, 1, WORDS));
    CHECK(cuMemcpyDtoDAsync(pooled, to, sizeof up, stream));
    CHECK(cuMemcpyDtoHAsync(pinned, pooled, sizeof up, stream));
    CHECK(cuLaunchHostFunc(stream, called, NULL));
    CHECK(cuEventRecord(event, stream));
    CHECK(cuEventSynchronize(event));
    memcpy(down, pinned, sizeof down);
    for (uint32_t i = 0; i < WORDS; i++) *(int *)wrong += down[i] != 3 * i + 2;
    CUgraphExec exec = captured(stream, function_of(module, "fill"), to);
    CHECK(cuGraphLaunch(exec, stream));
    CHECK(cuMemcpyDtoH(down, to, sizeof down));
    CHECK(cuStreamSynchronize(stream));
    CHECK(cuGraphExecDestroy(exec));
    // Refused, which is remembered and forgotten.
    *(int *)wrong += cuMemFree(to + 4) == CUDA_SUCCESS;
    CHECK(cuMemFreeHost(pinned));
    CHECK(cuMemFreeAsync(pooled, stream));
    CHECK(cuMemFree(to));
    CHECK(cuLibraryUnload(library));
    CHECK(cuModuleUnload(module));
    CHECK(cuEventDestroy(event));
    CHECK(cuStreamDestroy(stream));
    return NULL;
}

int main(int count, char **arguments) {
    if (count < 2) return 2;
    int pause_ms = count > 2 ? atoi(arguments[2]) : 0, rounds = 0, wrong = 0;
    CHECK(cuModuleUnload(begin()));
    CHECK(cuCtxGetCurrent(&context));
    do {
        pthread_t thread;
        pthread_create(&thread, NULL, tide, &wrong);
        pthread_join(thread, NULL);
        if (rounds++ == 0) printf("it runs\n"), fflush(stdout);
        usleep(1000 * pause_ms);
    } while (access(arguments[1], F_OK));
    wrong += host_calls != rounds;
    printf("tides: rounds=%d, wrong=%d\n", rounds, wrong);
    return wrong != 0;
}
