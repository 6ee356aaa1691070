// Calls at times when most of a process is gone already: from handlers of atexit, from destructors of the library's loader, from
// what runs when a thread ends, and while the process ends under other threads. None may crash or hang; what they return then is
// success, or that CUDA is gone.
//
//   late_calls         the handlers
//   late_calls amid    the process ends while threads are calling
#include "kernels.h"

#include <pthread.h>
#include <unistd.h>

static CUcontext context;
static CUdeviceptr memory;
static CUstream stream;

static void call(const char *when) {
    CUdeviceptr other = 0;
    uint32_t word = 0;
    CUcontext current = NULL;
    const CUresult results[] = {
        cuCtxGetCurrent(&current), cuCtxSetCurrent(context),        cuMemAlloc(&other, 4096),
        cuMemFree(other),          cuMemcpyDtoH(&word, memory, 4),  cuStreamSynchronize(stream),
        cuCtxSynchronize(),        cuMemsetD32Async(memory, 1, 1, stream),
    };
    int odd = 0;
    for (size_t i = 0; i < sizeof results / sizeof *results; i++)
        odd += results[i] != CUDA_SUCCESS && results[i] != CUDA_ERROR_DEINITIALIZED &&
               results[i] != CUDA_ERROR_NOT_INITIALIZED;
    printf("  %s: odd codes=%d\n", when, odd);
    fflush(stdout);
}

static void registered_before(void) { call("a handler registered before cuInit"); }
static void registered_after(void) { call("a handler registered after cuInit"); }
__attribute__((destructor)) static void destructor(void) { call("a destructor of the loader's"); }
static void key_destructor(void *nothing) { (void)nothing, call("a thread's end, from its key"); }

extern int __cxa_thread_atexit_impl(void (*function)(void *), void *argument, void *library);
extern void *__dso_handle;
static void thread_local_destructor(void *nothing) { (void)nothing, call("a thread's end, from its variable"); }

static void *ending_thread(void *key) {
    __cxa_thread_atexit_impl(thread_local_destructor, NULL, &__dso_handle);
    pthread_setspecific(*(pthread_key_t *)key, key);
    CHECK(cuCtxSetCurrent(context));
    CHECK(cuStreamSynchronize(CU_STREAM_PER_THREAD));
    return NULL;
}

// Until the process is gone; no code matters any more.
static void *calling_thread(void *nothing) {
    uint32_t value[256];
    cuCtxSetCurrent(context);
    for (;;) {
        CUdeviceptr mine;
        if (cuMemAlloc(&mine, sizeof value) != CUDA_SUCCESS) continue;
        cuMemsetD32(mine, 5, 256);
        cuMemcpyDtoH(value, mine, sizeof value);
        cuMemFree(mine);
    }
    return nothing;
}

int main(int count, char **arguments) {
    int amid = count > 1 && !strcmp(arguments[1], "amid");
    if (!amid) atexit(registered_before);
    begin();
    CHECK(cuCtxGetCurrent(&context));
    CHECK(cuStreamCreate(&stream, 0));
    memory = words(16);
    if (amid) {
        pthread_t threads[4];
        for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, calling_thread, NULL);
        usleep(100000);
        exit(0);
    }
    atexit(registered_after);
    pthread_key_t key;
    pthread_key_create(&key, key_destructor);
    pthread_t thread;
    for (int i = 0; i < 3; i++) {
        pthread_create(&thread, NULL, ending_thread, &key);
        pthread_join(thread, NULL);
    }
    return 0;
}
