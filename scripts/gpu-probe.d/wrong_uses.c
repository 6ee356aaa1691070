/* The codes that wrong uses return, and the crashes that some cause: the rows of wrong_uses.inc.
 *
 * Rows of one stage share a child process as long as the context stays sound. Rows that may corrupt the driver silently
 * have one of their own. */
#include <stdio.h>

#include "batch.h"
#include "chapters.h"
#include "fixture.h"
#include "record.h"

enum stage { BARE, READY, CONTEXT }; /* before cuInit; without a context; with everything of the fixture */
enum { ROW_LIMIT_MS = 5000 };

/* Handles that are none. */
#define NUMBER ((void *)0x1234)
static _Alignas(64) unsigned char zeros[PAGE_BYTES];
#define ZEROS ((void *)zeros)
static _Alignas(PAGE_BYTES) unsigned char plain[4 * PAGE_BYTES]; /* ordinary memory of the process */
static const CUdeviceptr NOWHERE = 0x123400000000ull;              /* no memory of anybody */

static CUdeviceptr fresh_memory(void) {
    CUdeviceptr memory = 0;
    CALL(cuMemAlloc_v2, &memory, PAGE_BYTES);
    return memory;
}
static CUdeviceptr freed_memory(void) {
    CUdeviceptr memory = fresh_memory();
    CALL(cuMemFree_v2, memory);
    return memory;
}
static CUstream fresh_stream(void) {
    CUstream stream = NULL;
    CALL(cuStreamCreate, &stream, 1);
    return stream;
}
static CUstream destroyed_stream(void) {
    CUstream stream = fresh_stream();
    CALL(cuStreamDestroy_v2, stream);
    return stream;
}
static CUevent fresh_event(unsigned flags) {
    CUevent event = NULL;
    CALL(cuEventCreate, &event, flags);
    return event;
}
static CUevent destroyed_event(void) {
    CUevent event = fresh_event(0);
    CALL(cuEventDestroy_v2, event);
    return event;
}
static CUmodule fresh_module(void) {
    CUmodule module = NULL;
    CALL(cuModuleLoadData, &module, simple_ptx);
    return module;
}
static CUlibrary fresh_library(void) {
    CUlibrary library = NULL;
    CALL(cuLibraryLoadData, &library, simple_ptx, NULL, NULL, 0, NULL, NULL, 0);
    return library;
}
static CUkernel kernel_of(CUlibrary library) {
    CUkernel kernel = NULL;
    CALL(cuLibraryGetKernel, &kernel, library, "nothing");
    return kernel;
}
static CUcontext fresh_context(void) {
    CUcontext context = NULL, popped;
    CALL(cuCtxCreate_v2, &context, 0, have.device);
    CALL(cuCtxPopCurrent_v2, &popped);
    return context;
}
static CUcontext destroyed_context(void) {
    CUcontext context = fresh_context();
    CALL(cuCtxDestroy_v2, context);
    return context;
}
static CUgraph fresh_graph(void) {
    CUgraph graph = NULL;
    CALL(cuGraphCreate, &graph, 0);
    return graph;
}
static CUgraphExec destroyed_graph_exec(void) {
    CUgraphExec exec = NULL;
    CALL(cuGraphInstantiateWithFlags, &exec, fresh_graph(), 0);
    CALL(cuGraphExecDestroy, exec);
    return exec;
}
static CUmemAllocationProp on_device(void) {
    CUmemAllocationProp prop = {.type = 1, .location = {.type = 1, .id = have.device}};
    return prop;
}
static size_t granularity(void) {
    CUmemAllocationProp prop = on_device();
    size_t bytes = 2 << 20;
    CALL(cuMemGetAllocationGranularity, &bytes, &prop, 0);
    return bytes;
}
static CUmemGenericAllocationHandle fresh_physical(void) {
    CUmemAllocationProp prop = on_device();
    CUmemGenericAllocationHandle handle = 0;
    CALL(cuMemCreate, &handle, granularity(), &prop, 0);
    return handle;
}
static CUdeviceptr fresh_range(void) {
    CUdeviceptr range = 0;
    CALL(cuMemAddressReserve, &range, 2 * granularity(), 0, 0, 0);
    return range;
}
static CUresult launch(CUfunction function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                       unsigned shared, CUstream stream, void **parameters, void **extra) {
    return CALL(cuLaunchKernel, function, gx, gy, gz, bx, by, bz, shared, stream, parameters, extra);
}
static CUresult launch_dimensions(unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz) {
    return launch(have.nothing, gx, gy, gz, bx, by, bz, 0, have.stream, NULL, NULL);
}
static int device_attribute(CUdevice_attribute number) {
    int value = 0;
    CALL(cuDeviceGetAttribute, &value, number, have.device);
    return value;
}
static void do_nothing(void *data) { (void)data; }
static void do_nothing_then(CUstream stream, CUresult status, void *data) { (void)stream, (void)status, (void)data; }

/* Begins a capture on a new stream, does the work and ends the capture; the work's code is the answer. */
#define CAPTURING(mode, ...)                                                                                          \
    ({                                                                                                                \
        CUstream capturing = fresh_stream();                                                                          \
        CUgraph graph = NULL;                                                                                         \
        CALL(cuStreamBeginCapture_v2, capturing, mode);                                                               \
        CUresult answer = (__VA_ARGS__);                                                                              \
        CALL(cuStreamEndCapture, capturing, &graph);                                                                  \
        if (graph) CALL(cuGraphDestroy, graph);                                                                       \
        CALL(cuStreamDestroy_v2, capturing);                                                                          \
        answer;                                                                                                       \
    })

static const struct row {
    enum stage stage;
    bool alone;
    const char *name;
} rows[] = {
#define USE(stage, name, ...) {stage, false, name},
#define USE_ALONE(stage, name, ...) {stage, true, name},
#include "wrong_uses.inc"
#undef USE
#undef USE_ALONE
};
enum { ROWS = sizeof rows / sizeof *rows };

static CUresult use(unsigned row);

/* The rows in the order in which they are tried: those that share a process stage by stage, then those that stand alone. */
static unsigned order[ROWS];

static void sort_rows(void) {
    unsigned count = 0;
    for (int alone = 0; alone <= 1; alone++)
        for (enum stage stage = BARE; stage <= CONTEXT; stage++)
            for (unsigned row = 0; row < ROWS; row++)
                if (rows[row].alone == alone && rows[row].stage == stage) order[count++] = row;
}

static const char *name(unsigned place) { return rows[order[place]].name; }

static unsigned group(unsigned place) {
    const struct row *row = &rows[order[place]];
    return row->alone ? 100 + place : row->stage;
}

static bool prepare(unsigned place) {
    unsigned row = order[place];
    char text[256];
    snprintf(text, sizeof text, "(before) %s", rows[row].name);
    if (rows[row].stage == BARE) return true;
    if (rows[row].stage == CONTEXT) return have_fixture(text);
    CUresult code = CALL(cuInit, 0);
    if (code) record_code(text, code);
    return code == 0;
}

/* True if the context is as it was, so that the next row may run in the same process. */
static bool still_sound(const struct row *row) {
    CUcontext current = NULL;
    if (row->stage != CONTEXT) return true;
    if (CALL(cuCtxGetCurrent, &current) != 0 || current != have.context) CALL(cuCtxSetCurrent, have.context);
    CUresult code = CALL(cuCtxSynchronize);
    if (code == 0) return true;
    begin("(after) %s", row->name);
    put_text("left behind", "the context no longer synchronizes");
    put_code("code", code);
    end();
    return false;
}

static bool run(unsigned place) {
    unsigned row = order[place];
    record_code(rows[row].name, use(row));
    return still_sound(&rows[row]);
}

void wrong_uses(void) {
    static const struct batch batch = {ROWS, name, prepare, run, group, ROW_LIMIT_MS};
    sort_rows();
    run_batch(&batch);
}

/* The rows once more, as code. __COUNTER__ goes on counting, so the first number is subtracted. */
static CUresult use(unsigned row) {
    enum { FIRST = __COUNTER__ + 1 };
    switch (row + FIRST) {
#define USE(stage, name, ...)                                                                                         \
    case __COUNTER__: return (__VA_ARGS__);
#define USE_ALONE USE
#include "wrong_uses.inc"
#undef USE
#undef USE_ALONE
    }
    return NO_SYMBOL;
}
