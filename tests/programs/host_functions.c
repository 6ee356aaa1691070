// Functions of the program's in stream order: what they may not do, and what goes on while one does not return.
#include "kernels.h"

#include <unistd.h>

static CUdeviceptr memory;
static CUstream stream;
static volatile int ran;
static CUresult codes[4];

static void calls_cuda(void *data) {
    CUdeviceptr other;
    codes[0] = cuMemAlloc(&other, 16);
    codes[1] = cuStreamSynchronize(stream);
    codes[2] = cuMemsetD8(memory, 0, 1);
    codes[3] = cuCtxSynchronize();
    *(int *)data = 1;
}

static void counts(void *data) {
    (void)data;
    ran++;
}

static void never_returns(void *data) {
    (void)data;
    for (;;) pause();
}

int main(int count, char **arguments) {
    CUmodule module = begin();
    CUfunction fill = function_of(module, "fill");
    CUstream stuck;
    int called = 0;
    uint32_t found = 0;
    memory = words(4);
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CHECK(cuLaunchHostFunc(stream, calls_cuda, &called));
    CHECK(cuStreamSynchronize(stream));
    hold("the function was called", called == 1);
    expect("memory in it", CUDA_ERROR_NOT_PERMITTED, codes[0]);
    expect("waiting in it", CUDA_ERROR_NOT_PERMITTED, codes[1]);
    expect("a set in it", CUDA_ERROR_NOT_PERMITTED, codes[2]);
    expect("waiting for all in it", CUDA_ERROR_NOT_PERMITTED, codes[3]);
    CHECK(launch(fill, stream, memory, 9, 4));
    CHECK(cuStreamSynchronize(stream));
    CHECK(cuMemcpyDtoH(&found, memory, sizeof found));
    hold("and afterwards all is well", found == 9);
    if (count > 1 && !strcmp(arguments[1], "stuck")) {
        CHECK(cuStreamCreate(&stuck, CU_STREAM_NON_BLOCKING));
        CHECK(cuLaunchHostFunc(stuck, never_returns, NULL));
        for (int i = 0; i < 10; i++) CHECK(cuLaunchHostFunc(stream, counts, NULL));
        CHECK(launch(fill, stream, memory, 11, 4));
        CHECK(cuStreamSynchronize(stream));
        CHECK(cuMemcpyDtoHAsync(&found, memory, sizeof found, stream));
        CHECK(cuStreamSynchronize(stream));
        hold("another stream goes on, its functions too", ran == 10 && found == 11);
        expect("the stream of one that never returns", CUDA_ERROR_NOT_READY, cuStreamQuery(stuck));
    }
    printf("host_functions: %d unexpected\n", failures);
    fflush(stdout);
    _exit(failures != 0);
}
