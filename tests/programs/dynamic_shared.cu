// Dynamic shared memory: several arrays in one, together with static ones, of a size known only at the launch, and more than
// the 48 KiB that need no asking.
#include "arrays.h"

extern __shared__ unsigned char room[];

// Three arrays of different types; what one thread writes, another reads.
__global__ void three(int n, double *out_doubles, int *out_ints, char *out_chars) {
    __shared__ int fixed[32];
    auto *doubles = (double *)room;
    auto *ints = (int *)(doubles + n);
    auto *chars = (char *)(ints + n);
    int i = threadIdx.x;
    if (i < 32) fixed[i] = 100 * i;
    doubles[i] = i / 4.0, ints[i] = -i, chars[i] = 'a' + i % 26;
    __syncthreads();
    int other = n - 1 - i;
    out_doubles[i] = doubles[other] + fixed[i % 32], out_ints[i] = ints[other], out_chars[i] = chars[other];
}

// The size by which it was launched, as the hardware knows it.
__global__ void size_of_room(unsigned *found) {
    unsigned size;
    asm("mov.u32 %0, %%dynamic_smem_size;" : "=r"(size));
    *found = size;
}

// Turns an array around in one block.
__global__ void turn(const int *values, int *turned, int n) {
    int *ints = (int *)room;
    for (int i = threadIdx.x; i < n; i += blockDim.x) ints[i] = values[i];
    __syncthreads();
    for (int i = threadIdx.x; i < n; i += blockDim.x) turned[i] = ints[n - 1 - i];
}

int main() {
    const int n = 96;
    double *doubles = device_zeroes<double>(n);
    int *ints = device_zeroes<int>(n), wrong = 0;
    char *chars = device_zeroes<char>(n);
    three<<<1, n, n * 13>>>(n, doubles, ints, chars);
    LAUNCHED();
    std::vector<double> expected_doubles(n);
    std::vector<int> expected_ints(n);
    std::vector<char> expected_chars(n);
    for (int i = 0; i < n; i++) {
        int other = n - 1 - i;
        expected_doubles[i] = other / 4.0 + 100 * (i % 32), expected_ints[i] = -other, expected_chars[i] = 'a' + other % 26;
    }
    wrong += differing(expected_doubles, to_host(doubles, n)) + differing(expected_ints, to_host(ints, n));
    wrong += differing(expected_chars, to_host(chars, n));

    auto *size = device_zeroes<unsigned>(1);
    size_of_room<<<1, 32, 12352>>>(size);
    wrong += to_host(size, 1)[0] != 12352;

    int large = 0, plain = 0, device = 0;
    CHECK(cudaGetDevice(&device));
    CHECK(cudaDeviceGetAttribute(&plain, cudaDevAttrMaxSharedMemoryPerBlock, device));
    CHECK(cudaDeviceGetAttribute(&large, cudaDevAttrMaxSharedMemoryPerBlockOptin, device));
    int count = large / 4;
    std::vector<int> values(count);
    for (int i = 0; i < count; i++) values[i] = i * 3;
    int *from = to_device(values), *to = device_zeroes<int>(count);
    turn<<<1, 256, large>>>(from, to, count);
    cudaError_t unasked = cudaGetLastError();
    CHECK(cudaFuncSetAttribute(turn, cudaFuncAttributeMaxDynamicSharedMemorySize, large));
    turn<<<1, 256, large>>>(from, to, count);
    LAUNCHED();
    for (int i = 0; i < count / 2; i++) std::swap(values[i], values[count - 1 - i]);
    wrong += differing(values, to_host(to, count));
    cudaError_t too_large = cudaFuncSetAttribute(turn, cudaFuncAttributeMaxDynamicSharedMemorySize, large + 1);
    cudaGetLastError();
    cudaFuncAttributes attributes;
    CHECK(cudaFuncGetAttributes(&attributes, turn));
    wrong += plain != 48 << 10 || unasked != cudaErrorInvalidValue || too_large != cudaErrorInvalidValue;
    wrong += attributes.maxDynamicSharedSizeBytes != large || attributes.sharedSizeBytes != 0;
    CHECK(cudaFuncGetAttributes(&attributes, three));
    wrong += attributes.sharedSizeBytes != 128;
    printf("dynamic_shared: unasked %s, one byte more %s\n", cudaGetErrorName(unasked), cudaGetErrorName(too_large));
    return verdict("dynamic_shared", wrong);
}
