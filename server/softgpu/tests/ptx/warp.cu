// Kernels in which lanes go different ways, meet, and read each other. warp.ptx is this file, compiled:
//   nvcc -ptx -arch=compute_75 -o warp.ptx warp.cu
// The expected values are worked out in tests/warps.rs.

extern "C" __global__ void branches(unsigned *out, unsigned n) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x, x = i, steps = 0;
    if (i >= n) return;
    while (x != 1 && steps < 200) {
        if (x == 0) break;
        if (x & 1) x = 3 * x + 1; else x /= 2;
        if (steps % 7 == 3) { if (x % 5 == 0) { steps += 2; continue; } }
        ++steps;
    }
    out[i] = steps * 1000 + x % 1000;
}

extern "C" __global__ void choices(unsigned *out) {
    unsigned i = threadIdx.x, r;
    switch (i % 9) {
        case 0: r = i * 3; break;
        case 1: r = i + 100; break;
        case 2: r = i ^ 0x55; break;
        case 3: r = ~i; break;
        case 4: r = i << 3; break;
        case 5: r = i * i; break;
        case 6: r = 7; break;
        default: r = 0xdead0000 + i;
    }
    out[i] = r;
}

extern "C" __global__ void lanes(unsigned *out) {
    unsigned i = threadIdx.x, lane = i & 31;
    unsigned even = __ballot_sync(~0u, (lane & 1) == 0);
    unsigned up = __shfl_up_sync(~0u, i, 3), down = __shfl_down_sync(~0u, i, 5, 16);
    unsigned across = __shfl_xor_sync(~0u, i, 9), from = __shfl_sync(~0u, i, lane * 7 % 32);
    unsigned same = __match_any_sync(~0u, lane / 5);
    unsigned part = 0;
    if (lane < 11) {
        part = __shfl_sync(0x7ff, i, (lane + 1) % 11);
        part += __popc(__activemask());
        __syncwarp(0x7ff);
    }
    int all = __all_sync(~0u, lane < 32), any = __any_sync(~0u, lane == 40);
    unsigned *o = out + i * 8;
    o[0] = even; o[1] = up; o[2] = down; o[3] = across; o[4] = from; o[5] = same; o[6] = part; o[7] = all * 2 + any;
}

__device__ __noinline__ unsigned depth(unsigned n) { return n < 2 ? n : depth(n - 1) + depth(n - 2); }

extern "C" __global__ void recursion(unsigned *out) { out[threadIdx.x] = depth(threadIdx.x % 13); }

__device__ __noinline__ unsigned twice(unsigned x) { return x * 2; }
__device__ __noinline__ unsigned square(unsigned x) { return x * x; }
__device__ unsigned (*const table[2])(unsigned) = {twice, square};

extern "C" __global__ void pointers(unsigned *out) { out[threadIdx.x] = table[threadIdx.x & 1](threadIdx.x + 1); }

extern "C" __global__ void scan(unsigned *out) {
    __shared__ unsigned sums[256];
    unsigned i = threadIdx.x;
    sums[i] = i + 1;
    __syncthreads();
    for (unsigned step = 1; step < 256; step *= 2) {
        unsigned add = i >= step ? sums[i - step] : 0;
        __syncthreads();
        sums[i] += add;
        __syncthreads();
    }
    int more = __syncthreads_count(sums[i] > 1000);
    out[blockIdx.x * 256 + i] = sums[i] + more * 1000000;
}

// Each lane takes a lock that only another lane of its warp may hold.
extern "C" __global__ void locks(unsigned *lock, unsigned *count) {
    for (bool done = false; !done;) {
        if (atomicCAS(lock, 0, 1) == 0) {
            __threadfence();
            *(volatile unsigned *)count = *(volatile unsigned *)count + 1;
            __threadfence();
            atomicExch(lock, 0);
            done = true;
        }
    }
}

extern "C" __global__ void early(unsigned *out) {
    __shared__ unsigned met;
    if (threadIdx.x == 0) met = 0;
    __syncthreads();
    if (threadIdx.x % 3 == 0) return;
    atomicAdd(&met, 1);
    __syncthreads();
    out[threadIdx.x] = met;
}

extern "C" __global__ void locals(unsigned *out, unsigned n) {
    unsigned box[24];
    for (unsigned k = 0; k < 24; ++k) box[k] = k * k + threadIdx.x;
    unsigned *some = n ? box : out;
    unsigned sum = 0;
    for (unsigned k = 0; k < 24; ++k) sum += some[(k * 5 + threadIdx.x) % 24];
    out[threadIdx.x] = sum;
}

struct Mixed { char c; int words[5]; double d; float *p; };

extern "C" __global__ void by_value(Mixed m, double *out) {
    out[0] = m.c + m.words[0] + m.words[4] + m.d;
    out[1] = m.words[threadIdx.x % 5] * 0.5;
}
