/* probe DRIVER NAMES CHAPTER: runs one chapter and writes its entries to standard output. */
#include <stdio.h>
#include <string.h>

#include "chapters.h"
#include "driver.h"
#include "names.h"

static const struct {
    const char *name;
    void (*run)(void);
} chapters[] = {
    {"attributes", attributes},
    {"tables", tables},
    {"entry_points", entry_points},
    {"wrong_uses", wrong_uses},
    {"waits", waits},
    {"capture", capture},
    {"faults", faults},
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
