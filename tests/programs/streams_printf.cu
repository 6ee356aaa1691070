// Two streams ordered by events, asynchronous copies from and to pinned memory, and printf from a kernel. What is printed
// does not depend on how long anything took.
// runtimes: all
#include "check.h"

__global__ void fill(int *values, int n, int factor) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) values[i] = i * factor;
}

__global__ void add_into(int *target, const int *source, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) target[i] += source[i];
}

__global__ void report(const int *values, int round) {
    printf("round %d, thread %u: %d, %5.2f, %#x, %s, %c, %lld, 100%%\n", round, threadIdx.x, values[threadIdx.x],
           values[threadIdx.x] / 4.0, 0xbeef + threadIdx.x, threadIdx.x % 2 ? "odd" : "even", 'a' + threadIdx.x,
           (long long)values[threadIdx.x] << 33);
}

int main() {
    const int n = 50000, rounds = 3;
    const size_t bytes = n * sizeof(int);
    cudaStream_t producer, consumer;
    CHECK(cudaStreamCreate(&producer));
    CHECK(cudaStreamCreateWithFlags(&consumer, cudaStreamNonBlocking));
    cudaEvent_t filled, taken, began, ended;
    CHECK(cudaEventCreateWithFlags(&filled, cudaEventDisableTiming));
    CHECK(cudaEventCreateWithFlags(&taken, cudaEventDisableTiming));
    CHECK(cudaEventCreate(&began));
    CHECK(cudaEventCreate(&ended));

    int *parts, *total, *pinned;
    CHECK(cudaMalloc(&parts, bytes));
    CHECK(cudaMalloc(&total, bytes));
    CHECK(cudaMallocHost(&pinned, bytes));
    for (int i = 0; i < n; i++) pinned[i] = 7;
    CHECK(cudaMemcpyAsync(total, pinned, bytes, cudaMemcpyHostToDevice, consumer));

    // The producer fills one buffer again and again; it may not start a round before the consumer has taken the last.
    CHECK(cudaEventRecord(began, consumer));
    for (int round = 1; round <= rounds; round++) {
        if (round > 1) CHECK(cudaStreamWaitEvent(producer, taken, 0));
        fill<<<(n + 127) / 128, 128, 0, producer>>>(parts, n, round);
        CHECK(cudaEventRecord(filled, producer));
        CHECK(cudaStreamWaitEvent(consumer, filled, 0));
        add_into<<<(n + 127) / 128, 128, 0, consumer>>>(total, parts, n);
        report<<<1, 4, 0, consumer>>>(total, round);
        CHECK(cudaEventRecord(taken, consumer));
    }
    CHECK(cudaEventRecord(ended, consumer));
    CHECK(cudaMemcpyAsync(pinned, total, bytes, cudaMemcpyDeviceToHost, consumer));
    CHECK(cudaStreamSynchronize(consumer));

    int wrong = 0;
    for (int i = 0; i < n; i++) wrong += pinned[i] != 7 + i * (1 + 2 + 3);
    float elapsed_ms = -1;
    CHECK(cudaEventQuery(ended));
    CHECK(cudaEventElapsedTime(&elapsed_ms, began, ended));
    wrong += !(elapsed_ms >= 0);
    printf("streams_printf: %d rounds over %d elements, wrong=%d\n", rounds, n, wrong);

    CHECK(cudaFreeHost(pinned));
    CHECK(cudaFree(parts));
    CHECK(cudaFree(total));
    CHECK(cudaEventDestroy(filled));
    CHECK(cudaEventDestroy(taken));
    CHECK(cudaEventDestroy(began));
    CHECK(cudaEventDestroy(ended));
    CHECK(cudaStreamDestroy(producer));
    CHECK(cudaStreamDestroy(consumer));
    return wrong != 0;
}
