// A large copy to the host, after which another stream overwrites its source: the bytes of before must arrive.
//
//   overwritten MIB FILE      says that it is ready, and copies once FILE exists
#include "kernels.h"

#include <unistd.h>

static uint32_t word(size_t i) { return (uint32_t)(i * 2654435761u) ^ (uint32_t)(i >> 7); }

int main(int count, char **arguments) {
    if (count != 3) return 2;
    size_t bytes = (size_t)atol(arguments[1]) << 20, n = bytes / sizeof(uint32_t), wrong = 0;
    begin();
    uint32_t *host;
    CUdeviceptr source = words(n);
    CUstream copies, sets;
    CUevent copied;
    CHECK(cuMemAllocHost((void **)&host, bytes));
    CHECK(cuStreamCreate(&copies, CU_STREAM_NON_BLOCKING));
    CHECK(cuStreamCreate(&sets, CU_STREAM_NON_BLOCKING));
    CHECK(cuEventCreate(&copied, CU_EVENT_DISABLE_TIMING));
    for (size_t i = 0; i < n; i++) host[i] = word(i);
    CHECK(cuMemcpyHtoD(source, host, bytes));
    CHECK(cuCtxSynchronize());
    memset(host, 0, bytes);
    printf("it is ready\n"), fflush(stdout);
    while (access(arguments[2], F_OK)) usleep(1000);

    CHECK(cuMemcpyDtoHAsync(host, source, bytes, copies));
    CHECK(cuEventRecord(copied, copies));
    CHECK(cuStreamWaitEvent(sets, copied, 0));
    CHECK(cuMemsetD32Async(source, 0xabadcafe, n, sets));
    CHECK(cuStreamSynchronize(sets));
    CHECK(cuStreamSynchronize(copies));
    for (size_t i = 0; i < n; i++) wrong += host[i] != word(i);

    CHECK(cuMemcpyDtoH(host, source, bytes));
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) kept += host[i] != 0xabadcafe;
    printf("overwritten: %zu MiB, wrong=%zu, not overwritten=%zu\n", bytes >> 20, wrong, kept);
    return wrong + kept != 0;
}
