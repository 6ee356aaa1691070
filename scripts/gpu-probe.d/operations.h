/* Some ninety ordinary uses of the driver, each as three steps: what it needs, the call in question, and the clearing up.
 * Several chapters put the same calls into different situations: beside a running kernel, beside a capture, after a
 * fault. Their names are the same everywhere. */
#pragma once

#include "driver.h"

/* What one operation keeps between its steps. */
struct things {
    CUdeviceptr memory, range;
    void *host;
    CUmodule module;
    CUfunction function;
    CUlibrary library;
    CUkernel kernel;
    CUstream stream;
    CUevent event;
    CUcontext context;
    CUgraph graph;
    CUgraphExec exec;
    CUmemoryPool pool;
    CUmemGenericAllocationHandle physical;
    CUlinkState link;
    CUipcMemHandle memory_handle;
    unsigned char values[256];
};

extern const unsigned operation_count;
const char *operation_name(unsigned operation);

/* busy is the stream that the situation is about; side is another one, non-blocking and idle. */
void prepare_operation(unsigned operation, struct things *its, CUstream busy, CUstream side);
CUresult call_operation(unsigned operation, struct things *its, CUstream busy, CUstream side);
void clear_operation(unsigned operation, struct things *its, CUstream busy, CUstream side);
