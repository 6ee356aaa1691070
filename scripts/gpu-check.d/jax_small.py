"""JAX: a compiled function and its gradient."""

import jax
import jax.numpy as jnp

print("device", jax.devices()[0].platform)
loss = jax.jit(lambda w, x: jnp.mean((jnp.tanh(x @ w) - 0.5) ** 2))
x = jnp.arange(512, dtype=jnp.float32).reshape(32, 16) / 512
w = jnp.ones(16) / 16
for step in range(10):
    w = w - 0.5 * jax.grad(loss)(w, x)
print("loss", float(loss(w, x)))
