"""A kernel written in Python, compiled by Numba, run on the GPU: the result is checked on the CPU."""
import numpy as np
from numba import cuda


@cuda.jit
def add(left, right, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = left[i] + 2 * right[i]


n = 1000
left, right = np.arange(n, dtype=np.float32), np.arange(n, dtype=np.float32)[::-1].copy()
out = np.zeros(n, dtype=np.float32)
add[(n + 127) // 128, 128](left, right, out)
print("numba add:", "right" if np.array_equal(out, left + 2 * right) else "WRONG", float(out.sum()))
