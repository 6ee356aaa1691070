// Eight streams: each its own chain of copies and kernels, a diamond of events between them, functions of the host in order,
// priorities, and questions that do not wait.
// runtimes: all
#include "arrays.h"

#include <atomic>

const int STREAMS = 8, N = 5000;

__global__ void advance(int *values, int n, int factor, int term) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) values[i] = values[i] * factor + term;
}

__global__ void gather(int *target, const int *source, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) target[i] += source[i];
}

static std::atomic<int> called;

static void in_turn(void *expected) {
    int number = called++;
    if (number != (int)(intptr_t)expected) fprintf(stderr, "called as %d instead of %d\n", number, (int)(intptr_t)expected), exit(3);
}

static void sees(cudaStream_t, cudaError_t status, void *place) { *(int *)place = status == cudaSuccess ? called + 100 : -1; }

static int chains(cudaStream_t *streams, int **device, int *pinned) {
    for (int s = 0; s < STREAMS; s++) {
        for (int i = 0; i < N; i++) pinned[s * N + i] = i + s;
        CHECK(cudaMemcpyAsync(device[s], pinned + s * N, N * sizeof(int), cudaMemcpyHostToDevice, streams[s]));
        for (int round = 0; round < 5; round++) advance<<<(N + 127) / 128, 128, 0, streams[s]>>>(device[s], N, 3, round + s);
        CHECK(cudaMemcpyAsync(pinned + s * N, device[s], N * sizeof(int), cudaMemcpyDeviceToHost, streams[s]));
    }
    CHECK(cudaDeviceSynchronize());
    int wrong = 0;
    for (int s = 0; s < STREAMS; s++) {
        for (int i = 0; i < N; i++) {
            int expected = i + s;
            for (int round = 0; round < 5; round++) expected = expected * 3 + round + s;
            wrong += pinned[s * N + i] != expected;
        }
    }
    return wrong;
}

// The first stream forks into all others and joins them again, many times over.
static int diamond(cudaStream_t *streams, int **device, int *pinned) {
    cudaEvent_t forked, joined[STREAMS];
    CHECK(cudaEventCreateWithFlags(&forked, cudaEventDisableTiming));
    for (cudaEvent_t &event : joined) CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    for (int s = 0; s < STREAMS; s++) CHECK(cudaMemsetAsync(device[s], 0, N * sizeof(int), streams[0]));
    const int rounds = 4;
    for (int round = 0; round < rounds; round++) {
        CHECK(cudaEventRecord(forked, streams[0]));
        for (int s = 1; s < STREAMS; s++) {
            CHECK(cudaStreamWaitEvent(streams[s], forked, 0));
            gather<<<(N + 255) / 256, 256, 0, streams[s]>>>(device[s], device[0], N);
            CHECK(cudaEventRecord(joined[s], streams[s]));
        }
        for (int s = 1; s < STREAMS; s++) CHECK(cudaStreamWaitEvent(streams[0], joined[s], 0));
        advance<<<(N + 255) / 256, 256, 0, streams[0]>>>(device[0], N, 2, 1);
    }
    for (int s = 0; s < STREAMS; s++)
        CHECK(cudaMemcpyAsync(pinned + s * N, device[s], N * sizeof(int), cudaMemcpyDeviceToHost, streams[0]));
    CHECK(cudaStreamSynchronize(streams[0]));
    int wrong = 0, first = 0, others = 0;
    for (int round = 0; round < rounds; round++) others += first, first = 2 * first + 1;
    for (int i = 0; i < STREAMS * N; i++) wrong += pinned[i] != (i < N ? first : others);
    CHECK(cudaEventDestroy(forked));
    for (cudaEvent_t event : joined) CHECK(cudaEventDestroy(event));
    return wrong;
}

static int functions(cudaStream_t stream, int *device) {
    for (intptr_t i = 0; i < 10; i++) {
        advance<<<1, 128, 0, stream>>>(device, 128, 1, 1);
        CHECK(cudaLaunchHostFunc(stream, in_turn, (void *)i));
    }
    int seen = 0;
    CHECK(cudaStreamAddCallback(stream, sees, &seen, 0));
    CHECK(cudaStreamSynchronize(stream));
    return called != 10 || seen != 110;
}

static int questions(cudaStream_t *streams) {
    int least, greatest, priority, wrong = 0;
    unsigned flags;
    CHECK(cudaDeviceGetStreamPriorityRange(&least, &greatest));
    CHECK(cudaStreamGetPriority(streams[1], &priority));
    CHECK(cudaStreamGetFlags(streams[1], &flags));
    wrong += greatest > least || priority != greatest || flags != cudaStreamNonBlocking;
    cudaEvent_t never, begun, ended;
    float ms = -1;
    CHECK(cudaEventCreate(&never));
    CHECK(cudaEventCreate(&begun));
    CHECK(cudaEventCreateWithFlags(&ended, cudaEventBlockingSync));
    wrong += cudaEventQuery(never) != cudaSuccess;
    wrong += cudaEventElapsedTime(&ms, never, begun) != cudaErrorInvalidResourceHandle;
    cudaGetLastError();
    CHECK(cudaEventRecord(begun, streams[2]));
    CHECK(cudaEventRecord(ended, streams[2]));
    CHECK(cudaEventSynchronize(ended));
    CHECK(cudaEventElapsedTime(&ms, begun, ended));
    wrong += !(ms >= 0) || cudaStreamQuery(streams[2]) != cudaSuccess;
    CHECK(cudaEventDestroy(never));
    CHECK(cudaEventDestroy(begun));
    CHECK(cudaEventDestroy(ended));
    return wrong;
}

int main() {
    cudaStream_t streams[STREAMS];
    int *device[STREAMS], *pinned, least, greatest;
    CHECK(cudaDeviceGetStreamPriorityRange(&least, &greatest));
    for (int s = 0; s < STREAMS; s++) {
        CHECK(cudaStreamCreateWithPriority(&streams[s], s % 2 ? cudaStreamNonBlocking : cudaStreamDefault, s % 2 ? greatest : least));
        CHECK(cudaMalloc(&device[s], N * sizeof(int)));
    }
    CHECK(cudaHostAlloc(&pinned, STREAMS * N * sizeof(int), cudaHostAllocDefault));
    int in_chains = chains(streams, device, pinned), in_diamond = diamond(streams, device, pinned);
    int in_functions = functions(streams[3], device[3]), in_questions = questions(streams);
    printf("many_streams: chains %d, diamond %d, functions %d, questions %d\n", in_chains, in_diamond, in_functions, in_questions);
    CHECK(cudaFreeHost(pinned));
    for (int s = 0; s < STREAMS; s++) {
        CHECK(cudaFree(device[s]));
        CHECK(cudaStreamDestroy(streams[s]));
    }
    return verdict("many_streams", in_chains + in_diamond + in_functions + in_questions);
}
