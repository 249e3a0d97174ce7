"""The LSTM with a projection."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .base import AbstractCell


class ProjectedLSTMCell(AbstractCell):
    """An LSTM whose output is projected to P numbers before it is fed back (Sak, Senior & Beaufays 2014, arXiv 1402.1128).

    c' = σ(f) c + σ(i) tanh(g),  h' = W_p (σ(o) tanh(c')),  with (i, f, g, o) = W_x x + W_h h + b. The state is (h, c), with
    h (P,) and c (N,).

    **Fields:**

    - `weight_ih`, `weight_hh`, `bias`: (4N, D), (4N, P) and (4N,), the gates in the order i, f, g, o.
    - `weight_hr`: the projection W_p, (P, N).
    """

    weight_ih: Float[Array, "M D"]
    weight_hh: Float[Array, "M P"]
    bias: Float[Array, " M"]
    weight_hr: Float[Array, "P N"]

    @property
    def input_size(self) -> int:
        return self.weight_ih.shape[1]

    @property
    def hidden_size(self) -> int:
        return self.weight_hr.shape[1]

    def initial_state(self) -> tuple[Float[Array, " P"], Float[Array, " N"]]:
        return jnp.zeros_like(self.weight_hr[:, 0]), jnp.zeros_like(self.weight_hr[0])

    def output(self, h: tuple[Float[Array, " P"], Float[Array, " N"]]) -> Float[Array, " P"]:
        return h[0]

    def drive(self, x: Float[Array, " D"]) -> Float[Array, " M"]:
        return self.weight_ih @ x + self.bias

    def step(self, drive: Float[Array, " M"], h: tuple) -> tuple[Float[Array, " P"], Float[Array, " N"]]:
        i, f, g, o = jnp.split(drive + self.weight_hh @ h[0], 4)
        c = jax.nn.sigmoid(f) * h[1] + jax.nn.sigmoid(i) * jnp.tanh(g)
        return self.weight_hr @ (jax.nn.sigmoid(o) * jnp.tanh(c)), c

    def __call__(self, x: Float[Array, " D"], h: tuple) -> tuple[Float[Array, " P"], Float[Array, " N"]]:
        return self.step(self.drive(x), h)
