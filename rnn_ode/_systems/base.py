"""Maps and flows: the one place that knows which kind of time it is.

An analysis asks a system for what differs between the two: what is zero at a fixed point, how a state is carried one step
on, how an eigenvalue of its Jacobian is read (|λ| against 1, Re μ against 0), which bifurcations there are. States are
flat, (N,): the coordinates of `jax.flatten_util.ravel_pytree`, so that an LSTM's (h, c) is one vector of 2N.

A new kind of system is a subclass of `DiscreteTime` or `ContinuousTime`, which read its eigenvalues, and says what its state
is, where it rests and how it moves; no analysis asks for the class.
"""

import abc
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Complex, Float, Inexact

from .._base.checks import as_floats, as_number, as_step, check_callable, check_solver, is_concrete
from .._base.results import RESULTS
from .._base.types import Cell, Field, State
from .._base.verdict import Verdict
from .._cells.base import Pieces, as_state, initial_state
from .._methods.closed import Exact, Textbook
from .._paths.sampled import Constant, Hold, SampledPath
from .._run.runge_kutta import runge_kutta_4
from ..linalg._eig import modes
from ..linalg._exponential import exponential, matrix_power
from ..linalg._norms import numerical_abscissa, numerical_radius, spectral_norm
from ..linalg._verdict import Reading, judge
from .dependence import depends_on_first


class Stepper(NamedTuple):
    """How a system moves: `advance(k, h)` is the state after step k, started at h (N,); a step takes `length` time;
    `rate(k, h)` is dh/dt of a flow when step k begins."""

    advance: Callable[[Array, Array], Array]
    length: Any
    rate: Callable[[Array, Array], Array] | None = None


class Grain(NamedTuple):
    """A stretch of time short enough to see growth by: `step` (N, N) is what a small disturbance is multiplied by in
    `length` time. `rate` (N, N), with step = exp(rate · length), is `None` where nothing happens in between."""

    step: Array
    length: Array
    rate: Array | None


class AbstractSystem(eqx.Module):
    """A map or a flow with its input, on flat states (N,). Jacobians are of one step of a map, of a flow's velocity."""

    path: eqx.AbstractVar[Any]

    @property
    @abc.abstractmethod
    def owner(self) -> Any:
        """The cell or field, which may say what its state looks like."""

    @abc.abstractmethod
    def residual(self, h: Float[Array, " N"]) -> Float[Array, " N"]:
        """What is zero at a fixed point under the constant input: cell(x, h) − h, or dh/dt."""

    @abc.abstractmethod
    def jacobian(self, h: Float[Array, " N"]) -> Float[Array, "N N"]:
        """∂cell/∂h under the constant input, or ∂(dh/dt)/∂h."""

    @abc.abstractmethod
    def stepper(self, step: float | None = None, solver: diffrax.AbstractSolver | None = None) -> Stepper:
        """How the system is carried on in time, along its input; `step` and `solver` are for flows. A system in continuous
        time also takes `parts`, into how many equal parts each step is divided, which may be traced."""

    @property
    @abc.abstractmethod
    def own_step(self) -> bool:
        """Whether the length of a step belongs to the system, so that no analysis has to choose it."""

    @property
    @abc.abstractmethod
    def undefined(self) -> Any:
        """What a run ends with, among `RESULTS`, where the system does not exist at a state of it."""

    @property
    @abc.abstractmethod
    def reading(self) -> Reading:
        """How an eigenvalue of the Jacobian is read as an exponent: log λ, or μ itself."""

    @abc.abstractmethod
    def growth(self, eigenvalues: Inexact[Array, "..."]) -> Float[Array, "..."]:
        """Nats per unit time: log|λ|/dt, or Re μ."""

    @abc.abstractmethod
    def propagator(self, J: Float[Array, "N N"], t: Float[Array, ""]) -> Float[Array, "N N"]:
        """What a small disturbance of a fixed point with Jacobian J is multiplied by in a time t: Jᵏ, or exp(J t)."""

    @property
    def autonomous(self) -> bool:
        """Whether the input is constant."""
        return self.path is None or isinstance(self.path, Constant)

    def equation(self, h: Float[Array, " N"]) -> Float[Array, "..."]:
        """What a search for fixed points solves: zero where `residual` is, and cheaper to differentiate if that can be."""
        return self.residual(h)

    def jacobian_at_rest(self, h: Float[Array, " N"]) -> Float[Array, "N N"]:
        """The Jacobian at a fixed point, cheaper than `jacobian` if that can be."""
        return self.jacobian(h)

    def require_constant(self, name: str, h: Float[Array, " N"] | None = None) -> None:
        """`ValueError` where the input changes with time or, asked with a state, what the system does with it; for an
        analysis of that name."""
        if not self.autonomous:
            raise ValueError(
                f"{name} needs a system with a constant input, x (D,); this one's is a {type(self.path).__name__}. "
                f"Ask at one moment of it: {type(self).__name__}(…, xs[k])."
            )

    def as_point(self, name: str, h) -> Float[Array, " N"]:
        """A state, as a pytree or flat, as a flat one (N,) in the widest type among it, the system's and float32, since there
        is no linear algebra in half precision; checked."""
        flat = ravel_pytree(as_state(name, h))[0]
        size = self._size
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
        if after.shape != flat.shape:
            raise ValueError(
                f"{name} must be a state like those the system returns, which have {after.shape[0]} numbers; "
                f"got {flat.shape[0]}."
            )
        return flat.astype(jnp.result_type(flat, after.dtype, jnp.float32))

    def verdict(self, J: Float[Array, "N N"], eigenvalues, condition) -> Verdict:
        """What the eigenvalues of a Jacobian, with their conditions, say of small disturbances."""
        return judge(J, eigenvalues, condition, (self.reading,))[0]

    def modes(self, J: Float[Array, "N N"]):
        """Eigenvalues (N,) of a Jacobian, fastest growing first, and their condition numbers, those of the balanced one."""
        values, *_, condition = modes(J)
        order = jnp.argsort(-self.growth(values), stable=True)
        return values[order], condition[order]

    def unravel(self, h: Float[Array, " N"]) -> State:
        """A flat state as the pytree that the cell or field takes."""
        like = _template(self.owner)
        return h if like is None else _unravel_like(like, h)

    @property
    def _size(self) -> int | None:
        like = _template(self.owner)
        return None if like is None else sum(leaf.size for leaf in jax.tree.leaves(like))

    def pieces(self) -> Pieces:
        """The step as a piecewise-linear map under the constant input; `TypeError` where it is none."""
        raise TypeError(
            f"a piecewise-linear map is wanted: Map of a PiecewiseLinearCell or of a VanillaCell whose activation is "
            f"jax.nn.relu or None; got {type(self).__name__} of {_described(self.owner)}."
        )

    @property
    def span(self) -> float:
        """The time that the input's samples cover, beyond which the last one holds; infinite for any other input."""
        return self.path.xs.shape[0] * self.path.dt if isinstance(self.path, SampledPath) else math.inf

    @abc.abstractmethod
    def flips(self, eigenvalues: Inexact[Array, "..."]) -> Bool[Array, "..."]:
        """Whether a mode changes sides at every step, as that of a negative multiplier does."""

    @abc.abstractmethod
    def linear(self, J: Float[Array, "N N"]) -> "AbstractSystem":
        """The system of the same kind of time in which small disturbances move under the Jacobian J, without input."""

    @abc.abstractmethod
    def grain(self, J: Float[Array, "N N"]) -> Grain:
        """The finest stretch of time in which the growth of disturbances under the Jacobian J has to be followed."""

    @abc.abstractmethod
    def outside(self, place: Float[Array, "..."], distance: Float[Array, "..."]) -> Complex[Array, "..."]:
        """The point of the plane of eigenvalues at a distance from the boundary of stability, on its unstable side where
        the distance is positive, opposite a place on the boundary: (1 + d) e^{iθ} for the angle θ, or d + iω."""

    @abc.abstractmethod
    def position(self, z: Complex[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """Place and distance of a point of the plane, the inverse of `outside`: arg z and |z| − 1, or Im z and Re z."""

    @abc.abstractmethod
    def numerical_range(self, J: Float[Array, "N N"]) -> tuple[Float[Array, ""] | None, Float[Array, ""] | None]:
        """How far the numerical range of J reaches, in the way that counts: its radius and `None`, or `None` and its
        abscissa."""

    def bifurcation(self, eigenvalue: complex) -> str:
        """What befalls a fixed point when this eigenvalue of its Jacobian crosses the boundary of stability; "fold" stands
        for a fold or a branch point, which the eigenvalue cannot tell apart."""
        raise NotImplementedError(f"{type(self).__name__} must say which bifurcations it has: bifurcation(eigenvalue).")


def check_system(name: str, value: Any) -> None:
    """`TypeError` for what is no system, so that no analysis needs to ask for the class."""
    if not isinstance(value, AbstractSystem):
        raise TypeError(f"{name} must be a Map or a Flow; got {value!r}.")


class DiscreteTime(AbstractSystem):
    """Systems that move by steps of `dt`: disturbances decay where |λ| < 1."""

    dt: eqx.AbstractVar[float]

    @property
    def own_step(self) -> bool:
        return True

    @property
    def undefined(self) -> Any:
        return RESULTS.not_a_number

    @property
    def reading(self) -> Reading:
        return Reading(Exact().exponent, Exact().contour)

    def growth(self, eigenvalues: Inexact[Array, "..."]) -> Float[Array, "..."]:
        return jnp.log(jnp.abs(eigenvalues)) / self.dt

    def propagator(self, J: Float[Array, "N N"], t: Float[Array, ""]) -> Float[Array, "N N"]:
        return matrix_power(J, jnp.round(t / self.dt).astype(int))

    def linear(self, J: Float[Array, "N N"]) -> "Map":
        return Map(_LinearCell(J), None, self.dt)

    def grain(self, J: Float[Array, "N N"]) -> Grain:
        return Grain(J, jnp.asarray(self.dt, J.dtype), None)

    def outside(self, place: Float[Array, "..."], distance: Float[Array, "..."]) -> Complex[Array, "..."]:
        return (1 + distance) * jnp.exp(1j * place)

    def position(self, z: Complex[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        return jnp.angle(z), jnp.abs(z) - 1

    def numerical_range(self, J: Float[Array, "N N"]) -> tuple[Float[Array, ""] | None, Float[Array, ""] | None]:
        return numerical_radius(J), None

    def flips(self, eigenvalues: Inexact[Array, "..."]) -> Bool[Array, "..."]:
        return jnp.real(eigenvalues) < 0

    def bifurcation(self, eigenvalue: complex) -> str:
        return "neimark-sacker" if eigenvalue.imag else "flip" if eigenvalue.real < 0 else "fold"


class ContinuousTime(AbstractSystem):
    """Systems that move continuously: disturbances decay where Re μ < 0."""

    @property
    def own_step(self) -> bool:
        return False

    @property
    def undefined(self) -> Any:
        return RESULTS.field_undefined

    @property
    def reading(self) -> Reading:
        return Reading(Textbook().exponent, Textbook().contour)

    def growth(self, eigenvalues: Inexact[Array, "..."]) -> Float[Array, "..."]:
        return jnp.real(eigenvalues)

    def propagator(self, J: Float[Array, "N N"], t: Float[Array, ""]) -> Float[Array, "N N"]:
        return exponential(J * t)

    def linear(self, J: Float[Array, "N N"]) -> "Flow":
        return Flow(_LinearField(J))

    def grain(self, J: Float[Array, "N N"]) -> Grain:
        size = jax.lax.stop_gradient(spectral_norm(J))
        length = 0.5 / jnp.where(size == 0, 1, size)
        return Grain(exponential(J * length), length, J)

    def outside(self, place: Float[Array, "..."], distance: Float[Array, "..."]) -> Complex[Array, "..."]:
        return distance + 1j * place

    def position(self, z: Complex[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        return jnp.imag(z), jnp.real(z)

    def numerical_range(self, J: Float[Array, "N N"]) -> tuple[Float[Array, ""] | None, Float[Array, ""] | None]:
        return None, numerical_abscissa(J)

    def flips(self, eigenvalues: Inexact[Array, "..."]) -> Bool[Array, "..."]:
        return jnp.zeros(jnp.shape(eigenvalues), bool)

    def bifurcation(self, eigenvalue: complex) -> str:
        return "hopf" if eigenvalue.imag else "fold"


class Map(DiscreteTime):
    """A network as a dynamical system: h ↦ cell(x, h), every `dt`.

    **Arguments:** `cell` any cell; `x` a constant input (D,), held samples (T, D), a path with samples `dt` apart, or `None`
    for a cell that ignores it; `dt` time per step. Beyond the samples the last one holds. Raises `ValueError` for dt ≤ 0, for
    a path of another sampling interval and for an input of another width than the cell declares, or none.

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
        check_callable("cell", cell, "cell(x, h)")
        self.cell = cell
        self.dt = as_step("dt", dt)
        self.path = _as_input(cell, x, self.dt)
        if not self.autonomous and not isinstance(self.path, SampledPath):
            raise TypeError(f"x must be an input (D,), samples (T, D) or one of rnn_ode's paths; got {x!r}.")
        if isinstance(self.path, SampledPath) and self.path.dt != self.dt:
            raise ValueError(
                f"a map reads one sample a step: x has them every {self.path.dt:g}, and dt is {self.dt:g}. "
                "Resample the input, or run the network at its rate."
            )

    @property
    def owner(self) -> Cell:
        return self.cell

    def _apply(self, x, h):
        return ravel_pytree(self.cell(x, self.unravel(h)))[0]

    def _constant(self, h):
        return self._apply(None if self.path is None else self.path.x, h)

    def residual(self, h: Float[Array, " N"]) -> Float[Array, " N"]:
        return self._constant(h) - h

    def jacobian(self, h: Float[Array, " N"]) -> Float[Array, "N N"]:
        return jax.jacfwd(self._constant)(h)

    def stepper(self, step: float | None = None, solver: diffrax.AbstractSolver | None = None) -> Stepper:
        if solver is not None or (step is not None and as_number("step", step) != self.dt):
            raise ValueError(
                f"a map has its own step, {self.dt:g}, and no solver; got step={step!r}, solver={solver!r}."
            )

        def advance(k, h):
            if self.autonomous:
                return self._constant(h)
            return self._apply(self.path.at(k, jnp.zeros((), h.dtype), self.dt), h)

        return Stepper(advance, self.dt)

    def pieces(self) -> Pieces:
        ask = getattr(self.cell, "pieces", None)
        if ask is None:
            return super().pieces()
        self.require_constant("a map in pieces")
        x = None if self.path is None else self.path.x
        if not is_concrete(self.cell, x):
            raise TypeError("the pieces of a network are read on the host: its weights and input must not be traced.")
        return ask(x) or super().pieces()


class Flow(ContinuousTime):
    """A field as a dynamical system: dh/dt = field(t, h, path).

    **Arguments:** `field` any field; `x` a constant input (D,), held samples (T, D) one time unit apart, a path, or `None`
    for a field that ignores it. Raises `TypeError` for what is none of these, and `ValueError` for an input of another width
    than the field declares, or none.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> ro.Flow(lambda t, h, path: path(t) - h, jnp.ones(1)).residual(jnp.array([1.0])).tolist()
    [0.0]

    ```
    """

    field: Field
    path: Any

    def __init__(self, field: Field, x=None):
        check_callable("field", field, "field(t, h, path)")
        self.field = field
        self.path = _as_input(field, x, 1.0)

    @property
    def owner(self) -> Field:
        return self.field

    def residual(self, h: Float[Array, " N"]) -> Float[Array, " N"]:
        rate = ravel_pytree(self.field(jnp.zeros((), h.dtype), self.unravel(h), self.path))[0]
        return _checked(rate, h)

    def jacobian(self, h: Float[Array, " N"]) -> Float[Array, "N N"]:
        return jax.jacfwd(self.residual)(h)

    def equation(self, h: Float[Array, " N"]) -> Float[Array, "..."]:
        own = getattr(self.field, "equation", None)
        return self.residual(h) if own is None else own(jnp.zeros((), h.dtype), self.unravel(h), self.path)

    def jacobian_at_rest(self, h: Float[Array, " N"]) -> Float[Array, "N N"]:
        own = getattr(self.field, "jacobian_at_rest", None)
        return self.jacobian(h) if own is None else own(jnp.zeros((), h.dtype), self.unravel(h), self.path)

    def require_constant(self, name: str, h: Float[Array, " N"] | None = None) -> None:
        super().require_constant(name)
        if h is not None and depends_on_first(
            lambda t, h: self.field(t, self.unravel(h), self.path), jnp.zeros((), h.dtype), h
        ):
            raise ValueError(
                f"{name} needs a field that does not depend on the time t, and this {type(self.field).__name__} uses t (also "
                "where it multiplies t by 0). If it is periodic, ask for the map over a period instead: "
                "Map(to_rnn(field, RungeKutta(substeps=100), dt=period), x). Otherwise make t a part of the state, or give "
                "its value as the input x."
            )

    def stepper(
        self, step: float | None = None, solver: diffrax.AbstractSolver | None = None, parts: Any = 1
    ) -> Stepper:
        """Steps of equal length, `step` or the next shorter one of which a whole number fits the sampling interval, each
        divided into `parts`; by the classical fourth-order Runge–Kutta method, or by any explicit diffrax solver. Without
        `step`, of one sampling interval, or of one unit of time where the input has none."""
        solver = None if solver is None else _explicit(solver)
        step = None if step is None else as_step("step", step)
        if isinstance(self.path, SampledPath):
            parts = parts * (1 if step is None else -int(-self.path.dt / step * (1 - 1e-9) // 1))
            moment, unit = _moment_of(self.path, parts), self.path.dt
        else:
            unit = 1.0 if step is None else step

            def moment(k, s):
                return _time(k, s, jnp.asarray(unit, s.dtype) / jnp.asarray(parts, s.dtype)), self.path

        def rate(k, h, s=0.0):
            t, path = moment(k, jnp.asarray(s, h.dtype))
            return _checked(ravel_pytree(self.field(t, self.unravel(h), path))[0], h)

        def advance(k, h):
            # a step's length is a constant, and no difference of two times, which would lose its digits
            length = jnp.asarray(unit, h.dtype) / jnp.asarray(parts, h.dtype)
            return _step_of(lambda s, v: length * rate(k, v, s), h, solver)

        return Stepper(advance, unit / parts, rate)


def _moment_of(path: SampledPath, parts):
    """The time, and the input about it, a fraction s into the step k of a `parts`-th of the sampling interval."""

    def moment(k, s):
        whole, fraction = k // parts, (jnp.asarray(k % parts, s.dtype) + s) / jnp.asarray(parts, s.dtype)
        t = _time(whole, fraction, path.dt) + jnp.asarray(path.start, s.dtype)
        return t, path.piece(whole).moment(t, fraction)

    return moment


def _time(k, fraction, step):
    """(k + fraction) · step, rounded at the end only: a float32 holds no k above 2²⁴ beside a fraction."""
    step = jnp.asarray(step, fraction.dtype)
    high, low = (jnp.asarray(part, fraction.dtype) for part in (k // 4096, k % 4096))
    return high * (4096 * step) + (low + fraction) * step


def _step_of(rate, h, solver: diffrax.AbstractSolver | None):
    """The state after a step over a local time of 0 to 1, `rate(s, h)` being dh/ds."""
    if solver is None:
        return runge_kutta_4(rate, h)
    start, end = jnp.zeros((), h.dtype), jnp.ones((), h.dtype)
    term = diffrax.ODETerm(lambda s, v, _: rate(s, v))
    state = solver.init(term, start, end, h, None)
    return solver.step(term, start, end, h, None, state, made_jump=False)[0]


def _explicit(solver: diffrax.AbstractSolver) -> diffrax.AbstractSolver:
    """An explicit solver, checked, in the form that takes derivatives in both modes: diffrax scans over the stages by a loop
    of reverse mode alone where nothing else is asked for."""
    check_solver("solver", solver)
    if isinstance(solver, diffrax.AbstractImplicitSolver):
        raise ValueError(
            "solver must be an explicit one for a flow carried on in fixed steps, such as diffrax.Tsit5(); got "
            f"{type(solver).__name__}(), which is implicit."
        )
    if getattr(solver, "scan_kind", "lax") is not None:
        return solver
    return eqx.tree_at(lambda s: s.scan_kind, solver, "lax", is_leaf=lambda leaf: leaf is None)


class _LinearCell(eqx.Module):
    """The cell h ↦ W h."""

    W: Float[Array, "N N"]

    def __call__(self, x, h):
        return self.W @ h


class _LinearField(eqx.Module):
    """The field dh/dt = A h."""

    A: Float[Array, "N N"]

    def __call__(self, t, h, path):
        return self.A @ h


def _as_input(owner, x, dt: float):
    """An input as a path, of the width that the cell or field declares."""
    width = getattr(owner, "input_size", None)
    if not (x is None or callable(x)):
        x = as_floats("x", x)
        x = Constant(x) if x.ndim < 2 else Hold(x, dt)
    shape = x.x.shape if isinstance(x, Constant) else x.xs.shape[1:] if isinstance(x, SampledPath) else None
    if isinstance(width, int) and (x is None or shape not in (None, (width,))):
        came = (
            "None"
            if x is None
            else f"one of shape {shape}"
            + (f" in each of {x.xs.shape[0]} samples" if isinstance(x, SampledPath) else "")
        )
        raise ValueError(
            f"x must be an input of shape ({width},) for this {type(owner).__name__}, or samples (T, {width}); got {came}."
        )
    return x


def _checked(rate, h):
    """A flow's velocity (N,), real and in the shape of the state."""
    if jnp.iscomplexobj(rate):
        raise TypeError(
            "the field is complex, as Exact(complex=True)'s is, and a flow of real states is wanted. "
            "Tustin() and Forward(order) stay real for negative multipliers."
        )
    if rate.shape != h.shape:
        raise ValueError(f"field(t, h, path) must return dh/dt in the shape of h, {h.shape}; it returned {rate.shape}.")
    return rate


def _described(owner) -> str:
    activation = getattr(owner, "activation", None)
    return f"{type(owner).__name__}" + (
        "" if activation is None else f" with {getattr(activation, '__name__', activation)}"
    )


def _template(owner):
    """A state (of shapes only) as the cell or field has it, or `None` where that does not say."""
    try:
        return jax.eval_shape(lambda: initial_state(owner))
    except ValueError:
        return None


def _unravel_like(like, h):
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, h.dtype), like)
    return ravel_pytree(zeros)[1](h)
