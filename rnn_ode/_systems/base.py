"""What every analysis takes: a system with a rule and a kind of time."""

import abc
import math
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from .._base.checks import as_numbers, brief
from .._base.types import State
from .._cells.base import Pieces
from .._cells.protocol import as_state, initial_state
from .._paths.base import AbstractPath, Constant
from .stepper import Stepper
from .time import AbstractTime


class AbstractSystem(eqx.Module):
    """A dynamical system of your own, for every analysis that takes a `Map` or a `Flow`.

    A subclass gives two things:

    - `time`: `Discrete(dt)` or `Continuous()`, as a field or a property.
    - `rule(h)`: the state one step after h, or dh/dt; (N,), of a flat state (N,).

    Everything else has a default. A system may override what it knows better:

    - `jacobian(h)` (N, N), of the rule: by default that of `jax.jacfwd`.
    - `equation(h)`: what a search for fixed points solves, if that is cheaper than the residual; and `jacobian_at_rest(h)`,
      the Jacobian at a fixed point, if that is cheaper than elsewhere.
    - `pieces()`: the step as a piecewise-linear map, for `cycles`.
    - `input`, a path, if the input changes with time, and `stepper` with it: the rule then depends on the number of the step.

    ```python
    >>> import jax, jax.numpy as jnp, rnn_ode as ro
    >>> class DelayedLogistic(ro.AbstractSystem):
    ...     growth: jax.Array
    ...     time: ro.Discrete = ro.Discrete(dt=1.0)
    ...
    ...     def rule(self, h):
    ...         now, before = h
    ...         return jnp.stack([self.growth * now * (1 - before), now])
    >>> found = ro.fixed_points(DelayedLogistic(jnp.array(1.6)), jnp.array([[0.1, 0.1], [0.5, 0.5]]))
    >>> [round(h, 3) + 0.0 for h in found.points[:, 0].tolist()], found.kind_names
    ([0.0, 0.375], ['SADDLE', 'FOCUS'])

    ```
    """

    time: eqx.AbstractVar[AbstractTime]

    @abc.abstractmethod
    def rule(self, h: Float[Array, " N"]) -> Float[Array, " N"]:
        """Returns the state one step after h, or dh/dt, under the constant input."""

    def residual(self, h: Float[Array, " N"]) -> Float[Array, " N"]:
        """Returns what is zero at a fixed point under the constant input: rule(h) − h, or dh/dt. NaN where h is."""
        h = as_numbers("h", h, 1)
        return self.time.residual(h, self.rule(h))

    def jacobian(self, h: Float[Array, " N"]) -> Float[Array, "N N"]:
        """Returns the derivative of the rule."""
        return jax.jacfwd(self.rule)(h)

    def equation(self, h: Float[Array, " N"]) -> Float[Array, "..."]:
        """Returns what a search for fixed points solves: zero where `residual` is, and possibly cheaper to differentiate."""
        return self.residual(h)

    def jacobian_at_rest(self, h: Float[Array, " N"]) -> Float[Array, "N N"]:
        """Returns the Jacobian at a fixed point, where it may be cheaper than `jacobian`."""
        return self.jacobian(h)

    def pieces(self) -> Pieces:
        """Returns (A, W, c, rectified): under the constant input the step is z ↦ A z + W relu(z) + c, and the state is z, or
        relu(z) where `rectified`. Raises `TypeError` if the step is not such a map."""
        raise TypeError(
            f"a piecewise-linear map is wanted: Map of a PiecewiseLinearCell or of a VanillaCell whose activation is "
            f"jax.nn.relu or None; got {type(self).__name__} of {_described(self.owner)}."
        )

    def stepper(
        self, step: float | None = None, solver: diffrax.AbstractSolver | None = None, parts: Any = 1
    ) -> Stepper:
        """Returns how the system is carried on in time, along its input.

        Only a system in continuous time takes arguments: `step`, the length of a step; `solver`, an explicit one of diffrax;
        `parts`, into how many equal parts each step is divided, which may be traced.
        """
        if not self.autonomous:
            raise TypeError(
                f"a system with an input that changes with time must say how it is carried on: give {type(self).__name__} a "
                "method stepper(step, solver, parts) that returns self.time.stepper(rule, step, solver, parts), where "
                "rule(k, h, s) is the state after step k, or dh/dt a fraction s into step k."
            )
        return self.time.stepper(lambda k, h, s=0.0: self.rule(h), step, solver, parts)

    @property
    def owner(self) -> Any:
        """The object that may tell the size of its state (`initial_state`), and that errors name: of a `Map` its cell."""
        return self

    @property
    def _path(self) -> Any:
        """The input as a path, or `None` for a system without one."""
        return getattr(self, "input", None)

    @property
    def autonomous(self) -> bool:
        """Whether the input is constant."""
        return self._path is None or isinstance(self._path, Constant)

    @property
    def span(self) -> float:
        """The time that the input's samples cover, beyond which the last one holds; infinite for any other input."""
        return self._path.xs.shape[0] * self._path.dt if isinstance(self._path, AbstractPath) else math.inf

    def require_constant(self, name: str, h: Float[Array, " N"] | None = None) -> None:
        """Raises `ValueError` if the input changes with time. `name` is the analysis that asks; given a state, some systems
        also check that their rule does not change with time."""
        if not self.autonomous:
            raise ValueError(
                f"{name} needs a system with a constant input, x (D,); this one's is a {type(self._path).__name__}. "
                f"Ask at one moment of it: {type(self).__name__}(…, xs[k])."
            )

    def as_point(self, name: str, h: Any) -> Float[Array, " N"]:
        """Returns a state, given as a pytree or flat, as a flat one (N,), after checks. Its type is the widest among its own,
        the system's and float32, since there is no linear algebra in half precision."""
        flat = ravel_pytree(as_state(name, h))[0]
        like = _template(self.owner)
        size = None if like is None else sum(leaf.size for leaf in jax.tree.leaves(like))
        if size is not None and flat.shape != (size,):
            raise ValueError(
                f"{name} must be a state of {size} numbers for this {type(self.owner).__name__}; got {flat.shape}."
            )
        try:
            after = jax.eval_shape(self.stepper().advance, jnp.zeros((), int), flat)
        except jax.errors.ConcretizationTypeError as error:
            raise TypeError(
                f"this {type(self.owner).__name__} cannot be compiled: it has a Python `if`, float() or int() of the state "
                "or of the time. Use jnp.where or jax.lax.cond. A field that depends on the time has no fixed points. "
                f"({str(error).splitlines()[0]})"
            ) from None
        except (TypeError, ValueError, IndexError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"{name}, of shape {flat.shape}, does not suit this {type(self).__name__}: {error}") from error
        if after.shape != flat.shape:
            raise ValueError(
                f"{name} must be a state like those the system returns, which have {after.shape[0]} numbers; "
                f"got {flat.shape[0]}."
            )
        return flat.astype(jnp.result_type(flat, after.dtype, jnp.float32))

    def unravel(self, h: Float[Array, " N"]) -> State:
        """Returns a flat state as the pytree that the cell or field takes."""
        like = _template(self.owner)
        if like is None:
            return h
        zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, h.dtype), like)
        return ravel_pytree(zeros)[1](h)


def check_system(name: str, value: Any) -> None:
    """Raises `TypeError` if the value is not a system."""
    if not isinstance(value, AbstractSystem):
        way = f"{type(value).__name__}. Give Map(cell, x) of a cell, Flow(field, x) of a field"
        raise TypeError(f"{name} must be a Map or a Flow; got {way if callable(value) else brief(value)}.")


def _described(owner: Any) -> str:
    activation = getattr(owner, "activation", None)
    return type(owner).__name__ + ("" if activation is None else f" with {getattr(activation, '__name__', activation)}")


def _template(owner: Any) -> Any:
    """Returns a state (of shapes only) as the cell or field has it, or `None` where that does not say."""
    try:
        return jax.eval_shape(lambda: initial_state(owner))
    except ValueError:
        return None
