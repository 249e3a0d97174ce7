"""What an input that changes with time means for a closed orbit: its period, and where each segment is in it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .._base.checks import is_concrete
from .._base.compiled import compiled
from .._paths.base import is_held
from .._systems.base import AbstractSystem
from .._systems.dependence import depends_on_first
from .orbits_mesh import POINTS
from .orbits_ring import Grid

_MOMENTS = 509  # of a period, at which an input is compared with itself: pulses are short

_TURNS = 2, 3, 5  # times that the orbit of a flow may have gone round; who goes round four times does so twice


def samples_of(system: AbstractSystem) -> int | None:
    """Returns the number of samples of the input, one after each step of the system; `None` for any other input."""
    span = system.span
    return None if span == float("inf") or system.autonomous else round(span / system.stepper().length)


def rate_of(system: AbstractSystem, h: Array, time: Array) -> Array:
    """Returns dh/dt of a flow at a state and a time within the first step of its input."""
    return system.stepper().rate(jnp.zeros((), int), h, time)  # pyright: ignore


def is_driven(system: AbstractSystem, h: Array) -> bool:
    """Returns whether the input, or the field itself, changes with time."""
    if not system.autonomous or system.time.own_step:
        return not system.autonomous
    return depends_on_first(lambda s, h: rate_of(system, h, s), jnp.zeros((), h.dtype), h)


def check_period(system: AbstractSystem, h: Array, period: float) -> None:
    """Raises `ValueError` if the input of a driven system does not have that period."""
    samples, stepper = samples_of(system), system.stepper()
    if samples is not None:
        if not (system.time.own_step or is_held(system._path)):
            raise ValueError(
                "the input of a periodic orbit of a flow must be held samples (Hold), or a function of time such as "
                f"lambda t: jnp.sin(t)[None]; a {type(system._path).__name__} does not join its last sample to its first."
            )
        turns = period / (samples * stepper.length)
        if round(turns) < 1 or abs(turns - round(turns)) > 1e-6 * turns:
            raise ValueError(
                f"period must be a whole multiple of the input's, whose {samples} samples are one period of "
                f"{samples * stepper.length:g}; got {period:g}."
            )
        return
    if system.time.own_step:
        return
    missed, size = _misses(system, h, jnp.asarray(period, h.dtype))
    if is_concrete(missed) and not missed <= 100 * float(jnp.finfo(h.dtype).eps) ** 0.5 * size:
        raise ValueError(
            f"period must be one of the input's: dh/dt at a state differs by {missed:.2g} between a time and {period:g} "
            "later. Give the input's own period, or a whole multiple of it."
        )


@compiled
def _misses(system: AbstractSystem, h: Array, period: Array) -> tuple[Array, Array]:
    """Returns by how much dh/dt at a state differs at most between a time and a `period` later, and its size."""
    number = jnp.arange(_MOMENTS, dtype=h.dtype)
    times = (number + 0.382) / _MOMENTS * period  # which is at no simple fraction, where an input may jump
    at = jax.vmap(lambda k, t: rate_of(system, h + 0.1 * (k % 5), t))
    now, then = at(number, times), at(number, times + period)
    return jnp.max(jnp.abs(now - then)), jnp.max(jnp.abs(now))


def repeats(system: AbstractSystem, h: Array, period: Array) -> Bool[Array, ""]:
    """Returns whether an input that is a function of time surely has that period."""
    missed, size = _misses(system, h, period)
    return missed <= float(jnp.finfo(h.dtype).eps) ** 0.6 * size


def turns_of(system: AbstractSystem, period: float) -> tuple[int, ...]:
    """Returns how often an orbit of that period may have gone round, prime numbers only: who goes round four times does so
    twice. An orbit under samples is not shorter than they are."""
    samples = samples_of(system)
    if samples is None and not system.time.own_step:
        return _TURNS
    whole = round(period / system.stepper().length) // (samples or 1)
    return tuple(k for k in range(2, whole + 1) if whole % k == 0 and all(k % j for j in range(2, k)))


class Clock(NamedTuple):
    """Where segments (m,) are in the input: the number of its `step`, how far into that step they begin, and the `span` of
    them (in steps, or in time if the input has no steps)."""

    step: Int[Array, "..."]
    into: Float[Array, "..."]
    span: Float[Array, "..."]


def clock_of(system: AbstractSystem, widths: Array, period: float) -> Clock:
    """Returns where the segments of a flow of these widths are in an input of that period; 0 stands for no input. If the
    input has samples, the segments are of equal length, a whole number of them in each sampling interval
    (`intervals_for`)."""
    m = len(widths)
    number, samples = jnp.arange(m), samples_of(system)
    if samples is None or not period:
        return Clock(jnp.zeros(m, int), period * (jnp.cumsum(widths) - widths), period * widths)
    parts = m // round(period / system.stepper().length)
    span = jnp.full(m, 1 / parts, widths.dtype)
    return Clock(number // parts % samples, (number % parts) * span, span)


def grid_of(system: AbstractSystem, widths: Array, period: float, driven: bool) -> Grid:
    """Returns where the segments of these widths are in the period and in the input."""
    m = len(widths)
    if system.time.own_step:
        number, samples = jnp.arange(m), samples_of(system)
        return Grid(widths, number if samples is None else number % samples, jnp.zeros((m, 1), widths.dtype))
    clock = clock_of(system, widths, period if driven else 0.0)
    return Grid(widths, clock.step, clock.into[:, None] + clock.span[:, None] * jnp.asarray(POINTS, widths.dtype)[None])


def intervals_for(system: AbstractSystem, least: int, period: float) -> int:
    """Returns a number of intervals, at least so many, that puts a whole number of them into each sampling interval."""
    if samples_of(system) is None:
        return least
    steps = round(period / system.stepper().length)
    return steps * max(1, -(-least // steps))
