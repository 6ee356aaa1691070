#define _GNU_SOURCE
#include "batch.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
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

/* Whether the child has come further; while the driver starts, it has its own time. */
struct watched { unsigned row; double until_us; };

static bool came_further(void *argument) {
    struct watched *watched = argument;
    if (!progress->started) return now_us() < watched->until_us;
    bool further = progress->row != watched->row;
    watched->row = progress->row;
    return further;
}

/* By asking now and then: a pidfd is not to be had on every kernel that lends a GPU. */
const char *await_child(int child, unsigned limit_ms, bool (*advanced)(void *), void *argument) {
    enum { PAUSE_US = 500 };
    static char text[64];
    int status = 0;
    bool late = false;
    double last = now_us();
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (advanced && advanced(argument)) last = now_us();
        late = now_us() - last > limit_ms * 1e3;
        if (late) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            return "timeout";
        }
        usleep(PAUSE_US);
    }
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
        struct watched watched = {next, now_us() + START_LIMIT_MS * 1e3};
        const char *fate = await_child(child, batch->row_limit_ms, came_further, &watched);
        if (fate && progress->row < batch->count) record_text(batch->name(progress->row), fate);
        if (progress->unprepared) next = leave_group(batch, next);
        else next = progress->row + (fate ? 1 : 0);
    }
    munmap((void *)progress, sizeof *progress);
}
