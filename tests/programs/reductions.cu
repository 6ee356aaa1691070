// Sums, extremes and counts over an array: by warp shuffles, in shared memory, by atomics, by cooperative groups, and by the
// barrier that counts.
// runtimes: all
#include "arrays.h"

#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include <algorithm>
#include <limits.h>

namespace cg = cooperative_groups;

const int THREADS = 256;

__device__ long long warp_sum(long long value) {
    for (int distance = 16; distance > 0; distance /= 2) value += __shfl_xor_sync(~0u, value, distance);
    return value;
}

__global__ void by_shuffles(const int *values, int n, unsigned long long *total) {
    __shared__ long long warps[THREADS / 32];
    long long sum = 0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) sum += values[i];
    sum = warp_sum(sum);
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x < 32) {
        sum = warp_sum(threadIdx.x < THREADS / 32 ? warps[threadIdx.x] : 0);
        if (threadIdx.x == 0) atomicAdd(total, (unsigned long long)sum);
    }
}

// Each block's maximum by a tree in shared memory; the order of the additions below it is fixed, so the float is exact.
__global__ void by_tree(const float *values, int n, float *maxima, float *sums) {
    __shared__ float most[THREADS], sum[THREADS];
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    most[threadIdx.x] = i < n ? values[i] : -1;
    sum[threadIdx.x] = i < n ? values[i] : 0;
    for (int width = blockDim.x / 2; width > 0; width /= 2) {
        __syncthreads();
        if (threadIdx.x < width) {
            most[threadIdx.x] = fmaxf(most[threadIdx.x], most[threadIdx.x + width]);
            sum[threadIdx.x] += sum[threadIdx.x + width];
        }
    }
    if (threadIdx.x == 0) {
        maxima[blockIdx.x] = most[0];
        sums[blockIdx.x] = sum[0];
    }
}

__global__ void by_atomics(const int *values, int n, int *least, int *most, unsigned *bits_or, unsigned *bits_xor) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    atomicMin(least, values[i]);
    atomicMax(most, values[i]);
    atomicOr(bits_or, 1u << (values[i] & 31));
    atomicXor(bits_xor, values[i]);
}

__global__ void by_groups(const int *values, int n, int *sums, int *most) {
    cg::thread_block block = cg::this_thread_block();
    cg::thread_block_tile<16> tile = cg::tiled_partition<16>(block);
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    int value = i < n ? values[i] : 0;
    int sum = cg::reduce(tile, value, cg::plus<int>());
    int largest = cg::reduce(tile, value, cg::greater<int>());
    if (tile.thread_rank() == 0 && i / 16 <= (n - 1) / 16) {
        sums[i / 16] = sum;
        most[i / 16] = largest;
    }
}

__global__ void by_barriers(const int *values, int n, int *counts) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    int value = i < n ? values[i] : 0;
    int odd = __syncthreads_count(value & 1);
    int all_small = __syncthreads_and(value < 900);
    int any_999 = __syncthreads_or(value == 999);
    if (threadIdx.x == 0) {
        counts[3 * blockIdx.x] = odd;
        counts[3 * blockIdx.x + 1] = all_small != 0;
        counts[3 * blockIdx.x + 2] = any_999 != 0;
    }
}

static int integers(const std::vector<int> &values, int blocks) {
    int n = values.size(), wrong = 0, *device = to_device(values);
    long long sum = 0;
    unsigned bits_or = 0, bits_xor = 0;
    for (int value : values) sum += value, bits_or |= 1u << (value & 31), bits_xor ^= value;

    auto *total = device_zeroes<unsigned long long>(1);
    by_shuffles<<<20, THREADS>>>(device, n, total);
    wrong += (long long)to_host(total, 1)[0] != sum;

    int *extremes = to_device(std::vector<int>{INT_MAX, INT_MIN, 0, 0});
    by_atomics<<<blocks, THREADS>>>(device, n, extremes, extremes + 1, (unsigned *)extremes + 2, (unsigned *)extremes + 3);
    std::vector<int> found = to_host(extremes, 4);
    wrong += found[0] != *std::min_element(values.begin(), values.end());
    wrong += found[1] != *std::max_element(values.begin(), values.end());
    wrong += (unsigned)found[2] != bits_or || (unsigned)found[3] != bits_xor;

    int tiles = (n + 15) / 16, *sums = device_zeroes<int>(tiles), *most = device_zeroes<int>(tiles);
    by_groups<<<blocks, THREADS>>>(device, n, sums, most);
    std::vector<int> expected_sums(tiles), expected_most(tiles);
    for (int i = 0; i < n; i++) {
        expected_sums[i / 16] += values[i];
        expected_most[i / 16] = std::max(expected_most[i / 16], values[i]);
    }
    wrong += differing(expected_sums, to_host(sums, tiles)) + differing(expected_most, to_host(most, tiles));

    int *counts = device_zeroes<int>(3 * blocks);
    by_barriers<<<blocks, THREADS>>>(device, n, counts);
    std::vector<int> expected(3 * blocks);
    for (int block = 0; block < blocks; block++) {
        auto first = values.begin() + block * THREADS, last = values.begin() + std::min(n, (block + 1) * THREADS);
        expected[3 * block] = std::count_if(first, last, [](int value) { return value & 1; });
        expected[3 * block + 1] = std::all_of(first, last, [](int value) { return value < 900; });
        expected[3 * block + 2] = std::count(first, last, 999) > 0;
    }
    wrong += differing(expected, to_host(counts, 3 * blocks));
    LAUNCHED();
    printf("reductions: sum %lld, extremes %d %d, xor %#x\n", sum, found[0], found[1], bits_xor);
    return wrong;
}

static int floats(const std::vector<float> &values, int blocks) {
    int n = values.size();
    float *device = to_device(values), *maxima = device_zeroes<float>(blocks), *sums = device_zeroes<float>(blocks);
    by_tree<<<blocks, THREADS>>>(device, n, maxima, sums);
    LAUNCHED();
    std::vector<float> expected_maxima(blocks, -1), expected_sums(blocks);
    for (int block = 0; block < blocks; block++) {
        float sum[THREADS];
        for (int i = 0; i < THREADS; i++) {
            bool inside = block * THREADS + i < n;
            sum[i] = inside ? values[block * THREADS + i] : 0;
            if (inside) expected_maxima[block] = std::max(expected_maxima[block], sum[i]);
        }
        for (int width = THREADS / 2; width > 0; width /= 2)
            for (int i = 0; i < width; i++) sum[i] += sum[i + width];
        expected_sums[block] = sum[0];
    }
    printf("reductions: first block's sum %a, maximum %a\n", expected_sums[0], expected_maxima[0]);
    return differing(expected_maxima, to_host(maxima, blocks)) + differing(expected_sums, to_host(sums, blocks));
}

int main() {
    const int n = 30001, blocks = (n + THREADS - 1) / THREADS;
    Random random(1);
    std::vector<int> values(n);
    std::vector<float> fractions(n);
    for (int &value : values) value = random.next() % 1000;
    for (float &value : fractions) value = random.unit();
    return verdict("reductions", integers(values, blocks) + floats(fractions, blocks));
}
