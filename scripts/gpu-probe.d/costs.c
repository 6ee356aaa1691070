/* What calls cost, on the calling thread: the least, the median and the ninth decile of as many repetitions as fit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chapters.h"
#include "fixture.h"
#include "record.h"

enum { GROUP_LIMIT_MS = 60000, REPETITIONS_MOST = 1000, REPETITIONS_LEAST = 5 };
static const double BUDGET_US = 30000; /* for one entry */

static double times[REPETITIONS_MOST];

static int ascending(const void *one, const void *other) {
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static void record_times(const char *name, CUresult code, unsigned count, double bytes) {
    begin("%s", name);
    put_code("code", code);
    if (count) {
        qsort(times, count, sizeof *times, ascending);
        put_real("us", times[count / 2]);
        put_real("us least", times[0]);
        put_real("us ninth decile", times[count * 9 / 10]);
        put_number("us repetitions", count);
        if (bytes > 0) put_real("us GB/s", bytes / times[count / 2] / 1e3);
    }
    end();
}

/* Repeats: before, the call that is timed, after. Stops at the first call that fails. */
#define COST(name, bytes, before, call, after)                                                                        \
    do {                                                                                                              \
        unsigned count = 0;                                                                                           \
        CUresult code = 0;                                                                                            \
        double spent = 0, begun = now_us();                                                                           \
        while (count < REPETITIONS_MOST && code == 0 &&                                                               \
               (count < REPETITIONS_LEAST ? now_us() - begun < 40 * BUDGET_US : spent < BUDGET_US && now_us() - begun < 4 * BUDGET_US)) { \
            before;                                                                                                   \
            double started = now_us();                                                                                \
            code = (call);                                                                                            \
            double took = now_us() - started;                                                                         \
            after;                                                                                                    \
            if (code == 0) times[count++] = took, spent += took;                                                      \
        }                                                                                                             \
        record_times(name, code, count, bytes);                                                                       \
    } while (0)

static CUresult both(CUresult first, CUresult second) { return first ? first : second; }

static const char *sized(const char *what, size_t bytes) {
    static char text[128];
    const char *unit = bytes >= 1 << 20 ? "MiB" : bytes >= 1 << 10 ? "KiB" : "B";
    size_t number = bytes >= 1 << 20 ? bytes >> 20 : bytes >= 1 << 10 ? bytes >> 10 : bytes;
    snprintf(text, sizeof text, "%s %zu %s", what, number, unit);
    return text;
}

static void questions(void *nothing) {
    int value;
    size_t a, b;
    CUcontext context;
    void *function;
    (void)nothing;
    if (!have_fixture("question/(before)")) return;
    COST("question/cuCtxGetCurrent", 0, {}, CALL(cuCtxGetCurrent, &context), {});
    COST("question/cuCtxSetCurrent", 0, {}, CALL(cuCtxSetCurrent, have.context), {});
    COST("question/cuDeviceGetAttribute", 0, {}, CALL(cuDeviceGetAttribute, &value, 1, 0), {});
    COST("question/cuDriverGetVersion", 0, {}, CALL(cuDriverGetVersion, &value), {});
    COST("question/cuGetProcAddress", 0, {}, CALL(cuGetProcAddress_v2, "cuMemAlloc", &function, 12000, 0, NULL), {});
    COST("question/cuMemGetInfo", 0, {}, CALL(cuMemGetInfo_v2, &a, &b), {});
    COST("question/cuPointerGetAttribute", 0, {}, CALL(cuPointerGetAttribute, &value, 2, have.memory), {});
    COST("question/cuFuncGetAttribute", 0, {}, CALL(cuFuncGetAttribute, &value, 0, have.nothing), {});
    COST("question/cuStreamQuery, idle", 0, {}, CALL(cuStreamQuery, have.stream), {});
    COST("question/cuStreamSynchronize, idle", 0, {}, CALL(cuStreamSynchronize, have.stream), {});
    COST("question/cuCtxSynchronize, idle", 0, {}, CALL(cuCtxSynchronize), {});
    COST("question/cuDevicePrimaryCtxGetState", 0, {}, CALL(cuDevicePrimaryCtxGetState, 0, (unsigned *)&a, &value), {});
}

static void launches(void *nothing) {
    CUdeviceptr memory;
    unsigned count = 32;
    struct { CUdeviceptr p; unsigned n; } buffer;
    size_t size = 12;
    void *parameters[] = {&memory, &count}, *extra[] = {(void *)1, &buffer, (void *)2, &size, NULL};
    CUlaunchConfig config = {.gridDimX = 1, .gridDimY = 1, .gridDimZ = 1, .blockDimX = 32, .blockDimY = 1, .blockDimZ = 1};
    CUgraph graph = NULL;
    CUgraphExec exec = NULL;
    CUdeviceptr word = 0;
    (void)nothing;
    if (!have_fixture("launch/(before)")) return;
    memory = have.memory;
    buffer.p = memory, buffer.n = 32;
    config.hStream = have.stream;
    CUstream s = have.stream;
    COST("launch/no parameters", 0, {}, launch_one(have.nothing, s), {});
    CALL(cuCtxSynchronize);
    COST("launch/no parameters, synchronized after each", 0, {}, launch_one(have.nothing, s), CALL(cuStreamSynchronize, s));
    COST("launch/no parameters, with its synchronize", 0, {}, both(launch_one(have.nothing, s), CALL(cuStreamSynchronize, s)), {});
    COST("launch/legacy stream", 0, {}, launch_one(have.nothing, NULL), {});
    COST("launch/parameters", 0, {}, CALL(cuLaunchKernel, have.add_one, 1, 1, 1, 32, 1, 1, 0, s, parameters, NULL), {});
    COST("launch/extra", 0, {}, CALL(cuLaunchKernel, have.add_one, 1, 1, 1, 32, 1, 1, 0, s, NULL, extra), {});
    COST("launch/cuLaunchKernelEx", 0, {}, CALL(cuLaunchKernelEx, &config, have.add_one, parameters, NULL), {});
    COST("launch/1024 blocks of 256, with its synchronize", 0, {}, both(CALL(cuLaunchKernel, have.add_one, 1024, 1, 1, 256, 1, 1, 0, s, parameters, NULL), CALL(cuStreamSynchronize, s)), {});
    COST("launch/cooperative", 0, {}, CALL(cuLaunchCooperativeKernel, have.nothing, 1, 1, 1, 1, 1, 1, 0, s, NULL), {});
    CALL(cuCtxSynchronize);
    CALL(cuStreamBeginCapture_v2, s, 2);
    for (int i = 0; i < 10; i++) launch_one(have.nothing, s);
    CALL(cuStreamEndCapture, s, &graph);
    COST("launch/instantiate a graph of 10 kernels", 0, {}, CALL(cuGraphInstantiateWithFlags, &exec, graph, 0), if (code == 0) CALL(cuGraphExecDestroy, exec));
    exec = NULL;
    CALL(cuGraphInstantiateWithFlags, &exec, graph, 0);
    if (exec) COST("launch/graph of 10 kernels", 0, {}, CALL(cuGraphLaunch, exec, s), {});
    CALL(cuCtxSynchronize);
    CALL(cuMemHostGetDevicePointer_v2, &word, have.host, 0);
    COST("launch/cuStreamWriteValue32", 0, {}, CALL(cuStreamWriteValue32_v2, s, word, 1, 0), {});
    COST("launch/cuStreamWaitValue32, fulfilled", 0, {}, CALL(cuStreamWaitValue32_v2, s, word, 1, 0), {});
    CALL(cuCtxSynchronize);
    COST("launch/cuStreamWriteValue32, with its synchronize", 0, {}, both(CALL(cuStreamWriteValue32_v2, s, word, 1, 0), CALL(cuStreamSynchronize, s)), {});
}

static void do_nothing(void *data) { (void)data; }

static void streams_and_events(void *nothing) {
    CUstream stream = NULL;
    CUevent event = NULL;
    float milliseconds;
    (void)nothing;
    if (!have_fixture("event/(before)")) return;
    COST("event/cuEventCreate", 0, {}, CALL(cuEventCreate, &event, 2), CALL(cuEventDestroy_v2, event));
    COST("event/cuEventDestroy", 0, CALL(cuEventCreate, &event, 2), CALL(cuEventDestroy_v2, event), {});
    COST("event/cuEventRecord", 0, {}, CALL(cuEventRecord, have.event, have.stream), {});
    COST("event/cuEventRecord, with its synchronize", 0, {}, both(CALL(cuEventRecord, have.event, have.stream), CALL(cuEventSynchronize, have.event)), {});
    COST("event/cuEventQuery", 0, {}, CALL(cuEventQuery, have.event), {});
    COST("event/cuEventElapsedTime", 0, {}, CALL(cuEventElapsedTime, &milliseconds, have.event, have.event), {});
    COST("event/cuStreamWaitEvent", 0, {}, CALL(cuStreamWaitEvent, have.stream, have.event, 0), {});
    CALL(cuCtxSynchronize);
    COST("stream/cuStreamCreate", 0, {}, CALL(cuStreamCreate, &stream, 1), CALL(cuStreamDestroy_v2, stream));
    COST("stream/cuStreamDestroy", 0, CALL(cuStreamCreate, &stream, 1), CALL(cuStreamDestroy_v2, stream), {});
    COST("stream/cuLaunchHostFunc, with its synchronize", 0, {}, both(CALL(cuLaunchHostFunc, have.stream, do_nothing, NULL), CALL(cuStreamSynchronize, have.stream)), {});
}

static void allocations(void *nothing) {
    static const size_t sizes[] = {256, 4096, 1 << 20, 16 << 20, 256 << 20};
    CUdeviceptr memory = 0;
    void *host = NULL;
    char name[128];
    (void)nothing;
    if (!have_fixture("memory/(before)")) return;
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t bytes = sizes[i];
        COST(sized("memory/cuMemAlloc", bytes), 0, {}, CALL(cuMemAlloc_v2, &memory, bytes), if (code == 0) CALL(cuMemFree_v2, memory));
        COST(sized("memory/cuMemFree", bytes), 0, memory = 0; CALL(cuMemAlloc_v2, &memory, bytes), CALL(cuMemFree_v2, memory), {});
        COST(sized("memory/cuMemAllocAsync", bytes), 0, {}, CALL(cuMemAllocAsync, &memory, bytes, have.stream), if (code == 0) CALL(cuMemFreeAsync, memory, have.stream));
        CALL(cuCtxSynchronize);
        if (bytes > 64 << 20) continue;
        COST(sized("memory/cuMemHostAlloc", bytes), 0, {}, CALL(cuMemHostAlloc, &host, bytes, 0), if (code == 0) CALL(cuMemFreeHost, host));
        COST(sized("memory/cuMemFreeHost", bytes), 0, host = NULL; CALL(cuMemHostAlloc, &host, bytes, 0), CALL(cuMemFreeHost, host), {});
        if (bytes < 4096) continue;
        void *plain = aligned_alloc(4096, bytes);
        memset(plain, 1, bytes);
        COST(sized("memory/cuMemHostRegister", bytes), 0, {}, CALL(cuMemHostRegister_v2, plain, bytes, 0), if (code == 0) CALL(cuMemHostUnregister, plain));
        COST(sized("memory/cuMemHostUnregister", bytes), 0, CALL(cuMemHostRegister_v2, plain, bytes, 0), CALL(cuMemHostUnregister, plain), {});
        free(plain);
    }
    snprintf(name, sizeof name, "memory/alive: cuMemAlloc 4 KiB with 10000 others");
    CUdeviceptr *others = calloc(10000, sizeof *others);
    for (int i = 0; i < 10000 && CALL(cuMemAlloc_v2, &others[i], 4096) == 0; i++) {}
    COST(name, 0, {}, CALL(cuMemAlloc_v2, &memory, 4096), if (code == 0) CALL(cuMemFree_v2, memory));
    for (int i = 0; i < 10000; i++)
        if (others[i]) CALL(cuMemFree_v2, others[i]);
    free(others);
}

static void virtual_memory_costs(void *nothing) {
    CUmemAllocationProp prop = {.type = 1, .location = {.type = 1}};
    CUmemAccessDesc access = {.location = {.type = 1}, .flags = 3};
    CUmemGenericAllocationHandle physical = 0;
    CUdeviceptr range = 0;
    size_t step = 2 << 20;
    (void)nothing;
    if (!have_fixture("virtual memory/(before)")) return;
    CALL(cuMemGetAllocationGranularity, &step, &prop, 0);
    static const unsigned multiples[] = {1, 16, 128, 512};
    for (int exportable = 0; exportable <= 1; exportable++) {
        prop.requestedHandleTypes = exportable;
        for (unsigned i = 0; i < 4; i++) {
            size_t bytes = step * multiples[i];
            char name[64];
            int descriptor = -1;
#define NAMED(what) (snprintf(name, sizeof name, "virtual memory/%s%s", what, exportable ? ", exportable" : ""), sized(name, bytes))
            COST(NAMED("cuMemCreate"), 0, {}, CALL(cuMemCreate, &physical, bytes, &prop, 0), if (code == 0) CALL(cuMemRelease, physical));
            COST(NAMED("cuMemRelease"), 0, physical = 0; CALL(cuMemCreate, &physical, bytes, &prop, 0), CALL(cuMemRelease, physical), {});
            COST(NAMED("cuMemAddressReserve"), 0, {}, CALL(cuMemAddressReserve, &range, bytes, 0, 0, 0), if (code == 0) CALL(cuMemAddressFree, range, bytes));
            if (CALL(cuMemCreate, &physical, bytes, &prop, 0) || CALL(cuMemAddressReserve, &range, bytes, 0, 0, 0)) continue;
            COST(NAMED("cuMemMap"), 0, {}, CALL(cuMemMap, range, bytes, 0, physical, 0), if (code == 0) CALL(cuMemUnmap, range, bytes));
            COST(NAMED("cuMemSetAccess"), 0, CALL(cuMemMap, range, bytes, 0, physical, 0), CALL(cuMemSetAccess, range, bytes, &access, 1), CALL(cuMemUnmap, range, bytes));
            COST(NAMED("cuMemUnmap after access"), 0, CALL(cuMemMap, range, bytes, 0, physical, 0); CALL(cuMemSetAccess, range, bytes, &access, 1), CALL(cuMemUnmap, range, bytes), {});
            if (exportable) COST(NAMED("cuMemExportToShareableHandle"), 0, {}, CALL(cuMemExportToShareableHandle, &descriptor, physical, 1, 0), if (code == 0) close(descriptor));
            CALL(cuMemAddressFree, range, bytes);
            CALL(cuMemRelease, physical);
#undef NAMED
        }
    }
}

static void copies(void *nothing) {
    static const size_t sizes[] = {1, 64, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20, 256 << 20};
    enum { MOST = 256 << 20 };
    CUdeviceptr one = 0, other = 0;
    void *pinned = NULL, *plain = aligned_alloc(4096, MOST);
    (void)nothing;
    if (!have_fixture("copy/(before)")) return;
    CUstream s = have.stream;
    CUresult ready = CALL(cuMemAlloc_v2, &one, MOST);
    if (ready == 0) ready = CALL(cuMemAlloc_v2, &other, MOST);
    if (ready == 0) ready = CALL(cuMemHostAlloc, &pinned, MOST, 0);
    if (ready) {
        record_code("copy/(before)", ready);
        return;
    }
    memset(plain, 1, MOST);
    memset(pinned, 2, MOST);
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t bytes = sizes[i];
        double n = bytes;
        COST(sized("copy/HtoD pageable", bytes), n, {}, CALL(cuMemcpyHtoD_v2, one, plain, bytes), {});
        COST(sized("copy/HtoD pinned", bytes), n, {}, CALL(cuMemcpyHtoD_v2, one, pinned, bytes), {});
        COST(sized("copy/DtoH pageable", bytes), n, {}, CALL(cuMemcpyDtoH_v2, plain, one, bytes), {});
        COST(sized("copy/DtoH pinned", bytes), n, {}, CALL(cuMemcpyDtoH_v2, pinned, one, bytes), {});
        COST(sized("copy/DtoD with its synchronize", bytes), n, {}, both(CALL(cuMemcpyDtoD_v2, other, one, bytes), CALL(cuStreamSynchronize, NULL)), {});
        COST(sized("copy/HtoDAsync pageable, the call", bytes), 0, {}, CALL(cuMemcpyHtoDAsync_v2, one, plain, bytes, s), CALL(cuStreamSynchronize, s));
        COST(sized("copy/HtoDAsync pinned, the call", bytes), 0, {}, CALL(cuMemcpyHtoDAsync_v2, one, pinned, bytes, s), CALL(cuStreamSynchronize, s));
        COST(sized("copy/HtoDAsync pinned with its synchronize", bytes), n, {}, both(CALL(cuMemcpyHtoDAsync_v2, one, pinned, bytes, s), CALL(cuStreamSynchronize, s)), {});
        COST(sized("copy/DtoHAsync pageable, the call", bytes), 0, {}, CALL(cuMemcpyDtoHAsync_v2, plain, one, bytes, s), CALL(cuStreamSynchronize, s));
        COST(sized("copy/DtoHAsync pinned with its synchronize", bytes), n, {}, both(CALL(cuMemcpyDtoHAsync_v2, pinned, one, bytes, s), CALL(cuStreamSynchronize, s)), {});
        COST(sized("copy/set with its synchronize", bytes), n, {}, both(CALL(cuMemsetD8_v2, one, 0, bytes), CALL(cuStreamSynchronize, NULL)), {});
    }
}

static void modules(void *nothing) {
    CUmodule module = NULL;
    CUlibrary library = NULL;
    CUfunction function;
    CUkernel kernel;
    CUcontext context;
    (void)nothing;
    if (!have_fixture("module/(before)")) return;
    COST("module/cuModuleLoadData, small PTX known to the cache", 0, {}, CALL(cuModuleLoadData, &module, simple_ptx), if (code == 0) CALL(cuModuleUnload, module));
    COST("module/cuModuleUnload", 0, CALL(cuModuleLoadData, &module, simple_ptx), CALL(cuModuleUnload, module), {});
    COST("module/cuModuleGetFunction", 0, {}, CALL(cuModuleGetFunction, &function, have.module, "mixed"), {});
    COST("module/cuLibraryLoadData", 0, {}, CALL(cuLibraryLoadData, &library, simple_ptx, NULL, NULL, 0, NULL, NULL, 0), if (code == 0) CALL(cuLibraryUnload, library));
    if (CALL(cuLibraryLoadData, &library, simple_ptx, NULL, NULL, 0, NULL, NULL, 0) == 0)
        COST("module/cuLibraryGetKernel", 0, {}, CALL(cuLibraryGetKernel, &kernel, library, "nothing"), {});
    COST("context/cuCtxCreate", 0, {}, CALL(cuCtxCreate_v2, &context, 0, 0), if (code == 0) CALL(cuCtxDestroy_v2, context));
}

/* The start of a process: each part once. */
static void start(void *nothing) {
    CUcontext context = NULL;
    CUdeviceptr memory;
    CUmodule module;
    CUfunction function = NULL;
    (void)nothing;
#define ONCE(name, call)                                                                                              \
    do {                                                                                                              \
        double started = now_us();                                                                                    \
        CUresult code = (call);                                                                                       \
        double took = now_us() - started;                                                                             \
        begin("start/%s", name);                                                                                      \
        put_code("code", code);                                                                                       \
        put_real("us", took);                                                                                         \
        end();                                                                                                        \
    } while (0)
    ONCE("cuInit", CALL(cuInit, 0));
    ONCE("cuDevicePrimaryCtxRetain", CALL(cuDevicePrimaryCtxRetain, &context, 0));
    ONCE("cuCtxSetCurrent", CALL(cuCtxSetCurrent, context));
    ONCE("first cuMemAlloc", CALL(cuMemAlloc_v2, &memory, 4096));
    ONCE("first cuModuleLoadData", CALL(cuModuleLoadData, &module, simple_ptx));
    ONCE("first cuModuleGetFunction", CALL(cuModuleGetFunction, &function, module, "nothing"));
    ONCE("first launch", launch_one(function, NULL));
    ONCE("first cuCtxSynchronize", CALL(cuCtxSynchronize));
    ONCE("second launch", launch_one(function, NULL));
    ONCE("cuDevicePrimaryCtxRelease", CALL(cuDevicePrimaryCtxRelease_v2, 0));
#undef ONCE
}

void costs(void) {
    in_child("start", GROUP_LIMIT_MS, start, NULL);
    in_child("question", GROUP_LIMIT_MS, questions, NULL);
    in_child("launch", GROUP_LIMIT_MS, launches, NULL);
    in_child("event", GROUP_LIMIT_MS, streams_and_events, NULL);
    in_child("module", GROUP_LIMIT_MS, modules, NULL);
    in_child("memory", GROUP_LIMIT_MS, allocations, NULL);
    in_child("virtual memory", GROUP_LIMIT_MS, virtual_memory_costs, NULL);
    in_child("copy", GROUP_LIMIT_MS, copies, NULL);
}
