// runtimes: all
// Managed memory: a list that the host builds, the device changes and the host reads; variables; attaching; copies and sets.
#include "arrays.h"

struct Node {
    Node *next;
    int value;
};

__managed__ int count = 7;
__managed__ int table[1000] = {1, 2, 3};
__managed__ Node *head;

__global__ void change_list(Node *node) {
    for (; node; node = node->next) node->value = node->value * 2 + 1;
}

// Takes every second node out of the list, and counts those that stay.
__global__ void thin_out() {
    count = 0;
    for (Node *node = head; node; node = node->next) {
        count++;
        if (node->next) node->next = node->next->next;
    }
}

__global__ void add_table(int *sum) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < 1000) {
        atomicAdd(sum, table[i]);
        table[i] = i;
    }
}

__global__ void triple(int *values, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) values[i] = 3 * values[i] + 1;
}

static int lists() {
    enum { NODES = 500 };
    int wrong = 0;
    Node *nodes[NODES];
    for (int i = 0; i < NODES; i++) {
        CHECK(cudaMallocManaged(&nodes[i], sizeof(Node)));
        *nodes[i] = {nullptr, i};
        if (i) nodes[i - 1]->next = nodes[i];
    }
    for (int round = 0; round < 3; round++) {
        change_list<<<1, 1>>>(nodes[0]);
        CHECK(cudaDeviceSynchronize());
        int at = 0;
        for (Node *node = nodes[0]; node; node = node->next, at++) {
            wrong += node->value != 2 * (at + round * 1000) + 1;
            node->value = at + (round + 1) * 1000;
        }
        wrong += at != NODES;
    }
    head = nodes[0];
    thin_out<<<1, 1>>>();
    CHECK(cudaDeviceSynchronize());
    int left = 0;
    for (Node *node = head; node; node = node->next) wrong += node->value != 2 * left++ + 3000;
    printf("a list: %d left of %d, the device counted %d\n", left, NODES, count);
    for (Node *node : nodes) CHECK(cudaFree(node));
    return wrong;
}

static int variables() {
    int *sum, wrong = 0;
    CHECK(cudaMallocManaged(&sum, sizeof(int)));
    *sum = 0;
    wrong += table[0] != 1 || table[2] != 3 || table[999] != 0;
    table[999] = 100;
    add_table<<<8, 128>>>(sum);
    CHECK(cudaDeviceSynchronize());
    wrong += *sum != 106;
    for (int i = 0; i < 1000; i++) wrong += table[i] != i;
    int *address;
    CHECK(cudaGetSymbolAddress((void **)&address, table));
    wrong += address != table;
    CHECK(cudaFree(sum));
    return wrong;
}

// Two streams work on two arrays, and the host on a third meanwhile.
static int streams() {
    enum { N = 100000 };
    int *values[3], wrong = 0;
    cudaStream_t stream[2];
    for (int *&array : values) {
        CHECK(cudaMallocManaged(&array, N * sizeof(int)));
        for (int i = 0; i < N; i++) array[i] = i;
    }
    for (int k = 0; k < 2; k++) CHECK(cudaStreamCreate(&stream[k]));
    for (int k = 0; k < 2; k++) CHECK(cudaStreamAttachMemAsync(stream[k], values[k], 0, cudaMemAttachSingle));
    CHECK(cudaStreamAttachMemAsync(nullptr, values[2], 0, cudaMemAttachHost));
    CHECK(cudaDeviceSynchronize());
    for (int round = 0; round < 4; round++) {
        for (int k = 0; k < 2; k++) triple<<<(N + 255) / 256, 256, 0, stream[k]>>>(values[k], N);
        for (int i = 0; i < N; i++) values[2][i] = 3 * values[2][i] + 1;
        CHECK(cudaStreamSynchronize(stream[round % 2]));
        for (int i = 0; i < N; i++) wrong += values[round % 2][i] != values[2][i];
        CHECK(cudaStreamSynchronize(stream[1 - round % 2]));
        for (int i = 0; i < N; i++) wrong += values[1 - round % 2][i] != values[2][i];
    }
    for (int k = 0; k < 2; k++) CHECK(cudaStreamDestroy(stream[k]));
    for (int *array : values) CHECK(cudaFree(array));
    return wrong;
}

// Copies and sets of managed memory have the device's order, and the host sees what a call has done that waits.
static int copies() {
    enum { N = 5000 };
    int *managed, *device, wrong = 0;
    std::vector<int> host(N);
    CHECK(cudaMallocManaged(&managed, N * sizeof(int)));
    CHECK(cudaMalloc(&device, N * sizeof(int)));
    CHECK(cudaMemset(managed, 0x11, N * sizeof(int)));
    wrong += managed[0] != 0x11111111 || managed[N - 1] != 0x11111111;
    for (int i = 0; i < N; i++) managed[i] = i;
    triple<<<(N + 255) / 256, 256>>>(managed, N);
    CHECK(cudaMemcpyAsync(device, managed, N * sizeof(int), cudaMemcpyDefault));
    triple<<<(N + 255) / 256, 256>>>(device, N);
    CHECK(cudaMemcpy(host.data(), device, N * sizeof(int), cudaMemcpyDefault));
    for (int i = 0; i < N; i++) wrong += host[i] != 9 * i + 4 || managed[i] != 3 * i + 1;
    for (int i = 0; i < N; i++) host[i] = -i;
    CHECK(cudaMemcpy(managed, host.data(), N * sizeof(int), cudaMemcpyDefault));
    for (int i = 0; i < N; i++) wrong += managed[i] != -i;
    CHECK(cudaMemcpy(managed, device, N * sizeof(int), cudaMemcpyDefault));
    for (int i = 0; i < N; i++) wrong += managed[i] != 9 * i + 4;
    CHECK(cudaFree(managed));
    CHECK(cudaFree(device));
    return wrong;
}

static int kinds() {
    int *managed, wrong = 0;
    cudaPointerAttributes attributes;
    CHECK(cudaMallocManaged(&managed, 100));
    CHECK(cudaPointerGetAttributes(&attributes, managed + 3));
    wrong += attributes.type != cudaMemoryTypeManaged || attributes.devicePointer != managed + 3;
    wrong += attributes.hostPointer != managed + 3;
    CHECK(cudaPointerGetAttributes(&attributes, table));
    wrong += attributes.type != cudaMemoryTypeManaged;
    CHECK(cudaFree(managed));
    int has;
    CHECK(cudaDeviceGetAttribute(&has, cudaDevAttrManagedMemory, 0));
    return wrong + !has;
}

int main() {
    int wrong[] = {kinds(), variables(), lists(), copies(), streams()};
    const char *names[] = {"kinds", "variables", "lists", "copies", "streams"};
    int all = 0;
    for (int i = 0; i < 5; i++) {
        printf("%s: %d wrong\n", names[i], wrong[i]);
        all += wrong[i];
    }
    return all ? 1 : 0;
}
