// Kernels that fail, and what every later call returns.
//
//   faults out_of_bounds | trap          an error of the kind after which the process must end
//   faults callbacks                     who stands in the stream behind it hears of it, or is not called
//   faults refused                       a launch that only the server can refuse: said once, by a later call, and forgotten
//   faults gone FILE                     the server's process is killed under it, after FILE exists
#include "kernels.h"

#include <unistd.h>

static CUmodule module;
static CUfunction fill;
static CUdeviceptr memory;
static CUstream stream;

// All of them: creating, freeing, copying, waiting, launching.
static void everything_returns(CUresult code) {
    CUdeviceptr other;
    CUstream new_stream;
    CUevent event;
    CUmodule new_module;
    uint32_t word = 1;
    void *host;
    size_t bytes;
    expect("cuMemAlloc", code, cuMemAlloc(&other, 4096));
    expect("cuMemHostAlloc", code, cuMemHostAlloc(&host, 4096, 0));
    expect("cuStreamCreate", code, cuStreamCreate(&new_stream, 0));
    expect("cuEventCreate", code, cuEventCreate(&event, 0));
    expect("cuModuleLoadData", code, cuModuleLoadData(&new_module, KERNELS));
    expect("cuMemcpyHtoD", code, cuMemcpyHtoD(memory, &word, sizeof word));
    expect("cuMemcpyDtoH", code, cuMemcpyDtoH(&word, memory, sizeof word));
    expect("cuMemsetD32Async", code, cuMemsetD32Async(memory, 1, 1, stream));
    expect("cuLaunchKernel", code, launch(fill, stream, memory, 1, 1));
    expect("cuStreamQuery", code, cuStreamQuery(stream));
    expect("cuStreamSynchronize", code, cuStreamSynchronize(stream));
    expect("cuCtxSynchronize", code, cuCtxSynchronize());
    expect("cuMemGetInfo", code, cuMemGetInfo(&bytes, &bytes));
    expect("cuMemFree", code, cuMemFree(memory));
}

static CUresult heard[2] = {CUDA_ERROR_UNKNOWN, CUDA_ERROR_UNKNOWN};
static int called;
static void hear(CUstream of, CUresult status, void *where) {
    heard[(intptr_t)where] = of == stream ? status : CUDA_ERROR_INVALID_HANDLE;
}
static void be_called(void *nothing) {
    (void)nothing;
    called++;
}

static void callbacks(CUfunction poke) {
    uint64_t nowhere = 0x10;
    void *parameters[] = {&nowhere};
    CHECK(cuStreamAddCallback(stream, hear, (void *)0, 0));
    CHECK(cuLaunchHostFunc(stream, be_called, NULL));
    CHECK(cuStreamSynchronize(stream));
    // All of it is called before anybody can know of the fault: the stream stands still until then.
    CUdeviceptr gate = words(1);
    CHECK(cuMemsetD32(gate, 0, 1));
    CHECK(cuStreamWaitValue32(stream, gate, 1, CU_STREAM_WAIT_VALUE_EQ));
    CHECK(cuLaunchKernel(poke, 1, 1, 1, 1, 1, 1, 0, stream, parameters, NULL));
    CHECK(cuStreamAddCallback(stream, hear, (void *)1, 0));
    CHECK(cuLaunchHostFunc(stream, be_called, NULL));
    CUstream other;
    CHECK(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
    CHECK(cuStreamWriteValue32(other, gate, 1, 0));
    expect("the synchronise after it", CUDA_ERROR_ILLEGAL_ADDRESS, cuStreamSynchronize(stream));
    for (int i = 0; i < 5000 && heard[1] == CUDA_ERROR_UNKNOWN; i++) usleep(1000);
    expect("what a callback hears before the fault", CUDA_SUCCESS, heard[0]);
    expect("and behind it", CUDA_ERROR_ILLEGAL_ADDRESS, heard[1]);
    hold("a function of the host is not called behind it", called == 1);
}

static void wait_for(const char *file) {
    while (access(file, F_OK)) usleep(1000);
}

int main(int count, char **arguments) {
    const char *kind = count > 1 ? arguments[1] : "";
    module = begin();
    CUfunction poke = function_of(module, "poke"), trap = function_of(module, "give_up");
    fill = function_of(module, "fill");
    memory = words(64);
    CHECK(cuStreamCreate(&stream, 0));
    CHECK(launch(fill, stream, memory, 1, 64));
    CHECK(cuStreamSynchronize(stream));
    if (!strcmp(kind, "out_of_bounds")) {
        uint64_t nowhere = 0x10;
        void *parameters[] = {&nowhere};
        CHECK(cuLaunchKernel(poke, 1, 1, 1, 1, 1, 1, 0, stream, parameters, NULL));
        expect("the synchronise after it", CUDA_ERROR_ILLEGAL_ADDRESS, cuStreamSynchronize(stream));
        everything_returns(CUDA_ERROR_ILLEGAL_ADDRESS);
    } else if (!strcmp(kind, "trap")) {
        CHECK(cuLaunchKernel(trap, 1, 1, 1, 1, 1, 1, 0, stream, NULL, NULL));
        expect("the synchronise after it", CUDA_ERROR_LAUNCH_FAILED, cuStreamSynchronize(stream));
        everything_returns(CUDA_ERROR_LAUNCH_FAILED);
    } else if (!strcmp(kind, "callbacks")) {
        callbacks(poke);
    } else if (!strcmp(kind, "refused")) {
        uint32_t value = 2, n = 64;
        void *parameters[] = {&memory, &value, &n};
        // More shared memory than any multiprocessor has.
        CUresult at_once = cuLaunchKernel(fill, 1, 1, 1, 64, 1, 1, 1 << 28, stream, parameters, NULL);
        CUresult later = cuStreamSynchronize(stream);
        hold("it is said, now or later", at_once == CUDA_ERROR_INVALID_VALUE || later == CUDA_ERROR_INVALID_VALUE);
        hold("and only once", at_once == CUDA_SUCCESS || later == CUDA_SUCCESS);
        CUdeviceptr other;
        expect("memory after it", CUDA_SUCCESS, cuMemAlloc(&other, 16));
        expect("a launch after it", CUDA_SUCCESS, launch(fill, stream, memory, 3, 64));
        expect("a synchronise after it", CUDA_SUCCESS, cuStreamSynchronize(stream));
        CHECK(cuMemcpyDtoH(&value, memory, sizeof value));
        hold("the launch that was refused left nothing, the next one did", value == 3);
    } else if (!strcmp(kind, "gone") && count > 2) {
        printf("it runs\n"), fflush(stdout);
        wait_for(arguments[2]);
        expect("the synchronise after it", CUDA_ERROR_LAUNCH_FAILED, cuCtxSynchronize());
        everything_returns(CUDA_ERROR_LAUNCH_FAILED);
    } else {
        return 2;
    }
    printf("faults %s: %d unexpected\n", kind, failures);
    return failures != 0;
}
