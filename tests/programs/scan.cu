// Prefix sums twice: block by block with a second pass over the blocks' sums, and in one pass in which each block waits for
// the one before it, which only ends when blocks that wait let others run.
#include "arrays.h"

const int THREADS = 128;

__device__ int scan_block(int value) {
    __shared__ int warps[THREADS / 32];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    for (int distance = 1; distance < 32; distance *= 2) {
        int other = __shfl_up_sync(~0u, value, distance);
        if (lane >= distance) value += other;
    }
    if (lane == 31) warps[warp] = value;
    __syncthreads();
    for (int before = 0; before < warp; before++) value += warps[before];
    return value;
}

__global__ void scan_blocks(const int *values, int *scanned, int *sums, int n) {
    int i = blockIdx.x * THREADS + threadIdx.x;
    int sum = scan_block(i < n ? values[i] : 0);
    if (i < n) scanned[i] = sum;
    if (sums && threadIdx.x == THREADS - 1) sums[blockIdx.x] = sum;
}

__global__ void add_before(int *scanned, const int *sums, int n) {
    int i = blockIdx.x * THREADS + threadIdx.x;
    if (blockIdx.x > 0 && i < n) scanned[i] += sums[blockIdx.x - 1];
}

// A block's number is drawn, not given: whoever waits, waits for a block that has begun.
__device__ unsigned drawn;

struct Told {
    volatile int ready;
    volatile int sum;
};

__global__ void scan_in_one_pass(const int *values, int *scanned, Told *told, int n) {
    __shared__ int block, before;
    if (threadIdx.x == 0) block = atomicAdd(&drawn, 1);
    __syncthreads();
    int i = block * THREADS + threadIdx.x;
    int sum = scan_block(i < n ? values[i] : 0);
    if (threadIdx.x == THREADS - 1) {
        before = 0;
        if (block > 0) {
            while (!told[block - 1].ready) {}
            __threadfence();
            before = told[block - 1].sum;
        }
        told[block].sum = before + sum;
        __threadfence();
        told[block].ready = 1;
    }
    __syncthreads();
    if (i < n) scanned[i] = before + sum;
}

int main() {
    const int n = 12345, blocks = (n + THREADS - 1) / THREADS;
    Random random(2);
    std::vector<int> values(n), expected(n);
    int sum = 0;
    for (int i = 0; i < n; i++) expected[i] = sum += values[i] = (int)(random.next() % 2001) - 1000;
    int *device = to_device(values), *scanned = device_zeroes<int>(n), *sums = device_zeroes<int>(blocks);

    scan_blocks<<<blocks, THREADS>>>(device, scanned, sums, n);
    scan_blocks<<<1, THREADS>>>(sums, sums, nullptr, blocks);
    add_before<<<blocks, THREADS>>>(scanned, sums, n);
    LAUNCHED();
    int wrong = blocks > THREADS || differing(expected, to_host(scanned, n));

    int *one_pass = device_zeroes<int>(n);
    scan_in_one_pass<<<blocks, THREADS>>>(device, one_pass, device_zeroes<Told>(blocks), n);
    LAUNCHED();
    wrong += differing(expected, to_host(one_pass, n));
    printf("scan: %d elements, %d blocks, last %d\n", n, blocks, expected[n - 1]);
    return verdict("scan", wrong);
}
