// The smallest whole CUDA program: adds two vectors on the device and checks every element on the host.
// runtimes: all
#include "check.h"

#include <stdint.h>
#include <vector>

__global__ void vector_add(const float *a, const float *b, float *sum, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) sum[i] = a[i] + b[i];
}

int main() {
    const int n = 1000003; // no multiple of a block: the last one is partly idle
    const size_t bytes = n * sizeof(float);
    std::vector<float> a(n), b(n), sum(n);
    for (int i = 0; i < n; i++) {
        a[i] = 0.5f * (i % 1013);
        b[i] = 1.0f / (1 + i % 97);
    }

    float *device_a, *device_b, *device_sum;
    CHECK(cudaMalloc(&device_a, bytes));
    CHECK(cudaMalloc(&device_b, bytes));
    CHECK(cudaMalloc(&device_sum, bytes));
    CHECK(cudaMemcpy(device_a, a.data(), bytes, cudaMemcpyHostToDevice));
    CHECK(cudaMemcpy(device_b, b.data(), bytes, cudaMemcpyHostToDevice));
    vector_add<<<(n + 255) / 256, 256>>>(device_a, device_b, device_sum, n);
    CHECK(cudaGetLastError());
    CHECK(cudaMemcpy(sum.data(), device_sum, bytes, cudaMemcpyDeviceToHost));
    CHECK(cudaFree(device_a));
    CHECK(cudaFree(device_b));
    CHECK(cudaFree(device_sum));

    int wrong = 0;
    uint32_t checksum = 0;
    for (int i = 0; i < n; i++) {
        wrong += sum[i] != a[i] + b[i];
        checksum = checksum * 31 + (uint32_t)(sum[i] * 4096);
    }
    printf("vector_add: %d elements, checksum %08x, wrong=%d\n", n, checksum, wrong);
    return wrong != 0;
}
