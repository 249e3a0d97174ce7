"""What every field of ours has."""

import abc
import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._base.checks import as_number
from .._paths.sampled import read


class AbstractField(eqx.Module):
    """A field of N units whose input enters through the *drive* W_x x(t) + b; both may have an axis of gates in front."""

    W_x: eqx.AbstractVar[Float[Array, "*gates N D"]]
    b: eqx.AbstractVar[Float[Array, "*gates N"]]

    @property
    def input_size(self) -> int:
        return self.W_x.shape[-1]

    @property
    def hidden_size(self) -> int:
        return self.b.shape[-1]

    def initial_state(self) -> Any:
        return jnp.zeros(self.hidden_size, self.b.dtype)

    def drive(self, t, path) -> Float[Array, "*gates N"]:
        return self.W_x @ read(path, t) + self.b

    @abc.abstractmethod
    def __call__(self, t, h, path):
        """dh/dt."""


def as_coefficient(name: str, value: Any) -> float:
    """A coefficient of an equation: a finite number that is 0 or more."""
    coefficient = as_number(name, value)
    if not 0 <= coefficient < math.inf:
        raise ValueError(f"{name} must be a finite number, 0 or more; got {coefficient}.")
    return coefficient
