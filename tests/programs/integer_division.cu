// Quotients and remainders where they are hard: all signs, the smallest number, powers of two, constants that become
// multiplications, every width; and fixed-point helpers that build on them.
#include "arrays.h"

#include <limits.h>

template <class T> struct Both {
    T quotient, remainder;
};

template <class T> __global__ void divide(const T *as, const T *bs, Both<T> *found, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) found[i] = {(T)(as[i] / bs[i]), (T)(as[i] % bs[i])};
}

// By numbers that the compiler knows.
template <class T> __host__ __device__ void by_constants(T a, T *row) {
    row[0] = a / 3, row[1] = a % 3, row[2] = a / 7, row[3] = a % 10, row[4] = a / 16, row[5] = a % 16, row[6] = a / 641, row[7] = a % 1000;
}

template <class T> __global__ void divide_by_constants(const T *as, T *found, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) by_constants(as[i], found + 8 * i);
}

template <class T> static int check(const char *name, T least, T most) {
    Random random(30);
    std::vector<T> numbers = {0, 1, 2, 3, 5, 7, 10, 16, 127, most, (T)(most - 1), (T)(most / 2), least, (T)(least + 1)};
    for (int i = 0; i < 12; i++) numbers.push_back((T)((uint64_t)random.next() << 32 | random.next()) >> random.next() % (8 * sizeof(T)));
    if (least < 0) numbers.insert(numbers.end(), {(T)-1, (T)-2, (T)-3, (T)-10, (T)-16});
    std::vector<T> as, bs;
    std::vector<Both<T>> expected;
    for (T a : numbers) {
        for (T b : numbers) {
            if (b == 0 || (least < 0 && a == least && b == (T)-1)) continue;
            as.push_back(a), bs.push_back(b), expected.push_back({(T)(a / b), (T)(a % b)});
        }
    }
    int n = as.size(), blocks = (n + 127) / 128, many = numbers.size();
    auto *found = device_zeroes<Both<T>>(n);
    divide<T><<<blocks, 128>>>(to_device(as), to_device(bs), found, n);
    std::vector<T> rows(8 * many);
    for (int i = 0; i < many; i++) by_constants(numbers[i], &rows[8 * i]);
    T *device_rows = device_zeroes<T>(8 * many);
    divide_by_constants<T><<<1, 128>>>(to_device(numbers), device_rows, many);
    LAUNCHED();
    int wrong = differing(expected, to_host(found, n)) + differing(rows, to_host(device_rows, 8 * many));
    printf("integer_division: %s, %d pairs, wrong=%d\n", name, n, wrong);
    return wrong;
}

int main() {
    int wrong = check<int8_t>("int8_t", INT8_MIN, INT8_MAX) + check<uint8_t>("uint8_t", 0, UINT8_MAX);
    wrong += check<int16_t>("int16_t", INT16_MIN, INT16_MAX) + check<uint16_t>("uint16_t", 0, UINT16_MAX);
    wrong += check<int32_t>("int32_t", INT32_MIN, INT32_MAX) + check<uint32_t>("uint32_t", 0, UINT32_MAX);
    wrong += check<int64_t>("int64_t", INT64_MIN, INT64_MAX) + check<uint64_t>("uint64_t", 0, UINT64_MAX);
    return verdict("integer_division", wrong);
}
