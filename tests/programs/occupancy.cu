// How many blocks find room, what a function needs, what a device has: the answers fit each other, and a launch of what was
// suggested runs.
#include "arrays.h"

__global__ void small(int *values, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) values[i] = i;
}

__global__ void with_shared(int *values) {
    extern __shared__ int words[];
    __shared__ int fixed[1024];
    fixed[threadIdx.x] = threadIdx.x, words[threadIdx.x] = 1;
    __syncthreads();
    values[blockIdx.x * blockDim.x + threadIdx.x] = fixed[blockDim.x - 1 - threadIdx.x] + words[0];
}

static int check_function(int device) {
    cudaFuncAttributes attributes;
    int wrong = 0, least_grid, block, blocks, before, most_threads;
    CHECK(cudaFuncGetAttributes(&attributes, with_shared));
    wrong += attributes.sharedSizeBytes != 4096 || attributes.maxThreadsPerBlock < 32 || attributes.numRegs < 1;
    wrong += attributes.ptxVersion < 75 || attributes.constSizeBytes != 0;
    CHECK(cudaDeviceGetAttribute(&most_threads, cudaDevAttrMaxThreadsPerMultiProcessor, device));
    CHECK(cudaOccupancyMaxPotentialBlockSize(&least_grid, &block, small, 0, 0));
    wrong += block < 32 || block > 1024 || block % 32 || least_grid < 1;
    before = most_threads;
    for (int threads = 32; threads <= 1024; threads *= 2) {
        CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, small, threads, 0));
        wrong += blocks < 1 || blocks > before || blocks * threads > most_threads;
        before = blocks;
    }
    size_t room;
    CHECK(cudaOccupancyAvailableDynamicSMemPerBlock(&room, with_shared, 2, 128));
    wrong += room == 0;
    CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, with_shared, 128, room));
    wrong += blocks < 2;
    auto each = [](int threads) { return (size_t)threads * 4; };
    CHECK(cudaOccupancyMaxPotentialBlockSizeVariableSMem(&least_grid, &block, with_shared, each, 0));
    wrong += block < 32 || block > 1024;
    CHECK(cudaFuncSetAttribute(with_shared, cudaFuncAttributePreferredSharedMemoryCarveout, 50));
    CHECK(cudaFuncSetCacheConfig(small, cudaFuncCachePreferL1));

    const int n = 10000;
    int *values = device_zeroes<int>(n);
    CHECK(cudaOccupancyMaxPotentialBlockSize(&least_grid, &block, small, 0, 0));
    small<<<(n + block - 1) / block, block>>>(values, n);
    std::vector<int> expected(n);
    for (int i = 0; i < n; i++) expected[i] = i;
    wrong += differing(expected, to_host(values, n));
    with_shared<<<2, 256, 256 * sizeof(int)>>>(values);
    for (int i = 0; i < 512; i++) expected[i] = 255 - i % 256 + 1;
    wrong += differing(expected, to_host(values, n));
    return wrong;
}

static int check_device(int device) {
    cudaDeviceProp properties;
    int wrong = 0, value;
    CHECK(cudaGetDeviceProperties(&properties, device));
    const struct {
        cudaDeviceAttr which;
        long long same;
    } pairs[] = {{cudaDevAttrMaxThreadsPerBlock, properties.maxThreadsPerBlock}, {cudaDevAttrWarpSize, properties.warpSize},
                 {cudaDevAttrMultiProcessorCount, properties.multiProcessorCount}, {cudaDevAttrComputeCapabilityMajor, properties.major},
                 {cudaDevAttrComputeCapabilityMinor, properties.minor}, {cudaDevAttrMaxGridDimX, properties.maxGridSize[0]},
                 {cudaDevAttrMaxBlockDimZ, properties.maxThreadsDim[2]}, {cudaDevAttrTotalConstantMemory, (long long)properties.totalConstMem},
                 {cudaDevAttrMaxRegistersPerBlock, properties.regsPerBlock}, {cudaDevAttrUnifiedAddressing, properties.unifiedAddressing},
                 {cudaDevAttrMaxSharedMemoryPerBlock, (long long)properties.sharedMemPerBlock}};
    for (const auto &pair : pairs) {
        CHECK(cudaDeviceGetAttribute(&value, pair.which, device));
        wrong += value != pair.same;
    }
    int asked = 0, refused = 0;
    for (int which = 1; which < 150; which++) {
        cudaError_t answer = cudaDeviceGetAttribute(&value, (cudaDeviceAttr)which, device);
        answer == cudaSuccess ? asked++ : refused++;
        wrong += answer != cudaSuccess && answer != cudaErrorInvalidValue && answer != cudaErrorNotSupported;
    }
    cudaGetLastError();
    size_t free_bytes, all_bytes, less;
    CHECK(cudaMemGetInfo(&free_bytes, &all_bytes));
    wrong += all_bytes != properties.totalGlobalMem || free_bytes > all_bytes;
    void *large;
    CHECK(cudaMalloc(&large, 64 << 20));
    CHECK(cudaMemGetInfo(&less, &all_bytes));
    wrong += less > free_bytes;
    CHECK(cudaFree(large));
    int driver, runtime;
    CHECK(cudaDriverGetVersion(&driver));
    CHECK(cudaRuntimeGetVersion(&runtime));
    wrong += driver < 12000 || runtime < 12000;
    printf("occupancy: compute capability %d.%d, %d attributes answered, %d refused\n", properties.major, properties.minor, asked, refused);
    return wrong;
}

int main() {
    int device, wrong;
    CHECK(cudaGetDevice(&device));
    wrong = check_function(device) + check_device(device);
    LAUNCHED();
    return verdict("occupancy", wrong);
}
