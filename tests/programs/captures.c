// Captures: what becomes a node, forks and joins over events, the three modes with a second thread at work beside them, and what
// spoils a capture.
#include "kernels.h"

#include <pthread.h>

enum { N = 5000 };

static CUmodule module;
static CUfunction fill, add, triple;
static CUcontext context;
static CUdeviceptr memory, other;
static CUstream stream, second, blocking;

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

static CUstreamCaptureStatus status_of(CUstream which) {
    CUstreamCaptureStatus status = 77;
    CHECK(cuStreamIsCapturing(which, &status));
    return status;
}

static size_t nodes_of(CUgraph graph) {
    size_t count = 0;
    CHECK(cuGraphGetNodes(graph, NULL, &count));
    return count;
}

// Types and edges, by place.
static void print_graph(CUgraph graph) {
    CUgraphNode nodes[32], from[64], to[64];
    size_t count = 32, edges = 64;
    CHECK(cuGraphGetNodes(graph, nodes, &count));
    CHECK(cuGraphGetEdges(graph, from, to, NULL, &edges));
    printf("   ");
    for (size_t i = 0; i < count; i++) {
        CUgraphNodeType type;
        CHECK(cuGraphNodeGetType(nodes[i], &type));
        printf(" %zu:%d", i, type);
    }
    for (size_t i = 0; i < edges; i++) {
        size_t start = 0, end = 0;
        while (nodes[start] != from[i]) start++;
        while (nodes[end] != to[i]) end++;
        printf(" %zu>%zu", start, end);
    }
    printf("\n");
}

static void run(CUgraph graph) {
    CUgraphExec exec;
    CHECK(cuGraphInstantiate(&exec, graph, 0));
    CHECK(cuGraphLaunch(exec, stream));
    CHECK(cuStreamSynchronize(stream));
    CHECK(cuGraphExecDestroy(exec));
}

static void one_stream(void) {
    CUgraph graph;
    CHECK(cuMemsetD32(memory, 1, N));
    CHECK(cuCtxSynchronize());
    CHECK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
    hold("a stream that captures says so", status_of(stream) == CU_STREAM_CAPTURE_STATUS_ACTIVE);
    CHECK(launch(fill, stream, memory, 4, N));
    CHECK(launch(triple, stream, memory, 1, N));
    CHECK(cuMemsetD32Async(other, 6, N, stream));
    CHECK(cuMemcpyDtoDAsync(other, memory, 4, stream));
    CHECK(launch(add, stream, other, 1, N));
    CHECK(cuStreamEndCapture(stream, &graph));
    hold("and then not", status_of(stream) == CU_STREAM_CAPTURE_STATUS_NONE);
    hold("what is captured is not done", all_are(memory, 1));
    print_graph(graph);
    for (int i = 0; i < 2; i++) {
        run(graph);
        uint32_t first;
        CHECK(cuMemcpyDtoH(&first, other, 4));
        hold("until it is launched", all_are(memory, 13) && first == 14);
    }
    CHECK(cuGraphDestroy(graph));
}

static void forked(void) {
    CUgraph graph;
    CUevent fork, join;
    CHECK(cuEventCreate(&fork, CU_EVENT_DISABLE_TIMING));
    CHECK(cuEventCreate(&join, CU_EVENT_DISABLE_TIMING));
    CHECK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
    CHECK(launch(fill, stream, memory, 5, N));
    CHECK(cuEventRecord(fork, stream));
    CHECK(cuStreamWaitEvent(second, fork, 0));
    hold("a stream that waits for a captured event captures, too", status_of(second) == CU_STREAM_CAPTURE_STATUS_ACTIVE);
    CHECK(launch(fill, second, other, 5, N));
    CHECK(launch(add, second, other, 2, N));
    CHECK(launch(add, stream, memory, 1, N));
    CHECK(cuEventRecord(join, second));
    CHECK(cuStreamWaitEvent(stream, join, 0));
    CHECK(launch(triple, stream, other, 0, N));
    cuuint64_t id = 0, id_of_second = 0;
    CUstreamCaptureStatus status;
    CUgraph into;
    const CUgraphNode *after;
    size_t count;
    CHECK(cuStreamGetCaptureInfo(stream, &status, &id, &into, &after, NULL, &count));
    hold("the next node's dependencies are known", status == CU_STREAM_CAPTURE_STATUS_ACTIVE && count == 1);
    CHECK(cuStreamGetCaptureInfo(second, &status, &id_of_second, NULL, NULL, NULL, NULL));
    hold("both streams are in one capture", id != 0 && id == id_of_second);
    CHECK(cuStreamEndCapture(stream, &graph));
    hold("its graph was known before", graph == into);
    hold("the other stream has left it", status_of(second) == CU_STREAM_CAPTURE_STATUS_NONE);
    print_graph(graph);
    run(graph);
    hold("both branches are done", all_are(memory, 6) && all_are(other, 21));
    expect("a captured event asked", CUDA_ERROR_CAPTURED_EVENT, cuEventQuery(fork));
    CHECK(cuEventRecord(fork, stream));
    CHECK(cuEventSynchronize(fork));
    CHECK(cuGraphDestroy(graph));

    // A fork that is not joined.
    CHECK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
    CHECK(cuEventRecord(fork, stream));
    CHECK(cuStreamWaitEvent(second, fork, 0));
    CHECK(launch(add, second, other, 2, N));
    graph = (CUgraph)1;
    expect("the end of a capture with an open fork", CUDA_ERROR_STREAM_CAPTURE_UNJOINED, cuStreamEndCapture(stream, &graph));
    hold("gives no graph", graph == NULL && status_of(second) == CU_STREAM_CAPTURE_STATUS_NONE);

    // The end in the wrong stream.
    CHECK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
    CHECK(cuEventRecord(fork, stream));
    CHECK(cuStreamWaitEvent(second, fork, 0));
    expect("the end of a capture in another of its streams", CUDA_ERROR_STREAM_CAPTURE_UNMATCHED,
           cuStreamEndCapture(second, &graph));
    expect("spoils it", CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(stream, &graph));

    // Captures that would become one, and one that would depend on what is not captured.
    CHECK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
    CHECK(cuStreamBeginCapture(second, CU_STREAM_CAPTURE_MODE_RELAXED));
    CHECK(cuEventRecord(fork, stream));
    expect("a wait for another capture", CUDA_ERROR_STREAM_CAPTURE_MERGE, cuStreamWaitEvent(second, fork, 0));
    expect("spoils one", CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(stream, &graph));
    expect("and the other", CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(second, &graph));
    CHECK(cuEventRecord(join, second));
    CHECK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
    expect("a wait for what is not captured", CUDA_ERROR_STREAM_CAPTURE_ISOLATION, cuStreamWaitEvent(stream, join, 0));
    expect("spoils the capture", CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(stream, &graph));
    CHECK(cuEventDestroy(fork));
    CHECK(cuEventDestroy(join));
}

static void refused(void) {
    CUgraph graph;
    uint32_t word = 0;
    const CUresult unsupported = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, invalid = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    expect("a capture of the legacy stream", unsupported, cuStreamBeginCapture(NULL, CU_STREAM_CAPTURE_MODE_RELAXED));
    expect("a capture in no mode", CUDA_ERROR_INVALID_VALUE, cuStreamBeginCapture(stream, 9));
    expect("the end of no capture", CUDA_ERROR_ILLEGAL_STATE, cuStreamEndCapture(stream, &graph));
    CHECK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
    expect("a capture within a capture", CUDA_ERROR_ILLEGAL_STATE, cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
    expect("a synchronise of a stream that captures", unsupported, cuStreamSynchronize(stream));
    hold("spoils its capture", status_of(stream) == CU_STREAM_CAPTURE_STATUS_INVALIDATED);
    expect("so that nothing more is captured", invalid, launch(add, stream, memory, 1, N));
    expect("and it ends badly", invalid, cuStreamEndCapture(stream, &graph));
    CHECK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
    expect("a query of a stream that captures", unsupported, cuStreamQuery(stream));
    expect("spoils its capture, too", invalid, cuStreamEndCapture(stream, &graph));
    CHECK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
    expect("a synchronise of the context", unsupported, cuCtxSynchronize());
    expect("and that", invalid, cuStreamEndCapture(stream, &graph));
    // The legacy stream waits for every blocking one.
    CHECK(cuStreamBeginCapture(blocking, CU_STREAM_CAPTURE_MODE_RELAXED));
    CUstreamCaptureStatus status;
    expect("the legacy stream asked beside a blocking one that captures", CUDA_ERROR_STREAM_CAPTURE_IMPLICIT,
           cuStreamIsCapturing(NULL, &status));
    hold("spoils nothing", status_of(blocking) == CU_STREAM_CAPTURE_STATUS_ACTIVE);
    expect("the legacy stream used", CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, launch(add, NULL, memory, 1, N));
    expect("spoils the capture", invalid, cuStreamEndCapture(blocking, &graph));
    CHECK(cuStreamBeginCapture(blocking, CU_STREAM_CAPTURE_MODE_RELAXED));
    expect("a copy that waits", CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, cuMemcpyDtoH(&word, memory, 4));
    expect("spoils it as well", invalid, cuStreamEndCapture(blocking, &graph));
    CHECK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
    CHECK(cuMemcpyDtoH(&word, memory, 4));
    CHECK(launch(add, NULL, memory, 1, N));
    CHECK(cuStreamEndCapture(stream, &graph));
    CHECK(cuCtxSynchronize());
    hold("a stream that is not blocking captures beside the legacy one", nodes_of(graph) == 0);
    CHECK(cuGraphDestroy(graph));
    expect("dependencies of what does not capture", CUDA_ERROR_ILLEGAL_STATE,
           cuStreamUpdateCaptureDependencies(stream, NULL, NULL, 0, CU_STREAM_SET_CAPTURE_DEPENDENCIES));
}

static void into_a_graph(void) {
    CUgraph graph, same;
    CUgraphNode root, found[4];
    size_t count = 4;
    CHECK(cuGraphCreate(&graph, 0));
    CHECK(cuGraphAddEmptyNode(&root, graph, NULL, 0));
    CHECK(cuStreamBeginCaptureToGraph(stream, graph, &root, NULL, 1, CU_STREAM_CAPTURE_MODE_RELAXED));
    CHECK(launch(fill, stream, memory, 8, N));
    CHECK(cuStreamUpdateCaptureDependencies(stream, &root, NULL, 1, CU_STREAM_SET_CAPTURE_DEPENDENCIES));
    CHECK(launch(fill, stream, other, 9, N));
    CHECK(cuStreamEndCapture(stream, &same));
    hold("a capture goes into a graph that is there", same == graph && nodes_of(graph) == 3);
    CHECK(cuGraphNodeGetDependentNodes(root, found, NULL, &count));
    hold("behind the nodes that it was given", count == 2);
    run(graph);
    hold("and runs with it", all_are(memory, 8) && all_are(other, 9));
    CUgraphExec exec;
    CHECK(cuGraphInstantiate(&exec, graph, 0));
    CHECK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
    CHECK(cuGraphLaunch(exec, stream));
    CHECK(launch(add, stream, memory, 1, N));
    CHECK(cuStreamEndCapture(stream, &same));
    print_graph(same);
    run(same);
    hold("a launch that is captured is a child graph", all_are(memory, 9));
    CHECK(cuGraphExecDestroy(exec));
    CHECK(cuGraphDestroy(graph));
    CHECK(cuGraphDestroy(same));
}

// What another thread does while the first captures, and what it is told.
struct beside {
    CUstreamCaptureMode mode;
    int exchange;
    CUresult allocated, copied, launched, queried, ended;
};

static void *work_beside(void *argument) {
    struct beside *beside = argument;
    CUdeviceptr own = 0;
    uint32_t words[16] = {0};
    CUstream mine;
    CUgraph graph;
    CHECK(cuCtxSetCurrent(context));
    CHECK(cuStreamCreate(&mine, CU_STREAM_NON_BLOCKING));
    if (beside->exchange) CHECK(cuThreadExchangeStreamCaptureMode(&beside->mode));
    beside->launched = launch(add, mine, other, 1, N);
    beside->copied = cuMemcpyHtoDAsync(other, words, sizeof words, mine);
    beside->allocated = cuMemAlloc(&own, 4096);
    beside->queried = cuStreamSynchronize(mine);
    beside->ended = cuStreamEndCapture(stream, &graph);
    if (own) beside->allocated = beside->allocated ? beside->allocated : cuMemFree(own);
    CHECK(cuStreamDestroy(mine));
    return NULL;
}

static void modes(void) {
    static const char *names[] = {"global", "thread-local", "relaxed"};
    for (int mode = 0; mode < 3; mode++)
        for (int exchange = 0; exchange < 2; exchange++) {
            struct beside beside = {.mode = CU_STREAM_CAPTURE_MODE_RELAXED, .exchange = exchange};
            CUdeviceptr own = 0;
            CUgraph graph = NULL;
            pthread_t thread;
            CHECK(cuStreamBeginCapture(stream, mode));
            CHECK(launch(fill, stream, memory, 5, N));
            pthread_create(&thread, NULL, work_beside, &beside);
            pthread_join(thread, NULL);
            printf("%s, beside %s:", names[mode], exchange ? "a relaxed thread" : "another thread");
            printf(" launch %s, copy %s, allocation %s, synchronise %s, end %s;", name_of(beside.launched),
                   name_of(beside.copied), name_of(beside.allocated), name_of(beside.queried), name_of(beside.ended));
            // The other thread's end ended a relaxed capture.
            CUresult captured = launch(add, stream, memory, 1, N);
            CUresult ended = cuStreamEndCapture(stream, &graph);
            printf(" then a launch %s, end %s\n", name_of(captured), name_of(ended));
            if (graph) {
                print_graph(graph);
                run(graph);
                hold("the graph runs", all_are(memory, 6));
                CHECK(cuGraphDestroy(graph));
            }
            CHECK(cuStreamSynchronize(stream));
            // The capturing thread itself.
            CHECK(cuStreamBeginCapture(stream, mode));
            CUresult allocated = cuMemAlloc(&own, 4096);
            printf("  itself: allocation %s", name_of(allocated));
            printf(", end %s\n", name_of(cuStreamEndCapture(stream, &graph)));
            if (graph) CHECK(cuGraphDestroy(graph));
            if (!allocated) CHECK(cuMemFree(own));
        }
}

int main(void) {
    module = begin();
    fill = function_of(module, "fill"), add = function_of(module, "add"), triple = function_of(module, "triple");
    CHECK(cuCtxGetCurrent(&context));
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CHECK(cuStreamCreate(&second, CU_STREAM_NON_BLOCKING));
    CHECK(cuStreamCreate(&blocking, 0));
    CHECK(cuMemAlloc(&memory, N * 4));
    CHECK(cuMemAlloc(&other, N * 4));
    one_stream();
    forked();
    refused();
    into_a_graph();
    modes();
    printf("captures: %d unexpected\n", failures);
    return failures != 0;
}
