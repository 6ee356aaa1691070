/* What most chapters start from: a context with modules, memory, a stream and an event. */
#pragma once

#include "driver.h"

extern const char simple_ptx[], spin_ptx[], faults_ptx[];

enum { MEMORY_BYTES = 1 << 20, HOST_BYTES = 1 << 16, PAGE_BYTES = 4096 };

struct fixture {
    CUdevice device;
    CUcontext context;
    CUmodule module;
    CUfunction nothing, add_one, mixed, bounded, spin; /* spin is null until load_spin */
    CUdeviceptr memory;                                /* MEMORY_BYTES */
    void *host;                                        /* HOST_BYTES, pinned */
    CUstream stream;                                   /* non-blocking, so that it says nothing about stream 0 */
    CUevent event;
};
extern struct fixture have;

/* Makes it; the first code that is not 0, with the call that gave it. */
CUresult make_fixture(const char **failed);

/* Makes it, or records under this name that it could not be made and returns false. */
int have_fixture(const char *name);

/* The kernel that spins, or its code. */
CUresult load_spin(void);
CUresult spin_on(CUstream stream, unsigned milliseconds);

/* One thread of a kernel without parameters. */
CUresult launch_one(CUfunction function, CUstream stream);
