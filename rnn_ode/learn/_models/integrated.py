"""A differential equation as a runner."""

from collections.abc import Callable
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Real

from ..._base.callables import check_field
from ..._base.checks import as_step, brief, check_callable, check_solver
from ..._base.states import promote
from ..._base.types import Cell, Field, State
from ..._bridge.schemes import RungeKutta
from ..._bridge.to_rnn import to_rnn
from ..._cells.protocol import as_initial_state
from ..._paths.held import Hold
from ..._run.inputs import check_width
from ..._run.integrate import integrate, integrate_samples
from .base import Length, Recurrent, as_samples
from .causal import causal


class Integrated(Recurrent):
    """Runs a differential equation by `integrate`, from sample to sample.

    During step k the field reads the input up to sample k, which is stamped at the end of the step. A field that reads its
    input ahead of the time (those of `Forward`, `Tustin` and `Exact`) gets the value of sample k for any later time. So
    under `Linear` it does not see sample k + 1, which `integrate` alone would let it see. `Cubic` and `BandLimited` need
    later samples to draw the curve up to sample k: `outputs` and `states` refuse them, and `last`, which has the whole
    sequence, takes them. After the last sample that counts, `last` holds its value.

    **Arguments:**

    - `field`: any field with a zero state, `field.initial_state()`.
    - `path`: how the input is interpolated between samples, one of rnn_ode's paths. Default `Hold`.
    - `dt`: the time between samples. Default 1.
    - `solver`, `rtol`, `atol`: as `integrate` takes them.
    - `adjoint`: as `integrate` takes it. The default differentiates the steps of the solver (discretise, then optimise).
      `diffrax.BacksolveAdjoint()`, with a solver of diffrax, solves the adjoint equation.

    **Raises:** `ValueError` by `outputs` and `states` for a path that needs later samples.

    ```python
    >>> import jax, jax.numpy as jnp, rnn_ode as ro
    >>> from rnn_ode import learn
    >>> cell = ro.VanillaCell.random(jax.random.key(0), 1, 4, activation=jnp.tanh)
    >>> learn.Integrated(ro.to_ode(cell, ro.Forward(1)), path=ro.Linear).outputs(jnp.ones((5, 1))).shape
    (5, 4)

    ```
    """

    field: Field
    path: Callable[..., Any] = eqx.field(static=True, default=Hold)
    dt: float = eqx.field(static=True, default=1.0)
    solver: diffrax.AbstractSolver | None = None
    rtol: float | None = eqx.field(static=True, default=None)
    atol: float | None = eqx.field(static=True, default=None)
    adjoint: diffrax.AbstractAdjoint | None = None

    def __check_init__(self):
        check_field("field", self.field)
        check_callable("path", self.path, "path(xs, dt)")
        as_step("dt", self.dt)
        if self.solver is not None:
            check_solver("solver", self.solver)
        for name in ("rtol", "atol"):
            if (value := getattr(self, name)) is not None:
                as_step(name, value)
        if not isinstance(self.adjoint, diffrax.AbstractAdjoint | None):
            raise TypeError(f"adjoint must be an adjoint of diffrax, or None; got {brief(self.adjoint)}.")

    def states(self, xs: Real[Array | np.ndarray, "T D"], h0: State | None = None, length: Length = None) -> State:
        path = self.path(jnp.zeros_like(as_samples(xs)), self.dt)  # padding may be anything, which a path refuses
        beyond = getattr(path, "beyond", None)
        if beyond != 0:
            ahead = "does not say which samples it reads" if beyond is None else f"reads up to {beyond} later samples"
            raise ValueError(
                f"path = {type(path).__name__} cannot give a state after every sample: between two samples it {ahead}, so "
                "that the state would depend on samples that come later. Take path=rnn_ode.Linear or path=rnn_ode.Hold, "
                "or a wiring that reads the whole sequence first (ManyToOne, EncoderDecoder, Bidirectional)."
            )
        return self._states(xs, h0, length)

    def end(self, xs: Real[Array | np.ndarray, "T D"], length: Length = None) -> State:
        return jax.tree.map(lambda leaf: leaf[-1], self._states(xs, None, length))

    def offline(self, xs: Real[Array | np.ndarray, "T D"], length: Length = None) -> Float[Array, "T H"]:
        return self.read(self._states(xs, None, length))[1:]

    def _states(self, xs: Real[Array | np.ndarray, "T D"], h0: State | None, length: Length) -> State:
        """The states for any path."""
        xs = as_samples(xs, length)
        rows = xs if length is None else xs[jnp.minimum(jnp.arange(len(xs)), length - 1)]
        path = causal(self.path(rows, self.dt), self.field)
        check_width(self.field, path.xs.shape)
        h0 = promote(as_initial_state(h0, self.field), self.field, xs)
        how = {"solver": self.solver, "rtol": self.rtol, "atol": self.atol, "adjoint": self.adjoint}
        if length is None:
            return integrate(self.field, path, h0, throw=False, **how).states
        return integrate_samples(self.field, path, h0, jnp.asarray(length), **how)

    def as_cell(self) -> Cell:
        solver = diffrax.Tsit5() if self.solver is None else self.solver
        return to_rnn(self.field, RungeKutta(solver, substeps=4), self.dt)
