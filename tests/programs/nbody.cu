// Bodies that attract each other, tile by tile through shared memory; momentum is kept, and positions are near the host's.
#include "arrays.h"

#include <algorithm>
#include <math.h>

const int TILE = 64;
const float SOFTENING = 0.05f, STEP = 0.001f;

__global__ void step(const float4 *positions, float4 *next, float4 *velocities, int n) {
    __shared__ float4 tile[TILE];
    int i = blockIdx.x * TILE + threadIdx.x;
    float4 at = positions[min(i, n - 1)];
    float3 pull = make_float3(0, 0, 0);
    for (int first = 0; first < n; first += TILE) {
        int j = first + threadIdx.x;
        tile[threadIdx.x] = j < n ? positions[j] : make_float4(0, 0, 0, 0);
        __syncthreads();
#pragma unroll 8
        for (int k = 0; k < TILE; k++) {
            float x = tile[k].x - at.x, y = tile[k].y - at.y, z = tile[k].z - at.z;
            float inverse = rsqrtf(x * x + y * y + z * z + SOFTENING);
            float weight = tile[k].w * inverse * inverse * inverse;
            pull.x += x * weight, pull.y += y * weight, pull.z += z * weight;
        }
        __syncthreads();
    }
    if (i >= n) return;
    float4 velocity = velocities[i];
    velocity.x += pull.x * STEP, velocity.y += pull.y * STEP, velocity.z += pull.z * STEP;
    velocities[i] = velocity;
    next[i] = make_float4(at.x + velocity.x * STEP, at.y + velocity.y * STEP, at.z + velocity.z * STEP, at.w);
}

struct Body {
    double at[3], velocity[3], mass;
};

static void host_step(std::vector<Body> &bodies) {
    std::vector<Body> old = bodies;
    for (Body &body : bodies) {
        double pull[3] = {0, 0, 0};
        for (const Body &other : old) {
            double away[3], square = SOFTENING;
            for (int axis = 0; axis < 3; axis++) away[axis] = other.at[axis] - body.at[axis], square += away[axis] * away[axis];
            for (int axis = 0; axis < 3; axis++) pull[axis] += away[axis] * other.mass / (square * sqrt(square));
        }
        for (int axis = 0; axis < 3; axis++) body.velocity[axis] += pull[axis] * STEP;
        for (int axis = 0; axis < 3; axis++) body.at[axis] += body.velocity[axis] * STEP; // `old` holds what others see
    }
}

int main() {
    const int n = 150, steps = 5; // not a multiple of a tile
    Random random(6);
    std::vector<float4> positions(n), velocities(n, make_float4(0, 0, 0, 0));
    std::vector<Body> bodies(n);
    for (int i = 0; i < n; i++) {
        positions[i] = make_float4(random.unit() - 0.5f, random.unit() - 0.5f, random.unit() - 0.5f, random.unit());
        bodies[i] = {{positions[i].x, positions[i].y, positions[i].z}, {0, 0, 0}, positions[i].w};
    }
    float4 *from = to_device(positions), *to = device_zeroes<float4>(n), *speed = to_device(velocities);
    for (int i = 0; i < steps; i++) {
        step<<<(n + TILE - 1) / TILE, TILE>>>(from, to, speed, n);
        std::swap(from, to);
        host_step(bodies);
    }
    LAUNCHED();
    positions = to_host(from, n), velocities = to_host(speed, n);
    double furthest = 0, momentum = 0, speeds = 0;
    for (int i = 0; i < n; i++) {
        furthest = std::max(furthest, fabs(positions[i].x - bodies[i].at[0]));
        furthest = std::max(furthest, fabs(positions[i].y - bodies[i].at[1]));
        furthest = std::max(furthest, fabs(positions[i].z - bodies[i].at[2]));
        momentum += velocities[i].x * positions[i].w;
        speeds += fabs(velocities[i].x) * positions[i].w;
    }
    int wrong = !(furthest < 1e-6) + !(fabs(momentum) < 1e-4 * speeds) + !(speeds > 0);
    printf("nbody: %d bodies, %d steps, near the host's %s, momentum kept %s\n", n, steps, furthest < 1e-6 ? "yes" : "no",
           fabs(momentum) < 1e-4 * speeds ? "yes" : "no");
    return verdict("nbody", wrong);
}
