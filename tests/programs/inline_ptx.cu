// PTX written into the program: carries in a chain, bytes permuted, dot products of bytes, saturation, video instructions'
// plainer cousins, special registers, predicates and labels of its own, loads and stores with cache hints.
#include "arrays.h"

__device__ uint4 add128(uint4 a, uint4 b) {
    uint4 sum;
    asm("add.cc.u32 %0, %4, %8;\n\taddc.cc.u32 %1, %5, %9;\n\taddc.cc.u32 %2, %6, %10;\n\taddc.u32 %3, %7, %11;"
        : "=r"(sum.x), "=r"(sum.y), "=r"(sum.z), "=r"(sum.w)
        : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b.x), "r"(b.y), "r"(b.z), "r"(b.w));
    return sum;
}

__device__ uint4 subtract128(uint4 a, uint4 b) {
    uint4 difference;
    asm("sub.cc.u32 %0, %4, %8;\n\tsubc.cc.u32 %1, %5, %9;\n\tsubc.cc.u32 %2, %6, %10;\n\tsubc.u32 %3, %7, %11;"
        : "=r"(difference.x), "=r"(difference.y), "=r"(difference.z), "=r"(difference.w)
        : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b.x), "r"(b.y), "r"(b.z), "r"(b.w));
    return difference;
}

__global__ void wide(const uint4 *a, const uint4 *b, uint4 *sums, uint4 *differences) {
    sums[threadIdx.x] = add128(a[threadIdx.x], b[threadIdx.x]);
    differences[threadIdx.x] = subtract128(a[threadIdx.x], b[threadIdx.x]);
}

__global__ void words(const unsigned *as, const unsigned *bs, unsigned *results) {
    unsigned a = as[threadIdx.x], b = bs[threadIdx.x], r[14];
    asm("prmt.b32 %0, %1, %2, 0x6240;" : "=r"(r[0]) : "r"(a), "r"(b));
    asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(r[1]) : "r"(a), "r"(b), "r"(1000));
    asm("dp4a.u32.u32 %0, %1, %2, %3;" : "=r"(r[2]) : "r"(a), "r"(b), "r"(1000));
    asm("dp2a.lo.s32.s32 %0, %1, %2, %3;" : "=r"(r[3]) : "r"(a), "r"(b), "r"(7));
    asm("add.sat.s32 %0, %1, %2;" : "=r"(r[4]) : "r"(a), "r"(b));
    asm("sad.u32 %0, %1, %2, %3;" : "=r"(r[5]) : "r"(a), "r"(b), "r"(5));
    asm("lop3.b32 %0, %1, %2, %3, 0x96;" : "=r"(r[6]) : "r"(a), "r"(b), "r"(0x0f0f0f0f));
    asm("bfe.u32 %0, %1, 5, 11;" : "=r"(r[7]) : "r"(a));
    asm("bfi.b32 %0, %1, %2, 9, 6;" : "=r"(r[8]) : "r"(a), "r"(b));
    asm("mul24.lo.u32 %0, %1, %2;" : "=r"(r[9]) : "r"(a), "r"(b));
    asm("{\n\t.reg .pred p, q;\n\tsetp.lt.u32 p|q, %1, %2;\n\t@p mov.u32 %0, 111;\n\t@q mov.u32 %0, 222;\n\t}" : "=r"(r[10]) : "r"(a), "r"(b));
    // The number of halvings until nothing is left, by a loop with a label of its own in each copy.
    asm("{\n\t.reg .pred p;\n\t.reg .u32 left;\n\tmov.u32 left, %1;\n\tmov.u32 %0, 0;\n"
        "LOOP_%=:\n\tsetp.eq.u32 p, left, 0;\n\t@p bra DONE_%=;\n\tshr.u32 left, left, 1;\n\tadd.u32 %0, %0, 1;\n\tbra LOOP_%=;\n"
        "DONE_%=:\n\t}" : "=&r"(r[11]) : "r"(a));
    asm("shf.l.wrap.b32 %0, %1, %2, 13;" : "=r"(r[12]) : "r"(a), "r"(b));
    asm("slct.u32.s32 %0, %1, %2, %3;" : "=r"(r[13]) : "r"(a), "r"(b), "r"((int)(a ^ b)));
    for (int k = 0; k < 14; k++)
        asm volatile("st.global.cs.u32 [%0], %1;" ::"l"(results + threadIdx.x * 14 + k), "r"(r[k]) : "memory");
}

__global__ void places(unsigned *results) {
    unsigned lane, below, warps, size, block;
    asm("mov.u32 %0, %%laneid;" : "=r"(lane));
    asm("mov.u32 %0, %%lanemask_lt;" : "=r"(below));
    asm("mov.u32 %0, %%nwarpid;" : "=r"(warps));
    asm("mov.u32 %0, %%ntid.y;" : "=r"(size));
    asm volatile("mov.u32 %0, %%ctaid.z;" : "=r"(block));
    if (block == 1) results[threadIdx.y * 8 + threadIdx.x] = lane + (below << 5 & 0xff00) + size * 65536 + (warps > 0) * (1 << 30);
}

static std::vector<unsigned> reckoned(unsigned a, unsigned b) {
    auto byte = [](unsigned word, int i) { return word >> (8 * i) & 255; };
    auto half = [](unsigned word, int i) { return (int)(int16_t)(word >> (16 * i)); };
    int dot_signed = 1000, bits = 0;
    unsigned dot = 1000;
    for (int i = 0; i < 4; i++) dot_signed += (int8_t)byte(a, i) * (int8_t)byte(b, i), dot += byte(a, i) * byte(b, i);
    for (unsigned left = a; left; left >>= 1) bits++;
    int64_t sum = (int64_t)(int)a + (int)b;
    uint64_t joined = (uint64_t)b << 32 | a;
    return {byte(a, 0) | byte(b, 0) << 8 | byte(a, 2) << 16 | byte(b, 2) << 24,
            (unsigned)dot_signed,
            dot,
            (unsigned)(7 + half(a, 0) * (int8_t)byte(b, 0) + half(a, 1) * (int8_t)byte(b, 1)),
            (unsigned)(sum > INT32_MAX ? INT32_MAX : sum < INT32_MIN ? INT32_MIN : sum),
            5 + (a > b ? a - b : b - a),
            a ^ b ^ 0x0f0f0f0f,
            a >> 5 & 0x7ff,
            (b & ~(63u << 9)) | (a & 63) << 9,
            (unsigned)((uint64_t)(a & 0xffffff) * (b & 0xffffff)),
            a < b ? 111u : 222u,
            (unsigned)bits,
            (unsigned)(joined << 13 >> 32),
            (int)(a ^ b) >= 0 ? a : b};
}

int main() {
    const int n = 64;
    Random random(25);
    std::vector<uint4> a(n), b(n), sums(n), differences(n);
    auto drawn = [&] { return random.next() % 4 ? random.next() : random.next() % 2 ? ~0u : 0u; };
    for (int i = 0; i < n; i++) {
        a[i] = make_uint4(drawn(), drawn(), drawn(), drawn()), b[i] = make_uint4(drawn(), drawn(), drawn(), drawn());
        unsigned __int128 x, y, sum, difference;
        memcpy(&x, &a[i], 16), memcpy(&y, &b[i], 16);
        sum = x + y, difference = x - y;
        memcpy(&sums[i], &sum, 16), memcpy(&differences[i], &difference, 16);
    }
    uint4 *device_sums = device_zeroes<uint4>(n), *device_differences = device_zeroes<uint4>(n);
    wide<<<1, n>>>(to_device(a), to_device(b), device_sums, device_differences);
    int wrong = differing(sums, to_host(device_sums, n)) + differing(differences, to_host(device_differences, n));

    std::vector<unsigned> as(n), bs(n), expected;
    for (int i = 0; i < n; i++) {
        as[i] = drawn(), bs[i] = drawn();
        std::vector<unsigned> row = reckoned(as[i], bs[i]);
        expected.insert(expected.end(), row.begin(), row.end());
    }
    auto *results = device_zeroes<unsigned>(n * 14);
    words<<<1, n>>>(to_device(as), to_device(bs), results);
    std::vector<unsigned> found = to_host(results, n * 14);
    for (size_t i = 0; i < found.size(); i++) {
        if (found[i] == expected[i]) continue;
        wrong++;
        fprintf(stderr, "instruction %zu: %#x instead of %#x\n", i % 14, found[i], expected[i]);
    }

    auto *seen = device_zeroes<unsigned>(32);
    places<<<dim3(1, 1, 2), dim3(8, 4)>>>(seen);
    std::vector<unsigned> places_expected(32);
    for (unsigned lane = 0; lane < 32; lane++)
        places_expected[lane] = lane + (((1u << lane) - 1) << 5 & 0xff00) + 4 * 65536 + (1 << 30);
    wrong += differing(places_expected, to_host(seen, 32));
    LAUNCHED();
    printf("inline_ptx: %zu results\n", expected.size() + 2 * n + 32);
    return verdict("inline_ptx", wrong);
}
