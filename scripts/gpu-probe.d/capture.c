/* Which calls a capture forbids, to whom, and which of them spoil it: every operation beside a capture of each mode, made
 * by the thread that captures, by another one, and by another one that has exchanged its mode. */
#include <pthread.h>
#include <stdio.h>

#include "batch.h"
#include "chapters.h"
#include "fixture.h"
#include "operations.h"
#include "record.h"

enum { MODES = 3, ROW_LIMIT_MS = 5000 };
static const char *const modes[MODES] = {"global", "thread local", "relaxed"};

enum actor { SAME, OTHER, OTHER_THREAD_LOCAL, OTHER_RELAXED, ACTORS };
static const char *const actors[ACTORS] = {"same thread", "another thread", "another thread, thread local",
                                           "another thread, relaxed"};

static unsigned group(unsigned row) { return row / operation_count; }

static const char *name(unsigned row) {
    static char text[256];
    snprintf(text, sizeof text, "%s/%s/%s", modes[group(row) / ACTORS], actors[group(row) % ACTORS],
             operation_name(row % operation_count));
    return text;
}

static CUstream side;

static bool prepare(unsigned row) {
    char text[256];
    snprintf(text, sizeof text, "(before) %s", name(row));
    if (!have_fixture(text)) return false;
    CUresult code = CALL(cuStreamCreate, &side, 1);
    if (code == 0) code = launch_one(have.nothing, side);
    if (code == 0) code = CALL(cuCtxSynchronize);
    if (code) record_code(text, code);
    return code == 0;
}

/* The other thread. It is ready before the capture begins, and calls while it lasts. */
struct act {
    enum actor actor;
    unsigned operation;
    struct things *its;
    CUstream busy;
    CUresult code;
    pthread_barrier_t barrier;
};

static void *act_beside(void *argument) {
    struct act *act = argument;
    CUstreamCaptureMode mode = act->actor == OTHER_THREAD_LOCAL ? 1 : 2;
    CALL(cuCtxSetCurrent, have.context);
    if (act->actor != OTHER) CALL(cuThreadExchangeStreamCaptureMode, &mode);
    pthread_barrier_wait(&act->barrier);
    pthread_barrier_wait(&act->barrier);
    act->code = call_operation(act->operation, act->its, act->busy, side);
    pthread_barrier_wait(&act->barrier);
    return NULL;
}

/* Begins the capture and has the call made while it lasts. */
static CUresult capture_and_act(struct act *act, CUstreamCaptureMode mode) {
    pthread_t thread;
    CUresult begun;
    if (act->actor == SAME) {
        begun = CALL(cuStreamBeginCapture_v2, act->busy, mode);
        act->code = call_operation(act->operation, act->its, act->busy, side);
        return begun;
    }
    pthread_barrier_init(&act->barrier, NULL, 2);
    pthread_create(&thread, NULL, act_beside, act);
    pthread_barrier_wait(&act->barrier);
    begun = CALL(cuStreamBeginCapture_v2, act->busy, mode);
    pthread_barrier_wait(&act->barrier);
    pthread_barrier_wait(&act->barrier);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&act->barrier);
    return begun;
}

static bool run(unsigned row) {
    struct things its = {0};
    struct act act = {.actor = group(row) % ACTORS, .operation = row % operation_count, .its = &its};
    bool last = act.operation == operation_count - 1; /* the one that destroys the stream */
    CUgraph graph = NULL;
    CUstreamCaptureStatus status = 77;

    CALL(cuStreamCreate, &act.busy, 1);
    prepare_operation(act.operation, &its, act.busy, side);
    CALL(cuCtxSynchronize);
    CUresult begun = capture_and_act(&act, group(row) / ACTORS);
    begin("%s", name(row));
    put_code("code", act.code);
    if (begun) put_code("begin", begun);
    if (!last) {
        CALL(cuStreamIsCapturing, act.busy, &status);
        put_text("capture", status == 1 ? "goes on" : status == 2 ? "is spoilt" : status == 0 ? "is over" : "unknown");
        put_code("end", CALL(cuStreamEndCapture, act.busy, &graph));
        put_number("graph", graph != NULL);
    }
    end();

    if (graph) CALL(cuGraphDestroy, graph);
    /* What the call was refused is not there to be cleared up. */
    CALL(cuCtxSetCurrent, have.context);
    if (act.code == 0) clear_operation(act.operation, &its, act.busy, side);
    if (!last) CALL(cuStreamDestroy_v2, act.busy);
    CALL(cuCtxSetCurrent, have.context);
    return CALL(cuCtxSynchronize) == 0;
}

void capture(void) {
    struct batch batch = {MODES * ACTORS * operation_count, name, prepare, run, group, ROW_LIMIT_MS};
    run_batch(&batch);
}
