"""Inputs as functions of time.

Sample k drives step k, from t = k·dt to (k+1)·dt, and is stamped at its end, so that h(t) = f(W_h h(t−dt) + W_x x(t) + b)
reads as printed. *Held* (`Hold`), the sample is constant during its step. *Smooth* (`Linear`, `Cubic`, `BandLimited`), the
samples are readings of a signal at their stamps.

Time is carried as (whole steps, fraction of a step). A float of the time is turned into that pair by rounding to the
nearest step where the float cannot tell them apart, never by a floor of t/dt, which in float32 picks the wrong sample for a
fifth of five seconds of audio.
"""

import abc
import math
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .._base.checks import as_floats, as_number, as_step


class AbstractPath(eqx.Module):
    """An input as a function of time; `path(t, after=s)` is the input s time units later, without adding floats of time."""

    @abc.abstractmethod
    def __call__(self, t, after=0.0) -> Array: ...


class Constant(AbstractPath):
    """An input (D,) that never changes: one step's piece of a held input."""

    x: Array

    def __call__(self, t, after=0.0) -> Array:
        return self.x

    def moment(self, t, fraction) -> "Constant":
        return self


def is_held(path: Any) -> bool:
    """Whether an input is constant between its stamps."""
    return isinstance(path, SampledPath) and path.degree == 0


class SampledPath(AbstractPath):
    """An input given by samples `xs` (T, …), `dt` apart, the first stamped `t0`; `start` is one step before that."""

    xs: Float[Array, "T ..."]
    dt: float = eqx.field(static=True, default=1.0)
    t0: float | None = eqx.field(static=True, default=None)

    degree: ClassVar[int | None] = None  # of the polynomial in t that the input is between two stamps

    @property
    def beyond(self) -> int | None:
        """How many samples after the next stamp count at a time between two stamps; `None` where the path does not say."""
        return None

    def __init__(self, xs, dt: float = 1.0, t0: float | None = None):
        self.xs = as_floats("xs", xs)
        self.dt = as_step("dt", dt)
        self.t0 = None if t0 is None else _as_stamp(t0)

    def __check_init__(self):
        if self.xs.ndim == 0 or self.xs.shape[0] == 0:
            raise ValueError(f"xs must hold at least one sample, time first: (T, D) with T ≥ 1; got {self.xs.shape}.")

    @property
    def start(self) -> float:
        """When the first step begins: t0 − dt, which is 0 unless t0 is given."""
        return 0.0 if self.t0 is None or self.t0 == self.dt else self.t0 - self.dt

    @property
    def stamps(self) -> Float[Array, " T"]:
        return self.time(jnp.arange(1, self.xs.shape[0] + 1), 0.0)

    @property
    def times(self) -> Float[Array, " n"]:
        """When the first step begins, and every stamp."""
        return jnp.concatenate([jnp.full(1, self.start, jnp.result_type(float)), self.stamps])

    def time(self, whole: Int[Array, "..."], fraction) -> Array:
        """The float of a time given as whole steps since the start and a fraction of a step."""
        return self.start + (whole + jnp.asarray(fraction, jnp.result_type(float))) * self.dt

    def split(self, t) -> tuple[Int[Array, "..."], Float[Array, "..."]]:
        """A float of time as whole steps since the start and a fraction in [0, 1)."""
        t = jnp.asarray(t)
        kind = jnp.result_type(float)
        eps = jnp.finfo(t.dtype if jnp.issubdtype(t.dtype, jnp.floating) else kind).eps
        return split(t.astype(kind), self.start, self.dt, float(eps))

    @abc.abstractmethod
    def at(self, whole: Int[Array, ""], fraction: Float[Array, ""], after=0.0) -> Array:
        """The input (…) at a time given exactly, `after` time units later."""

    @abc.abstractmethod
    def piece(self, whole: Int[Array, ""]) -> "Constant | Piece":
        """The input during step `whole`, both ends included."""

    def __call__(self, t, after=0.0) -> Array:
        return _value(self, t, after)

    def ahead(self, whole: Int[Array, ""], fraction: Float[Array, ""], after, step: float, count: int) -> Array:
        """The inputs (count, …) at a time given exactly, `after` time units later, and every `step` from there on."""
        return jax.vmap(lambda j: self.at(whole, fraction, after + j * step))(jnp.arange(count))

    def _position(self, whole, fraction, after) -> tuple[Array, Array]:
        """Index of the stamp at or before, and the fraction towards the next; the end stamps outside."""
        index, fraction = self._place(whole, fraction, after)
        fraction = jnp.where(self._between(index), fraction, 0.0).astype(self.xs.dtype)
        return jnp.clip(index, 0, self.xs.shape[0] - 1), fraction

    def _place(self, whole, fraction, after) -> tuple[Array, Array]:
        """The same wherever it is, as if there were stamps everywhere."""
        steps = after / self.dt
        whole_steps = jnp.floor(steps)
        fraction = fraction + (steps - whole_steps)
        carry = jnp.floor(fraction)
        return whole + (whole_steps + carry).astype(int) - 1, fraction - carry

    def _between(self, index) -> Array:
        return (index >= 0) & (index < self.xs.shape[0] - 1)

    def _sample(self, index) -> Array:
        return _take(self.xs, index)


class Hold(SampledPath):
    """A held input: sample k is the input from k·dt to (k+1)·dt. `after` is ignored: a step has one input.

    **Arguments:** `xs` (T, …) samples; `dt` sampling interval, time; `t0` first stamp, `dt` unless given. Before the first
    step and after the last the end values hold. Raises `ValueError` for an empty or non-finite xs and for dt ≤ 0.

    Asked by a float of the time, the end of a step reads the next sample, and so does a float next to it. A solver that
    is told to stop there by `jump_ts` asks for both, and takes small steps before them; `integrate` hands the field the
    step's own piece of the input, closed at both ends, and has no such trouble.

    ```python
    >>> import jax.numpy as jnp, rnn_ode as ro
    >>> path = ro.Hold(jnp.array([[1.0], [2.0]]))
    >>> [path(t).item() for t in (0.0, 0.5, 1.0, 5.0)]
    [1.0, 1.0, 2.0, 2.0]

    ```
    """

    degree = 0

    @property
    def beyond(self) -> int:
        return 0

    def at(self, whole, fraction, after=0.0) -> Array:
        return self._sample(whole)

    def piece(self, whole) -> Constant:
        return Constant(self._sample(whole))


class Piece(AbstractPath):
    """A smooth input during one step, whose number is known exactly."""

    path: SampledPath
    whole: Int[Array, ""]

    def moment(self, t, fraction) -> "Moment":
        return Moment(self, t, fraction)

    def __call__(self, t, after=0.0) -> Array:
        return self.path(t, after)


class Moment(AbstractPath):
    """A smooth input near an instant known exactly, whose float is `t`: other times are read by their distance from it."""

    piece: Piece
    t: Array
    fraction: Array

    def __call__(self, t, after=0.0) -> Array:
        path = self.piece.path
        return path.at(self.piece.whole, self.fraction + (t - self.t) / path.dt, after)


def split(t, start: float, dt: float, eps: float, xp: Any = jnp):
    """Floats of time as whole steps of dt since the start and a fraction of one, in [0, 1).

    A time within two roundings, `eps` of its own type, of a whole step is that step, fraction 0: nearer floats cannot be
    told apart.
    """
    steps = (t - start) / dt
    nearest = xp.round(steps)
    unit = eps * xp.maximum(xp.abs(steps), xp.maximum(xp.abs(t), abs(start)) / dt)
    same = xp.abs(steps - nearest) <= 2 * unit
    whole = xp.where(same, nearest, xp.floor(steps))
    taken = xp.where(same, steps, whole)
    # a difference, not a constant 0, so that a derivative with respect to t is that of what follows
    return whole.astype(int), steps - (jax.lax.stop_gradient(taken) if xp is jnp else taken)


@jax.jit
def _value(path: SampledPath, t, after) -> Array:
    return path.at(*path.split(t), after)


def read(path, t, after: Any = 0.0) -> Array:
    """The input `after` time units past t, of one of our paths or of any other function of time."""
    return path(t, after) if isinstance(path, AbstractPath) else jnp.asarray(path(t + after))


def _take(rows: Array, index) -> Array:
    """Rows by number, the first or last one beyond the ends (`mode="clip"` alone counts −1 from the end)."""
    return rows[jnp.clip(index, 0, rows.shape[0] - 1)]


def _as_stamp(t0) -> float:
    stamp = as_number("t0", t0)
    if not math.isfinite(stamp):
        raise ValueError(f"t0 must be finite, the first sample's stamp; got {stamp}.")
    return stamp
