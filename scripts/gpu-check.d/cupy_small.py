"""CuPy: a sum, a sort and a kernel of its own, compiled at run time."""

import cupy

a = cupy.arange(100_000, dtype=cupy.float32)
print("sum", float((a + 2 * a).sum()))
print("sorted", cupy.sort(a * 7919 % 10007)[:5].tolist())
double = cupy.RawKernel('extern "C" __global__ void twice(int *v, int n) { int i = blockIdx.x * blockDim.x + threadIdx.x; if (i < n) v[i] *= 2; }', "twice")
values = cupy.arange(1000, dtype=cupy.int32)
double((8,), (128,), (values, 1000))
print("doubled", int(values.sum()))
