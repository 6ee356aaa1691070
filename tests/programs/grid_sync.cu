// Kernels whose blocks wait for each other: iterations of a whole grid without coming back to the host, and the launch that
// is refused because its blocks could not all be there at once.
#include "arrays.h"

#include <cooperative_groups.h>

namespace cg = cooperative_groups;

// Each round depends on all values of the round before.
__global__ void rounds(unsigned *from, unsigned *to, int n, int count) {
    cg::grid_group grid = cg::this_grid();
    for (int round = 0; round < count; round++) {
        for (unsigned i = grid.thread_rank(); i < n; i += grid.size())
            to[i] = from[i] * 3 + from[(i * 7 + round) % n] + from[n - 1 - i];
        grid.sync();
        unsigned *kept = from;
        from = to, to = kept;
    }
}

// A sum over the grid in one kernel: partial sums, a barrier, and the first thread adds them.
__global__ void total(const unsigned *values, int n, unsigned *partial, unsigned *sum) {
    cg::grid_group grid = cg::this_grid();
    cg::thread_block block = cg::this_thread_block();
    __shared__ unsigned mine;
    if (block.thread_rank() == 0) mine = 0;
    block.sync();
    for (unsigned i = grid.thread_rank(); i < n; i += grid.size()) atomicAdd(&mine, values[i]);
    block.sync();
    if (block.thread_rank() == 0) partial[blockIdx.x] = mine;
    grid.sync();
    if (grid.thread_rank() == 0) {
        *sum = 0;
        for (int i = 0; i < gridDim.x; i++) *sum += partial[i];
    }
}

int main() {
    int device = 0, cooperative = 0, processors = 0, blocks_each = 0, wrong = 0;
    CHECK(cudaGetDevice(&device));
    CHECK(cudaDeviceGetAttribute(&cooperative, cudaDevAttrCooperativeLaunch, device));
    CHECK(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device));
    CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks_each, rounds, 128, 0));
    if (!cooperative) return verdict("grid_sync", 1);

    int n = 3000, count = 6, blocks = 6;
    if (blocks > processors * blocks_each) blocks = processors * blocks_each;
    std::vector<unsigned> values(n), next(n);
    Random random(20);
    for (unsigned &value : values) value = random.next();
    unsigned *from = to_device(values), *to = device_zeroes<unsigned>(n);
    void *parameters[] = {&from, &to, &n, &count};
    CHECK(cudaLaunchCooperativeKernel((void *)rounds, blocks, 128, parameters, 0, 0));
    CHECK(cudaDeviceSynchronize());
    for (int round = 0; round < count; round++) {
        for (int i = 0; i < n; i++) next[i] = values[i] * 3 + values[(i * 7 + round) % n] + values[n - 1 - i];
        values.swap(next);
    }
    wrong += differing(values, to_host(from, n)); // an even number of rounds ends where it began

    unsigned *partial = device_zeroes<unsigned>(blocks), *sum = device_zeroes<unsigned>(1), expected = 0;
    void *more[] = {&from, &n, &partial, &sum};
    CHECK(cudaLaunchCooperativeKernel((void *)total, blocks, 96, more, 0, 0));
    for (unsigned value : values) expected += value;
    wrong += to_host(sum, 1)[0] != expected;

    cudaError_t too_many = cudaLaunchCooperativeKernel((void *)rounds, processors * blocks_each + 1, 128, parameters, 0, 0);
    wrong += too_many != cudaErrorCooperativeLaunchTooLarge || cudaGetLastError() != too_many;
    LAUNCHED();
    printf("grid_sync: %d rounds over %d values, sum %u, too many: %s\n", count, n, expected, cudaGetErrorName(too_many));
    return verdict("grid_sync", wrong);
}
