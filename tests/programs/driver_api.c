// A C program on the driver API alone: PTX text compiled by the driver, both forms of a launch, and the codes that wrong uses return.
#include "check.h"

#include <stdint.h>
#include <string.h>

// y[i] = factor * x[i] + y[i], for i < n
static const char PTX[] = ".version 7.0\n"
                          ".target sm_75\n"
                          ".address_size 64\n"
                          ".visible .entry scale_add(.param .u64 x, .param .u64 y, .param .f32 factor, .param .u32 n)\n"
                          "{\n"
                          "    .reg .pred %outside;\n"
                          "    .reg .u32 %block, %size, %thread, %i, %n;\n"
                          "    .reg .u64 %x, %y, %offset;\n"
                          "    .reg .f32 %factor, %a, %b;\n"
                          "    ld.param.u64 %x, [x];\n"
                          "    ld.param.u64 %y, [y];\n"
                          "    ld.param.f32 %factor, [factor];\n"
                          "    ld.param.u32 %n, [n];\n"
                          "    mov.u32 %block, %ctaid.x;\n"
                          "    mov.u32 %size, %ntid.x;\n"
                          "    mov.u32 %thread, %tid.x;\n"
                          "    mad.lo.u32 %i, %block, %size, %thread;\n"
                          "    setp.ge.u32 %outside, %i, %n;\n"
                          "    @%outside bra DONE;\n"
                          "    cvta.to.global.u64 %x, %x;\n"
                          "    cvta.to.global.u64 %y, %y;\n"
                          "    mul.wide.u32 %offset, %i, 4;\n"
                          "    add.u64 %x, %x, %offset;\n"
                          "    add.u64 %y, %y, %offset;\n"
                          "    ld.global.f32 %a, [%x];\n"
                          "    ld.global.f32 %b, [%y];\n"
                          "    fma.rn.f32 %b, %factor, %a, %b;\n"
                          "    st.global.f32 [%y], %b;\n"
                          "DONE:\n"
                          "    ret;\n"
                          "}\n";

enum { N = 10007, THREADS = 128 };

static int failures;

// What a wrong use returns is printed by name, and must be what the manual says.
static void expect(const char *use, CUresult expected, CUresult found) {
    const char *name = "a code without a name";
    cuGetErrorName(found, &name);
    printf("  %s: %s\n", use, name);
    if (found != expected) {
        printf("    expected %d, found %d\n", expected, found);
        failures++;
    }
}

static void wrong_uses_before_a_context(void) {
    CUdevice device;
    CUdeviceptr memory;
    int count;
    expect("a count before cuInit", CUDA_ERROR_NOT_INITIALIZED, cuDeviceGetCount(&count));
    expect("cuInit with flags", CUDA_ERROR_INVALID_VALUE, cuInit(1));
    CHECK(cuInit(0));
    CHECK(cuDeviceGetCount(&count));
    expect("a device that is not there", CUDA_ERROR_INVALID_DEVICE, cuDeviceGet(&device, count));
    expect("a count into nowhere", CUDA_ERROR_INVALID_VALUE, cuDeviceGetCount(NULL));
    expect("memory without a context", CUDA_ERROR_INVALID_CONTEXT, cuMemAlloc(&memory, 4096));
}

static void wrong_uses_of_a_module(CUmodule module) {
    CUfunction function;
    CUdeviceptr address;
    size_t bytes;
    expect("a function that the module lacks", CUDA_ERROR_NOT_FOUND, cuModuleGetFunction(&function, module, "absent"));
    expect("a variable that it lacks", CUDA_ERROR_NOT_FOUND, cuModuleGetGlobal(&address, &bytes, module, "absent"));
    CHECK(cuModuleGetFunction(&function, module, "scale_add"));
    CUdeviceptr none = 0;
    float factor = 1;
    uint32_t n = 0;
    void *parameters[] = {&none, &none, &factor, &n};
    expect("a block of no threads", CUDA_ERROR_INVALID_VALUE,
           cuLaunchKernel(function, 1, 1, 1, 0, 1, 1, 0, NULL, parameters, NULL));
    expect("a block of too many threads", CUDA_ERROR_INVALID_VALUE,
           cuLaunchKernel(function, 1, 1, 1, 4096, 1, 1, 0, NULL, parameters, NULL));
}

static void wrong_uses_of_memory(void) {
    CUdeviceptr memory;
    expect("no memory at all", CUDA_ERROR_INVALID_VALUE, cuMemAlloc(&memory, 0));
    expect("more memory than there is", CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc(&memory, (size_t)1 << 50));
    CHECK(cuMemAlloc(&memory, 4096));
    CHECK(cuMemFree(memory));
    expect("memory freed twice", CUDA_ERROR_INVALID_VALUE, cuMemFree(memory));
}

// Runs the kernel three times, by both forms of a launch, and counts the elements that are not what they should be.
static int launches(CUmodule module) {
    static float x[N], y[N], result[N];
    for (int i = 0; i < N; i++) x[i] = (float)(i % 251), y[i] = (float)(i % 17);
    CUfunction function;
    CHECK(cuModuleGetFunction(&function, module, "scale_add"));
    CUdeviceptr device_x, device_y;
    CHECK(cuMemAlloc(&device_x, sizeof x));
    CHECK(cuMemAlloc(&device_y, sizeof y));
    CHECK(cuMemcpyHtoD(device_x, x, sizeof x));
    CHECK(cuMemcpyHtoD(device_y, y, sizeof y));

    float factor = 2;
    uint32_t n = N, blocks = (N + THREADS - 1) / THREADS;
    void *parameters[] = {&device_x, &device_y, &factor, &n};
    CHECK(cuLaunchKernel(function, blocks, 1, 1, THREADS, 1, 1, 0, NULL, parameters, NULL));

    struct {
        CUdeviceptr x, y;
        float factor;
        uint32_t n;
    } buffer = {device_x, device_y, 3, N};
    size_t buffer_size = sizeof buffer;
    void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &buffer, CU_LAUNCH_PARAM_BUFFER_SIZE, &buffer_size, CU_LAUNCH_PARAM_END};
    CHECK(cuLaunchKernel(function, blocks, 1, 1, THREADS, 1, 1, 0, NULL, NULL, extra));

    // The same through a stream of its own, for the second half only: device pointers take part in arithmetic.
    CUstream stream;
    CHECK(cuStreamCreate(&stream, CU_STREAM_DEFAULT));
    CUdeviceptr half_x = device_x + N / 2 * sizeof(float), half_y = device_y + N / 2 * sizeof(float);
    factor = 5, n = N - N / 2;
    void *half[] = {&half_x, &half_y, &factor, &n};
    CHECK(cuLaunchKernel(function, blocks, 1, 1, THREADS, 1, 1, 0, stream, half, NULL));
    CHECK(cuMemcpyDtoHAsync(result, device_y, sizeof result, stream));
    CHECK(cuStreamSynchronize(stream));
    CHECK(cuStreamDestroy(stream));
    CHECK(cuMemFree(device_x));
    CHECK(cuMemFree(device_y));

    int wrong = 0;
    for (int i = 0; i < N; i++) wrong += result[i] != y[i] + (2 + 3 + (i >= N / 2 ? 5 : 0)) * x[i];
    return wrong;
}

int main(void) {
    wrong_uses_before_a_context();
    CUdevice device;
    CUcontext context;
    CHECK(cuDeviceGet(&device, 0));
    CHECK(cuDevicePrimaryCtxRetain(&context, device));
    CHECK(cuCtxSetCurrent(context));
    CUmodule module;
    CHECK(cuModuleLoadData(&module, PTX));
    wrong_uses_of_a_module(module);
    wrong_uses_of_memory();
    int wrong = launches(module);
    CHECK(cuModuleUnload(module));
    CHECK(cuDevicePrimaryCtxRelease(device));
    printf("driver_api: 3 launches over %d elements, wrong=%d, unexpected codes=%d\n", N, wrong, failures);
    return wrong + failures != 0;
}
