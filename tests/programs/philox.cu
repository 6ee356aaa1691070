// Monte Carlo with a counter-based generator, Philox 4x32-10: its published answers, the same numbers as the host draws whatever
// the launch, and pi.
#include "arrays.h"

#include <math.h>

__host__ __device__ inline uint32_t high(uint32_t a, uint32_t b) { return (uint64_t)a * b >> 32; }

__host__ __device__ inline uint4 philox(uint4 counter, uint2 key) {
    for (int round = 0; round < 10; round++) {
        uint32_t high_x = high(0xD2511F53u, counter.x), low_x = 0xD2511F53u * counter.x;
        uint32_t high_z = high(0xCD9E8D57u, counter.z), low_z = 0xCD9E8D57u * counter.z;
        counter = make_uint4(high_z ^ counter.y ^ key.x, low_z, high_x ^ counter.w ^ key.y, low_x);
        key.x += 0x9E3779B9u, key.y += 0xBB67AE85u;
    }
    return counter;
}

__global__ void draw(uint4 *drawn, int n, uint2 key) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        drawn[i] = philox(make_uint4(i, 0, 7, 0), key);
}

__global__ void answers(const uint4 *counters, const uint2 *keys, uint4 *found) {
    found[threadIdx.x] = philox(counters[threadIdx.x], keys[threadIdx.x]);
}

__host__ __device__ inline int inside(uint4 drawn) {
    auto hit = [](uint32_t a, uint32_t b) { // in 32-bit fixed point, so that host and device agree on the rim
        uint64_t x = a >> 1, y = b >> 1;
        return x * x + y * y < 1ull << 62;
    };
    return hit(drawn.x, drawn.y) + hit(drawn.z, drawn.w);
}

__global__ void hits(int n, uint2 key, unsigned long long *total) {
    int mine = 0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        mine += inside(philox(make_uint4(i, 0, 7, 0), key));
    for (int distance = 16; distance > 0; distance /= 2) mine += __shfl_down_sync(~0u, mine, distance);
    if (threadIdx.x % 32 == 0) atomicAdd(total, (unsigned long long)mine);
}

int main() {
    // The test vectors that come with the generator (Random123, kat_vectors).
    std::vector<uint4> counters = {{0, 0, 0, 0}, {~0u, ~0u, ~0u, ~0u}, {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}};
    std::vector<uint2> keys = {{0, 0}, {~0u, ~0u}, {0xa4093822, 0x299f31d0}};
    std::vector<uint4> known = {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
                                {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
                                {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}};
    uint4 *found = device_zeroes<uint4>(3);
    answers<<<1, 3>>>(to_device(counters), to_device(keys), found);
    int wrong = differing(known, to_host(found, 3));

    const int n = 20000;
    const uint2 key = {11, 2026};
    std::vector<uint4> expected(n);
    unsigned long long expected_hits = 0;
    for (int i = 0; i < n; i++) {
        expected[i] = philox(make_uint4(i, 0, 7, 0), key);
        expected_hits += inside(expected[i]);
    }
    uint4 *drawn = device_zeroes<uint4>(n);
    draw<<<7, 96>>>(drawn, n, key);
    wrong += differing(expected, to_host(drawn, n));
    auto *total = device_zeroes<unsigned long long>(1);
    hits<<<10, 128>>>(n, key, total);
    unsigned long long count = to_host(total, 1)[0];
    wrong += count != expected_hits;
    LAUNCHED();
    double pi = 4.0 * count / (2 * n);
    wrong += !(fabs(pi - M_PI) < 0.02);
    printf("philox: %llu of %d inside, pi is about %.4f\n", count, 2 * n, pi);
    return verdict("philox", wrong);
}
