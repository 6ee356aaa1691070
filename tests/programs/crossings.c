// Where streams cross: memory that two streams write in turn, what stands in the legacy stream between two others, host memory of a
// graph that another stream fills. Random programs have found each of these wrong.
#include "kernels.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { N = 400000, BYTES = N * 4, ROUNDS = 30 };

static CUstream first, second;
static CUfunction fill;
static CUevent event;

// The second copy is small and comes at once; the first is still on its way, and must not come later.
static void written_in_turn(void) {
    uint32_t *pinned;
    CUdeviceptr large = words(N), small = words(16);
    int bad = 0;
    CHECK(cuMemAllocHost((void **)&pinned, BYTES));
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        CHECK(launch(fill, first, large, round, N));
        CHECK(launch(fill, first, small, 1000 + round, 16));
        CHECK(cuMemcpyDtoHAsync(pinned, large, BYTES, first));
        CHECK(cuEventRecord(event, first));
        CHECK(cuStreamWaitEvent(second, event, 0));
        CHECK(cuMemcpyDtoHAsync(pinned + N - 16, small, 64, second));
        CHECK(cuStreamSynchronize(second));
        bad += pinned[0] != round || pinned[N - 17] != round || pinned[N - 16] != 1000 + round || pinned[N - 1] != 1000 + round;
    }
    hold("memory that two streams copy into holds what came last", bad == 0);
    CHECK(cuMemFreeHost(pinned));
    CHECK(cuMemFree(large));
    CHECK(cuMemFree(small));
}

static void between_hosts(void) {
    uint32_t *pinned, *plain = malloc(64);
    int bad = 0;
    CHECK(cuMemAllocHost((void **)&pinned, 64));
    for (uint32_t round = 0; round < ROUNDS; round++) {
        *plain = round;
        CHECK(cuMemcpyAsync((CUdeviceptr)pinned, (CUdeviceptr)plain, 64, first));
        bad += *pinned != round;
        *pinned = *plain = 77;
        CHECK(cuStreamSynchronize(first));
        bad += *pinned != 77;
    }
    hold("a copy between host and host is done when the call returns", bad == 0);
    CHECK(cuMemFreeHost(pinned));
    free(plain);
}

static atomic_int written, seen;
static void write_late(void *value) {
    usleep(3000);
    written = (int)(intptr_t)value;
}
static void look(void *nothing) {
    (void)nothing;
    seen = written;
}

// Something in the legacy stream, between a function in one blocking stream and a function in another.
static void stands_between(CUstream one, CUstream other) {
    CUdeviceptr memory;
    int bad = 0;
    CHECK(cuEventRecord(event, first));
    CHECK(cuEventSynchronize(event));
    for (intptr_t round = 1; round <= ROUNDS; round++) {
        CHECK(cuLaunchHostFunc(one, write_late, (void *)round));
        if (round % 2) {
            CHECK(cuMemAllocAsync(&memory, 4096, CU_STREAM_LEGACY));
        } else {
            CHECK(cuStreamWaitEvent(CU_STREAM_LEGACY, event, 0));
        }
        CHECK(cuLaunchHostFunc(other, look, NULL));
        CHECK(cuStreamSynchronize(other));
        bad += seen != round;
        if (round % 2) CHECK(cuMemFreeAsync(memory, CU_STREAM_LEGACY));
    }
    hold("what is called in the legacy stream stands between blocking streams", bad == 0);
}

static void fill_late(void *buffer) {
    usleep(3000);
    for (int i = 0; i < N; i++) ((uint32_t *)buffer)[i]++;
}

// A graph reads and writes pageable memory when it gets there, and its launch waits for neither.
static void pageable_in_a_graph(void) {
    uint32_t *in = calloc(N, 4), *out = calloc(N, 4);
    CUdeviceptr memory = words(N);
    CUgraph graph;
    CUgraphExec exec;
    int bad = 0;
    CHECK(cuStreamBeginCapture(second, CU_STREAM_CAPTURE_MODE_GLOBAL));
    CHECK(cuMemcpyHtoDAsync(memory, in, BYTES, second));
    CHECK(cuMemcpyDtoHAsync(out, memory, BYTES, second));
    CHECK(cuStreamEndCapture(second, &graph));
    CHECK(cuGraphInstantiate(&exec, graph, 0));
    for (uint32_t round = 1; round <= 5; round++) {
        CHECK(cuLaunchHostFunc(first, fill_late, in));
        CHECK(cuEventRecord(event, first));
        CHECK(cuStreamWaitEvent(second, event, 0));
        CHECK(cuGraphLaunch(exec, second));
        CHECK(cuStreamSynchronize(second));
        bad += out[0] != round || out[N - 1] != round;
    }
    hold("a graph copies pageable memory as it is when the graph gets there", bad == 0);
    CHECK(cuGraphExecDestroy(exec));
    CHECK(cuGraphDestroy(graph));
    CHECK(cuMemFree(memory));
    free(in), free(out);
}

// meet says that it is there, and spins until the other says so too.
static const char MEET[] =
    ".version 7.0\n"
    ".target sm_75\n"
    ".address_size 64\n"
    ".visible .entry meet(.param .u64 mine, .param .u64 theirs)\n"
    "{\n"
    "    .reg .pred %p;\n"
    "    .reg .u32 %value;\n"
    "    .reg .u64 %mine, %theirs;\n"
    "    ld.param.u64 %mine, [mine];\n"
    "    ld.param.u64 %theirs, [theirs];\n"
    "    mov.u32 %value, 1;\n"
    "    st.volatile.global.u32 [%mine], %value;\n"
    "AGAIN:\n"
    "    ld.volatile.global.u32 %value, [%theirs];\n"
    "    setp.eq.u32 %p, %value, 0;\n"
    "    @%p bra AGAIN;\n"
    "    ret;\n"
    "}\n";

static CUcontext context;
static CUfunction meet;
static CUdeviceptr flags;
static void *go_and_meet(void *which) {
    CUdeviceptr mine = flags + 4 * (uintptr_t)which, theirs = flags + 4 * (1 - (uintptr_t)which);
    void *parameters[] = {&mine, &theirs};
    CHECK(cuCtxSetCurrent(context));
    CHECK(cuLaunchKernel(meet, 1, 1, 1, 1, 1, 1, 0, CU_STREAM_PER_THREAD, parameters, NULL));
    CHECK(cuStreamSynchronize(CU_STREAM_PER_THREAD));
    return NULL;
}

// Neither kernel ends before the other has begun, and each thread waits for its own.
static void two_threads_meet(void) {
    CUmodule module;
    pthread_t threads[2];
    CHECK(cuCtxGetCurrent(&context));
    CHECK(cuModuleLoadData(&module, MEET));
    meet = function_of(module, "meet");
    flags = words(2);
    for (int round = 0; round < ROUNDS; round++) {
        CHECK(cuMemsetD32(flags, 0, 2));
        CHECK(cuCtxSynchronize());
        for (uintptr_t i = 0; i < 2; i++) pthread_create(&threads[i], NULL, go_and_meet, (void *)i);
        for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    }
    hold("kernels of two threads' own streams that wait for each other finish", 1);
    CHECK(cuMemFree(flags));
    CHECK(cuModuleUnload(module));
}

int main(void) {
    CUstream one, other;
    fill = function_of(begin(), "fill");
    CHECK(cuStreamCreate(&first, CU_STREAM_NON_BLOCKING));
    CHECK(cuStreamCreate(&second, CU_STREAM_NON_BLOCKING));
    CHECK(cuStreamCreate(&one, 0));
    CHECK(cuStreamCreate(&other, 0));
    CHECK(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
    written_in_turn();
    between_hosts();
    stands_between(one, other);
    pageable_in_a_graph();
    two_threads_meet();
    printf("crossings: %d unexpected\n", failures);
    return failures != 0;
}
