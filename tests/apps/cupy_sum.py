"""CuPy's own kernels, compiled by NVRTC, run on the GPU: the result is checked on the CPU."""
import cupy
import numpy as np

x = cupy.arange(1000, dtype=cupy.float32)
y = (x * 2 + 1).sum()
expected = (np.arange(1000, dtype=np.float32) * 2 + 1).sum()
print("cupy sum:", "right" if float(y) == float(expected) else "WRONG", float(y))
