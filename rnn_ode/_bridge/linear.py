"""The field of an affine network: a linear system."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Inexact

from .._fields.base import AbstractField
from .._paths.base import read


class LinearField(AbstractField):
    """The linear system dh/dt = A h + B x(t + lead) + c; A (N, N), B (N, D), c (N,), lead in time."""

    A: Inexact[Array, "N N"]
    B: Inexact[Array, "N D"]
    c: Inexact[Array, " N"]
    lead: float = eqx.field(static=True)

    @property
    def input_size(self) -> int:
        return self.B.shape[1]

    def __call__(self, t, h, path):
        return self.A @ h + self.B @ read(path, t, self.lead) + self.c

    @property
    def linear(self) -> bool:
        return True

    @property
    def leads(self) -> tuple[float, ...]:
        return (self.lead,)

    def generator(self, t, h, path):
        """Return A, which linearly implicit and exponential schemes use."""
        return self.A

    def initial_state(self):
        return jnp.zeros(self.c.shape, self.c.dtype)
