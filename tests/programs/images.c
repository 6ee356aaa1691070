// Code from PTX text, from a file and from a library, and the variables in it.
#include "kernels.h"

#include <unistd.h>

static uint32_t read_word(CUdeviceptr address) {
    uint32_t word = 0;
    CHECK(cuMemcpyDtoH(&word, address, sizeof word));
    return word;
}

static void bump(CUfunction function, uint32_t index) {
    void *parameters[] = {&index};
    CHECK(cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, NULL, parameters, NULL));
}

static void variables_of(CUmodule module, const char *whose) {
    CUdeviceptr counter, steps;
    size_t bytes;
    CUfunction function = function_of(module, "bump");
    CHECK(cuModuleGetGlobal(&counter, &bytes, module, "counter"));
    printf("  a variable of %s: %zu bytes, %u at first\n", whose, bytes, read_word(counter));
    CUmemorytype type = 0;
    CHECK(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, counter));
    hold("it is the device's", type == CU_MEMORYTYPE_DEVICE);
    for (uint32_t i = 0; i < 4; i++) bump(function, i);
    hold("a kernel writes it", read_word(counter) == 40 + 1111);
    CHECK(cuMemsetD32(counter, 5, 1));
    CHECK(cuModuleGetGlobal(&steps, &bytes, module, "steps"));
    printf("  a constant of %s: %zu bytes\n", whose, bytes);
    uint32_t two = 2;
    CHECK(cuMemcpyHtoD(steps + 4, &two, sizeof two));
    bump(function, 1);
    hold("and reads what the program wrote", read_word(counter) == 7);
    CHECK(cuModuleGetGlobal(NULL, &bytes, module, "counter"));
    hold("the bytes alone can be asked", bytes == 4);
}

int main(void) {
    CUmodule first = begin(), second, third;
    variables_of(first, "a module");
    CHECK(cuModuleLoadDataEx(&second, KERNELS, 0, NULL, NULL));
    variables_of(second, "a second module of the same text");

    char path[] = "/tmp/farwarp-images-XXXXXX";
    int file = mkstemp(path);
    if (file < 0 || write(file, KERNELS, sizeof KERNELS) != sizeof KERNELS) return perror(path), 2;
    CHECK(cuModuleLoad(&third, path));
    unlink(path), close(file);
    variables_of(third, "a module of a file");
    CHECK(cuModuleUnload(second));
    CUdeviceptr counter;
    size_t bytes;
    CHECK(cuModuleGetGlobal(&counter, &bytes, first, "counter"));
    hold("unloading one leaves the others", read_word(counter) == 7);

    CUlibrary library;
    CUkernel kernel;
    CUfunction function;
    unsigned count = 0;
    CHECK(cuLibraryLoadData(&library, KERNELS, NULL, NULL, 0, NULL, NULL, 0));
    CHECK(cuLibraryGetKernelCount(&count, library));
    printf("  a library of %u kernels\n", count);
    CHECK(cuLibraryGetKernel(&kernel, library, "bump"));
    CHECK(cuKernelGetFunction(&function, kernel));
    CHECK(cuLibraryGetGlobal(&counter, &bytes, library, "counter"));
    bump(function, 3);
    // The runtime passes a kernel where a function is expected.
    bump((CUfunction)kernel, 2);
    hold("a library's kernel runs as a function and as itself", read_word(counter) == 40 + 1100);
    const char *name = NULL;
    CHECK(cuFuncGetName(&name, function));
    hold("it knows its name", name && !strcmp(name, "bump"));
    size_t offset, size;
    CHECK(cuFuncGetParamInfo(function_of(first, "fill"), 1, &offset, &size));
    hold("and its parameters", offset == 8 && size == 4);
    expect("a parameter behind the last", CUDA_ERROR_INVALID_VALUE, cuFuncGetParamInfo(function, 1, &offset, &size));
    CHECK(cuLibraryUnload(library));
    CHECK(cuModuleUnload(first));
    CHECK(cuModuleUnload(third));
    printf("images: %d unexpected\n", failures);
    return failures != 0;
}
