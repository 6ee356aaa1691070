/* The driver's export tables: which there are, how long they are, where their slots lie, and what the slots say whose
 * signature is known. Tables are asked for before and after cuInit; each slot is called in a child of its own. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "chapters.h"
#include "driver.h"
#include "record.h"

static const struct table {
    const char *name;
    unsigned char id[16];
} tables_known[] = {
    {"CUDART_INTERFACE", "\x6b\xd5\xfb\x6c\x5b\xf4\xe7\x4a\x89\x87\xd9\x39\x12\xfd\x9d\xf9"},
    {"TOOLS_RUNTIME_CALLBACK_HOOKS", "\xa0\x94\x79\x8c\x2e\x74\x2e\x74\x93\xf2\x08\x00\x20\x0c\x0a\x66"},
    {"TOOLS_TLS", "\x42\xd8\x5a\x81\x23\xf6\xcb\x47\x82\x98\xf6\xe7\x8a\x3a\xec\xdc"},
    {"TOOLS_CONTEXT", "\x21\x31\x8c\x60\x97\x14\x32\x48\x8c\xa6\x41\xff\x73\x24\xc8\xf2"},
    {"CONTEXT_LOCAL_STORAGE", "\xc6\x93\x33\x6e\x11\x21\xdf\x11\xa8\xc3\x68\xf3\x55\xd8\x95\x93"},
    {"CONTEXT_CHECKS", "\x26\x3e\x88\x60\x7c\xd2\x61\x43\x92\xf6\xbb\xd5\x00\x6d\xfa\x7e"},
    {"INTEGRITY_CHECK", "\xd4\x08\x20\x55\xbd\xe6\x70\x4b\x8d\x34\xba\x12\x3c\x66\xe1\xf2"},
    {"F8CFF951", "\xf8\xcf\xf9\x51\x21\x46\x8b\x4e\xb9\xe2\xfb\x46\x9e\x7c\x0d\xd9"},
    {"DA9151D3", "\xda\x91\x51\xd3\x3a\xe6\xcc\x41\xa5\xc0\x4f\x26\xd5\x33\xe3\x28"},
    {"1734DC26", "\x17\x34\xdc\x26\x80\x0d\x47\x45\x87\x26\xc0\xf1\xe7\xdd\x8b\xca"},
    {"7CB63F9B", "\x7c\xb6\x3f\x9b\x9c\xa4\x8e\x42\xa4\x84\xbe\xb6\x6e\x6a\xed\x7f"},
    {"CTX_CREATE_BYPASS", "\x0c\xa5\x0b\x8c\x10\x04\x92\x9a\x89\xa7\xd0\xdf\x10\xe7\x72\x86"},
    {"HEAP_ACCESS", "\x19\x5b\xcb\xf4\xd6\x7d\x02\x4a\xac\xc5\x1d\x29\xce\xa6\x31\xae"},
    {"DEVICE_EXTENDED_RT", "\xb1\x05\x41\xe1\xf7\xc7\xc7\x4a\x9f\x64\xf2\x23\xbe\x99\xf1\xe2"},
    {"HYBRID_CUDART", "\xdd\x9e\x98\xa4\xf4\x10\x48\x44\x99\xb0\xe2\xae\xb7\xb4\x32\xb5"},
    {"TOOLS_MODULE", "\x6e\x16\x3f\xbe\xb9\x58\x44\x4d\x83\x5c\xe1\x82\xaf\xf1\x99\x1e"},
    {"TOOLS_MEMORY", "\xbf\xdb\x43\x2d\xbf\x3c\x5a\x4a\x94\x5e\xb3\x40\x29\xe8\x1e\x75"},
    {"TOOLS_TRAP_HANDLER", "\xcc\x52\x9e\x94\x5c\x4e\x9d\x46\x83\x7c\x96\x25\x86\x83\x34\xe4"},
    {"TOOLS_PUSH_BUFFER_HAL", "\xa6\xb1\xff\x99\xec\xc4\xc9\x4f\x92\xf9\x19\x28\x66\x3d\x55\x85"},
    {"unknown to everybody", "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10"},
};
enum { TABLES = sizeof tables_known / sizeof *tables_known, SLOTS_READ = 512 };

static CUresult find(const char *name, void ***table) {
    *table = NULL;
    for (unsigned i = 0; i < TABLES; i++)
        if (strcmp(tables_known[i].name, name) == 0)
            return CALL(cuGetExportTable, (const void **)table, (const CUuuid *)tables_known[i].id);
    return NO_SYMBOL;
}

/* Reads memory that may not be there: the kernel refuses to write such memory to a pipe. */
static unsigned slots_readable(void *const *table, uint64_t *slots, unsigned count) {
    int ends[2];
    unsigned some = 0;
    if (pipe(ends)) return 0;
    while (some < count && write(ends[1], table + some, 8) == 8 && read(ends[0], &slots[some], 8) == 8) some++;
    close(ends[0]);
    close(ends[1]);
    return some;
}

/* A table whose first slot is a plausible size ends there; another one ends at the first slot that is no address. */
static void describe(const char *when, const struct table *known) {
    void **table = NULL;
    uint64_t slots[SLOTS_READ];
    CUresult code = CALL(cuGetExportTable, (const void **)&table, (const CUuuid *)known->id);
    begin("%s/%s", when, known->name);
    put_code("code", code);
    put_text("table", place_of(table));
    if (code == 0 && table) {
        unsigned readable = slots_readable(table, slots, SLOTS_READ), shown = readable;
        bool sized = readable && slots[0] >= 8 && slots[0] <= (1 << 16) && slots[0] % 8 == 0;
        put_number("sized", sized);
        if (sized) put_number("slot 0", slots[0]);
        if (sized && slots[0] / 8 < shown) shown = slots[0] / 8;
        char text[1 << 15] = "";
        size_t length = 0;
        for (unsigned i = sized ? 1 : 0; i < shown && length < sizeof text - 600; i++) {
            const char *place = place_of((void *)slots[i]);
            length += snprintf(text + length, sizeof text - length, "%s\"%s\"", length ? ", " : "", place);
            if (!sized && strchr(place, '+') == NULL) break;
        }
        if (sized) put_number("slots read", shown);
        put_json("slots", "[%s]", text);
    }
    end();
}

static void describe_all(void *when) {
    for (unsigned i = 0; i < TABLES; i++) describe(when, &tables_known[i]);
}

/* A slot that takes only pointers for its answers is given this many, each to its own buffer. */
enum { OUTPUTS = 6, OUTPUT_BYTES = 4096, SHOWN_BYTES = 64, FILL = 0xa5 };
static unsigned char outputs[OUTPUTS][OUTPUT_BYTES];

static void fill_outputs(void) { memset(outputs, FILL, sizeof outputs); }

static void put_outputs(void) {
    for (unsigned i = 0; i < OUTPUTS; i++) {
        unsigned used = OUTPUT_BYTES;
        while (used && outputs[i][used - 1] == FILL) used--;
        if (!used) continue;
        char name[32];
        snprintf(name, sizeof name, "output %u bytes", i);
        put_number(name, used);
        snprintf(name, sizeof name, "output %u", i);
        put_bytes(name, outputs[i], used < SHOWN_BYTES ? used : SHOWN_BYTES);
    }
}

/* Known slots. A context is made first, as the runtime would have done. */
struct slot {
    const char *name, *table;
    unsigned index;
    void (*call)(const struct slot *, void *function, CUcontext);
};

static void outputs_only(const struct slot *slot, void *function, CUcontext context) {
    (void)context;
    fill_outputs();
    unsigned code = ((unsigned (*)(void *, void *, void *, void *, void *, void *))function)(
        outputs[0], outputs[1], outputs[2], outputs[3], outputs[4], outputs[5]);
    begin("%s", slot->name);
    put_code("code", code);
    put_outputs();
    end();
}

static void null_then_outputs(const struct slot *slot, void *function, CUcontext context) {
    (void)context;
    fill_outputs();
    unsigned code = ((unsigned (*)(void *, void *, void *, void *, void *))function)(NULL, outputs[0], outputs[1],
                                                                                    outputs[2], outputs[3]);
    begin("%s", slot->name);
    put_code("code", code);
    put_outputs();
    end();
}

static void context_then_outputs(const struct slot *slot, void *function, CUcontext context) {
    fill_outputs();
    unsigned code = ((unsigned (*)(void *, void *, void *, void *, void *))function)(context, outputs[0], outputs[1],
                                                                                    outputs[2], outputs[3]);
    begin("%s", slot->name);
    put_code("code", code);
    put_outputs();
    end();
}

/* TOOLS_CONTEXT[4] takes what TOOLS_TLS[2] gave. */
static void thread_value_then_outputs(const struct slot *slot, void *function, CUcontext context) {
    void **thread_table, *value = NULL;
    (void)context;
    unsigned first = find("TOOLS_TLS", &thread_table);
    if (first == 0 && thread_table) first = ((unsigned (*)(void **))thread_table[2])(&value);
    fill_outputs();
    unsigned code = ((unsigned (*)(void *, void *))function)(value, outputs[0]);
    begin("%s", slot->name);
    put_code("code", code);
    put_code("TOOLS_TLS[2] code", first);
    put_number("TOOLS_TLS[2] is null", value == NULL);
    put_outputs();
    end();
}

static void primary_context(const struct slot *slot, void *function, CUcontext context) {
    CUcontext given = NULL;
    unsigned code = ((unsigned (*)(CUcontext *, CUdevice))function)(&given, 0);
    begin("%s", slot->name);
    put_code("code", code);
    put_number("equals the retained primary context", given == context);
    end();
}

/* The hooks give a buffer and its size. */
static void buffer_and_size(const struct slot *slot, void *function, CUcontext context) {
    unsigned char *buffer = NULL;
    size_t size = 0;
    (void)context;
    unsigned code = ((unsigned (*)(void *, size_t *))function)(&buffer, &size);
    begin("%s", slot->name);
    put_code("code", code);
    put_number("size", size);
    put_text("buffer", place_of(buffer));
    if (code == 0 && buffer && size && size <= 4096) {
        unsigned set = 0;
        for (size_t i = 0; i < size; i++) set += buffer[i] != 0;
        put_number("bytes that are not 0", set);
    }
    end();
}

static void no_arguments(const struct slot *slot, void *function, CUcontext context) {
    (void)context;
    unsigned code = ((unsigned (*)(void))function)();
    begin("%s", slot->name);
    put_number("returned", code);
    end();
}

static void storage_dropped(CUcontext context, void *key, void *value) {
    begin("CONTEXT_LOCAL_STORAGE/destructor ran");
    put_number("context given", context != NULL);
    put_number("key", (long)key);
    put_number("value", (long)value);
    end();
}

static void local_storage(const struct slot *slot, void *function, CUcontext context) {
    void **table = NULL, *value = (void *)77;
    (void)slot, (void)function;
    find("CONTEXT_LOCAL_STORAGE", &table);
    unsigned (*put)(CUcontext, void *, void *, void *) = (unsigned (*)(CUcontext, void *, void *, void *))table[0];
    unsigned (*drop)(CUcontext, void *) = (unsigned (*)(CUcontext, void *))table[1];
    unsigned (*get)(void **, CUcontext, void *) = (unsigned (*)(void **, CUcontext, void *))table[2];
    record_code("CONTEXT_LOCAL_STORAGE/get what was never put", get(&value, context, (void *)0x1234));
    record_code("CONTEXT_LOCAL_STORAGE/put", put(context, (void *)0x1234, (void *)0x5678, (void *)storage_dropped));
    unsigned again = get(&value, NULL, (void *)0x1234);
    begin("CONTEXT_LOCAL_STORAGE/get, null meaning the current context");
    put_code("code", again);
    put_number("value", (long)value);
    end();
    record_code("CONTEXT_LOCAL_STORAGE/put over it", put(context, (void *)0x1234, (void *)0x9abc, (void *)storage_dropped));
    record_code("CONTEXT_LOCAL_STORAGE/put another", put(context, (void *)0x1235, (void *)1, (void *)storage_dropped));
    record_code("CONTEXT_LOCAL_STORAGE/delete", drop(context, (void *)0x1234));
    record_code("CONTEXT_LOCAL_STORAGE/delete again", drop(context, (void *)0x1234));
    record_code("CONTEXT_LOCAL_STORAGE/get after delete", get(&value, context, (void *)0x1234));
    record_code("CONTEXT_LOCAL_STORAGE/reset of the context", CALL(cuDevicePrimaryCtxReset_v2, 0));
}

/* What the runtime compares: all the inputs are written, so that the answer can be computed again. */
static void integrity(const struct slot *slot, void *function, CUcontext context) {
    static const unsigned versions[] = {13050, 13051, 13052, 13003, 12094, 12095, 12096, 12097, 12098, 12099};
    void **runtime_table = NULL, **own_table = NULL;
    int driver_version = 0, domain = 0, bus = 0, device = 0;
    CUuuid uuid = {{0}};
    uint64_t seconds = 1700000000;
    (void)context;
    find("CUDART_INTERFACE", &runtime_table);
    find("INTEGRITY_CHECK", &own_table);
    CALL(cuDriverGetVersion, &driver_version);
    CALL(cuDeviceGetUuid_v2, &uuid, 0);
    CALL(cuDeviceGetAttribute, &bus, 33, 0);
    CALL(cuDeviceGetAttribute, &device, 34, 0);
    CALL(cuDeviceGetAttribute, &domain, 50, 0);
    for (unsigned i = 0; i < sizeof versions / sizeof *versions; i++) {
        unsigned char answer[16];
        memset(answer, FILL, sizeof answer);
        unsigned code = ((unsigned (*)(unsigned, uint64_t, void *))function)(versions[i], seconds, answer);
        begin("%s/version %u", slot->name, versions[i]);
        put_code("code", code);
        put_bytes("answer", answer, sizeof answer);
        put_number("driver version", driver_version);
        put_number("pid", getpid());
        put_number("thread", (uint32_t)pthread_self());
        put_json("CUDART_INTERFACE", "%lu", (unsigned long)runtime_table);
        put_json("INTEGRITY_CHECK", "%lu", (unsigned long)own_table);
        put_json("slot 1", "%lu", (unsigned long)function);
        put_number("seconds", seconds);
        put_bytes("uuid", &uuid, sizeof uuid);
        put_json("pci", "[%d, %d, %d]", domain, bus, device);
        end();
    }
}

static const struct slot slots[] = {
    {"CUDART_INTERFACE[2] the primary context", "CUDART_INTERFACE", 2, primary_context},
    {"TOOLS_RUNTIME_CALLBACK_HOOKS[2]", "TOOLS_RUNTIME_CALLBACK_HOOKS", 2, buffer_and_size},
    {"TOOLS_RUNTIME_CALLBACK_HOOKS[6]", "TOOLS_RUNTIME_CALLBACK_HOOKS", 6, buffer_and_size},
    {"TOOLS_TLS[2] outputs", "TOOLS_TLS", 2, outputs_only},
    {"TOOLS_CONTEXT[4] null, outputs", "TOOLS_CONTEXT", 4, null_then_outputs},
    {"TOOLS_CONTEXT[4] context, outputs", "TOOLS_CONTEXT", 4, context_then_outputs},
    {"TOOLS_CONTEXT[4] thread's value, output", "TOOLS_CONTEXT", 4, thread_value_then_outputs},
    {"CONTEXT_CHECKS[2] context, outputs", "CONTEXT_CHECKS", 2, context_then_outputs},
    {"CONTEXT_CHECKS[3]", "CONTEXT_CHECKS", 3, no_arguments},
    {"1734DC26[4] outputs", "1734DC26", 4, outputs_only},
    {"CONTEXT_LOCAL_STORAGE", "CONTEXT_LOCAL_STORAGE", 0, local_storage},
    {"INTEGRITY_CHECK[1]", "INTEGRITY_CHECK", 1, integrity},
};
enum { SLOT_LIMIT_MS = 8000 };

static void call_slot(void *argument) {
    const struct slot *slot = argument;
    void **table = NULL;
    CUcontext context = NULL;
    uint64_t here[SLOTS_READ];
    CUresult code = make_context(&context);
    if (code) {
        begin("%s", slot->name);
        put_code("no context", code);
        end();
        return;
    }
    code = find(slot->table, &table);
    if (code || !table) {
        begin("%s", slot->name);
        put_code("no table", code);
        end();
        return;
    }
    bool sized = strcmp(slot->table, "CONTEXT_LOCAL_STORAGE") != 0;
    unsigned readable = slots_readable(table, here, slot->index + 1);
    if (readable <= slot->index || (sized && here[0] <= 8 * slot->index) || !here[slot->index]) {
        begin("%s", slot->name);
        put_text("code", "no slot");
        end();
        return;
    }
    slot->call(slot, (void *)here[slot->index], context);
}

static void after_init(void *nothing) {
    (void)nothing;
    record_code("cuInit", CALL(cuInit, 0));
    describe_all("after cuInit");
}

void tables(void) {
    in_child("before cuInit", SLOT_LIMIT_MS, describe_all, "before cuInit");
    in_child("after cuInit", SLOT_LIMIT_MS, after_init, NULL);
    for (unsigned i = 0; i < sizeof slots / sizeof *slots; i++)
        in_child(slots[i].name, SLOT_LIMIT_MS, call_slot, (void *)&slots[i]);
}
