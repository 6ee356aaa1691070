// cuGetProcAddress: what it finds lies in the library that answers, is the version that was asked for, and works; what does
// not exist is not found.
#define _GNU_SOURCE
#include "kernels.h"

#include <dlfcn.h>

static const char *library_of(void *address) {
    Dl_info info;
    return dladdr(address, &info) ? info.dli_fname : "nowhere";
}

static void *find(const char *name, int version, cuuint64_t flags, CUresult expected, CUdriverProcAddressQueryResult why) {
    void *address = (void *)1;
    CUdriverProcAddressQueryResult status = -1;
    CUresult result = cuGetProcAddress(name, &address, version, flags, &status);
    char use[128];
    snprintf(use, sizeof use, "%s of %d, flags %d", name, version, (int)flags);
    expect(use, expected, result);
    if (status != why) printf("    its status is %d, expected %d\n", status, why), failures++;
    if ((result == CUDA_SUCCESS) != (address != NULL)) printf("    its address is %p\n", address), failures++;
    return result == CUDA_SUCCESS ? address : NULL;
}

// The same as a symbol of the library that answers, by its name there.
static void is(const char *symbol, void *address) {
    hold(symbol, address && address == dlsym(RTLD_DEFAULT, symbol));
}

#define FOUND CUDA_SUCCESS, CU_GET_PROC_ADDRESS_SUCCESS
#define ABSENT CUDA_ERROR_NOT_FOUND, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND
#define NEWER CUDA_ERROR_NOT_FOUND, CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT

int main(void) {
    enum { USUAL = CU_GET_PROC_ADDRESS_DEFAULT, PER_THREAD = CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM };
    is("cuInit", find("cuInit", 12000, USUAL, FOUND));
    is("cuMemAlloc_v2", find("cuMemAlloc", 12000, USUAL, FOUND));
    is("cuMemAlloc_v2", find("cuMemAlloc", 3020, USUAL, FOUND));
    is("cuMemAlloc", find("cuMemAlloc", 2000, USUAL, FOUND));
    is("cuCtxCreate_v2", find("cuCtxCreate", 11000, USUAL, FOUND));
    is("cuCtxCreate_v4", find("cuCtxCreate", 13000, USUAL, FOUND));
    is("cuLaunchKernel", find("cuLaunchKernel", 12000, USUAL, FOUND));
    is("cuLaunchKernel_ptsz", find("cuLaunchKernel", 12000, PER_THREAD, FOUND));
    is("cuMemcpyDtoH_v2_ptds", find("cuMemcpyDtoH", 12000, PER_THREAD, FOUND));
    is("cuCtxSynchronize", find("cuCtxSynchronize", 12000, PER_THREAD, FOUND));
    find("cuNoSuchFunction", 12000, USUAL, ABSENT);
    find("cuMemAlloc_v9", 12000, USUAL, ABSENT);
    find("", 12000, USUAL, ABSENT);
    find("cuLibraryLoadData", 11000, USUAL, NEWER);
    find("cuLaunchKernelEx", 9000, USUAL, NEWER);
    void *address;
    expect("no name", CUDA_ERROR_INVALID_VALUE, cuGetProcAddress(NULL, &address, 12000, 0, NULL));
    expect("an address into nowhere", CUDA_ERROR_INVALID_VALUE, cuGetProcAddress("cuInit", NULL, 12000, 0, NULL));

    CUresult (*init)(unsigned) = find("cuInit", 13000, USUAL, FOUND);
    CUresult (*count_of)(int *) = find("cuDeviceGetCount", 13000, USUAL, FOUND);
    int count = 0;
    hold("what was found works", init && count_of && init(0) == CUDA_SUCCESS && count_of(&count) == CUDA_SUCCESS && count > 0);
    const char *library = library_of((void *)init);
    hold("and lies in libcuda.so.1", strstr(library, "libcuda.so.1") != NULL);
    hold("as all of it does", !strcmp(library, library_of(find("cuLaunchKernelEx", 13000, PER_THREAD, FOUND))));
    printf("entry_points: %d unexpected\n", failures);
    return failures != 0;
}
