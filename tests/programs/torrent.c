// Threads that read more from the device at one time than any buffer on the way holds, until they are told to stop.
//
//   torrent FILE      says that it runs, and goes on until FILE exists
#include "kernels.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { THREADS = 8, WORDS = 6 << 20 };

static CUcontext context;
static CUdeviceptr memory;
static const char *stop;
static atomic_int running, copies, wrong;

static uint32_t word(size_t i) { return (uint32_t)i * 2654435761u; }

static void *work(void *unused) {
    uint32_t *host = malloc(WORDS * sizeof *host);
    CUstream stream;
    CHECK(cuCtxSetCurrent(context));
    CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    for (int first = 1, last = 0; !last; first = 0) {
        last = !access(stop, F_OK);
        memset(host, 0, WORDS * sizeof *host);
        CHECK(cuMemcpyDtoHAsync(host, memory, WORDS * sizeof *host, stream));
        CHECK(cuStreamSynchronize(stream));
        for (size_t i = 0; i < WORDS; i++) wrong += host[i] != word(i);
        copies++;
        if (first && ++running == THREADS) printf("it runs\n"), fflush(stdout);
    }
    CHECK(cuStreamDestroy(stream));
    free(host);
    return unused;
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    stop = arguments[1];
    begin();
    CHECK(cuCtxGetCurrent(&context));
    uint32_t *host = malloc(WORDS * sizeof *host);
    for (size_t i = 0; i < WORDS; i++) host[i] = word(i);
    memory = words(WORDS);
    CHECK(cuMemcpyHtoD(memory, host, WORDS * sizeof *host));
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, work, NULL);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    printf("torrent: rounds=%d, wrong=%d\n", copies, wrong);
    return wrong != 0;
}
