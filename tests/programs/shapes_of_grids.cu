// Grids and blocks in three dimensions, blocks that are no multiple of a warp, launch bounds, strides over more than the grid
// holds, a grid of many tiny blocks, one of a single thread.
#include "arrays.h"

struct Box {
    int x, y, z;
    __host__ __device__ int count() const { return x * y * z; }
};

__global__ void number(int *cells, Box box) {
    for (int z = blockIdx.z * blockDim.z + threadIdx.z; z < box.z; z += gridDim.z * blockDim.z)
        for (int y = blockIdx.y * blockDim.y + threadIdx.y; y < box.y; y += gridDim.y * blockDim.y)
            for (int x = blockIdx.x * blockDim.x + threadIdx.x; x < box.x; x += gridDim.x * blockDim.x)
                cells[(z * box.y + y) * box.x + x] += (x + 1) * 10000 + (y + 1) * 100 + z + 1;
}

// Who runs where: each thread of each block once.
__global__ void count_threads(unsigned *blocks, unsigned *threads) {
    int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    int thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    atomicAdd(&blocks[block], 1);
    atomicAdd(&threads[thread], 1);
}

__global__ void __launch_bounds__(96, 2) bounded(int *count) { atomicAdd(count, 1); }

static int check_boxes() {
    int wrong = 0;
    const Box boxes[] = {{33, 9, 5}, {1, 1, 70}, {100, 2, 1}, {7, 64, 3}};
    const dim3 grids[] = {{2, 2, 2}, {1, 1, 5}, {9, 1, 1}, {1, 7, 2}}, shapes[] = {{4, 3, 2}, {1, 1, 13}, {5, 2, 1}, {3, 5, 1}};
    for (int k = 0; k < 4; k++) {
        Box box = boxes[k];
        int *cells = device_zeroes<int>(box.count());
        number<<<grids[k], shapes[k]>>>(cells, box);
        std::vector<int> expected(box.count());
        for (int i = 0; i < box.count(); i++)
            expected[i] = (i % box.x + 1) * 10000 + (i / box.x % box.y + 1) * 100 + i / (box.x * box.y) + 1;
        wrong += differing(expected, to_host(cells, box.count()));
    }
    return wrong;
}

static int check_counts(dim3 grid, dim3 block) {
    unsigned blocks = grid.x * grid.y * grid.z, threads = block.x * block.y * block.z;
    auto *by_block = device_zeroes<unsigned>(blocks), *by_thread = device_zeroes<unsigned>(threads);
    count_threads<<<grid, block>>>(by_block, by_thread);
    std::vector<unsigned> each_block(blocks, threads), each_thread(threads, blocks);
    int wrong = differing(each_block, to_host(by_block, blocks)) + differing(each_thread, to_host(by_thread, threads));
    printf("shapes_of_grids: %ux%ux%u blocks of %ux%ux%u, wrong=%d\n", grid.x, grid.y, grid.z, block.x, block.y, block.z, wrong);
    return wrong;
}

int main() {
    int wrong = check_boxes();
    wrong += check_counts({1, 1, 1}, {1, 1, 1}) + check_counts({3, 5, 7}, {1, 1, 33}) + check_counts({2, 1, 3}, {8, 16, 8});
    wrong += check_counts({1000, 1, 1}, {3, 1, 1}) + check_counts({1, 300, 2}, {1, 7, 1}) + check_counts({1, 1, 2}, {1024, 1, 1});
    int *count = device_zeroes<int>(1);
    bounded<<<5, 96>>>(count);
    wrong += to_host(count, 1)[0] != 480;
    bounded<<<1, 97>>>(count);
    cudaError_t beyond = cudaDeviceSynchronize();
    cudaError_t said = cudaGetLastError();
    cudaFuncAttributes attributes;
    CHECK(cudaFuncGetAttributes(&attributes, bounded));
    wrong += attributes.maxThreadsPerBlock != 96 || (beyond == cudaSuccess && said == cudaSuccess);
    LAUNCHED();
    return verdict("shapes_of_grids", wrong);
}
