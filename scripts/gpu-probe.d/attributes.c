/* What every device says of itself. */
#include <stdio.h>
#include <string.h>

#include "chapters.h"
#include "driver.h"
#include "names.h"
#include "record.h"

enum { NUMBERS_ASKED = 256 }; /* of attributes: the header names some 160, the driver may know more */

static const char *name_of(const struct name *names, unsigned count, int number, const char *otherwise) {
    static char text[96];
    for (unsigned i = 0; i < count; i++)
        if (names[i].number == number) return names[i].text;
    snprintf(text, sizeof text, "%s %d", otherwise, number);
    return text;
}

static void device_attributes(CUdevice device) {
    const struct name *names;
    unsigned count = names_of("attribute", &names);
    for (int number = 0; number < NUMBERS_ASKED; number++) {
        int value = -1;
        CUresult code = CALL(cuDeviceGetAttribute, &value, number, device);
        begin("device %d/%s", device, name_of(names, count, number, "attribute"));
        put_number("number", number);
        put_code("code", code);
        if (code == 0) put_number("value", value);
        end();
    }
}

static void device_identity(CUdevice device) {
    char name[256] = "", bus[64] = "", luid[8] = "";
    unsigned mask = 0;
    size_t bytes = 0;
    CUuuid uuid = {{0}};
    int major = 0, minor = 0;

    begin("device %d/cuDeviceGetName", device);
    put_code("code", CALL(cuDeviceGetName, name, sizeof name, device));
    put_text("value", name);
    end();
    begin("device %d/cuDeviceTotalMem_v2", device);
    put_code("code", CALL(cuDeviceTotalMem_v2, &bytes, device));
    put_number("value", bytes);
    end();
    begin("device %d/cuDeviceGetUuid_v2", device);
    put_code("code", CALL(cuDeviceGetUuid_v2, &uuid, device));
    put_bytes("value", &uuid, sizeof uuid);
    end();
    begin("device %d/cuDeviceGetLuid", device);
    put_code("code", CALL(cuDeviceGetLuid, luid, &mask, device));
    put_bytes("value", luid, sizeof luid);
    put_number("mask", mask);
    end();
    begin("device %d/cuDeviceGetPCIBusId", device);
    put_code("code", CALL(cuDeviceGetPCIBusId, bus, sizeof bus, device));
    put_text("value", bus);
    end();
    begin("device %d/cuDeviceComputeCapability", device);
    put_code("code", CALL(cuDeviceComputeCapability, &major, &minor, device));
    put_json("value", "[%d, %d]", major, minor);
    end();
}

void attributes(void) {
    int count = 0, version = 0;
    record_code("cuInit", CALL(cuInit, 0));
    begin("cuDriverGetVersion");
    put_code("code", CALL(cuDriverGetVersion, &version));
    put_number("value", version);
    end();
    begin("cuDeviceGetCount");
    put_code("code", CALL(cuDeviceGetCount, &count));
    put_number("value", count);
    end();
    for (CUdevice device = 0; device < count; device++) {
        device_identity(device);
        device_attributes(device);
    }
}
