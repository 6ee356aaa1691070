#include "names.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT = 4096 };
static struct entry {
    char kind[32];
    struct name name;
} entries[LIMIT];
static unsigned count;

void read_names(const char *path) {
    FILE *file = fopen(path, "r");
    char line[256];
    if (!file) {
        perror(path);
        exit(2);
    }
    while (count < LIMIT && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        char *space = strchr(line, ' ');
        if (!space) continue;
        struct entry *entry = &entries[count++];
        snprintf(entry->kind, sizeof entry->kind, "%.*s", (int)(space - line), line);
        char *rest = space + 1;
        if (isdigit((unsigned char)*rest)) {
            entry->name.number = strtol(rest, &rest, 10);
            if (*rest == ' ') rest++;
        }
        entry->name.text = strdup(rest);
    }
    fclose(file);
}

unsigned names_of(const char *kind, const struct name **found) {
    struct name *names = calloc(count + 1, sizeof *names);
    unsigned some = 0;
    for (unsigned i = 0; i < count; i++)
        if (strcmp(entries[i].kind, kind) == 0) names[some++] = entries[i].name;
    *found = names;
    return some;
}
