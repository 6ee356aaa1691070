// Forks after its connection was lost and found again. The child keeps the files that were opened meanwhile, whatever numbers they have.
//
//   forks_later FILE      says that it runs, and calls and forks once FILE exists
#include "kernels.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILES = 12 };

int main(int count, char **arguments) {
    if (count != 2) return 2;
    int file[FILES], status = -1;
    begin();
    printf("it runs\n"), fflush(stdout);
    while (access(arguments[1], F_OK)) usleep(1000);
    CUdeviceptr memory = words(100);
    CHECK(cuMemsetD32(memory, 3, 100));
    CHECK(cuCtxSynchronize());
    for (int i = 0; i < FILES; i++) file[i] = open("/dev/null", O_RDONLY);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        int closed = 0;
        for (int i = 0; i < FILES; i++) closed += fcntl(file[i], F_GETFD) < 0;
        expect("child: cuInit", CUDA_ERROR_NOT_INITIALIZED, cuInit(0));
        hold("child: its files are open", closed == 0);
        fflush(stdout);
        _exit(failures);
    }
    if (waitpid(child, &status, 0) != child) perror("waitpid");
    hold("the child ended well", WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(cuMemFree(memory));
    return failures;
}
