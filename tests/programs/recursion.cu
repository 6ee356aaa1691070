// Functions that call themselves and each other, with a stack as deep as was asked for: Fibonacci, Ackermann, a quicksort, a tree
// walked by lanes that go different ways.
#include "arrays.h"

#include <algorithm>

__host__ __device__ int fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

__host__ __device__ int ackermann(int m, int n) {
    if (m == 0) return n + 1;
    return n == 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1));
}

__host__ __device__ bool odd(unsigned n);
__host__ __device__ __noinline__ bool even(unsigned n) { return n == 0 || odd(n - 1); }
__host__ __device__ __noinline__ bool odd(unsigned n) { return n != 0 && even(n - 1); }

__device__ void quicksort(int *values, int n) {
    if (n < 2) return;
    int pivot = values[n / 2], low = 0, high = n - 1;
    while (low <= high) {
        while (values[low] < pivot) low++;
        while (values[high] > pivot) high--;
        if (low > high) break;
        int kept = values[low];
        values[low++] = values[high], values[high--] = kept;
    }
    quicksort(values, high + 1);
    quicksort(values + low, n - low);
}

__global__ void reckon(int *results) {
    int i = threadIdx.x;
    results[3 * i] = fibonacci(i % 16);
    results[3 * i + 1] = ackermann(i % 3, i % 5);
    results[3 * i + 2] = even(i) * 2 + odd(i);
}

__global__ void sort_each(int *values, int n) { quicksort(values + threadIdx.x * n, n); }

// Depth by depth on the stack, a frame with an array in it each.
__device__ __noinline__ int deep(int depth, int seed) {
    volatile int mine[16];
    for (int i = 0; i < 16; i++) mine[i] = seed + i;
    int below = depth ? deep(depth - 1, seed * 5 + 1) : 0;
    return below ^ mine[depth % 16];
}

static int host_deep(int depth, int seed) { return (depth ? host_deep(depth - 1, seed * 5 + 1) : 0) ^ (seed + depth % 16); }

__global__ void dive(int depth, int *results) { results[threadIdx.x] = deep(depth, threadIdx.x); }

int main() {
    size_t stack = 0;
    CHECK(cudaDeviceSetLimit(cudaLimitStackSize, 48 << 10));
    CHECK(cudaDeviceGetLimit(&stack, cudaLimitStackSize));
    int wrong = stack < 48 << 10;
    int *results = device_zeroes<int>(3 * 64);
    reckon<<<1, 64>>>(results);
    std::vector<int> expected(3 * 64);
    for (int i = 0; i < 64; i++) {
        expected[3 * i] = fibonacci(i % 16), expected[3 * i + 1] = ackermann(i % 3, i % 5);
        expected[3 * i + 2] = even(i) * 2 + odd(i);
    }
    wrong += differing(expected, to_host(results, 3 * 64));

    const int arrays = 40, n = 60;
    std::vector<int> values(arrays * n);
    Random random(22);
    for (int &value : values) value = random.next() % 500;
    int *device = to_device(values);
    sort_each<<<1, arrays>>>(device, n);
    for (int i = 0; i < arrays; i++) std::sort(values.begin() + i * n, values.begin() + (i + 1) * n);
    wrong += differing(values, to_host(device, arrays * n));

    int *dived = device_zeroes<int>(33);
    dive<<<1, 33>>>(150, dived);
    std::vector<int> expected_dive(33);
    for (int i = 0; i < 33; i++) expected_dive[i] = host_deep(150, i);
    wrong += differing(expected_dive, to_host(dived, 33));
    LAUNCHED();
    printf("recursion: fibonacci %d, ackermann %d, 151 frames\n", fibonacci(15), ackermann(2, 4));
    return verdict("recursion", wrong);
}
