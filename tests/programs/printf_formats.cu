// What kernels print, in one lane so that its order is known: each conversion with widths, precisions and flags, as the host's
// printf has it, and how many arguments printf counts.
#include "arrays.h"

__device__ const char *text = "a text of the device's";

__global__ void formats(int *counted) {
    counted[0] = printf("d %d|%5d|%-5d|%05d|%+d|% d|%i\n", 42, 42, 42, 42, 42, 42, -42);
    counted[1] = printf("u %u|%x|%X|%#x|%o|%#o|%08x\n", 4000000000u, 48879u, 48879u, 48879u, 8u, 8u, 255u);
    counted[2] = printf("ll %lld|%llu|%llx|%20lld|%-20lld|\n", -1234567890123456789ll, 12345678901234567890ull,
                        0xfedcba9876543210ull, -5ll, 5ll);
    printf("l %ld %lu %lx\n", -123456789012345l, 123456789012345ul, 0xabcdef012345ul);
    printf("h %hd %hu %hhd\n", (short)-7, (unsigned short)65535, (signed char)-3);
    printf("c %c%c%c|%5c|%-3c|\n", 'x', 'y', 'z', 'r', 'l');
    printf("s %s|%10s|%-10s|%.3s|%s\n", "plain", "right", "left", "cut off", text);
    printf("f %f|%.0f|%.3f|%10.2f|%-10.2f|%+.1f|%010.3f\n", 3.14159265, 2.5, 2.0 / 3, 1e6 / 7, -1.5, 0.05, -2.25);
    printf("e %e|%.2e|%E|%.0e\n", 12345.678, 1.0 / 3e10, 1e-300, 5e9);
    printf("g %g|%g|%g|%.10g|%G|%#g\n", 100000.0, 1e6, 0.0001, 1.0 / 3, 1e-10, 1.0);
    printf("a %a|%a|%A\n", 1.0, -0.15625, 255.5);
    printf("special %f %f %f %g %5.1f\n", 1.0 / 0.0, -1.0 / 0.0, 0.0 / 0.0 < 0 ? 1.0 : 0.0, -0.0, 1.0f / 3);
    printf("percent 100%% of %d\n", 7);
    printf("star %*d|%-*d|%.*f\n", 6, 42, 6, 42, 2, 3.14159);
    printf("pointer %p\n", (void *)0x1234abcd);
    printf("many %d %d %d %d %d %d %d %d %d %d %d %d %d %d %d %d\n", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16);
    printf("mixed %c %lld %d %f %s %hhu\n", 'm', 1ll << 40, 3, 0.5, "end", (unsigned char)200);
    printf("no newline at the end of this one, ");
    printf("but of this\n\n");
    counted[3] = printf("");
}

__global__ void in_turn(int thread) {
    if (threadIdx.x == thread) printf("thread %d of block %d,%d\n", threadIdx.x, blockIdx.x, blockIdx.y);
}

int main() {
    int *counted = device_zeroes<int>(4);
    formats<<<1, 1>>>(counted);
    LAUNCHED();
    fflush(stdout);
    for (int thread = 0; thread < 40; thread += 13) {
        in_turn<<<1, 64>>>(thread);
        LAUNCHED();
    }
    size_t room = 0;
    CHECK(cudaDeviceGetLimit(&room, cudaLimitPrintfFifoSize));
    std::vector<int> counts = to_host(counted, 4);
    printf("printf_formats: counted %d %d %d %d, room %s\n", counts[0], counts[1], counts[2], counts[3], room >= 1 << 20 ? "enough" : "little");
    return verdict("printf_formats", room < 1 << 20);
}
