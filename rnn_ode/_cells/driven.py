"""Cells whose input is added before anything else happens."""

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

from .base import AbstractCell
from .recurrence import Recurrence


class AbstractDrivenCell(AbstractCell):
    """A cell whose input is added before anything else happens: its *drive* is W_x x + b.

    Subclasses give their `recurrence`; `cell(x, h)` is `step(drive(x), h)`.
    """

    W_x: eqx.AbstractVar[Float[Array, "N D"]]
    b: eqx.AbstractVar[Float[Array, " N"]]

    @property
    @abc.abstractmethod
    def recurrence(self) -> Recurrence:
        """The cell taken apart."""

    @property
    def input_size(self) -> int:
        return self.W_x.shape[1]

    @property
    def hidden_size(self) -> int:
        return self.W_x.shape[0]

    def initial_state(self) -> Float[Array, " N"]:
        return jnp.zeros(self.hidden_size, self.b.dtype)

    def __call__(self, x: Float[Array, " D"], h: Inexact[Array, " N"]) -> Inexact[Array, " N"]:
        return self.step(self.drive(x), h)

    def drive(self, x: Float[Array, " D"]) -> Float[Array, " N"]:
        return self.W_x @ x + self.b

    def step(self, drive: Float[Array, " N"], h: Inexact[Array, " N"]) -> Inexact[Array, " N"]:
        return self.recurrence.step(drive, h)

    def host_drive(self, x: Any) -> np.ndarray:
        """`drive` in float64 on the host; `ValueError` for an input that does not fit."""
        if np.shape(x) != (self.input_size,):
            raise ValueError(f"x must be a constant input ({self.input_size},) for this network; got {np.shape(x)}.")
        return np.asarray(self.W_x, np.float64) @ np.asarray(x, np.float64) + np.asarray(self.b, np.float64)
