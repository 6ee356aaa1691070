#define _GNU_SOURCE
#include "batch.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "record.h"

enum { START_LIMIT_MS = 30000 }; /* the driver's start and the first module, on a machine that was idle */

/* Where the child is; shared with it. */
static volatile struct { unsigned row; bool started, unprepared; } *progress;

static void run_rows(const struct batch *batch, unsigned first) {
    if (!batch->prepare(first)) {
        progress->unprepared = true;
        return;
    }
    progress->started = true;
    for (unsigned row = first; row < batch->count && batch->group(row) == batch->group(first); row++) {
        progress->row = row;
        bool sound = batch->run(row);
        progress->row = row + 1;
        if (!sound) return;
    }
}

/* Waits for the child's end; false if it stayed at one row for too long, and is now killed. */
static bool watch(pid_t child, unsigned row_limit_ms) {
    int process = syscall(SYS_pidfd_open, child, 0);
    struct pollfd ended = {.fd = process, .events = POLLIN};
    unsigned seen = progress->row;
    bool in_time = true;
    while (in_time && poll(&ended, 1, progress->started ? row_limit_ms : START_LIMIT_MS) == 0) {
        in_time = progress->row != seen;
        seen = progress->row;
    }
    if (!in_time) kill(child, SIGKILL);
    close(process);
    return in_time;
}

const char *how_it_ended(int child, bool in_time) {
    static char text[64];
    int status = 0;
    waitpid(child, &status, 0);
    if (!in_time) return "timeout";
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return NULL;
    if (WIFSIGNALED(status)) snprintf(text, sizeof text, "crashed: signal %d", WTERMSIG(status));
    else snprintf(text, sizeof text, "exited: status %d", WEXITSTATUS(status));
    return text;
}

static void record_text(const char *name, const char *text) {
    begin("%s", name);
    put_text("code", text);
    end();
}

static unsigned leave_group(const struct batch *batch, unsigned row) {
    for (unsigned group = batch->group(row); row < batch->count && batch->group(row) == group; row++)
        record_text(batch->name(row), "not tried");
    return row;
}

void run_batch(const struct batch *batch) {
    progress = mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (unsigned next = 0; next < batch->count;) {
        progress->row = next;
        progress->started = progress->unprepared = false;
        pid_t child = fork();
        if (child == 0) {
            run_rows(batch, next);
            _exit(0); /* without the driver's exit handlers: what they do is no part of a row */
        }
        const char *fate = how_it_ended(child, watch(child, batch->row_limit_ms));
        if (fate && progress->row < batch->count) record_text(batch->name(progress->row), fate);
        if (progress->unprepared) next = leave_group(batch, next);
        else next = progress->row + (fate ? 1 : 0);
    }
    munmap((void *)progress, sizeof *progress);
}
