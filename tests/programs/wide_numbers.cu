// 64-bit integers and doubles: products' upper halves, quotients, shifts at and beyond the width, bits counted and reversed,
// conversions with each rounding, 128 bits, and sums that a float could not hold.
#include "arrays.h"

#include <limits.h>
#include <math.h>

struct Row {
    int64_t signed_[12];
    uint64_t unsigned_[14];
    double doubles[14];
};

__global__ void reckon(const int64_t *as, const int64_t *bs, const double *xs, const double *ys, Row *rows) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    int64_t a = as[i], b = bs[i];
    uint64_t ua = a, ub = b;
    double x = xs[i], y = ys[i];
    Row &row = rows[i];
    int64_t s[] = {(int64_t)(ua + ub), (int64_t)(ua - ub), (int64_t)(ua * ub), __mul64hi(a, b), a / b, a % b,
                   a >> (b & 63), min(a, b), max(a, b), (int64_t)llabs(a | 1), __clzll(a), __popcll(a)};
    uint64_t u[] = {__umul64hi(ua, ub), ua / ub, ua % ub, ua << (ub & 63), ua >> (ub & 63), __brevll(ua),
                    (uint64_t)__ffsll(a), ua & ub, ua | ub, ua ^ ub, ~ua, __umulhi((unsigned)ua, (unsigned)ub),
                    (uint64_t)((unsigned __int128)ua * ub >> 32), (uint64_t)(((unsigned __int128)ua << 64 | ub) / 1000003)};
    double d[] = {x + y, x - y, x * y, x / y, fma(x, y, x), sqrt(fabs(x)), floor(x), trunc(y), rint(x), fmin(x, y),
                  fmax(x, y), (double)a, (double)ub, copysign(x, y)};
    for (int k = 0; k < 12; k++) row.signed_[k] = s[k];
    for (int k = 0; k < 14; k++) row.unsigned_[k] = u[k];
    for (int k = 0; k < 14; k++) row.doubles[k] = d[k];
}

static uint64_t reversed(uint64_t value) {
    uint64_t result = 0;
    for (int bit = 0; bit < 64; bit++) result |= (value >> bit & 1) << (63 - bit);
    return result;
}

// volatile keeps the host's compiler from joining a product and a sum.
static Row host(int64_t a, int64_t b, double x, double y) {
    uint64_t ua = a, ub = b;
    volatile double product = x * y;
    return {{(int64_t)(ua + ub), (int64_t)(ua - ub), (int64_t)(ua * ub), (int64_t)((__int128)a * b >> 64), a / b, a % b,
             a >> (b & 63), std::min(a, b), std::max(a, b), llabs(a | 1), a ? __builtin_clzll(a) : 64, __builtin_popcountll(a)},
            {(uint64_t)((unsigned __int128)ua * ub >> 64), ua / ub, ua % ub, ua << (ub & 63), ua >> (ub & 63), reversed(ua),
             (uint64_t)__builtin_ffsll(a), ua & ub, ua | ub, ua ^ ub, ~ua, (uint64_t)(uint32_t)ua * (uint32_t)ub >> 32,
             (uint64_t)((unsigned __int128)ua * ub >> 32), (uint64_t)(((unsigned __int128)ua << 64 | ub) / 1000003)},
            {x + y, x - y, product, x / y, fma(x, y, x), sqrt(fabs(x)), floor(x), trunc(y), rint(x), fmin(x, y), fmax(x, y),
             (double)a, (double)ub, copysign(x, y)}};
}

__global__ void convert(const double *values, int64_t *found) {
    double x = values[threadIdx.x];
    int64_t row[] = {__double2ll_rn(x), __double2ll_rd(x), __double2ll_ru(x), __double2ll_rz(x), __double2int_rn(x),
                     __double2int_rd(x), __double2int_ru(x), __double2int_rz(x), (int64_t)__double2uint_rz(x),
                     (int64_t)__double2ull_rz(x), __double_as_longlong(x), __double2hiint(x), __double2loint(x)};
    for (int k = 0; k < 13; k++) found[13 * threadIdx.x + k] = row[k];
}

static int64_t held(double value, double least, double most) { return value < least ? least : value > most ? most : value; }

static int conversions() {
    std::vector<double> values = {0.5, -0.5, 1.5, 2.5, -2.5, 1e10 + 0.25, -1e10 - 0.75, 123456.999, 4e9, -4e9, 1e15 + 0.5};
    std::vector<int64_t> expected;
    for (double x : values) {
        int64_t bits;
        memcpy(&bits, &x, 8);
        double ways[] = {rint(x), floor(x), ceil(x), trunc(x)};
        for (double way : ways) expected.push_back(way);
        for (double way : ways) expected.push_back(held(way, INT_MIN, INT_MAX));
        expected.push_back(held(trunc(x), 0, UINT_MAX));
        expected.push_back(held(trunc(x), 0, 1.8e19));
        expected.push_back(bits);
        expected.push_back(bits >> 32);
        expected.push_back((int32_t)bits);
    }
    auto *found = device_zeroes<int64_t>(expected.size());
    convert<<<1, values.size()>>>(to_device(values), found);
    return differing(expected, to_host(found, expected.size()));
}

int main() {
    Random random(12);
    std::vector<int64_t> as, bs;
    std::vector<double> xs, ys;
    const int64_t edges[] = {0, 1, -1, 2, 63, 64, INT64_MAX, INT64_MIN + 1, 0xffffffff, 0x100000000, -0x100000000};
    for (int64_t a : edges)
        for (int64_t b : edges)
            if (b != 0) as.push_back(a), bs.push_back(b);
    while (as.size() % 64 || as.size() < 512) {
        as.push_back((uint64_t)random.next() << 32 | random.next());
        bs.push_back((int64_t)((uint64_t)random.next() << 32 | random.next() | 1) >> random.next() % 60);
    }
    for (size_t i = 0; i < as.size(); i++) {
        bs[i] += bs[i] == 0;
        xs.push_back(ldexp(random.next() * 4294967296.0 + random.next(), (int)(random.next() % 100) - 90));
        ys.push_back(ldexp(random.next() - 2147483648.5, (int)(random.next() % 60) - 50));
    }
    Row *rows = device_zeroes<Row>(as.size());
    reckon<<<as.size() / 64, 64>>>(to_device(as), to_device(bs), to_device(xs), to_device(ys), rows);
    LAUNCHED();
    std::vector<Row> found = to_host(rows, as.size());
    int wrong = 0;
    for (size_t i = 0; i < as.size(); i++) {
        Row expected = host(as[i], bs[i], xs[i], ys[i]);
        if (memcmp(&expected, &found[i], sizeof(Row)) == 0) continue;
        wrong++;
        for (size_t k = 0; k < sizeof(Row) / 8; k++)
            if (memcmp((char *)&expected + 8 * k, (char *)&found[i] + 8 * k, 8))
                fprintf(stderr, "row %zu, result %zu\n", i, k);
    }
    int conversions_wrong = conversions();
    printf("wide_numbers: %zu pairs, wrong=%d, conversions wrong=%d\n", as.size(), wrong, conversions_wrong);
    return verdict("wide_numbers", wrong + conversions_wrong);
}
