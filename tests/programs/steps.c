// Two hundred calls of many kinds, each checked. It stops before one of them until it may go on, so that something can happen there.
//
//   steps STEP FILE      before call number STEP it says so, and goes on once FILE exists
//
// When a call fails, it says which and how, and that every call after it fails the same way; it exits with 3, and some seconds later
// where a third argument is given.
#include "kernels.h"

#include <unistd.h>

enum { ROUNDS = 10, N = 5000 };

static int calls, step, linger_s;
static const char *file;

static void may_i(void) {
    if (++calls != step) return;
    printf("before call %d\n", calls), fflush(stdout);
    while (access(file, F_OK)) usleep(1000);
}

static void failed(CUresult result) {
    size_t free_bytes, all;
    printf("call %d: %s\n", calls, name_of(result));
    // Fatal errors stay: whatever is called afterwards says the same.
    for (int i = 0; i < 3; i++) {
        CUresult later = cuMemGetInfo(&free_bytes, &all);
        if (later != result) printf("but then %s\n", name_of(later));
    }
    fflush(stdout);
    sleep((unsigned)linger_s);
    exit(3);
}

#define STEP(call)                                                                                                     \
    do {                                                                                                               \
        may_i();                                                                                                       \
        CUresult result_ = (call);                                                                                     \
        if (result_ != CUDA_SUCCESS) failed(result_);                                                                  \
    } while (0)

int main(int count, char **arguments) {
    static uint32_t value[N], back[N];
    if (count < 3) return 2;
    linger_s = count == 4 ? 8 : 0;
    step = atoi(arguments[1]), file = arguments[2];
    int wrong = 0;
    CUmodule kernels = begin();
    for (uint32_t round = 0; round < ROUNDS; round++) {
        CUmodule module;
        CUfunction fill, triple;
        CUdeviceptr memory, other;
        CUstream stream;
        CUevent event;
        size_t free_bytes, all;
        for (uint32_t i = 0; i < N; i++) value[i] = round * 7919 + i;
        STEP(cuModuleLoadData(&module, KERNELS));
        STEP(cuModuleGetFunction(&fill, module, "fill"));
        STEP(cuModuleGetFunction(&triple, kernels, "triple"));
        STEP(cuMemAlloc(&memory, sizeof value));
        STEP(cuMemAlloc(&other, sizeof value));
        STEP(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
        STEP(cuEventCreate(&event, CU_EVENT_DEFAULT));
        STEP(cuMemcpyHtoDAsync(memory, value, sizeof value, stream));
        STEP(launch(triple, stream, memory, round, N));
        STEP(cuEventRecord(event, stream));
        STEP(launch(fill, stream, other, round, N));
        STEP(cuEventSynchronize(event));
        STEP(cuMemcpyDtoDAsync(other, memory, sizeof value / 2, stream));
        STEP(cuStreamSynchronize(stream));
        STEP(cuMemcpyDtoH(back, other, sizeof back));
        for (uint32_t i = 0; i < N; i++) wrong += back[i] != (i < N / 2 ? 3 * value[i] + round : round);
        STEP(cuMemGetInfo(&free_bytes, &all));
        STEP(cuEventDestroy(event));
        STEP(cuStreamDestroy(stream));
        STEP(cuMemFree(memory));
        STEP(cuMemFree(other));
        CUresult unloaded = cuModuleUnload(module);
        if (unloaded != CUDA_SUCCESS) failed(unloaded);
    }
    printf("steps: %d calls, wrong=%d\n", calls, wrong);
    return wrong != 0;
}
