// Filters over images of bytes without textures: a blur in two passes with constant weights, edges, a median, and a picture
// halved with __ldg; rows that end in mid-block.
#include "arrays.h"

#include <algorithm>
#include <stdlib.h>

const int WIDTH = 150, HEIGHT = 77, RADIUS = 3;

__constant__ int weights[2 * RADIUS + 1];
static const int host_weights[2 * RADIUS + 1] = {1, 6, 15, 20, 15, 6, 1};

__host__ __device__ int held(int value, int most) { return value < 0 ? 0 : value > most ? most : value; }

// One row or column of the blur, in shared memory with a margin.
template <bool ACROSS> __global__ void blur(const uchar4 *from, uchar4 *to) {
    extern __shared__ uchar4 line[];
    int length = ACROSS ? WIDTH : HEIGHT, other = blockIdx.x;
    auto place = [=](int i) { return ACROSS ? other * WIDTH + i : i * WIDTH + other; };
    for (int i = threadIdx.x; i < length + 2 * RADIUS; i += blockDim.x) line[i] = from[place(held(i - RADIUS, length - 1))];
    __syncthreads();
    for (int i = threadIdx.x; i < length; i += blockDim.x) {
        int4 sum = make_int4(0, 0, 0, 0);
#pragma unroll
        for (int k = 0; k <= 2 * RADIUS; k++) {
            uchar4 pixel = line[i + k];
            sum.x += pixel.x * weights[k], sum.y += pixel.y * weights[k], sum.z += pixel.z * weights[k], sum.w += pixel.w * weights[k];
        }
        to[place(i)] = make_uchar4(sum.x / 64, sum.y / 64, sum.z / 64, sum.w / 64);
    }
}

// One colour of a picture, which goes on beyond its edges.
struct Green {
    const uchar4 *picture;
    __host__ __device__ int operator()(int x, int y) const {
        const uchar4 *pixel = &picture[held(y, HEIGHT - 1) * WIDTH + held(x, WIDTH - 1)];
#ifdef __CUDA_ARCH__
        return __ldg(pixel).y;
#else
        return pixel->y;
#endif
    }
};

__host__ __device__ int edge(Green at, int x, int y) {
    int across = at(x + 1, y - 1) + 2 * at(x + 1, y) + at(x + 1, y + 1) - at(x - 1, y - 1) - 2 * at(x - 1, y) - at(x - 1, y + 1);
    int down = at(x - 1, y + 1) + 2 * at(x, y + 1) + at(x + 1, y + 1) - at(x - 1, y - 1) - 2 * at(x, y - 1) - at(x + 1, y - 1);
    return held(abs(across) + abs(down), 255);
}

__host__ __device__ int median(Green at, int x, int y) {
    int values[9], n = 0;
    for (int j = -1; j <= 1; j++)
        for (int i = -1; i <= 1; i++) values[n++] = at(x + i, y + j);
    for (int i = 0; i < 5; i++) { // half a selection sort
        int least = i;
        for (int j = i + 1; j < 9; j++) least = values[j] < values[least] ? j : least;
        int kept = values[i];
        values[i] = values[least], values[least] = kept;
    }
    return values[4];
}

__global__ void edges_and_medians(const uchar4 *__restrict__ picture, uint8_t *edges, uint8_t *medians) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= WIDTH || y >= HEIGHT) return;
    Green at = {picture};
    edges[y * WIDTH + x] = edge(at, x, y);
    medians[y * WIDTH + x] = median(at, x, y);
}

// Four bytes at a time: the mean of each by __vavgu4, which rounds up.
__global__ void halve(const unsigned *__restrict__ picture, unsigned *half) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y;
    if (x >= WIDTH / 2) return;
    const unsigned *at = picture + 2 * y * WIDTH + 2 * x;
    half[y * (WIDTH / 2) + x] = __vavgu4(__vavgu4(__ldg(at), __ldg(at + 1)), __vavgu4(__ldg(at + WIDTH), __ldg(at + WIDTH + 1)));
}

typedef std::vector<uchar4> Picture;

static Picture host_blur(const Picture &from, int dx, int dy) {
    Picture to(from.size());
    for (int y = 0; y < HEIGHT; y++) {
        for (int x = 0; x < WIDTH; x++) {
            int sum[4] = {0, 0, 0, 0};
            for (int k = -RADIUS; k <= RADIUS; k++) {
                uchar4 pixel = from[held(y + k * dy, HEIGHT - 1) * WIDTH + held(x + k * dx, WIDTH - 1)];
                int weight = host_weights[k + RADIUS];
                sum[0] += pixel.x * weight, sum[1] += pixel.y * weight, sum[2] += pixel.z * weight, sum[3] += pixel.w * weight;
            }
            to[y * WIDTH + x] = make_uchar4(sum[0] / 64, sum[1] / 64, sum[2] / 64, sum[3] / 64);
        }
    }
    return to;
}

static int check_halves(const Picture &picture, const unsigned *device) {
    auto *half = device_zeroes<unsigned>(WIDTH / 2 * (HEIGHT / 2));
    halve<<<dim3((WIDTH / 2 + 31) / 32, HEIGHT / 2), 32>>>(device, half);
    std::vector<unsigned> found = to_host(half, WIDTH / 2 * (HEIGHT / 2)), expected;
    auto *bytes = (const uint8_t *)picture.data();
    for (int y = 0; y < HEIGHT / 2; y++) {
        for (int x = 0; x < WIDTH / 2; x++) {
            unsigned word = 0;
            for (int c = 0; c < 4; c++) {
                auto at = [&](int i, int j) { return bytes[((2 * y + j) * WIDTH + 2 * x + i) * 4 + c]; };
                int above = (at(0, 0) + at(1, 0) + 1) / 2, below = (at(0, 1) + at(1, 1) + 1) / 2;
                word |= (unsigned)((above + below + 1) / 2) << (8 * c);
            }
            expected.push_back(word);
        }
    }
    return differing(expected, found);
}

int main() {
    const int n = WIDTH * HEIGHT;
    Random random(32);
    Picture picture(n);
    for (int i = 0; i < n; i++) {
        int x = i % WIDTH, y = i / WIDTH;
        picture[i] = make_uchar4(x + y, (x / 20 + y / 15) % 2 * 180 + random.next() % 60, random.next(), 255 - x);
    }
    uchar4 *device = to_device(picture), *across = device_zeroes<uchar4>(n), *blurred = device_zeroes<uchar4>(n);
    CHECK(cudaMemcpyToSymbol(weights, host_weights, sizeof(host_weights)));
    blur<true><<<HEIGHT, 64, (WIDTH + 2 * RADIUS) * sizeof(uchar4)>>>(device, across);
    blur<false><<<WIDTH, 64, (HEIGHT + 2 * RADIUS) * sizeof(uchar4)>>>(across, blurred);
    Picture expected = host_blur(host_blur(picture, 1, 0), 0, 1);
    int wrong = differing(expected, to_host(blurred, n));

    uint8_t *edges = device_zeroes<uint8_t>(n), *medians = device_zeroes<uint8_t>(n);
    edges_and_medians<<<dim3((WIDTH + 15) / 16, (HEIGHT + 7) / 8), dim3(16, 8)>>>(device, edges, medians);
    std::vector<uint8_t> expected_edges(n), expected_medians(n);
    Green at = {picture.data()};
    for (int i = 0; i < n; i++) {
        expected_edges[i] = edge(at, i % WIDTH, i / WIDTH);
        expected_medians[i] = median(at, i % WIDTH, i / WIDTH);
    }
    wrong += differing(expected_edges, to_host(edges, n)) + differing(expected_medians, to_host(medians, n));
    wrong += check_halves(picture, (const unsigned *)device);
    LAUNCHED();
    printf("image_filters: %dx%d, blurred[9][9].y %d\n", WIDTH, HEIGHT, expected[9 * WIDTH + 9].y);
    return verdict("image_filters", wrong);
}
