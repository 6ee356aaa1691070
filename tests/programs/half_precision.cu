// Half precision and bfloat16: every 16-bit pattern to float and back, floats rounded in each direction, and arithmetic; held to
// the same headers' functions on the host and to rounding written out here.
#include "arrays.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <math.h>

const int PATTERNS = 1 << 16;

__global__ void widen(float *halves, float *bfloats) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    halves[i] = __half2float(__ushort_as_half(i));
    bfloats[i] = __bfloat162float(__ushort_as_bfloat16(i));
}

__global__ void narrow(const float *values, ushort4 *halves, unsigned short *bfloats, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    halves[i] = make_ushort4(__half_as_ushort(__float2half_rn(values[i])), __half_as_ushort(__float2half_rz(values[i])),
                             __half_as_ushort(__float2half_ru(values[i])), __half_as_ushort(__float2half_rd(values[i])));
    bfloats[i] = __bfloat16_as_ushort(__float2bfloat16_rn(values[i]));
}

__global__ void reckon(const __half2 *a, const __half2 *b, __half2 *found, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    found[5 * i] = __hadd2_rn(a[i], b[i]);
    found[5 * i + 1] = __hmul2_rn(a[i], b[i]);
    found[5 * i + 2] = __hfma2(a[i], b[i], a[i]);
    found[5 * i + 3] = __halves2half2(__hmax(__low2half(a[i]), __low2half(b[i])), __hneg(__high2half(a[i])));
    found[5 * i + 4] = __hlt2(a[i], b[i]);
}

static double value_of(uint16_t bits) {
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double size = exponent == 31 ? (fraction ? NAN : INFINITY)
                  : exponent     ? ldexp(1024 + fraction, exponent - 25)
                                 : ldexp(fraction, -24);
    return bits >> 15 ? -size : size;
}

// The half nearest to a finite number, ties to even, found by looking.
static uint16_t nearest(double value) {
    uint16_t sign = signbit(value) ? 0x8000 : 0, low = 0, high = 0x7c00;
    double size = fabs(value);
    while (high - low > 1) {
        uint16_t middle = (low + high) / 2;
        (value_of(middle) <= size ? low : high) = middle;
    }
    // Infinity rounds as if the next larger number were there.
    double above = high == 0x7c00 ? 65536 : value_of(high), below = value_of(low);
    bool up = size - below > above - size || (size - below == above - size && low & 1);
    return sign | (up ? high : low);
}

static bool same_half(uint16_t a, uint16_t b) { return a == b || (isnan(value_of(a)) && isnan(value_of(b))); }

static int conversions() {
    float *halves = device_zeroes<float>(PATTERNS), *bfloats = device_zeroes<float>(PATTERNS);
    widen<<<PATTERNS / 256, 256>>>(halves, bfloats);
    std::vector<float> wide = to_host(halves, PATTERNS), wide_bfloats = to_host(bfloats, PATTERNS);
    int wrong = 0;
    for (unsigned i = 0; i < PATTERNS; i++) {
        uint32_t bits = i << 16;
        float bfloat;
        memcpy(&bfloat, &bits, 4);
        double half = value_of(i);
        wrong += isnan(half) ? !isnan(wide[i]) : wide[i] != half || signbit(wide[i]) != signbit(half);
        wrong += isnan(bfloat) ? !isnan(wide_bfloats[i]) : memcmp(&bfloat, &wide_bfloats[i], 4) != 0;
    }

    Random random(13);
    std::vector<float> values = {0.0f, -0.0f, 65504, 65519.996f, 65520, 1e9f, -1e-9f, 6e-8f, 2.9802322e-8f, 3e-8f, 1 + 1 / 2048.0f};
    while (values.size() < 6000) values.push_back(ldexpf((int)random.next(), (int)(random.next() % 50) - 62));
    int n = values.size();
    ushort4 *narrowed = device_zeroes<ushort4>(n);
    auto *narrowed_bfloats = device_zeroes<unsigned short>(n);
    narrow<<<(n + 127) / 128, 128>>>(to_device(values), narrowed, narrowed_bfloats, n);
    std::vector<ushort4> found = to_host(narrowed, n);
    std::vector<unsigned short> found_bfloats = to_host(narrowed_bfloats, n);
    for (int i = 0; i < n; i++) {
        double value = values[i];
        wrong += found[i].x != nearest(value);
        wrong += fabs(value_of(found[i].y)) > fabs(value) || fabs(value_of(found[i].y + 1)) <= fabs(value);
        wrong += value_of(found[i].z) < value || value_of(found[i].w) > value;
        uint32_t bits;
        memcpy(&bits, &values[i], 4);
        wrong += found_bfloats[i] != (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }
    return wrong;
}

static int arithmetic() {
    const int n = 4000;
    Random random(14);
    std::vector<__half2> as(n), bs(n);
    auto drawn = [&] { return __ushort_as_half(random.next() % 0x7800 | random.next() % 2 << 15); };
    for (int i = 0; i < n; i++) as[i] = __halves2half2(drawn(), drawn()), bs[i] = __halves2half2(drawn(), drawn());
    __half2 *device = device_zeroes<__half2>(5 * n);
    reckon<<<(n + 63) / 64, 64>>>(to_device(as), to_device(bs), device, n);
    std::vector<__half2> found = to_host(device, 5 * n);
    int wrong = 0;
    for (int i = 0; i < n; i++) {
        for (int part = 0; part < 2; part++) {
            auto bits = [&](const __half2 &pair) { return __half_as_ushort(part ? __high2half(pair) : __low2half(pair)); };
            double a = value_of(bits(as[i])), b = value_of(bits(bs[i]));
            // Sums and products of halves are exact in a double; so is the product plus a, but for numbers far apart.
            wrong += !same_half(bits(found[5 * i]), nearest(a + b));
            wrong += !same_half(bits(found[5 * i + 1]), nearest(a * b));
            wrong += !same_half(bits(found[5 * i + 2]), nearest(a * b + a));
            wrong += bits(found[5 * i + 3]) != (part ? bits(as[i]) ^ 0x8000 : a > b ? bits(as[i]) : bits(bs[i]));
            wrong += bits(found[5 * i + 4]) != (a < b ? 0x3c00 : 0);
        }
    }
    return wrong;
}

int main() {
    int converted = conversions(), reckoned = arithmetic();
    LAUNCHED();
    printf("half_precision: %d patterns, conversions wrong=%d, arithmetic wrong=%d\n", PATTERNS, converted, reckoned);
    return verdict("half_precision", converted + reckoned);
}
