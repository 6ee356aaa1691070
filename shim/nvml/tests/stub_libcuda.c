/* A libcuda.so.1 of two devices that counts what it is asked and answers what the test told it to.
   Every device number is checked: a question about a third device is a bug of the asker. */
#include <string.h>

enum { DEVICES = 2, TOTAL = 1000, FREE = 400, CONTEXT = 0x77 };
enum { SUCCESS = 0, INVALID_VALUE = 1, NOT_INITIALIZED = 3, INVALID_DEVICE = 101, INVALID_CONTEXT = 201 };

int stub_calls, stub_init_result, stub_version = 13050, stub_active, stub_retained;
static int initialized;
static void *current;

#define ASKED() (stub_calls++)
#define ASKED_OF(device) \
    do { \
        ASKED(); \
        if (!initialized) return NOT_INITIALIZED; \
        if ((device) < 0 || (device) >= DEVICES) return INVALID_DEVICE; \
    } while (0)

int cuInit(unsigned flags) {
    ASKED();
    initialized = stub_init_result == SUCCESS;
    return flags ? INVALID_VALUE : stub_init_result;
}
int cuDriverGetVersion(int *version) {
    ASKED();
    *version = stub_version;
    return SUCCESS;
}
int cuDeviceGetCount(int *count) {
    ASKED_OF(0);
    *count = DEVICES;
    return SUCCESS;
}
int cuDeviceGet(int *device, int ordinal) {
    ASKED_OF(ordinal);
    *device = ordinal;
    return SUCCESS;
}
int cuDeviceGetName(char *name, int length, int device) {
    ASKED_OF(device);
    strncpy(name, device ? "Second GPU" : "First GPU", length);
    return SUCCESS;
}
int cuDeviceGetUuid_v2(unsigned char *uuid, int device) {
    ASKED_OF(device);
    for (int i = 0; i < 16; i++) uuid[i] = 0x10 * (device + 1) + i;
    return SUCCESS;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    ASKED_OF(device);
    switch (attribute) {
    case 33: *value = 0xA0 + device; return SUCCESS; /* bus */
    case 34: *value = 3; return SUCCESS;             /* place on the bus */
    case 50: *value = 0x10001; return SUCCESS;       /* domain: more than 16 bits */
    case 75: *value = 9; return SUCCESS;
    case 76: *value = 2; return SUCCESS;
    case 139: *value = 0x233010DE; return SUCCESS;
    default: return INVALID_VALUE; /* 140 included: an older driver */
    }
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) {
    ASKED_OF(device);
    *bytes = TOTAL + device;
    return SUCCESS;
}
int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) {
    ASKED_OF(device);
    *flags = 0;
    *active = stub_active;
    return SUCCESS;
}
int cuDevicePrimaryCtxRetain(void **context, int device) {
    ASKED_OF(device);
    stub_retained++;
    *context = (void *)CONTEXT;
    return SUCCESS;
}
int cuDevicePrimaryCtxRelease_v2(int device) {
    ASKED_OF(device);
    stub_retained--;
    return SUCCESS;
}
int cuCtxPushCurrent_v2(void *context) {
    ASKED_OF(0);
    current = context;
    return SUCCESS;
}
int cuCtxPopCurrent_v2(void **context) {
    ASKED_OF(0);
    *context = current;
    current = 0;
    return SUCCESS;
}
int cuMemGetInfo_v2(size_t *free, size_t *total) {
    ASKED_OF(0);
    if (current != (void *)CONTEXT) return INVALID_CONTEXT;
    *free = FREE;
    *total = TOTAL;
    return SUCCESS;
}
