/* probe DRIVER NAMES CHAPTER: runs one chapter and writes its entries to standard output.
 * probe DRIVER NAMES hold: keeps a context until standard input ends, so that the device stays awake for the others. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "chapters.h"
#include "driver.h"
#include "names.h"

static void hold(void) {
    enum { COMPUTE_MODE = 20 };
    CUcontext context;
    char byte;
    int mode = -1;
    CALL(cuInit, 0);
    CALL(cuDeviceGetAttribute, &mode, COMPUTE_MODE, 0);
    /* In another mode than the default one the others could not have a context beside this one. */
    printf("%s\n", mode == 0 && make_context(&context) == 0 ? "held" : "not held");
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0) {}
}

static const struct {
    const char *name;
    void (*run)(void);
} chapters[] = {
    {"attributes", attributes}, {"properties", properties}, {"tables", tables},
    {"entry_points", entry_points}, {"wrong_uses", wrong_uses}, {"waits", waits},
    {"virtual_memory", virtual_memory}, {"capture", capture}, {"stream_memory", stream_memory},
    {"faults", faults}, {"costs", costs}, {"hold", hold},
};

int main(int count, char **words) {
    if (count != 4) {
        fprintf(stderr, "usage: probe DRIVER NAMES CHAPTER\n");
        return 2;
    }
    open_driver(words[1]);
    read_names(words[2]);
    for (unsigned i = 0; i < sizeof chapters / sizeof *chapters; i++) {
        if (strcmp(chapters[i].name, words[3]) == 0) {
            chapters[i].run();
            return 0;
        }
    }
    fprintf(stderr, "probe: no chapter %s\n", words[3]);
    return 2;
}
