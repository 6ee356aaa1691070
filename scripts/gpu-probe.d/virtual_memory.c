/* Virtual memory management against the rest: what can be mapped how, where addresses lie, what other contexts and other
 * processes may do with it, pools, graphs, and the end of a context. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chapters.h"
#include "fixture.h"
#include "record.h"

enum { CASE_LIMIT_MS = 10000, DESCRIPTOR = 1, FABRIC = 8 };
#define STEP(name, call) record_code(name, call)

static const CUmemAccessDesc READ_WRITE = {.location = {.type = 1}, .flags = 3}, READ_ONLY = {.location = {.type = 1}, .flags = 1};

static CUmemAllocationProp on_device(unsigned handle_types) {
    CUmemAllocationProp prop = {.type = 1, .requestedHandleTypes = handle_types, .location = {.type = 1}};
    return prop;
}
static size_t step_bytes(void) {
    CUmemAllocationProp prop = on_device(0);
    size_t bytes = 2 << 20;
    CALL(cuMemGetAllocationGranularity, &bytes, &prop, 0);
    return bytes;
}
static CUmemGenericAllocationHandle create(size_t bytes, unsigned handle_types) {
    CUmemAllocationProp prop = on_device(handle_types);
    CUmemGenericAllocationHandle handle = 0;
    CALL(cuMemCreate, &handle, bytes, &prop, 0);
    return handle;
}
static CUdeviceptr reserve(size_t bytes) {
    CUdeviceptr range = 0;
    CALL(cuMemAddressReserve, &range, bytes, 0, 0, 0);
    return range;
}
static CUdeviceptr mapped(size_t bytes, unsigned handle_types) {
    CUdeviceptr range = reserve(bytes);
    CUmemGenericAllocationHandle handle = create(bytes, handle_types);
    CALL(cuMemMap, range, bytes, 0, handle, 0);
    CALL(cuMemSetAccess, range, bytes, &READ_WRITE, 1);
    CALL(cuMemRelease, handle); /* the mapping keeps it */
    return range;
}

/* Granularities */

static void granularities(void *nothing) {
    static const struct { const char *name; unsigned handle_types, location; } kinds[] = {
        {"device", 0, 1}, {"device, descriptor", DESCRIPTOR, 1}, {"device, fabric", FABRIC, 1}, {"host", 0, 2},
        {"host NUMA node", 0, 3}, {"host NUMA node, descriptor", DESCRIPTOR, 3},
    };
    (void)nothing;
    if (!have_fixture("granularity/(before)")) return;
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        CUmemAllocationProp prop = on_device(kinds[i].handle_types);
        CUmemGenericAllocationHandle handle = 0;
        size_t least = 0, best = 0;
        prop.location.type = kinds[i].location;
        begin("granularity/%s", kinds[i].name);
        put_code("least code", CALL(cuMemGetAllocationGranularity, &least, &prop, 0));
        put_code("best code", CALL(cuMemGetAllocationGranularity, &best, &prop, 1));
        put_json("value", "[%zu, %zu]", least, best);
        CUresult created = CALL(cuMemCreate, &handle, least ? least : 2 << 20, &prop, 0);
        put_code("create", created);
        if (created == 0) CALL(cuMemRelease, handle);
        end();
    }
}

/* Addresses */

static void put_range(const char *name, CUdeviceptr hint, CUdeviceptr given, CUresult code) {
    unsigned char resident;
    begin("%s", name);
    put_code("code", code);
    if (code == 0) {
        if (hint) put_number("as asked", given == hint);
        put_number("is a mapping of the process", mincore((void *)given, 4096, &resident) == 0);
        put_json("us address", "\"0x%llx\"", given);
    }
    end();
}

static void try_hint(const char *name, CUdeviceptr hint, size_t bytes) {
    CUdeviceptr given = 0;
    CUresult code = CALL(cuMemAddressReserve, &given, bytes, 0, hint, 0);
    put_range(name, hint, given, code);
    if (code == 0) CALL(cuMemAddressFree, given, bytes);
}

static void addresses(void *nothing) {
    (void)nothing;
    if (!have_fixture("address/(before)")) return;
    size_t bytes = 16 * step_bytes();
    static const int shifts[] = {21, 30, 36, 40, 44, 45, 46, 47, 48};
    for (unsigned i = 0; i < sizeof shifts / sizeof *shifts; i++) {
        char name[64];
        CUdeviceptr given = 0;
        CUresult code = CALL(cuMemAddressReserve, &given, 1ull << shifts[i], 0, 0, 0);
        snprintf(name, sizeof name, "address/reserve 2^%d bytes", shifts[i]);
        put_range(name, 0, given, code);
        if (code == 0) CALL(cuMemAddressFree, given, 1ull << shifts[i]);
    }
    try_hint("address/hint at 4 GiB", 1ull << 32, bytes);
    try_hint("address/hint at 1 TiB", 1ull << 40, bytes);
    try_hint("address/hint at 16 TiB", 1ull << 44, bytes);
    try_hint("address/hint at 0x7000 0000 0000", 0x700000000000ull, bytes);
    try_hint("address/hint beyond 2^47", 1ull << 47, bytes);
    try_hint("address/hint that is not aligned", (1ull << 40) + 4096, bytes);
    void *here = mmap((void *)(1ull << 41), bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    try_hint("address/hint where the process has a mapping without access", (CUdeviceptr)here, bytes);
    here = mmap((void *)(1ull << 42), bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    try_hint("address/hint where the process has memory", (CUdeviceptr)here, bytes);
    CUdeviceptr taken = reserve(bytes);
    try_hint("address/hint that is taken", taken, bytes);
    CUdeviceptr given = 0;
    put_range("address/aligned to 1 GiB", 0, given, CALL(cuMemAddressReserve, &given, bytes, 1 << 30, 0, 0));
    /* Where cuMemAlloc goes while a hint's neighbourhood is free. */
    CUdeviceptr small = 0, large = 0;
    CUresult code = CALL(cuMemAlloc_v2, &small, 4096);
    put_range("address/cuMemAlloc 4 KiB", 0, small, code);
    code = CALL(cuMemAlloc_v2, &large, 256 << 20);
    put_range("address/cuMemAlloc 256 MiB", 0, large, code);
    CUdeviceptr before = large;
    CALL(cuMemFree_v2, large);
    code = CALL(cuMemAlloc_v2, &large, 256 << 20);
    begin("address/freed 256 MiB, allocated again");
    put_code("code", code);
    put_number("the same address", large == before);
    end();
}

/* Mappings */

static void mappings(void *nothing) {
    unsigned long long flags = 77;
    CUmemLocation device = {.type = 1};
    CUmemAllocationProp prop;
    CUmemGenericAllocationHandle again = 0;
    static char text[4096];
    (void)nothing;
    if (!have_fixture("mapping/(before)")) return;
    size_t bytes = step_bytes(), free_before = 0, free_after = 0, total;
    CALL(cuMemGetInfo_v2, &free_before, &total);
    CUmemGenericAllocationHandle one = create(bytes, 0), two = create(bytes, 0);
    CALL(cuMemGetInfo_v2, &free_after, &total);
    begin("mapping/what two allocations take");
    put_number("steps", bytes ? (long long)(free_before - free_after) / (long long)bytes : -1);
    end();
    CUdeviceptr range = reserve(4 * bytes);
    STEP("mapping/map the first", CALL(cuMemMap, range, bytes, 0, one, 0));
    STEP("mapping/map the second behind it", CALL(cuMemMap, range + bytes, bytes, 0, two, 0));
    STEP("mapping/copy before any access", CALL(cuMemcpyHtoD_v2, range, text, 16));
    STEP("mapping/access to both at once", CALL(cuMemSetAccess, range, 2 * bytes, &READ_WRITE, 1));
    STEP("mapping/copy across the border", CALL(cuMemcpyHtoD_v2, range + bytes - 2048, text, 4096));
    STEP("mapping/set across the border", CALL(cuMemsetD8_v2, range + bytes - 2048, 5, 4096));
    STEP("mapping/copy back across the border", CALL(cuMemcpyDtoH_v2, text, range + bytes - 2048, 4096));
    begin("mapping/bytes across the border");
    put_number("right", text[0] == 5 && text[4095] == 5);
    end();
    begin("mapping/access of the first");
    put_code("code", CALL(cuMemGetAccess, &flags, &device, range));
    put_number("value", flags);
    end();
    STEP("mapping/the same allocation a second time", CALL(cuMemMap, range + 2 * bytes, bytes, 0, one, 0));
    STEP("mapping/access to it", CALL(cuMemSetAccess, range + 2 * bytes, bytes, &READ_WRITE, 1));
    CALL(cuMemsetD8_v2, range, 9, 16);
    CALL(cuMemcpyDtoH_v2, text, range + 2 * bytes, 16);
    begin("mapping/both show the same bytes");
    put_number("right", text[0] == 9);
    end();
    STEP("mapping/access for reading only", CALL(cuMemSetAccess, range + 2 * bytes, bytes, &READ_ONLY, 1));
    STEP("mapping/copy to what is for reading only", CALL(cuMemcpyHtoD_v2, range + 2 * bytes, text, 16));
    STEP("mapping/copy from what is for reading only", CALL(cuMemcpyDtoH_v2, text, range + 2 * bytes, 16));
    STEP("mapping/retain the handle", CALL(cuMemRetainAllocationHandle, &again, (void *)(range + 64)));
    begin("mapping/the handle retained");
    put_number("is the same", again == one);
    end();
    begin("mapping/properties of the handle");
    put_code("code", CALL(cuMemGetAllocationPropertiesFromHandle, &prop, one));
    put_json("type, location", "[%u, %u, %d]", prop.type, prop.location.type, prop.location.id);
    end();
    CALL(cuMemRelease, again);
    STEP("mapping/release while mapped", CALL(cuMemRelease, one));
    STEP("mapping/copy after the release", CALL(cuMemcpyHtoD_v2, range, text, 16));
    STEP("mapping/unmap half of the first", CALL(cuMemUnmap, range, bytes / 2));
    STEP("mapping/unmap two at once", CALL(cuMemUnmap, range, 2 * bytes));
    STEP("mapping/unmap the third", CALL(cuMemUnmap, range + 2 * bytes, bytes));
    STEP("mapping/copy after the unmapping", CALL(cuMemcpyHtoD_v2, range, text, 16));
    STEP("mapping/map the second elsewhere", CALL(cuMemMap, range + 3 * bytes, bytes, 0, two, 0));
    CUmemGenericAllocationHandle large = create(4 * bytes, 0);
    STEP("mapping/part of an allocation", CALL(cuMemMap, range, bytes, bytes, large, 0));
    STEP("mapping/its whole, over what is mapped", CALL(cuMemMap, range, 4 * bytes, 0, large, 0));
}

/* Other contexts of the device */

static void contexts(void *nothing) {
    CUcontext other = NULL, popped;
    static char text[64];
    (void)nothing;
    if (!have_fixture("context/(before)")) return;
    size_t bytes = step_bytes();
    CUdeviceptr range = mapped(bytes, 0);
    STEP("context/create another", CALL(cuCtxCreate_v2, &other, 0, 0));
    STEP("context/mapped memory in another: copy to", CALL(cuMemcpyHtoD_v2, range, text, 16));
    STEP("context/mapped memory in another: set", CALL(cuMemsetD8_v2, range, 1, 16));
    STEP("context/cuMemAlloc's memory in another: copy to", CALL(cuMemcpyHtoD_v2, have.memory, text, 16));
    STEP("context/cuMemAlloc's memory in another: free", CALL(cuMemFree_v2, have.memory));
    STEP("context/pinned memory in another: copy from", CALL(cuMemcpyHtoD_v2, range, have.host, 16));
    CUdeviceptr theirs = 0;
    CALL(cuMemAlloc_v2, &theirs, 4096);
    CUdeviceptr their_range = mapped(bytes, 0);
    STEP("context/peer access to the first", CALL(cuCtxEnablePeerAccess, have.context, 0));
    STEP("context/pop", CALL(cuCtxPopCurrent_v2, &popped));
    STEP("context/copy between contexts", CALL(cuMemcpyPeer, range, have.context, theirs, other, 16));
    STEP("context/copy from another's memory", CALL(cuMemcpyDtoH_v2, text, theirs, 16));
    STEP("context/destroy the other", CALL(cuCtxDestroy_v2, other));
    STEP("context/its memory after that", CALL(cuMemcpyDtoH_v2, text, theirs, 16));
    STEP("context/free its memory after that", CALL(cuMemFree_v2, theirs));
    STEP("context/what it mapped after that", CALL(cuMemcpyDtoH_v2, text, their_range, 16));
    STEP("context/reset the primary context", CALL(cuDevicePrimaryCtxReset_v2, 0));
    STEP("context/retain it again", CALL(cuDevicePrimaryCtxRetain, &have.context, 0));
    STEP("context/set it current", CALL(cuCtxSetCurrent, have.context));
    STEP("context/mapped memory after the reset", CALL(cuMemsetD8_v2, range, 1, 16));
    STEP("context/pinned memory after the reset: free", CALL(cuMemFreeHost, have.host));
    STEP("context/unmap after the reset", CALL(cuMemUnmap, range, bytes));
    STEP("context/free the range after the reset", CALL(cuMemAddressFree, range, bytes));
}

/* Pools and graphs */

static void pools(void *nothing) {
    CUmemPoolProps props = {.allocType = 1, .handleTypes = DESCRIPTOR, .location = {.type = 1}};
    CUmemoryPool pool = NULL;
    CUdeviceptr first = 0, second = 0, third = 0;
    CUmemPoolPtrExportData exported;
    CUipcMemHandle handle;
    int descriptor = -1;
    uint64_t value = 0;
    (void)nothing;
    if (!have_fixture("pool/(before)")) return;
    STEP("pool/create, exportable", CALL(cuMemPoolCreate, &pool, &props));
    STEP("pool/allocate from it", CALL(cuMemAllocFromPoolAsync, &first, 1 << 20, pool, have.stream));
    STEP("pool/export it", CALL(cuMemPoolExportToShareableHandle, &descriptor, pool, DESCRIPTOR, 0));
    STEP("pool/export a pointer of it", CALL(cuMemPoolExportPointer, &exported, first));
    STEP("pool/cuIpcGetMemHandle of a pointer of it", CALL(cuIpcGetMemHandle, &handle, first));
    STEP("pool/free into it", CALL(cuMemFreeAsync, first, have.stream));
    STEP("pool/allocate again", CALL(cuMemAllocFromPoolAsync, &second, 1 << 20, pool, have.stream));
    begin("pool/the address comes again");
    put_number("value", first == second);
    end();
    CALL(cuStreamSynchronize, have.stream);
    CALL(cuMemPoolGetAttribute, pool, 5, &value);
    begin("pool/reserved after 1 MiB");
    put_number("value", value);
    end();
    STEP("pool/trim", CALL(cuMemPoolTrimTo, pool, 0));
    STEP("pool/make it the device's", CALL(cuDeviceSetMemPool, 0, pool));
    STEP("pool/allocate from the device's", CALL(cuMemAllocAsync, &third, 4096, have.stream));
    STEP("pool/destroy it while something is allocated", CALL(cuMemPoolDestroy, pool));
    STEP("pool/free into it after that", CALL(cuMemFreeAsync, second, have.stream));
    STEP("pool/synchronize", CALL(cuCtxSynchronize));
}

static void graphs(void *nothing) {
    CUgraph graph = NULL;
    CUgraphExec exec = NULL;
    CUdeviceptr inside = 0;
    size_t nodes = 0;
    unsigned char text[16] = {0};
    (void)nothing;
    if (!have_fixture("graph/(before)")) return;
    size_t bytes = step_bytes();
    CUdeviceptr range = mapped(bytes, 0);
    CALL(cuMemsetD8_v2, range, 1, 16);
    STEP("graph/begin", CALL(cuStreamBeginCapture_v2, have.stream, 2));
    STEP("graph/set mapped memory", CALL(cuMemsetD8Async, range, 7, 16, have.stream));
    STEP("graph/allocate inside", CALL(cuMemAllocAsync, &inside, 4096, have.stream));
    STEP("graph/set what was allocated inside", CALL(cuMemsetD8Async, inside, 7, 16, have.stream));
    STEP("graph/free inside", CALL(cuMemFreeAsync, inside, have.stream));
    STEP("graph/end", CALL(cuStreamEndCapture, have.stream, &graph));
    CALL(cuGraphGetNodes, graph, NULL, &nodes);
    begin("graph/nodes");
    put_number("value", nodes);
    end();
    STEP("graph/instantiate", CALL(cuGraphInstantiateWithFlags, &exec, graph, 0));
    STEP("graph/launch", CALL(cuGraphLaunch, exec, have.stream));
    STEP("graph/launch again", CALL(cuGraphLaunch, exec, have.stream));
    STEP("graph/synchronize", CALL(cuStreamSynchronize, have.stream));
    CALL(cuMemcpyDtoH_v2, text, range, 16);
    begin("graph/bytes");
    put_number("right", text[0] == 7);
    end();
    STEP("graph/unmap what it uses", CALL(cuMemUnmap, range, bytes));
    STEP("graph/launch after that", CALL(cuGraphLaunch, exec, have.stream));
    STEP("graph/synchronize after that", CALL(cuStreamSynchronize, have.stream));
}

/* Another process. The owner allocates and exports, the opener opens; each is a process that has its own driver. */

struct parcel {
    CUipcMemHandle memory, inside, mapped;
    CUipcEventHandle event;
    CUmemPoolPtrExportData pooled;
    size_t bytes;
    int allocation, pool; /* whether a descriptor of it travels along */
};

static void send_parcel(int socket, const struct parcel *parcel, const int *descriptors, unsigned count) {
    struct iovec body = {(void *)parcel, sizeof *parcel};
    char control[CMSG_SPACE(2 * sizeof(int))] = {0};
    struct msghdr message = {.msg_iov = &body, .msg_iovlen = 1};
    if (count) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(header), descriptors, count * sizeof(int));
    }
    sendmsg(socket, &message, 0);
}

static bool receive_parcel(int socket, struct parcel *parcel, int *descriptors) {
    struct iovec body = {parcel, sizeof *parcel};
    char control[CMSG_SPACE(2 * sizeof(int))] = {0};
    struct msghdr message = {.msg_iov = &body, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    if (recvmsg(socket, &message, 0) != sizeof *parcel) return false;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header) memcpy(descriptors, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
    return true;
}

static void open_parcel(const struct parcel *parcel, const int *descriptors) {
    CUdeviceptr memory = 0, again = 0, inside = 0, base = 0, range = 0, pooled = 0;
    CUmemGenericAllocationHandle handle = 0;
    CUmemoryPool pool = NULL;
    CUevent event = NULL;
    size_t size = 0;
    unsigned char text[16] = {0};
    unsigned next = 0;
    STEP("process/open memory", CALL(cuIpcOpenMemHandle_v2, &memory, parcel->memory, 1));
    STEP("process/open it again", CALL(cuIpcOpenMemHandle_v2, &again, parcel->memory, 1));
    begin("process/opened twice");
    put_number("the same address", memory == again);
    end();
    begin("process/its range");
    put_code("code", CALL(cuMemGetAddressRange_v2, &base, &size, memory));
    put_number("from the address", (long long)(base - memory));
    put_number("size", size);
    end();
    STEP("process/read it", CALL(cuMemcpyDtoH_v2, text, memory, 16));
    begin("process/its bytes");
    put_number("right", text[0] == 3);
    end();
    begin("process/open a handle of an address inside");
    put_code("code", CALL(cuIpcOpenMemHandle_v2, &inside, parcel->inside, 1));
    put_number("from the whole", (long long)(inside - memory));
    end();
    STEP("process/free what is another's", CALL(cuMemFree_v2, memory));
    STEP("process/close", CALL(cuIpcCloseMemHandle, memory));
    STEP("process/close the second", CALL(cuIpcCloseMemHandle, again));
    STEP("process/close a third time", CALL(cuIpcCloseMemHandle, memory));
    STEP("process/open an event", CALL(cuIpcOpenEventHandle, &event, parcel->event));
    if (event) STEP("process/wait for it", CALL(cuStreamWaitEvent, have.stream, event, 0));
    if (parcel->allocation) {
        STEP("process/import an allocation", CALL(cuMemImportFromShareableHandle, &handle, (void *)(long)descriptors[next], DESCRIPTOR));
        range = reserve(parcel->bytes);
        STEP("process/map it", CALL(cuMemMap, range, parcel->bytes, 0, handle, 0));
        STEP("process/access to it", CALL(cuMemSetAccess, range, parcel->bytes, &READ_WRITE, 1));
        STEP("process/read the import", CALL(cuMemcpyDtoH_v2, text, range, 16));
        begin("process/bytes of the import");
        put_number("right", text[0] == 4);
        end();
        STEP("process/import it again", CALL(cuMemImportFromShareableHandle, &handle, (void *)(long)descriptors[next++], DESCRIPTOR));
    }
    if (parcel->pool) {
        STEP("process/import a pool", CALL(cuMemPoolImportFromShareableHandle, &pool, (void *)(long)descriptors[next], DESCRIPTOR, 0));
        STEP("process/import a pointer of it", CALL(cuMemPoolImportPointer, &pooled, pool, (CUmemPoolPtrExportData *)&parcel->pooled));
        STEP("process/access of the imported pool", CALL(cuMemPoolSetAccess, pool, &READ_WRITE, 1));
        STEP("process/read it through the pool", CALL(cuMemcpyDtoH_v2, text, pooled, 16));
        STEP("process/allocate from the imported pool", CALL(cuMemAllocFromPoolAsync, &pooled, 4096, pool, have.stream));
    }
}

static void make_parcel(struct parcel *parcel, int *descriptors, unsigned *count) {
    CUmemPoolProps props = {.allocType = 1, .handleTypes = DESCRIPTOR, .location = {.type = 1}};
    CUmemGenericAllocationHandle handle = 0;
    CUdeviceptr range, pooled = 0;
    CUmemoryPool pool = NULL;
    CUevent event = NULL;
    size_t bytes = parcel->bytes = step_bytes();
    CALL(cuMemsetD8_v2, have.memory, 3, 16);
    STEP("process/handle of memory", CALL(cuIpcGetMemHandle, &parcel->memory, have.memory));
    STEP("process/handle of an address inside", CALL(cuIpcGetMemHandle, &parcel->inside, have.memory + 4096));
    STEP("process/handle of mapped memory", CALL(cuIpcGetMemHandle, &parcel->mapped, mapped(bytes, DESCRIPTOR)));
    STEP("process/handle of mapped memory that cannot be exported", CALL(cuIpcGetMemHandle, &parcel->mapped, mapped(bytes, 0)));
    CALL(cuEventCreate, &event, 2 | 4);
    STEP("process/handle of an event", CALL(cuIpcGetEventHandle, &parcel->event, event));
    CALL(cuEventRecord, event, have.stream);
    handle = create(bytes, DESCRIPTOR);
    range = reserve(bytes);
    CALL(cuMemMap, range, bytes, 0, handle, 0);
    CALL(cuMemSetAccess, range, bytes, &READ_WRITE, 1);
    CALL(cuMemsetD8_v2, range, 4, 16);
    CUresult exported = CALL(cuMemExportToShareableHandle, &descriptors[*count], handle, DESCRIPTOR, 0);
    STEP("process/export an allocation", exported);
    parcel->allocation = exported == 0;
    *count += exported == 0;
    CALL(cuMemPoolCreate, &pool, &props);
    CALL(cuMemAllocFromPoolAsync, &pooled, 4096, pool, have.stream);
    exported = CALL(cuMemPoolExportToShareableHandle, &descriptors[*count], pool, DESCRIPTOR, 0);
    STEP("process/export a pool", exported);
    STEP("process/export a pointer of it", CALL(cuMemPoolExportPointer, &parcel->pooled, pooled));
    parcel->pool = exported == 0;
    *count += exported == 0;
    CALL(cuCtxSynchronize);
}

static int sockets[2];

static void owner(void *nothing) {
    struct parcel parcel = {.bytes = 0};
    int descriptors[2];
    unsigned count = 0;
    char done;
    (void)nothing;
    close(sockets[1]);
    if (!have_fixture("process/(owner)")) return;
    make_parcel(&parcel, descriptors, &count);
    send_parcel(sockets[0], &parcel, descriptors, count);
    if (read(sockets[0], &done, 1) < 0) return; /* the opener has ended, one way or the other */
    STEP("process/free after the other process has ended", CALL(cuMemFree_v2, have.memory));
}

static void opener(void *nothing) {
    struct parcel parcel;
    int descriptors[2] = {-1, -1};
    (void)nothing;
    close(sockets[0]);
    if (!receive_parcel(sockets[1], &parcel, descriptors)) return;
    if (have_fixture("process/(opener)")) open_parcel(&parcel, descriptors);
}

static void run_opener(void *nothing) {
    in_child("process/(opener)", CASE_LIMIT_MS / 2, opener, nothing);
}

/* The opener is a child of a third process, which holds no end of the socket once both run. */
static void processes(void *nothing) {
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets)) return;
    pid_t beside = fork();
    if (beside == 0) {
        run_opener(nothing);
        _exit(0);
    }
    owner(nothing);
}

void virtual_memory(void) {
    in_child("granularity", CASE_LIMIT_MS, granularities, NULL);
    in_child("address", CASE_LIMIT_MS, addresses, NULL);
    in_child("mapping", CASE_LIMIT_MS, mappings, NULL);
    in_child("context", CASE_LIMIT_MS, contexts, NULL);
    in_child("pool", CASE_LIMIT_MS, pools, NULL);
    in_child("graph", CASE_LIMIT_MS, graphs, NULL);
    in_child("process", CASE_LIMIT_MS, processes, NULL);
}
