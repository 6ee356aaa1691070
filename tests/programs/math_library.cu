// CUDA's mathematical functions against the host's in a wider format: how many units in the last place each is off at most, held
// to what NVIDIA's programming guide grants; and values at the edges.
#include "arrays.h"

#include <algorithm>
#include <math.h>

// name, what the device calls it, what the host reckons with a long double, from, to, units granted
#define SINGLE(row)                                                                                                    \
    row(sin, sinf(x), sinl(x), -100, 100, 2) row(cos, cosf(x), cosl(x), -100, 100, 2) row(tan, tanf(x), tanl(x), -50, 50, 4)  \
    row(exp, expf(x), expl(x), -80, 80, 2) row(exp2, exp2f(x), exp2l(x), -120, 120, 2) row(exp10, exp10f(x), powl(10, x), -35, 35, 2) \
    row(expm1, expm1f(x), expm1l(x), -20, 20, 1) row(log, logf(x), logl(x), 1e-30, 1000, 1) row(log2, log2f(x), log2l(x), 1e-30, 1000, 1) \
    row(log10, log10f(x), log10l(x), 1e-30, 1000, 2) row(log1p, log1pf(x), log1pl(x), -0.99, 100, 1)                       \
    row(sqrt, sqrtf(x), sqrtl(x), 0, 1e30, 0) row(rsqrt, rsqrtf(x), 1 / sqrtl(x), 1e-20, 1e20, 2) row(cbrt, cbrtf(x), cbrtl(x), -1e6, 1e6, 1) \
    row(asin, asinf(x), asinl(x), -1, 1, 2) row(acos, acosf(x), acosl(x), -1, 1, 2) row(atan, atanf(x), atanl(x), -100, 100, 2) \
    row(sinh, sinhf(x), sinhl(x), -50, 50, 3) row(cosh, coshf(x), coshl(x), -50, 50, 2) row(tanh, tanhf(x), tanhl(x), -10, 10, 2) \
    row(asinh, asinhf(x), asinhl(x), -1e6, 1e6, 3) row(acosh, acoshf(x), acoshl(x), 1, 1e6, 4) row(atanh, atanhf(x), atanhl(x), -0.999, 0.999, 3) \
    row(erf, erff(x), erfl(x), -5, 5, 2) row(erfc, erfcf(x), erfcl(x), -3, 8, 4) row(tgamma, tgammaf(x), tgammal(x), 0.1, 30, 5) \
    row(lgamma, lgammaf(x), lgammal(x), 3, 1e6, 6) row(pow, powf(fabsf(x) + 0.5f, 2.75f), powl(fabsl(x) + 0.5L, 2.75L), -1, 1e3, 4) \
    row(atan2, atan2f(x, 0.7f), atan2l(x, (long double)0.7f), -50, 50, 3) row(hypot, hypotf(x, 3), hypotl(x, 3), -1e10, 1e10, 3)   \
    row(sinpi, sinpif(x), sinl(x * M_PIl), -1, 1, 1) row(j0, j0f(x), j0l(x), 0, 2, 9) row(normcdf, normcdff(x), erfcl(-x / sqrtl(2)) / 2, -5, 5, 5)

#define DOUBLE(row)                                                                                                    \
    row(sin, sin(x), sinl(x), -1000, 1000, 2) row(cos, cos(x), cosl(x), -1000, 1000, 2) row(tan, tan(x), tanl(x), -100, 100, 2) \
    row(exp, exp(x), expl(x), -700, 700, 1) row(exp2, exp2(x), exp2l(x), -1000, 1000, 1) row(expm1, expm1(x), expm1l(x), -20, 20, 1) \
    row(log, log(x), logl(x), 1e-300, 1e10, 1) row(log2, log2(x), log2l(x), 1e-300, 1e10, 1) row(log10, log10(x), log10l(x), 1e-300, 1e10, 1) \
    row(log1p, log1p(x), log1pl(x), -0.99, 1e3, 1) row(sqrt, sqrt(x), sqrtl(x), 0, 1e300, 0) row(rsqrt, rsqrt(x), 1 / sqrtl(x), 1e-200, 1e200, 1) \
    row(cbrt, cbrt(x), cbrtl(x), -1e6, 1e6, 1) row(asin, asin(x), asinl(x), -1, 1, 2) row(acos, acos(x), acosl(x), -1, 1, 2) \
    row(atan, atan(x), atanl(x), -100, 100, 2) row(sinh, sinh(x), sinhl(x), -500, 500, 2) row(cosh, cosh(x), coshl(x), -500, 500, 1) \
    row(tanh, tanh(x), tanhl(x), -20, 20, 1) row(asinh, asinh(x), asinhl(x), -1e6, 1e6, 3) row(acosh, acosh(x), acoshl(x), 1, 1e6, 3) \
    row(atanh, atanh(x), atanhl(x), -0.999, 0.999, 2) row(erf, erf(x), erfl(x), -6, 6, 2) row(erfc, erfc(x), erfcl(x), -3, 26, 5) \
    row(tgamma, tgamma(x), tgammal(x), 0.1, 150, 10) row(lgamma, lgamma(x), lgammal(x), 3, 1e8, 4)                           \
    row(pow, pow(fabs(x) + 0.5, 2.75), powl(fabsl(x) + 0.5L, 2.75L), -1, 1e6, 2) row(atan2, atan2(x, 0.7), atan2l(x, (long double)0.7), -50, 50, 2) \
    row(hypot, hypot(x, 3.0), hypotl(x, 3), -1e10, 1e10, 2) row(division, x / 3.7, x / (long double)3.7, -1e100, 1e100, 0)

const int N = 512;

#define DEFINE(T, name, device, host, from, to, granted)                                                               \
    __global__ void name##_of_##T(T *values) {                                                                         \
        int i = blockIdx.x * blockDim.x + threadIdx.x;                                                                 \
        T x = values[i];                                                                                               \
        values[i] = device;                                                                                            \
    }                                                                                                                  \
    static long double host_##name##_of_##T(long double x) { return host; }
#define DEFINE_SINGLE(...) DEFINE(float, __VA_ARGS__)
#define DEFINE_DOUBLE(...) DEFINE(double, __VA_ARGS__)
SINGLE(DEFINE_SINGLE)
DOUBLE(DEFINE_DOUBLE)

// Distance in units in the last place of T at what is right.
template <class T> static double units(T found, long double right) {
    if (isnan((long double)found) || isnan(right)) return isnan((long double)found) && isnan(right) ? 0 : INFINITY;
    T nearest = (T)right;
    if (found == nearest) return 0;
    long double unit = nextafter(fabs(nearest), (T)INFINITY) - (long double)fabs(nearest);
    return (double)(fabsl(found - right) / unit);
}

template <class T>
static int check(const char *name, void (*kernel)(T *), long double (*host)(long double), double from, double to, double granted) {
    Random random(31);
    std::vector<T> values(N);
    bool wide = from > 0 && to / from > 1e6; // evenly by exponent
    for (T &value : values) {
        double at = (random.next() + 0.5) / 4294967296.0;
        value = (T)(wide ? from * pow(to / from, at) : from + (to - from) * at);
    }
    T *device = to_device(values);
    kernel<<<N / 128, 128>>>(device);
    std::vector<T> found = to_host(device, N);
    CHECK(cudaFree(device));
    double most = 0;
    for (int i = 0; i < N; i++) most = std::max(most, units(found[i], host(values[i])));
    // A result that is rounded as it should be is half a unit off; the guide speaks of whole ones beyond that.
    bool fits = most <= granted + 0.5;
    if (!fits || getenv("SHOW")) fprintf(stderr, "%s%s: %.2f units, %g granted\n", name, sizeof(T) == 4 ? "f" : "", most, granted);
    return !fits;
}

__global__ void edges(float *f, double *d) {
    float zero = f[0], inf = 1 / zero;
    f[1] = expf(inf), f[2] = expf(-inf), f[3] = logf(zero), f[4] = logf(-1 + zero), f[5] = sqrtf(-1 + zero), f[6] = powf(zero, 0);
    f[7] = atan2f(zero, -1), f[8] = fmodf(5.5f + zero, 2), f[9] = remainderf(5.5f + zero, 2), f[10] = tgammaf(zero), f[11] = sinf(inf);
    f[12] = nextafterf(1 + zero, 2), f[13] = ldexpf(1 + zero, -149), f[14] = rintf(2.5f + zero), f[15] = roundf(2.5f + zero);
    d[0] = fmod(1e300 + zero, 3.0), d[1] = cos(1e22 + zero), d[2] = ldexp(1.0 + zero, 1023), d[3] = logb(1e-310 + zero), d[4] = fdim(3.0 + zero, 5.0);
    d[5] = scalbn(3.0 + zero, 4), d[6] = nearbyint(-0.5 + zero), d[7] = erfc(30.0 + zero), d[8] = sin(1e15 + zero), d[9] = pow(-8 + zero, 3.0);
}

static int check_edges() {
    float *f = device_zeroes<float>(16);
    double *d = device_zeroes<double>(10);
    edges<<<1, 1>>>(f, d);
    std::vector<float> singles = to_host(f, 16);
    std::vector<double> doubles = to_host(d, 10);
    float expected[] = {0, INFINITY, 0, -INFINITY, NAN, NAN, 1, (float)M_PI, 1.5f, -0.5f, INFINITY, NAN, 1.00000012f, 1.4e-45f, 2, 3};
    double expected_doubles[] = {fmod(1e300, 3), cos(1e22), ldexp(1, 1023), logb(1e-310), 0, 48, -0.0, erfc(30.0), sin(1e15), -512};
    int wrong = 0;
    for (int i = 0; i < 16; i++) {
        bool same = singles[i] == expected[i] || (isnan(singles[i]) && isnan(expected[i]));
        if (!same) fprintf(stderr, "edge %d: %g, not %g\n", i, singles[i], expected[i]), wrong++;
    }
    for (int i = 0; i < 10; i++) {
        if (units(doubles[i], expected_doubles[i]) <= 2) continue;
        fprintf(stderr, "edge %d of the doubles: %.17g, not %.17g\n", i, doubles[i], expected_doubles[i]), wrong++;
    }
    return wrong;
}

int main() {
    int wrong = 0, functions = 0;
#define CALL(T, name, device, host, from, to, granted)                                                                 \
    wrong += check<T>(#name, name##_of_##T, host_##name##_of_##T, from, to, granted), functions++;
#define CALL_SINGLE(...) CALL(float, __VA_ARGS__)
#define CALL_DOUBLE(...) CALL(double, __VA_ARGS__)
    SINGLE(CALL_SINGLE)
    DOUBLE(CALL_DOUBLE)
    int wrong_edges = check_edges();
    LAUNCHED();
    printf("math_library: %d functions, %d beyond what is granted, %d edges wrong\n", functions, wrong, wrong_edges);
    return verdict("math_library", wrong + wrong_edges);
}
