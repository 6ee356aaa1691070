// The runtime's rectangles and boxes: pitched and 3D allocations, copies in every direction, sets, and a kernel that walks the rows.
// runtimes: all
#include "check.h"

#include <stdint.h>
#include <string.h>

static const int WIDTH = 100, HEIGHT = 37, DEPTH = 5;

__global__ void add_position(cudaPitchedPtr box, int width, int height, int depth) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y, z = blockIdx.z;
    if (x >= width || y >= height || z >= depth) return;
    char *row = (char *)box.ptr + ((size_t)z * box.ysize + y) * box.pitch;
    ((uint32_t *)row)[x] += x + 1000 * y + 100000 * z;
}

static uint32_t up[5][37][100], down[5][37][100];

static int wrong(uint32_t start) {
    int count = 0;
    for (int z = 0; z < DEPTH; z++)
        for (int y = 0; y < HEIGHT; y++)
            for (int x = 0; x < WIDTH; x++) count += down[z][y][x] != start + up[z][y][x] + x + 1000 * y + 100000 * z;
    return count;
}

int main() {
    for (int z = 0; z < DEPTH; z++)
        for (int y = 0; y < HEIGHT; y++)
            for (int x = 0; x < WIDTH; x++) up[z][y][x] = 7 * x + 13 * y + 17 * z;
    cudaPitchedPtr box;
    cudaExtent extent = make_cudaExtent(WIDTH * sizeof(uint32_t), HEIGHT, DEPTH);
    CHECK(cudaMalloc3D(&box, extent));
    CHECK(cudaMemset3D(box, 0, extent));

    cudaMemcpy3DParms copy = {};
    copy.srcPtr = make_cudaPitchedPtr(up, WIDTH * sizeof(uint32_t), WIDTH, HEIGHT);
    copy.dstPtr = box;
    copy.extent = extent;
    copy.kind = cudaMemcpyHostToDevice;
    CHECK(cudaMemcpy3D(&copy));
    add_position<<<dim3(1, HEIGHT, DEPTH), 128>>>(box, WIDTH, HEIGHT, DEPTH);
    CHECK(cudaGetLastError());
    cudaMemcpy3DParms back = {};
    back.srcPtr = box;
    back.dstPtr = make_cudaPitchedPtr(down, WIDTH * sizeof(uint32_t), WIDTH, HEIGHT);
    back.extent = extent;
    back.kind = cudaMemcpyDeviceToHost;
    CHECK(cudaMemcpy3DAsync(&back));
    CHECK(cudaStreamSynchronize(0));
    printf("a box: %d wrong\n", wrong(0));
    int failures = wrong(0);

    void *rows;
    size_t pitch, row = WIDTH * sizeof(uint32_t);
    CHECK(cudaMallocPitch(&rows, &pitch, row, HEIGHT));
    CHECK(cudaMemset2D(rows, pitch, 0xff, row, HEIGHT));
    CHECK(cudaMemcpy2D(rows, pitch, up[0], row, row / 2, HEIGHT, cudaMemcpyHostToDevice));
    CHECK(cudaMemcpy2D((char *)box.ptr, box.pitch, rows, pitch, row, HEIGHT, cudaMemcpyDeviceToDevice));
    memset(down, 0, sizeof down);
    CHECK(cudaMemcpy2DAsync(down[0], row, box.ptr, box.pitch, row, HEIGHT, cudaMemcpyDefault, 0));
    CHECK(cudaDeviceSynchronize());
    int bad = 0;
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) bad += down[0][y][x] != (x < WIDTH / 2 ? up[0][y][x] : 0xffffffffu);
    printf("rectangles: %d wrong\n", bad);
    CHECK(cudaMemcpy2D(down[1], row, up[1], row, row, HEIGHT, cudaMemcpyHostToHost));
    printf("host to host: %s\n", memcmp(down[1], up[1], sizeof up[1]) ? "wrong" : "right");
    failures += bad + (memcmp(down[1], up[1], sizeof up[1]) != 0);
    printf("too narrow a pitch: %s\n", cudaGetErrorName(cudaMemcpy2D(rows, 8, up[0], row, row, 2, cudaMemcpyHostToDevice)));
    CHECK(cudaFree(rows));
    CHECK(cudaFree(box.ptr));
    return failures != 0;
}
