// A process that uses CUDA and forks: the child is refused everything and ends in peace, the parent goes on as if nothing had been.
#include "kernels.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N = 5000, ROUNDS = 40 };

static CUcontext context;
static CUdeviceptr memory;
static atomic_int stop;

// Each number that it prints must be CUDA_ERROR_NOT_INITIALIZED.
static int in_the_child(void) {
    CUdevice device;
    CUdeviceptr other;
    CUstream stream;
    CUcontext current;
    int count;
    uint32_t word;
    const CUresult expected = CUDA_ERROR_NOT_INITIALIZED;
    expect("child: cuInit", expected, cuInit(0));
    expect("child: cuDeviceGet", expected, cuDeviceGet(&device, 0));
    expect("child: cuDeviceGetCount", expected, cuDeviceGetCount(&count));
    expect("child: cuCtxGetCurrent", expected, cuCtxGetCurrent(&current));
    expect("child: cuCtxSetCurrent", expected, cuCtxSetCurrent(context));
    expect("child: cuCtxSynchronize", expected, cuCtxSynchronize());
    expect("child: cuMemAlloc", expected, cuMemAlloc(&other, 4096));
    expect("child: cuMemFree", expected, cuMemFree(memory));
    expect("child: cuMemcpyDtoH", expected, cuMemcpyDtoH(&word, memory, sizeof word));
    expect("child: cuStreamCreate", expected, cuStreamCreate(&stream, 0));
    return failures;
}

// Keeps every lock of the library busy while the main thread forks.
static void *busy(void *nothing) {
    CHECK(cuCtxSetCurrent(context));
    CUdeviceptr mine = words(64);
    uint32_t value[64];
    while (!atomic_load(&stop)) {
        CHECK(cuMemsetD32(mine, 5, 64));
        CHECK(cuMemcpyDtoH(value, mine, sizeof value));
    }
    CHECK(cuMemFree(mine));
    return nothing;
}

static int status_of(pid_t child) {
    int status = -1;
    if (waitpid(child, &status, 0) != child) perror("waitpid");
    return status;
}

int main(void) {
    static uint32_t value[N];
    CUmodule module = begin();
    CHECK(cuCtxGetCurrent(&context));
    memory = words(N);
    CHECK(launch(function_of(module, "fill"), NULL, memory, 11, N));
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) exit(in_the_child());
    hold("the child ended well", status_of(child) == 0);
    CHECK(launch(function_of(module, "add"), NULL, memory, 4, N));
    CHECK(cuMemcpyDtoH(value, memory, sizeof value));
    int wrong = 0;
    for (int i = 0; i < N; i++) wrong += value[i] != 15;
    hold("the parent's memory is as it left it", wrong == 0);

    pthread_t threads[2];
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, busy, NULL);
    int ended_well = 0;
    for (int round = 0; round < ROUNDS; round++) {
        fflush(stdout);
        child = fork();
        // One in two leaves by exit, through every handler, the other at once.
        if (child == 0) {
            CUdeviceptr none;
            int refused = cuInit(0) == CUDA_ERROR_NOT_INITIALIZED && cuMemAlloc(&none, 16) == CUDA_ERROR_NOT_INITIALIZED;
            if (round % 2) _exit(!refused);
            exit(!refused);
        }
        ended_well += status_of(child) == 0;
    }
    atomic_store(&stop, 1);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    hold("children of a busy process end well", ended_well == ROUNDS);
    CHECK(cuMemFree(memory));
    printf("forks: %d unexpected\n", failures);
    return failures != 0;
}
