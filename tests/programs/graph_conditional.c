// Conditional nodes: bodies that run as a value says which kernels set, at each launch anew.
#include "kernels.h"

static const char SETTERS[] =
    ".version 8.0\n"
    ".target sm_75\n"
    ".address_size 64\n"
    ".extern .func cudaGraphSetConditional(.param .b64 handle, .param .b32 value);\n"
    // choose says a value; count_down takes one from a word, and says what is left.
    ".visible .entry choose(.param .u64 handle, .param .u32 value)\n"
    "{\n"
    "    .reg .u64 %handle;\n"
    "    .reg .u32 %value;\n"
    "    ld.param.u64 %handle, [handle];\n"
    "    ld.param.u32 %value, [value];\n"
    "    {\n"
    "    .param .b64 first;\n"
    "    .param .b32 second;\n"
    "    st.param.b64 [first], %handle;\n"
    "    st.param.b32 [second], %value;\n"
    "    call.uni cudaGraphSetConditional, (first, second);\n"
    "    }\n"
    "    ret;\n"
    "}\n"
    ".visible .entry count_down(.param .u64 handle, .param .u64 word)\n"
    "{\n"
    "    .reg .u64 %handle, %word;\n"
    "    .reg .u32 %left;\n"
    "    ld.param.u64 %handle, [handle];\n"
    "    ld.param.u64 %word, [word];\n"
    "    ld.global.u32 %left, [%word];\n"
    "    sub.u32 %left, %left, 1;\n"
    "    st.global.u32 [%word], %left;\n"
    "    {\n"
    "    .param .b64 first;\n"
    "    .param .b32 second;\n"
    "    st.param.b64 [first], %handle;\n"
    "    st.param.b32 [second], %left;\n"
    "    call.uni cudaGraphSetConditional, (first, second);\n"
    "    }\n"
    "    ret;\n"
    "}\n";

static CUcontext context;
static CUfunction fill, add, choose, count_down;
static CUdeviceptr word, sum;

static CUgraphNode kernel_node(CUgraph graph, CUfunction function, void **values, const CUgraphNode *after) {
    CUDA_KERNEL_NODE_PARAMS params = {.func = function, .gridDimX = 1, .gridDimY = 1, .gridDimZ = 1, .blockDimX = 1,
                                      .blockDimY = 1, .blockDimZ = 1, .kernelParams = values};
    CUgraphNode node;
    CHECK(cuGraphAddKernelNode(&node, graph, after, after ? 1 : 0, &params));
    return node;
}

static CUgraphNode word_node(CUgraph graph, CUfunction function, CUdeviceptr to, uint32_t value, const CUgraphNode *after) {
    uint32_t one = 1;
    void *values[] = {&to, &value, &one};
    return kernel_node(graph, function, values, after);
}

static CUgraphNode conditional_node(CUgraph graph, CUgraphConditionalHandle handle, CUgraphConditionalNodeType type,
                                    unsigned size, const CUgraphNode *after, CUgraph *bodies) {
    CUgraphNodeParams params = {.type = CU_GRAPH_NODE_TYPE_CONDITIONAL};
    params.conditional.handle = handle;
    params.conditional.type = type;
    params.conditional.size = size;
    params.conditional.ctx = context;
    CUgraphNode node;
    CHECK(cuGraphAddNode(&node, graph, after, NULL, after ? 1 : 0, &params));
    for (unsigned i = 0; i < size; i++) bodies[i] = params.conditional.phGraph_out[i];
    return node;
}

static uint32_t at(CUdeviceptr address) {
    uint32_t value;
    CHECK(cuMemcpyDtoH(&value, address, 4));
    return value;
}

static void while_it_is_not_zero(CUstream stream) {
    CUgraph graph, body;
    CUgraphExec exec;
    CUgraphConditionalHandle handle;
    CHECK(cuGraphCreate(&graph, 0));
    CHECK(cuGraphConditionalHandleCreate(&handle, graph, context, 1, CU_GRAPH_COND_ASSIGN_DEFAULT));
    CUgraphNode node = word_node(graph, fill, word, 5, NULL);
    node = word_node(graph, fill, sum, 0, &node);
    node = conditional_node(graph, handle, CU_GRAPH_COND_TYPE_WHILE, 1, &node, &body);
    word_node(graph, add, sum, 1000, &node);
    CUgraphNode inside = word_node(body, add, sum, 7, NULL);
    void *values[] = {&handle, &word};
    kernel_node(body, count_down, values, &inside);
    CHECK(cuGraphInstantiate(&exec, graph, 0));
    for (int launch = 0; launch < 3; launch++) {
        CHECK(cuGraphLaunch(exec, stream));
        CHECK(cuStreamSynchronize(stream));
        hold("a body runs as long as its value is not zero", at(word) == 0 && at(sum) == 5 * 7 + 1000);
    }
    CUgraph clone;
    expect("a graph with a conditional node cloned", CUDA_ERROR_NOT_SUPPORTED, cuGraphClone(&clone, graph));
    CHECK(cuGraphDestroy(graph));
    CHECK(cuGraphLaunch(exec, stream));
    CHECK(cuStreamSynchronize(stream));
    hold("also when the graph is gone of which it was made", at(word) == 0 && at(sum) == 5 * 7 + 1000);
    CHECK(cuGraphExecDestroy(exec));
}

static void one_or_the_other(CUstream stream) {
    CUgraph graph, bodies[2];
    CUgraphExec exec;
    CUgraphConditionalHandle handle;
    uint32_t value = 1;
    void *values[] = {&handle, &value};
    CHECK(cuGraphCreate(&graph, 0));
    CHECK(cuGraphConditionalHandleCreate(&handle, graph, context, 0, 0));
    CUgraphNode chooser = kernel_node(graph, choose, values, NULL);
    conditional_node(graph, handle, CU_GRAPH_COND_TYPE_IF, 2, &chooser, bodies);
    word_node(bodies[0], fill, word, 11, NULL);
    word_node(bodies[1], fill, word, 22, NULL);
    CHECK(cuGraphInstantiate(&exec, graph, 0));
    for (int launch = 0; launch < 4; launch++) {
        value = launch % 2 ? 0 : 9;
        CUDA_KERNEL_NODE_PARAMS params;
        CHECK(cuGraphKernelNodeGetParams(chooser, &params));
        params.kernelParams = values;
        CHECK(cuGraphExecKernelNodeSetParams(exec, chooser, &params));
        CHECK(cuGraphLaunch(exec, stream));
        CHECK(cuStreamSynchronize(stream));
        hold("one body or the other runs", at(word) == (value ? 11 : 22));
    }
    CHECK(cuGraphExecDestroy(exec));
    CHECK(cuGraphDestroy(graph));
}

static void one_of_several(CUstream stream) {
    enum { CASES = 3 };
    CUgraph graph, bodies[CASES];
    CUgraphExec exec;
    CUgraphConditionalHandle handle;
    uint32_t value = 0;
    void *values[] = {&handle, &value};
    CHECK(cuGraphCreate(&graph, 0));
    CHECK(cuGraphConditionalHandleCreate(&handle, graph, context, 0, 0));
    CUgraphNode first = word_node(graph, fill, word, 99, NULL);
    CUgraphNode chooser = kernel_node(graph, choose, values, &first);
    conditional_node(graph, handle, CU_GRAPH_COND_TYPE_SWITCH, CASES, &chooser, bodies);
    for (uint32_t i = 0; i < CASES; i++) {
        // Bodies are filled by capture as well.
        CHECK(cuStreamBeginCaptureToGraph(stream, bodies[i], NULL, NULL, 0, CU_STREAM_CAPTURE_MODE_RELAXED));
        CHECK(launch(fill, stream, word, i * 100, 1));
        CHECK(cuStreamEndCapture(stream, &bodies[i]));
    }
    CHECK(cuGraphInstantiate(&exec, graph, 0));
    for (uint32_t wanted = 0; wanted <= CASES; wanted++) {
        value = wanted;
        CUDA_KERNEL_NODE_PARAMS params;
        CHECK(cuGraphKernelNodeGetParams(chooser, &params));
        params.kernelParams = values;
        CHECK(cuGraphExecKernelNodeSetParams(exec, chooser, &params));
        CHECK(cuGraphLaunch(exec, stream));
        CHECK(cuStreamSynchronize(stream));
        hold("the body of that number runs, or none", at(word) == (wanted < CASES ? wanted * 100 : 99));
    }
    CHECK(cuGraphExecDestroy(exec));
    CHECK(cuGraphDestroy(graph));
}

static void refused(void) {
    CUgraph graph;
    CUgraphExec exec;
    CUgraphConditionalHandle handle;
    CUgraphNode node;
    CUgraphNodeParams params = {.type = CU_GRAPH_NODE_TYPE_CONDITIONAL};
    const CUresult value = CUDA_ERROR_INVALID_VALUE;
    CHECK(cuGraphCreate(&graph, 0));
    params.conditional.handle = 12345, params.conditional.size = 1, params.conditional.ctx = context;
    expect("a conditional node of no value", value, cuGraphAddNode(&node, graph, NULL, NULL, 0, &params));
    CHECK(cuGraphConditionalHandleCreate(&handle, graph, context, 0, 0));
    params.conditional.handle = handle, params.conditional.type = CU_GRAPH_COND_TYPE_WHILE, params.conditional.size = 2;
    expect("a loop of two bodies", value, cuGraphAddNode(&node, graph, NULL, NULL, 0, &params));
    CUDA_GRAPH_INSTANTIATE_PARAMS wanted = {0};
    expect("a value that nothing looks at", value, cuGraphInstantiateWithParams(&exec, graph, &wanted));
    hold("is named as the reason", wanted.result_out == CUDA_GRAPH_INSTANTIATE_CONDITIONAL_HANDLE_UNUSED);
    params.conditional.size = 1;
    CHECK(cuGraphAddNode(&node, graph, NULL, NULL, 0, &params));
    expect("a value that two nodes look at", value, cuGraphAddNode(&node, graph, NULL, NULL, 0, &params));
    CHECK(cuGraphDestroy(graph));
}

int main(void) {
    CUmodule kernels = begin(), setters;
    CHECK(cuCtxGetCurrent(&context));
    CHECK(cuModuleLoadData(&setters, SETTERS));
    fill = function_of(kernels, "fill"), add = function_of(kernels, "add");
    choose = function_of(setters, "choose"), count_down = function_of(setters, "count_down");
    CUstream stream;
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CHECK(cuMemAlloc(&word, 4));
    CHECK(cuMemAlloc(&sum, 4));
    while_it_is_not_zero(stream);
    one_or_the_other(stream);
    one_of_several(stream);
    refused();
    printf("graph_conditional: %d unexpected\n", failures);
    return failures != 0;
}
