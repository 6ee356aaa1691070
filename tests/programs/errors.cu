// Every class of error, each as CUDA names it: what a call refuses and forgets, what a launch refuses, and, each in a process of
// its own, what a kernel does that nothing survives.
#include "arrays.h"

#include <sys/wait.h>
#include <unistd.h>

__global__ void write_to(int *place, int value) { *place = value; }
__global__ void jump(void (**function)()) { (*function)(); }
__global__ void stop() { asm("trap;"); }
__global__ void misaligned(char *bytes) { *(int *)(bytes + 1) = 1; }
__global__ void shared_beyond(int index) {
    __shared__ int few[4];
    ((volatile int *)few)[index] = 1;
}
__global__ void local_beyond(int index, int *out) {
    volatile int few[4];
    few[index] = 1;
    *out = few[1];
}

static int wrong;

static void expect(const char *what, cudaError_t expected, cudaError_t got) {
    bool right = got == expected;
    printf("errors: %s: %s%s\n", what, cudaGetErrorName(got), right ? "" : ", which is wrong");
    wrong += !right;
}

// What a call returns is also what is remembered, once.
static void remembered(const char *what, cudaError_t expected, cudaError_t got) {
    expect(what, expected, got);
    wrong += cudaPeekAtLastError() != expected || cudaGetLastError() != expected || cudaGetLastError() != cudaSuccess;
}

static void refused_calls() {
    int *device, word = 0, count = 0;
    cudaDeviceProp properties;
    cudaPointerAttributes attributes;
    CHECK(cudaMalloc(&device, 64));
    remembered("a copy from nowhere", cudaErrorInvalidValue, cudaMemcpy(device, nullptr, 4, cudaMemcpyHostToDevice));
    remembered("a copy beyond the end", cudaErrorInvalidValue, cudaMemcpy(device, &word, size_t(1) << 40, cudaMemcpyHostToDevice));
    remembered("a direction that is none", cudaErrorInvalidMemcpyDirection, cudaMemcpy(device, &word, 4, (cudaMemcpyKind)77));
    remembered("freeing what was not allocated", cudaErrorInvalidValue, cudaFree((void *)0x7000000010));
    remembered("more memory than there is", cudaErrorMemoryAllocation, cudaMalloc(&device, size_t(1) << 50));
    remembered("a device that is not there", cudaErrorInvalidDevice, cudaSetDevice(99));
    remembered("properties of a device that is not there", cudaErrorInvalidDevice, cudaGetDeviceProperties(&properties, -1));
    remembered("a set of nothing", cudaErrorInvalidValue, cudaMemset(nullptr, 0, 16));
    expect("a pointer of the host", cudaSuccess, cudaPointerGetAttributes(&attributes, &word));
    wrong += attributes.type != cudaMemoryTypeUnregistered;
    expect("the number of devices", cudaSuccess, cudaGetDeviceCount(&count));
    printf("errors: %s: %s; %s\n", cudaGetErrorName((cudaError_t)12345), cudaGetErrorString(cudaErrorInvalidValue),
           cudaGetErrorString(cudaErrorNoDevice));
}

// The driver says that a value is invalid; some runtimes say more precisely that it is the configuration.
static void refused_shape(const char *what, dim3 grid, dim3 block, int *device) {
    write_to<<<grid, block>>>(device, 1);
    cudaError_t got = cudaGetLastError();
    bool right = got == cudaErrorInvalidConfiguration || got == cudaErrorInvalidValue;
    printf("errors: %s: %s\n", what, right ? "refused" : cudaGetErrorName(got));
    wrong += !right || cudaGetLastError() != cudaSuccess;
}

static void refused_launches() {
    int *device = device_zeroes<int>(1);
    refused_shape("a block of 2048 threads", 1, 2048, device);
    refused_shape("a grid without blocks", 0, 32, device);
    refused_shape("a grid too wide", dim3(1, 70000), 32, device);
    write_to<<<1, 32, 1 << 20>>>(device, 1);
    remembered("a megabyte of shared memory", cudaErrorInvalidValue, cudaPeekAtLastError());
    remembered("nothing to launch", cudaErrorInvalidDeviceFunction, cudaLaunchKernel(nullptr, 1, 1, nullptr, 0, 0));
    write_to<<<1, 1>>>(device, 42);
    LAUNCHED();
    wrong += to_host(device, 1)[0] != 42;
}

// A kernel that goes wrong, in a child: the error at the next wait, again at each call, and the same from every later one.
template <class F> static void fatal(const char *what, std::vector<cudaError_t> lawful, F launch) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        int *device = device_zeroes<int>(16);
        launch(device);
        cudaError_t met = cudaDeviceSynchronize(), later = cudaMalloc(&device, 4), last = cudaGetLastError();
        bool right = later == met && last == met;
        bool known = false;
        for (cudaError_t one : lawful) known |= one == met;
        printf("errors: %s: %s\n", what, known ? cudaGetErrorName(lawful[0]) : cudaGetErrorName(met));
        fflush(stdout);
        _exit(right && known ? 0 : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    if (status != 0) printf("errors: %s ended with %#x\n", what, status);
    wrong += status != 0;
}

// Before this process has touched CUDA: a child of one that has cannot use it.
static void fatal_kernels() {
    fatal("a write to nowhere", {cudaErrorIllegalAddress}, [](int *) { write_to<<<1, 1>>>((int *)0x10, 1); });
    fatal("a write behind all memory", {cudaErrorIllegalAddress}, [](int *d) { write_to<<<1, 1>>>(d + (1ll << 44), 1); });
    fatal("a misaligned write", {cudaErrorMisalignedAddress}, [](int *d) { misaligned<<<1, 1>>>((char *)d); });
    fatal("a trap", {cudaErrorLaunchFailure}, [](int *) { stop<<<1, 1>>>(); });
    // Which of these a GPU says depends on its generation.
    fatal("shared memory beyond its end", {cudaErrorIllegalAddress, cudaErrorLaunchFailure, cudaErrorInvalidAddressSpace},
          [](int *) { shared_beyond<<<1, 1>>>(1 << 26); });
    fatal("local memory beyond its end", {cudaErrorIllegalAddress, cudaErrorLaunchFailure, cudaErrorInvalidAddressSpace},
          [](int *d) { local_beyond<<<1, 1>>>(1 << 28, d); });
}

int main() {
    fatal_kernels();
    refused_calls();
    refused_launches();
    return verdict("errors", wrong);
}
