// Graphs that touch host memory: copies from and to the host see the bytes that are there at each launch, functions of the host run
// in their turn.
#include "kernels.h"

#include <stdatomic.h>
#include <unistd.h>

enum { N = 3000, LAUNCHES = 3 };

static CUcontext context;
static CUdeviceptr memory;
static CUfunction add;
static uint32_t pageable_in[N], pageable_out[N], *in, *out;
static atomic_int calls;
static int function_saw;

static void count(void *by) { atomic_fetch_add(&calls, (int)(intptr_t)by); }

// Looks at what was copied out before it, and fills what is copied in behind it.
static void between(void *argument) {
    function_saw = (int)out[N - 1];
    usleep(20000);
    for (int i = 0; i < N; i++) in[i] = out[i] * 2;
}

static CUgraphNode copy_node(CUgraph graph, int to_device, uint32_t *host, const CUgraphNode *after, size_t count) {
    CUDA_MEMCPY3D copy = {.WidthInBytes = N * 4, .Height = 1, .Depth = 1};
    if (to_device) {
        copy.srcMemoryType = CU_MEMORYTYPE_HOST, copy.srcHost = host;
        copy.dstMemoryType = CU_MEMORYTYPE_DEVICE, copy.dstDevice = memory;
    } else {
        copy.srcMemoryType = CU_MEMORYTYPE_DEVICE, copy.srcDevice = memory;
        copy.dstMemoryType = CU_MEMORYTYPE_HOST, copy.dstHost = host;
    }
    CUgraphNode node;
    CHECK(cuGraphAddMemcpyNode(&node, graph, after, count, &copy, context));
    return node;
}

static CUgraphNode add_node(CUgraph graph, uint32_t value, const CUgraphNode *after) {
    uint32_t n = N;
    void *values[] = {&memory, &value, &n};
    CUDA_KERNEL_NODE_PARAMS params = {.func = add, .gridDimX = (N + 127) / 128, .gridDimY = 1, .gridDimZ = 1,
                                      .blockDimX = 128, .blockDimY = 1, .blockDimZ = 1, .kernelParams = values};
    CUgraphNode node;
    CHECK(cuGraphAddKernelNode(&node, graph, after, 1, &params));
    return node;
}

static void bytes_of_each_launch(CUstream stream, uint32_t *from, uint32_t *to, const char *what) {
    CUgraph graph;
    CUgraphExec exec;
    CHECK(cuGraphCreate(&graph, 0));
    CUgraphNode node = copy_node(graph, 1, from, NULL, 0);
    node = add_node(graph, 1000, &node);
    copy_node(graph, 0, to, &node, 1);
    CHECK(cuGraphInstantiate(&exec, graph, 0));
    for (int launch = 0; launch < LAUNCHES; launch++) {
        for (int i = 0; i < N; i++) from[i] = launch * N + i, to[i] = 0;
        CHECK(cuGraphLaunch(exec, stream));
        CHECK(cuStreamSynchronize(stream));
        int wrong = 0;
        for (int i = 0; i < N; i++) wrong += to[i] != from[i] + 1000;
        hold(what, wrong == 0);
    }
    CHECK(cuGraphExecDestroy(exec));
    CHECK(cuGraphDestroy(graph));
}

static void functions(CUstream stream) {
    CUgraph graph;
    CUgraphExec exec;
    CUgraphNode first, second, node;
    CUDA_HOST_NODE_PARAMS host = {.fn = count, .userData = (void *)1};
    CHECK(cuGraphCreate(&graph, 0));
    CHECK(cuGraphAddHostNode(&first, graph, NULL, 0, &host));
    node = copy_node(graph, 0, out, &first, 1);
    host.fn = between, host.userData = NULL;
    CHECK(cuGraphAddHostNode(&second, graph, &node, 1, &host));
    node = copy_node(graph, 1, in, &second, 1);
    add_node(graph, 1, &node);
    CHECK(cuGraphHostNodeGetParams(second, &host));
    hold("a host node knows its function", host.fn == between);
    CHECK(cuGraphInstantiate(&exec, graph, 0));
    uint32_t expected = 5;
    CHECK(cuMemsetD32(memory, expected, N));
    for (int launch = 0; launch < LAUNCHES; launch++) {
        CHECK(cuGraphLaunch(exec, stream));
        CHECK(cuStreamSynchronize(stream));
        hold("a function sees what was copied before it", function_saw == (int)expected);
        expected = expected * 2 + 1;
        CHECK(cuMemcpyDtoH(pageable_out, memory, sizeof pageable_out));
        int wrong = 0;
        for (int i = 0; i < N; i++) wrong += pageable_out[i] != expected;
        hold("and what it fills is copied behind it", wrong == 0);
    }
    hold("functions ran as often as the graph", atomic_load(&calls) == LAUNCHES);
    host.fn = count, host.userData = (void *)100;
    CHECK(cuGraphExecHostNodeSetParams(exec, first, &host));
    CHECK(cuGraphLaunch(exec, stream));
    CHECK(cuStreamSynchronize(stream));
    hold("a function set in the executable graph", atomic_load(&calls) == LAUNCHES + 100);
    CHECK(cuGraphExecDestroy(exec));
    CHECK(cuGraphDestroy(graph));
}

static void captured(CUstream stream) {
    CUgraph graph;
    CUgraphExec exec;
    atomic_store(&calls, 0);
    CHECK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
    CHECK(cuMemcpyHtoDAsync(memory, pageable_in, sizeof pageable_in, stream));
    CHECK(launch(add, stream, memory, 7, N));
    CHECK(cuLaunchHostFunc(stream, count, (void *)1));
    CHECK(cuMemcpyDtoHAsync(pageable_out, memory, sizeof pageable_out, stream));
    CHECK(cuStreamEndCapture(stream, &graph));
    hold("a captured function does not run", atomic_load(&calls) == 0);
    CHECK(cuGraphInstantiate(&exec, graph, 0));
    CHECK(cuGraphDestroy(graph));
    for (int launch = 0; launch < LAUNCHES; launch++) {
        for (int i = 0; i < N; i++) pageable_in[i] = i ^ launch, pageable_out[i] = 0;
        CHECK(cuGraphLaunch(exec, stream));
        CHECK(cuStreamSynchronize(stream));
        int wrong = 0;
        for (int i = 0; i < N; i++) wrong += pageable_out[i] != (uint32_t)(i ^ launch) + 7;
        hold("captured copies see the bytes of each launch", wrong == 0 && atomic_load(&calls) == launch + 1);
    }
    CHECK(cuGraphExecDestroy(exec));
}

// Rows with gaps on both sides.
static void rows(CUstream stream) {
    enum { WIDTH = 40, HEIGHT = 9, HOST_PITCH = 100, DEVICE_PITCH = 64 };
    static unsigned char from[HOST_PITCH * HEIGHT], to[HOST_PITCH * HEIGHT];
    CUgraph graph;
    CUgraphExec exec;
    CUgraphNode first, second;
    CUDA_MEMCPY3D in_rows = {.srcMemoryType = CU_MEMORYTYPE_HOST, .srcHost = from, .srcPitch = HOST_PITCH, .srcXInBytes = 3,
                             .dstMemoryType = CU_MEMORYTYPE_DEVICE, .dstDevice = memory, .dstPitch = DEVICE_PITCH,
                             .WidthInBytes = WIDTH, .Height = HEIGHT, .Depth = 1};
    CUDA_MEMCPY3D out_rows = {.srcMemoryType = CU_MEMORYTYPE_DEVICE, .srcDevice = memory, .srcPitch = DEVICE_PITCH,
                              .dstMemoryType = CU_MEMORYTYPE_HOST, .dstHost = to, .dstPitch = HOST_PITCH, .dstXInBytes = 5,
                              .WidthInBytes = WIDTH, .Height = HEIGHT, .Depth = 1};
    CHECK(cuGraphCreate(&graph, 0));
    CHECK(cuGraphAddMemcpyNode(&first, graph, NULL, 0, &in_rows, context));
    CHECK(cuGraphAddMemcpyNode(&second, graph, &first, 1, &out_rows, context));
    CHECK(cuGraphInstantiate(&exec, graph, 0));
    for (int launch = 0; launch < LAUNCHES; launch++) {
        for (size_t i = 0; i < sizeof from; i++) from[i] = (unsigned char)(i * 7 + launch), to[i] = 0xEE;
        CHECK(cuGraphLaunch(exec, stream));
        CHECK(cuStreamSynchronize(stream));
        int wrong = 0;
        for (int y = 0; y < HEIGHT; y++)
            for (int x = 0; x < HOST_PITCH; x++) {
                int inside = x >= 5 && x < 5 + WIDTH;
                wrong += to[y * HOST_PITCH + x] != (inside ? from[y * HOST_PITCH + x - 2] : 0xEE);
            }
        hold("rows with gaps arrive, and nothing between them", wrong == 0);
    }
    CHECK(cuGraphExecDestroy(exec));
    CHECK(cuGraphDestroy(graph));
}

int main(void) {
    add = function_of(begin(), "add");
    CHECK(cuCtxGetCurrent(&context));
    CUstream stream;
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CHECK(cuMemAlloc(&memory, N * 4));
    CHECK(cuMemHostAlloc((void **)&in, N * 4, 0));
    CHECK(cuMemHostAlloc((void **)&out, N * 4, 0));
    bytes_of_each_launch(stream, in, out, "page-locked bytes are those of each launch");
    bytes_of_each_launch(stream, pageable_in, pageable_out, "pageable bytes are those of each launch");
    functions(stream);
    captured(stream);
    rows(stream);
    printf("graph_host: %d unexpected\n", failures);
    return failures != 0;
}
