// Six threads of the host in one context: each its own stream and memory, all of them one counter on the device; errors belong
// to the thread that made them, and memory made by one thread is used and freed by another.
#include "arrays.h"

#include <atomic>
#include <thread>

const int THREADS = 6, ROUNDS = 10, N = 3000;

__device__ unsigned arrivals;

__global__ void work(int *values, int n, int thread, int round) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) values[i] += thread * 1000 + round;
    if (i == 0) atomicAdd(&arrivals, 1);
}

static std::atomic<int> wrong;
static int *handed[THREADS];

static void run(int thread) {
    cudaStream_t stream;
    CHECK(cudaSetDevice(0));
    CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    int *device;
    CHECK(cudaMalloc(&device, N * sizeof(int)));
    CHECK(cudaMemsetAsync(device, 0, N * sizeof(int), stream));
    std::vector<int> found(N);
    int expected = 0;
    for (int round = 0; round < ROUNDS; round++) {
        work<<<(N + 127) / 128, 128, 0, stream>>>(device, N, thread, round);
        expected += thread * 1000 + round;
        if (round % 3 == thread % 3) {
            CHECK(cudaMemcpyAsync(found.data(), device, N * sizeof(int), cudaMemcpyDeviceToHost, stream));
            CHECK(cudaStreamSynchronize(stream));
            for (int value : found) wrong += value != expected;
        }
    }
    // Even threads make a mistake, and only they hear of it.
    if (thread % 2 == 0) wrong += cudaMalloc(nullptr, 16) != cudaErrorInvalidValue;
    wrong += cudaGetLastError() != (thread % 2 == 0 ? cudaErrorInvalidValue : cudaSuccess);
    CHECK(cudaStreamSynchronize(stream));
    CHECK(cudaStreamDestroy(stream));
    handed[thread] = device;
}

int main() {
    std::vector<std::thread> threads;
    for (int thread = 0; thread < THREADS; thread++) threads.emplace_back(run, thread);
    for (std::thread &thread : threads) thread.join();
    unsigned count = 0;
    CHECK(cudaMemcpyFromSymbol(&count, arrivals, sizeof(count)));
    wrong += count != THREADS * ROUNDS;
    for (int thread = 0; thread < THREADS; thread++) {
        int last = to_host(handed[thread], N)[N - 1];
        wrong += last != ROUNDS * thread * 1000 + ROUNDS * (ROUNDS - 1) / 2;
        CHECK(cudaFree(handed[thread]));
    }
    printf("host_threads: %d threads, %u kernels\n", THREADS, count);
    return verdict("host_threads", wrong);
}
