// Copies and sets of every width and of sizes about which buffers end: what comes back is what went, and nothing beside it changes.
#include "kernels.h"

enum { MIB = 1 << 20, GUARD = 64, GUARD_BYTE = 0xa5 };

static uint64_t state = 1;
static void scramble(unsigned char *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (unsigned char)(state >> 56);
    }
}

static uint64_t checksum(const unsigned char *bytes, size_t count) {
    uint64_t sum = 14695981039346656037u;
    for (size_t i = 0; i < count; i++) sum = (sum ^ bytes[i]) * 1099511628211u;
    return sum;
}

static int all(const unsigned char *bytes, size_t count, unsigned char value) {
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != value) return 0;
    return 1;
}

// Up, across on the device, and down again, between guards on both sides.
static void there_and_back(size_t size, unsigned char *up, unsigned char *down, CUstream stream, const char *how) {
    size_t room = size + 2 * GUARD;
    CUdeviceptr first, second;
    CHECK(cuMemAlloc(&first, room));
    CHECK(cuMemAlloc(&second, room));
    CHECK(cuMemsetD8(first, GUARD_BYTE, room));
    CHECK(cuMemsetD8(second, GUARD_BYTE, room));
    scramble(up, size);
    uint64_t went = checksum(up, size);
    memset(down, GUARD_BYTE, room);
    if (stream) {
        CHECK(cuStreamSynchronize(NULL));
        CHECK(cuMemcpyHtoDAsync(first + GUARD, up, size, stream));
        CHECK(cuMemcpyDtoDAsync(second + GUARD, first + GUARD, size, stream));
        CHECK(cuMemcpyDtoHAsync(down + GUARD, second + GUARD, size, stream));
        CHECK(cuStreamSynchronize(stream));
    } else {
        CHECK(cuMemcpyHtoD(first + GUARD, up, size));
        // What was given may be changed as soon as the call is back.
        memset(up, 0, size);
        CHECK(cuMemcpyDtoD(second + GUARD, first + GUARD, size));
        CHECK(cuMemcpyDtoH(down + GUARD, second + GUARD, size));
    }
    int same = checksum(down + GUARD, size) == went;
    int inside = all(down, GUARD, GUARD_BYTE) && all(down + GUARD + size, GUARD, GUARD_BYTE);
    CHECK(cuMemcpyDtoH(down, second, room));
    int beside = all(down, GUARD, GUARD_BYTE) && all(down + GUARD + size, GUARD, GUARD_BYTE);
    printf("  %zu bytes, %s: %016llx\n", size, how, (unsigned long long)went);
    if (!(same && inside && beside)) printf("    same=%d, host guards=%d, device guards=%d\n", same, inside, beside), failures++;
    CHECK(cuMemFree(first));
    CHECK(cuMemFree(second));
}

static void copies(void) {
    const size_t sizes[] = {0, 1, 1023, 65536, 65537, MIB - 1, MIB, MIB + 1, 64u * MIB + 3};
    const size_t count = sizeof sizes / sizeof *sizes, most = sizes[count - 1] + 2 * GUARD;
    CUstream stream;
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    unsigned char *up = malloc(most), *down = malloc(most), *pinned_up, *pinned_down;
    for (size_t i = 0; i < count; i++) {
        there_and_back(sizes[i], up, down, NULL, "synchronous");
        there_and_back(sizes[i], up, down, stream, "in a stream");
    }
    CHECK(cuMemHostAlloc((void **)&pinned_up, most, CU_MEMHOSTALLOC_PORTABLE));
    CHECK(cuMemAllocHost((void **)&pinned_down, most));
    for (size_t i = 1; i < count; i += 2) there_and_back(sizes[i], pinned_up, pinned_down, stream, "pinned");
    CHECK(cuMemFreeHost(pinned_up));
    CHECK(cuMemFreeHost(pinned_down));
    CHECK(cuMemHostRegister(up, most, 0));
    CHECK(cuMemHostRegister(down, most, 0));
    for (size_t i = 2; i < count - 1; i += 3) there_and_back(sizes[i], up, down, stream, "registered");
    CHECK(cuMemHostUnregister(up));
    CHECK(cuMemHostUnregister(down));
    free(up), free(down);
    CHECK(cuStreamDestroy(stream));
}

// cuMemcpy finds out by itself what each address is.
static void addresses_tell(void) {
    uint32_t up[256], down[256] = {0}, other[256];
    for (int i = 0; i < 256; i++) up[i] = (uint32_t)i * 7919;
    CUdeviceptr first = words(256), second = words(256);
    CHECK(cuMemcpy(first, (CUdeviceptr)up, sizeof up));
    CHECK(cuMemcpy(second, first, sizeof up));
    CHECK(cuMemcpy((CUdeviceptr)down, second, sizeof up));
    CHECK(cuMemcpy((CUdeviceptr)other, (CUdeviceptr)down, sizeof up));
    hold("cuMemcpy in all four directions", !memcmp(up, down, sizeof up) && !memcmp(up, other, sizeof up));
    CHECK(cuMemFree(first));
    CHECK(cuMemFree(second));
}

static void sets(void) {
    enum { ROOM = 4096, PITCH = 128, WIDTH = 10, HEIGHT = 20 };
    static unsigned char found[ROOM], expected[ROOM];
    CUdeviceptr memory;
    CUstream stream;
    CHECK(cuMemAlloc(&memory, ROOM));
    CHECK(cuStreamCreate(&stream, 0));
    for (int asynchronous = 0; asynchronous < 2; asynchronous++) {
        memset(expected, 0x11, ROOM);
        CHECK(cuMemsetD8(memory, 0x11, ROOM));
        if (asynchronous) {
            CHECK(cuMemsetD8Async(memory + 3, 0x22, 101, stream));
            CHECK(cuMemsetD16Async(memory + 202, 0x3344, 33, stream));
            CHECK(cuMemsetD32Async(memory + 404, 0x55667788, 44, stream));
            CHECK(cuMemsetD8Async(memory, 0, 0, stream));
            CHECK(cuStreamSynchronize(stream));
        } else {
            CHECK(cuMemsetD8(memory + 3, 0x22, 101));
            CHECK(cuMemsetD16(memory + 202, 0x3344, 33));
            CHECK(cuMemsetD32(memory + 404, 0x55667788, 44));
            CHECK(cuMemsetD8(memory, 0, 0));
        }
        memset(expected + 3, 0x22, 101);
        for (int i = 0; i < 33; i++) memcpy(expected + 202 + 2 * i, "\x44\x33", 2);
        for (int i = 0; i < 44; i++) memcpy(expected + 404 + 4 * i, "\x88\x77\x66\x55", 4);
        CHECK(cuMemcpyDtoH(found, memory, ROOM));
        hold(asynchronous ? "sets of 8, 16 and 32 bits in a stream" : "sets of 8, 16 and 32 bits", !memcmp(found, expected, ROOM));
        for (int width = 1; width <= 4; width *= 2) {
            memset(expected, 0x11, ROOM);
            CHECK(cuMemsetD8(memory, 0x11, ROOM));
            if (width == 1) CHECK(cuMemsetD2D8(memory + 4, PITCH, 0x66, WIDTH, HEIGHT));
            if (width == 2) CHECK(cuMemsetD2D16(memory + 4, PITCH, 0x6666, WIDTH, HEIGHT));
            if (width == 4) CHECK(cuMemsetD2D32Async(memory + 4, PITCH, 0x66666666, WIDTH, HEIGHT, stream));
            CHECK(cuStreamSynchronize(stream));
            for (int row = 0; row < HEIGHT; row++) memset(expected + 4 + row * PITCH, 0x66, (size_t)(WIDTH * width));
            CHECK(cuMemcpyDtoH(found, memory, ROOM));
            hold("a set of rows", !memcmp(found, expected, ROOM));
        }
    }
    CHECK(cuStreamDestroy(stream));
    CHECK(cuMemFree(memory));
}

int main(void) {
    begin();
    copies();
    addresses_tell();
    sets();
    printf("copies: %d unexpected\n", failures);
    return failures != 0;
}
