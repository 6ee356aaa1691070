// A stable radix sort of 64-bit keys, four bits a pass: counts by block, a scan of all counts, places by ballots of the warps.
#include "arrays.h"

#include <algorithm>

const int THREADS = 128, WARPS = THREADS / 32, DIGITS = 16;

__device__ unsigned digit_of(uint64_t key, int shift) { return key >> shift & (DIGITS - 1); }

// counts[digit][block]
__global__ void count(const uint64_t *keys, unsigned *counts, int n, int shift) {
    __shared__ unsigned mine[DIGITS];
    if (threadIdx.x < DIGITS) mine[threadIdx.x] = 0;
    __syncthreads();
    int i = blockIdx.x * THREADS + threadIdx.x;
    if (i < n) atomicAdd(&mine[digit_of(keys[i], shift)], 1);
    __syncthreads();
    if (threadIdx.x < DIGITS) counts[threadIdx.x * gridDim.x + blockIdx.x] = mine[threadIdx.x];
}

__global__ void scan_all(unsigned *counts, int n) {
    unsigned carried = 0;
    for (int first = 0; first < n; first += 32) {
        int i = first + threadIdx.x;
        unsigned own = i < n ? counts[i] : 0, sum = own;
        for (int distance = 1; distance < 32; distance *= 2) {
            unsigned other = __shfl_up_sync(~0u, sum, distance);
            if (threadIdx.x >= distance) sum += other;
        }
        if (i < n) counts[i] = carried + sum - own;
        carried += __shfl_sync(~0u, sum, 31);
    }
}

__global__ void place(const uint64_t *keys, uint64_t *sorted, const unsigned *counts, int n, int shift) {
    __shared__ unsigned of_warp[DIGITS][WARPS];
    int i = blockIdx.x * THREADS + threadIdx.x, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    uint64_t key = i < n ? keys[i] : 0;
    unsigned digit = i < n ? digit_of(key, shift) : DIGITS, rank = 0;
    for (unsigned other = 0; other < DIGITS; other++) {
        unsigned same = __ballot_sync(~0u, digit == other);
        if (lane == 0) of_warp[other][warp] = __popc(same);
        if (digit == other) rank = __popc(same & ((1u << lane) - 1));
    }
    __syncthreads();
    if (i >= n) return;
    for (int before = 0; before < warp; before++) rank += of_warp[digit][before];
    sorted[counts[digit * gridDim.x + blockIdx.x] + rank] = key;
}

int main() {
    const int n = 3000, blocks = (n + THREADS - 1) / THREADS;
    Random random(5);
    std::vector<uint64_t> keys(n);
    for (uint64_t &key : keys) key = (uint64_t)random.next() << 32 | random.next();
    uint64_t *from = to_device(keys), *to = device_zeroes<uint64_t>(n);
    unsigned *counts = device_zeroes<unsigned>(DIGITS * blocks);
    for (int shift = 0; shift < 64; shift += 4) {
        count<<<blocks, THREADS>>>(from, counts, n, shift);
        scan_all<<<1, 32>>>(counts, DIGITS * blocks);
        place<<<blocks, THREADS>>>(from, to, counts, n, shift);
        std::swap(from, to);
    }
    LAUNCHED();
    std::sort(keys.begin(), keys.end());
    int wrong = differing(keys, to_host(from, n));
    printf("sort_radix: %d keys from %016llx to %016llx\n", n, (unsigned long long)keys[0], (unsigned long long)keys[n - 1]);
    return verdict("sort_radix", wrong);
}
