// Histograms in shared memory, with atomics that a warp's lanes join before, and by a hash table filled with compare and swap.
#include "arrays.h"

#include <map>

const int BINS = 64, SLOTS = 1024, EMPTY = -1;

__global__ void in_shared(const uint8_t *bytes, int n, unsigned *bins) {
    __shared__ unsigned mine[BINS];
    for (int bin = threadIdx.x; bin < BINS; bin += blockDim.x) mine[bin] = 0;
    __syncthreads();
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        atomicAdd(&mine[bytes[i] % BINS], 1);
    __syncthreads();
    for (int bin = threadIdx.x; bin < BINS; bin += blockDim.x) atomicAdd(&bins[bin], mine[bin]);
}

// Lanes with the same bin find each other, and the first adds for all of them.
__global__ void joined(const uint8_t *bytes, int n, unsigned *bins) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    int bin = bytes[i] % BINS;
    unsigned same = __match_any_sync(__activemask(), bin);
    if (__ffs(same) - 1 == threadIdx.x % 32) atomicAdd(&bins[bin], __popc(same));
}

__global__ void hashed(const int *keys, int n, int *table, int *counts) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    unsigned slot = keys[i] * 2654435761u % SLOTS;
    for (;;) {
        int found = atomicCAS(&table[slot], EMPTY, keys[i]);
        if (found == EMPTY || found == keys[i]) break;
        slot = (slot + 1) % SLOTS;
    }
    atomicAdd(&counts[slot], 1);
}

int main() {
    const int n = 40000, keys_n = 5000;
    Random random(3);
    std::vector<uint8_t> bytes(n);
    std::vector<unsigned> expected(BINS);
    for (uint8_t &byte : bytes) byte = random.next() & random.next(), expected[byte % BINS]++;
    uint8_t *device = to_device(bytes);
    auto *bins = device_zeroes<unsigned>(BINS), *joined_bins = device_zeroes<unsigned>(BINS);
    in_shared<<<12, 192>>>(device, n, bins);
    joined<<<(n + 95) / 96, 96>>>(device, n, joined_bins);
    LAUNCHED();
    int wrong = differing(expected, to_host(bins, BINS)) + differing(expected, to_host(joined_bins, BINS));

    std::vector<int> keys(keys_n);
    std::map<int, int> counts;
    for (int &key : keys) key = random.next() % 700 * 37, counts[key]++;
    int *table = to_device(std::vector<int>(SLOTS, EMPTY)), *found = device_zeroes<int>(SLOTS);
    hashed<<<(keys_n + 127) / 128, 128>>>(to_device(keys), keys_n, table, found);
    LAUNCHED();
    std::vector<int> slots = to_host(table, SLOTS), numbers = to_host(found, SLOTS);
    size_t distinct = 0;
    for (int slot = 0; slot < SLOTS; slot++) {
        if (slots[slot] == EMPTY) continue;
        distinct++;
        wrong += numbers[slot] != counts[slots[slot]];
    }
    wrong += distinct != counts.size();
    printf("histogram: bin 0 %u, bin 63 %u, %zu keys\n", expected[0], expected[63], distinct);
    return verdict("histogram", wrong);
}
