// The driver's linker: PTX goes in, from memory and from a file, and what comes out is loaded and run.
#include "kernels.h"

#include <stdlib.h>
#include <unistd.h>

static CUlinkState begin_link(void) {
    static char info[4096], error[4096];
    CUjit_option options[] = {CU_JIT_INFO_LOG_BUFFER, CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES, CU_JIT_ERROR_LOG_BUFFER,
                              CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES, CU_JIT_LOG_VERBOSE};
    void *values[] = {info, (void *)sizeof info, error, (void *)sizeof error, (void *)1};
    CUlinkState link;
    CHECK(cuLinkCreate(5, options, values, &link));
    return link;
}

static void runs(const char *what, CUlinkState link) {
    void *image = NULL;
    size_t bytes = 0;
    CUmodule module;
    uint32_t found[8];
    CUdeviceptr memory = words(8);
    CHECK(cuLinkComplete(link, &image, &bytes));
    hold("something was made", image != NULL && bytes > 0);
    CHECK(cuModuleLoadData(&module, image));
    // The image is only lent: the module outlives it.
    CHECK(cuLinkDestroy(link));
    CHECK(launch(function_of(module, "fill"), NULL, memory, 41, 8));
    CHECK(cuMemcpyDtoH(found, memory, sizeof found));
    hold(what, found[0] == 41 && found[7] == 41);
    CHECK(cuModuleUnload(module));
    CHECK(cuMemFree(memory));
}

int main(void) {
    begin();
    CUlinkState link = begin_link();
    CHECK(cuLinkAddData(link, CU_JIT_INPUT_PTX, (void *)KERNELS, sizeof KERNELS, "kernels.ptx", 0, NULL, NULL));
    runs("what was linked from memory runs", link);

    char path[] = "/tmp/farwarp-linked-XXXXXX";
    int file = mkstemp(path);
    hold("the file is written", write(file, KERNELS, sizeof KERNELS - 1) == sizeof KERNELS - 1);
    close(file);
    link = begin_link();
    CHECK(cuLinkAddFile(link, CU_JIT_INPUT_PTX, path, 0, NULL, NULL));
    runs("what was linked from a file runs", link);
    unlink(path);

    link = begin_link();
    void *image;
    size_t bytes;
    expect("a file that is not there", CUDA_ERROR_FILE_NOT_FOUND, cuLinkAddFile(link, CU_JIT_INPUT_PTX, path, 0, NULL, NULL));
    expect("no data", CUDA_ERROR_INVALID_VALUE, cuLinkAddData(link, CU_JIT_INPUT_PTX, NULL, 4, NULL, 0, NULL, NULL));
    expect("nothing to link", CUDA_ERROR_INVALID_VALUE, cuLinkComplete(link, &image, &bytes));
    CHECK(cuLinkDestroy(link));
    expect("a link destroyed twice", CUDA_ERROR_INVALID_HANDLE, cuLinkDestroy(link));
    expect("a destroyed link", CUDA_ERROR_INVALID_HANDLE, cuLinkComplete(link, &image, &bytes));
    printf("linked: %d unexpected\n", failures);
    return failures != 0;
}
