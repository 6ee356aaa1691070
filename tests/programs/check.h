// Ends the program with the call, the place and CUDA's own words when a call does not return success.
#pragma once

#include <stdio.h>
#include <stdlib.h>

#ifdef __CUDACC__
#include <cuda_runtime.h>
#define CHECK(call)                                                                                                    \
    do {                                                                                                               \
        cudaError_t result_ = (call);                                                                                  \
        if (result_ != cudaSuccess) {                                                                                  \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, cudaGetErrorString(result_));                \
            exit(2);                                                                                                   \
        }                                                                                                              \
    } while (0)
#else
#include <cuda.h>
#define CHECK(call)                                                                                                    \
    do {                                                                                                               \
        CUresult result_ = (call);                                                                                     \
        if (result_ != CUDA_SUCCESS) {                                                                                 \
            const char *name_ = "a code without a name";                                                               \
            cuGetErrorName(result_, &name_);                                                                           \
            fprintf(stderr, "%s:%d: %s: %s (%d)\n", __FILE__, __LINE__, #call, name_, result_);                        \
            exit(2);                                                                                                   \
        }                                                                                                              \
    } while (0)
#endif
