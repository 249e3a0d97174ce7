import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

from .._paths import read


class LinearField(eqx.Module):
    """The linear system dh/dt = A h + B x(t + lead) + c; A (N, N), B (N, D), c (N,), lead in time."""

    A: Inexact[Array, "N N"]
    B: Inexact[Array, "N D"]
    c: Inexact[Array, " N"]
    lead: Float[Array, ""]

    @property
    def input_size(self) -> int:
        return self.B.shape[1]

    def __call__(self, t, h, path):
        return self.A @ h + self.B @ read(path, t, self.lead) + self.c

    def generator(self, t, h, path):
        """The matrix that linearly implicit and exponential schemes use: A."""
        return self.A

    def initial_state(self):
        return jnp.zeros(self.c.shape, self.c.dtype)


def is_linear(field) -> bool:
    """Whether the flow of a step is linear: everywhere, or as anchored where the step starts."""
    return isinstance(field, LinearField) or getattr(field, "anchored", False)
