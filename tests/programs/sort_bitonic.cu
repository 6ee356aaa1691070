// A bitonic sort of key and value: strides that fit a block in shared memory, longer ones in global memory.
#include "arrays.h"

#include <algorithm>

const int BLOCK = 512; // elements of a block, two a thread

struct Pair {
    float key;
    int value;
};

__host__ __device__ bool before(const Pair &a, const Pair &b) {
    return a.key < b.key || (a.key == b.key && a.value < b.value);
}

__device__ void in_order(Pair &low, Pair &high, bool ascending) {
    if (before(high, low) == ascending) {
        Pair kept = low;
        low = high;
        high = kept;
    }
}

__global__ void far(Pair *pairs, unsigned width, unsigned stride) {
    unsigned thread = blockIdx.x * blockDim.x + threadIdx.x;
    unsigned low = 2 * thread - (thread & (stride - 1));
    in_order(pairs[low], pairs[low + stride], (low & width) == 0);
}

// All the strides from `width_first / 2` or half a block down.
__global__ void near(Pair *pairs, unsigned width_first, unsigned width_last) {
    __shared__ Pair mine[BLOCK];
    unsigned base = blockIdx.x * BLOCK;
    mine[threadIdx.x] = pairs[base + threadIdx.x];
    mine[threadIdx.x + BLOCK / 2] = pairs[base + threadIdx.x + BLOCK / 2];
    for (unsigned width = width_first; width <= width_last; width *= 2) {
        for (unsigned stride = min(width / 2, BLOCK / 2); stride > 0; stride /= 2) {
            __syncthreads();
            unsigned low = 2 * threadIdx.x - (threadIdx.x & (stride - 1));
            in_order(mine[low], mine[low + stride], ((base + low) & width) == 0);
        }
    }
    __syncthreads();
    pairs[base + threadIdx.x] = mine[threadIdx.x];
    pairs[base + threadIdx.x + BLOCK / 2] = mine[threadIdx.x + BLOCK / 2];
}

int main() {
    const unsigned n = 1 << 13;
    Random random(4);
    std::vector<Pair> pairs(n);
    for (unsigned i = 0; i < n; i++) pairs[i] = {(int)(random.next() % 5000) / 8.0f - 300, (int)i};
    Pair *device = to_device(pairs);
    near<<<n / BLOCK, BLOCK / 2>>>(device, 2, BLOCK);
    for (unsigned width = 2 * BLOCK; width <= n; width *= 2) {
        for (unsigned stride = width / 2; stride > BLOCK / 2; stride /= 2) far<<<n / BLOCK, BLOCK / 2>>>(device, width, stride);
        near<<<n / BLOCK, BLOCK / 2>>>(device, width, width);
    }
    LAUNCHED();
    std::sort(pairs.begin(), pairs.end(), before);
    int wrong = differing(pairs, to_host(device, n));
    printf("sort_bitonic: %u pairs from %g to %g\n", n, pairs[0].key, pairs[n - 1].key);
    return verdict("sort_bitonic", wrong);
}
