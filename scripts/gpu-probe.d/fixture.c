#include "fixture.h"

#include "record.h"

#define EMBED(name, file)                                                                                             \
    __asm__(".section .rodata\n.global " #name "\n" #name ":\n.incbin \"" file "\"\n.byte 0\n.previous\n")
EMBED(simple_ptx, "simple.ptx");
EMBED(spin_ptx, "spin.ptx");
EMBED(faults_ptx, "faults.ptx");

struct fixture have;

CUresult make_fixture(const char **failed) {
    CUresult code;
#define STEP(what, call)                                                                                              \
    do {                                                                                                              \
        *failed = what;                                                                                               \
        if ((code = (call)) != 0) return code;                                                                        \
    } while (0)
    STEP("context", make_context(&have.context));
    STEP("cuModuleLoadData", CALL(cuModuleLoadData, &have.module, simple_ptx));
    STEP("cuModuleGetFunction nothing", CALL(cuModuleGetFunction, &have.nothing, have.module, "nothing"));
    STEP("cuModuleGetFunction add_one", CALL(cuModuleGetFunction, &have.add_one, have.module, "add_one"));
    STEP("cuModuleGetFunction mixed", CALL(cuModuleGetFunction, &have.mixed, have.module, "mixed"));
    STEP("cuModuleGetFunction bounded", CALL(cuModuleGetFunction, &have.bounded, have.module, "bounded"));
    STEP("cuMemAlloc_v2", CALL(cuMemAlloc_v2, &have.memory, MEMORY_BYTES));
    STEP("cuMemHostAlloc", CALL(cuMemHostAlloc, &have.host, HOST_BYTES, 0));
    STEP("cuStreamCreate", CALL(cuStreamCreate, &have.stream, 1));
    STEP("cuEventCreate", CALL(cuEventCreate, &have.event, 0));
#undef STEP
    return 0;
}

int have_fixture(const char *name) {
    const char *failed = "";
    CUresult code = make_fixture(&failed);
    if (code == 0) return 1;
    begin("%s", name);
    put_text("not made", failed);
    put_code("code", code);
    end();
    return 0;
}

CUresult load_spin(void) {
    CUmodule module;
    CUresult code = CALL(cuModuleLoadData, &module, spin_ptx);
    if (code == 0) code = CALL(cuModuleGetFunction, &have.spin, module, "spin");
    /* The first launch of a kernel loads it; afterwards a launch is only a launch. */
    if (code == 0) code = spin_on(NULL, 0);
    if (code == 0) code = CALL(cuCtxSynchronize);
    return code;
}

CUresult spin_on(CUstream stream, unsigned milliseconds) {
    unsigned long long nanoseconds = milliseconds * 1000000ull;
    void *parameters[] = {&nanoseconds};
    return CALL(cuLaunchKernel, have.spin, 1, 1, 1, 1, 1, 1, 0, stream, parameters, NULL);
}

CUresult launch_one(CUfunction function, CUstream stream) {
    return CALL(cuLaunchKernel, function, 1, 1, 1, 1, 1, 1, 0, stream, NULL, NULL);
}
