/* What every operation returns after a kernel has failed, and whether the process recovers. */
#include <stdio.h>

#include "batch.h"
#include "chapters.h"
#include "fixture.h"
#include "operations.h"
#include "record.h"

enum { ROW_LIMIT_MS = 5000, OPERATIONS_LIMIT = 256 };

static const char *const kinds[] = {
    "store to address 16", "store far away", "store to an odd address", "store to freed memory", "load from address 16",
    "shared memory out of bounds", "trap", "assertion",
};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* One row more than there are operations: the recovery. */
static unsigned rows_of_kind(void) { return operation_count + 1; }
static unsigned group(unsigned row) { return row / rows_of_kind(); }

static const char *name(unsigned row) {
    static char text[256];
    unsigned operation = row % rows_of_kind();
    snprintf(text, sizeof text, "%s/%s", kinds[group(row)],
             operation < operation_count ? operation_name(operation) : "(recovery)");
    return text;
}

static struct things things[OPERATIONS_LIMIT];
static CUstream busy, side;
static CUevent before_fault;

static CUresult fail(unsigned kind) {
    CUmodule module;
    CUfunction function = NULL;
    CUdeviceptr address = 16, freed = 0;
    void *parameters[] = {&address};
    const char *kernel = kind == 4 ? "load_at" : kind == 5 ? "shared_out_of_bounds" : kind == 6 ? "trap_now" : kind == 7 ? "assert_now" : "store_at";
    CUresult code = CALL(cuModuleLoadData, &module, faults_ptx);
    if (code == 0) code = CALL(cuModuleGetFunction, &function, module, kernel);
    if (code) return code;
    if (kind == 1) address = 0x7f0000000000ull;
    if (kind == 2) address = have.memory + 1;
    if (kind == 3) {
        CALL(cuMemAlloc_v2, &freed, 64 << 20);
        CALL(cuMemFree_v2, freed);
        address = freed;
    }
    return CALL(cuLaunchKernel, function, 1, 1, 1, 1, 1, 1, 0, busy, kind >= 5 ? NULL : parameters, NULL);
}

static bool prepare(unsigned row) {
    char text[256];
    unsigned kind = group(row), first = row % rows_of_kind();
    snprintf(text, sizeof text, "%s/(before)", kinds[kind]);
    if (!have_fixture(text)) return false;
    CALL(cuStreamCreate, &busy, 1);
    CALL(cuStreamCreate, &side, 1);
    CALL(cuEventCreate, &before_fault, 0);
    for (unsigned operation = first; operation < operation_count; operation++) {
        prepare_operation(operation, &things[operation], busy, side);
        CALL(cuCtxSetCurrent, have.context);
    }
    launch_one(have.nothing, side);
    CALL(cuEventRecord, before_fault, busy);
    CALL(cuCtxSynchronize);

    CUresult launch = fail(kind), synchronize = CALL(cuStreamSynchronize, busy);
    if (first) return true; /* in a new process after a crash: the same once more */
    begin("%s/(fault)", kinds[kind]);
    put_code("launch", launch);
    put_code("synchronize", synchronize);
    put_code("synchronize again", CALL(cuStreamSynchronize, busy));
    put_code("event of before, query", CALL(cuEventQuery, before_fault));
    end();
    return true;
}

static void recover(const char *name) {
    CUcontext context = NULL;
    CUdeviceptr memory = 0;
    begin("%s", name);
    put_code("new context", CALL(cuCtxCreate_v2, &context, 0, have.device));
    put_code("alloc in it", CALL(cuMemAlloc_v2, &memory, 4096));
    put_code("reset", CALL(cuDevicePrimaryCtxReset_v2, have.device));
    put_code("retain after reset", CALL(cuDevicePrimaryCtxRetain, &context, have.device));
    put_code("set current after reset", CALL(cuCtxSetCurrent, context));
    put_code("alloc after reset", CALL(cuMemAlloc_v2, &memory, 4096));
    put_code("synchronize after reset", CALL(cuCtxSynchronize));
    end();
}

static bool run(unsigned row) {
    unsigned operation = row % rows_of_kind();
    if (operation == operation_count) {
        recover(name(row));
        return false;
    }
    record_code(name(row), call_operation(operation, &things[operation], busy, side));
    CALL(cuCtxSetCurrent, have.context);
    return true;
}

void faults(void) {
    struct batch batch = {KINDS * rows_of_kind(), name, prepare, run, group, ROW_LIMIT_MS};
    run_batch(&batch);
}
