/* Opens the driver by path; nothing is linked against it. */
#define _GNU_SOURCE
#include "driver.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

struct driver cu;
static void *library;

void *driver_symbol(const char *name) { return dlsym(library, name); }

void open_driver(const char *path) {
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "gpu-probe: cannot open the driver: %s\n", dlerror());
        exit(2);
    }
#define API(name, types) cu.name = (CUresult(*) types)dlsym(library, #name);
#include "api.inc"
#undef API
}

CUresult make_context(CUcontext *context) {
    CUdevice device;
    CUresult code = CALL(cuInit, 0);
    if (code == 0) code = CALL(cuDeviceGet, &device, 0);
    if (code == 0) code = CALL(cuDevicePrimaryCtxRetain, context, device);
    if (code == 0) code = CALL(cuCtxSetCurrent, *context);
    return code;
}
