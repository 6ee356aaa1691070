/* What contexts, pools, functions and kinds of memory say of themselves, and the names of the errors. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "chapters.h"
#include "fixture.h"
#include "names.h"
#include "record.h"

enum { CASE_LIMIT_MS = 10000, ERRORS_ASKED = 1001 };

static void error_names(void *nothing) {
    (void)nothing;
    for (unsigned number = 0; number < ERRORS_ASKED; number++) {
        const char *name = NULL, *text = NULL;
        CUresult named = CALL(cuGetErrorName, number, &name), told = CALL(cuGetErrorString, number, &text);
        if (named && told && number < ERRORS_ASKED - 1) continue; /* of the unknown ones, the last speaks for all */
        begin("error %u", number);
        put_code("name code", named);
        if (name) put_text("name", name);
        put_code("text code", told);
        if (text) put_text("text", text);
        end();
    }
}

static void context_properties(void *nothing) {
    const struct name *limits;
    unsigned count = names_of("limit", &limits), flags = 0, api = 0;
    int least = 0, greatest = 0, active = 0;
    size_t free_bytes = 0, total_bytes = 0;
    unsigned long long id = 0, stream_id = 0, other_id = 0;
    CUmoduleLoadingMode mode = 0;
    CUdevprop prop;
    (void)nothing;
    memset(&prop, 0, sizeof prop);
    CALL(cuInit, 0);
    begin("context/primary state before");
    put_code("code", CALL(cuDevicePrimaryCtxGetState, 0, &flags, &active));
    put_json("value", "[%u, %d]", flags, active);
    end();
    if (!have_fixture("context/(before)")) return;
    begin("context/primary state");
    put_code("code", CALL(cuDevicePrimaryCtxGetState, 0, &flags, &active));
    put_json("value", "[%u, %d]", flags, active);
    end();
    for (unsigned i = 0; i < count; i++) {
        size_t value = 0;
        begin("context/%s", limits[i].text);
        put_code("code", CALL(cuCtxGetLimit, &value, limits[i].number));
        put_number("value", value);
        end();
    }
    begin("context/stream priorities");
    put_code("code", CALL(cuCtxGetStreamPriorityRange, &least, &greatest));
    put_json("value", "[%d, %d]", least, greatest);
    end();
    begin("context/flags");
    put_code("code", CALL(cuCtxGetFlags, &flags));
    put_number("value", flags);
    end();
    begin("context/api version");
    put_code("code", CALL(cuCtxGetApiVersion, have.context, &api));
    put_number("value", api);
    end();
    begin("context/id");
    put_code("code", CALL(cuCtxGetId, have.context, &id));
    put_number("value", id);
    end();
    begin("context/stream ids");
    put_code("code", CALL(cuStreamGetId, NULL, &stream_id));
    put_code("per thread", CALL(cuStreamGetId, (CUstream)2, &other_id));
    put_number("legacy", stream_id);
    put_number("per-thread stream", other_id);
    CALL(cuStreamGetId, have.stream, &stream_id);
    put_number("first stream", stream_id);
    end();
    begin("context/memory");
    put_code("code", CALL(cuMemGetInfo_v2, &free_bytes, &total_bytes));
    put_number("us free", free_bytes);
    put_number("total", total_bytes);
    end();
    begin("context/module loading mode");
    put_code("code", CALL(cuModuleGetLoadingMode, &mode));
    put_number("value", mode);
    end();
    begin("context/cuDeviceGetProperties");
    put_code("code", CALL(cuDeviceGetProperties, &prop, 0));
    put_bytes("value", &prop, sizeof prop);
    end();
    for (int format = 0; format < 4; format++) {
        static const CUarray_format formats[] = {0x01, 0x03, 0x10, 0x20};
        size_t width = 0;
        begin("device/1D linear texture width, format %#x", formats[format]);
        put_code("code", CALL(cuDeviceGetTexture1DLinearMaxWidth, &width, formats[format], 1, 0));
        put_number("value", width);
        end();
    }
}

static void pool_properties(void *nothing) {
    const struct name *names;
    unsigned count = names_of("pool_attribute", &names);
    CUmemoryPool pool = NULL, current = NULL;
    (void)nothing;
    if (!have_fixture("pool/(before)")) return;
    begin("pool/default");
    put_code("code", CALL(cuDeviceGetDefaultMemPool, &pool, 0));
    put_code("current", CALL(cuDeviceGetMemPool, &current, 0));
    put_number("the same", pool == current);
    end();
    for (unsigned i = 0; pool && i < count; i++) {
        uint64_t value = 0;
        begin("pool/%s", names[i].text);
        put_code("code", CALL(cuMemPoolGetAttribute, pool, names[i].number, &value));
        put_number("value", value);
        end();
    }
    count = names_of("graph_memory_attribute", &names);
    for (unsigned i = 0; i < count; i++) {
        uint64_t value = 0;
        begin("pool/%s", names[i].text);
        put_code("code", CALL(cuDeviceGetGraphMemAttribute, 0, names[i].number, &value));
        put_number("value", value);
        end();
    }
}

static void function_properties(void *nothing) {
    const struct name *names;
    unsigned count = names_of("function_attribute", &names);
    (void)nothing;
    if (!have_fixture("function/(before)")) return;
    struct { const char *name; CUfunction function; } functions[] = {
        {"nothing", have.nothing}, {"add_one", have.add_one}, {"mixed", have.mixed}, {"bounded", have.bounded}};
    for (unsigned f = 0; f < 4; f++) {
        CUfunctionLoadingState state = 77;
        begin("function/%s/loaded at first", functions[f].name);
        put_code("code", CALL(cuFuncIsLoaded, &state, functions[f].function));
        put_number("value", state);
        end();
        for (unsigned i = 0; i < count; i++) {
            int value = 0;
            begin("function/%s/%s", functions[f].name, names[i].text);
            put_code("code", CALL(cuFuncGetAttribute, &value, names[i].number, functions[f].function));
            put_number("value", value);
            end();
        }
        for (size_t index = 0; index < 5; index++) {
            size_t offset = 0, size = 0;
            begin("function/%s/parameter %zu", functions[f].name, index);
            put_code("code", CALL(cuFuncGetParamInfo, functions[f].function, index, &offset, &size));
            put_json("value", "[%zu, %zu]", offset, size);
            end();
        }
        for (int block = 32; block <= 1024; block *= 2) {
            int blocks = 0;
            begin("function/%s/blocks of %d at once", functions[f].name, block);
            put_code("code", CALL(cuOccupancyMaxActiveBlocksPerMultiprocessor, &blocks, functions[f].function, block, 0));
            put_number("value", blocks);
            end();
        }
        int grid = 0, block = 0;
        begin("function/%s/best block", functions[f].name);
        put_code("code", CALL(cuOccupancyMaxPotentialBlockSize, &grid, &block, functions[f].function, NULL, 0, 0));
        put_json("value", "[%d, %d]", grid, block);
        end();
    }
}

/* Pointer attributes. A value that is an address is written as its distance from the address asked about, a handle only
 * as being there, so that two runs can be compared. */
enum { CONTEXT = 1, DEVICE_POINTER = 3, HOST_POINTER = 4, TOKENS = 5, BUFFER_ID = 7, RANGE_START = 11, POOL = 17, BASE = 19, BLOCK_ID = 20 };

static void put_attribute(int attribute, CUdeviceptr address, CUresult code, uint64_t value) {
    put_code("code", code);
    if (code) return;
    switch (attribute) {
    case DEVICE_POINTER:
    case HOST_POINTER:
    case RANGE_START:
    case BASE:
        if (value) put_number("from the address", (long long)(value - address));
        else put_text("value", "null");
        break;
    case CONTEXT: put_text("value", !value ? "null" : value == (uint64_t)have.context ? "the current context" : "another context"); break;
    case TOKENS:
    case BUFFER_ID:
    case POOL:
    case BLOCK_ID: put_text("value", value ? "there" : "null"); break;
    default: put_number("value", value);
    }
}

static void describe_pointer(const char *kind, CUdeviceptr address) {
    const struct name *names;
    unsigned count = names_of("pointer_attribute", &names);
    unsigned char resident = 0;
    for (unsigned i = 0; i < count; i++) {
        uint64_t value[8] = {0};
        CUresult code = CALL(cuPointerGetAttribute, value, names[i].number, address);
        begin("pointer/%s/%s", kind, names[i].text);
        put_attribute(names[i].number, address, code, value[0]);
        end();
    }
    /* All at once, which answers 0 where one alone fails. */
    CUpointer_attribute asked[3] = {2, 9, 8};
    unsigned type = 77;
    int ordinal = 77, managed = 77;
    void *answers[3] = {&type, &ordinal, &managed};
    begin("pointer/%s/several at once", kind);
    put_code("code", CALL(cuPointerGetAttributes, 3, asked, answers, address));
    put_json("type, ordinal, managed", "[%u, %d, %d]", type, ordinal, managed & 0xff);
    end();
    CUdeviceptr base = 0;
    size_t size = 0;
    begin("pointer/%s/cuMemGetAddressRange", kind);
    put_code("code", CALL(cuMemGetAddressRange_v2, &base, &size, address));
    if (base) put_number("from the address", (long long)(base - address));
    put_number("size", size);
    end();
    begin("pointer/%s/is a mapping of the process", kind);
    put_number("value", mincore((void *)(address & ~4095ull), 4096, &resident) == 0);
    put_json("us address", "\"0x%llx\"", address);
    end();
}

static void pointers(void *nothing) {
    static _Alignas(4096) char registered[8192], plain[8192];
    CUdeviceptr memory = 0, large = 0, managed = 0, pooled = 0, range = 0, global = 0, freed = 0;
    CUmemGenericAllocationHandle physical = 0;
    CUmemAllocationProp prop = {.type = 1, .location = {.type = 1}};
    CUmemAccessDesc access = {.location = {.type = 1}, .flags = 3};
    void *host = NULL;
    size_t bytes = 0, step = 2 << 20;
    (void)nothing;
    if (!have_fixture("pointer/(before)")) return;
    CALL(cuMemAlloc_v2, &memory, 1000);
    describe_pointer("cuMemAlloc", memory);
    describe_pointer("cuMemAlloc, 256 bytes inside", have.memory + 256);
    if (CALL(cuMemAlloc_v2, &large, 64 << 20) == 0) describe_pointer("cuMemAlloc 64 MiB", large);
    CALL(cuMemAlloc_v2, &freed, 64 << 20);
    CALL(cuMemFree_v2, freed);
    describe_pointer("freed", freed);
    describe_pointer("pinned", (CUdeviceptr)have.host + 64);
    if (CALL(cuMemHostAlloc, &host, 4096, 1 | 2 | 4) == 0) describe_pointer("pinned, portable, mapped, write combined", (CUdeviceptr)host);
    if (CALL(cuMemHostRegister_v2, registered, 4096, 0) == 0) {
        describe_pointer("registered", (CUdeviceptr)registered);
        describe_pointer("behind what is registered", (CUdeviceptr)registered + 4096);
    }
    describe_pointer("plain", (CUdeviceptr)plain);
    if (CALL(cuMemAllocManaged, &managed, 4096, 1) == 0) describe_pointer("managed", managed);
    if (CALL(cuMemAllocAsync, &pooled, 4096, have.stream) == 0) describe_pointer("pool", pooled);
    if (CALL(cuModuleGetGlobal_v2, &global, &bytes, have.module, "counter") == 0) describe_pointer("global of a module", global);
    if (CALL(cuModuleGetGlobal_v2, &global, &bytes, have.module, "table") == 0) describe_pointer("constant of a module", global);
    CALL(cuMemGetAllocationGranularity, &step, &prop, 0);
    if (CALL(cuMemAddressReserve, &range, 4 * step, 0, 0, 0)) return;
    describe_pointer("reserved", range);
    if (CALL(cuMemCreate, &physical, step, &prop, 0) || CALL(cuMemMap, range, step, 0, physical, 0)) return;
    describe_pointer("mapped without access", range);
    CALL(cuMemSetAccess, range, step, &access, 1);
    describe_pointer("mapped", range + 256);
    describe_pointer("behind what is mapped", range + step);
}

void properties(void) {
    in_child("error", CASE_LIMIT_MS, error_names, NULL);
    in_child("context", CASE_LIMIT_MS, context_properties, NULL);
    in_child("pool", CASE_LIMIT_MS, pool_properties, NULL);
    in_child("function", CASE_LIMIT_MS, function_properties, NULL);
    in_child("pointer", CASE_LIMIT_MS, pointers, NULL);
}
