// What streams and contexts are beside a queue of work: attributes, batches of waits and writes, flags, references.
//
//   stream_kinds            all that
//   stream_kinds many N     N streams and N events made, and nothing waited for
#pragma GCC diagnostic ignored "-Wdeprecated-declarations" // cuCtxAttach and cuCtxDetach
#include "kernels.h"

enum { MANY_MAX = 1000 };

static void attributes(CUstream stream, CUstream other) {
    CUstreamAttrValue value = {0}, found = {0};
    value.syncPolicy = CU_SYNC_POLICY_YIELD;
    CHECK(cuStreamSetAttribute(stream, CU_STREAM_ATTRIBUTE_SYNCHRONIZATION_POLICY, &value));
    CHECK(cuStreamGetAttribute(stream, CU_STREAM_ATTRIBUTE_SYNCHRONIZATION_POLICY, &found));
    hold("an attribute is kept", found.syncPolicy == CU_SYNC_POLICY_YIELD);
    CHECK(cuStreamCopyAttributes(other, stream));
    memset(&found, 0, sizeof found);
    CHECK(cuStreamGetAttribute(other, CU_STREAM_ATTRIBUTE_SYNCHRONIZATION_POLICY, &found));
    hold("and copied", found.syncPolicy == CU_SYNC_POLICY_YIELD);
    expect("an attribute of launches only", CUDA_ERROR_INVALID_VALUE,
           cuStreamGetAttribute(stream, CU_LAUNCH_ATTRIBUTE_COOPERATIVE, &found));
    expect("no value", CUDA_ERROR_INVALID_VALUE, cuStreamSetAttribute(stream, CU_STREAM_ATTRIBUTE_PRIORITY, NULL));
}

static void batches(CUstream stream, CUstream other) {
    CUdeviceptr memory = words(4);
    uint32_t found[4];
    CHECK(cuMemsetD32(memory, 0, 4));
    CUstreamBatchMemOpParams waits[2] = {0}, writes[3] = {0};
    waits[0].waitValue.operation = CU_STREAM_MEM_OP_WAIT_VALUE_32;
    waits[0].waitValue.address = memory;
    waits[0].waitValue.value = 7;
    waits[0].waitValue.flags = CU_STREAM_WAIT_VALUE_GEQ;
    waits[1].writeValue.operation = CU_STREAM_MEM_OP_WRITE_VALUE_32;
    waits[1].writeValue.address = memory + 4;
    waits[1].writeValue.value = 70;
    writes[0].writeValue.operation = CU_STREAM_MEM_OP_WRITE_VALUE_64;
    writes[0].writeValue.address = memory + 8;
    writes[0].writeValue.value64 = 0x900000008ull;
    writes[1].memoryBarrier.operation = CU_STREAM_MEM_OP_BARRIER;
    writes[2].writeValue.operation = CU_STREAM_MEM_OP_WRITE_VALUE_32;
    writes[2].writeValue.address = memory;
    writes[2].writeValue.value = 7;
    CHECK(cuStreamBatchMemOp(stream, 2, waits, 0));
    expect("a stream that waits for a word", CUDA_ERROR_NOT_READY, cuStreamQuery(stream));
    CHECK(cuStreamBatchMemOp(other, 3, writes, 0));
    CHECK(cuStreamSynchronize(stream));
    CHECK(cuStreamSynchronize(other));
    CHECK(cuMemcpyDtoH(found, memory, sizeof found));
    hold("goes on when it is written", found[0] == 7 && found[1] == 70 && found[2] == 8 && found[3] == 9);
    waits[0].waitValue.address = memory + 16;
    expect("a word behind the memory", CUDA_ERROR_INVALID_VALUE, cuStreamBatchMemOp(stream, 1, waits, 0));
    waits[0].operation = 77;
    expect("an operation that is none", CUDA_ERROR_INVALID_VALUE, cuStreamBatchMemOp(stream, 1, waits, 0));
    expect("too many of them", CUDA_ERROR_INVALID_VALUE, cuStreamBatchMemOp(stream, 257, waits, 0));
    CHECK(cuMemFree(memory));
}

static void whose(CUstream stream, CUcontext current) {
    CUcontext of = NULL;
    CUgreenCtx green = (CUgreenCtx)1;
    CHECK(cuStreamGetCtx_v2(stream, &of, &green));
    hold("a stream knows its context, and is of no green one", of == current && green == NULL);
}

static void whole_contexts(CUcontext current, CUstream stream, CUfunction fill) {
    CUevent event;
    CUdeviceptr memory = words(1);
    CUcontext made, attached;
    unsigned flags = 0;
    uint32_t found = 0;
    CHECK(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
    CHECK(launch(fill, stream, memory, 3, 1));
    CHECK(cuCtxRecordEvent(current, event));
    CHECK(cuEventSynchronize(event));
    expect("all streams of a context, once its event has come", CUDA_SUCCESS, cuStreamQuery(stream));
    CHECK(cuCtxWaitEvent(current, event));
    CHECK(cuMemcpyDtoH(&found, memory, 4));
    hold("what was launched before it", found == 3);
    CHECK(cuCtxCreate(&made, NULL, 0, 0));
    expect("an event of another context", CUDA_ERROR_INVALID_HANDLE, cuCtxRecordEvent(made, event));
    CHECK(cuCtxSetFlags(CU_CTX_SCHED_BLOCKING_SYNC));
    CHECK(cuCtxGetFlags(&flags));
    hold("flags are kept", flags == CU_CTX_SCHED_BLOCKING_SYNC);
    expect("two wishes at once", CUDA_ERROR_INVALID_VALUE, cuCtxSetFlags(CU_CTX_SCHED_SPIN | CU_CTX_SCHED_YIELD));
    CHECK(cuCtxAttach(&attached, 0));
    CHECK(cuCtxDetach(attached));
    hold("attached and detached it is still there", attached == made && cuCtxSynchronize() == CUDA_SUCCESS);
    CHECK(cuCtxDetach(made));
    CHECK(cuCtxGetCurrent(&attached));
    hold("detached once more it is gone", attached == current);
    expect("a context that is gone", CUDA_ERROR_INVALID_CONTEXT, cuCtxSetCurrent(made));
    CUexecAffinityParam affinity;
    expect("an affinity that is none", CUDA_ERROR_INVALID_VALUE, cuCtxGetExecAffinity(&affinity, 55));
    CHECK(cuMemFree(memory));
}

static int many(int count) {
    static CUstream streams[MANY_MAX];
    static CUevent events[MANY_MAX];
    for (int i = 0; i < count; i++) {
        CHECK(cuStreamCreate(&streams[i], CU_STREAM_NON_BLOCKING));
        CHECK(cuEventCreate(&events[i], CU_EVENT_DISABLE_TIMING));
    }
    for (int i = 0; i < count; i++) {
        CHECK(cuEventDestroy(events[i]));
        CHECK(cuStreamDestroy(streams[i]));
    }
    return 0;
}

int main(int count, char **arguments) {
    CUmodule module = begin();
    CUcontext current;
    CUstream stream, other;
    if (count > 2) return many(atoi(arguments[2]) < MANY_MAX ? atoi(arguments[2]) : MANY_MAX);
    CHECK(cuCtxGetCurrent(&current));
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CHECK(cuStreamCreateWithPriority(&other, CU_STREAM_NON_BLOCKING, -1));
    attributes(stream, other);
    attributes(NULL, stream);
    batches(stream, other);
    whose(stream, current);
    whose(NULL, current);
    whole_contexts(current, stream, function_of(module, "fill"));
    printf("stream_kinds: %d unexpected\n", failures);
    return failures != 0;
}
