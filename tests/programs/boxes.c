// Rectangles and boxes between every kind of memory, with every kind of gap: each byte that should arrive does, no other changes, and
// what cannot be reckoned or does not fit is refused.
#include "kernels.h"

enum { GUARD_BYTE = 0xa5, KINDS = 6 };

static const char *const KIND_NAMES[KINDS] = {"pageable", "pinned", "unified pageable", "unified pinned", "device", "unified device"};

typedef struct {
    size_t x, y, z, pitch, rows;
} Side;

typedef struct {
    const char *name;
    Side from, to;
    size_t width, height, depth;
} Geometry;

static const Geometry GEOMETRIES[] = {
    {"a row", {0, 0, 0, 0, 0}, {5, 0, 0, 64, 0}, 33, 1, 1},
    {"rows without gaps", {0, 0, 0, 0, 0}, {0, 0, 0, 0, 0}, 40, 9, 1},
    {"rows with gaps on one side", {0, 0, 0, 0, 0}, {3, 2, 0, 100, 0}, 40, 9, 1},
    {"rows with gaps on the other", {7, 1, 0, 90, 0}, {0, 0, 0, 0, 0}, 40, 9, 1},
    {"rows with gaps", {7, 1, 0, 90, 0}, {3, 2, 0, 100, 0}, 40, 9, 1},
    {"a box without gaps", {0, 0, 0, 0, 0}, {0, 0, 0, 0, 0}, 16, 5, 4},
    {"a box with gaps between slices", {0, 0, 0, 16, 8}, {0, 0, 0, 16, 5}, 16, 5, 4},
    {"a box with gaps everywhere", {1, 2, 1, 33, 9}, {6, 1, 2, 48, 7}, 16, 5, 4},
    {"slices of one row", {0, 3, 0, 32, 6}, {2, 0, 1, 40, 2}, 24, 1, 7},
    {"many pieces", {11, 1, 0, 3000, 0}, {5, 3, 0, 2500, 0}, 2000, 1500, 1},
    {"rows of many pieces", {9, 0, 1, 1500000, 3}, {0, 1, 0, 1400000, 3}, 1300001, 2, 2},
};

static size_t extent(Side side, const Geometry *geometry) {
    size_t pitch = side.pitch ? side.pitch : side.x + geometry->width, rows = side.rows ? side.rows : geometry->height;
    return ((side.z + geometry->depth) * rows + side.y + geometry->height) * pitch + 64;
}

static size_t at(Side side, const Geometry *geometry, size_t slice, size_t row) {
    size_t pitch = side.pitch ? side.pitch : side.x + geometry->width, rows = side.rows ? side.rows : geometry->height;
    return ((side.z + slice) * rows + side.y + row) * pitch + side.x;
}

static uint64_t checksum(const unsigned char *bytes, size_t count) {
    uint64_t sum = 14695981039346656037u;
    for (size_t i = 0; i < count; i++) sum = (sum ^ bytes[i]) * 1099511628211u;
    return sum;
}

static void *make(int kind, size_t bytes) {
    void *memory = NULL;
    CUdeviceptr device = 0;
    if (kind >= 4) CHECK(cuMemAlloc(&device, bytes));
    else if (kind % 2) CHECK(cuMemAllocHost(&memory, bytes));
    else memory = malloc(bytes);
    return kind >= 4 ? (void *)device : memory;
}

static void unmake(int kind, void *memory) {
    if (kind >= 4) CHECK(cuMemFree((CUdeviceptr)memory));
    else if (kind % 2) CHECK(cuMemFreeHost(memory));
    else free(memory);
}

static CUmemorytype type_of(int kind) {
    return kind < 2 ? CU_MEMORYTYPE_HOST : kind == 4 ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_UNIFIED;
}

static CUDA_MEMCPY3D box(const Geometry *geometry, int from_kind, void *from, int to_kind, void *to) {
    CUDA_MEMCPY3D copy;
    memset(&copy, 0, sizeof copy);
    copy.srcXInBytes = geometry->from.x, copy.srcY = geometry->from.y, copy.srcZ = geometry->from.z;
    copy.srcMemoryType = type_of(from_kind), copy.srcHost = from, copy.srcDevice = (CUdeviceptr)from;
    copy.srcPitch = geometry->from.pitch, copy.srcHeight = geometry->from.rows;
    copy.dstXInBytes = geometry->to.x, copy.dstY = geometry->to.y, copy.dstZ = geometry->to.z;
    copy.dstMemoryType = type_of(to_kind), copy.dstHost = to, copy.dstDevice = (CUdeviceptr)to;
    copy.dstPitch = geometry->to.pitch, copy.dstHeight = geometry->to.rows;
    copy.WidthInBytes = geometry->width, copy.Height = geometry->height, copy.Depth = geometry->depth;
    return copy;
}

static CUDA_MEMCPY2D rectangle(const CUDA_MEMCPY3D *box) {
    CUDA_MEMCPY2D copy;
    memset(&copy, 0, sizeof copy);
    copy.srcXInBytes = box->srcXInBytes, copy.srcY = box->srcY, copy.srcMemoryType = box->srcMemoryType;
    copy.srcHost = box->srcHost, copy.srcDevice = box->srcDevice, copy.srcPitch = box->srcPitch;
    copy.dstXInBytes = box->dstXInBytes, copy.dstY = box->dstY, copy.dstMemoryType = box->dstMemoryType;
    copy.dstHost = box->dstHost, copy.dstDevice = box->dstDevice, copy.dstPitch = box->dstPitch;
    copy.WidthInBytes = box->WidthInBytes, copy.Height = box->Height;
    return copy;
}

static CUDA_MEMCPY3D_PEER between(const CUDA_MEMCPY3D *box, CUcontext context) {
    CUDA_MEMCPY3D_PEER copy;
    memcpy(&copy, box, sizeof copy);
    copy.srcContext = copy.dstContext = context;
    return copy;
}

// Every function that can do this copy takes its turn.
static void copy_by(int turn, const CUDA_MEMCPY3D *box, CUstream stream, CUcontext context) {
    CUDA_MEMCPY2D flat = rectangle(box);
    CUDA_MEMCPY3D_PEER peer = between(box, context);
    int choices = box->Depth == 1 && box->srcZ == 0 && box->dstZ == 0 ? 7 : 4;
    switch (turn % choices) {
    case 0: CHECK(cuMemcpy3D(box)); break;
    case 1: CHECK(cuMemcpy3DAsync(box, stream)); break;
    case 2: CHECK(cuMemcpy3DPeer(&peer)); break;
    case 3: CHECK(cuMemcpy3DPeerAsync(&peer, stream)); break;
    case 4: CHECK(cuMemcpy2D(&flat)); break;
    case 5: CHECK(cuMemcpy2DUnaligned(&flat)); break;
    default: CHECK(cuMemcpy2DAsync(&flat, stream)); break;
    }
    CHECK(cuStreamSynchronize(stream));
}

static void each_pair(const Geometry *geometry, CUstream stream, CUcontext context) {
    size_t from_bytes = extent(geometry->from, geometry), to_bytes = extent(geometry->to, geometry);
    unsigned char *pattern = malloc(from_bytes), *expected = malloc(to_bytes), *found = malloc(to_bytes);
    static uint64_t state = 7;
    for (size_t i = 0; i < from_bytes; i++) pattern[i] = (unsigned char)((state = state * 6364136223846793005u + 1442695040888963407u) >> 56);
    memset(expected, GUARD_BYTE, to_bytes);
    for (size_t slice = 0; slice < geometry->depth; slice++)
        for (size_t row = 0; row < geometry->height; row++)
            memcpy(expected + at(geometry->to, geometry, slice, row), pattern + at(geometry->from, geometry, slice, row), geometry->width);
    static int turn;
    int right = 0;
    for (int from_kind = 0; from_kind < KINDS; from_kind++)
        for (int to_kind = 0; to_kind < KINDS; to_kind++) {
            void *from = make(from_kind, from_bytes), *to = make(to_kind, to_bytes);
            CHECK(cuMemcpy((CUdeviceptr)from, (CUdeviceptr)pattern, from_bytes));
            memset(found, GUARD_BYTE, to_bytes);
            CHECK(cuMemcpy((CUdeviceptr)to, (CUdeviceptr)found, to_bytes));
            CHECK(cuCtxSynchronize());
            CUDA_MEMCPY3D copy = box(geometry, from_kind, from, to_kind, to);
            copy_by(turn++, &copy, stream, context);
            CHECK(cuMemcpy((CUdeviceptr)found, (CUdeviceptr)to, to_bytes));
            if (memcmp(found, expected, to_bytes)) printf("  wrong: %s to %s\n", KIND_NAMES[from_kind], KIND_NAMES[to_kind]), failures++;
            else right++;
            unmake(from_kind, from), unmake(to_kind, to);
        }
    printf("  %s: %d pairs, %016llx\n", geometry->name, right, (unsigned long long)checksum(expected, to_bytes));
    free(pattern), free(expected), free(found);
}

static void refused(const char *what, CUDA_MEMCPY3D copy, CUresult expected) {
    CUresult got = cuMemcpy3D(&copy);
    if (got != expected) printf("  %s: %d instead of %d\n", what, got, expected), failures++;
    else printf("  %s: %d\n", what, got);
}

// What is refused is refused at once, and nothing is moved.
static void wrong_boxes(void) {
    static unsigned char host[4096], found[4096], guard[4096];
    const Geometry plain = {"", {0, 0, 0, 64, 8}, {0, 0, 0, 64, 8}, 32, 4, 2};
    CUdeviceptr device;
    CHECK(cuMemAlloc(&device, sizeof host));
    CHECK(cuMemsetD8(device, 0x77, sizeof host));
    memset(guard, 0x77, sizeof guard);
    CUDA_MEMCPY3D copy = box(&plain, 0, host, 4, (void *)device);
#define WITH(field, value, code) do { CUDA_MEMCPY3D wrong = copy; wrong.field = value; refused(#field " = " #value, wrong, code); } while (0)
    WITH(dstPitch, 31, CUDA_ERROR_INVALID_VALUE);
    WITH(srcPitch, 31, CUDA_ERROR_INVALID_VALUE);
    WITH(dstHeight, 3, CUDA_ERROR_INVALID_VALUE);
    WITH(dstXInBytes, 33, CUDA_ERROR_INVALID_VALUE);
    WITH(dstXInBytes, SIZE_MAX, CUDA_ERROR_INVALID_VALUE);
    WITH(dstY, SIZE_MAX, CUDA_ERROR_INVALID_VALUE);
    WITH(dstZ, SIZE_MAX, CUDA_ERROR_INVALID_VALUE);
    WITH(dstZ, 8, CUDA_ERROR_INVALID_VALUE);
    WITH(dstPitch, SIZE_MAX, CUDA_ERROR_INVALID_VALUE);
    WITH(dstPitch, (size_t)1 << 60, CUDA_ERROR_INVALID_VALUE);
    WITH(dstHeight, SIZE_MAX, CUDA_ERROR_INVALID_VALUE);
    WITH(Height, SIZE_MAX, CUDA_ERROR_INVALID_VALUE);
    WITH(Depth, SIZE_MAX, CUDA_ERROR_INVALID_VALUE);
    WITH(WidthInBytes, SIZE_MAX, CUDA_ERROR_INVALID_VALUE);
    WITH(dstLOD, 1, CUDA_ERROR_INVALID_VALUE);
    WITH(dstMemoryType, 0, CUDA_ERROR_INVALID_VALUE);
    WITH(dstMemoryType, 99, CUDA_ERROR_INVALID_VALUE);
    WITH(dstDevice, 0, CUDA_ERROR_INVALID_VALUE);
    WITH(dstDevice, device + 4000, CUDA_ERROR_INVALID_VALUE);
    WITH(dstDevice, (CUdeviceptr)host, CUDA_ERROR_INVALID_VALUE);
    WITH(srcHost, NULL, CUDA_ERROR_INVALID_VALUE);
    WITH(WidthInBytes, 0, CUDA_SUCCESS);
    WITH(Height, 0, CUDA_SUCCESS);
    WITH(Depth, 0, CUDA_SUCCESS);
    hold("no copy without a struct", cuMemcpy3D(NULL) == CUDA_ERROR_INVALID_VALUE && cuMemcpy2D(NULL) == CUDA_ERROR_INVALID_VALUE);
    CHECK(cuMemcpyDtoH(found, device, sizeof found));
    hold("nothing was moved", !memcmp(found, guard, sizeof found));
    CHECK(cuMemFree(device));
}

static void pitched(void) {
    CUdeviceptr device;
    size_t pitch = 0;
    CHECK(cuMemAllocPitch(&device, &pitch, 1000, 50, 4));
    hold("a pitch holds a row", pitch >= 1000 && pitch % 4 == 0);
    static unsigned char host[50][1000], found[50][1000];
    for (int i = 0; i < 50; i++) memset(host[i], i, sizeof host[i]);
    CUDA_MEMCPY2D up;
    memset(&up, 0, sizeof up);
    up.srcMemoryType = CU_MEMORYTYPE_HOST, up.srcHost = host, up.srcPitch = sizeof host[0];
    up.dstMemoryType = CU_MEMORYTYPE_DEVICE, up.dstDevice = device, up.dstPitch = pitch;
    up.WidthInBytes = 1000, up.Height = 50;
    CHECK(cuMemcpy2D(&up));
    CHECK(cuMemsetD2D16(device + 10, pitch, 0xbeef, 5, 50));
    for (int i = 0; i < 50; i++) for (int j = 0; j < 5; j++) memcpy(host[i] + 10 + 2 * j, "\xef\xbe", 2);
    CUDA_MEMCPY2D down;
    memset(&down, 0, sizeof down);
    down.srcMemoryType = CU_MEMORYTYPE_DEVICE, down.srcDevice = device, down.srcPitch = pitch;
    down.dstMemoryType = CU_MEMORYTYPE_HOST, down.dstHost = found, down.dstPitch = sizeof found[0];
    down.WidthInBytes = 1000, down.Height = 50;
    CHECK(cuMemcpy2D(&down));
    hold("rows of a pitched allocation", !memcmp(host, found, sizeof host));
    hold("a set that leaves its allocation", cuMemsetD2D8(device, pitch, 0, pitch, 51) == CUDA_ERROR_INVALID_VALUE);
    hold("a set whose rows overlap", cuMemsetD2D8Async(device, 10, 0, 11, 2, NULL) == CUDA_ERROR_INVALID_VALUE);
    hold("a set of halves of words", cuMemsetD2D32Async(device + 2, pitch, 0, 1, 2, NULL) == CUDA_ERROR_INVALID_VALUE);
    hold("a set around the world", cuMemsetD2D8(device, SIZE_MAX, 0, 1, SIZE_MAX) == CUDA_ERROR_INVALID_VALUE);
    CHECK(cuMemFree(device));
}

int main(void) {
    begin();
    CUstream stream;
    CUcontext context;
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CHECK(cuCtxGetCurrent(&context));
    for (size_t i = 0; i < sizeof GEOMETRIES / sizeof *GEOMETRIES; i++) each_pair(&GEOMETRIES[i], stream, context);
    wrong_boxes();
    pitched();
    CHECK(cuStreamDestroy(stream));
    printf("boxes: %d unexpected\n", failures);
    return failures != 0;
}
