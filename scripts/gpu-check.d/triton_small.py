"""Triton: a vector sum, compiled at run time; the tensors are PyTorch's."""

import torch
import triton
import triton.language as tl


@triton.jit
def add(a, b, c, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    tl.store(c + at, tl.load(a + at, mask=inside) + tl.load(b + at, mask=inside), mask=inside)


a = torch.arange(10_000, device="cuda", dtype=torch.float32)
c = torch.empty_like(a)
add[(triton.cdiv(a.numel(), 256),)](a, 2 * a, c, a.numel(), BLOCK=256)
print("sum", c.double().sum().item())
