// Vectors to the device and back, and numbers that look random and are the same everywhere.
#pragma once

#include "check.h"

#include <stdint.h>
#include <string.h>
#include <vector>

template <class T> T *to_device(const std::vector<T> &values) {
    T *device;
    CHECK(cudaMalloc(&device, values.size() * sizeof(T)));
    CHECK(cudaMemcpy(device, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice));
    return device;
}

template <class T> T *device_zeroes(size_t count) {
    T *device;
    CHECK(cudaMalloc(&device, count * sizeof(T)));
    CHECK(cudaMemset(device, 0, count * sizeof(T)));
    return device;
}

template <class T> std::vector<T> to_host(const T *device, size_t count) {
    std::vector<T> values(count);
    CHECK(cudaMemcpy(values.data(), device, count * sizeof(T), cudaMemcpyDeviceToHost));
    return values;
}

// Elements whose bytes differ.
template <class T> int differing(const std::vector<T> &expected, const std::vector<T> &found) {
    int count = expected.size() != found.size();
    for (size_t i = 0; i < expected.size() && i < found.size(); i++)
        count += memcmp(&expected[i], &found[i], sizeof(T)) != 0;
    return count;
}

// Waits for the launches before it, which report here what went wrong with them.
#define LAUNCHED()                                                                                                     \
    do {                                                                                                               \
        CHECK(cudaGetLastError());                                                                                     \
        CHECK(cudaDeviceSynchronize());                                                                                \
    } while (0)

struct Random {
    uint64_t state;

    explicit Random(uint64_t seed) : state(seed * 0x9e3779b97f4a7c15 + 1) {}

    uint32_t next() {
        state = state * 6364136223846793005 + 1442695040888963407;
        return (uint32_t)((state ^ state >> 22) >> (22 + (state >> 61)));
    }

    // In [0, 1), exact in single precision.
    float unit() { return (float)(next() >> 8) / 16777216.0f; }
};

// What a program says last, and its exit status.
static inline int verdict(const char *program, int wrong) {
    printf("%s: wrong=%d\n", program, wrong);
    return wrong != 0;
}
