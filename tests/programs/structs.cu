// Templates, structs by value and what they turn into as parameters: padding, alignment, references captured by a lambda, and
// more than four thousand bytes of them.
// nvcc: --extended-lambda
#include "arrays.h"

struct Odd {
    char first;
    short second;
    double third;
    char fourth[3];
};

struct alignas(16) Wide {
    float4 vector;
    uint8_t tail;
};

template <int N> struct Table {
    int values[N];
    __host__ __device__ int sum() const {
        int sum = 0;
        for (int value : values) sum += value;
        return sum;
    }
};

template <class T> struct Complex {
    T real, imaginary;
    __host__ __device__ Complex operator*(const Complex &other) const {
        return {real * other.real - imaginary * other.imaginary, real * other.imaginary + imaginary * other.real};
    }
    __host__ __device__ Complex &operator+=(const Complex &other) {
        real += other.real, imaginary += other.imaginary;
        return *this;
    }
};

// A Horner evaluation whose steps the compiler writes out.
template <class T, int DEGREE> struct Polynomial {
    T coefficients[DEGREE + 1];
    __host__ __device__ T at(T x) const {
        T value = coefficients[DEGREE];
        for (int i = DEGREE - 1; i >= 0; i--) value = value * x + coefficients[i];
        return value;
    }
};

__global__ void by_value(char a, Odd odd, bool b, Wide wide, short c, Table<5> table, double *found) {
    found[0] = a, found[1] = odd.first, found[2] = odd.second, found[3] = odd.third, found[4] = odd.fourth[2];
    found[5] = b, found[6] = wide.vector.w, found[7] = wide.tail, found[8] = c, found[9] = table.sum();
}

// 4 KiB was once all that a launch could carry; since CUDA 12.1 it is 32,764 bytes.
__global__ void large(Table<4000> table, int *found, int index) {
    found[threadIdx.x] = table.values[(index + threadIdx.x * 61) % 4000];
}

template <class T> __global__ void powers(Complex<T> base, Complex<T> *found, int n) {
    int i = threadIdx.x;
    if (i >= n) return;
    Complex<T> power = {1, 0}, sum = {0, 0};
    for (int k = 0; k <= i; k++) sum += power, power = power * base;
    found[i] = sum;
}

template <class T, int DEGREE> __global__ void evaluate(Polynomial<T, DEGREE> polynomial, T *values) {
    values[threadIdx.x] = polynomial.at(values[threadIdx.x]);
}

template <class F> __global__ void apply(F function, int *values, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) values[i] = function(i, values[i]);
}

template <class T> static int check_powers(Complex<T> base) {
    const int n = 20;
    std::vector<Complex<T>> expected(n);
    Complex<T> power = {1, 0}, sum = {0, 0};
    for (int i = 0; i < n; i++) sum += power, expected[i] = sum, power = power * base;
    auto *found = device_zeroes<Complex<T>>(n);
    powers<T><<<1, 32>>>(base, found, n);
    return differing(expected, to_host(found, n));
}

template <class T, int DEGREE> static int check_polynomial() {
    Polynomial<T, DEGREE> polynomial;
    for (int i = 0; i <= DEGREE; i++) polynomial.coefficients[i] = i % 3 - 1;
    std::vector<T> values(16), expected(16);
    for (int i = 0; i < 16; i++) values[i] = i % 4 - 1, expected[i] = polynomial.at(values[i]);
    T *device = to_device(values);
    evaluate<T, DEGREE><<<1, 16>>>(polynomial, device);
    return differing(expected, to_host(device, 16));
}

int main() {
    int wrong = 0;
    Odd odd = {'o', -1234, 1.0 / 3, {1, 2, 'z'}};
    Wide wide = {{1, 2, 3, 0.625f}, 200};
    Table<5> table = {{1, -20, 300, -4000, 50000}};
    double *numbers = device_zeroes<double>(10);
    by_value<<<1, 1>>>('a', odd, true, wide, -7, table, numbers);
    std::vector<double> expected = {'a', 'o', -1234, 1.0 / 3, 'z', 1, 0.625f, 200, -7, 46281};
    wrong += differing(expected, to_host(numbers, 10));

    static Table<4000> big;
    for (int i = 0; i < 4000; i++) big.values[i] = i * i;
    int *found = device_zeroes<int>(64);
    large<<<1, 64>>>(big, found, 17);
    std::vector<int> squares(64);
    for (int i = 0; i < 64; i++) squares[i] = (17 + i * 61) % 4000 * ((17 + i * 61) % 4000);
    wrong += differing(squares, to_host(found, 64));

    wrong += check_powers<int>({2, -1}) + check_powers<long long>({-3, 2}) + check_powers<double>({0.5, 0.25});
    wrong += check_polynomial<int, 3>() + check_polynomial<long long, 9>() + check_polynomial<double, 6>();

    const int n = 1000;
    int offset = 5, *values = device_zeroes<int>(n);
    Table<5> captured = table;
    apply<<<8, 128>>>([=] __device__(int i, int) { return i * offset + captured.values[i % 5]; }, values, n);
    apply<<<8, 128>>>([=] __host__ __device__(int i, int old) { return old ^ i; }, values, n);
    std::vector<int> reckoned(n);
    for (int i = 0; i < n; i++) reckoned[i] = (i * offset + table.values[i % 5]) ^ i;
    wrong += differing(reckoned, to_host(values, n));
    LAUNCHED();
    printf("structs: %zu bytes of parameters\n", sizeof(big) + sizeof(found) + sizeof(int));
    return verdict("structs", wrong);
}
