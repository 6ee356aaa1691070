// Asks cuPointerGetAttribute about 10,000 pointers of every kind that a process has, and compares each answer with what the
// program knows, because it made them. Addresses differ from run to run; what is printed does not.
#include "check.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum { QUESTIONS = 10000, BUFFERS = 64, PINNED = 8, MAPPED = 64 };

typedef enum { PLAIN, DEVICE, PINNED_HOST, KINDS } kind;
typedef struct {
    uint64_t start, size;
    kind kind;
} range;

static range live[BUFFERS + PINNED];
static int live_count;
static int asked[KINDS], mistakes;
static CUcontext context;
static char global[1 << 16];

static uint64_t random_state = 88172645463325252u;
static uint64_t chance(uint64_t below) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % below;
}

static const range *range_of(uint64_t pointer) {
    for (int i = 0; i < live_count; i++)
        if (pointer - live[i].start < live[i].size) return &live[i];
    return NULL;
}

static void mistaken(const char *what, uint64_t pointer, kind expected) {
    fprintf(stderr, "%#llx is of kind %d, but %s\n", (unsigned long long)pointer, expected, what);
    mistakes++;
}

// One question: what is this pointer, in whose context, and where does its allocation begin and end?
static void ask(uint64_t pointer) {
    const range *range = range_of(pointer);
    kind expected = range ? range->kind : PLAIN;
    asked[expected]++;
    CUmemorytype type = 0;
    CUresult result = cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, pointer);
    if (expected == PLAIN) {
        if (result != CUDA_ERROR_INVALID_VALUE) mistaken("CUDA claims to know it", pointer, expected);
        return;
    }
    if (result != CUDA_SUCCESS) return mistaken("CUDA does not know it", pointer, expected);
    if (type != (expected == DEVICE ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST))
        return mistaken("its memory type is another", pointer, expected);
    CUcontext owner = NULL;
    if (cuPointerGetAttribute(&owner, CU_POINTER_ATTRIBUTE_CONTEXT, pointer) != CUDA_SUCCESS || owner != context)
        return mistaken("it lies in another context", pointer, expected);
    CUdeviceptr start = 0;
    size_t size = 0;
    if (cuPointerGetAttribute(&start, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR, pointer) != CUDA_SUCCESS ||
        cuPointerGetAttribute(&size, CU_POINTER_ATTRIBUTE_RANGE_SIZE, pointer) != CUDA_SUCCESS || start != range->start ||
        size != range->size)
        mistaken("its allocation has other bounds", pointer, expected);
}

static void remember(uint64_t start, uint64_t size, kind kind) {
    live[live_count++] = (range){start, size, kind};
}

static void forget(uint64_t start) {
    for (int i = 0; i < live_count; i++)
        if (live[i].start == start) live[i] = live[--live_count];
}

int main(void) {
    CUdevice device;
    CHECK(cuInit(0));
    CHECK(cuDeviceGet(&device, 0));
    CHECK(cuDevicePrimaryCtxRetain(&context, device));
    CHECK(cuCtxSetCurrent(context));

    CUdeviceptr buffers[BUFFERS], freed[BUFFERS / 4];
    uint64_t sizes[BUFFERS];
    for (int i = 0; i < BUFFERS; i++) {
        sizes[i] = 1 + chance(1 << (8 + chance(14)));
        CHECK(cuMemAlloc(&buffers[i], sizes[i]));
        remember(buffers[i], sizes[i], DEVICE);
    }
    for (int i = 0; i < BUFFERS / 4; i++) {
        freed[i] = buffers[4 * i];
        CHECK(cuMemFree(freed[i]));
        forget(freed[i]);
    }
    for (int i = 0; i < PINNED; i++) {
        void *pinned;
        uint64_t size = 4096 + chance(1 << 16);
        CHECK(cuMemAllocHost(&pinned, size));
        remember((uint64_t)pinned, size, PINNED_HOST);
    }

    // Memory of the process, some of it asked for at the very addresses that the device was given: it must lie elsewhere.
    uint64_t mapped[MAPPED];
    for (int i = 0; i < MAPPED; i++) {
        void *hint = i % 2 ? (void *)((buffers[chance(BUFFERS)] + chance(1 << 26)) & ~4095ull) : NULL;
        void *memory = mmap(hint, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) {
            perror("mmap");
            return 2;
        }
        mapped[i] = (uint64_t)memory;
        for (uint64_t at = 0; at < 1 << 16; at += 4096)
            if (range_of(mapped[i] + at)) mistaken("the system gave it to the program as well", mapped[i] + at, DEVICE);
    }
    char *heap[16];
    for (int i = 0; i < 16; i++) heap[i] = malloc(64 << i);
    char stack[1 << 14];

    for (int i = 0; i < QUESTIONS; i++) {
        int pick;
        switch (i % 10) {
            case 0: ask((uint64_t)stack + chance(sizeof stack)); break;
            case 1: ask((uint64_t)global + chance(sizeof global)); break;
            case 2: pick = chance(16), ask((uint64_t)heap[pick] + chance(64 << pick)); break;
            case 3: ask(mapped[chance(MAPPED)] + chance(1 << 16)); break;
            case 4: ask((uint64_t)(chance(2) ? (void *)ask : (void *)printf) + chance(64)); break;
            case 5: ask(freed[chance(BUFFERS / 4)]); break;
            case 6: ask(live[chance(live_count)].start); break;
            case 7: pick = chance(live_count), ask(live[pick].start + live[pick].size - 1); break;
            default: pick = chance(live_count), ask(live[pick].start + chance(live[pick].size)); break;
        }
    }
    printf("pointer_classify: %d pointers (%d of the process, %d of the device, %d pinned), mistakes=%d\n", QUESTIONS,
           asked[PLAIN], asked[DEVICE], asked[PINNED_HOST], mistakes);
    return mistakes != 0;
}
