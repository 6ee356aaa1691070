// The codes that wrong uses return: before cuInit, without a context, with nothing where something must be, with handles that
// are no longer or never were. Printed by name, so that both roads can be compared, and held to what the manual says.
#include "kernels.h"

#define GARBAGE(type) ((type)0x1234567890)

static void before_init(void) {
    CUdevice device;
    CUcontext context;
    CUdeviceptr memory;
    CUstream stream;
    CUevent event;
    CUmodule module;
    CUlibrary library;
    void *host;
    int number;
    size_t bytes;
    const char *text;
    const CUresult expected = CUDA_ERROR_NOT_INITIALIZED;
    expect("cuDeviceGet before cuInit", expected, cuDeviceGet(&device, 0));
    expect("cuDeviceGetCount before cuInit", expected, cuDeviceGetCount(&number));
    expect("cuDeviceGetAttribute before cuInit", expected, cuDeviceGetAttribute(&number, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 0));
    expect("cuDevicePrimaryCtxRetain before cuInit", expected, cuDevicePrimaryCtxRetain(&context, 0));
    expect("cuCtxGetCurrent before cuInit", expected, cuCtxGetCurrent(&context));
    expect("cuCtxSetCurrent before cuInit", expected, cuCtxSetCurrent(NULL));
    expect("cuCtxSynchronize before cuInit", expected, cuCtxSynchronize());
    expect("cuMemAlloc before cuInit", expected, cuMemAlloc(&memory, 16));
    expect("cuMemFree before cuInit", expected, cuMemFree(4096));
    expect("cuMemHostAlloc before cuInit", expected, cuMemHostAlloc(&host, 16, 0));
    expect("cuMemGetInfo before cuInit", expected, cuMemGetInfo(&bytes, &bytes));
    expect("cuStreamCreate before cuInit", expected, cuStreamCreate(&stream, 0));
    expect("cuStreamSynchronize before cuInit", expected, cuStreamSynchronize(NULL));
    expect("cuEventCreate before cuInit", expected, cuEventCreate(&event, 0));
    expect("cuModuleLoadData before cuInit", expected, cuModuleLoadData(&module, KERNELS));
    expect("cuLibraryLoadData before cuInit", expected, cuLibraryLoadData(&library, KERNELS, NULL, NULL, 0, NULL, NULL, 0));
    expect("cuLaunchKernel before cuInit", expected,
           cuLaunchKernel(GARBAGE(CUfunction), 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
    expect("cuPointerGetAttribute before cuInit", expected,
           cuPointerGetAttribute(&number, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, 4096));
    expect("the name of an error, which needs no cuInit", CUDA_SUCCESS, cuGetErrorName(CUDA_ERROR_INVALID_PTX, &text));
    expect("the name of no error", CUDA_ERROR_INVALID_VALUE, cuGetErrorName(98765, &text));
    expect("the driver's version, which needs no cuInit", CUDA_SUCCESS, cuDriverGetVersion(&number));
    expect("the driver's version into nowhere", CUDA_ERROR_INVALID_VALUE, cuDriverGetVersion(NULL));
    expect("cuInit with flags", CUDA_ERROR_INVALID_VALUE, cuInit(1));
}

static void devices(void) {
    CUdevice device;
    CUcontext context;
    char name[64];
    int number, count;
    size_t bytes;
    CHECK(cuDeviceGetCount(&count));
    expect("a device behind the last", CUDA_ERROR_INVALID_DEVICE, cuDeviceGet(&device, count));
    expect("device -1", CUDA_ERROR_INVALID_DEVICE, cuDeviceGet(&device, -1));
    expect("a device into nowhere", CUDA_ERROR_INVALID_VALUE, cuDeviceGet(NULL, 0));
    expect("a count into nowhere", CUDA_ERROR_INVALID_VALUE, cuDeviceGetCount(NULL));
    expect("the name of no device", CUDA_ERROR_INVALID_DEVICE, cuDeviceGetName(name, sizeof name, count));
    expect("a name into nowhere", CUDA_ERROR_INVALID_VALUE, cuDeviceGetName(NULL, 8, 0));
    expect("the memory of no device", CUDA_ERROR_INVALID_DEVICE, cuDeviceTotalMem(&bytes, count));
    expect("an attribute of no device", CUDA_ERROR_INVALID_DEVICE,
           cuDeviceGetAttribute(&number, CU_DEVICE_ATTRIBUTE_WARP_SIZE, count));
    expect("no attribute", CUDA_ERROR_INVALID_VALUE, cuDeviceGetAttribute(&number, 9999, 0));
    expect("attribute 0", CUDA_ERROR_INVALID_VALUE, cuDeviceGetAttribute(&number, 0, 0));
    expect("an attribute into nowhere", CUDA_ERROR_INVALID_VALUE,
           cuDeviceGetAttribute(NULL, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 0));
    expect("the primary context of no device", CUDA_ERROR_INVALID_DEVICE, cuDevicePrimaryCtxRetain(&context, count));
    expect("a primary context into nowhere", CUDA_ERROR_INVALID_VALUE, cuDevicePrimaryCtxRetain(NULL, 0));
    expect("a primary context that nobody retained", CUDA_ERROR_INVALID_CONTEXT, cuDevicePrimaryCtxRelease(0));
    expect("a context on no device", CUDA_ERROR_INVALID_DEVICE, cuCtxCreate(&context, NULL, 0, -7));
}

static void without_a_context(void) {
    CUdevice device;
    CUcontext context = GARBAGE(CUcontext);
    CUdeviceptr memory;
    CUstream stream;
    CUevent event;
    CUmodule module;
    void *host;
    size_t bytes;
    char byte = 0;
    const CUresult expected = CUDA_ERROR_INVALID_CONTEXT;
    expect("the current context where there is none", CUDA_SUCCESS, cuCtxGetCurrent(&context));
    hold("it is NULL", context == NULL);
    expect("its device", expected, cuCtxGetDevice(&device));
    expect("popping it", expected, cuCtxPopCurrent(&context));
    expect("cuCtxSynchronize without a context", expected, cuCtxSynchronize());
    expect("cuMemAlloc without a context", expected, cuMemAlloc(&memory, 16));
    expect("cuMemFree without a context", expected, cuMemFree(4096));
    expect("cuMemHostAlloc without a context", expected, cuMemHostAlloc(&host, 16, 0));
    expect("cuMemGetInfo without a context", expected, cuMemGetInfo(&bytes, &bytes));
    expect("cuMemcpyHtoD without a context", expected, cuMemcpyHtoD(4096, &byte, 1));
    expect("cuMemsetD8 without a context", expected, cuMemsetD8(4096, 0, 1));
    expect("cuStreamCreate without a context", expected, cuStreamCreate(&stream, 0));
    expect("cuStreamSynchronize without a context", expected, cuStreamSynchronize(NULL));
    expect("cuEventCreate without a context", expected, cuEventCreate(&event, 0));
    expect("cuModuleLoadData without a context", expected, cuModuleLoadData(&module, KERNELS));
    expect("a context that never was made current", expected, cuCtxSetCurrent(GARBAGE(CUcontext)));
    expect("a context that never was pushed", expected, cuCtxPushCurrent(GARBAGE(CUcontext)));
    expect("a context that never was destroyed", expected, cuCtxDestroy(GARBAGE(CUcontext)));
}

static void memory(void) {
    CUdeviceptr memory, other;
    void *host;
    char bytes[64] = {0};
    expect("memory into nowhere", CUDA_ERROR_INVALID_VALUE, cuMemAlloc(NULL, 16));
    expect("no memory", CUDA_ERROR_INVALID_VALUE, cuMemAlloc(&memory, 0));
    expect("more memory than there is", CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc(&memory, (size_t)1 << 50));
    expect("more memory than a number holds", CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc(&memory, ~(size_t)0));
    CHECK(cuMemAlloc(&memory, sizeof bytes));
    expect("a free of the inside", CUDA_ERROR_INVALID_VALUE, cuMemFree(memory + 16));
    expect("a copy over the end", CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD(memory + 1, bytes, sizeof bytes));
    expect("a copy from over the end", CUDA_ERROR_INVALID_VALUE, cuMemcpyDtoH(bytes, memory + 1, sizeof bytes));
    expect("a copy around the world", CUDA_ERROR_INVALID_VALUE, cuMemcpyDtoH(bytes, memory, ~(size_t)0));
    expect("a copy from nowhere", CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD(memory, NULL, 16));
    expect("a copy to nowhere", CUDA_ERROR_INVALID_VALUE, cuMemcpyDtoH(NULL, memory, 16));
    expect("a copy to memory of the host", CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD((CUdeviceptr)bytes, bytes, 16));
    expect("a copy of nothing", CUDA_SUCCESS, cuMemcpyHtoD(memory, bytes, 0));
    expect("a set over the end", CUDA_ERROR_INVALID_VALUE, cuMemsetD8(memory, 0, sizeof bytes + 1));
    expect("a set of words that begins between two", CUDA_ERROR_INVALID_VALUE, cuMemsetD32(memory + 2, 0, 1));
    expect("a set of halves that begins between two", CUDA_ERROR_INVALID_VALUE, cuMemsetD16(memory + 1, 0, 1));
    CHECK(cuMemFree(memory));
    expect("a free twice", CUDA_ERROR_INVALID_VALUE, cuMemFree(memory));
    expect("a free of what never was", CUDA_ERROR_INVALID_VALUE, cuMemFree(0x1234567000));
    expect("a free of nothing", CUDA_SUCCESS, cuMemFree(0));
    expect("a copy to what was freed", CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD(memory, bytes, 16));
    CHECK(cuMemAlloc(&memory, 16));
    CHECK(cuMemAlloc(&other, 16));
    expect("a copy on the device over the end", CUDA_ERROR_INVALID_VALUE, cuMemcpyDtoD(memory, other, 17));
    CHECK(cuMemFree(memory));
    CHECK(cuMemFree(other));

    expect("host memory into nowhere", CUDA_ERROR_INVALID_VALUE, cuMemHostAlloc(NULL, 16, 0));
    expect("no host memory", CUDA_ERROR_INVALID_VALUE, cuMemHostAlloc(&host, 0, 0));
    expect("host memory with flags that are none", CUDA_ERROR_INVALID_VALUE, cuMemHostAlloc(&host, 16, 0x8000));
    CHECK(cuMemHostAlloc(&host, 4096, 0));
    CHECK(cuMemFreeHost(host));
    expect("host memory freed twice", CUDA_ERROR_INVALID_VALUE, cuMemFreeHost(host));
    expect("host memory freed that is the program's", CUDA_ERROR_INVALID_VALUE, cuMemFreeHost(bytes));
    expect("host memory unregistered that never was", CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, cuMemHostUnregister(bytes));
    CHECK(cuMemHostRegister(bytes, sizeof bytes, 0));
    expect("host memory registered twice", CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED,
           cuMemHostRegister(bytes, sizeof bytes, 0));
    CHECK(cuMemHostUnregister(bytes));
    expect("host memory unregistered twice", CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, cuMemHostUnregister(bytes));
}

static void streams_and_events(void) {
    CUstream stream;
    CUevent event, other;
    float ms;
    unsigned flags;
    const CUresult expected = CUDA_ERROR_INVALID_HANDLE;
    expect("a stream into nowhere", CUDA_ERROR_INVALID_VALUE, cuStreamCreate(NULL, 0));
    expect("a stream with flags that are none", CUDA_ERROR_INVALID_VALUE, cuStreamCreate(&stream, 0x40));
    CHECK(cuStreamCreate(&stream, 0));
    CHECK(cuStreamDestroy(stream));
    expect("a stream destroyed twice", expected, cuStreamDestroy(stream));
    expect("a destroyed stream synchronised", expected, cuStreamSynchronize(stream));
    expect("a destroyed stream asked for its flags", expected, cuStreamGetFlags(stream, &flags));
    expect("a stream that never was", expected, cuStreamQuery(GARBAGE(CUstream)));
    expect("an event into nowhere", CUDA_ERROR_INVALID_VALUE, cuEventCreate(NULL, 0));
    expect("an event with flags that are none", CUDA_ERROR_INVALID_VALUE, cuEventCreate(&event, 0x40));
    CHECK(cuEventCreate(&event, 0));
    CHECK(cuEventCreate(&other, CU_EVENT_DISABLE_TIMING));
    expect("an event that was never recorded asked", CUDA_SUCCESS, cuEventQuery(event));
    expect("an event that was never recorded waited for", CUDA_SUCCESS, cuEventSynchronize(event));
    expect("the time between events never recorded", expected, cuEventElapsedTime(&ms, event, event));
    CHECK(cuEventRecord(event, NULL));
    CHECK(cuEventRecord(other, NULL));
    CHECK(cuCtxSynchronize());
    expect("the time to an event without a time", expected, cuEventElapsedTime(&ms, event, other));
    expect("a time into nowhere", CUDA_ERROR_INVALID_VALUE, cuEventElapsedTime(NULL, event, event));
    CHECK(cuEventDestroy(event));
    CHECK(cuEventDestroy(other));
    expect("an event destroyed twice", expected, cuEventDestroy(event));
    expect("a destroyed event recorded", expected, cuEventRecord(event, NULL));
    expect("a destroyed event waited for", expected, cuStreamWaitEvent(NULL, event, 0));
    expect("an event that never was", expected, cuEventQuery(GARBAGE(CUevent)));
    CHECK(cuStreamCreate(&stream, 0));
    expect("a stream taken for an event", expected, cuEventQuery((CUevent)stream));
    CHECK(cuStreamDestroy(stream));
}

static void code(void) {
    CUmodule module;
    CUlibrary library;
    CUkernel kernel;
    CUfunction function;
    CUdeviceptr address;
    size_t bytes;
    int number;
    const CUresult handle = CUDA_ERROR_INVALID_HANDLE, value = CUDA_ERROR_INVALID_VALUE;
    expect("a module of nothing", value, cuModuleLoadData(&module, NULL));
    expect("a module into nowhere", value, cuModuleLoadData(NULL, KERNELS));
    expect("a module of a file that is not there", CUDA_ERROR_FILE_NOT_FOUND, cuModuleLoad(&module, "/no/such/file.ptx"));
    CHECK(cuModuleLoadData(&module, KERNELS));
    expect("a function by no name", value, cuModuleGetFunction(&function, module, NULL));
    expect("a function into nowhere", value, cuModuleGetFunction(NULL, module, "fill"));
    expect("a function that is not there", CUDA_ERROR_NOT_FOUND, cuModuleGetFunction(&function, module, "absent"));
    expect("a variable that is not there", CUDA_ERROR_NOT_FOUND, cuModuleGetGlobal(&address, &bytes, module, "absent"));
    function = function_of(module, "fill");
    uint32_t word = 0, n = 0;
    CUdeviceptr to = 0;
    void *parameters[] = {&to, &word, &n};
    expect("a grid of nothing", value, cuLaunchKernel(function, 0, 1, 1, 1, 1, 1, 0, NULL, parameters, NULL));
    expect("a block of nothing", value, cuLaunchKernel(function, 1, 1, 1, 1, 0, 1, 0, NULL, parameters, NULL));
    expect("a block of too many threads", value, cuLaunchKernel(function, 1, 1, 1, 2048, 1, 1, 0, NULL, parameters, NULL));
    expect("a block of too many threads in all", value,
           cuLaunchKernel(function, 1, 1, 1, 64, 64, 1, 0, NULL, parameters, NULL));
    expect("a grid that is too high", value, cuLaunchKernel(function, 1, 70000, 1, 1, 1, 1, 0, NULL, parameters, NULL));
    expect("a launch without its parameters", value, cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
    expect("a launch in a stream that never was", handle,
           cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, GARBAGE(CUstream), parameters, NULL));
    expect("a launch of what never was", handle,
           cuLaunchKernel(GARBAGE(CUfunction), 1, 1, 1, 1, 1, 1, 0, NULL, parameters, NULL));
    expect("a launch of nothing", handle, cuLaunchKernel(NULL, 1, 1, 1, 1, 1, 1, 0, NULL, parameters, NULL));
    expect("no attribute of a function", value, cuFuncGetAttribute(&number, 999, function));
    CHECK(cuModuleUnload(module));
    expect("a module unloaded twice", handle, cuModuleUnload(module));
    expect("a function of a module that is unloaded", handle, cuModuleGetFunction(&function, module, "fill"));
    expect("a launch from a module that is unloaded", handle,
           cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, NULL, parameters, NULL));
    expect("a module that never was", handle, cuModuleUnload(GARBAGE(CUmodule)));

    CHECK(cuLibraryLoadData(&library, KERNELS, NULL, NULL, 0, NULL, NULL, 0));
    expect("a kernel that is not there", CUDA_ERROR_NOT_FOUND, cuLibraryGetKernel(&kernel, library, "absent"));
    expect("a kernel by no name", value, cuLibraryGetKernel(&kernel, library, NULL));
    CHECK(cuLibraryUnload(library));
    expect("a library unloaded twice", handle, cuLibraryUnload(library));
    expect("a library that never was", handle, cuLibraryGetKernel(&kernel, GARBAGE(CUlibrary), "fill"));
}

static void contexts(void) {
    CUcontext context, current;
    CUdevice device;
    CUdeviceptr memory;
    CUstream stream;
    CHECK(cuCtxGetCurrent(&current));
    CHECK(cuCtxCreate(&context, NULL, 0, 0));
    CHECK(cuMemAlloc(&memory, 16));
    CHECK(cuStreamCreate(&stream, 0));
    CHECK(cuCtxDestroy(context));
    expect("a context destroyed twice", CUDA_ERROR_INVALID_CONTEXT, cuCtxDestroy(context));
    expect("a destroyed context made current", CUDA_ERROR_INVALID_CONTEXT, cuCtxSetCurrent(context));
    context = NULL;
    CHECK(cuCtxGetCurrent(&context));
    hold("the one before it is current again", context == current);
    expect("a stream that went with its context", CUDA_ERROR_INVALID_HANDLE, cuStreamSynchronize(stream));
    expect("memory that went with its context", CUDA_ERROR_INVALID_VALUE, cuMemFree(memory));
    expect("a primary context destroyed as if it were another", CUDA_ERROR_INVALID_CONTEXT, cuCtxDestroy(current));
    CHECK(cuDevicePrimaryCtxReset(0));
    expect("memory in a context that was reset", CUDA_ERROR_CONTEXT_IS_DESTROYED, cuMemAlloc(&memory, 16));
    expect("the device of a context that was reset", CUDA_ERROR_CONTEXT_IS_DESTROYED, cuCtxGetDevice(&device));
}

int main(void) {
    before_init();
    CHECK(cuInit(0));
    devices();
    without_a_context();
    CUcontext context;
    CHECK(cuDevicePrimaryCtxRetain(&context, 0));
    CHECK(cuCtxSetCurrent(context));
    memory();
    streams_and_events();
    code();
    contexts();
    printf("wrong_uses: %d unexpected\n", failures);
    return failures != 0;
}
