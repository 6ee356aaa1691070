// Opens the library itself, closes it, and goes on: with what it had found before, and with what it opens anew.
#include "check.h"

#include <dlfcn.h>
#include <stdint.h>

#define FIND(name) *(void **)&name##_ = dlsym(library, #name)

static CUresult (*cuInit_)(unsigned);
static CUresult (*cuCtxCreate_v2_)(CUcontext *, unsigned, CUdevice);
static CUresult (*cuMemAlloc_v2_)(CUdeviceptr *, size_t);
static CUresult (*cuMemsetD32_v2_)(CUdeviceptr, unsigned, size_t);
static CUresult (*cuMemcpyDtoH_v2_)(void *, CUdeviceptr, size_t);

static void *opened(void) {
    void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) fprintf(stderr, "%s\n", dlerror()), exit(2);
    FIND(cuInit), FIND(cuCtxCreate_v2), FIND(cuMemAlloc_v2), FIND(cuMemsetD32_v2), FIND(cuMemcpyDtoH_v2);
    return library;
}

#define MUST(call)                                                                                                     \
    do {                                                                                                               \
        CUresult result_ = (call);                                                                                     \
        if (result_) fprintf(stderr, "%s: %d\n", #call, result_), exit(2);                                             \
    } while (0)

int main(void) {
    CUcontext context;
    CUdeviceptr memory;
    void *library = opened();
    MUST(cuInit_(0));
    MUST(cuCtxCreate_v2_(&context, 0, 0));
    MUST(cuMemAlloc_v2_(&memory, 4));
    dlclose(library);
    for (uint32_t round = 0; round < 50; round++) {
        uint32_t word = 0;
        MUST(cuMemsetD32_v2_(memory, 100 + round, 1));
        MUST(cuMemcpyDtoH_v2_(&word, memory, 4));
        if (word != 100 + round) return printf("a word is %u after a close\n", word), 1;
        library = opened();
        MUST(cuInit_(0));
        dlclose(library);
    }
    printf("reopened: 50 times, all is as before\n");
    return 0;
}
