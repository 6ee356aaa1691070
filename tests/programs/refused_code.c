// Code with an instruction that the device does not have: refused when it is loaded, in words, and what comes after it works.
#include "kernels.h"

#define TEXT(instruction)                                                                                              \
    ".version 8.0\n.target sm_86\n.address_size 64\n"                                                                  \
    ".visible .entry fine()\n{\n    ret;\n}\n"                                                                         \
    ".visible .entry odd()\n{\n    " instruction ";\n    ret;\n}\n"

static CUresult load(const char *text, char *errors, unsigned room, unsigned *told) {
    CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
    void *values[] = {errors, (void *)(uintptr_t)room};
    CUmodule module;
    memset(errors, 0, room);
    CUresult result = cuModuleLoadDataEx(&module, text, 2, options, values);
    *told = (unsigned)(uintptr_t)values[1];
    if (result == CUDA_SUCCESS) CHECK(cuModuleUnload(module));
    return result;
}

int main(void) {
    CUdevice device;
    CUcontext context;
    CHECK(cuInit(0));
    CHECK(cuDeviceGet(&device, 0));
    CHECK(cuDevicePrimaryCtxRetain(&context, device));
    CHECK(cuCtxSetCurrent(context));
    char errors[512], little[8];
    unsigned told;
    const char *name;
    CUresult result = load(TEXT("wgmma.fence.sync.aligned"), errors, sizeof errors, &told);
    cuGetErrorName(result, &name);
    printf("an instruction of another device: %s\n", name);
    printf("the log names it: %d, and its line: %d\n", strstr(errors, "wgmma.fence") != NULL, strstr(errors, "line 10") != NULL);
    printf("as long as it says: %d\n", told > 0 && told <= sizeof errors);
    result = load(TEXT("wgmma.fence.sync.aligned"), little, sizeof little, &told);
    printf("a small log is filled to its end: %d\n", result == CUDA_ERROR_INVALID_PTX && strlen(little) == sizeof little - 1);
    printf("without it: %d\n", load(TEXT("bar.sync 0"), errors, sizeof errors, &told));
    printf("nothing is in the log: %d\n", errors[0] == 0);
    CUlibrary library;
    result = cuLibraryLoadData(&library, TEXT("wgmma.fence.sync.aligned"), NULL, NULL, 0, NULL, NULL, 0);
    printf("as a library: %d\n", result);
    CHECK(cuDevicePrimaryCtxRelease(device));
    return 0;
}
