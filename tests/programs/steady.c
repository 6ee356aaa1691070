// A program that computes until it is told to stop, checking each result: the other session, to which nothing may happen.
//
//   steady FILE    says that it runs, and goes on until FILE exists
#include "kernels.h"

#include <unistd.h>

enum { N = 3000 };

int main(int count, char **arguments) {
    static uint32_t value[N];
    if (count != 2) return 2;
    CUmodule module = begin();
    CUfunction fill = function_of(module, "fill"), triple = function_of(module, "triple");
    int rounds = 0, wrong = 0;
    for (int last = 0; !last; rounds++) {
        last = !access(arguments[1], F_OK);
        CUdeviceptr memory = words(N);
        CHECK(launch(fill, NULL, memory, (uint32_t)rounds, N));
        CHECK(launch(triple, NULL, memory, 1, N));
        CHECK(cuMemcpyDtoH(value, memory, sizeof value));
        CHECK(cuMemFree(memory));
        for (int i = 0; i < N; i++) wrong += value[i] != 3 * (uint32_t)rounds + 1;
        if (rounds == 0) printf("it runs\n"), fflush(stdout);
        usleep(2000);
    }
    printf("steady: more than one round=%d, wrong=%d\n", rounds > 1, wrong);
    return wrong != 0;
}
