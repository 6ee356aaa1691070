#include "operations.h"

#include <stdlib.h>

#include "fixture.h"

enum { SMALL = 4096, LARGE = 64 << 20, COPY = 1 << 16 };

static _Alignas(PAGE_BYTES) unsigned char plain[COPY]; /* ordinary memory of the process */

static size_t chunk(void) {
    CUmemAllocationProp prop = {.type = 1, .location = {.type = 1, .id = have.device}};
    size_t bytes = 2 << 20;
    CALL(cuMemGetAllocationGranularity, &bytes, &prop, 0);
    return bytes;
}
static CUresult create_physical(struct things *its) {
    CUmemAllocationProp prop = {.type = 1, .location = {.type = 1, .id = have.device}};
    return CALL(cuMemCreate, &its->physical, chunk(), &prop, 0);
}
static CUresult set_access(struct things *its) {
    CUmemAccessDesc access = {.location = {.type = 1, .id = have.device}, .flags = 3};
    return CALL(cuMemSetAccess, its->range, chunk(), &access, 1);
}
static void map_range(struct things *its) {
    CALL(cuMemAddressReserve, &its->range, chunk(), 0, 0, 0);
    create_physical(its);
    CALL(cuMemMap, its->range, chunk(), 0, its->physical, 0);
}
static void unmap_range(struct things *its) {
    CALL(cuMemUnmap, its->range, chunk());
    CALL(cuMemRelease, its->physical);
    CALL(cuMemAddressFree, its->range, chunk());
}
static void load_module(struct things *its) {
    CALL(cuModuleLoadData, &its->module, simple_ptx);
    CALL(cuModuleGetFunction, &its->function, its->module, "nothing");
}
static void load_library(struct things *its) {
    CALL(cuLibraryLoadData, &its->library, simple_ptx, NULL, NULL, 0, NULL, NULL, 0);
    CALL(cuLibraryGetKernel, &its->kernel, its->library, "nothing");
}
static void make_pool(struct things *its) {
    CUmemPoolProps props = {.allocType = 1, .location = {.type = 1, .id = have.device}};
    CALL(cuMemPoolCreate, &its->pool, &props);
}
static void make_graph(struct things *its) {
    CUgraphNode node;
    CUDA_KERNEL_NODE_PARAMS parameters = {
        .func = have.nothing, .gridDimX = 1, .gridDimY = 1, .gridDimZ = 1, .blockDimX = 1, .blockDimY = 1, .blockDimZ = 1};
    CALL(cuGraphCreate, &its->graph, 0);
    CALL(cuGraphAddKernelNode_v2, &node, its->graph, NULL, 0, &parameters);
}
static void make_exec(struct things *its) {
    make_graph(its);
    CALL(cuGraphInstantiateWithFlags, &its->exec, its->graph, 0);
}
static void drop_exec(struct things *its) {
    CALL(cuGraphExecDestroy, its->exec);
    CALL(cuGraphDestroy, its->graph);
}
static CUresult limit_again(CUlimit limit) {
    size_t value = 0;
    CALL(cuCtxGetLimit, &value, limit);
    return CALL(cuCtxSetLimit, limit, value);
}
static CUresult limit_doubled(CUlimit limit, struct things *its) {
    CALL(cuCtxGetLimit, (size_t *)its->values, limit);
    return CALL(cuCtxSetLimit, limit, *(size_t *)its->values * 2);
}
static void host_function(void *data) { (void)data; }
static void callback(CUstream stream, CUresult status, void *data) { (void)stream, (void)status, (void)data; }

static const char *const names[] = {
#define OPERATION(name, before, call, after) name,
#include "operations.inc"
#undef OPERATION
};
const unsigned operation_count = sizeof names / sizeof *names;

const char *operation_name(unsigned operation) { return names[operation]; }

/* The rows as code, once for each step. __COUNTER__ numbers them from FIRST. */
void prepare_operation(unsigned operation, struct things *its, CUstream busy, CUstream side) {
    (void)busy, (void)side;
    enum { FIRST = __COUNTER__ + 1 };
    switch (operation + FIRST) {
#define OPERATION(name, before, call, after)                                                                          \
    case __COUNTER__: before; break;
#include "operations.inc"
#undef OPERATION
    }
}

CUresult call_operation(unsigned operation, struct things *its, CUstream busy, CUstream side) {
    enum { FIRST = __COUNTER__ + 1 };
    switch (operation + FIRST) {
#define OPERATION(name, before, call, after)                                                                          \
    case __COUNTER__: return (call);
#include "operations.inc"
#undef OPERATION
    }
    return NO_SYMBOL;
}

void clear_operation(unsigned operation, struct things *its, CUstream busy, CUstream side) {
    (void)busy, (void)side;
    enum { FIRST = __COUNTER__ + 1 };
    switch (operation + FIRST) {
#define OPERATION(name, before, call, after)                                                                          \
    case __COUNTER__: after; break;
#include "operations.inc"
#undef OPERATION
    }
}
