// A matrix product through tiles in shared memory, then each row's sum by warp shuffles. Both are held to the host's result bit
// by bit: the device adds in the order of k with a fused multiply-add, and so does the host.
// runtimes: all
#include "check.h"

#include <math.h>
#include <stdint.h>
#include <string.h>
#include <vector>

const int TILE = 16;
const int WARP = 32;

__global__ void matmul(const float *a, const float *b, float *c, int rows, int inner, int columns) {
    __shared__ float tile_a[TILE][TILE], tile_b[TILE][TILE + 1];
    int row = blockIdx.y * TILE + threadIdx.y;
    int column = blockIdx.x * TILE + threadIdx.x;
    float sum = 0;
    for (int first = 0; first < inner; first += TILE) {
        int k_a = first + threadIdx.x, k_b = first + threadIdx.y;
        tile_a[threadIdx.y][threadIdx.x] = row < rows && k_a < inner ? a[row * inner + k_a] : 0;
        tile_b[threadIdx.y][threadIdx.x] = k_b < inner && column < columns ? b[k_b * columns + column] : 0;
        __syncthreads();
        for (int k = 0; k < TILE; k++) sum = fmaf(tile_a[threadIdx.y][k], tile_b[k][threadIdx.x], sum);
        __syncthreads();
    }
    if (row < rows && column < columns) c[row * columns + column] = sum;
}

// One warp a row: each lane sums every 32nd element, then the lanes are folded in halves.
__global__ void row_sums(const float *c, float *sums, int columns) {
    float sum = 0;
    for (int column = threadIdx.x; column < columns; column += WARP) sum += c[blockIdx.x * columns + column];
    for (int distance = WARP / 2; distance > 0; distance /= 2) sum += __shfl_down_sync(0xffffffff, sum, distance);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

static float host_row_sum(const float *row, int columns) {
    float lane[WARP] = {0};
    for (int column = 0; column < columns; column++) lane[column % WARP] += row[column];
    for (int distance = WARP / 2; distance > 0; distance /= 2)
        for (int i = 0; i < distance; i++) lane[i] += lane[i + distance];
    return lane[0];
}

static int differing(const std::vector<float> &expected, const std::vector<float> &found) {
    int count = 0;
    for (size_t i = 0; i < expected.size(); i++) count += memcmp(&expected[i], &found[i], sizeof(float)) != 0;
    return count;
}

static float *to_device(const std::vector<float> &values) {
    float *device;
    CHECK(cudaMalloc(&device, values.size() * sizeof(float)));
    CHECK(cudaMemcpy(device, values.data(), values.size() * sizeof(float), cudaMemcpyHostToDevice));
    return device;
}

int main() {
    const int rows = 123, inner = 77, columns = 101; // no multiples of a tile
    std::vector<float> a(rows * inner), b(inner * columns), c(rows * columns), sums(rows);
    uint32_t random = 1;
    for (float &value : a) value = (int)((random = random * 1664525 + 1013904223) >> 8) / 8388608.0f - 1;
    for (float &value : b) value = (int)((random = random * 1664525 + 1013904223) >> 8) / 8388608.0f - 1;

    float *device_a = to_device(a), *device_b = to_device(b), *device_c = to_device(c), *device_sums = to_device(sums);
    dim3 grid((columns + TILE - 1) / TILE, (rows + TILE - 1) / TILE);
    matmul<<<grid, dim3(TILE, TILE)>>>(device_a, device_b, device_c, rows, inner, columns);
    row_sums<<<rows, WARP>>>(device_c, device_sums, columns);
    CHECK(cudaDeviceSynchronize());
    CHECK(cudaMemcpy(c.data(), device_c, c.size() * sizeof(float), cudaMemcpyDeviceToHost));
    CHECK(cudaMemcpy(sums.data(), device_sums, sums.size() * sizeof(float), cudaMemcpyDeviceToHost));

    std::vector<float> expected_c(c.size()), expected_sums(rows);
    for (int row = 0; row < rows; row++) {
        for (int column = 0; column < columns; column++) {
            float &sum = expected_c[row * columns + column];
            for (int k = 0; k < inner; k++) sum = fmaf(a[row * inner + k], b[k * columns + column], sum);
        }
        expected_sums[row] = host_row_sum(&expected_c[row * columns], columns);
    }
    int wrong_c = differing(expected_c, c), wrong_sums = differing(expected_sums, sums);
    printf("matmul_tiled: %dx%dx%d, c[7][9]=%a, sum[5]=%a, wrong=%d, wrong sums=%d\n", rows, inner, columns, c[7 * columns + 9],
           sums[5], wrong_c, wrong_sums);
    return wrong_c + wrong_sums != 0;
}
