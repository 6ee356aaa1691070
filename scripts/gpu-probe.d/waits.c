/* Which calls wait for work that is still running: every operation beside a kernel that spins, and beside a stream that
 * waits for a value (a latch, opened by a thread of the host after the same time). */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "batch.h"
#include "chapters.h"
#include "fixture.h"
#include "operations.h"
#include "record.h"

enum { BUSY_MS = 50, SETTLE_US = 3000, ROW_LIMIT_MS = 8000, NOT_READY = 600 };

static const struct situation {
    const char *name;
    bool latched, legacy;
    unsigned flags; /* of the busy stream */
} situations[] = {
    {"kernel on a non-blocking stream", false, false, 1}, {"kernel on a blocking stream", false, false, 0},
    {"kernel on the legacy stream", false, true, 0},      {"latch on a non-blocking stream", true, false, 1},
    {"latch on a blocking stream", true, false, 0},
};
enum { SITUATIONS = sizeof situations / sizeof *situations };

static unsigned group(unsigned row) { return row / operation_count; }

static const char *name(unsigned row) {
    static char text[256];
    snprintf(text, sizeof text, "%s/%s", situations[group(row)].name, operation_name(row % operation_count));
    return text;
}

static volatile unsigned *latch; /* in pinned memory: 1 lets the stream go on */
static CUdeviceptr latch_address;
static CUstream side;

static bool prepare(unsigned row) {
    const struct situation *situation = &situations[group(row)];
    char text[256];
    snprintf(text, sizeof text, "%s/(before)", situation->name);
    if (!have_fixture(text)) return false;
    CUresult code = CALL(cuStreamCreate, &side, 1);
    if (code == 0 && !situation->latched) code = load_spin();
    if (code == 0) code = CALL(cuMemHostGetDevicePointer_v2, &latch_address, have.host, 0);
    latch = have.host;
    /* Whatever is loaded at its first use is used once. */
    if (code == 0) code = launch_one(have.nothing, side);
    if (code == 0) code = CALL(cuCtxSynchronize);
    if (code) record_code(text, code);
    return code == 0;
}

static void *open_latch(void *nothing) {
    usleep(BUSY_MS * 1000);
    *latch = 1;
    return nothing;
}

static CUresult occupy(const struct situation *situation, CUstream busy) {
    *latch = 0;
    if (!situation->latched) return spin_on(busy, BUSY_MS);
    return CALL(cuStreamWaitValue32_v2, busy, latch_address, 1, 0);
}

static bool run(unsigned row) {
    const struct situation *situation = &situations[group(row)];
    unsigned operation = row % operation_count;
    struct things its = {0};
    CUstream busy = NULL;
    CUevent end_of_work = NULL;
    pthread_t opener;

    if (!situation->legacy) CALL(cuStreamCreate, &busy, situation->flags);
    CALL(cuEventCreate, &end_of_work, 2);
    prepare_operation(operation, &its, busy, side);
    CALL(cuCtxSynchronize);

    CUresult occupied = occupy(situation, busy);
    CALL(cuEventRecord, end_of_work, busy);
    pthread_create(&opener, NULL, open_latch, NULL);
    usleep(SETTLE_US);
    bool before = CALL(cuEventQuery, end_of_work) == NOT_READY;
    double started = now_us();
    CUresult code = call_operation(operation, &its, busy, side);
    double took_us = now_us() - started;
    bool after = CALL(cuEventQuery, end_of_work) == NOT_READY;
    pthread_join(opener, NULL);

    begin("%s", name(row));
    put_code("code", code);
    put_text("waited", occupied ? "the stream could not be occupied" : !before ? "the work was over already" : after ? "no" : "yes");
    if (occupied) put_code("occupying", occupied);
    put_real("us", took_us);
    end();

    bool sound = CALL(cuCtxSynchronize) == 0;
    clear_operation(operation, &its, busy, side);
    if (busy && operation != operation_count - 1) CALL(cuStreamDestroy_v2, busy);
    CALL(cuEventDestroy_v2, end_of_work);
    CALL(cuCtxSetCurrent, have.context);
    return sound && CALL(cuCtxSynchronize) == 0;
}

void waits(void) {
    struct batch batch = {SITUATIONS * operation_count, name, prepare, run, group, ROW_LIMIT_MS};
    run_batch(&batch);
}
