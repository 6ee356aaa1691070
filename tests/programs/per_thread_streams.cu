// Each thread's default stream is its own here: work that a thread gives to it is in order, other threads' is not waited for,
// and the legacy stream still waits for all.
// nvcc: --default-stream per-thread
// runtimes: all
#include "arrays.h"

#include <atomic>
#include <thread>

const int THREADS = 4, N = 2000;

__global__ void add(int *values, int n, int term) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) values[i] += term;
}

// Spins until somebody lets it go.
__global__ void held(volatile int *go) {
    while (!*go) {}
}

static std::atomic<int> wrong;

static void run(int thread) {
    int *device;
    CHECK(cudaMalloc(&device, N * sizeof(int)));
    CHECK(cudaMemsetAsync(device, 0, N * sizeof(int), 0));
    for (int round = 1; round <= 8; round++) add<<<(N + 63) / 64, 64>>>(device, N, round * (thread + 1));
    std::vector<int> found(N);
    CHECK(cudaMemcpyAsync(found.data(), device, N * sizeof(int), cudaMemcpyDeviceToHost, 0));
    CHECK(cudaStreamSynchronize(0));
    for (int value : found) wrong += value != 36 * (thread + 1);
    CHECK(cudaFree(device));
}

int main() {
    std::vector<std::thread> threads;
    for (int thread = 0; thread < THREADS; thread++) threads.emplace_back(run, thread);
    for (std::thread &thread : threads) thread.join();

    // This thread's stream is held up by a kernel; the other thread's goes on, and lets it go.
    int *go = device_zeroes<int>(1);
    CHECK(cudaStreamSynchronize(cudaStreamPerThread));
    held<<<1, 1>>>(go);
    cudaError_t before = cudaStreamQuery(cudaStreamPerThread);
    std::thread([go] {
        add<<<1, 32>>>(go, 1, 1);
        CHECK(cudaStreamSynchronize(cudaStreamPerThread));
    }).join();
    CHECK(cudaStreamSynchronize(cudaStreamPerThread));
    wrong += before != cudaErrorNotReady;

    // What is given to the legacy stream comes after this thread's, and before what follows.
    int *values = device_zeroes<int>(N);
    add<<<(N + 63) / 64, 64>>>(values, N, 1);
    add<<<(N + 63) / 64, 64, 0, cudaStreamLegacy>>>(values, N, 10);
    add<<<(N + 63) / 64, 64>>>(values, N, 100);
    CHECK(cudaStreamSynchronize(cudaStreamPerThread));
    for (int value : to_host(values, N)) wrong += value != 111;
    printf("per_thread_streams: %d threads, held kernel %s\n", THREADS, cudaGetErrorName(before));
    return verdict("per_thread_streams", wrong);
}
