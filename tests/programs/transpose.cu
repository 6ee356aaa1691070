// Transposition through tiles whose rows are one longer than they need, for elements of 1, 4, 8, 12 and 16 bytes.
#include "arrays.h"

const int TILE = 32, ROWS = 8;

template <class T> __global__ void transpose(const T *from, T *to, int width, int height) {
    __shared__ T tile[TILE][TILE + 1];
    int x = blockIdx.x * TILE + threadIdx.x, y = blockIdx.y * TILE + threadIdx.y;
    for (int row = 0; row < TILE; row += ROWS)
        if (x < width && y + row < height) tile[threadIdx.y + row][threadIdx.x] = from[(y + row) * width + x];
    __syncthreads();
    x = blockIdx.y * TILE + threadIdx.x, y = blockIdx.x * TILE + threadIdx.y;
    for (int row = 0; row < TILE; row += ROWS)
        if (x < height && y + row < width) to[(y + row) * height + x] = tile[threadIdx.x][threadIdx.y + row];
}

template <class T> int check(const char *name, int width, int height) {
    std::vector<T> values(width * height), expected(width * height);
    auto *bytes = (uint8_t *)values.data();
    Random random(9);
    for (size_t i = 0; i < values.size() * sizeof(T); i++) bytes[i] = random.next();
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) expected[x * height + y] = values[y * width + x];
    T *to = device_zeroes<T>(values.size());
    dim3 grid((width + TILE - 1) / TILE, (height + TILE - 1) / TILE);
    transpose<T><<<grid, dim3(TILE, ROWS)>>>(to_device(values), to, width, height);
    LAUNCHED();
    int wrong = differing(expected, to_host(to, values.size()));
    printf("transpose: %s, %zu bytes, %dx%d, wrong=%d\n", name, sizeof(T), width, height, wrong);
    return wrong;
}

int main() {
    int wrong = check<uint8_t>("uint8_t", 100, 61) + check<float>("float", 64, 64) + check<double>("double", 33, 95);
    wrong += check<float3>("float3", 40, 50) + check<double2>("double2", 31, 1) + check<int4>("int4", 1, 70);
    return verdict("transpose", wrong);
}
