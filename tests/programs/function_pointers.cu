// Calls whose target the device finds out: pointers in a table of the device's, pointers that the host copies and passes on, and
// lanes of one warp that call different functions.
#include "arrays.h"

typedef int (*Operation)(int, int);

__device__ __noinline__ int plus(int a, int b) { return a + b; }
__device__ __noinline__ int minus(int a, int b) { return a - b; }
__device__ __noinline__ int product(int a, int b) { return a * b; }
__device__ __noinline__ int steps(int a, int b) {
    int count = 0; // of Euclid's algorithm
    while (b != 0) {
        int rest = a % b;
        a = b, b = rest, count++;
    }
    return count;
}

__device__ Operation operations[4] = {plus, minus, product, steps};
__device__ Operation chosen = steps;

__global__ void by_table(const int *as, const int *bs, int *results, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) results[i] = operations[i % 4](as[i], bs[i]);
}

__global__ void by_parameter(Operation operation, const int *as, const int *bs, int *results, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) results[i] = operation(as[i], bs[i]);
}

// Folds over an array with whatever it is given, calling through a second pointer.
__device__ __noinline__ int fold(Operation operation, const int *values, int n) {
    int result = values[0];
    for (int i = 1; i < n; i++) result = operation(result, values[i]);
    return result;
}

__device__ int (*folding)(Operation, const int *, int) = fold;

__global__ void folds(const int *values, int n, int *results) {
    results[threadIdx.x] = folding(operations[threadIdx.x], values, n);
}

static int host(int which, int a, int b) {
    int count = 0;
    switch (which) {
    case 0: return a + b;
    case 1: return a - b;
    case 2: return a * b;
    }
    for (; b != 0; count++) {
        int rest = a % b;
        a = b, b = rest;
    }
    return count;
}

int main() {
    const int n = 500;
    Random random(21);
    std::vector<int> as(n), bs(n), expected(n);
    for (int i = 0; i < n; i++) as[i] = random.next() % 10000, bs[i] = random.next() % 10000;
    int *device_as = to_device(as), *device_bs = to_device(bs), *results = device_zeroes<int>(n), wrong = 0;
    by_table<<<4, 128>>>(device_as, device_bs, results, n);
    for (int i = 0; i < n; i++) expected[i] = host(i % 4, as[i], bs[i]);
    wrong += differing(expected, to_host(results, n));

    Operation pointer;
    CHECK(cudaMemcpyFromSymbol(&pointer, chosen, sizeof(pointer)));
    by_parameter<<<4, 128>>>(pointer, device_as, device_bs, results, n);
    for (int i = 0; i < n; i++) expected[i] = host(3, as[i], bs[i]);
    wrong += differing(expected, to_host(results, n));

    // A pointer that the host writes into the table.
    CHECK(cudaMemcpyToSymbol(operations, &pointer, sizeof(pointer), sizeof(pointer)));
    by_table<<<4, 128>>>(device_as, device_bs, results, n);
    for (int i = 0; i < n; i++) expected[i] = host(i % 4 == 1 ? 3 : i % 4, as[i], bs[i]);
    wrong += differing(expected, to_host(results, n));

    int *folded = device_zeroes<int>(3);
    folds<<<1, 3>>>(device_as, 6, folded);
    std::vector<int> folded_here(3);
    for (int which = 0; which < 3; which++) {
        folded_here[which] = as[0];
        for (int i = 1; i < 6; i++)
            folded_here[which] = host(which == 1 ? 3 : which, folded_here[which], as[i]);
    }
    wrong += differing(folded_here, to_host(folded, 3));
    LAUNCHED();
    printf("function_pointers: %d calls\n", 3 * n);
    return verdict("function_pointers", wrong);
}
