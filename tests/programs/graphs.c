// Explicit graphs: each kind of node that leaves the host alone, topology asked and changed, clones, updates, destruction in every
// order, and what is refused.
#include "kernels.h"

#include <unistd.h>

enum { N = 5000 };

static CUmodule module;
static CUfunction fill, add, triple;
static CUcontext context;
static CUdeviceptr memory, other;

// Parameters of a kernel node live only as long as the call that takes them.
static CUgraphNode kernel_node(CUgraph graph, CUfunction function, CUdeviceptr to, uint32_t value, const CUgraphNode *after,
                               size_t count) {
    uint32_t n = N;
    void *values[] = {&to, &value, &n};
    CUDA_KERNEL_NODE_PARAMS params = {.func = function, .gridDimX = (N + 127) / 128, .gridDimY = 1, .gridDimZ = 1,
                                      .blockDimX = 128, .blockDimY = 1, .blockDimZ = 1, .kernelParams = values};
    CUgraphNode node;
    CHECK(cuGraphAddKernelNode(&node, graph, after, count, &params));
    to = 0, value = 0, n = 0;
    return node;
}

static int all_are(CUdeviceptr at, uint32_t expected) {
    static uint32_t words[N];
    CHECK(cuMemcpyDtoH(words, at, sizeof words));
    for (int i = 0; i < N; i++)
        if (words[i] != expected) {
            printf("word %d is %u, not %u\n", i, words[i], expected);
            return 0;
        }
    return 1;
}

static CUgraphExec executable(CUgraph graph) {
    CUgraphExec exec;
    CHECK(cuGraphInstantiate(&exec, graph, 0));
    return exec;
}

static void launch_and_wait(CUgraphExec exec, CUstream stream) {
    CHECK(cuGraphLaunch(exec, stream));
    CHECK(cuStreamSynchronize(stream));
}

static void nodes_of_each_kind(CUstream stream) {
    CUgraph graph, child;
    CUgraphNode set, first, second, copy, empty, record, wait, below, operation;
    CUevent event, from_outside;
    CHECK(cuEventCreate(&event, 0));
    CHECK(cuEventCreate(&from_outside, 0));
    CHECK(cuGraphCreate(&graph, 0));
    CUDA_MEMSET_NODE_PARAMS memset = {.dst = memory, .value = 5, .elementSize = 4, .width = N, .height = 1};
    CHECK(cuGraphAddMemsetNode(&set, graph, NULL, 0, &memset, context));
    first = kernel_node(graph, add, memory, 2, &set, 1); // 7
    second = kernel_node(graph, triple, memory, 1, &first, 1); // 22
    CUDA_MEMCPY3D copying = {.srcMemoryType = CU_MEMORYTYPE_DEVICE, .srcDevice = memory, .dstMemoryType = CU_MEMORYTYPE_DEVICE,
                             .dstDevice = other, .WidthInBytes = N * 4, .Height = 1, .Depth = 1};
    CHECK(cuGraphAddMemcpyNode(&copy, graph, &second, 1, &copying, context));
    CHECK(cuGraphAddEmptyNode(&empty, graph, &copy, 1));
    CHECK(cuGraphAddEventRecordNode(&record, graph, &empty, 1, event));
    CHECK(cuGraphAddEventWaitNode(&wait, graph, &record, 1, from_outside));
    CHECK(cuGraphCreate(&child, 0));
    CUgraphNode in_child = kernel_node(child, add, other, 1, NULL, 0);
    kernel_node(child, add, other, 1, &in_child, 1); // 24
    CHECK(cuGraphAddChildGraphNode(&below, graph, &wait, 1, child));
    CHECK(cuGraphDestroy(child));
    CUstreamBatchMemOpParams operations[2] = {0};
    operations[0].writeValue.operation = CU_STREAM_MEM_OP_WRITE_VALUE_32;
    operations[0].writeValue.address = other;
    operations[0].writeValue.value = 99;
    operations[1].waitValue.operation = CU_STREAM_MEM_OP_WAIT_VALUE_32;
    operations[1].waitValue.address = other;
    operations[1].waitValue.value = 99;
    CUDA_BATCH_MEM_OP_NODE_PARAMS batch = {.ctx = context, .count = 2, .paramArray = operations};
    CHECK(cuGraphAddBatchMemOpNode(&operation, graph, &below, 1, &batch));
    CUgraphExec exec = executable(graph);
    for (int round = 0; round < 3; round++) {
        launch_and_wait(exec, stream);
        uint32_t first_word, second_word;
        CHECK(cuMemcpyDtoH(&first_word, other, 4));
        CHECK(cuMemcpyDtoH(&second_word, other + 4, 4));
        hold("nodes of each kind do what they say, in their order", first_word == 99 && second_word == 24);
        hold("and nothing else", all_are(memory, 22));
        hold("an event is recorded by its node", cuEventQuery(event) == CUDA_SUCCESS);
    }
    CUgraphNodeType types[9];
    CUgraphNode nodes[9] = {set, first, second, copy, empty, record, wait, below, operation};
    printf("types:");
    for (int i = 0; i < 9; i++) {
        CHECK(cuGraphNodeGetType(nodes[i], &types[i]));
        printf(" %d", types[i]);
    }
    printf("\n");
    CUevent found;
    CHECK(cuGraphEventRecordNodeGetEvent(record, &found));
    hold("a record node knows its event", found == event);
    CHECK(cuGraphEventWaitNodeGetEvent(wait, &found));
    hold("a wait node knows its event", found == from_outside);
    expect("the event of a node of another kind", CUDA_ERROR_INVALID_VALUE, cuGraphEventWaitNodeGetEvent(record, &found));
    CUgraph inside;
    CHECK(cuGraphChildGraphNodeGetGraph(below, &inside));
    size_t count = 0;
    CHECK(cuGraphGetNodes(inside, NULL, &count));
    hold("a child graph is there after its original is gone", count == 2);
    expect("a child graph destroyed by itself", CUDA_ERROR_INVALID_VALUE, cuGraphDestroy(inside));
    CHECK(cuGraphExecDestroy(exec));
    CHECK(cuGraphDestroy(graph));
    CHECK(cuEventDestroy(event));
    CHECK(cuEventDestroy(from_outside));
}

static void topology(void) {
    CUgraph graph;
    CUgraphNode a, b, c, d, found[8], from[8], to[8];
    size_t count = 8;
    CHECK(cuGraphCreate(&graph, 0));
    CHECK(cuGraphAddEmptyNode(&a, graph, NULL, 0));
    CHECK(cuGraphAddEmptyNode(&b, graph, &a, 1));
    CHECK(cuGraphAddEmptyNode(&c, graph, &a, 1));
    CUgraphNode both[] = {b, c};
    CHECK(cuGraphAddEmptyNode(&d, graph, both, 2));
    CHECK(cuGraphGetNodes(graph, found, &count));
    hold("the nodes of a graph", count == 4 && found[0] == a && found[1] == b && found[2] == c && found[3] == d);
    hold("behind them is nothing", found[4] == NULL && found[7] == NULL);
    count = 2;
    CHECK(cuGraphGetNodes(graph, found, &count));
    hold("as many as there is room for", count == 2 && found[0] == a);
    count = 8;
    CHECK(cuGraphGetRootNodes(graph, found, &count));
    hold("the root of a graph", count == 1 && found[0] == a);
    count = 8;
    CHECK(cuGraphNodeGetDependencies(d, found, NULL, &count));
    hold("what a node waits for", count == 2 && found[0] == b && found[1] == c);
    count = 8;
    CHECK(cuGraphNodeGetDependentNodes(a, found, NULL, &count));
    hold("what waits for a node", count == 2 && found[0] == b && found[1] == c);
    count = 8;
    CHECK(cuGraphGetEdges(graph, from, to, NULL, &count));
    hold("the edges of a graph", count == 4 && from[0] == a && to[0] == b && from[3] == c && to[3] == d);
    CHECK(cuGraphRemoveDependencies(graph, &a, &b, NULL, 1));
    expect("an edge removed twice", CUDA_ERROR_INVALID_VALUE, cuGraphRemoveDependencies(graph, &a, &b, NULL, 1));
    CHECK(cuGraphAddDependencies(graph, &a, &b, NULL, 1));
    expect("an edge added twice", CUDA_ERROR_INVALID_VALUE, cuGraphAddDependencies(graph, &a, &b, NULL, 1));
    expect("an edge from a node to itself", CUDA_ERROR_INVALID_VALUE, cuGraphAddDependencies(graph, &a, &a, NULL, 1));
    CHECK(cuGraphDestroyNode(b));
    count = 8;
    CHECK(cuGraphGetEdges(graph, from, to, NULL, &count));
    hold("edges go with their node", count == 2);
    expect("a node that is destroyed", CUDA_ERROR_INVALID_VALUE, cuGraphDestroyNode(b));
    CUgraph clone;
    CUgraphNode copied;
    CHECK(cuGraphClone(&clone, graph));
    CHECK(cuGraphNodeFindInClone(&copied, d, clone));
    hold("a node's copy is another node", copied != d);
    count = 8;
    CHECK(cuGraphNodeGetDependencies(copied, found, NULL, &count));
    hold("with the same edges", count == 1 && found[0] != c);
    CHECK(cuGraphDestroyNode(c));
    CHECK(cuGraphNodeFindInClone(&copied, d, clone));
    expect("a node in what is no clone", CUDA_ERROR_INVALID_VALUE, cuGraphNodeFindInClone(&copied, d, graph));
    // Nodes that wait for each other in a circle.
    CHECK(cuGraphAddDependencies(graph, &a, &d, NULL, 1));
    CHECK(cuGraphAddDependencies(graph, &d, &a, NULL, 1));
    CUgraphExec exec;
    expect("a circle made executable", CUDA_ERROR_INVALID_VALUE, cuGraphInstantiate(&exec, graph, 0));
    CHECK(cuGraphDestroy(graph));
    expect("a graph destroyed twice", CUDA_ERROR_INVALID_VALUE, cuGraphDestroy(graph));
    expect("the nodes of a destroyed graph", CUDA_ERROR_INVALID_VALUE, cuGraphGetNodes(graph, NULL, &count));
    CHECK(cuGraphDestroy(clone));
}

static void parameters_and_updates(CUstream stream) {
    CUgraph graph, like, unlike;
    CHECK(cuGraphCreate(&graph, 0));
    CUgraphNode set = kernel_node(graph, fill, memory, 3, NULL, 0);
    CUgraphNode more = kernel_node(graph, add, memory, 4, &set, 1);
    CUDA_KERNEL_NODE_PARAMS params;
    CHECK(cuGraphKernelNodeGetParams(set, &params));
    hold("a node's launch", params.func == fill && params.blockDimX == 128 && *(uint32_t *)params.kernelParams[1] == 3);
    CUgraphExec exec = executable(graph);
    launch_and_wait(exec, stream);
    hold("as it was made", all_are(memory, 7));

    CUdeviceptr to = memory;
    uint32_t value = 30, n = N;
    void *values[] = {&to, &value, &n};
    params.kernelParams = values;
    CHECK(cuGraphKernelNodeSetParams(set, &params));
    launch_and_wait(exec, stream);
    hold("an executable graph is not changed with its graph", all_are(memory, 7));
    CHECK(cuGraphExecKernelNodeSetParams(exec, set, &params));
    launch_and_wait(exec, stream);
    hold("a node set in the executable graph", all_are(memory, 34));

    CHECK(cuGraphNodeSetEnabled(exec, more, 0));
    launch_and_wait(exec, stream);
    hold("a node that is switched off", all_are(memory, 30));
    unsigned enabled = 7;
    CHECK(cuGraphNodeGetEnabled(exec, more, &enabled));
    hold("says so", enabled == 0);
    CHECK(cuGraphNodeSetEnabled(exec, more, 1));
    launch_and_wait(exec, stream);
    hold("and on again", all_are(memory, 34));

    CHECK(cuGraphCreate(&like, 0));
    CUgraphNode like_set = kernel_node(like, fill, memory, 100, NULL, 0);
    kernel_node(like, triple, memory, 1, &like_set, 1);
    CUgraphExecUpdateResultInfo result;
    CHECK(cuGraphExecUpdate(exec, like, &result));
    hold("an update by a like graph", result.result == CU_GRAPH_EXEC_UPDATE_SUCCESS);
    launch_and_wait(exec, stream);
    hold("does what that says", all_are(memory, 301));

    CHECK(cuGraphCreate(&unlike, 0));
    kernel_node(unlike, fill, memory, 100, NULL, 0);
    expect("an update by a smaller graph", CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE, cuGraphExecUpdate(exec, unlike, &result));
    hold("the topology differs", result.result == CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED);
    CUgraphNode empty;
    CHECK(cuGraphAddEmptyNode(&empty, unlike, NULL, 0));
    expect("an update by a graph of other nodes", CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE, cuGraphExecUpdate(exec, unlike, &result));
    hold("a type differs", result.result == CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED && result.errorNode == empty);
    launch_and_wait(exec, stream);
    hold("a refused update changes nothing", all_are(memory, 301));

    CUlaunchAttributeValue attribute = {0}, copy = {0};
    attribute.priority = -1;
    CHECK(cuGraphKernelNodeSetAttribute(set, CU_LAUNCH_ATTRIBUTE_PRIORITY, &attribute));
    CHECK(cuGraphKernelNodeCopyAttributes(more, set));
    CHECK(cuGraphKernelNodeGetAttribute(more, CU_LAUNCH_ATTRIBUTE_PRIORITY, &copy));
    hold("attributes are copied", copy.priority == -1);
    CHECK(cuGraphExecDestroy(exec));
    exec = executable(graph);
    launch_and_wait(exec, stream);
    hold("a graph with attributes", all_are(memory, 34));
    CHECK(cuGraphExecDestroy(exec));
    CHECK(cuGraphDestroy(graph));
    CHECK(cuGraphDestroy(like));
    CHECK(cuGraphDestroy(unlike));
}

static void ends_in_any_order(CUstream stream) {
    CUgraph graph;
    CUgraphExec exec;
    CUfunction own_fill, own_add;
    CUmodule own;
    CHECK(cuModuleLoadData(&own, KERNELS));
    CHECK(cuModuleGetFunction(&own_fill, own, "fill"));
    CHECK(cuModuleGetFunction(&own_add, own, "add"));
    CHECK(cuGraphCreate(&graph, 0));
    CUgraphNode node = kernel_node(graph, own_fill, memory, 1, NULL, 0);
    for (int i = 0; i < 10; i++) node = kernel_node(graph, own_add, memory, 1, &node, 1);
    exec = executable(graph);
    CHECK(cuGraphDestroy(graph));
    launch_and_wait(exec, stream);
    hold("an executable graph outlives its graph", all_are(memory, 11));
    CHECK(cuMemsetD32Async(memory, 0, N, stream));
    CHECK(cuGraphLaunch(exec, stream));
    CHECK(cuGraphExecDestroy(exec));
    CHECK(cuStreamSynchronize(stream));
    hold("what was launched ends after it", all_are(memory, 11));
    expect("a launch of what is destroyed", CUDA_ERROR_INVALID_VALUE, cuGraphLaunch(exec, stream));
    CHECK(cuModuleUnload(own));
}

static void many_launches(CUstream stream, CUstream second) {
    CUgraph graph;
    CHECK(cuMemsetD32(memory, 0, N));
    CHECK(cuCtxSynchronize());
    CHECK(cuGraphCreate(&graph, 0));
    kernel_node(graph, add, memory, 1, NULL, 0);
    CUgraphExec exec = executable(graph);
    for (int i = 0; i < 1000; i++) CHECK(cuGraphLaunch(exec, i % 2 ? stream : second));
    CHECK(cuStreamSynchronize(stream));
    CHECK(cuStreamSynchronize(second));
    hold("a thousand launches in two streams, one after the other", all_are(memory, 1000));
    CHECK(cuGraphExecDestroy(exec));
    CHECK(cuGraphDestroy(graph));
}

static int ended;
static void on_end(void *by) { ended += (int)(intptr_t)by; }

static void objects(CUstream stream) {
    CUgraph graph, clone;
    CUuserObject object;
    CUgraphExec exec;
    CHECK(cuUserObjectCreate(&object, (void *)1, on_end, 1, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC));
    CHECK(cuGraphCreate(&graph, 0));
    kernel_node(graph, fill, memory, 1, NULL, 0);
    CHECK(cuGraphRetainUserObject(graph, object, 1, CU_GRAPH_USER_OBJECT_MOVE));
    CHECK(cuGraphClone(&clone, graph));
    CHECK(cuGraphDestroy(graph));
    hold("an object lives in the clone of its graph", ended == 0);
    exec = executable(clone);
    CHECK(cuGraphDestroy(clone));
    launch_and_wait(exec, stream);
    hold("and in what was made of that", ended == 0);
    CHECK(cuGraphExecDestroy(exec));
    for (int i = 0; i < 1000 && !ended; i++) usleep(10000);
    hold("and ends with the last of them, once", ended == 1);
    expect("an object that is gone", CUDA_ERROR_INVALID_VALUE, cuUserObjectRelease(object, 1));
    expect("an object without its flag", CUDA_ERROR_INVALID_VALUE, cuUserObjectCreate(&object, NULL, on_end, 1, 0));
    CHECK(cuUserObjectCreate(&object, (void *)10, on_end, 2, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC));
    CHECK(cuUserObjectRetain(object, 1));
    CHECK(cuUserObjectRelease(object, 3));
    hold("an object without a graph ends with its last reference", ended == 11);
}

static void refused(CUstream stream) {
    CUgraph graph;
    CUgraphNode node, foreign;
    CUgraphExec exec;
    const CUresult value = CUDA_ERROR_INVALID_VALUE;
    CHECK(cuGraphCreate(&graph, 0));
    expect("a graph with flags", value, cuGraphCreate(&graph, 1));
    expect("a graph into nowhere", value, cuGraphCreate(NULL, 0));
    CUDA_MEMSET_NODE_PARAMS memset = {.dst = memory, .value = 5, .elementSize = 4, .width = N + 1, .height = 1};
    expect("a set over the end", value, cuGraphAddMemsetNode(&node, graph, NULL, 0, &memset, context));
    memset.width = N, memset.elementSize = 3;
    expect("a set of three bytes", value, cuGraphAddMemsetNode(&node, graph, NULL, 0, &memset, context));
    CUDA_KERNEL_NODE_PARAMS params = {.func = fill, .gridDimX = 1, .gridDimY = 1, .gridDimZ = 1, .blockDimX = 1, .blockDimY = 1,
                                      .blockDimZ = 1};
    expect("a kernel without its parameters", value, cuGraphAddKernelNode(&node, graph, NULL, 0, &params));
    params.func = (CUfunction)0x1234;
    expect("a kernel that is none", CUDA_ERROR_INVALID_HANDLE, cuGraphAddKernelNode(&node, graph, NULL, 0, &params));
    expect("an event that is none", CUDA_ERROR_INVALID_HANDLE,
           cuGraphAddEventRecordNode(&node, graph, NULL, 0, (CUevent)0x1234));
    CUDA_HOST_NODE_PARAMS host = {0};
    expect("a host function that is none", value, cuGraphAddHostNode(&node, graph, NULL, 0, &host));
    CUgraph another;
    CHECK(cuGraphCreate(&another, 0));
    CHECK(cuGraphAddEmptyNode(&foreign, another, NULL, 0));
    expect("a node of another graph waited for", value, cuGraphAddEmptyNode(&node, graph, &foreign, 1));
    CHECK(cuGraphAddEmptyNode(&node, graph, NULL, 0));
    CUgraphNode twice[] = {node, node};
    expect("a node waited for twice", value, cuGraphAddEmptyNode(&node, graph, twice, 2));
    expect("a graph as its own child", value, cuGraphAddChildGraphNode(&node, graph, NULL, 0, graph));
    expect("no graph made executable", value, cuGraphInstantiate(&exec, NULL, 0));
    expect("unknown flags", value, cuGraphInstantiate(&exec, graph, 1 << 10));
    expect("nothing launched", value, cuGraphLaunch(NULL, stream));
    CHECK(cuGraphInstantiate(&exec, graph, 0));
    expect("a launch in a stream that is none", CUDA_ERROR_INVALID_HANDLE, cuGraphLaunch(exec, (CUstream)0x1234));
    CHECK(cuGraphLaunch(exec, stream));
    CHECK(cuStreamSynchronize(stream));
    CHECK(cuGraphExecDestroy(exec));
    expect("an executable graph destroyed twice", value, cuGraphExecDestroy(exec));
    CHECK(cuGraphDestroy(graph));
    CHECK(cuGraphDestroy(another));
    cuuint64_t bytes = 7;
    CHECK(cuDeviceGetGraphMemAttribute(0, CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT, &bytes));
    hold("graphs hold no memory of their own", bytes == 0);
    CHECK(cuDeviceSetGraphMemAttribute(0, CU_GRAPH_MEM_ATTR_USED_MEM_HIGH, &bytes));
    CHECK(cuDeviceGraphMemTrim(0));
    expect("a figure that cannot be set", value, cuDeviceSetGraphMemAttribute(0, CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT, &bytes));
    expect("the graph memory of no device", CUDA_ERROR_INVALID_DEVICE, cuDeviceGraphMemTrim(99));
}

int main(void) {
    module = begin();
    fill = function_of(module, "fill"), add = function_of(module, "add"), triple = function_of(module, "triple");
    CHECK(cuCtxGetCurrent(&context));
    CUstream stream, second;
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CHECK(cuStreamCreate(&second, 0));
    CHECK(cuMemAlloc(&memory, N * 4));
    CHECK(cuMemAlloc(&other, N * 4));
    nodes_of_each_kind(stream);
    topology();
    parameters_and_updates(stream);
    ends_in_any_order(stream);
    many_launches(stream, second);
    objects(stream);
    refused(stream);
    printf("graphs: %d unexpected\n", failures);
    return failures != 0;
}
