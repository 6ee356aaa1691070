// The devices that the program sees, in its order: the last part of each one's PCI address, which tells them apart.
#include "kernels.h"

int main(void) {
    int count = -1;
    CUresult result = cuInit(0);
    if (result != CUDA_SUCCESS) return printf("%s\n", name_of(result)), 0;
    CHECK(cuDeviceGetCount(&count));
    for (int i = 0; i < count; i++) {
        CUdevice device;
        CUuuid uuid;
        char address[32];
        CHECK(cuDeviceGet(&device, i));
        CHECK(cuDeviceGetPCIBusId(address, sizeof address, device));
        CHECK(cuDeviceGetUuid(&uuid, device));
        printf("%s GPU-", address);
        for (int byte = 0; byte < 16; byte++)
            printf("%s%02x", byte == 4 || byte == 6 || byte == 8 || byte == 10 ? "-" : "", (unsigned char)uuid.bytes[byte]);
        printf("\n");
    }
    return 0;
}
