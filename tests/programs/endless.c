// A kernel that never ends. The program says when it runs, and then waits for it.
//
//   endless         waits in cuCtxSynchronize
//   endless sleep   waits outside of CUDA
#include "kernels.h"

#include <unistd.h>

int main(int count, char **arguments) {
    CUmodule module = begin();
    CUdeviceptr word = words(1);
    CHECK(cuMemsetD32(word, 0, 1));
    CUstream stream;
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    void *parameters[] = {&word};
    CHECK(cuLaunchKernel(function_of(module, "wait"), 1, 1, 1, 1, 1, 1, 0, stream, parameters, NULL));
    CUresult result = cuStreamQuery(stream);
    if (result != CUDA_ERROR_NOT_READY) {
        printf("the kernel ended: %s\n", name_of(result));
        return 1;
    }
    printf("the kernel runs\n");
    fflush(stdout);
    if (count > 1 && !strcmp(arguments[1], "sleep")) sleep(3600);
    CHECK(cuCtxSynchronize());
    printf("it has ended\n");
    return 1;
}
