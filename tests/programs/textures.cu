// Arrays, and kernels that read and write them: textures of every dimension, filter, edge and reading, surfaces, layers, levels, faces.

#include "check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <vector>

static int failures;

static void hold(const char *promise, bool kept) {
    printf("  %s: %s\n", promise, kept ? "yes" : "NO");
    failures += !kept;
}

static unsigned hash_of(const std::vector<float> &values) {
    unsigned hash = 2166136261u;
    for (float value : values) {
        unsigned bits;
        memcpy(&bits, &value, sizeof bits);
        hash = (hash ^ bits) * 16777619u;
    }
    return hash;
}

__global__ void read_1d(cudaTextureObject_t texture, float *out, int n, float scale, float shift) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = tex1D<float>(texture, i * scale + shift);
}

__global__ void fetch_1d(cudaTextureObject_t texture, float *out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = tex1Dfetch<float>(texture, i - 4);
}

__global__ void read_2d(cudaTextureObject_t texture, float *out, int width, int height, float scale, float shift) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x < width && y < height) out[y * width + x] = tex2D<float>(texture, x * scale + shift, y * scale + shift);
}

__global__ void read_colours(cudaTextureObject_t texture, float4 *out, int width, int height) {
    int x = threadIdx.x, y = threadIdx.y;
    if (x < width && y < height) out[y * width + x] = tex2D<float4>(texture, x + 0.5f, y + 0.5f);
}

__global__ void read_integers(cudaTextureObject_t texture, short2 *out, int width, int height) {
    int x = threadIdx.x, y = threadIdx.y;
    if (x < width && y < height) out[y * width + x] = tex2D<short2>(texture, x, y);
}

__global__ void read_3d(cudaTextureObject_t texture, float *out, int size, float shift) {
    int x = threadIdx.x, y = threadIdx.y, z = threadIdx.z;
    out[(z * size + y) * size + x] = tex3D<float>(texture, x + shift, y + shift, z + shift);
}

__global__ void read_layers(cudaTextureObject_t texture, float *out, int size, int layers) {
    int x = threadIdx.x, y = threadIdx.y;
    for (int layer = 0; layer < layers; layer++)
        out[(layer * size + y) * size + x] = tex2DLayered<float>(texture, x + 0.5f, y + 0.5f, layer);
}

__global__ void read_levels(cudaTextureObject_t texture, float *out, int count) {
    int i = threadIdx.x;
    if (i < count) out[i] = tex2DLod<float>(texture, 0.5f, 0.5f, i * 0.5f);
}

__global__ void gather(cudaTextureObject_t texture, float4 *out) { *out = tex2Dgather<float4>(texture, 2.0f, 2.0f, 0); }

__global__ void read_cube(cudaTextureObject_t texture, float *out) {
    const float3 ways[6] = {{1, 0, 0}, {-1, 0, 0}, {0, 1, 0}, {0, -1, 0}, {0, 0, 1}, {0, 0, -1}};
    float3 way = ways[threadIdx.x];
    out[threadIdx.x] = texCubemap<float>(texture, way.x, way.y, way.z);
}

__global__ void write_surface(cudaSurfaceObject_t surface, int width, int height) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x < width && y < height) surf2Dwrite(x * 100.0f + y, surface, x * 4, y);
}

__global__ void add_surface(cudaSurfaceObject_t surface, int width, int height) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= width + 3 || y >= height + 3) return;
    float old;
    surf2Dread(&old, surface, x * 4, y, cudaBoundaryModeZero);
    surf2Dwrite(old + 1, surface, x * 4, y, cudaBoundaryModeZero);
}

__global__ void write_layers(cudaSurfaceObject_t surface, int layers) {
    for (int layer = 0; layer < layers; layer++)
        surf2DLayeredwrite(layer * 1000.0f + threadIdx.y * 10 + threadIdx.x, surface, threadIdx.x * 4, threadIdx.y, layer);
}

static cudaTextureObject_t texture_of(cudaResourceDesc resource, cudaTextureFilterMode filter, cudaTextureAddressMode edge,
                                      bool normalized, cudaTextureReadMode reading = cudaReadModeElementType) {
    cudaTextureDesc description = {};
    for (auto &mode : description.addressMode) mode = edge;
    description.filterMode = filter, description.normalizedCoords = normalized, description.readMode = reading;
    description.maxMipmapLevelClamp = 100;
    cudaTextureObject_t texture;
    CHECK(cudaCreateTextureObject(&texture, &resource, &description, NULL));
    return texture;
}

static cudaResourceDesc of_array(cudaArray_t array) {
    cudaResourceDesc resource = {};
    resource.resType = cudaResourceTypeArray, resource.res.array.array = array;
    return resource;
}

template <typename T> static std::vector<T> back(T *device, size_t count) {
    std::vector<T> values(count);
    CHECK(cudaMemcpy(values.data(), device, count * sizeof(T), cudaMemcpyDeviceToHost));
    return values;
}

static float *floats(size_t count) {
    float *memory;
    CHECK(cudaMalloc(&memory, count * sizeof(float)));
    return memory;
}

static void flat() {
    const int width = 37, height = 23;
    std::vector<float> image(width * height);
    for (int i = 0; i < width * height; i++) image[i] = (float)((i * 7919) % 1000);
    cudaChannelFormatDesc format = cudaCreateChannelDesc<float>();
    cudaArray_t array;
    CHECK(cudaMallocArray(&array, &format, width, height));
    CHECK(cudaMemcpy2DToArray(array, 0, 0, image.data(), width * 4, width * 4, height, cudaMemcpyHostToDevice));
    cudaExtent extent;
    cudaChannelFormatDesc known;
    unsigned flags;
    CHECK(cudaArrayGetInfo(&known, &extent, &flags, array));
    hold("an array says what it is", extent.width == width && extent.height == height && known.x == 32 && known.f == cudaChannelFormatKindFloat);
    float *out = floats(4 * width * height);
    dim3 block(8, 8), grid(20, 20);
    cudaTextureObject_t exact = texture_of(of_array(array), cudaFilterModePoint, cudaAddressModeClamp, false);
    read_2d<<<grid, block>>>(exact, out, width, height, 1, 0.5f);
    hold("texels are what was copied", back(out, width * height) == image);
    cudaTextureObject_t smooth = texture_of(of_array(array), cudaFilterModeLinear, cudaAddressModeClamp, false);
    read_2d<<<grid, block>>>(smooth, out, width, height, 1, 1);
    std::vector<float> between = back(out, width * height);
    bool right = true;
    for (int y = 0; y + 1 < height; y++)
        for (int x = 0; x + 1 < width; x++) {
            float mean = (image[y * width + x] + image[y * width + x + 1] + image[(y + 1) * width + x] + image[(y + 1) * width + x + 1]) / 4;
            right &= fabsf(between[y * width + x] - mean) < 0.01f;
        }
    hold("halfway between four texels is their mean", right);
    const cudaTextureAddressMode edges[] = {cudaAddressModeWrap, cudaAddressModeClamp, cudaAddressModeMirror, cudaAddressModeBorder};
    for (int i = 0; i < 4; i++)
        for (int filter = 0; filter < 2; filter++) {
            cudaTextureObject_t texture = texture_of(of_array(array), filter ? cudaFilterModeLinear : cudaFilterModePoint, edges[i], true);
            read_2d<<<grid, block>>>(texture, out, 2 * width, 2 * height, 0.043f, -0.6f);
            std::vector<float> seen = back(out, 4 * width * height);
            printf("  edge %d, filter %d: %08x\n", i, filter, hash_of(seen));
            int x = 2 * width - 1;
            float at = (x * 0.043f - 0.6f);
            bool border = edges[i] == cudaAddressModeBorder && (at > 1.1f);
            hold("beyond the border is nothing", !border || seen[x] == 0);
            CHECK(cudaDestroyTextureObject(texture));
        }
    cudaResourceDesc resource = {};
    CHECK(cudaGetTextureObjectResourceDesc(&resource, exact));
    hold("a texture says what it reads", resource.resType == cudaResourceTypeArray && resource.res.array.array == array);
    float4 *four;
    CHECK(cudaMalloc(&four, sizeof *four));
    gather<<<1, 1>>>(exact, four);
    float4 found = back(four, 1)[0];
    hold("four texels are gathered in their order", found.x == image[2 * width + 1] && found.y == image[2 * width + 2] &&
                                                        found.z == image[width + 2] && found.w == image[width + 1]);
    std::vector<float> part(5 * 4);
    CHECK(cudaMemcpy2DFromArray(part.data(), 5 * 4, array, 3 * 4, 2, 5 * 4, 4, cudaMemcpyDeviceToHost));
    bool same = true;
    for (int y = 0; y < 4; y++)
        for (int x = 0; x < 5; x++) same &= part[y * 5 + x] == image[(y + 2) * width + x + 3];
    hold("a part of an array comes back", same);
    hold("a part beyond its edge does not", cudaMemcpy2DFromArray(part.data(), 20, array, 35 * 4, 2, 20, 4, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue);
    cudaGetLastError();
    cudaArray_t second;
    CHECK(cudaMallocArray(&second, &format, width, height));
    CHECK(cudaMemcpy2DArrayToArray(second, 0, 0, array, 0, 0, width * 4, height, cudaMemcpyDeviceToDevice));
    CHECK(cudaMemcpy2DFromArray(out, width * 4, second, 0, 0, width * 4, height, cudaMemcpyDeviceToDevice));
    hold("arrays are copied to arrays and to memory", back(out, width * height) == image);
    CHECK(cudaDestroyTextureObject(exact));
    CHECK(cudaDestroyTextureObject(smooth));
    CHECK(cudaFreeArray(second));
    CHECK(cudaFreeArray(array));
    CHECK(cudaFree(out));
    CHECK(cudaFree(four));
}

static void lines() {
    const int n = 1000;
    std::vector<float> values(n);
    for (int i = 0; i < n; i++) values[i] = i * 0.25f;
    float *memory = floats(n), *out = floats(n + 8);
    CHECK(cudaMemcpy(memory, values.data(), n * 4, cudaMemcpyHostToDevice));
    cudaResourceDesc resource = {};
    resource.resType = cudaResourceTypeLinear, resource.res.linear.devPtr = memory;
    resource.res.linear.desc = cudaCreateChannelDesc<float>(), resource.res.linear.sizeInBytes = n * 4;
    cudaTextureObject_t texture = texture_of(resource, cudaFilterModePoint, cudaAddressModeClamp, false);
    fetch_1d<<<8, 128>>>(texture, out, n + 8);
    std::vector<float> seen = back(out, n + 8);
    bool right = true;
    for (int i = 0; i < n + 8; i++) right &= seen[i] == (i < 4 || i >= n + 4 ? 0 : values[i - 4]);
    hold("linear memory is read by numbers, and beyond it is zero", right);
    CHECK(cudaDestroyTextureObject(texture));
    cudaChannelFormatDesc format = cudaCreateChannelDesc<float>();
    cudaArray_t array;
    CHECK(cudaMallocArray(&array, &format, n));
    CHECK(cudaMemcpy2DToArray(array, 0, 0, values.data(), n * 4, n * 4, 1, cudaMemcpyHostToDevice));
    texture = texture_of(of_array(array), cudaFilterModeLinear, cudaAddressModeClamp, false);
    read_1d<<<8, 128>>>(texture, out, n, 1, 1);
    seen = back(out, n);
    right = true;
    for (int i = 0; i + 1 < n; i++) right &= seen[i] == (values[i] + values[i + 1]) / 2;
    hold("a line is interpolated", right);
    CHECK(cudaDestroyTextureObject(texture));
    CHECK(cudaFreeArray(array));
    const int width = 50, height = 9;
    size_t pitch;
    float *pitched;
    CHECK(cudaMallocPitch(&pitched, &pitch, width * 4, height));
    CHECK(cudaMemcpy2D(pitched, pitch, values.data(), width * 4, width * 4, height, cudaMemcpyHostToDevice));
    resource = {};
    resource.resType = cudaResourceTypePitch2D, resource.res.pitch2D.devPtr = pitched, resource.res.pitch2D.desc = format;
    resource.res.pitch2D.width = width, resource.res.pitch2D.height = height, resource.res.pitch2D.pitchInBytes = pitch;
    texture = texture_of(resource, cudaFilterModePoint, cudaAddressModeClamp, false);
    read_2d<<<dim3(8, 8), dim3(8, 8)>>>(texture, out, width, height, 1, 0.5f);
    seen = back(out, width * height);
    hold("pitched memory is read as an image", std::vector<float>(values.begin(), values.begin() + width * height) == seen);
    CHECK(cudaDestroyTextureObject(texture));
    CHECK(cudaFree(pitched));
    CHECK(cudaFree(memory));
    CHECK(cudaFree(out));
}

static void kinds_of_texels() {
    const int width = 8, height = 8;
    std::vector<uchar4> colours(width * height);
    std::vector<short2> numbers(width * height);
    for (int i = 0; i < width * height; i++) {
        colours[i] = make_uchar4(i, 255 - i, 2 * i, 255);
        numbers[i] = make_short2(i - 32, 1000 * i);
    }
    cudaChannelFormatDesc format = cudaCreateChannelDesc<uchar4>();
    cudaArray_t array;
    CHECK(cudaMallocArray(&array, &format, width, height));
    CHECK(cudaMemcpy2DToArray(array, 0, 0, colours.data(), width * 4, width * 4, height, cudaMemcpyHostToDevice));
    cudaTextureObject_t texture = texture_of(of_array(array), cudaFilterModePoint, cudaAddressModeClamp, false, cudaReadModeNormalizedFloat);
    float4 *out;
    CHECK(cudaMalloc(&out, width * height * sizeof *out));
    read_colours<<<1, dim3(8, 8)>>>(texture, out, width, height);
    std::vector<float4> seen = back(out, width * height);
    bool right = true;
    for (int i = 0; i < width * height; i++)
        right &= fabsf(seen[i].x - i / 255.0f) < 1e-6f && fabsf(seen[i].y - (255 - i) / 255.0f) < 1e-6f && seen[i].w == 1;
    hold("bytes are read as fractions", right);
    CHECK(cudaDestroyTextureObject(texture));
    CHECK(cudaFreeArray(array));
    format = cudaCreateChannelDesc<short2>();
    CHECK(cudaMallocArray(&array, &format, width, height));
    CHECK(cudaMemcpy2DToArray(array, 0, 0, numbers.data(), width * 4, width * 4, height, cudaMemcpyHostToDevice));
    texture = texture_of(of_array(array), cudaFilterModePoint, cudaAddressModeClamp, false);
    read_integers<<<1, dim3(8, 8)>>>(texture, (short2 *)out, width, height);
    std::vector<short2> integers = back((short2 *)out, width * height);
    hold("and numbers as numbers", !memcmp(integers.data(), numbers.data(), width * height * sizeof(short2)));
    CHECK(cudaDestroyTextureObject(texture));
    CHECK(cudaFreeArray(array));
    CHECK(cudaFree(out));
}

static void solids() {
    const int size = 6, count = size * size * size;
    std::vector<float> values(count);
    for (int i = 0; i < count; i++) values[i] = (float)(i * i % 97);
    cudaChannelFormatDesc format = cudaCreateChannelDesc<float>();
    cudaArray_t array;
    float *out = floats(count);
    for (unsigned flags : {cudaArrayDefault, cudaArrayLayered}) {
        CHECK(cudaMalloc3DArray(&array, &format, make_cudaExtent(size, size, size), flags));
        cudaMemcpy3DParms copy = {};
        copy.srcPtr = make_cudaPitchedPtr(values.data(), size * 4, size, size), copy.dstArray = array;
        copy.extent = make_cudaExtent(size, size, size), copy.kind = cudaMemcpyHostToDevice;
        CHECK(cudaMemcpy3D(&copy));
        cudaTextureObject_t texture = texture_of(of_array(array), cudaFilterModePoint, cudaAddressModeClamp, false);
        if (flags == cudaArrayLayered) {
            read_layers<<<1, dim3(size, size)>>>(texture, out, size, size);
            hold("layers are told apart", back(out, count) == values);
        } else {
            read_3d<<<1, dim3(size, size, size)>>>(texture, out, size, 0.5f);
            hold("a solid is read", back(out, count) == values);
            cudaTextureObject_t smooth = texture_of(of_array(array), cudaFilterModeLinear, cudaAddressModeClamp, false);
            read_3d<<<1, dim3(size, size, size)>>>(smooth, out, size, 1);
            float mean = 0;
            for (int corner = 0; corner < 8; corner++) mean += values[((corner >> 2) * size + (corner >> 1 & 1)) * size + (corner & 1)] / 8;
            hold("and interpolated in three directions", fabsf(back(out, count)[0] - mean) < 0.01f);
            CHECK(cudaDestroyTextureObject(smooth));
        }
        CHECK(cudaDestroyTextureObject(texture));
        CHECK(cudaFreeArray(array));
    }
    std::vector<float> faces(6 * 4 * 4);
    for (size_t i = 0; i < faces.size(); i++) faces[i] = (float)(i / 16);
    CHECK(cudaMalloc3DArray(&array, &format, make_cudaExtent(4, 4, 6), cudaArrayCubemap));
    cudaMemcpy3DParms copy = {};
    copy.srcPtr = make_cudaPitchedPtr(faces.data(), 16, 4, 4), copy.dstArray = array;
    copy.extent = make_cudaExtent(4, 4, 6), copy.kind = cudaMemcpyHostToDevice;
    CHECK(cudaMemcpy3D(&copy));
    cudaTextureObject_t cube = texture_of(of_array(array), cudaFilterModePoint, cudaAddressModeClamp, true);
    read_cube<<<1, 6>>>(cube, out);
    std::vector<float> seen = back(out, 6);
    bool right = true;
    for (int face = 0; face < 6; face++) right &= seen[face] == face;
    hold("each direction meets its face of a cube", right);
    CHECK(cudaDestroyTextureObject(cube));
    CHECK(cudaFreeArray(array));
    CHECK(cudaFree(out));
}

static void levels() {
    const int size = 16, count = 5;
    cudaChannelFormatDesc format = cudaCreateChannelDesc<float>();
    cudaMipmappedArray_t whole;
    CHECK(cudaMallocMipmappedArray(&whole, &format, make_cudaExtent(size, size, 0), count));
    for (int level = 0; level < count; level++) {
        int side = size >> level;
        std::vector<float> values(side * side, level * 10.0f);
        cudaArray_t array;
        CHECK(cudaGetMipmappedArrayLevel(&array, whole, level));
        CHECK(cudaMemcpy2DToArray(array, 0, 0, values.data(), side * 4, side * 4, side, cudaMemcpyHostToDevice));
    }
    cudaResourceDesc resource = {};
    resource.resType = cudaResourceTypeMipmappedArray, resource.res.mipmap.mipmap = whole;
    cudaTextureDesc description = {};
    description.filterMode = description.mipmapFilterMode = cudaFilterModeLinear;
    description.normalizedCoords = 1, description.maxMipmapLevelClamp = 100;
    for (auto &mode : description.addressMode) mode = cudaAddressModeClamp;
    cudaTextureObject_t texture;
    CHECK(cudaCreateTextureObject(&texture, &resource, &description, NULL));
    float *out = floats(12);
    read_levels<<<1, 32>>>(texture, out, 12);
    std::vector<float> seen = back(out, 12);
    bool right = true;
    for (int i = 0; i < 12; i++) right &= seen[i] == fminf(i * 5.0f, 40);
    hold("levels are read, and what lies between two", right);
    CHECK(cudaDestroyTextureObject(texture));
    CHECK(cudaFreeMipmappedArray(whole));
    CHECK(cudaFree(out));
}

static void surfaces() {
    const int width = 37, height = 23;
    cudaChannelFormatDesc format = cudaCreateChannelDesc<float>();
    cudaArray_t array, plain;
    CHECK(cudaMallocArray(&array, &format, width, height, cudaArraySurfaceLoadStore));
    CHECK(cudaMallocArray(&plain, &format, width, height));
    cudaSurfaceObject_t surface, none;
    cudaResourceDesc resource = of_array(array), of_plain = of_array(plain);
    CHECK(cudaCreateSurfaceObject(&surface, &resource));
    hold("an array that was not made for it is no surface", cudaCreateSurfaceObject(&none, &of_plain) == cudaErrorInvalidValue);
    cudaGetLastError();
    dim3 block(8, 8), grid(6, 6);
    write_surface<<<grid, block>>>(surface, width, height);
    add_surface<<<grid, block>>>(surface, width, height);
    std::vector<float> seen(width * height);
    CHECK(cudaMemcpy2DFromArray(seen.data(), width * 4, array, 0, 0, width * 4, height, cudaMemcpyDeviceToHost));
    bool right = true;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) right &= seen[y * width + x] == x * 100.0f + y + 1;
    hold("kernels write and read surfaces, and beyond the edge nothing", right);
    cudaTextureObject_t texture = texture_of(resource, cudaFilterModePoint, cudaAddressModeClamp, false);
    float *out = floats(width * height);
    read_2d<<<grid, block>>>(texture, out, width, height, 1, 0.5f);
    hold("which textures of the array see", back(out, width * height) == seen);
    CHECK(cudaDestroyTextureObject(texture));
    CHECK(cudaDestroySurfaceObject(surface));
    CHECK(cudaFreeArray(array));
    CHECK(cudaFreeArray(plain));
    const int size = 4, layers = 3;
    CHECK(cudaMalloc3DArray(&array, &format, make_cudaExtent(size, size, layers), cudaArrayLayered | cudaArraySurfaceLoadStore));
    resource = of_array(array);
    CHECK(cudaCreateSurfaceObject(&surface, &resource));
    write_layers<<<1, dim3(size, size)>>>(surface, layers);
    seen.assign(size * size * layers, 0);
    cudaMemcpy3DParms copy = {};
    copy.dstPtr = make_cudaPitchedPtr(seen.data(), size * 4, size, size), copy.srcArray = array;
    copy.extent = make_cudaExtent(size, size, layers), copy.kind = cudaMemcpyDeviceToHost;
    CHECK(cudaMemcpy3D(&copy));
    right = true;
    for (int i = 0; i < size * size * layers; i++) right &= seen[i] == i / 16 * 1000 + i / 4 % 4 * 10 + i % 4;
    hold("layers of a surface are written each", right);
    CHECK(cudaDestroySurfaceObject(surface));
    CHECK(cudaFreeArray(array));
    CHECK(cudaFree(out));
}

int main() {
    size_t before, after, total;
    CHECK(cudaFree(0));
    CHECK(cudaMemGetInfo(&before, &total));
    flat();
    lines();
    kinds_of_texels();
    solids();
    levels();
    surfaces();
    CHECK(cudaDeviceSynchronize());
    CHECK(cudaMemGetInfo(&after, &total));
    hold("nothing is lost", before == after);
    printf("textures: %d unexpected\n", failures);
    return failures != 0;
}
