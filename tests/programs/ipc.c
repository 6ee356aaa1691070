// Two processes and one memory: what one allocates the other opens, reads and writes, until it closes it.
#include "kernels.h"

#include <sys/wait.h>
#include <unistd.h>

enum { N = 5000, BYTES = 4 * N, LARGE = 40 << 20 };

struct letter {
    CUipcMemHandle small, second, large;
};

struct answer {
    CUresult opened[4], closed[4], foreign;
    int same_address, small_is_right, large_is_right, classified, after_close;
};

static void write_all(int to, const void *bytes, size_t count) {
    if (write(to, bytes, count) != (ssize_t)count) exit(3);
}

static void read_all(int from, void *bytes, size_t count) {
    for (char *at = bytes; count;) {
        ssize_t got = read(from, at, count);
        if (got <= 0) exit(3);
        at += got, count -= (size_t)got;
    }
}

static int all_are(CUdeviceptr memory, uint32_t value) {
    static uint32_t found[N];
    CHECK(cuMemcpyDtoH(found, memory, BYTES));
    for (int i = 0; i < N; i++)
        if (found[i] != value) return 0;
    return 1;
}

static int other_process(int from, int to) {
    struct letter letter;
    struct answer answer = {0};
    CUdeviceptr small = 0, again = 0, second = 0, large = 0;
    CUmodule module = begin();
    CUfunction fill = function_of(module, "fill"), add = function_of(module, "add");
    CUmemorytype type = 0;
    const unsigned flags = CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS;
    read_all(from, &letter, sizeof letter);
    answer.opened[0] = cuIpcOpenMemHandle(&small, letter.small, flags);
    answer.opened[1] = cuIpcOpenMemHandle(&again, letter.small, flags);
    answer.opened[2] = cuIpcOpenMemHandle(&second, letter.second, flags);
    answer.opened[3] = cuIpcOpenMemHandle(&large, letter.large, flags);
    answer.same_address = small == again && small != second;
    answer.small_is_right = all_are(small, 5) && all_are(second, 6);
    answer.large_is_right = all_are(large + LARGE - BYTES, 7);
    answer.classified = cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, small + 17) == CUDA_SUCCESS && type == CU_MEMORYTYPE_DEVICE;
    answer.foreign = cuMemFree(small);
    CHECK(launch(add, NULL, small, 100, N));
    CHECK(launch(fill, NULL, large + LARGE - BYTES, 42, N));
    CHECK(cuMemcpyDtoD(second, small, BYTES));
    CHECK(cuCtxSynchronize());
    answer.closed[0] = cuIpcCloseMemHandle(small);
    answer.after_close = all_are(again, 105);
    answer.closed[1] = cuIpcCloseMemHandle(again);
    answer.closed[2] = cuIpcCloseMemHandle(again);
    answer.closed[3] = cuIpcCloseMemHandle(large);
    write_all(to, &answer, sizeof answer);
    // `second` is open until the context goes.
    return 0;
}

int main(void) {
    int there[2], back[2], status = -1;
    if (pipe(there) || pipe(back)) return 3;
    // Before either has used CUDA.
    pid_t other = fork();
    if (!other) return other_process(there[0], back[1]);
    CUmodule module = begin();
    CUfunction fill = function_of(module, "fill");
    struct letter letter;
    struct answer answer;
    CUdeviceptr small = words(N), second = words(N), large, own;
    CHECK(cuMemAlloc(&large, LARGE));
    CHECK(launch(fill, NULL, small, 5, N));
    CHECK(launch(fill, NULL, second, 6, N));
    CHECK(launch(fill, NULL, large + LARGE - BYTES, 7, N));
    CHECK(cuCtxSynchronize());
    CHECK(cuIpcGetMemHandle(&letter.small, small));
    CHECK(cuIpcGetMemHandle(&letter.second, second));
    CHECK(cuIpcGetMemHandle(&letter.large, large));
    const unsigned flags = CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS;
    CUipcMemHandle garbage = {{0}};
    expect("opened by its own process", CUDA_ERROR_INVALID_CONTEXT, cuIpcOpenMemHandle(&own, letter.small, flags));
    expect("garbage opened", CUDA_ERROR_INVALID_HANDLE, cuIpcOpenMemHandle(&own, garbage, flags));
    expect("opened without the flag", CUDA_ERROR_INVALID_VALUE, cuIpcOpenMemHandle(&own, letter.small, 0));
    expect("closed what was never opened", CUDA_ERROR_INVALID_VALUE, cuIpcCloseMemHandle(small));
    expect("a handle of no memory", CUDA_ERROR_INVALID_VALUE, cuIpcGetMemHandle(&garbage, 0x1234));
    write_all(there[1], &letter, sizeof letter);
    read_all(back[0], &answer, sizeof answer);
    for (int i = 0; i < 4; i++) expect("the other process opens", CUDA_SUCCESS, answer.opened[i]);
    hold("what is open already is not mapped again", answer.same_address);
    hold("it reads what was written here", answer.small_is_right && answer.large_is_right);
    hold("it is device memory there", answer.classified);
    expect("freed by who opened it", CUDA_ERROR_INVALID_VALUE, answer.foreign);
    expect("closed once", CUDA_SUCCESS, answer.closed[0]);
    hold("it is still open once", answer.after_close);
    expect("closed twice", CUDA_SUCCESS, answer.closed[1]);
    expect("closed once too often", CUDA_ERROR_INVALID_VALUE, answer.closed[2]);
    expect("the large one closed", CUDA_SUCCESS, answer.closed[3]);
    hold("what it wrote is here", all_are(small, 105) && all_are(second, 105) && all_are(large + LARGE - BYTES, 42));
    waitpid(other, &status, 0);
    hold("the other process ended well", WIFEXITED(status) && WEXITSTATUS(status) == 0);
    hold("and left the memory as it was", all_are(small, 105));
    CHECK(cuMemFree(small));
    CHECK(cuMemFree(second));
    CHECK(cuMemFree(large));
    printf("ipc: %d unexpected\n", failures);
    return failures != 0;
}
