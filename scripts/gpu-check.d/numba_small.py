"""Numba: a vector sum and a reduction in shared memory, compiled at run time."""

import numpy
from numba import cuda, int32


@cuda.jit
def add(a, b, c):
    i = cuda.grid(1)
    if i < c.size:
        c[i] = a[i] + b[i]


@cuda.jit
def total(values, result):
    mine = cuda.shared.array(128, int32)
    i = cuda.grid(1)
    mine[cuda.threadIdx.x] = values[i] if i < values.size else 0
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        for k in range(128):
            cuda.atomic.add(result, 0, mine[k])


a = numpy.arange(1000, dtype=numpy.int32)
c = cuda.device_array_like(a)
add[8, 128](cuda.to_device(a), cuda.to_device(3 * a), c)
result = cuda.to_device(numpy.zeros(1, numpy.int32))
total[8, 128](c, result)
print("sum", int(result.copy_to_host()[0]))
