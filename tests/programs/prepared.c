// Launches in pieces, as before CUDA 4.0; what fits on a device; the profiler's switches.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations" // what this is about
#include "kernels.h"

// The header that declares these is not in the wheels.
CUresult cuProfilerStart(void);
CUresult cuProfilerStop(void);

static int asked;
static size_t four_bytes_a_thread(int threads) {
    asked++;
    return 4 * (size_t)threads;
}

static void in_pieces(CUfunction fill) {
    CUdeviceptr memory = words(64);
    uint32_t found[64] = {0};
    CUstream stream;
    CHECK(cuStreamCreate(&stream, 0));
    CHECK(cuMemsetD32(memory, 0, 64));
    CHECK(cuFuncSetBlockShape(fill, 8, 1, 1));
    CHECK(cuFuncSetSharedSize(fill, 0));
    CHECK(cuParamSetv(fill, 0, &memory, sizeof memory));
    CHECK(cuParamSeti(fill, 8, 5));
    CHECK(cuParamSeti(fill, 12, 64));
    CHECK(cuParamSetSize(fill, 16));
    CHECK(cuLaunch(fill));
    CHECK(cuMemcpyDtoH(found, memory, sizeof found));
    hold("one block", found[7] == 5 && found[8] == 0);
    CHECK(cuParamSeti(fill, 8, 6));
    CHECK(cuLaunchGrid(fill, 4, 1));
    CHECK(cuParamSeti(fill, 8, 7));
    CHECK(cuMemcpyDtoH(found, memory, sizeof found));
    hold("a grid, and its parameters as they were", found[31] == 6 && found[32] == 0);
    CHECK(cuLaunchGridAsync(fill, 8, 1, stream));
    CHECK(cuStreamSynchronize(stream));
    CHECK(cuMemcpyDtoH(found, memory, sizeof found));
    hold("a grid in a stream", found[0] == 7 && found[63] == 7);
    expect("a block without threads", CUDA_ERROR_INVALID_VALUE, cuFuncSetBlockShape(fill, 0, 1, 1));
    expect("too many parameters", CUDA_ERROR_INVALID_VALUE, cuParamSetSize(fill, 1 << 20));
    expect("a parameter before the first", CUDA_ERROR_INVALID_VALUE, cuParamSeti(fill, -4, 1));
    expect("a grid without blocks", CUDA_ERROR_INVALID_VALUE, cuLaunchGrid(fill, 0, 1));
    CHECK(cuMemFree(memory));
}

static void what_fits(CUfunction fill) {
    int blocks = 0, grid = 0, block = 0, clusters = 0, size = 0;
    size_t room = 0;
    CHECK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, fill, 128, 0));
    hold("some blocks fit", blocks > 0);
    CHECK(cuOccupancyAvailableDynamicSMemPerBlock(&room, fill, 1, 128));
    hold("some shared memory is left", room > 0);
    CHECK(cuOccupancyMaxPotentialBlockSize(&grid, &block, fill, NULL, 0, 0));
    printf("  a size that fills the device: %d\n", block);
    CHECK(cuOccupancyMaxPotentialBlockSize(&grid, &block, fill, NULL, 0, 100));
    printf("  of at most 100: %d\n", block);
    CHECK(cuOccupancyMaxPotentialBlockSizeWithFlags(&grid, &block, fill, four_bytes_a_thread, 0, 0, 0));
    printf("  with four bytes a thread: %d\n", block);
    hold("the program's function was asked", asked > 0);
    expect("unknown flags", CUDA_ERROR_INVALID_VALUE,
           cuOccupancyMaxPotentialBlockSizeWithFlags(&grid, &block, fill, NULL, 0, 0, 0x80));
    CUlaunchConfig config = {.gridDimX = 4, .gridDimY = 1, .gridDimZ = 1, .blockDimX = 128, .blockDimY = 1, .blockDimZ = 1};
    CHECK(cuOccupancyMaxActiveClusters(&clusters, fill, &config));
    hold("some clusters fit", clusters > 0);
    CHECK(cuOccupancyMaxPotentialClusterSize(&size, fill, &config));
    printf("  the largest cluster: %d\n", size);
    CHECK(cuFuncLoad(fill));
}

int main(void) {
    CUmodule module = begin();
    CUfunction fill = function_of(module, "fill");
    in_pieces(fill);
    what_fits(fill);
    CHECK(cuProfilerStart());
    CHECK(cuProfilerStop());
    printf("prepared: %d unexpected\n", failures);
    return failures != 0;
}
