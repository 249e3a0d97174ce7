"""A network as a dynamical system."""

from typing import Any

import diffrax
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from .._base.callables import check_cell
from .._base.checks import as_step, brief, is_concrete
from .._base.types import Cell
from .._cells.base import Pieces
from .._paths.base import AbstractPath
from .base import AbstractSystem
from .inputs import as_input
from .stepper import Stepper
from .time import Discrete


class Map(AbstractSystem):
    """A network as a dynamical system: h ↦ cell(x, h), every `dt`.

    **Arguments:**

    - `cell`: any cell, `cell(x, h) -> h`.
    - `x`: a constant input (D,), held samples (T, D), a path with samples `dt` apart, or `None` for a cell that ignores it.
      Beyond the samples the last one holds.
    - `dt`: length of a step, in time. Default 1.

    **Raises:** `ValueError` if dt ≤ 0, if a path has another sampling interval, and if the input has another width than the
    cell declares, or is missing; `TypeError` if `cell` cannot be called, or `x` is none of these.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> ro.Map(lambda x, h: 0.5 * h + x, jnp.ones(1)).residual(jnp.array([2.0])).tolist()
    [0.0]

    ```
    """

    cell: Cell
    path: Any
    dt: float = eqx.field(static=True)

    def __init__(self, cell: Cell, x=None, dt: float = 1.0):
        check_cell("cell", cell)
        self.cell = cell
        self.dt = as_step("dt", dt)
        self.path = as_input(cell, x, self.dt)
        if not self.autonomous and not isinstance(self.path, AbstractPath):
            raise TypeError(f"x must be an input (D,), samples (T, D) or one of rnn_ode's paths; got {brief(x)}.")
        if isinstance(self.path, AbstractPath) and self.path.dt != self.dt:
            raise ValueError(
                f"a map reads one sample a step: x has them every {self.path.dt:g}, and dt is {self.dt:g}. "
                "Resample the input, or run the network at its rate."
            )

    @property
    def time(self) -> Discrete:
        return Discrete(self.dt)

    @property
    def owner(self) -> Cell:
        return self.cell

    @property
    def input(self) -> Any:
        return self.path

    def rule(self, h: Float[Array, " N"]) -> Float[Array, " N"]:
        return self._after(None if self.path is None else self.path.x, h)

    def stepper(
        self, step: float | None = None, solver: diffrax.AbstractSolver | None = None, parts: Any = 1
    ) -> Stepper:
        def advance(k, h):
            if self.autonomous:
                return self.rule(h)
            return self._after(self.path.at(k, jnp.zeros((), h.dtype), self.dt), h)

        return self.time.stepper(advance, step, solver, parts)

    def pieces(self) -> Pieces:
        ask = getattr(self.cell, "pieces", None)
        if ask is None:
            return super().pieces()
        self.require_constant("a map in pieces")
        x = None if self.path is None else self.path.x
        if not is_concrete(self.cell, x):
            raise TypeError("the pieces of a network are read on the host: its weights and input must not be traced.")
        found = ask(x)
        if found is None:
            return super().pieces()
        A, W, c, rectified = found
        return Pieces(np.asarray(A, np.float64), np.asarray(W, np.float64), np.asarray(c, np.float64), rectified)

    def _after(self, x: Any, h: Float[Array, " N"]) -> Float[Array, " N"]:
        return ravel_pytree(self.cell(x, self.unravel(h)))[0]
