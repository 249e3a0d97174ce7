"""How long a step of a flow may be: measured on the flow itself, since time constants differ from system to system.

Tangent vectors v of length one are carried by one step and by two halves of it. The difference e is the step's error. How far
v moves, z, is the step's length L times the rates of the system. Both are pure numbers: they do not depend on the units of
time and state. For the classical Runge–Kutta method and a rate μ, z ≈ |μ| L and e ≈ z⁵/128, so e/z is the error of an
exponent, relative to the fastest rate.
"""

from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .._base.compiled import compiled
from .._base.states import frozen
from .._systems.base import AbstractSystem
from .._systems.stepper import Stepper
from .frames import first_frame, push

INEXACT = 0.003  # error of a step, relative to the fastest rate; an exponent's is up to twice as large
_USELESS = 0.1  # error of a step above which exponents mean nothing
_ERROR = 1e-4  # error of the reference step: far above the rounding of float32, at z = 0.4
_SHARE = 1 / 6  # the wanted length of a step, relative to the reference step
_LARGEST = 0.05  # error of a trial step; at a kink it is about z/8
_FINER = 16  # a run that failed is repeated with steps this many times shorter
_TRIALS = 2000  # trial steps, at most
_ROWS = 4  # tangent vectors, at most


class Step(NamedTuple):
    """A step: a length of time, which is static, divided into equal parts, whose number may be traced.

    Without a length it is one sampling interval, or one unit of time where the input has no samples.
    """

    unit: float | None = None
    parts: Any = 1

    def stepper(self, system: AbstractSystem, solver: diffrax.AbstractSolver | None, finer: Any = 1) -> Stepper:
        if system.time.own_step:
            return system.stepper(self.unit, solver)
        return system.stepper(self.unit, solver, self.parts * finer)


class Errors(NamedTuple):
    """Errors of a step on unit vectors; all are 1 where the step leaves the float range."""

    size: Float[Array, "..."]
    """The largest error e."""
    move: Float[Array, "..."]
    """The largest motion z."""
    growth: Float[Array, "... k"]
    """The error of each vector's growth, with its sign."""

    @classmethod
    def none(cls, V: Float[Array, "k N"]) -> "Errors":
        return cls(jnp.zeros((), V.dtype), jnp.zeros((), V.dtype), jnp.zeros(V.shape[0], V.dtype))


def local_error(
    system: AbstractSystem,
    step: Step,
    solver: diffrax.AbstractSolver | None,
    k: Array,
    h: Float[Array, " N"],
    V: Float[Array, "k N"],
) -> Errors:
    """The errors of step k from h on the orthonormal rows of V."""

    def leap(state, row):
        finer, index = row
        h, P = push(step.stepper(system, solver, finer).advance, index, *state)
        return jax.tree.map(lambda new, old: jnp.where(finer == 1, old, new), (h, P), state), P

    rows = jnp.asarray([1, 2, 2], k.dtype), jnp.stack([k, 2 * k, 2 * k + 1])
    _, (whole, _, halves) = jax.lax.scan(leap, (h, V), rows)
    e = jnp.max(jnp.linalg.norm(whole - halves, axis=1))
    z = jnp.max(jnp.linalg.norm(whole - V, axis=1))
    errors = Errors(e, z, jnp.sum((whole - halves) * V, axis=1))
    finite = jnp.isfinite(e) & jnp.isfinite(z)
    return jax.tree.map(lambda x: jnp.where(finite, x, 1), errors)


def some_rows(Q: Float[Array, "k N"]) -> Float[Array, "m N"]:
    """At most four rows of a frame, the first and the last among them."""
    return Q[np.unique(np.linspace(0, len(Q) - 1, _ROWS).round().astype(int))]


def longer_by(e: Float[Array, ""], dtype: Any, solver: diffrax.AbstractSolver | None) -> Float[Array, ""]:
    """The factor that makes a step of mean error e one sixth as long as the step of error 10⁻⁴ is.

    By the classical Runge–Kutta method an exponent's error is then 2·10⁻⁷ of the fastest rate.
    """
    order = 4 if solver is None else solver.order(diffrax.ODETerm(lambda t, y, args: y)) or 1
    eps = float(jnp.finfo(dtype).eps)
    return _SHARE * (_ERROR / jnp.maximum(e, 16 * eps)) ** (1 / (order + 1))


class Accuracy(NamedTuple):
    """How accurate the steps of a run are."""

    error: Float[Array, ""]
    """The error of an exponent, in nats per unit time."""
    inexact: Bool[Array, ""]
    """Whether the error is large compared with the fastest rate."""
    useless: Bool[Array, ""]
    """Whether it is so large that the exponents mean nothing."""
    length: Float[Array, ""]
    """The length of a step, in time."""
    wanted: Float[Array, ""]
    """The length of the longest step that suits the run."""

    @classmethod
    def of(
        cls, errors: Errors, where: Bool[Array, " m"], length: Any, solver: diffrax.AbstractSolver | None
    ) -> "Accuracy":
        """From the errors of m steps of that length, and which of them count (m,)."""
        length = jnp.asarray(length, errors.size.dtype)
        where = where & (errors.move > 0)

        def mean(values):
            return jnp.sum(jnp.where(where, values, 0), axis=-1) / jnp.maximum(jnp.sum(where), 1)

        size, move = mean(errors.size), mean(errors.move)
        # errors of both signs, as at a kink, cancel in the mean
        error = jnp.max(jnp.abs(mean(errors.growth.T)))
        ratio, ratio_of_sizes = (x / jnp.where(move > 0, move, 1) for x in (error, size))
        inexact = (ratio > INEXACT) | (ratio_of_sizes > _USELESS)
        useless = (ratio > _USELESS) | (ratio_of_sizes > 3 * _USELESS)
        longer = longer_by(size, length.dtype, solver)
        rounding = size <= 32 * jnp.finfo(length.dtype).eps  # shorter steps would not help
        longer = jnp.where(jnp.any(where), jnp.where(rounding, jnp.maximum(longer, 1), longer), 1)
        return cls(error / length, inexact, useless, length, longer * length)


def is_thrown(
    system: AbstractSystem,
    step: Step,
    solver: diffrax.AbstractSolver | None,
    k: Array,
    h: Float[Array, " N"],
    end: Array,
) -> Bool[Array, ""]:
    """Whether too long steps took a run out of the float range before step `end`; the last accurate one is step k, from h.

    They did if `_FINER` times shorter steps stay in the range, or leave it although the field points back.
    """
    fine = step.stepper(system, solver, _FINER)
    limit = jnp.finfo(h.dtype).max ** 0.25

    def going(state):
        k, _, after = state
        return (k < _FINER * end) & jnp.all(jnp.abs(after) <= limit)

    def advance(state):
        k, _, h = state
        return k + 1, h, fine.advance(k, h)

    k, h, after = jax.lax.while_loop(going, advance, (_FINER * k, h, h))
    size = jnp.max(jnp.abs(h))
    outward = jnp.sum(h / jnp.where(size > 0, size, 1) * fine.rate(k, h)) > 0  # pyright: ignore[reportOptionalCall]
    return frozen(jnp.all(jnp.abs(after) <= limit) | ~outward)


@compiled
def step_wanted(
    system: AbstractSystem,
    h0: Float[Array, " N"],
    parts: Array,
    most: Array,
    solver: diffrax.AbstractSolver | None,
) -> Float[Array, ""]:
    """The length of a step that suits the system along its run from h0, as a share of one sampling interval, or of one unit
    of time where the input has no samples. The run lasts `most` of these intervals.

    A trial of at most 2000 steps is made. Its first step is one `parts`-th of the interval. Each step is halved until its
    error is at most 0.05, and no later step is longer. The mean of the errors says how long a step may be. If the trial ends
    early (the state runs off, or the field does not exist), the length of its first step counts instead, so that the run
    itself soon meets the same trouble.
    """
    V = jnp.asarray(first_frame(min(_ROWS, h0.shape[0]), h0.shape[0]), h0.dtype)
    limit, finest = jnp.finfo(h0.dtype).max ** 0.25, 2**29 * parts

    def going(state):
        k, _, parts, _, _, _, made, ended = state
        return (made < _TRIALS) & (k < 2**29) & (k < most * parts) & ~ended

    def trial(state):
        k, h, parts, errors, steps, first, made, _ = state
        step = Step(None, parts)
        e, z, _ = local_error(system, step, solver, k, h, V)
        after = step.stepper(system, solver).advance(k, h)
        good = (e <= _LARGEST) & (z < 1.5) & jnp.all(jnp.abs(after) <= limit)
        first = jnp.where((made == 0) & good, parts, first)
        errors, steps = jnp.where(good, errors + e, 0), jnp.where(good, steps + 1, 0)
        ended = ~good & (parts >= finest)
        # the same time, counted in steps of half the length
        k, parts = jnp.where(good, k + 1, 2 * k), jnp.where(good, parts, 2 * parts)
        return k, jnp.where(good, after, h), parts, errors, steps, first, made + good, ended

    zero = jnp.zeros((), int)
    start = (zero, h0, parts, jnp.zeros((), h0.dtype), zero, 1024 * parts, zero, jnp.zeros((), bool))
    _, _, parts, errors, steps, first, _, ended = jax.lax.while_loop(going, trial, start)
    error = jnp.where(ended, _LARGEST, errors / jnp.maximum(steps, 1)).astype(h0.dtype)
    return jax.lax.stop_gradient(longer_by(error, h0.dtype, solver) / jnp.where(ended, first, parts))


def divided(share: Any) -> Any:
    """The number of equal parts of a length that makes each at most that share of it: an int, or an array for a traced share.

    It is 1, 2, 3, or a power of two times 4, 5, 6 or 7, so that runs of similar systems share what is compiled.
    """
    xp = jnp if isinstance(share, Array) else np
    wanted = xp.maximum(1 / share, 1) * (1 - 1e-6)
    power = xp.exp2(xp.floor(xp.log2(wanted)))
    parts = xp.ceil(xp.ceil(4 * wanted / power) / 4 * power)
    return parts if xp is jnp else int(parts)
