// Fast Fourier transforms in the order of Stockham: many of 256 points in shared memory, one of 2048 through global memory.
// Held to the definition in double precision, to Parseval's sum, and to the inverse.
#include "arrays.h"

#include <algorithm>
#include <math.h>

const int SMALL = 256, LARGE = 2048;

__host__ __device__ float2 times(float2 a, float2 b) { return make_float2(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x); }

__device__ void butterfly(const float2 *from, float2 *to, int i, int half, int n, float sign) {
    int k = i % half;
    float sine, cosine;
    sincospif(sign * k / half, &sine, &cosine);
    float2 a = from[i], b = times(from[i + n / 2], make_float2(cosine, sine));
    int at = 2 * (i - k) + k;
    to[at] = make_float2(a.x + b.x, a.y + b.y);
    to[at + half] = make_float2(a.x - b.x, a.y - b.y);
}

__global__ void small(float2 *points) {
    __shared__ float2 rows[2][SMALL];
    float2 *mine = points + blockIdx.x * SMALL;
    rows[0][threadIdx.x] = mine[threadIdx.x];
    rows[0][threadIdx.x + SMALL / 2] = mine[threadIdx.x + SMALL / 2];
    int from = 0;
    for (int half = 1; half < SMALL; half *= 2, from ^= 1) {
        __syncthreads();
        butterfly(rows[from], rows[from ^ 1], threadIdx.x, half, SMALL, -1);
    }
    __syncthreads();
    mine[threadIdx.x] = rows[from][threadIdx.x];
    mine[threadIdx.x + SMALL / 2] = rows[from][threadIdx.x + SMALL / 2];
}

__global__ void pass(const float2 *from, float2 *to, int half, int n, float sign) {
    butterfly(from, to, blockIdx.x * blockDim.x + threadIdx.x, half, n, sign);
}

static float2 *large(float2 *from, float2 *to, float sign) {
    for (int half = 1; half < LARGE; half *= 2, std::swap(from, to)) pass<<<LARGE / 256, 128>>>(from, to, half, LARGE, sign);
    return from;
}

// The furthest that the transform is from its definition, against its largest value; every `every`-th value is looked at.
static double furthest(const float2 *points, const float2 *found, int n, int every) {
    double most = 0, largest = 0;
    for (int k = 0; k < n; k += every) {
        double x = 0, y = 0;
        for (int i = 0; i < n; i++) {
            double angle = -2 * M_PI * ((long)i * k % n) / n;
            x += points[i].x * cos(angle) - points[i].y * sin(angle);
            y += points[i].x * sin(angle) + points[i].y * cos(angle);
        }
        most = std::max({most, fabs(x - found[k].x), fabs(y - found[k].y)});
        largest = std::max({largest, fabs(x), fabs(y)});
    }
    return most / largest;
}

int main() {
    const int transforms = 9;
    Random random(10);
    std::vector<float2> points(LARGE), many(transforms * SMALL);
    for (float2 &point : points) point = make_float2(random.unit() - 0.5f, random.unit() - 0.5f);
    for (float2 &point : many) point = make_float2(random.unit() - 0.5f, random.unit() - 0.5f);

    float2 *device_many = to_device(many);
    small<<<transforms, SMALL / 2>>>(device_many);
    std::vector<float2> many_found = to_host(device_many, many.size());
    int wrong = 0;
    for (int i = 0; i < transforms; i++) wrong += !(furthest(&many[i * SMALL], &many_found[i * SMALL], SMALL, 5) < 1e-6);

    float2 *a = to_device(points), *b = device_zeroes<float2>(LARGE);
    float2 *spectrum = large(a, b, -1);
    std::vector<float2> found = to_host(spectrum, LARGE);
    wrong += !(furthest(points.data(), found.data(), LARGE, 31) < 1e-6);
    double before = 0, after = 0, apart = 0;
    std::vector<float2> back = to_host(large(spectrum, spectrum == a ? b : a, 1), LARGE);
    for (int i = 0; i < LARGE; i++) {
        before += (double)points[i].x * points[i].x + (double)points[i].y * points[i].y;
        after += ((double)found[i].x * found[i].x + (double)found[i].y * found[i].y) / LARGE;
        apart = std::max({apart, (double)fabsf(back[i].x / LARGE - points[i].x), (double)fabsf(back[i].y / LARGE - points[i].y)});
    }
    LAUNCHED();
    wrong += !(fabs(before - after) < 1e-6 * before) + !(apart < 1e-6);
    printf("fft: %d of %d points, 1 of %d and back\n", transforms, SMALL, LARGE);
    return verdict("fft", wrong);
}
