// Virtual functions of objects that the device makes, owns and deletes: new and delete, malloc and free, lists built by many
// threads, and an allocation that there is no room for.
#include "arrays.h"

struct Shape {
    float size;
    __device__ explicit Shape(float size) : size(size) {}
    __device__ virtual ~Shape() {}
    __device__ virtual float area() const = 0;
    __device__ virtual int corners() const { return 0; }
};

__device__ int destroyed;

struct Square : Shape {
    __device__ explicit Square(float size) : Shape(size) {}
    __device__ ~Square() override { atomicAdd(&destroyed, 1); }
    __device__ float area() const override { return size * size; }
    __device__ int corners() const override { return 4; }
};

struct Circle : Shape {
    __device__ explicit Circle(float size) : Shape(size) {}
    __device__ ~Circle() override { atomicAdd(&destroyed, 100000); }
    __device__ float area() const override { return 3 * size * size; }
};

__global__ void make(Shape **shapes, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    if (i % 3) shapes[i] = new Square(i);
    else shapes[i] = new Circle(i);
}

__global__ void measure(Shape **shapes, float *areas, int *corners, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    areas[i] = shapes[i]->area();
    corners[i] = shapes[i]->corners();
}

__global__ void destroy(Shape **shapes, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) delete shapes[i];
}

struct Node {
    int value;
    Node *next;
};

// Every thread puts nodes at the head of one list; the last kernel walks it, sums and frees.
__global__ void push(Node **head, int each) {
    for (int k = 0; k < each; k++) {
        Node *node = (Node *)malloc(sizeof(Node));
        node->value = threadIdx.x * each + k;
        unsigned long long old, first = (unsigned long long)*(Node *volatile *)head;
        do {
            old = first;
            node->next = (Node *)old;
            first = atomicCAS((unsigned long long *)head, old, (unsigned long long)node);
        } while (first != old);
    }
}

__global__ void drain(Node **head, int *count, int *sum) {
    for (Node *node = *head; node;) {
        Node *next = node->next;
        ++*count, *sum += node->value;
        free(node);
        node = next;
    }
}

// Room that was freed is given again, many times more than there is.
__global__ void again(int rounds, int *failed) {
    for (int round = 0; round < rounds; round++) {
        auto *bytes = (char *)malloc(1000 + threadIdx.x);
        if (!bytes) {
            atomicAdd(failed, 1);
            continue;
        }
        bytes[0] = 1, bytes[999 + threadIdx.x] = 2;
        free(bytes);
    }
}

__global__ void too_much(size_t bytes, int *refused) { *refused = malloc(bytes) == nullptr; }

int main() {
    const int n = 300;
    int wrong = 0;
    Shape **shapes = device_zeroes<Shape *>(n);
    float *areas = device_zeroes<float>(n);
    int *corners = device_zeroes<int>(n);
    make<<<3, 128>>>(shapes, n);
    measure<<<3, 128>>>(shapes, areas, corners, n);
    destroy<<<3, 128>>>(shapes, n);
    LAUNCHED();
    std::vector<float> expected_areas(n);
    std::vector<int> expected_corners(n);
    for (int i = 0; i < n; i++) expected_areas[i] = (i % 3 ? 1.f : 3.f) * i * i, expected_corners[i] = i % 3 ? 4 : 0;
    wrong += differing(expected_areas, to_host(areas, n)) + differing(expected_corners, to_host(corners, n));
    int gone = 0;
    CHECK(cudaMemcpyFromSymbol(&gone, destroyed, sizeof(gone)));
    wrong += gone != 200 + 100 * 100000;

    Node **head = device_zeroes<Node *>(1);
    int *count = device_zeroes<int>(1), *sum = device_zeroes<int>(1);
    push<<<1, 96>>>(head, 5);
    drain<<<1, 1>>>(head, count, sum);
    wrong += to_host(count, 1)[0] != 480 || to_host(sum, 1)[0] != 480 * 479 / 2;

    int *failed = device_zeroes<int>(1);
    again<<<4, 64>>>(100, failed);
    wrong += to_host(failed, 1)[0] != 0;

    size_t heap = 0;
    CHECK(cudaDeviceGetLimit(&heap, cudaLimitMallocHeapSize));
    int *refused = device_zeroes<int>(1);
    too_much<<<1, 1>>>(heap + 1, refused);
    wrong += !to_host(refused, 1)[0];
    LAUNCHED();
    printf("virtual_calls: %d shapes, a heap of %zu bytes\n", n, heap);
    return verdict("virtual_calls", wrong);
}
