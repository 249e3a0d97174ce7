"""Schemes: ways of turning a field into a cell, which makes one step with a constant input.

The linearly implicit and exponential schemes (Rosenbrock 1963; Hochbruck & Ostermann, Acta Numerica 2010) use the field's
own `generator(t, h, path)`, or its Jacobian if it has none. Each scheme is the inverse of one conversion: the pairs
Forward(1)/Euler, Backward(1)/BackwardEuler, Tustin/Trapezoidal and Exact/ExponentialEuler return the cell.
"""

import abc
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from .._base.checks import check_count, check_solver
from .._base.states import real_dtype
from .._base.types import Field
from .._fields.base import generator_of
from .._paths.base import Constant
from .._run.runge_kutta import explicit_step
from ..linalg._exponential import exponentials
from ..linalg._solve import solve


class AbstractScheme(eqx.Module):
    """The base class of a scheme of your own, which turns a field into a network: one step of dh/dt = field(t, h, path).

    Only `step(field, x, h, dt)` is required: `field` is any field, x (D,) the input, which is constant during the step,
    h the state, dt the length of the step. It returns the state after the step, in the structure of h. The input as a
    function of time, which a field wants, is `lambda t: x`.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> class Midpoint(ro.AbstractScheme):
    ...     def step(self, field, x, h, dt):
    ...         middle = h + dt / 2 * field(0.0, h, lambda t: x)
    ...         return h + dt * field(dt / 2, middle, lambda t: x)
    >>> ro.to_rnn(lambda t, h, path: path(t) - h, Midpoint(), dt=0.5)(jnp.ones(1), jnp.zeros(1)).item()
    0.375

    ```
    """

    @abc.abstractmethod
    def step(self, field: Field, x: Array, h: Any, dt: float) -> Any:
        """Return the state dt later, in the structure of h."""


class Euler(AbstractScheme):
    """Forward Euler: h + dt f(h). First order. `to_rnn(to_ode(cell, Forward(1)), Euler())` is the cell.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> ro.to_rnn(lambda t, h, path: path(t) - h, ro.Euler(), dt=0.5)(jnp.ones(1), jnp.zeros(1)).item()
    0.5

    ```
    """

    def step(self, field: Field, x: Array, h: Any, dt: float) -> Any:
        rate = field(0.0, h, Constant(x))
        return jax.tree.map(lambda a, b: a + dt * b, h, rate)


class _LinearlyImplicit(AbstractScheme):
    """h + dt (1 − θ dt G)⁻¹ f(h), with G the field's generator and θ a constant of the scheme (Rosenbrock 1963)."""

    theta: eqx.AbstractClassVar[float]

    def step(self, field: Field, x: Array, h: Any, dt: float) -> Any:
        def increment(G, rate):
            return dt * solve(jnp.eye(len(rate), dtype=G.dtype) - self.theta * dt * G, rate)

        return _moved_by(increment, field, x, h)


class BackwardEuler(_LinearlyImplicit):
    """Linearly implicit Euler: h + dt (1 − dt G)⁻¹ f(h), G the generator. First order, A-stable.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> round(ro.to_rnn(lambda t, h, path: -h, ro.BackwardEuler())(jnp.ones(1), jnp.ones(1)).item(), 4)
    0.5

    ```
    """

    theta: ClassVar[float] = 1.0


class Trapezoidal(_LinearlyImplicit):
    """Linearly implicit trapezoidal rule: h + dt (1 − dt G/2)⁻¹ f(h), G the generator. Second order, A-stable.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> round(ro.to_rnn(lambda t, h, path: -h, ro.Trapezoidal())(jnp.ones(1), jnp.ones(1)).item(), 4)
    0.3333

    ```
    """

    theta: ClassVar[float] = 0.5


class ExponentialEuler(AbstractScheme):
    """Exponential (Rosenbrock–)Euler: h + dt φ₁(dt G) f(h), φ₁(z) = (eᶻ − 1)/z. Exact for an affine field.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> round(ro.to_rnn(lambda t, h, path: -h, ro.ExponentialEuler())(jnp.ones(1), jnp.ones(1)).item(), 4)
    0.3679

    ```
    """

    def step(self, field: Field, x: Array, h: Any, dt: float) -> Any:
        def increment(G, rate):
            return dt * jnp.matmul(exponentials(dt * G, 1)[1], rate, precision="highest")

        return _moved_by(increment, field, x, h)


def _moved_by(increment: Callable[[Array, Array], Array], field: Field, x: Array, h: Any) -> Any:
    """Return the state moved by `increment(generator, rate)`, which are those of the flattened state (M,)."""
    flat, unravel = ravel_pytree(h)
    path = Constant(x)
    after = flat + increment(generator_of(field, 0.0, h, path), ravel_pytree(field(0.0, h, path))[0])
    # the step of a complex logarithm is real at the samples
    return unravel(after.real if jnp.isrealobj(flat) else after)


class RungeKutta(AbstractScheme):
    """Any diffrax solver, in equal steps of dt / substeps.

    **Arguments:**

    - `solver`: a diffrax solver. Default `diffrax.Tsit5()`.
    - `substeps`: how many steps it takes. Default 1.

    **Raises:** `ValueError` or `TypeError` for a count that is not whole or less than 1, or if `solver` is not a solver.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> round(ro.to_rnn(lambda t, h, path: -h, ro.RungeKutta(substeps=4))(jnp.ones(1), jnp.ones(1)).item(), 4)
    0.3679

    ```
    """

    solver: diffrax.AbstractSolver
    substeps: int = eqx.field(static=True)

    def __init__(self, solver: diffrax.AbstractSolver | None = None, substeps: int = 1):
        check_count("substeps", substeps)
        self.solver = diffrax.Tsit5() if solver is None else solver
        check_solver("solver", self.solver)
        self.substeps = int(substeps)

    def step(self, field: Field, x: Array, h: Any, dt: float) -> Any:
        size, path = jnp.asarray(dt / self.substeps, real_dtype(h)), Constant(x)
        tableau = getattr(self.solver, "tableau", None)
        if isinstance(tableau, diffrax.ButcherTableau) and not tableau.implicit:
            steps, advance = 1, _explicit(tableau, field, path, size)
        else:
            steps, advance = self._solved(field, path, size)
        return jax.lax.scan(advance, h, steps * size * jnp.arange(self.substeps // steps))[0]

    def _solved(self, field: Field, path: Constant, size: Array) -> tuple[int, Callable]:
        """Return the number of substeps of one solve, and the solve."""
        solve = partial(
            diffrax.diffeqsolve,
            diffrax.ODETerm(lambda t, h, path: field(t, h, path)),  # a new one, see `solve_field`
            self.solver,
            stepsize_controller=diffrax.ConstantStepSize(),
            adjoint=diffrax.DirectAdjoint(),  # derivatives in both modes
            throw=False,
        )
        # the derivatives of a solve of several steps take much longer, but a solver may remember its last steps
        steps = 1 if isinstance(self.solver, diffrax.AbstractRungeKutta) else self.substeps

        def advance(h, t):
            solution = solve(t, t + steps * size, size, h, path, max_steps=steps)
            return jax.tree.map(lambda leaf: leaf[-1], solution.ys), None

        return steps, advance


def _explicit(tableau: diffrax.ButcherTableau, field: Field, path: Constant, size: Array) -> Callable:
    """Return one substep of an explicit method."""

    # the stages are computed again for a derivative in reverse mode, which costs less than the memory for them
    @partial(jax.checkpoint, prevent_cse=False)
    def advance(h, t):
        return explicit_step(tableau, lambda t, h: field(t, h, path), t, size, h), None

    return advance
