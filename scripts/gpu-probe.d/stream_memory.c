/* Stream memory operations: on which memory they work, what each condition means, what a waiting stream holds up, and
 * how many streams may wait at once. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chapters.h"
#include "fixture.h"
#include "record.h"

enum { CASE_LIMIT_MS = 8000, PATIENCE_MS = 100, NOT_READY = 600 };

/* The words that the cases wait for and write to. */
static volatile unsigned long long *word; /* pinned */
static CUdeviceptr word_address;

static bool ready(const char *name) {
    if (!have_fixture(name)) return false;
    CUresult code = CALL(cuMemHostGetDevicePointer_v2, &word_address, have.host, 0);
    word = have.host;
    if (code) record_code(name, code);
    return code == 0;
}

/* True if the stream is done within the patience. */
static bool done_soon(CUstream stream) {
    double until = now_us() + PATIENCE_MS * 1000;
    while (now_us() < until)
        if (CALL(cuStreamQuery, stream) != NOT_READY) return true;
    return false;
}

/* Writing and waiting on one kind of memory */

struct memory {
    const char *name;
    CUdeviceptr address;
};

static void write_and_wait(struct memory memory) {
    unsigned value32 = 0;
    unsigned long long value64 = 0;
    CUresult set = CALL(cuMemcpyHtoD_v2, memory.address, &value64, 8);
    CUresult write = CALL(cuStreamWriteValue32_v2, have.stream, memory.address, 0x12345678, 0);
    CUresult wait = CALL(cuStreamWaitValue32_v2, have.stream, memory.address, 0x12345678, 1);
    bool done = done_soon(have.stream);
    CALL(cuMemcpyDtoH_v2, &value32, memory.address, 4);
    begin("memory/%s/32 bits", memory.name);
    put_code("clear", set);
    put_code("write", write);
    put_code("wait", wait);
    put_number("done", done);
    put_number("value", value32);
    end();
    if (!done) return;
    write = CALL(cuStreamWriteValue64_v2, have.stream, memory.address, 0x123456789abcdef0ull, 0);
    wait = CALL(cuStreamWaitValue64_v2, have.stream, memory.address, 0x123456789abcdef0ull, 1);
    done = done_soon(have.stream);
    CALL(cuMemcpyDtoH_v2, &value64, memory.address, 8);
    begin("memory/%s/64 bits", memory.name);
    put_code("write", write);
    put_code("wait", wait);
    put_number("done", done);
    put_number("value", value64);
    end();
}

static void memory_kinds(void *nothing) {
    (void)nothing;
    if (!ready("memory/(before)")) return;
    CUdeviceptr managed = 0, registered = 0, pooled = 0, range = 0, global = 0;
    CUmemGenericAllocationHandle physical = 0;
    CUmemAllocationProp prop = {.type = 1, .location = {.type = 1}};
    CUmemAccessDesc access = {.location = {.type = 1}, .flags = 3};
    void *plain = aligned_alloc(4096, 4096);
    size_t bytes = 2 << 20;
    write_and_wait((struct memory){"device", have.memory});
    write_and_wait((struct memory){"pinned", word_address});
    if (CALL(cuModuleGetGlobal_v2, &global, &bytes, have.module, "table") == 0)
        write_and_wait((struct memory){"constant of a module", global});
    if (CALL(cuMemAllocManaged, &managed, 4096, 1) == 0) write_and_wait((struct memory){"managed", managed});
    if (CALL(cuMemHostRegister_v2, plain, 4096, 0) == 0) {
        CALL(cuMemHostGetDevicePointer_v2, &registered, plain, 0);
        write_and_wait((struct memory){"registered", registered});
    }
    if (CALL(cuMemAllocAsync, &pooled, 4096, have.stream) == 0) write_and_wait((struct memory){"pool", pooled});
    CALL(cuMemGetAllocationGranularity, &bytes, &prop, 0);
    CALL(cuMemAddressReserve, &range, bytes, 0, 0, 0);
    if (CALL(cuMemCreate, &physical, bytes, &prop, 0) == 0 && CALL(cuMemMap, range, bytes, 0, physical, 0) == 0 &&
        CALL(cuMemSetAccess, range, bytes, &access, 1) == 0)
        write_and_wait((struct memory){"mapped", range});
}

/* Conditions */

static void condition(const char *name, unsigned flags, unsigned held, unsigned asked) {
    *word = held;
    CUresult code = CALL(cuStreamWaitValue32_v2, have.stream, word_address, asked, flags);
    bool done = done_soon(have.stream);
    begin("condition/%s/%#x asked for, %#x there", name, asked, held);
    put_code("code", code);
    put_number("fulfilled", done);
    end();
    /* Whatever the condition is, one of these fulfils it. */
    for (int attempt = 0; !done && attempt < 3; attempt++) {
        *word = attempt == 0 ? asked : attempt == 1 ? ~0u : 0;
        done = done_soon(have.stream);
    }
}

static void conditions(void *nothing) {
    (void)nothing;
    if (!ready("condition/(before)")) return;
    condition("GEQ", 0, 5, 4);
    condition("GEQ", 0, 4, 5);
    condition("GEQ", 0, 0x80000000, 1); /* the comparison is cyclic */
    condition("GEQ", 0, 1, 0xfffffff0);
    condition("EQ", 1, 5, 5);
    condition("EQ", 1, 6, 5);
    condition("AND", 2, 6, 2);
    condition("AND", 2, 4, 2);
    condition("NOR", 3, 0xfffffff0, 3);
    condition("NOR", 3, 0xffffffff, 3);
    condition("GEQ with FLUSH", 1u << 30, 5, 4);
    condition("EQ with FLUSH", 1 | 1u << 30, 5, 5);
}

/* Batches */

static void batches(void *nothing) {
    (void)nothing;
    if (!ready("batch/(before)")) return;
    CUstreamBatchMemOpParams both[3] = {
        {.writeValue = {.operation = 2, .address = have.memory, .value = 7}},
        {.waitValue = {.operation = 1, .address = have.memory, .value = 7, .flags = 1}},
        {.writeValue = {.operation = 2, .address = have.memory + 4, .value = 8}},
    };
    CUstreamBatchMemOpParams late[2] = {
        {.waitValue = {.operation = 1, .address = have.memory, .value = 9, .flags = 1}},
        {.writeValue = {.operation = 2, .address = have.memory, .value = 9}},
    };
    CUstreamBatchMemOpParams wide = {.writeValue = {.operation = 5, .address = have.memory, .value64 = 1ull << 40}};
    CUstreamBatchMemOpParams barrier = {.memoryBarrier = {.operation = 6}}, flush = {.flushRemoteWrites = {.operation = 3}};
    unsigned values[2] = {0, 0};
    CALL(cuMemcpyHtoD_v2, have.memory, values, 8);
    CUresult code = CALL(cuStreamBatchMemOp_v2, have.stream, 3, both, 0);
    bool done = done_soon(have.stream);
    CALL(cuMemcpyDtoH_v2, values, have.memory, 8);
    begin("batch/write, wait, write");
    put_code("code", code);
    put_number("done", done);
    put_json("values", "[%u, %u]", values[0], values[1]);
    end();
    record_code("batch/64 bits", CALL(cuStreamBatchMemOp_v2, have.stream, 1, &wide, 0));
    record_code("batch/memory barrier", CALL(cuStreamBatchMemOp_v2, have.stream, 1, &barrier, 0));
    record_code("batch/flush of remote writes", CALL(cuStreamBatchMemOp_v2, have.stream, 1, &flush, 0));
    /* Last: it may wait for ever. */
    code = CALL(cuStreamBatchMemOp_v2, have.stream, 2, late, 0);
    begin("batch/a wait before the write that fulfils it");
    put_code("code", code);
    put_number("done", done_soon(have.stream));
    end();
}

/* What a waiting stream holds up */

static void beside(const char *name, unsigned waiting_flags, CUstream other, const char *other_name) {
    CUstream waiting = NULL;
    CALL(cuStreamCreate, &waiting, waiting_flags);
    *word = 0;
    CUresult code = CALL(cuStreamWaitValue32_v2, waiting, word_address, 1, 0);
    CUresult launch = launch_one(have.nothing, other);
    bool done = done_soon(other);
    *word = 1;
    begin("held up/%s, %s", name, other_name);
    put_code("wait", code);
    put_code("launch", launch);
    put_number("the other stream finished", done);
    put_number("both finish once released", done_soon(waiting) && done_soon(other));
    end();
    CALL(cuStreamDestroy_v2, waiting);
}

static void held_up(void *nothing) {
    CUstream blocking = NULL;
    (void)nothing;
    if (!ready("held up/(before)")) return;
    CALL(cuStreamCreate, &blocking, 0);
    launch_one(have.nothing, NULL);
    CALL(cuCtxSynchronize);
    beside("a non-blocking stream waits", 1, have.stream, "a non-blocking stream works");
    beside("a non-blocking stream waits", 1, blocking, "a blocking stream works");
    beside("a non-blocking stream waits", 1, NULL, "the legacy stream works");
    beside("a blocking stream waits", 0, have.stream, "a non-blocking stream works");
    beside("a blocking stream waits", 0, blocking, "a blocking stream works");
    beside("a blocking stream waits", 0, NULL, "the legacy stream works");
}

/* How many may wait */

struct crowd {
    int waiting;
    const char *connections; /* CUDA_DEVICE_MAX_CONNECTIONS, or null */
};

static void crowd_waits(void *argument) {
    const struct crowd *crowd = argument;
    CUstream waiting[256] = {0}, last = NULL;
    if (crowd->connections) setenv("CUDA_DEVICE_MAX_CONNECTIONS", crowd->connections, 1);
    if (!ready("crowd/(before)")) return;
    launch_one(have.nothing, have.stream);
    CALL(cuCtxSynchronize);
    *word = 0;
    CUresult code = 0;
    for (int i = 0; i < crowd->waiting && code == 0; i++) {
        CALL(cuStreamCreate, &waiting[i], 1);
        code = CALL(cuStreamWaitValue32_v2, waiting[i], word_address, 1, 0);
    }
    CALL(cuStreamCreate, &last, 1);
    CUresult launch = launch_one(have.nothing, last);
    bool launched = done_soon(last);
    CUresult copy = CALL(cuMemcpyHtoDAsync_v2, have.memory, (char *)have.host + 4096, 4096, last);
    bool copied = launched && done_soon(last);
    *word = 1;
    begin("crowd/%d wait, connections %s", crowd->waiting, crowd->connections ? crowd->connections : "by default");
    put_code("wait", code);
    put_code("launch", launch);
    put_number("a launch beside them finished", launched);
    put_code("copy", copy);
    put_number("a copy beside them finished", copied);
    put_code("synchronize", CALL(cuCtxSynchronize));
    end();
}

/* Callbacks: does one that takes long hold up those of other streams? */

static volatile int second_ran;
static void take_long(void *data) {
    (void)data;
    usleep(PATIENCE_MS * 2000);
}
static void run_second(void *data) {
    (void)data;
    second_ran = 1;
}

static void callbacks(void *nothing) {
    CUstream other = NULL;
    (void)nothing;
    if (!ready("callback/(before)")) return;
    CALL(cuStreamCreate, &other, 1);
    CUresult first = CALL(cuLaunchHostFunc, have.stream, take_long, NULL);
    CUresult second = CALL(cuLaunchHostFunc, other, run_second, NULL);
    bool done = done_soon(other);
    begin("callback/one that takes long, another stream's");
    put_code("first", first);
    put_code("second", second);
    put_number("the other finished meanwhile", done && second_ran);
    put_number("a launch beside finished meanwhile", launch_one(have.nothing, other) == 0 && done_soon(other));
    put_code("synchronize", CALL(cuCtxSynchronize));
    end();
}

void stream_memory(void) {
    static const int crowds[] = {1, 7, 8, 9, 16, 31, 32, 33, 64, 127, 128, 200};
    in_child("memory", CASE_LIMIT_MS, memory_kinds, NULL);
    in_child("condition", CASE_LIMIT_MS, conditions, NULL);
    in_child("batch", CASE_LIMIT_MS, batches, NULL);
    in_child("held up", CASE_LIMIT_MS, held_up, NULL);
    in_child("callback", CASE_LIMIT_MS, callbacks, NULL);
    for (unsigned i = 0; i < sizeof crowds / sizeof *crowds; i++) {
        struct crowd by_default = {crowds[i], NULL}, many = {crowds[i], "32"};
        char name[64];
        snprintf(name, sizeof name, "crowd/%d wait, connections by default", crowds[i]);
        in_child(name, CASE_LIMIT_MS, crowd_waits, &by_default);
        snprintf(name, sizeof name, "crowd/%d wait, connections 32", crowds[i]);
        in_child(name, CASE_LIMIT_MS, crowd_waits, &many);
    }
}
