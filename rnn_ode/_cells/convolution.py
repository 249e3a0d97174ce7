"""A causal convolution as a cell."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .base import AbstractCell


class ConvolutionCell(AbstractCell):
    """y_t = b + Σ_k W_kᵀ x_{t − (K − 1 − k) d}: a causal convolution over time, in Keras's order of the kernel.

    The state holds the latest L = (K − 1) d + 1 inputs (L, D), the newest one last.

    **Fields:**

    - `kernel`: W, (K, D, M).
    - `bias`: b, (M,).
    - `dilation`: d.
    """

    kernel: Float[Array, "K D M"]
    bias: Float[Array, " M"]
    dilation: int = eqx.field(static=True, default=1)

    @property
    def input_size(self) -> int:
        return self.kernel.shape[1]

    @property
    def hidden_size(self) -> int:
        return self.kernel.shape[2]

    def initial_state(self) -> Float[Array, "L D"]:
        length, width, _ = self.kernel.shape
        return jnp.zeros(((length - 1) * self.dilation + 1, width), self.kernel.dtype)

    def output(self, h: Float[Array, "L D"]) -> Float[Array, " M"]:
        return jnp.einsum("kd,kdm->m", h[:: self.dilation], self.kernel) + self.bias

    def __call__(self, x: Float[Array, " D"], h: Float[Array, "L D"]) -> Float[Array, "L D"]:
        return jnp.concatenate([h[1:], x[None].astype(h.dtype)])
