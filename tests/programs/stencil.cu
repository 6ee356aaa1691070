// Heat on a plate through tiles with a halo, and a seven-point stencil in space that walks through planes; in doubles, with
// the operations spelt out, so that the host's result is the same bit by bit.
#include "arrays.h"

#include <math.h>

const int TILE = 16;

__host__ __device__ double mix(double centre, double sum, double weight) {
    return fma(weight, sum - 4 * centre, centre); // 4 * centre is exact
}

__global__ void plate(const double *from, double *to, int width, int height, double weight) {
    __shared__ double tile[TILE + 2][TILE + 2];
    int x = blockIdx.x * TILE + threadIdx.x, y = blockIdx.y * TILE + threadIdx.y;
    auto at = [=](int x, int y) { return x < 0 || y < 0 || x >= width || y >= height ? 0 : from[y * width + x]; };
    tile[threadIdx.y + 1][threadIdx.x + 1] = at(x, y);
    if (threadIdx.x == 0) tile[threadIdx.y + 1][0] = at(x - 1, y);
    if (threadIdx.x == TILE - 1) tile[threadIdx.y + 1][TILE + 1] = at(x + 1, y);
    if (threadIdx.y == 0) tile[0][threadIdx.x + 1] = at(x, y - 1);
    if (threadIdx.y == TILE - 1) tile[TILE + 1][threadIdx.x + 1] = at(x, y + 1);
    __syncthreads();
    if (x >= width || y >= height) return;
    int i = threadIdx.x + 1, j = threadIdx.y + 1;
    double sum = (tile[j][i - 1] + tile[j][i + 1]) + (tile[j - 1][i] + tile[j + 1][i]);
    to[y * width + x] = mix(tile[j][i], sum, weight);
}

// Each thread keeps the planes below, here and above in registers.
__global__ void space(const int *from, int *to, int3 size) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x < 1 || y < 1 || x >= size.x - 1 || y >= size.y - 1) return;
    int plane = size.x * size.y, i = y * size.x + x;
    int below = from[i], here = from[i + plane];
    for (int z = 1; z < size.z - 1; z++, below = here, here = from[i + plane]) {
        i += plane;
        int above = from[i + plane];
        to[i] = 6 * here - below - above - from[i - 1] - from[i + 1] - from[i - size.x] - from[i + size.x];
        if (z == size.z - 2) break;
    }
}

static int plates() {
    const int width = 70, height = 45, rounds = 6;
    const double weight = 0.2;
    std::vector<double> values(width * height), next(width * height);
    Random random(7);
    for (double &value : values) value = random.unit() * 100;
    double *from = to_device(values), *to = device_zeroes<double>(values.size());
    for (int round = 0; round < rounds; round++) {
        plate<<<dim3((width + TILE - 1) / TILE, (height + TILE - 1) / TILE), dim3(TILE, TILE)>>>(from, to, width, height, weight);
        std::swap(from, to);
        auto at = [&](int x, int y) { return x < 0 || y < 0 || x >= width || y >= height ? 0 : values[y * width + x]; };
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                double sum = (at(x - 1, y) + at(x + 1, y)) + (at(x, y - 1) + at(x, y + 1));
                next[y * width + x] = mix(at(x, y), sum, weight);
            }
        }
        values.swap(next);
    }
    LAUNCHED();
    printf("stencil: plate[22][35] = %a\n", values[22 * width + 35]);
    return differing(values, to_host(from, values.size()));
}

static int spaces() {
    const int3 size = {33, 17, 9};
    int plane = size.x * size.y, n = plane * size.z;
    std::vector<int> values(n), expected(n);
    Random random(8);
    for (int &value : values) value = random.next() % 1000;
    for (int z = 1; z < size.z - 1; z++)
        for (int y = 1; y < size.y - 1; y++)
            for (int x = 1; x < size.x - 1; x++) {
                int i = z * plane + y * size.x + x;
                expected[i] = 6 * values[i] - values[i - 1] - values[i + 1] - values[i - size.x] - values[i + size.x] -
                              values[i - plane] - values[i + plane];
            }
    int *to = device_zeroes<int>(n);
    space<<<dim3(3, 3), dim3(16, 8)>>>(to_device(values), to, size);
    LAUNCHED();
    printf("stencil: space[4][8][16] = %d\n", expected[4 * plane + 8 * size.x + 16]);
    return differing(expected, to_host(to, n));
}

int main() { return verdict("stencil", plates() + spaces()); }
