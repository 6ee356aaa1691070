// Virtual memory: addresses and memory apart, as PyTorch's expandable segments and JAX use them.
#include "kernels.h"

static CUfunction fill, add;
static size_t piece;

static CUmemAllocationProp on_device(int handle_types) {
    CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
                                .requestedHandleTypes = handle_types,
                                .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0}};
    return prop;
}

static CUmemGenericAllocationHandle new_memory(size_t bytes) {
    CUmemGenericAllocationHandle handle;
    CUmemAllocationProp prop = on_device(0);
    CHECK(cuMemCreate(&handle, bytes, &prop, 0));
    return handle;
}

static CUresult let_in(CUdeviceptr at, size_t bytes, CUmemAccess_flags flags) {
    CUmemAccessDesc wish = {.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0}, .flags = flags};
    return cuMemSetAccess(at, bytes, &wish, 1);
}

// A segment grows piece by piece; what lies across a seam is used as one.
static void grows(void) {
    enum { PIECES = 4 };
    CUdeviceptr segment;
    size_t room = 64ull << 30;
    uint32_t found[2] = {0};
    CHECK(cuMemAddressReserve(&segment, room, 0, 0, 0));
    expect("a set where nothing is mapped", CUDA_ERROR_INVALID_VALUE, cuMemsetD8(segment, 1, 1));
    for (int i = 0; i < PIECES; i++) {
        CUmemGenericAllocationHandle memory = new_memory(piece);
        CHECK(cuMemMap(segment + i * piece, piece, 0, memory, 0));
        CHECK(cuMemRelease(memory));
        if (i == 0) expect("a set before anybody is let in", CUDA_ERROR_INVALID_VALUE, cuMemsetD8(segment, 1, 1));
        CHECK(let_in(segment + i * piece, piece, CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
    }
    uint32_t n = PIECES * piece / 4;
    CHECK(launch(fill, NULL, segment, 5, n));
    CHECK(cuMemcpyDtoH(found, segment + piece - 4, 8));
    hold("a kernel and a copy across a seam", found[0] == 5 && found[1] == 5);
    found[0] = 8, found[1] = 9;
    CHECK(cuMemcpyHtoD(segment + 2 * piece - 4, found, 8));
    CHECK(launch(add, NULL, segment + 2 * piece - 4, 1, 2));
    CHECK(cuMemsetD32(segment + 3 * piece - 4, 0, 2));
    CHECK(cuMemcpyDtoH(found, segment + 2 * piece - 4, 8));
    hold("and a copy up", found[0] == 9 && found[1] == 10);
    expect("a copy over the end", CUDA_ERROR_INVALID_VALUE, cuMemcpyDtoH(found, segment + PIECES * piece - 4, 8));
    CUdeviceptr start = 0;
    size_t bytes = 0;
    CHECK(cuPointerGetAttribute(&start, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR, segment + piece + 4));
    CHECK(cuPointerGetAttribute(&bytes, CU_POINTER_ATTRIBUTE_RANGE_SIZE, segment + piece + 4));
    hold("an address knows its mapping", start == segment + piece && bytes == piece);
    expect("freed while something is mapped", CUDA_ERROR_INVALID_VALUE, cuMemAddressFree(segment, room));
    expect("a part of a mapping unmapped", CUDA_ERROR_INVALID_VALUE, cuMemUnmap(segment, piece / 2));
    expect("mapped over another", CUDA_ERROR_INVALID_VALUE, cuMemMap(segment, piece, 0, new_memory(piece), 0));
    CHECK(cuMemUnmap(segment, 2 * piece));
    expect("unmapped twice", CUDA_ERROR_INVALID_VALUE, cuMemUnmap(segment, piece));
    expect("a set of what was unmapped", CUDA_ERROR_INVALID_VALUE, cuMemsetD8(segment, 1, 1));
    CHECK(cuMemUnmap(segment + 2 * piece, 2 * piece));
    expect("freed in part", CUDA_ERROR_INVALID_VALUE, cuMemAddressFree(segment, room / 2));
    CHECK(cuMemAddressFree(segment, room));
    expect("freed twice", CUDA_ERROR_INVALID_VALUE, cuMemAddressFree(segment, room));
}

// The same memory at two addresses, and after it was unmapped and mapped again.
static void shows(void) {
    CUdeviceptr here, there;
    CUmemGenericAllocationHandle memory = new_memory(piece), again = 0;
    CUmemAllocationProp prop;
    CUmemLocation device = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0};
    unsigned long long flags = 9;
    uint32_t found = 0;
    CHECK(cuMemAddressReserve(&here, piece, piece, 0, 0));
    CHECK(cuMemAddressReserve(&there, 2 * piece, 0, 0, 0));
    CHECK(cuMemMap(here, piece, 0, memory, 0));
    CHECK(cuMemMap(there + piece, piece, 0, memory, 0));
    CHECK(cuMemGetAccess(&flags, &device, here));
    hold("nobody is let in at first", flags == 0);
    CHECK(let_in(here, piece, CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
    CHECK(let_in(there + piece, piece, CU_MEM_ACCESS_FLAGS_PROT_READ));
    CHECK(cuMemGetAccess(&flags, &device, there + piece));
    hold("then as far as was said", flags == CU_MEM_ACCESS_FLAGS_PROT_READ);
    CHECK(cuMemsetD32(here, 31, piece / 4));
    CHECK(cuMemcpyDtoH(&found, there + piece + 40, 4));
    hold("what is written at one address is read at the other", found == 31);
    CHECK(cuMemRetainAllocationHandle(&again, (void *)(there + piece + 100)));
    hold("what an address shows has its name", again == memory);
    CHECK(cuMemRelease(memory));
    CHECK(cuMemUnmap(here, piece));
    CHECK(cuMemGetAllocationPropertiesFromHandle(&prop, again));
    hold("it says what it was made as", prop.type == CU_MEM_ALLOCATION_TYPE_PINNED && prop.location.id == 0);
    CHECK(cuMemRelease(again));
    expect("released once too often", CUDA_ERROR_INVALID_VALUE, cuMemRelease(again));
    CHECK(cuMemcpyDtoH(&found, there + piece, 4));
    hold("a mapping keeps memory that has no name any more", found == 31);
    CHECK(cuMemRetainAllocationHandle(&again, (void *)(there + piece)));
    CHECK(cuMemUnmap(there + piece, piece));
    CHECK(cuMemMap(here, piece, 0, again, 0));
    CHECK(let_in(here, piece, CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
    CHECK(cuMemcpyDtoH(&found, here, 4));
    hold("mapped again it holds what it held", found == 31);
    CHECK(cuMemUnmap(here, piece));
    CHECK(cuMemRelease(again));
    expect("a name of nothing", CUDA_ERROR_INVALID_VALUE, cuMemRetainAllocationHandle(&again, (void *)here));
    CHECK(cuMemAddressFree(here, piece));
    CHECK(cuMemAddressFree(there, 2 * piece));
}

int main(void) {
    CUmodule module = begin();
    CUmemAllocationProp prop = on_device(0);
    CUmemGenericAllocationHandle memory;
    CUdeviceptr at;
    int supported = 0;
    fill = function_of(module, "fill"), add = function_of(module, "add");
    CHECK(cuDeviceGetAttribute(&supported, CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED, 0));
    hold("the device says so", supported == 1);
    CHECK(cuMemGetAllocationGranularity(&piece, &prop, CU_MEM_ALLOC_GRANULARITY_RECOMMENDED));
    grows();
    shows();
    expect("a size that is no multiple", CUDA_ERROR_INVALID_VALUE, cuMemCreate(&memory, piece / 2, &prop, 0));
    expect("more memory than there is", CUDA_ERROR_OUT_OF_MEMORY, cuMemCreate(&memory, 1ull << 50, &prop, 0));
    expect("no addresses", CUDA_ERROR_INVALID_VALUE, cuMemAddressReserve(&at, 0, 0, 0, 0));
    expect("addresses with flags", CUDA_ERROR_INVALID_VALUE, cuMemAddressReserve(&at, piece, 0, 0, 1));
    // As PyTorch asks, which exports only when it is told to.
    prop = on_device(CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
    CHECK(cuMemCreate(&memory, piece, &prop, 0));
    CHECK(cuMemRelease(memory));
    prop = on_device(CU_MEM_HANDLE_TYPE_FABRIC);
    expect("memory for other machines", CUDA_ERROR_NOT_SUPPORTED, cuMemCreate(&memory, piece, &prop, 0));
    printf("virtual_memory: %d unexpected\n", failures);
    return failures != 0;
}
