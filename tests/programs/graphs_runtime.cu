// Graphs through the CUDA runtime: captured as PyTorch captures, built by hand, updated, and with bytes of the host in them.
// runtimes: all
#include "check.h"

#include <vector>

__global__ void scale_and_add(float *to, const float *from, float factor, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) to[i] = to[i] * factor + from[i];
}

static int count_wrong(const std::vector<float> &found, float expected) {
    int wrong = 0;
    for (float value : found) wrong += value != expected;
    return wrong;
}

static void count_call(void *calls) { ++*static_cast<int *>(calls); }

int main() {
    const int n = 4096, threads = 256, blocks = n / threads;
    const size_t bytes = n * sizeof(float);
    float *a, *b;
    CHECK(cudaMalloc(&a, bytes));
    CHECK(cudaMalloc(&b, bytes));
    cudaStream_t stream, side;
    CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    CHECK(cudaStreamCreateWithFlags(&side, cudaStreamNonBlocking));

    // Warmed up outside, captured once, replayed often, as training loops do.
    std::vector<float> host(n, 1.0f), result(n);
    CHECK(cudaMemcpy(b, host.data(), bytes, cudaMemcpyHostToDevice));
    scale_and_add<<<blocks, threads, 0, stream>>>(a, b, 0.0f, n);
    CHECK(cudaStreamSynchronize(stream));
    cudaEvent_t fork, join;
    CHECK(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming));
    CHECK(cudaEventCreateWithFlags(&join, cudaEventDisableTiming));
    auto capture = [&](cudaStreamCaptureMode mode, float factor) {
        cudaGraph_t captured;
        CHECK(cudaStreamBeginCapture(stream, mode));
        CHECK(cudaMemsetAsync(a, 0, bytes, stream));
        scale_and_add<<<blocks, threads, 0, stream>>>(a, b, 2.0f, n);
        CHECK(cudaEventRecord(fork, stream));
        CHECK(cudaStreamWaitEvent(side, fork, 0));
        scale_and_add<<<blocks, threads, 0, side>>>(a, b, 3.0f, n);
        CHECK(cudaEventRecord(join, side));
        CHECK(cudaStreamWaitEvent(stream, join, 0));
        scale_and_add<<<blocks, threads, 0, stream>>>(a, b, factor, n);
        CHECK(cudaStreamEndCapture(stream, &captured));
        return captured;
    };
    cudaGraph_t graph = capture(cudaStreamCaptureModeGlobal, 10.0f);
    cudaGraphExec_t exec;
    size_t nodes = 0;
    CHECK(cudaGraphGetNodes(graph, nullptr, &nodes));
    CHECK(cudaGraphInstantiate(&exec, graph, 0));
    CHECK(cudaGraphUpload(exec, stream));
    for (int i = 0; i < 50; i++) CHECK(cudaGraphLaunch(exec, stream));
    CHECK(cudaStreamSynchronize(stream));
    CHECK(cudaMemcpy(result.data(), a, bytes, cudaMemcpyDeviceToHost));
    printf("captured: %zu nodes, wrong=%d\n", nodes, count_wrong(result, 41.0f));

    // The same again with another factor, as an update.
    cudaGraph_t again = capture(cudaStreamCaptureModeThreadLocal, 100.0f);
    cudaGraphExecUpdateResultInfo info;
    cudaError_t updated = cudaGraphExecUpdate(exec, again, &info);
    printf("update: %s, %d\n", cudaGetErrorName(updated), (int)info.result);
    if (updated != cudaSuccess) (void)cudaGetLastError();
    CHECK(cudaGraphLaunch(exec, stream));
    CHECK(cudaStreamSynchronize(stream));
    CHECK(cudaMemcpy(result.data(), a, bytes, cudaMemcpyDeviceToHost));
    printf("updated: wrong=%d\n", count_wrong(result, 401.0f));
    CHECK(cudaGraphExecDestroy(exec));
    CHECK(cudaGraphDestroy(graph));
    CHECK(cudaGraphDestroy(again));

    // By hand, with bytes of the host that change between launches.
    int calls = 0;
    float factor = 5.0f;
    int count = n;
    CHECK(cudaGraphCreate(&graph, 0));
    cudaGraphNode_t in, kernel, call, out;
    CHECK(cudaGraphAddMemcpyNode1D(&in, graph, nullptr, 0, b, host.data(), bytes, cudaMemcpyHostToDevice));
    void *arguments[] = {&a, &b, &factor, &count};
    cudaKernelNodeParams params = {};
    params.func = (void *)scale_and_add;
    params.gridDim = dim3(blocks);
    params.blockDim = dim3(threads);
    params.kernelParams = arguments;
    CHECK(cudaGraphAddKernelNode(&kernel, graph, &in, 1, &params));
    cudaHostNodeParams host_call = {count_call, &calls};
    CHECK(cudaGraphAddHostNode(&call, graph, &kernel, 1, &host_call));
    CHECK(cudaGraphAddMemcpyNode1D(&out, graph, &call, 1, result.data(), a, bytes, cudaMemcpyDeviceToHost));
    CHECK(cudaGraphInstantiate(&exec, graph, 0));
    float expected = 401.0f;
    for (int launch = 0; launch < 3; launch++) {
        host.assign(n, 0.5f * launch);
        expected = expected * factor + 0.5f * launch;
        CHECK(cudaGraphLaunch(exec, stream));
        CHECK(cudaStreamSynchronize(stream));
        printf("launch %d: wrong=%d, calls=%d\n", launch, count_wrong(result, expected), calls);
    }
    CHECK(cudaGraphExecDestroy(exec));
    CHECK(cudaGraphDestroy(graph));

    // What a capture forbids.
    CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
    void *memory = nullptr;
    cudaError_t allocated = cudaMalloc(&memory, 64);
    cudaError_t ended = cudaStreamEndCapture(stream, &graph);
    printf("an allocation while capturing: %s, then %s\n", cudaGetErrorName(allocated), cudaGetErrorName(ended));
    (void)cudaGetLastError();
    CHECK(cudaStreamSynchronize(stream));
    CHECK(cudaFree(a));
    CHECK(cudaFree(b));
    printf("graphs_runtime: done\n");
    return 0;
}
