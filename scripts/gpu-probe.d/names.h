/* names.txt, read at run time: what to ask the driver about. */
#pragma once

struct name {
    const char *text;
    int number;
};

/* The lines of one kind ("attribute"); the result lives as long as the process. */
unsigned names_of(const char *kind, const struct name **found);
void read_names(const char *path);
