// Memory that graphs allocate and free: by nodes and captured, freed by the graph, by another, by the program, or by the next launch.
#include "kernels.h"

#include <unistd.h>

enum { N = 1000, BYTES = 4 * N };
static CUfunction fill, add;
static CUcontext context;
static CUstream stream;
static CUdeviceptr kept;
static const CUresult value = CUDA_ERROR_INVALID_VALUE, unsupported = CUDA_ERROR_NOT_SUPPORTED;

static size_t free_bytes(void) {
    size_t free, total;
    CHECK(cuCtxSynchronize());
    CHECK(cuMemGetInfo(&free, &total));
    return free;
}

static cuuint64_t figure(CUgraphMem_attribute which) {
    cuuint64_t bytes = ~0ull;
    CHECK(cuDeviceGetGraphMemAttribute(0, which, &bytes));
    return bytes;
}

static int all_are(CUdeviceptr memory, uint32_t expected) {
    uint32_t found[N];
    CHECK(cuMemcpyDtoH(found, memory, BYTES));
    for (int i = 0; i < N; i++)
        if (found[i] != expected) return 0;
    return 1;
}

static CUgraphNode allocation(CUgraph graph, CUdeviceptr *address) {
    CUgraphNode node;
    CUDA_MEM_ALLOC_NODE_PARAMS params = {.poolProps = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
                                                       .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0}},
                                         .bytesize = BYTES};
    CHECK(cuGraphAddMemAllocNode(&node, graph, NULL, 0, &params));
    *address = params.dptr;
    return node;
}

static CUgraphNode kernel(CUgraph graph, CUgraphNode after, CUfunction function, CUdeviceptr to, uint32_t number) {
    CUgraphNode node;
    uint32_t n = N;
    void *parameters[] = {&to, &number, &n};
    CUDA_KERNEL_NODE_PARAMS params = {.func = function, .gridDimX = 8, .gridDimY = 1, .gridDimZ = 1, .blockDimX = 128,
                                      .blockDimY = 1, .blockDimZ = 1, .kernelParams = parameters};
    CHECK(cuGraphAddKernelNode(&node, graph, after ? &after : NULL, after != NULL, &params));
    return node;
}

static CUgraphNode copy_to_kept(CUgraph graph, CUgraphNode after, CUdeviceptr from) {
    CUgraphNode node;
    CUDA_MEMCPY3D params = {.srcMemoryType = CU_MEMORYTYPE_DEVICE, .srcDevice = from, .dstMemoryType = CU_MEMORYTYPE_DEVICE,
                            .dstDevice = kept, .WidthInBytes = BYTES, .Height = 1, .Depth = 1};
    CHECK(cuGraphAddMemcpyNode(&node, graph, &after, 1, &params, context));
    return node;
}

static void by_nodes(void) {
    CUgraph graph, clone;
    CUgraphExec exec, second;
    CUdeviceptr memory, found;
    CUgraphNode node, last, again;
    CUgraphNodeType type;
    CHECK(cuGraphCreate(&graph, 0));
    node = allocation(graph, &memory);
    hold("an allocation has its address at once", memory != 0);
    CUgraphNode filled = kernel(graph, node, fill, memory, 4);
    last = copy_to_kept(graph, kernel(graph, filled, add, memory, 5), memory);
    CHECK(cuGraphAddMemFreeNode(&node, graph, &last, 1, memory));
    CHECK(cuGraphNodeGetType(node, &type));
    CHECK(cuGraphMemFreeNodeGetParams(node, &found));
    hold("a free node says what it frees", type == CU_GRAPH_NODE_TYPE_MEM_FREE && found == memory);
    expect("freed twice in a graph", value, cuGraphAddMemFreeNode(&again, graph, &last, 1, memory));
    expect("memory that no graph has allocated", value, cuGraphAddMemFreeNode(&again, graph, NULL, 0, kept));
    expect("a copy of the graph", unsupported, cuGraphClone(&clone, graph));
    expect("a node taken out", unsupported, cuGraphDestroyNode(last));
    expect("an edge taken out", unsupported, cuGraphRemoveDependencies(graph, &filled, &last, NULL, 0));
    CHECK(cuGraphInstantiate(&exec, graph, 0));
    expect("made executable twice at a time", unsupported, cuGraphInstantiate(&second, graph, 0));
    for (int i = 0; i < 3; i++) {
        CHECK(cuMemsetD32Async(kept, 0, N, stream));
        CHECK(cuGraphLaunch(exec, stream));
    }
    CHECK(cuStreamSynchronize(stream));
    hold("each launch allocates, computes and frees", all_are(kept, 9));
    hold("nobody has it afterwards", figure(CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT) == 0);
    hold("somebody had it", figure(CU_GRAPH_MEM_ATTR_USED_MEM_HIGH) >= BYTES);
    hold("the graph holds it", figure(CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT) >= BYTES);
    expect("freed by the program after the graph", value, cuMemFree(memory));
    CHECK(cuGraphExecDestroy(exec));
    CHECK(cuGraphInstantiate(&exec, graph, 0));
    CHECK(cuGraphExecDestroy(exec));
    CHECK(cuGraphDestroy(graph));
    hold("until it is destroyed", figure(CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT) == 0);
}

static void captured(void) {
    CUgraph graph;
    CUgraphExec exec;
    CUdeviceptr first, second;
    CHECK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
    CHECK(cuMemAllocAsync(&first, BYTES, stream));
    CHECK(cuMemAllocAsync(&second, BYTES, stream));
    CHECK(launch(fill, stream, first, 11, N));
    CHECK(cuMemcpyDtoDAsync(second, first, BYTES, stream));
    CHECK(cuMemFreeAsync(first, stream));
    CHECK(launch(add, stream, second, 1, N));
    CHECK(cuMemcpyDtoDAsync(kept, second, BYTES, stream));
    CHECK(cuMemFreeAsync(second, stream));
    CHECK(cuStreamEndCapture(stream, &graph));
    size_t nodes = 0;
    CHECK(cuGraphGetNodes(graph, NULL, &nodes));
    hold("allocations and frees are nodes", nodes == 8);
    CHECK(cuGraphInstantiate(&exec, graph, 0));
    CHECK(cuGraphLaunch(exec, stream));
    CHECK(cuGraphLaunch(exec, stream));
    CHECK(cuStreamSynchronize(stream));
    hold("what was captured computes", all_are(kept, 12));
    CHECK(cuGraphExecDestroy(exec));
    CHECK(cuGraphDestroy(graph));
    CHECK(cuMemAllocAsync(&first, BYTES, stream));
    CHECK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
    expect("a pool's memory freed in a capture", value, cuMemFreeAsync(first, stream));
    expect("which spoils it", CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(stream, &graph));
    CHECK(cuMemFreeAsync(first, stream));
}

static void left_behind(void) {
    CUgraph graph, other;
    CUgraphExec exec, freeing;
    CUdeviceptr memory;
    CUgraphNode node;
    CHECK(cuGraphCreate(&graph, 0));
    node = allocation(graph, &memory);
    kernel(graph, node, fill, memory, 21);
    CHECK(cuGraphInstantiate(&exec, graph, 0));
    CHECK(cuGraphLaunch(exec, stream));
    CHECK(cuStreamSynchronize(stream));
    hold("what a graph does not free is the program's", all_are(memory, 21));
    hold("and counted", figure(CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT) >= BYTES);
    expect("launched again before it is freed", value, cuGraphLaunch(exec, stream));
    CHECK(cuMemFree(memory));
    CHECK(cuGraphLaunch(exec, stream));
    CHECK(cuMemFreeAsync(memory, stream));
    CHECK(cuGraphLaunch(exec, stream));
    CHECK(cuGraphCreate(&other, 0));
    CHECK(cuGraphAddMemFreeNode(&node, other, NULL, 0, memory));
    CHECK(cuGraphInstantiate(&freeing, other, 0));
    CHECK(cuGraphLaunch(freeing, stream));
    expect("freed by another graph, and again", value, cuGraphLaunch(freeing, stream));
    CHECK(cuGraphLaunch(exec, stream));
    CHECK(cuGraphExecDestroy(freeing));
    CHECK(cuGraphDestroy(other));
    CHECK(cuGraphExecDestroy(exec));
    CHECK(cuGraphInstantiate(&exec, graph, CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH));
    for (int i = 0; i < 3; i++) CHECK(cuGraphLaunch(exec, stream));
    CHECK(cuGraphExecDestroy(exec));
    CHECK(cuGraphDestroy(graph));
    CHECK(launch(add, stream, memory, 2, N));
    CHECK(cuStreamSynchronize(stream));
    hold("it outlives its graph", all_are(memory, 23));
    CHECK(cuMemFree(memory));
    expect("freed twice", value, cuMemFree(memory));
}

static void through_one_struct(void) {
    CUgraph graph;
    CUgraphNode node, freed;
    CUgraphExec exec;
    CHECK(cuGraphCreate(&graph, 0));
    CUgraphNodeParams params = {.type = CU_GRAPH_NODE_TYPE_MEM_ALLOC};
    params.alloc.poolProps.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
    params.alloc.poolProps.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    params.alloc.bytesize = BYTES;
    CHECK(cuGraphAddNode(&node, graph, NULL, NULL, 0, &params));
    CUdeviceptr memory = params.alloc.dptr;
    CUDA_MEM_ALLOC_NODE_PARAMS said;
    CHECK(cuGraphMemAllocNodeGetParams(node, &said));
    hold("an allocation node says what it allocates", said.dptr == memory && said.bytesize == BYTES);
    node = copy_to_kept(graph, kernel(graph, node, fill, memory, 31), memory);
    CUgraphNodeParams freeing = {.type = CU_GRAPH_NODE_TYPE_MEM_FREE};
    freeing.free.dptr = memory;
    CHECK(cuGraphAddNode(&freed, graph, &node, NULL, 1, &freeing));
    CHECK(cuGraphInstantiate(&exec, graph, 0));
    CHECK(cuGraphLaunch(exec, stream));
    CHECK(cuStreamSynchronize(stream));
    hold("nodes of any type through one struct", all_are(kept, 31));
    CHECK(cuGraphExecDestroy(exec));
    CHECK(cuGraphDestroy(graph));
}

int main(void) {
    CUmodule module = begin();
    fill = function_of(module, "fill"), add = function_of(module, "add");
    CHECK(cuCtxGetCurrent(&context));
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    kept = words(N);
    size_t before = free_bytes();
    by_nodes();
    left_behind();
    through_one_struct();
    // What nobody names any more goes when the device is done with it.
    for (int tries = 0; tries < 500 && free_bytes() != before; tries++) usleep(10000);
    hold("nothing is lost", free_bytes() == before);
    captured();
    CHECK(cuDeviceGraphMemTrim(0));
    hold("no graph holds anything", figure(CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT) == 0);
    printf("graph_memory: %d unexpected\n", failures);
    return failures != 0;
}
