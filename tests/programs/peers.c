// Two devices: kernels of one read and write the other's memory once they are let in, and fault before; copies need no leave.
#include "kernels.h"

enum { WORDS = 1000 };
static CUcontext contexts[2];
static CUfunction fill[2], add[2];

static void questions(void) {
    int can = -1, value = -1;
    CHECK(cuDeviceCanAccessPeer(&can, 0, 1));
    hold("the first can reach the second", can == 1);
    CHECK(cuDeviceCanAccessPeer(&can, 1, 1));
    hold("nobody is his own peer", can == 0);
    CHECK(cuDeviceGetP2PAttribute(&value, CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED, 0, 1));
    hold("the way between them says the same", value == 1);
    expect("between one device and itself", CUDA_ERROR_INVALID_DEVICE,
           cuDeviceGetP2PAttribute(&value, CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED, 1, 1));
    expect("another device that is not there", CUDA_ERROR_INVALID_DEVICE, cuDeviceCanAccessPeer(&can, 0, 2));
}

static void codes(void) {
    CHECK(cuCtxSetCurrent(contexts[0]));
    expect("into its own", CUDA_ERROR_INVALID_DEVICE, cuCtxEnablePeerAccess(contexts[0], 0));
    expect("with flags", CUDA_ERROR_INVALID_VALUE, cuCtxEnablePeerAccess(contexts[1], 1));
    expect("into no context", CUDA_ERROR_INVALID_CONTEXT, cuCtxEnablePeerAccess(NULL, 0));
    expect("out before in", CUDA_ERROR_PEER_ACCESS_NOT_ENABLED, cuCtxDisablePeerAccess(contexts[1]));
    CHECK(cuCtxEnablePeerAccess(contexts[1], 0));
    expect("twice in", CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED, cuCtxEnablePeerAccess(contexts[1], 0));
    CHECK(cuCtxDisablePeerAccess(contexts[1]));
    expect("twice out", CUDA_ERROR_PEER_ACCESS_NOT_ENABLED, cuCtxDisablePeerAccess(contexts[1]));
}

static int all_are(CUdeviceptr memory, uint32_t value) {
    uint32_t found[WORDS];
    CHECK(cuMemcpyDtoH(found, memory, sizeof found));
    for (int i = 0; i < WORDS; i++)
        if (found[i] != value) return 0;
    return 1;
}

static void kernels(void) {
    CHECK(cuCtxSetCurrent(contexts[1]));
    CUdeviceptr before = words(WORDS), after, counter;
    size_t bytes;
    CUmodule module;
    CHECK(launch(fill[1], NULL, before, 5, WORDS));
    CHECK(cuModuleLoadData(&module, KERNELS));
    CHECK(cuModuleGetGlobal(&counter, &bytes, module, "counter"));
    CHECK(cuCtxSynchronize());
    CHECK(cuCtxSetCurrent(contexts[0]));
    CHECK(cuCtxEnablePeerAccess(contexts[1], 0));
    CHECK(launch(add[0], NULL, before, 30, WORDS));
    CHECK(launch(add[0], NULL, counter, 2, 1));
    CHECK(cuCtxSynchronize());
    CHECK(cuCtxSetCurrent(contexts[1]));
    hold("what was allocated before", all_are(before, 35));
    // Larger than what is cut from memory that is there already.
    CHECK(cuMemAlloc(&after, 48u << 20));
    CHECK(cuCtxSetCurrent(contexts[0]));
    CHECK(launch(fill[0], NULL, after, 9, WORDS));
    CHECK(cuCtxSynchronize());
    hold("and what was allocated after", all_are(after, 9));
    uint32_t count = 0;
    CHECK(cuMemcpyDtoH(&count, counter, sizeof count));
    hold("and a variable", count == 42);
    CHECK(cuCtxSetCurrent(contexts[1]));
    CHECK(cuMemFree(before));
    CHECK(cuMemFree(after));
}

static void copies(void) {
    CHECK(cuCtxSetCurrent(contexts[0]));
    CUdeviceptr here = words(WORDS), there;
    CHECK(launch(fill[0], NULL, here, 77, WORDS));
    CHECK(cuCtxSetCurrent(contexts[1]));
    there = words(WORDS);
    CHECK(cuMemcpyPeer(there, contexts[1], here, contexts[0], 4 * WORDS));
    CHECK(cuCtxSynchronize());
    hold("a copy between devices comes after what both were given", all_are(there, 77));
    CHECK(launch(fill[1], NULL, there, 78, WORDS));
    CHECK(cuMemcpyPeerAsync(here, contexts[0], there, contexts[1], 4 * WORDS, NULL));
    CHECK(cuCtxSynchronize());
    hold("and back, in stream order", all_are(here, 78));
    CHECK(cuMemFree(there));
    CHECK(cuCtxSetCurrent(contexts[0]));
    CHECK(cuMemFree(here));
}

// Another context of the first device shares the device's rights no longer than somebody there has them.
static void death_of_a_viewer(void) {
    CUcontext viewer;
    CHECK(cuCtxCreate(&viewer, NULL, 0, 0));
    CHECK(cuCtxEnablePeerAccess(contexts[1], 0));
    CHECK(cuCtxDestroy(viewer));
    CHECK(cuCtxSetCurrent(contexts[0]));
    CUdeviceptr own = words(WORDS);
    CHECK(launch(fill[0], NULL, own, 3, WORDS));
    CHECK(cuCtxSynchronize());
    hold("a viewer that goes leaves the others as they are", all_are(own, 3));
    CHECK(cuMemFree(own));
}

int main(int count, char **arguments) {
    CHECK(cuInit(0));
    for (int i = 0; i < 2; i++) {
        CUmodule module;
        CHECK(cuDevicePrimaryCtxRetain(&contexts[i], i));
        CHECK(cuCtxSetCurrent(contexts[i]));
        CHECK(cuModuleLoadData(&module, KERNELS));
        fill[i] = function_of(module, "fill"), add[i] = function_of(module, "add");
    }
    questions();
    codes();
    copies();
    death_of_a_viewer();
    int out_again = count > 1 && !strcmp(arguments[1], "out");
    if (out_again) {
        kernels();
        CHECK(cuCtxSetCurrent(contexts[0]));
        CHECK(cuCtxDisablePeerAccess(contexts[1]));
    }
    CHECK(cuCtxSetCurrent(contexts[1]));
    CUdeviceptr strange = words(WORDS);
    CHECK(cuCtxSetCurrent(contexts[0]));
    CHECK(launch(fill[0], NULL, strange, 1, WORDS));
    expect("a kernel where nobody let it in", CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
    printf("peers: %d unexpected\n", failures);
    return failures != 0;
}
