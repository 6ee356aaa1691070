// Small kernels as PTX text, and what most programs on the driver API begin with.
#pragma once

#include "check.h"

#include <stdint.h>
#include <string.h>

#define PTX_ENTRY_HEAD                                                                                                 \
    "    .reg .pred %p;\n"                                                                                             \
    "    .reg .u32 %block, %size, %thread, %i, %n, %value, %old;\n"                                                    \
    "    .reg .u64 %to, %offset;\n"

// fill: to[i] = value; add: to[i] += value; triple: to[i] = 3 * to[i] + value; each for i < n.
#define PTX_EACH(name, body)                                                                                           \
    ".visible .entry " name "(.param .u64 to, .param .u32 value, .param .u32 n)\n"                                     \
    "{\n" PTX_ENTRY_HEAD "    ld.param.u64 %to, [to];\n"                                                               \
    "    ld.param.u32 %value, [value];\n"                                                                              \
    "    ld.param.u32 %n, [n];\n"                                                                                      \
    "    mov.u32 %block, %ctaid.x;\n"                                                                                  \
    "    mov.u32 %size, %ntid.x;\n"                                                                                    \
    "    mov.u32 %thread, %tid.x;\n"                                                                                   \
    "    mad.lo.u32 %i, %block, %size, %thread;\n"                                                                     \
    "    setp.ge.u32 %p, %i, %n;\n"                                                                                    \
    "    @%p bra DONE;\n"                                                                                              \
    "    mul.wide.u32 %offset, %i, 4;\n"                                                                               \
    "    add.u64 %to, %to, %offset;\n" body "    st.global.u32 [%to], %value;\n"                                       \
    "DONE:\n"                                                                                                          \
    "    ret;\n"                                                                                                       \
    "}\n"

static const char KERNELS[] =
    ".version 7.0\n"
    ".target sm_75\n"
    ".address_size 64\n"
    // bump adds its argument; the program reads and writes it by its address.
    ".visible .global .align 4 .u32 counter = 40;\n"
    ".visible .const .align 4 .u32 steps[4] = {1, 10, 100, 1000};\n"
    PTX_EACH("fill", "")
    PTX_EACH("add", "    ld.global.u32 %old, [%to];\n    add.u32 %value, %old, %value;\n")
    PTX_EACH("triple", "    ld.global.u32 %old, [%to];\n    mad.lo.u32 %value, %old, 3, %value;\n")
    ".visible .entry bump(.param .u32 index)\n"
    "{\n"
    "    .reg .u32 %index, %old, %step;\n"
    "    .reg .u64 %at, %offset;\n"
    "    ld.param.u32 %index, [index];\n"
    "    mov.u64 %at, steps;\n"
    "    mul.wide.u32 %offset, %index, 4;\n"
    "    add.u64 %at, %at, %offset;\n"
    "    ld.const.u32 %step, [%at];\n"
    "    ld.global.u32 %old, [counter];\n"
    "    add.u32 %old, %old, %step;\n"
    "    st.global.u32 [counter], %old;\n"
    "    ret;\n"
    "}\n"
    // wait spins until the word is not zero, which may be never.
    ".visible .entry wait(.param .u64 word)\n"
    "{\n"
    "    .reg .pred %p;\n"
    "    .reg .u32 %value;\n"
    "    .reg .u64 %word;\n"
    "    ld.param.u64 %word, [word];\n"
    "AGAIN:\n"
    "    ld.volatile.global.u32 %value, [%word];\n"
    "    setp.eq.u32 %p, %value, 0;\n"
    "    @%p bra AGAIN;\n"
    "    ret;\n"
    "}\n"
    // poke writes one word wherever it is told to.
    ".visible .entry poke(.param .u64 to)\n"
    "{\n"
    "    .reg .u64 %to;\n"
    "    ld.param.u64 %to, [to];\n"
    "    st.global.u32 [%to], 7;\n"
    "    ret;\n"
    "}\n"
    ".visible .entry give_up()\n"
    "{\n"
    "    trap;\n"
    "    ret;\n"
    "}\n";

// cuInit, the first device's primary context, and the kernels.
static inline CUmodule begin(void) {
    CUdevice device;
    CUcontext context;
    CUmodule module;
    CHECK(cuInit(0));
    CHECK(cuDeviceGet(&device, 0));
    CHECK(cuDevicePrimaryCtxRetain(&context, device));
    CHECK(cuCtxSetCurrent(context));
    CHECK(cuModuleLoadData(&module, KERNELS));
    return module;
}

static inline CUfunction function_of(CUmodule module, const char *name) {
    CUfunction function;
    CHECK(cuModuleGetFunction(&function, module, name));
    return function;
}

// One of the kernels over n words at `to`.
static inline CUresult launch(CUfunction function, CUstream stream, CUdeviceptr to, uint32_t value, uint32_t n) {
    enum { THREADS = 128 };
    void *parameters[] = {&to, &value, &n};
    return cuLaunchKernel(function, (n + THREADS - 1) / THREADS, 1, 1, THREADS, 1, 1, 0, stream, parameters, NULL);
}

static inline CUdeviceptr words(size_t count) {
    CUdeviceptr memory;
    CHECK(cuMemAlloc(&memory, count * sizeof(uint32_t)));
    return memory;
}

static inline const char *name_of(CUresult result) {
    const char *name = NULL;
    cuGetErrorName(result, &name);
    return name ? name : "a code without a name";
}

// Where a program has left the usual road: said, counted in the exit status, and the program goes on.
static int failures;
static inline void hold(const char *promise, int kept) {
    printf("  %s: %s\n", promise, kept ? "yes" : "NO");
    failures += !kept;
}
static inline void expect(const char *use, CUresult expected, CUresult found) {
    printf("  %s: %s\n", use, name_of(found));
    if (found != expected) {
        printf("    expected %s\n", name_of(expected));
        failures++;
    }
}
