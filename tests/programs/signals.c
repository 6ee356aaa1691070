// The program's signals are the program's threads' affair: its handlers never run on a thread that the library started, and
// calls survive handlers that interrupt them.
#include "kernels.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { N = 4096 };

static volatile sig_atomic_t ticks, strangers, interrupts;
static pid_t main_thread;

static void on_tick(int signal) {
    (void)signal;
    ticks++;
    strangers += syscall(SYS_gettid) != main_thread;
}

static void on_interrupt(int signal) { (void)signal, interrupts++; }

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

// Threads besides this one that would take a signal of the program's.
static int threads_that_take_signals(void) {
    int found = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *task; (task = readdir(tasks));) {
        if (task->d_name[0] == '.' || atoi(task->d_name) == main_thread) continue;
        char path[300], line[256];
        snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
        FILE *status = fopen(path, "r");
        unsigned long long blocked = 0;
        while (status && fgets(line, sizeof line, status)) sscanf(line, "SigBlk: %llx", &blocked);
        if (status) fclose(status);
        const unsigned long long ours = 1ull << (SIGINT - 1) | 1ull << (SIGPROF - 1) | 1ull << (SIGALRM - 1);
        found += (blocked & ours) != ours;
    }
    closedir(tasks);
    return found;
}

int main(void) {
    static uint32_t value[N];
    main_thread = (pid_t)syscall(SYS_gettid);
    CUmodule module = begin();
    CUfunction fill = function_of(module, "fill"), add = function_of(module, "add");
    CUdeviceptr memory = words(N);
    hold("every thread of the library has the program's signals blocked", threads_that_take_signals() == 0);

    // A pending signal goes to any thread that does not block it.
    struct sigaction action = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, NULL);
    sigset_t interrupt, pending;
    sigemptyset(&interrupt), sigaddset(&interrupt, SIGINT);
    sigprocmask(SIG_BLOCK, &interrupt, NULL);
    kill(getpid(), SIGINT);
    CHECK(launch(fill, NULL, memory, 1, N));
    CHECK(cuCtxSynchronize());
    sigpending(&pending);
    hold("a signal that the program blocks stays pending", sigismember(&pending, SIGINT) && interrupts == 0);
    sigprocmask(SIG_UNBLOCK, &interrupt, NULL);
    hold("and comes when it does not", interrupts == 1);

    // Without SA_RESTART, so that every system call of the library's is cut short now and then.
    action.sa_handler = on_tick;
    sigaction(SIGPROF, &action, NULL), sigaction(SIGALRM, &action, NULL);
    struct itimerval every = {.it_interval = {0, 500}, .it_value = {0, 500}};
    setitimer(ITIMER_PROF, &every, NULL), setitimer(ITIMER_REAL, &every, NULL);
    int wrong = 0, rounds = 0;
    for (double until = now() + 1; now() < until; rounds++) {
        CHECK(launch(fill, NULL, memory, (uint32_t)rounds, N));
        CHECK(launch(add, NULL, memory, 3, N));
        CHECK(cuMemcpyDtoH(value, memory, sizeof value));
        for (int i = 0; i < N; i++) wrong += value[i] != (uint32_t)rounds + 3;
    }
    memset(&every, 0, sizeof every);
    setitimer(ITIMER_PROF, &every, NULL), setitimer(ITIMER_REAL, &every, NULL);
    hold("results are right under a rain of signals", wrong == 0 && rounds > 3);
    hold("which fell", ticks > 100);
    hold("on the program's own thread only", strangers == 0);
    printf("signals: %d unexpected\n", failures);
    return failures != 0;
}
