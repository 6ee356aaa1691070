// A kernel that is compiled from its source while the program runs, by NVIDIA's own run-time compiler, and loaded as a module and as a
// library. `link: nvrtc` says so to scripts/programs.
// link: nvrtc
#include "check.h"

#include <nvrtc.h>
#include <stdint.h>
#include <string.h>

#define COUNT 1000

static const char SOURCE[] =
    "template <int N> __device__ float power(float x) { return x * power<N - 1>(x); }\n"
    "template <> __device__ float power<0>(float) { return 1.0f; }\n"
    "__constant__ float scale = 2.0f;\n"
    "extern \"C\" __global__ void cubes(float *to, const float *from, int count) {\n"
    "    int i = blockIdx.x * blockDim.x + threadIdx.x;\n"
    "    if (i < count) to[i] = scale * power<EXPONENT>(from[i]);\n"
    "}\n"
    "template <class T> __global__ void fill(T *to, T value, int count) {\n"
    "    int i = blockIdx.x * blockDim.x + threadIdx.x;\n"
    "    if (i < count) to[i] = value;\n"
    "}\n";

#define COMPILED(call)                                                                                                 \
    do {                                                                                                               \
        nvrtcResult result_ = (call);                                                                                  \
        if (result_ != NVRTC_SUCCESS) {                                                                                \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, nvrtcGetErrorString(result_));               \
            exit(2);                                                                                                   \
        }                                                                                                              \
    } while (0)

// The PTX of the source, and the name under which the template's instance is in it.
static char *compile(char *lowered, size_t room) {
    nvrtcProgram program;
    const char *options[] = {"--gpu-architecture=compute_80", "-DEXPONENT=3", "--std=c++17"};
    const char *name, *instance = "fill<double>";
    size_t bytes;
    COMPILED(nvrtcCreateProgram(&program, SOURCE, "cubes.cu", 0, NULL, NULL));
    COMPILED(nvrtcAddNameExpression(program, instance));
    nvrtcResult result = nvrtcCompileProgram(program, 3, options);
    if (result != NVRTC_SUCCESS) {
        char log[4096] = "";
        COMPILED(nvrtcGetProgramLogSize(program, &bytes));
        if (bytes <= sizeof log) nvrtcGetProgramLog(program, log);
        fprintf(stderr, "%s\n%s\n", nvrtcGetErrorString(result), log);
        exit(2);
    }
    COMPILED(nvrtcGetLoweredName(program, instance, &name));
    snprintf(lowered, room, "%s", name);
    COMPILED(nvrtcGetPTXSize(program, &bytes));
    char *ptx = malloc(bytes);
    COMPILED(nvrtcGetPTX(program, ptx));
    COMPILED(nvrtcDestroyProgram(&program));
    return ptx;
}

static void run(CUfunction function, CUdeviceptr to, CUdeviceptr from, const char *how) {
    static float results[COUNT];
    int count = COUNT, wrong = 0;
    void *params[] = {&to, &from, &count};
    CHECK(cuMemsetD8(to, 0, sizeof results));
    CHECK(cuLaunchKernel(function, (COUNT + 127) / 128, 1, 1, 128, 1, 1, 0, NULL, params, NULL));
    CHECK(cuMemcpyDtoH(results, to, sizeof results));
    for (int i = 0; i < COUNT; i++) {
        float x = i / 8.0f;
        wrong += results[i] != 2.0f * (x * (x * x));
    }
    printf("%s: %d of %d wrong\n", how, wrong, COUNT);
    if (wrong) exit(1);
}

int main(void) {
    char filler[256];
    char *ptx = compile(filler, sizeof filler);
    CUdevice device;
    CUcontext context;
    CHECK(cuInit(0));
    CHECK(cuDeviceGet(&device, 0));
    CHECK(cuDevicePrimaryCtxRetain(&context, device));
    CHECK(cuCtxSetCurrent(context));
    CUdeviceptr from, to;
    CHECK(cuMemAlloc(&from, COUNT * sizeof(float)));
    CHECK(cuMemAlloc(&to, COUNT * sizeof(double)));
    static float numbers[COUNT];
    for (int i = 0; i < COUNT; i++) numbers[i] = i / 8.0f;
    CHECK(cuMemcpyHtoD(from, numbers, sizeof numbers));

    CUmodule module;
    CUfunction function;
    CHECK(cuModuleLoadData(&module, ptx));
    CHECK(cuModuleGetFunction(&function, module, "cubes"));
    run(function, to, from, "as a module");

    CHECK(cuModuleGetFunction(&function, module, filler));
    double value = 0.125, filled[COUNT];
    int count = COUNT, wrong = 0;
    void *params[] = {&to, &value, &count};
    CHECK(cuLaunchKernel(function, (COUNT + 127) / 128, 1, 1, 128, 1, 1, 0, NULL, params, NULL));
    CHECK(cuMemcpyDtoH(filled, to, sizeof filled));
    for (int i = 0; i < COUNT; i++) wrong += filled[i] != value;
    printf("an instance of a template: %d of %d wrong\n", wrong, COUNT);
    CHECK(cuModuleUnload(module));

    CUlibrary library;
    CUkernel kernel;
    CHECK(cuLibraryLoadData(&library, ptx, NULL, NULL, 0, NULL, NULL, 0));
    CHECK(cuLibraryGetKernel(&kernel, library, "cubes"));
    CHECK(cuKernelGetFunction(&function, kernel));
    run(function, to, from, "as a library");
    CHECK(cuLibraryUnload(library));
    CHECK(cuMemFree(from));
    CHECK(cuMemFree(to));
    CHECK(cuDevicePrimaryCtxRelease(device));
    free(ptx);
    return wrong != 0;
}
