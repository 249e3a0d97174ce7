"""Discretisers: ways of turning a field into a cell, one step with a constant input.

The linearly implicit and exponential schemes (Rosenbrock 1963; Hochbruck & Ostermann, Acta Numerica 2010) use the field's
own `generator(t, h, path)` where it has one, else its Jacobian. Each then undoes one way of taking the logarithm:
Forward(1)/Euler, Backward(1)/BackwardEuler, Tustin/Trapezoidal and Exact/ExponentialEuler return the cell.
"""

import abc
from functools import partial

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from .._base.checks import check_count, check_solver
from .._base.states import real_dtype
from .._base.types import Field
from .._paths.sampled import Constant
from ..linalg._exponential import phi_functions
from ..linalg._solve import solve


class AbstractScheme(eqx.Module):
    """One step of size dt of dh/dt = field(t, h, path) with a constant input x."""

    @abc.abstractmethod
    def step(self, field: Field, x: Array, h, dt: float):
        """The state dt later, in the structure of h."""


class Euler(AbstractScheme):
    """Forward Euler: h + dt f(h). First order. `to_rnn(to_ode(cell, Forward(1)), Euler())` is the cell.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> ro.to_rnn(lambda t, h, path: path(t) - h, ro.Euler(), dt=0.5)(jnp.ones(1), jnp.zeros(1)).item()
    0.5

    ```
    """

    def step(self, field: Field, x: Array, h, dt: float):
        rate = field(0.0, h, Constant(x))
        return jax.tree.map(lambda a, b: a + dt * b, h, rate)


class _FlatScheme(AbstractScheme):
    """A scheme that works on the flattened state, its velocity and its generator."""

    @abc.abstractmethod
    def increment(self, generator: Array, velocity: Array, dt: float) -> Array: ...

    def step(self, field: Field, x: Array, h, dt: float):
        flat, unravel = ravel_pytree(h)
        path = Constant(x)

        def velocity(v):
            return ravel_pytree(field(0.0, unravel(v), path))[0]

        own = getattr(field, "generator", None)
        generator = jax.jacfwd(velocity)(flat) if own is None else own(0.0, h, path)
        after = flat + self.increment(generator, velocity(flat), dt)
        # the step of a complex logarithm is real at the samples
        return unravel(after.real if jnp.isrealobj(flat) else after)


class BackwardEuler(_FlatScheme):
    """Linearly implicit Euler: h + dt (1 − dt G)⁻¹ f(h), G the generator. First order, A-stable.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> round(ro.to_rnn(lambda t, h, path: -h, ro.BackwardEuler())(jnp.ones(1), jnp.ones(1)).item(), 4)
    0.5

    ```
    """

    def increment(self, generator, velocity, dt):
        return dt * solve(jnp.eye(len(velocity), dtype=generator.dtype) - dt * generator, velocity)


class Trapezoidal(_FlatScheme):
    """Linearly implicit trapezoidal rule: h + dt (1 − dt G/2)⁻¹ f(h), G the generator. Second order, A-stable.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> round(ro.to_rnn(lambda t, h, path: -h, ro.Trapezoidal())(jnp.ones(1), jnp.ones(1)).item(), 4)
    0.3333

    ```
    """

    def increment(self, generator, velocity, dt):
        return dt * solve(jnp.eye(len(velocity), dtype=generator.dtype) - dt / 2 * generator, velocity)


class ExponentialEuler(_FlatScheme):
    """Exponential (Rosenbrock–)Euler: h + dt φ₁(dt G) f(h), φ₁(z) = (eᶻ − 1)/z. Exact for an affine field.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> round(ro.to_rnn(lambda t, h, path: -h, ro.ExponentialEuler())(jnp.ones(1), jnp.ones(1)).item(), 4)
    0.3679

    ```
    """

    def increment(self, generator, velocity, dt):
        phi = phi_functions(dt * generator, 1)[1]
        return dt * jnp.matmul(phi, velocity, precision="highest")


class RungeKutta(AbstractScheme):
    """Any diffrax solver, in `substeps` equal steps of dt / substeps each.

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

    def step(self, field: Field, x: Array, h, dt: float):
        size = jnp.asarray(dt / self.substeps, real_dtype(h))
        solve = partial(
            diffrax.diffeqsolve,
            diffrax.ODETerm(field),
            self.solver,
            stepsize_controller=diffrax.ConstantStepSize(),
            adjoint=diffrax.DirectAdjoint(),  # derivatives in both modes
            throw=False,
        )
        # one solve a substep, for the derivatives of one of several steps take much longer; but what remembers the steps
        # before it must not forget them
        solves = self.substeps if isinstance(self.solver, diffrax.AbstractRungeKutta) else 1
        steps = self.substeps // solves

        def advance(h, t):
            solution = solve(t, t + steps * size, size, h, Constant(x), max_steps=steps)
            return jax.tree.map(lambda leaf: leaf[-1], solution.ys), None

        return jax.lax.scan(advance, h, steps * size * jnp.arange(solves))[0]
