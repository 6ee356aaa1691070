/* Rows that are tried one after another in child processes.
 *
 * A child goes on from row to row until one crashes, hangs or asks for a new process; the next row then starts in a new
 * child. So each row gets an entry, whatever it does, and only those that break something cost a start of the driver. */
#pragma once

#include <stdbool.h>

struct batch {
    unsigned count;
    const char *(*name)(unsigned row);
    /* Makes what the rows that follow need; false if it cannot be had. */
    bool (*prepare)(unsigned row);
    /* Tries one row and records it; false if the next one needs a new process. */
    bool (*run)(unsigned row);
    /* Rows of different groups never share a process; rows that cannot be prepared are left out up to the next group. */
    unsigned (*group)(unsigned row);
    unsigned row_limit_ms;
};

void run_batch(const struct batch *batch);

/* Waits for a child, which is killed if it is not done within limit_ms of the last time that advanced(argument) was true
 * (null: never). How it ended, as text; null if in order. */
const char *await_child(int child, unsigned limit_ms, bool (*advanced)(void *), void *argument);
