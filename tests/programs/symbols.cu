// Constant and device variables: initialised, copied to and from whole and in part, by stream, by address, between kernels;
// pointers to each other in initialisers.
#include "arrays.h"

struct Settings {
    int scale;
    float weights[3];
    short small;
};

__constant__ Settings settings = {3, {0.5f, 0.25f, 0.125f}, -9};
__constant__ int table[1024];
__device__ int counter = 40;
__device__ double matrix[3][4] = {{1, 2, 3, 4}, {5, 6, 7, 8}};
__device__ int targets[4] = {10, 20, 30, 40};
__device__ int *pointer = &targets[2];
__device__ const char *words[2] = {"first", "second"};
static __device__ unsigned char flags[300];

template <class T> __device__ T shared_between = T(7);

__global__ void use(int *found) {
    int i = threadIdx.x;
    found[i] = table[i * 31 % 1024] * settings.scale + settings.small + flags[i % 300];
    atomicAdd(&counter, 1);
}

__global__ void look(double *found) {
    found[0] = settings.weights[0] + settings.weights[1] + settings.weights[2], found[1] = *pointer;
    found[2] = words[1][3], found[3] = matrix[1][2], found[4] = matrix[2][3], found[5] = shared_between<long>;
    pointer = targets;
    shared_between<long> += 1;
}

int main() {
    int wrong = 0;
    double *device = device_zeroes<double>(6);
    look<<<1, 1>>>(device);
    wrong += differing(std::vector<double>{0.875, 30, 'o', 7, 0, 7}, to_host(device, 6));
    look<<<1, 1>>>(device);
    wrong += differing(std::vector<double>{0.875, 10, 'o', 7, 0, 8}, to_host(device, 6));

    std::vector<int> values(1024);
    for (int i = 0; i < 1024; i++) values[i] = i * i;
    CHECK(cudaMemcpyToSymbol(table, values.data(), sizeof(table)));
    int patch[4] = {-1, -2, -3, -4};
    CHECK(cudaMemcpyToSymbol(table, patch, sizeof(patch), 500 * sizeof(int)));
    for (int i = 0; i < 4; i++) values[500 + i] = patch[i];
    Settings changed = {5, {1, 2, 3}, 11};
    cudaStream_t stream;
    CHECK(cudaStreamCreate(&stream));
    CHECK(cudaMemcpyToSymbolAsync(settings, &changed, sizeof(changed), 0, cudaMemcpyHostToDevice, stream));
    void *address;
    size_t size;
    CHECK(cudaGetSymbolAddress(&address, flags));
    CHECK(cudaGetSymbolSize(&size, flags));
    wrong += size != 300;
    CHECK(cudaMemsetAsync(address, 77, size, stream));
    int *found = device_zeroes<int>(256);
    use<<<1, 256, 0, stream>>>(found);
    CHECK(cudaStreamSynchronize(stream));
    std::vector<int> expected(256);
    for (int i = 0; i < 256; i++) expected[i] = values[i * 31 % 1024] * 5 + 11 + 77;
    wrong += differing(expected, to_host(found, 256));

    int counted = 0;
    CHECK(cudaMemcpyFromSymbol(&counted, counter, sizeof(counted)));
    double row[4], filled[4] = {9, 8, 7, 6};
    CHECK(cudaMemcpyToSymbol(matrix, filled, sizeof(filled), 2 * sizeof(filled)));
    CHECK(cudaMemcpyFromSymbolAsync(row, matrix, sizeof(row), 2 * sizeof(row), cudaMemcpyDeviceToHost, stream));
    CHECK(cudaStreamSynchronize(stream));
    wrong += counted != 40 + 256 || memcmp(row, filled, sizeof(row)) != 0;

    cudaError_t beyond = cudaMemcpyToSymbol(table, patch, sizeof(patch), sizeof(table) - 8);
    cudaError_t unknown = cudaGetSymbolSize(&size, &wrong);
    cudaGetLastError();
    printf("symbols: counter %d, beyond the end %s, no symbol %s\n", counted, cudaGetErrorName(beyond), cudaGetErrorName(unknown));
    wrong += beyond != cudaErrorInvalidValue || unknown != cudaErrorInvalidSymbol;
    CHECK(cudaStreamDestroy(stream));
    return verdict("symbols", wrong);
}
