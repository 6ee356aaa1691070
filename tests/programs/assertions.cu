// A device assertion that holds, then one that fails: the message on stderr, the error that stays, and a device that answers
// nothing but it until it is reset.
#include "arrays.h"

#include <assert.h>

__global__ void check(const int *values, int most) { assert(values[threadIdx.x] <= most); }

int main() {
    std::vector<int> values = {1, 2, 3, 4, 5, 6, 7, 99};
    int *device = to_device(values), wrong = 0;
    check<<<1, 8>>>(device, 99);
    LAUNCHED();
    printf("assertions: the first holds\n");
    fflush(stdout);
    check<<<1, 8>>>(device, 50);
    cudaError_t met = cudaDeviceSynchronize();
    cudaError_t again = cudaGetLastError();
    int word;
    cudaError_t copied = cudaMemcpy(&word, device, sizeof(word), cudaMemcpyDeviceToHost);
    cudaError_t made = cudaMalloc(&device, 16);
    wrong += met != cudaErrorAssert || again != cudaErrorAssert || copied != cudaErrorAssert || made != cudaErrorAssert;
    printf("assertions: %s, then %s, a copy %s, an allocation %s\n", cudaGetErrorName(met), cudaGetErrorName(again),
           cudaGetErrorName(copied), cudaGetErrorName(made));
    return verdict("assertions", wrong);
}
