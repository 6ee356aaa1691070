// Atomics of every operation, type and scope: integers of 32 and 64 bits, floats, doubles, halves in pairs, 16-bit and 64-bit
// compare and swap, loops that build what there is no instruction for, in global and shared memory, by block and by system.
// nvcc: -gencode arch=compute_80,code=compute_80
#include "arrays.h"

#include <cuda/atomic>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <math.h>

const int THREADS = 128, BLOCKS = 6, ALL = THREADS * BLOCKS;

struct Cells {
    int add, sub, exch, min, max;
    unsigned inc, dec, and_, or_, xor_, cas;
    unsigned long long add64, min64, max64, and64, or64, xor64, exch64, cas64;
    long long min_signed64, max_signed64;
    float addf, product;
    double addd, maxd;
    unsigned block, system;
    __half2 halves;
    __nv_bfloat162 bfloats;
    unsigned short cas16, pad;
    int ordered, seen_wrong;
};

__device__ double atomic_max(double *place, double value) {
    auto *bits = (unsigned long long *)place;
    unsigned long long old = *bits, seen;
    do {
        seen = old;
        if (__longlong_as_double(seen) >= value) break;
        old = atomicCAS(bits, seen, (unsigned long long)__double_as_longlong(value));
    } while (old != seen);
    return __longlong_as_double(old);
}

__device__ float atomic_multiply(float *place, float factor) {
    int old = *(volatile int *)place, seen;
    do seen = old, old = atomicCAS((int *)place, seen, __float_as_int(__int_as_float(seen) * factor));
    while (old != seen);
    return __int_as_float(old);
}

__global__ void work(Cells *c) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    atomicAdd(&c->add, i), atomicSub(&c->sub, i), atomicMin(&c->min, 100 - i), atomicMax(&c->max, i - 100);
    atomicInc(&c->inc, 99), atomicDec(&c->dec, 99);
    atomicAnd(&c->and_, ~(1u << i % 31)), atomicOr(&c->or_, 1u << i % 29), atomicXor(&c->xor_, (unsigned)i * 77);
    atomicAdd(&c->add64, (unsigned long long)i << 33), atomicMin(&c->min64, (unsigned long long)(ALL - i) << 40);
    atomicMax(&c->max64, (unsigned long long)i << 40), atomicAnd(&c->and64, ~(1ull << i % 61));
    atomicOr(&c->or64, 1ull << i % 59), atomicXor(&c->xor64, (unsigned long long)i << 21);
    atomicMin(&c->min_signed64, -(long long)i << 35), atomicMax(&c->max_signed64, -(long long)(i + 1) << 35);
    atomicAdd(&c->addf, 0.25f), atomicAdd(&c->addd, 1.0 / 1024 * (i % 16)), atomic_max(&c->maxd, sin((double)(i % 50)));
    if (i < 20) atomic_multiply(&c->product, i % 2 ? 0.5f : 4.0f);
    atomicAdd_block(&c->block, 1), atomicAdd_system(&c->system, 2);
    if (i % 8 == 0) atomicAdd(&c->halves, __floats2half2_rn(1, 0.5f)), atomicAdd(&c->bfloats, __floats2bfloat162_rn(0.5f, 2));
    // Each thread adds to 16 bits by compare and swap.
    unsigned short old = *(volatile unsigned short *)&c->cas16, seen;
    do seen = old, old = atomicCAS(&c->cas16, seen, (unsigned short)(seen + 3));
    while (old != seen);
    // Values that are exchanged are neither lost nor doubled: their sum with what lies there at the end is known.
    atomicAdd(&c->seen_wrong, atomicExch(&c->exch, i));
    atomicAdd(&c->exch64, (unsigned long long)atomicCAS(&c->cas, (unsigned)i, (unsigned)i + 1) * 0);
    for (unsigned long long at = 0, found; (found = atomicCAS(&c->cas64, at, at + 1)) != at;) at = found;
}

// A lock of libcu++ around a counter that is no atomic, and a flag that hands over a value with acquire and release.
__global__ void locked(Cells *c, int *lock, int *counter, int *value, int *flag) {
    cuda::atomic_ref<int, cuda::thread_scope_device> mutex(*lock), ready(*flag);
    if (threadIdx.x % 32 == 0) {
        while (mutex.exchange(1, cuda::memory_order_acquire)) {}
        ++*(volatile int *)counter;
        mutex.store(0, cuda::memory_order_release);
    }
    if (blockIdx.x == 0 && threadIdx.x == 0) {
        *value = 4711;
        ready.store(1, cuda::memory_order_release);
    }
    if (blockIdx.x == 1 && threadIdx.x == 0) {
        while (!ready.load(cuda::memory_order_acquire)) {}
        c->ordered = *value;
    }
}

__global__ void in_shared(unsigned *results) {
    __shared__ unsigned sum, most, bits;
    __shared__ unsigned long long wide;
    __shared__ float part;
    if (threadIdx.x == 0) sum = most = bits = 0, wide = 0, part = 0;
    __syncthreads();
    atomicAdd(&sum, threadIdx.x), atomicMax(&most, threadIdx.x * 7 % 101), atomicXor(&bits, threadIdx.x * 3);
    atomicAdd(&wide, (unsigned long long)threadIdx.x << 32), atomicAdd(&part, 0.5f);
    __syncthreads();
    if (threadIdx.x == 0) results[0] = sum, results[1] = most, results[2] = bits, results[3] = wide >> 32, results[4] = part;
}

static int check(const Cells &c, const Cells &before) {
    unsigned and_ = ~0u, or_ = 0, xor_ = 0;
    unsigned long long and64 = ~0ull, or64 = 0, xor64 = 0;
    double most = -1, sum = 0;
    for (int i = 0; i < ALL; i++) {
        and_ &= ~(1u << i % 31), or_ |= 1u << i % 29, xor_ ^= (unsigned)i * 77;
        and64 &= ~(1ull << i % 61), or64 |= 1ull << i % 59, xor64 ^= (unsigned long long)i << 21;
        most = fmax(most, sin((double)(i % 50))), sum += 1.0 / 1024 * (i % 16);
    }
    int total = ALL * (ALL - 1) / 2;
    bool right[] = {c.add == total, c.sub == -total, c.min == 100 - ALL + 1, c.max == ALL - 101, c.inc == ALL % 100,
                    c.dec == (100 - ALL % 100) % 100, c.and_ == and_, c.or_ == or_, c.xor_ == xor_,
                    c.add64 == (unsigned long long)total << 33, c.min64 == 1ull << 40, c.max64 == (ALL - 1ull) << 40,
                    c.and64 == and64, c.or64 == or64, c.xor64 == xor64, c.min_signed64 == -(ALL - 1ll) << 35,
                    c.max_signed64 == -1ll << 35, c.addf == ALL / 4.0f, c.addd == sum, fabs(c.maxd - most) < 1e-15,
                    c.product == 1024, c.block == ALL, c.system == 2 * ALL, c.cas16 == 3 * ALL, c.cas64 == ALL,
                    __low2float(c.halves) == ALL / 8, __high2float(c.halves) == ALL / 16,
                    __low2float(c.bfloats) == ALL / 16, __high2float(c.bfloats) == ALL / 4, c.seen_wrong + c.exch == total + before.exch};
    int wrong = 0;
    for (size_t k = 0; k < sizeof(right); k++)
        if (!right[k]) fprintf(stderr, "result %zu is wrong\n", k), wrong++;
    return wrong;
}

int main() {
    static Cells before = {}, after;
    before.and_ = ~0u, before.and64 = before.min64 = ~0ull, before.product = 1, before.exch = -5, before.maxd = -1;
    before.max_signed64 = INT64_MIN, before.min = INT32_MAX, before.max = INT32_MIN;
    Cells *cells = to_device(std::vector<Cells>{before});
    work<<<BLOCKS, THREADS>>>(cells);
    int *words = device_zeroes<int>(4);
    locked<<<BLOCKS, THREADS>>>(cells, words, words + 1, words + 2, words + 3);
    LAUNCHED();
    after = to_host(cells, 1)[0];
    int wrong = check(after, before) + (after.ordered != 4711) + (to_host(words, 4)[1] != BLOCKS * THREADS / 32);

    auto *results = device_zeroes<unsigned>(5);
    in_shared<<<1, THREADS>>>(results);
    std::vector<unsigned> expected(5);
    for (unsigned i = 0; i < THREADS; i++) expected[0] += i, expected[1] = std::max(expected[1], i * 7 % 101), expected[2] ^= i * 3;
    expected[3] = expected[0], expected[4] = THREADS / 2;
    wrong += differing(expected, to_host(results, 5));
    LAUNCHED();
    printf("atomics: %d threads, sum %d, half sums %g %g\n", ALL, after.add, __low2float(after.halves), __high2float(after.halves));
    return verdict("atomics", wrong);
}
