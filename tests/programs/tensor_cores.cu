// Products of matrices by whole warps: CUDA's wmma, and the instructions below it, with registers laid out as PTX says; each against
// the same product on the CPU. Inputs are small whole numbers, so that every sum is exact whatever its order.
// nvcc: -gencode arch=compute_86,code=compute_86
#include "arrays.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <mma.h>

using namespace nvcuda;

// Numbers from -4 to 3, none of them special to its row or column.
__host__ __device__ static int number(int row, int column, int salt) {
    return (row * 7 + column * 13 + salt * 5 + row * column) % 8 - 4;
}

template <class T> __device__ T as(int value) { return T(value); }
template <> __device__ half as<half>(int value) { return __int2half_rn(value); }
template <> __device__ __nv_bfloat16 as<__nv_bfloat16>(int value) { return __int2bfloat16_rn(value); }
template <> __device__ unsigned char as<unsigned char>(int value) { return (unsigned char)(value + 4); }

template <class T> __device__ double back(T value) { return double(value); }
template <> __device__ double back<half>(half value) { return __half2float(value); }

// What is in memory where a fragment says something else.
template <class T> struct Stored { using type = T; };
template <> struct Stored<wmma::precision::tf32> { using type = float; };

template <class T, class Sum, int M, int N, int K, class LayoutA, class LayoutB>
__global__ void wmma_product(double *result) {
    using In = typename Stored<T>::type;
    __shared__ In a[M * K], b[K * N];
    __shared__ Sum c[M * N];
    bool a_rows = std::is_same<LayoutA, wmma::row_major>::value, b_rows = std::is_same<LayoutB, wmma::row_major>::value;
    for (int at = threadIdx.x; at < M * K; at += 32) {
        int row = at / K, column = at % K;
        a[a_rows ? at : column * M + row] = as<In>(number(row, column, 1));
    }
    for (int at = threadIdx.x; at < K * N; at += 32) {
        int row = at / N, column = at % N;
        b[b_rows ? at : column * K + row] = as<In>(number(row, column, 2));
    }
    for (int at = threadIdx.x; at < M * N; at += 32) c[at] = as<Sum>(number(at / N, at % N, 3));
    __syncwarp();
    wmma::fragment<wmma::matrix_a, M, N, K, T, LayoutA> left;
    wmma::fragment<wmma::matrix_b, M, N, K, T, LayoutB> right;
    wmma::fragment<wmma::accumulator, M, N, K, Sum> sum;
    wmma::load_matrix_sync(left, a, a_rows ? K : M);
    wmma::load_matrix_sync(right, b, b_rows ? N : K);
    wmma::load_matrix_sync(sum, c, N, wmma::mem_row_major);
    wmma::mma_sync(sum, left, right, sum);
    // Whatever is done to each element alike is done to the matrix.
    for (int i = 0; i < sum.num_elements; i++) sum.x[i] = sum.x[i] + sum.x[i];
    __syncwarp();
    wmma::store_matrix_sync(c, sum, M, wmma::mem_col_major);
    __syncwarp();
    for (int at = threadIdx.x; at < M * N; at += 32) result[at] = back<Sum>(c[at % N * M + at / N]);
}

static double *device, host[64 * 64];

// The offset is what unsigned numbers were moved by.
static void expect(const char *name, int m, int n, int k, int offset, int times, bool added = true) {
    CHECK(cudaDeviceSynchronize());
    CHECK(cudaMemcpy(host, device, sizeof(double) * m * n, cudaMemcpyDeviceToHost));
    int wrong = 0;
    double all = 0;
    for (int row = 0; row < m; row++)
        for (int column = 0; column < n; column++) {
            long sum = added ? number(row, column, 3) : 0;
            for (int inner = 0; inner < k; inner++)
                sum += long(number(row, inner, 1) + offset) * (number(inner, column, 2) + offset);
            wrong += host[row * n + column] != double(sum * times);
            all += host[row * n + column] * (row + 2 * column + 1);
        }
    printf("%-28s m%dn%dk%d: %s, %.0f\n", name, m, n, k, wrong ? "WRONG" : "right", all);
    if (wrong) exit(1);
}

#define WMMA(T, Sum, M, N, K, A, B, offset)                                                                            \
    wmma_product<T, Sum, M, N, K, wmma::A##_major, wmma::B##_major><<<1, 32>>>(device);                                \
    expect("wmma " #T " " #A " " #B, M, N, K, offset, 2)

// A lane's part of a matrix, `Bits` a number: `E` numbers side by side from (row, column) on.
template <int Bits> __device__ unsigned packed(int row, int column, int salt, bool turned, int offset = 0) {
    unsigned word = 0;
    for (int i = 0; i < 32 / Bits; i++) {
        int value = turned ? number(column + i, row, salt) : number(row, column + i, salt);
        unsigned bits = unsigned(value + offset);
        if (Bits == 1) bits = value > 0;
        if (Bits == 16) bits = __half_as_ushort(__int2half_rn(value + offset));
        if (Bits == 32) bits = __float_as_uint(float(value + offset));
        word |= (Bits == 32 ? bits : bits & ((1u << (Bits & 31)) - 1)) << (i * Bits & 31);
    }
    return word;
}

// Registers of m16n8k? as PTX says: groups of four lanes have a row each, of A two.
template <int Bits> struct Lane {
    static const int E = 32 / Bits;
    unsigned a[4], b[2];
    __device__ Lane(int offset = 0) {
        int group = threadIdx.x >> 2, within = threadIdx.x & 3;
        for (int r = 0; r < 4; r++)
            a[r] = packed<Bits>(group + 8 * (r & 1), within * E + (r >> 1) * 4 * E, 1, false, offset);
        for (int r = 0; r < 2; r++) b[r] = packed<Bits>(group, within * E + r * 4 * E, 2, true, offset);
    }
};

__device__ static int c_row(int i) { return (threadIdx.x >> 2) + 8 * (i >> 1); }
__device__ static int c_column(int i) { return (threadIdx.x & 3) * 2 + (i & 1); }

#define A4 "r"(l.a[0]), "r"(l.a[1]), "r"(l.a[2]), "r"(l.a[3])
#define FLOATS(name, Bits, shape, types)                                                                               \
    __global__ void name(double *result) {                                                                             \
        Lane<Bits> l;                                                                                                  \
        float d[4], c[4];                                                                                              \
        for (int i = 0; i < 4; i++) c[i] = number(c_row(i), c_column(i), 3);                                           \
        asm volatile("mma.sync.aligned." shape ".row.col." types " {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%10,%11,%12,%13};" \
                     : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])                                                  \
                     : A4, "r"(l.b[0]), "r"(l.b[1]), "f"(c[0]), "f"(c[1]), "f"(c[2]), "f"(c[3]));                      \
        for (int i = 0; i < 4; i++) result[c_row(i) * 8 + c_column(i)] = d[i];                                         \
    }
#define WHOLES(name, Bits, shape, types, offset)                                                                       \
    __global__ void name(double *result) {                                                                             \
        Lane<Bits> l(offset);                                                                                          \
        int d[4], c[4];                                                                                                \
        for (int i = 0; i < 4; i++) c[i] = number(c_row(i), c_column(i), 3);                                           \
        asm volatile("mma.sync.aligned." shape ".row.col." types " {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%10,%11,%12,%13};" \
                     : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])                                                  \
                     : A4, "r"(l.b[0]), "r"(l.b[1]), "r"(c[0]), "r"(c[1]), "r"(c[2]), "r"(c[3]));                      \
        for (int i = 0; i < 4; i++) result[c_row(i) * 8 + c_column(i)] = d[i];                                         \
    }
FLOATS(mma_half, 16, "m16n8k16", "f32.f16.f16.f32")
FLOATS(mma_tf32, 32, "m16n8k8", "f32.tf32.tf32.f32")
WHOLES(mma_s8, 8, "m16n8k32", "satfinite.s32.s8.s8.s32", 0)
WHOLES(mma_u8, 8, "m16n8k32", "s32.u8.u8.s32", 4)
WHOLES(mma_s4, 4, "m16n8k64", "s32.s4.s4.s32", 0)
WHOLES(mma_xor, 1, "m16n8k256", "s32.b1.b1.s32.xor.popc", 0)
WHOLES(mma_and, 1, "m16n8k256", "s32.b1.b1.s32.and.popc", 0)

__global__ void mma_double(double *result) {
    int group = threadIdx.x >> 2, within = threadIdx.x & 3;
    double a = number(group, within, 1), b = number(within, group, 2), d[2], c[2];
    for (int i = 0; i < 2; i++) c[i] = number(group, within * 2 + i, 3);
    asm volatile("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0,%1}, {%2}, {%3}, {%4,%5};"
                 : "=d"(d[0]), "=d"(d[1])
                 : "d"(a), "d"(b), "d"(c[0]), "d"(c[1]));
    for (int i = 0; i < 2; i++) result[group * 8 + within * 2 + i] = d[i];
}

// The way in which libraries feed `mma`: rows of shared memory, one of the matrices turned on its way.
__global__ void from_shared(double *result) {
    __shared__ __align__(16) half a[16][16], b[16][8];
    for (int at = threadIdx.x; at < 256; at += 32) a[at / 16][at % 16] = __int2half_rn(number(at / 16, at % 16, 1));
    for (int at = threadIdx.x; at < 128; at += 32) b[at / 8][at % 8] = __int2half_rn(number(at / 8, at % 8, 2));
    __syncwarp();
    unsigned l[4], r[2];
    unsigned left = __cvta_generic_to_shared(&a[threadIdx.x % 16][threadIdx.x / 16 * 8]);
    unsigned right = __cvta_generic_to_shared(&b[threadIdx.x % 16][0]);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(l[0]), "=r"(l[1]), "=r"(l[2]), "=r"(l[3])
                 : "r"(left));
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(right));
    // Turned twice it is what it was.
    asm volatile("{.reg .b32 t;\n movmatrix.sync.aligned.m8n8.trans.b16 t, %0;\n movmatrix.sync.aligned.m8n8.trans.b16 %0, t;}" : "+r"(l[0]));
    unsigned d[2], zero = 0;
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%0,%1}, {%2,%3,%4,%5}, {%6,%7}, {%8,%8};"
                 : "=r"(d[0]), "=r"(d[1])
                 : "r"(l[0]), "r"(l[1]), "r"(l[2]), "r"(l[3]), "r"(r[0]), "r"(r[1]), "r"(zero));
    for (int i = 0; i < 4; i++) {
        unsigned short bits = d[i >> 1] >> (i & 1) * 16;
        result[c_row(i) * 8 + c_column(i)] = __half2float(__ushort_as_half(bits));
    }
}

// One bit a number: what is expected is counted, not multiplied.
static void expect_bits(const char *name, bool differing) {
    CHECK(cudaDeviceSynchronize());
    CHECK(cudaMemcpy(host, device, sizeof(double) * 16 * 8, cudaMemcpyDeviceToHost));
    int wrong = 0;
    for (int row = 0; row < 16; row++)
        for (int column = 0; column < 8; column++) {
            int sum = number(row, column, 3);
            for (int inner = 0; inner < 256; inner++) {
                bool x = number(row, inner, 1) > 0, y = number(inner, column, 2) > 0;
                sum += differing ? x != y : x && y;
            }
            wrong += host[row * 8 + column] != sum;
        }
    printf("%-28s m16n8k256: %s\n", name, wrong ? "WRONG" : "right");
    if (wrong) exit(1);
}

// Sums in single precision of numbers that are not whole: within the units that the order of additions may cost.
__global__ void fractions(float *a, float *b, float *sums) {
    __shared__ half left[256], right[256];
    for (int at = threadIdx.x; at < 256; at += 32) left[at] = __float2half(a[at]), right[at] = __float2half(b[at]);
    __syncwarp();
    wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major> l;
    wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::row_major> r;
    wmma::fragment<wmma::accumulator, 16, 16, 16, float> sum;
    wmma::fill_fragment(sum, 0.0f);
    wmma::load_matrix_sync(l, left, 16);
    wmma::load_matrix_sync(r, right, 16);
    wmma::mma_sync(sum, l, r, sum);
    wmma::store_matrix_sync(sums, sum, 16, wmma::mem_row_major);
}

static void fractional() {
    float *memory, a[256], b[256], sums[256];
    CHECK(cudaMalloc(&memory, sizeof a * 3));
    for (int i = 0; i < 256; i++) {
        a[i] = __half2float(__float2half(1.0f / (i + 3)));
        b[i] = __half2float(__float2half(0.7f - i / 300.0f));
    }
    CHECK(cudaMemcpy(memory, a, sizeof a, cudaMemcpyHostToDevice));
    CHECK(cudaMemcpy(memory + 256, b, sizeof b, cudaMemcpyHostToDevice));
    fractions<<<1, 32>>>(memory, memory + 256, memory + 512);
    CHECK(cudaMemcpy(sums, memory + 512, sizeof sums, cudaMemcpyDeviceToHost));
    CHECK(cudaFree(memory));
    int far = 0;
    for (int row = 0; row < 16; row++)
        for (int column = 0; column < 16; column++) {
            double exact = 0, size = 0;
            for (int k = 0; k < 16; k++) {
                double product = double(a[row * 16 + k]) * b[k * 16 + column];
                exact += product, size += fabs(product);
            }
            far += fabs(sums[row * 16 + column] - exact) > size * 16 / (1 << 23);
        }
    printf("sums of fractions: %s\n", far ? "TOO FAR" : "near enough");
    if (far) exit(1);
}

int main() {
    CHECK(cudaMalloc(&device, sizeof host));
    WMMA(half, float, 16, 16, 16, row, col, 0);
    WMMA(half, float, 32, 8, 16, col, row, 0);
    WMMA(half, half, 8, 32, 16, row, row, 0);
    WMMA(__nv_bfloat16, float, 16, 16, 16, col, col, 0);
    WMMA(wmma::precision::tf32, float, 16, 16, 8, row, col, 0);
    WMMA(signed char, int, 16, 16, 16, row, row, 0);
    WMMA(unsigned char, int, 8, 32, 16, col, col, 4);
    WMMA(double, double, 8, 8, 4, row, row, 0);
#define MMA(kernel, m, n, k, offset)                                                                                   \
    kernel<<<1, 32>>>(device);                                                                                         \
    expect(#kernel, m, n, k, offset, 1)
    MMA(mma_half, 16, 8, 16, 0);
    MMA(mma_tf32, 16, 8, 8, 0);
    MMA(mma_s8, 16, 8, 32, 0);
    MMA(mma_u8, 16, 8, 32, 4);
    MMA(mma_s4, 16, 8, 64, 0);
    MMA(mma_double, 8, 8, 4, 0);
    from_shared<<<1, 32>>>(device);
    expect("from shared memory", 16, 8, 16, 0, 1, false);
    mma_xor<<<1, 32>>>(device);
    expect_bits("bits that differ", true);
    mma_and<<<1, 32>>>(device);
    expect_bits("bits both set", false);
    fractional();
    CHECK(cudaFree(device));
    return 0;
}
