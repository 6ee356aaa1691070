// Launches a graph as often as it is told, and waits once.
#include "kernels.h"

enum { N = 100 };

int main(int count, char **arguments) {
    int launches = count > 1 ? atoi(arguments[1]) : 1;
    CUfunction add = function_of(begin(), "add");
    CUstream stream;
    CUdeviceptr memory;
    CUgraph graph;
    CUgraphExec exec;
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CHECK(cuMemAlloc(&memory, N * 4));
    CHECK(cuMemsetD32Async(memory, 0, N, stream));
    CHECK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
    for (int i = 0; i < 4; i++) CHECK(launch(add, stream, memory, 1, N));
    CHECK(cuStreamEndCapture(stream, &graph));
    CHECK(cuGraphInstantiate(&exec, graph, 0));
    for (int i = 0; i < launches; i++) CHECK(cuGraphLaunch(exec, stream));
    CHECK(cuStreamSynchronize(stream));
    uint32_t words[N];
    CHECK(cuMemcpyDtoH(words, memory, sizeof words));
    for (int i = 0; i < N; i++) hold("each launch added four", words[i] == 4 * (uint32_t)launches);
    return failures != 0;
}
