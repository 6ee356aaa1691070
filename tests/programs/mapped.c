// Page-locked memory that kernels read and write where it is: allocated as mapped, registered, named by a launch. System calls
// fill pinned, mapped and managed memory like any other.
#define _GNU_SOURCE
#include "kernels.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { N = 20000, BYTES = N * 4 };

static CUfunction fill, add, triple;
static CUstream stream, other;

static int wrong(const uint32_t *found, uint32_t first, uint32_t step) {
    int count = 0;
    for (uint32_t i = 0; i < N; i++) count += found[i] != first + step * i;
    return count;
}

static void count_up(uint32_t *words) {
    for (uint32_t i = 0; i < N; i++) words[i] = i;
}

static CUdeviceptr device_of(void *host) {
    CUdeviceptr address;
    CHECK(cuMemHostGetDevicePointer(&address, host, 0));
    return address;
}

// The host writes, a kernel reads and writes, the host reads, again and again, without a copy.
static int zero_copy(uint32_t *words, CUdeviceptr address) {
    int bad = 0;
    for (uint32_t round = 0; round < 5; round++) {
        count_up(words);
        CHECK(launch(triple, stream, address, round, N));
        CHECK(launch(add, stream, address, 1, N));
        CHECK(cuStreamSynchronize(stream));
        bad += wrong(words, round + 1, 3);
    }
    return bad;
}

static void kinds_of_memory(void) {
    uint32_t *words;
    unsigned flags;
    CHECK(cuMemHostAlloc((void **)&words, BYTES, CU_MEMHOSTALLOC_DEVICEMAP));
    CHECK(cuMemHostGetFlags(&flags, words));
    hold("allocated as mapped", zero_copy(words, device_of(words)) == 0);
    hold("one address for both", device_of(words) == (CUdeviceptr)words && (flags & CU_MEMHOSTALLOC_DEVICEMAP));
    CHECK(cuMemFreeHost(words));
    CHECK(cuMemHostAlloc((void **)&words, BYTES, CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_WRITECOMBINED));
    hold("asked for its device pointer", zero_copy(words, device_of(words)) == 0);
    CHECK(cuMemFreeHost(words));
    CHECK(cuMemAllocHost((void **)&words, BYTES));
    hold("named by a launch", zero_copy(words, (CUdeviceptr)words) == 0);
    CHECK(cuMemFreeHost(words));

    uint32_t *block = malloc(BYTES + 4096), *registered = block + 5;
    memset(block, 9, BYTES + 4096);
    CHECK(cuMemHostRegister(registered, BYTES, CU_MEMHOSTREGISTER_DEVICEMAP));
    hold("registered", zero_copy(registered, device_of(registered)) == 0);
    count_up(registered);
    CHECK(launch(add, stream, (CUdeviceptr)registered, 50, N));
    CHECK(cuMemHostUnregister(registered));
    hold("registered no more, with what the kernel wrote", wrong(registered, 50, 1) == 0);
    hold("beside it nothing changed", block[4] == 0x09090909 && registered[N] == 0x09090909);
    hold("no device pointer any more", cuMemHostGetDevicePointer(&(CUdeviceptr){0}, registered, 0) != CUDA_SUCCESS);
    free(block);
}

// The events and waits of two streams say what each has done.
static void two_streams(void) {
    uint32_t *one, *two;
    CUevent event;
    int bad = 0;
    CHECK(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
    CHECK(cuMemHostAlloc((void **)&one, BYTES, CU_MEMHOSTALLOC_DEVICEMAP));
    CHECK(cuMemAllocManaged((CUdeviceptr *)&two, BYTES, CU_MEM_ATTACH_GLOBAL));
    for (uint32_t round = 0; round < 5; round++) {
        count_up(one);
        CHECK(launch(triple, stream, (CUdeviceptr)one, round, N));
        CHECK(cuEventRecord(event, stream));
        count_up(two);
        CHECK(launch(add, other, (CUdeviceptr)two, round, N));
        if (round % 2) {
            CHECK(cuEventSynchronize(event));
        } else {
            while (cuEventQuery(event) == CUDA_ERROR_NOT_READY) usleep(100);
        }
        bad += wrong(one, round, 3);
        while (cuStreamQuery(other) == CUDA_ERROR_NOT_READY) usleep(100);
        bad += wrong(two, round, 1);
        // What is on its way from one to the other stays in order.
        CHECK(launch(fill, stream, (CUdeviceptr)one, 7 + round, N));
        CHECK(cuMemcpyDtoDAsync((CUdeviceptr)two, (CUdeviceptr)one, BYTES, stream));
        CHECK(launch(add, stream, (CUdeviceptr)two, 1, N));
        CHECK(cuCtxSynchronize());
        bad += wrong(two, 8 + round, 0);
    }
    CHECK(cuMemFreeHost(one));
    CHECK(cuMemFree((CUdeviceptr)two));
    CHECK(cuEventDestroy(event));
    hold("two streams", bad == 0);
}

static void read_words(void *words) {
    if (wrong(words, 3, 1)) printf("the function sees something else\n");
    for (uint32_t i = 0; i < N; i++) ((uint32_t *)words)[i] *= 2;
}

// A function of the host sees what kernels before it wrote, and kernels after it see what it wrote.
static void functions_of_the_host(void) {
    uint32_t *words;
    CHECK(cuMemHostAlloc((void **)&words, BYTES, CU_MEMHOSTALLOC_DEVICEMAP));
    count_up(words);
    CHECK(launch(add, stream, (CUdeviceptr)words, 3, N));
    CHECK(cuLaunchHostFunc(stream, read_words, words));
    CHECK(launch(add, stream, (CUdeviceptr)words, 1, N));
    CHECK(cuStreamSynchronize(stream));
    hold("functions of the host", wrong(words, 7, 2) == 0);
    CHECK(cuMemFreeHost(words));
}

// Each way of the system to fill a buffer, and a kernel that sees what came.
static int system_calls(const char *file, uint32_t *words, CUdeviceptr address) {
    int bad = 0, pair[2], opened = open(file, O_RDONLY);
    if (opened < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) return 1;
    for (int way = 0; way < 4; way++) {
        memset(words, 0, BYTES);
        CHECK(launch(add, stream, address, 1, N));
        CHECK(cuStreamSynchronize(stream));
        ssize_t got = 0;
        for (ssize_t at = 0, more; at < BYTES; at += more, got += more) {
            char *to = (char *)words + at;
            size_t rest = BYTES - at < 30000 ? BYTES - at : 30000;
            struct iovec parts[2] = {{to, rest / 2}, {to + rest / 2, rest - rest / 2}};
            if (way == 3 && pread(opened, words, 0, 0) == 0) {
                static char bytes[30000];
                if (pread(opened, bytes, rest, at) != (ssize_t)rest || send(pair[0], bytes, rest, 0) != (ssize_t)rest) return 1;
            }
            more = way == 0 ? read(opened, to, rest) : way == 1 ? pread(opened, to, rest, at)
                 : way == 2 ? preadv(opened, parts, 2, at) : recv(pair[1], to, rest, MSG_WAITALL);
            if (more <= 0) {
                perror("a system call into memory that the device sees");
                return 1;
            }
        }
        bad += got != BYTES;
        CHECK(launch(triple, stream, address, way, N));
        CHECK(cuStreamSynchronize(stream));
        bad += wrong(words, way, 3);
    }
    close(opened), close(pair[0]), close(pair[1]);
    return bad;
}

static void filled_by_the_system(void) {
    char file[] = "/tmp/farwarp-mapped-XXXXXX";
    int made = mkstemp(file);
    uint32_t *pinned, *mapped, *managed, *counted = malloc(BYTES);
    count_up(counted);
    hold("a file", made >= 0 && write(made, counted, BYTES) == BYTES);
    CHECK(cuMemAllocHost((void **)&pinned, BYTES));
    CHECK(cuMemHostAlloc((void **)&mapped, BYTES, CU_MEMHOSTALLOC_DEVICEMAP));
    CHECK(cuMemAllocManaged((CUdeviceptr *)&managed, BYTES, CU_MEM_ATTACH_GLOBAL));
    hold("system calls into pinned memory", system_calls(file, pinned, (CUdeviceptr)pinned) == 0);
    hold("system calls into mapped memory", system_calls(file, mapped, device_of(mapped)) == 0);
    hold("system calls into managed memory", system_calls(file, managed, (CUdeviceptr)managed) == 0);
    CHECK(cuMemFreeHost(pinned));
    CHECK(cuMemFreeHost(mapped));
    CHECK(cuMemFree((CUdeviceptr)managed));
    close(made), unlink(file), free(counted);
}

// Bytes side by side: the host changes each second one, a kernel all words of another array between them.
static void side_by_side(void) {
    uint32_t *words;
    int bad = 0;
    CHECK(cuMemAllocManaged((CUdeviceptr *)&words, BYTES, CU_MEM_ATTACH_GLOBAL));
    memset(words, 0, BYTES);
    for (uint32_t round = 1; round <= 3; round++) {
        // The kernel may run while the host writes beside what it writes.
        CHECK(launch(fill, stream, (CUdeviceptr)words, round, N / 2));
        for (uint32_t i = N / 2; i < N; i += 2) words[i] = 1000 + round;
        CHECK(launch(add, stream, (CUdeviceptr)(words + N / 2), 1, N / 2));
        CHECK(cuStreamSynchronize(stream));
        for (uint32_t i = 0; i < N / 2; i++) bad += words[i] != round;
        for (uint32_t i = N / 2; i < N; i++) bad += words[i] != ((i - N / 2) % 2 ? round : 1001 + round);
    }
    CHECK(cuMemFree((CUdeviceptr)words));
    hold("host and device change what lies side by side", bad == 0);
}

// Advice and prefetching are taken, and change nothing but where they cannot be meant.
static void hints(void) {
    enum { ADVICE = CU_MEM_ADVISE_SET_READ_MOSTLY };
    uint32_t *words;
    CUdeviceptr device;
    CUmemLocation here = {CU_MEM_LOCATION_TYPE_DEVICE, {0}};
    CHECK(cuMemAllocManaged((CUdeviceptr *)&words, BYTES, CU_MEM_ATTACH_GLOBAL));
    CHECK(cuMemAlloc(&device, BYTES));
    CHECK(cuMemAdvise((CUdeviceptr)words, BYTES, ADVICE, here));
    count_up(words);
    CHECK(cuMemPrefetchAsync((CUdeviceptr)words, BYTES, here, 0, stream));
    CHECK(cuStreamAttachMemAsync(stream, (CUdeviceptr)words, 0, CU_MEM_ATTACH_SINGLE));
    CHECK(launch(triple, stream, (CUdeviceptr)words, 4, N));
    CHECK(cuMemPrefetchAsync((CUdeviceptr)(words + 10), 400, here, 0, stream));
    CHECK(cuStreamSynchronize(stream));
    hold("hints change nothing", wrong(words, 4, 3) == 0);
    hold("advice beyond the end", cuMemAdvise((CUdeviceptr)words, BYTES + 1, ADVICE, here) == CUDA_ERROR_INVALID_VALUE);
    hold("advice that is none", cuMemAdvise((CUdeviceptr)words, BYTES, 99, here) == CUDA_ERROR_INVALID_VALUE);
    hold("advice for device memory", cuMemAdvise(device, 4, ADVICE, here) == CUDA_ERROR_INVALID_VALUE);
    hold("device memory prefetched", cuMemPrefetchAsync(device, 4, here, 0, stream) == CUDA_ERROR_INVALID_VALUE);
    hold("attached in part", cuStreamAttachMemAsync(stream, (CUdeviceptr)words, 8, CU_MEM_ATTACH_SINGLE) == CUDA_ERROR_INVALID_VALUE);
    CHECK(cuMemFree((CUdeviceptr)words));
    CHECK(cuMemFree(device));
}

static void wrong_uses(void) {
    CUdeviceptr address;
    uint32_t *words;
    int local = 0;
    hold("managed memory of no bytes", cuMemAllocManaged(&address, 0, CU_MEM_ATTACH_GLOBAL) == CUDA_ERROR_INVALID_VALUE);
    hold("managed memory of one stream", cuMemAllocManaged(&address, 4, CU_MEM_ATTACH_SINGLE) == CUDA_ERROR_INVALID_VALUE);
    hold("a device pointer of anything", cuMemHostGetDevicePointer(&address, &local, 0) == CUDA_ERROR_INVALID_VALUE);
    CHECK(cuMemHostAlloc((void **)&words, BYTES, CU_MEMHOSTALLOC_DEVICEMAP));
    hold("freed as the device's", cuMemFree((CUdeviceptr)words) == CUDA_ERROR_INVALID_VALUE);
    hold("unregistered", cuMemHostUnregister(words) == CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
    CHECK(cuMemFreeHost(words));
    hold("freed twice", cuMemFreeHost(words) == CUDA_ERROR_INVALID_VALUE);
}

int main(void) {
    CUmodule module = begin();
    fill = function_of(module, "fill"), add = function_of(module, "add"), triple = function_of(module, "triple");
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CHECK(cuStreamCreate(&other, CU_STREAM_DEFAULT));
    kinds_of_memory();
    two_streams();
    functions_of_the_host();
    filled_by_the_system();
    side_by_side();
    hints();
    wrong_uses();
    return failures;
}
