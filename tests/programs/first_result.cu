// How long a program of the CUDA runtime waits for its first result: prints, as nanoseconds of the monotonic clock, when the driver had
// first answered and when the first kernel's result lay in the program's memory. Frees nothing: it shall make no call that it need not.
// runtimes: all
#include "check.h"

#include <time.h>

__global__ void answer(int *place, int question) { *place = question + 1; }

static long long now_ns() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

int main() {
    int version = 0, *place, result = 0;
    CHECK(cudaDriverGetVersion(&version));
    long long connected_ns = now_ns();
    CHECK(cudaMalloc(&place, sizeof *place));
    answer<<<1, 1>>>(place, 41);
    CHECK(cudaMemcpy(&result, place, sizeof result, cudaMemcpyDeviceToHost));
    long long result_ns = now_ns();
    printf("connected_ns=%lld result_ns=%lld result=%d\n", connected_ns, result_ns, result);
    return result != 42;
}
